"""Checkpoints of fits on workers: rows in files that they write, and the same end."""

from __future__ import annotations

import errno
import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from nonneg import NMF
from support.stopping import Stop, ending

da = pytest.importorskip("dask.array")
pytest.importorskip("distributed")
import dask

from nonneg.operands.dask import worker_files

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N, M, K = 103, 30, 4


def data():
    rng = np.random.RandomState(0)
    return rng.rand(N, K) @ rng.rand(K, M) + 0.1 * rng.rand(N, M)


def blocks(rows=20, X=None):
    return da.from_array(data() if X is None else X, chunks=(rows, M))


def model(path=None, solver="hals", **more):
    given = {"init": "random", "random_state": 0, "max_iter": 25, "tol": 0}
    return NMF(K, solver=solver, checkpoint=path, **{**given, **more})


def stopped(D, path, n_iter, **more):
    with pytest.raises(Stop):
        model(path, checkpoint_every=1, callback=ending(n_iter), **more).fit(D)


def files(path):
    return {entry.name for entry in Path(f"{path}.rows").glob("*")}


@pytest.fixture
def threads():
    with dask.config.set(scheduler="threads", num_workers=2):
        yield


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fit"


def check_resumed(D, path, **more):
    expected, found = model(**more), model(path, resume=True, **more)
    W, V = expected.fit_transform(D), found.fit_transform(D)
    np.testing.assert_array_equal(V.compute(), W.compute())
    np.testing.assert_array_equal(found.components_, expected.components_)
    np.testing.assert_array_equal(
        found.history_["objective"], expected.history_["objective"]
    )
    return found


# what a state has after its first iteration, it has after each, but for momentum and history
@pytest.mark.parametrize(
    ("more", "n_iter"),
    [
        ({"solver": "cd"}, 14), ({"solver": "bpp"}, 14),
        ({"solver": "hals"}, 1), ({"solver": "hals"}, 14),
        ({"solver": "mu", "beta_loss": 1}, 1),
        ({"solver": "mu", "beta_loss": 1, "accelerate": True}, 1),
        ({"solver": "mu", "beta_loss": 1, "accelerate": True}, 14),
        ({"solver": "hals", "n_init": 2}, 14),
    ],
    ids=["cd", "bpp", "hals-1", "hals-14", "mu", "mu-accelerated-1", "mu-accelerated-14",
         "several"],
)  # fmt: skip
def test_a_resumed_fit_ends_with_the_same_bits(threads, path, more, n_iter):
    D = blocks()
    stopped(D, path, n_iter, **more)
    check_resumed(D, path, **more)


def test_on_a_cluster_too(client, path):
    D = blocks()
    stopped(D, path, 7)
    check_resumed(D, path)


def test_files_of_the_last_two_are_kept(threads, path):
    D = blocks()
    stopped(D, path, 9)
    a_checkpoint = len(files(path)) // 2
    assert 6 <= a_checkpoint <= 18  # six blocks of up to three arrays
    stray = Path(f"{path}.rows") / "gone-0.npy.partial"
    stray.write_bytes(b"left by a killed one")
    check_resumed(D, path)
    assert len(files(path)) <= 36
    assert not stray.exists()
    # a new fit of that name takes the place of the old one
    model(path, checkpoint_every=1, solver="cd", max_iter=3).fit(D)
    assert len(files(path)) == 12


def test_the_one_before_is_used_where_a_file_is_gone(threads, path):
    D = blocks()
    stopped(D, path, 9, solver="cd")
    with np.load(path) as archive:
        name = archive["state/W/elsewhere"][2]
    (Path(f"{path}.rows") / str(name)).unlink()
    with pytest.warns(RuntimeWarning, match="damaged and not used"):
        found = check_resumed(D, path, solver="cd")
    assert found.n_iter_ == 25


@pytest.mark.parametrize("other", ["memory", "chunks"])
def test_another_cut_of_the_rows_is_another_fit(threads, path, other):
    stopped(blocks(), path, 3)
    X = data() if other == "memory" else blocks(50)
    with pytest.raises(ValueError, match="of another fit: its kind of X is"):
        model(path, resume=True).fit(X)


def test_a_worker_that_cannot_write_does_not_end_the_fit(threads, path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    D = blocks()
    with pytest.warns(RuntimeWarning, match="No checkpoint could be written.*No space"):
        V = model(path, checkpoint_every=5).fit_transform(D)
    assert not files(path)
    np.testing.assert_array_equal(V.compute(), model().fit_transform(D).compute())


def test_folders_that_are_not_shared_are_told_of(threads, path, monkeypatch):
    monkeypatch.setattr(worker_files.Path, "is_file", lambda _: False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        model(path, checkpoint_every=5, max_iter=6).fit(blocks())
    assert any("folder that they share" in str(w.message) for w in caught)
