"""Checkpoints where something is wrong: damage, other files, interrupts, other storage."""

from __future__ import annotations

import errno
import os
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF, MiniBatchNMF, save
from nonneg.base.interfaces import Progress, SolverBase, State
from nonneg.base.records import StopReason
from nonneg.fitting.checkpoints import files
from nonneg.fitting.checkpoints.files import Checkpoints, Past
from nonneg.fitting.checkpoints.state_checks import find_fault
from nonneg.fitting.checkpoints.state_tree import to_table
from nonneg.fitting.loop import Limits, run
from support.cases import data
from support.stopping import Stop, ending

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X = data(60, 30, 0.9) + 0.01


def model(solver: str = "hals", **options: Any) -> NMF:
    poisson = "kullback-leibler" if solver == "sn" else "frobenius"
    given = {"init": "random", "random_state": 0, "max_iter": 20, "tol": 0}
    return NMF(4, solver=solver, **{"beta_loss": poisson, **given, **options})


def stopped(path: Path, n_iter: int = 6, solver: str = "hals", **options: Any) -> None:
    with pytest.raises(Stop):
        model(solver, checkpoint=path, callback=ending(n_iter), **options).fit(X)


def assert_same(one: Any, two: Any) -> None:
    np.testing.assert_array_equal(one.components_, two.components_)
    assert one.n_iter_ == two.n_iter_
    assert one.stop_reason_ == two.stop_reason_
    np.testing.assert_array_equal(one.history_["residual"], two.history_["residual"])


def read(path: Path) -> Any:
    """What is at a path, whatever fit it is of."""

    class Any_(Checkpoints):
        def _require_same(self, path, header):
            pass

    return Any_(path, 1, {}).read()


# --- damage -------------------------------------------------------------------------------


def test_a_flipped_byte_is_noticed_or_does_not_matter(tmp_path):
    path = tmp_path / "fit"
    stopped(path)
    content, good = path.read_bytes(), to_table(read(path).state)
    one, noticed = tmp_path / "one", 0
    # the headers of the archive, where each bit has a meaning of its own, are at its ends
    places = [*range(0, 300, 3), *range(300, len(content), len(content) // 150)]
    places += range(len(content) - 700, len(content))
    for at in places:
        one.write_bytes(content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            past = read(one)
        if past is None:
            assert "is damaged and not used" in str(caught[0].message)
            noticed += 1
            continue
        table = to_table(past.state)
        assert table.keys() == good.keys()
        for name, array in good.items():
            np.testing.assert_array_equal(table[name], array)
    assert noticed > 0.5 * len(places)


def test_an_array_that_claims_to_be_smaller_is_noticed(tmp_path):
    path = tmp_path / "fit"
    stopped(path)
    content = path.read_bytes()
    assert b"'shape': (60, 4)" in content
    path.write_bytes(content.replace(b"'shape': (60, 4)", b"'shape': (59, 4)"))
    with pytest.warns(RuntimeWarning, match=r"not used: (the checksum of|Bad CRC)"):
        assert read(path) is None


def test_a_checkpoint_that_unpacks_to_more_than_it_has_is_not_read(tmp_path):
    path = tmp_path / "fit"
    stopped(path)
    with np.load(path) as archive:
        members = dict(archive)
    with path.open("wb") as file:
        np.savez_compressed(file, **members)
    with pytest.warns(RuntimeWarning, match=r"not used: .* is compressed"):
        assert read(path) is None


@pytest.mark.parametrize(
    ("solver", "name", "value"),
    [
        ("pg", "projected_W", -1.0),
        ("pg", "initial", -np.inf),
        ("mu", "nesterov", 1e300),
    ],
)
def test_a_number_that_no_fit_reaches_is_noticed(solver, name, value, tmp_path):
    """Its root or square would be an error of another class."""
    path = tmp_path / "fit"
    stopped(path, solver=solver)
    past = read(path)
    setattr(past.state, name, value)
    assert f"its {name} is {value:g}" == find_fault(past.state, X.shape, X.dtype)


@pytest.mark.parametrize("exists", [True, False])
def test_a_checkpoint_that_is_a_link_stays_one(exists, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "fit", tmp_path / "link"
    link.symlink_to(target)
    if exists:
        stopped(target, 2)
    stopped(link)
    assert link.is_symlink()
    assert not target.is_symlink()
    assert [path.name for path in tmp_path.glob("link*")] == ["link"]
    assert read(target).state.n_iter == read(link).state.n_iter == 6
    done = model(checkpoint=link, resume=True).fit(X)
    assert_same(done, model().fit(X))
    assert link.is_symlink()


def test_a_link_to_no_folder_is_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "none" / "fit")
    with pytest.raises(ValueError, match="a folder that exists"):
        model(checkpoint=tmp_path / "link").fit(X)


def test_a_damaged_file_never_takes_the_place_of_a_good_one(tmp_path):
    path = tmp_path / "fit"
    stopped(path, checkpoint_every=5)
    previous = path.with_name("fit.previous")
    before = previous.read_bytes()
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.warns(RuntimeWarning, match="is damaged and not used"):
        resumed = model(checkpoint=path, resume=True).fit(X)
    assert_same(resumed, model().fit(X))
    assert previous.read_bytes() == before  # one file was written since
    assert read(path).state.n_iter == 20


def test_another_format_is_refused_and_left_alone(tmp_path, monkeypatch):
    path = tmp_path / "fit"
    monkeypatch.setattr(files, "FORMAT", files.FORMAT + 1)
    stopped(path)
    monkeypatch.undo()
    before = path.read_bytes()
    with pytest.raises(
        ValueError, match=f"is of format {files.FORMAT + 1}, and this version"
    ):
        model(checkpoint=path, resume=True).fit(X)
    assert path.read_bytes() == before


def test_states_of_one_name_in_two_modules_are_two(tmp_path):
    def state_of(module):
        names = {"__module__": module, "__annotations__": {"extra": Any}, "extra": None}
        return dataclass(eq=False)(type("SameState", (State,), names))

    kinds = [state_of("one.solver"), state_of("other.solver")]
    for number, kind in enumerate(kinds):
        keeper = Checkpoints(tmp_path / str(number), 1, {})
        keeper.write(Past(kind(np.ones((2, 1)), np.ones((3, 1)))))
    for number, kind in enumerate(kinds):
        assert type(read(tmp_path / str(number)).state) is kind


def test_another_version_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "fit"
    stopped(path)
    monkeypatch.setattr("nonneg.__version__", "0.0.1")
    with pytest.raises(
        ValueError, match=r"its version of nonneg is .* here it is '0.0.1'"
    ):
        model(checkpoint=path, resume=True).fit(X)


# --- other files --------------------------------------------------------------------------


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("name", ["fit", "fit.previous"])
@pytest.mark.parametrize("what", ["npz", "npy", "text", "model"])
def test_a_file_that_is_no_checkpoint_is_not_written_over(what, name, resume, tmp_path):
    path = tmp_path / name
    with path.open("wb") as file:
        if what == "npz":
            np.savez(file, X=X)
        elif what == "npy":
            np.save(file, X)
        elif what == "text":
            file.write(b"1,2,3\n")
    if what == "model":
        save(model(max_iter=2).fit(X), path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="is there and is no checkpoint"):
        model(checkpoint=tmp_path / "fit", resume=resume).fit(X)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("content", [b"", bytes(5000), b"PK\x03\x04\x14\x00"])
def test_what_a_crash_may_leave_is_written_over(content, tmp_path):
    path = tmp_path / "fit"
    path.write_bytes(content)
    model(checkpoint=path).fit(X)
    assert read(path).state.n_iter == 20


def test_a_checkpoint_of_another_fit_is_written_over_if_it_is_not_resumed(tmp_path):
    path = tmp_path / "fit"
    stopped(path)
    model("cd", checkpoint=path).fit(X)
    assert read(path).state.n_iter == 20
    assert read(path.with_name("fit.previous")).state.n_iter == 6


# --- another fit --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [np.asfortranarray, sp.csr_array, sp.csc_array],
    ids=lambda change: change.__name__,
)
@pytest.mark.parametrize("solver", ["cd", "hals", "mu"])
def test_another_storage_is_refused_by_its_name(solver, change, tmp_path):
    """Of whole numbers, whose sums are the same in any order."""
    counts, path = np.round(9 * X) + 1, tmp_path / "fit"
    model(solver, checkpoint=path).fit(counts)
    with pytest.raises(ValueError, match="its kind of X is 'dense, by rows', here it"):
        model(solver, checkpoint=path, resume=True).fit(change(counts))


def test_mu_is_not_resumed_without_its_first_error(tmp_path):
    path = tmp_path / "fit"
    model("mu", checkpoint=path).fit(X)
    with pytest.raises(ValueError, match="its tol=0 is True, here it is False"):
        model("mu", checkpoint=path, resume=True, tol=1e-9).fit(X)


def test_a_compressed_start_by_a_generator_keeps_its_sketch(tmp_path):
    options = {"compress": True, "max_iter": 30}
    whole = model(**options, random_state=np.random.RandomState(5)).fit(X)
    path = tmp_path / "fit"
    stopped(path, 3, **options, random_state=np.random.RandomState(5))
    again = model(
        **options, random_state=np.random.RandomState(5), checkpoint=path, resume=True
    )
    assert_same(again.fit(X), whole)


# --- interrupts and errors ----------------------------------------------------------------


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt])
def test_an_exception_of_the_callback_leaves_the_iteration(error, tmp_path):
    path = tmp_path / "fit"
    with pytest.raises(error):
        model(checkpoint=path, callback=ending(7, error)).fit(X)
    assert read(path).state.n_iter == 7
    assert_same(model(checkpoint=path, resume=True).fit(X), model().fit(X))


@pytest.mark.parametrize("solver", ["cd", "hals", "bpp", "pg", "mu", "sn", "irls"])
def test_a_fit_interrupted_where_it_converges_has_converged(solver, tmp_path):
    """Whatever the callback does then, no iteration more is done."""
    options = {"tol": 1e-2, "max_iter": 300}
    whole = model(solver, **options).fit(X)
    assert whole.stop_reason_ == "converged"
    for error in (KeyboardInterrupt, Stop):
        path, last = tmp_path / error.__name__, int(whole.n_iter_)
        ended = model(solver, **options, checkpoint=path, callback=ending(last, error))
        with pytest.raises(error):
            ended.fit(X)
        again = model(solver, **options, checkpoint=path, resume=True).fit(X)
        assert_same(again, whole)


def test_converged_does_not_outlast_a_smaller_tol(tmp_path):
    path = tmp_path / "fit"
    model(tol=1e-2, max_iter=300, checkpoint=path).fit(X)
    first = read(path)
    assert first.converged_at == 1e-2
    callback = ending(first.state.n_iter + 1)
    with pytest.raises(Stop):
        model(
            tol=1e-9, max_iter=300, checkpoint=path, resume=True, callback=callback
        ).fit(X)
    assert read(path).converged_at is None


def test_a_fit_that_is_over_is_not_written_again(tmp_path):
    path = tmp_path / "fit"
    model(checkpoint=path).fit(X)
    before = path.read_bytes()
    model(checkpoint=path, resume=True).fit(X)
    model(checkpoint=path, resume=True, max_iter=3).fit(X)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["fit"]


@dataclass(frozen=True)
class Halting(SolverBase):
    """A solver that ends in the middle of its fourth iteration."""

    error: Any
    name: ClassVar[str] = "halting"

    def iterate(self, problem: Any, state: State) -> Progress:
        state.W += 1
        if state.n_iter == 3:
            raise self.error
        state.Ht += 1
        return Progress(None, np.ones(1), None, np.zeros(1, bool))


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_state_in_mid_iteration_is_never_written(error, tmp_path):
    path, past = tmp_path / "fit", Past(State(np.zeros((2, 1)), np.zeros((3, 1))))
    limits, keeper = Limits(max_iter=9, tol=0.0), Checkpoints(path, 2, {})
    if error is OSError:
        with pytest.raises(OSError):  # noqa: PT011
            run(Halting(error), None, past, limits, keeper)
    else:
        outcome = run(Halting(error), None, past, limits, keeper)
        assert outcome.stop_reason is StopReason.INTERRUPTED
    stored = read(path).state
    assert stored.n_iter == stored.W[0, 0] == stored.Ht[0, 0] == 2
    assert past.state.W[0, 0] == 4


def test_an_interrupt_of_a_write_is_one_of_the_fit(tmp_path, monkeypatch):
    """What was found is kept, in memory and in the file before."""
    path, calls, savez = tmp_path / "fit", [], np.savez

    def interrupted(file, **members):
        calls.append(0)
        if len(calls) == 3:
            file.write(b"PK half of it")
            raise KeyboardInterrupt
        savez(file, **members)

    monkeypatch.setattr(np, "savez", interrupted)
    fitted = model(checkpoint=path, checkpoint_every=1)
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(X)
    assert fitted.n_iter_ == len(calls) == 3
    assert fitted.stop_reason_ == "interrupted"
    assert read(path).state.n_iter == 2
    assert sorted(os.listdir(tmp_path)) == ["fit", "fit.previous"]


def test_an_interrupt_of_the_last_write_leaves_the_result(tmp_path, monkeypatch):
    def interrupted(file, **members):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupted)
    fitted = model(checkpoint=tmp_path / "fit")
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(X)
    assert fitted.n_iter_ == 20
    assert fitted.stop_reason_ == "interrupted"
    assert os.listdir(tmp_path) == []


def test_a_disk_that_is_full_for_a_while_is_tried_again(tmp_path, monkeypatch):
    path, calls, found, savez = tmp_path / "fit", [], [], np.savez

    def full(file, **members):
        calls.append(0)
        if 3 <= len(calls) <= 5:
            file.write(b"PK some bytes")
            raise OSError(errno.ENOSPC, "No space left on device")
        savez(file, **members)

    monkeypatch.setattr(np, "savez", full)
    with pytest.warns(RuntimeWarning, match="No space left on device") as caught:
        fitted = model(
            checkpoint=path,
            checkpoint_every=1,
            max_iter=8,
            callback=lambda _: found.append(path.exists() and read(path).state.n_iter),
        ).fit(X)
    assert [w.category for w in caught].count(RuntimeWarning) == 1
    # the callback comes before its iteration is written
    assert found == [False, 1, 2, 2, 2, 2, 6, 7]
    assert_same(fitted, model(max_iter=8).fit(X))
    assert sorted(os.listdir(tmp_path)) == ["fit", "fit.previous"]


def test_a_last_write_that_failed_is_tried_at_the_end(tmp_path, monkeypatch):
    path, calls, savez = tmp_path / "fit", [], np.savez

    def full(file, **members):
        calls.append(0)
        if len(calls) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        savez(file, **members)

    monkeypatch.setattr(np, "savez", full)
    keeper = Checkpoints(path, 1, {})
    past = Past(State(np.zeros((2, 1)), np.zeros((3, 1)), n_iter=1))
    with pytest.warns(RuntimeWarning, match="No space left"):
        keeper.write_if_due(past)
    keeper.write_final(past)
    assert read(path).state.n_iter == 1


def test_a_state_that_can_not_be_stored_ends_no_fit(tmp_path):
    past = Past(State(np.zeros((2, 1)), np.zeros((3, 1)), n_iter=1))
    past.state.W = object()
    with pytest.warns(RuntimeWarning, match="holds a object"):
        Checkpoints(tmp_path / "fit", 1, {}).write_if_due(past)


# --- mini-batches -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exact", "beta_loss"),
    [(False, "frobenius"), (False, "kullback-leibler"), (True, "frobenius")],
)
@pytest.mark.parametrize("make", [np.array, sp.csr_array, sp.csc_array])
def test_mini_batches_go_on(make, exact, beta_loss, tmp_path):
    path, data_ = tmp_path / "fit", make(data(90, 30, 0.5))
    options = {
        "n_components": 4, "batch_size": 20, "random_state": 0, "max_iter": 6,
        "tol": 0, "exact_statistics": exact, "beta_loss": beta_loss,
        "max_no_improvement": None,
    }  # fmt: skip
    whole = MiniBatchNMF(**options)
    expected = whole.fit_transform(data_)
    for n_steps in (3, 8, 15):
        with pytest.raises(Stop):
            MiniBatchNMF(
                **options, checkpoint=path, resume=True, callback=ending(n_steps)
            ).fit(data_)
        assert read(path).state.n_iter == n_steps
    again = MiniBatchNMF(**options, checkpoint=path, resume=True)
    np.testing.assert_array_equal(again.fit_transform(data_), expected)
    assert_same(again, whole)
    assert again.n_steps_ == whole.n_steps_
    before = path.read_bytes()
    again.transform(data_)
    again.partial_fit(data_[:20])
    assert path.read_bytes() == before
    other = MiniBatchNMF(**options | {"batch_size": 30}, checkpoint=path, resume=True)
    with pytest.raises(
        ValueError, match="its parameter batch_size is 20, here it is 30"
    ):
        other.fit(data_)


# --- when ---------------------------------------------------------------------------------


def test_no_more_is_at_stake_than_an_interval_or_an_iteration(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(files.time, "monotonic", lambda: now[0])

    def written_at(every: float, seconds: list[float]) -> list[int]:
        """Iterations of such lengths after which a checkpoint is written."""
        path, written = tmp_path / f"every-{every}", []
        past = Past(State(np.zeros((2, 1)), np.zeros((3, 1))))
        keeper = Checkpoints(path, every, {})
        keeper.write(past)
        for length in seconds:
            now[0] += length
            past.state.n_iter += 1
            keeper.write_if_due(past)
            if read(path).state.n_iter == past.state.n_iter:
                written.append(past.state.n_iter)
        return written

    assert written_at(3.5, [1.0] * 10) == [3, 6, 9]
    assert written_at(60.0, [50.0] * 3) == [1, 2, 3]
    assert written_at(60.0, [1.0] * 50) == []
    assert written_at(3, [1.0] * 10) == [3, 6, 9]


@pytest.mark.parametrize("links", [True, False])
def test_a_reader_finds_a_whole_file_at_every_moment(links, tmp_path, monkeypatch):
    if not links:

        def refuse(*_):
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
    path, seen, wrong = tmp_path / "fit", set(), []
    keeper = Checkpoints(path, 1, {})

    def past(n):
        return Past(State(np.full((400, 5), float(n)), np.zeros((3, 5)), n_iter=n))

    keeper.write(past(1))
    ended = threading.Event()

    def look():
        while not ended.is_set():
            if links and not path.exists():
                wrong.append("there was none")
            state = read(path).state
            if not (state.n_iter == state.W).all():
                wrong.append(state.n_iter)
            seen.add(state.n_iter)

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for n in range(2, 60):
            keeper.write(past(n))
    finally:
        ended.set()
        reader.join()
    assert wrong == []
    assert len(seen) > 3
    assert read(path.with_name("fit.previous")).state.n_iter == 58
