"""Checkpoints: a fit goes on as if it had never stopped, and no fault of a disk ends it."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF, load, save
from nonneg.fitting.checkpoints.files import Checkpoints
from support.cases import data
from support.stopping import Stop, ending

K = 4
CASES = {
    "cd": {"solver": "cd"},
    "cd-shuffled": {"solver": "cd", "shuffle": True},
    "hals": {"solver": "hals"},
    "hals-blocks": {"solver": "hals", "blocks": 3},
    "hals-starts": {"solver": "hals", "n_init": 3},
    "hals-compressed": {"solver": "hals", "compress": True},
    "bpp": {"solver": "bpp"},
    "pg": {"solver": "pg", "tol": 1e-9},
    "mu": {"solver": "mu", "beta_loss": 1},
    "mu-accelerated": {"solver": "mu", "beta_loss": 1.5, "accelerate": True},
    "mu-starts": {"solver": "mu", "beta_loss": 0.5, "n_init": 2},
    "sn": {"solver": "sn", "beta_loss": 1},
    "irls": {"solver": "irls", "beta_loss": 1.5},
    "auto": {"solver": "auto"},
}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def model(case="hals", **options):
    given = {"init": "random", "random_state": 0, "max_iter": 25, "tol": 0}
    return NMF(K, **{**given, **CASES[case], **options})


def stopped(X, path, n_iter, case="hals", error=Stop, **options):
    """A fit that ends with an error in its n-th iteration, with a checkpoint of the one before."""
    callback = ending(n_iter, error)
    with pytest.raises(error):
        model(
            case, checkpoint=path, checkpoint_every=1, callback=callback, **options
        ).fit(X)


def matrix(storage):
    X = data(60, 30)
    return {"dense": X, "csr": sp.csr_array(X), "csc": sp.csc_array(X)}[storage]


def assert_same(one, two):
    np.testing.assert_array_equal(one.components_, two.components_)
    assert one.n_iter_ == two.n_iter_
    assert one.reconstruction_err_ == two.reconstruction_err_
    assert one.stop_reason_ == two.stop_reason_
    for name in ("objective", "residual", "sweeps"):
        np.testing.assert_array_equal(one.history_[name], two.history_[name])
    assert np.all(np.diff(two.history_["seconds"]) >= 0)


# --- going on -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "storage", "n_iter"),
    [
        (case, storage, n_iter)
        for case in CASES
        for storage, n_iter in (("dense", 2), ("dense", 11), ("csr", 21), ("csc", 11))
        if storage == "dense" or case != "hals-compressed"  # which is for dense X
    ],
)
def test_a_resumed_fit_ends_as_one_that_was_not_stopped(
    case, storage, n_iter, tmp_path
):
    X, path = matrix(storage), tmp_path / "fit"
    whole = model(case).fit(X)
    stopped(X, path, n_iter, case)
    assert path.exists()
    resumed = model(case, checkpoint=path, resume=True)
    W = resumed.fit_transform(X)
    assert_same(whole, resumed)
    np.testing.assert_array_equal(W, model(case).fit_transform(X))


@pytest.mark.parametrize("case", ["hals", "mu", "hals-starts"])
def test_many_interruptions_are_as_none(case, tmp_path):
    X, path = matrix("csr"), tmp_path / "fit"
    whole = model(case, tol=1e-5, max_iter=300).fit(X)
    for n_iter in range(3, 20, 3):
        stopped(X, path, n_iter, case, tol=1e-5, max_iter=300, resume=n_iter > 3)
    resumed = model(case, tol=1e-5, max_iter=300, checkpoint=path, resume=True).fit(X)
    assert_same(whole, resumed)


def test_an_ended_fit_returns_at_once_and_may_go_on_further(tmp_path):
    X, path = matrix("dense"), tmp_path / "fit"
    options = {"tol": 1e-4, "max_iter": 500, "checkpoint": str(path)}
    first = model(**options).fit(X)
    assert first.stop_reason_ == "converged"
    calls = []
    again = model(**options, resume=True, callback=calls.append).fit(X)
    assert not calls
    assert_same(first, again)
    options["tol"] = 1e-6
    further = model(**options, resume=True).fit(X)
    assert further.n_iter_ > first.n_iter_
    assert_same(model(**{**options, "checkpoint": None}).fit(X), further)
    short = model(max_iter=5, checkpoint=path).fit(X)
    longer = model(max_iter=25, checkpoint=path, resume=True).fit(X)
    assert short.n_iter_ == 5
    assert_same(model().fit(X), longer)


def test_the_time_limit_is_that_of_each_run(tmp_path):
    X, path = matrix("dense"), tmp_path / "fit"
    slow = {"max_time": 0.2, "callback": lambda iteration: time.sleep(0.25)}
    model(checkpoint=path, **slow).fit(X)
    for n_iter in (2, 3):
        fitted = model(checkpoint=path, resume=True, **slow).fit(X)
        assert (fitted.n_iter_, fitted.stop_reason_) == (n_iter, "max_time")


def test_nothing_to_resume_is_a_fit_from_the_start(tmp_path):
    X = matrix("dense")
    assert_same(model().fit(X), model(checkpoint=tmp_path / "new", resume=True).fit(X))


def test_an_interrupt_between_iterations_is_kept(tmp_path):
    X, path = matrix("dense"), tmp_path / "fit"

    def callback(iteration):
        if iteration.n_iter == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model(checkpoint=path, callback=callback).fit(X)  # every minute
    kept = model(max_iter=7, checkpoint=path, resume=True).fit(X)
    assert_same(model(max_iter=7).fit(X), kept)


def test_seconds_and_iterations_count(tmp_path, monkeypatch):
    written, write = [], Checkpoints.write

    def counted(self, past):
        written.append(past.state.n_iter)
        write(self, past)

    monkeypatch.setattr(Checkpoints, "write", counted)
    X, path = matrix("dense"), tmp_path / "fit"
    model(checkpoint=path, checkpoint_every=10).fit(X)
    assert len(written) == 3  # after 10, 20 and at the end
    written.clear()
    model(checkpoint=path, checkpoint_every=1e-9).fit(X)
    assert len(written) == 25
    written.clear()
    model(checkpoint=path).fit(X)
    assert len(written) == 1
    model().fit(X).transform(X)
    assert len(written) == 1


def test_transform_writes_nothing_and_models_can_be_saved(tmp_path):
    X, path = matrix("dense"), tmp_path / "fit"
    fitted = model(checkpoint=path).fit(X)
    before = path.read_bytes()
    fitted.transform(X[:5])
    assert path.read_bytes() == before
    save(fitted, tmp_path / "model")
    # a model that was sent to somebody writes to no file on their disk
    assert load(tmp_path / "model").checkpoint is None


# --- another fit --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda X: X[:-1], "shape of X"),
        (lambda X: X.astype(np.float32), "dtype of X"),
        (lambda X: X * 2, "sum of X"),
        (lambda X: X[:, ::-1].copy() ** 1.0 + np.eye(60, 30), "sum of X"),
        (sp.csr_array, "kind of X"),
    ],
)
def test_a_checkpoint_of_other_data_is_refused(change, what, tmp_path):
    X, path = matrix("dense"), tmp_path / "fit"
    model(checkpoint=path, max_iter=3).fit(X)
    with pytest.raises(ValueError, match=f"is of another fit: its .*{what}"):
        model(checkpoint=path, resume=True).fit(change(X))


@pytest.mark.parametrize(
    "options",
    [
        {"n_components": 3}, {"solver": "cd"}, {"init": "nndsvd"}, {"random_state": 1},
        {"alpha_W": 0.1}, {"l1_ratio": 0.5}, {"blocks": 2}, {"n_init": 2},
        {"random_state": np.random.RandomState(0)},
    ],
    ids=lambda options: next(iter(options)),
)  # fmt: skip
def test_a_checkpoint_of_other_parameters_is_refused(options, tmp_path):
    X, path = matrix("dense"), tmp_path / "fit"
    model(checkpoint=path, max_iter=3).fit(X)
    other = model(checkpoint=path, resume=True).set_params(**options)
    name = next(iter(options))
    with pytest.raises(
        ValueError, match=f"parameter {name} is .*resume=False to start"
    ):
        other.fit(X)


def test_a_checkpoint_of_another_start_is_refused(tmp_path):
    X, path = matrix("dense"), tmp_path / "fit"
    rng = np.random.default_rng(0)
    W, H = rng.random((60, K)), rng.random((K, 30))
    options = {"init": "custom", "checkpoint": path}
    model(max_iter=3, **options).fit(X, W=W, H=H)
    model(max_iter=4, **options, resume=True).fit(X, W=W, H=H)
    with pytest.raises(ValueError, match="its start W is"):
        model(**options, resume=True).fit(X, W=W + 1, H=H)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"resume": True}, "resume=True needs `checkpoint`"),
        ({"checkpoint": "/no/such/folder/fit"}, "in a folder that exists"),
        ({"checkpoint": 3}, "checkpoint"),
        ({"checkpoint": "x", "checkpoint_every": 0}, "checkpoint_every"),
        ({"checkpoint": "x", "checkpoint_every": -1.0}, "checkpoint_every"),
        ({"checkpoint": "x", "checkpoint_every": True}, "checkpoint_every"),
        ({"checkpoint": "x", "resume": 1}, "resume"),
    ],
)
def test_impossible_requests_are_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        model(**options).fit(matrix("dense"))


# --- disks --------------------------------------------------------------------------------


def test_a_full_disk_ends_no_fit(tmp_path, monkeypatch):
    X, path = matrix("dense"), tmp_path / "fit"

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.warns(RuntimeWarning, match="No space left") as caught:
        fitted = model(checkpoint=path, checkpoint_every=1).fit(X)
    assert len(caught) == 1
    assert_same(model().fit(X), fitted)
    assert os.listdir(tmp_path) == []


def test_a_limit_on_the_size_of_files_ends_no_fit(tmp_path):
    """The real thing, in a process of its own."""
    script = f"""
        import resource, signal, warnings
        import numpy as np
        from nonneg import NMF
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        X = np.random.default_rng(0).random((200, 30))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            NMF(4, checkpoint={str(tmp_path / "fit")!r}, checkpoint_every=1).fit(X)
        print([str(w.message)[:33] for w in caught])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "No checkpoint could be written to" in done.stdout
    assert os.listdir(tmp_path) == []


def damaged(path, how):
    whole = path.read_bytes()
    if how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    else:
        at = int(how * len(whole))
        path.write_bytes(
            whole[:at] + bytes(b ^ 255 for b in whole[at : at + 64]) + whole[at + 64 :]
        )


@pytest.mark.parametrize("how", ["empty", "cut", 0.1, 0.5, 0.8, 0.99])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(how, tmp_path):
    X, path = matrix("dense"), tmp_path / "fit"
    stopped(X, path, 9)
    damaged(path, how)
    with pytest.warns(RuntimeWarning, match="is damaged and not used"):
        resumed = model(checkpoint=path, resume=True).fit(X)
    assert_same(model().fit(X), resumed)


def test_two_damaged_checkpoints_are_a_fit_from_the_start(tmp_path):
    X, path = matrix("dense"), tmp_path / "fit"
    stopped(X, path, 9)
    damaged(path, "cut")
    damaged(path.with_name("fit.previous"), "empty")
    with pytest.warns(RuntimeWarning, match="is damaged and not used") as caught:
        resumed = model(checkpoint=path, resume=True).fit(X)
    assert len(caught) == 2
    assert_same(model().fit(X), resumed)


KILLED = """
    import sys
    import numpy as np
    from nonneg import NMF
    X = np.random.default_rng(0).random((400, 60))
    def told(iteration):
        print(iteration.n_iter, flush=True)
    model = NMF(8, "random", {solver!r}, random_state=0, tol=0, max_iter={max_iter},
                checkpoint={path!r}, checkpoint_every={every}, resume=True, callback=told)
    model.fit(X)
    np.save({result!r}, model.components_)
"""


def killed_fit(folder: Path, solver: str, rng, max_iter=400, every=3) -> None:
    """Kill -9 at a random moment, then go on; at most one interval is lost."""
    path, result = str(folder / "fit"), str(folder / "H.npy")
    script = textwrap.dedent(KILLED.format(**locals()))
    command = [sys.executable, "-W", "ignore", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(rng.random() * 0.1)
        process.send_signal(signal.SIGKILL)
        told = [int(line) for line in [first, *process.stdout] if line.strip()]
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    counted = [int(line) for line in again.stdout.split()]
    if told[-1] < max_iter:
        assert counted[0] > told[-1] - every - 1
    X = np.random.default_rng(0).random((400, 60))
    whole = NMF(8, "random", solver, random_state=0, tol=0, max_iter=max_iter).fit(X)
    np.testing.assert_array_equal(np.load(result), whole.components_)


@pytest.mark.parametrize("solver", ["hals", "cd"])
def test_a_killed_fit_loses_an_interval_at_most(solver, tmp_path):
    rng = np.random.default_rng(len(solver))
    killed_fit(tmp_path, solver, rng)


@pytest.mark.slow
def test_fifty_kills(tmp_path):
    rng = np.random.default_rng(50)
    for i in range(50):
        (tmp_path / str(i)).mkdir()
        killed_fit(tmp_path / str(i), ("hals", "cd", "mu")[i % 3], rng)
