"""X in stores: the results of the same X in memory, to the last bit, and clear errors."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF, MiniBatchNMF, reconstruction_error
from nonneg.fitting import plan_choices
from nonneg.operands.base import rmatmul
from nonneg.operands.registration import as_operand
from nonneg.operands.streamed.operand import StreamedCsr, StreamedOperand
from nonneg.operands.streamed.prefetch import TaskBlocks, schedule_reads
from nonneg.stores.base import DenseStore, find_store
from nonneg.stores.mapped import MappedStore
from nonneg.stores.sliced import SlicedStore
from support.cases import DTYPES, data

K = 4
WINDOWS = [1, 1 << 13, 1 << 24]
"""Bytes: a block of each stream, a few, all of X."""
pytestmark = [
    pytest.mark.usefixtures("eager_threads"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


class Rows:
    """Any object with a shape, a dtype and row slices."""

    def __init__(self, X, fails_at=None):
        self._X, self.shape, self.dtype = X, X.shape, X.dtype
        self.fails_at = fails_at

    def __getitem__(self, rows):
        if self.fails_at is not None and rows.stop > self.fails_at:
            raise OSError("the disk is gone")
        return self._X[rows]


def in_parts(X, window=1 << 13, n_threads=2):
    store = SlicedStore(Rows(X))
    return (StreamedCsr if store.sparse else StreamedOperand)(store, n_threads, window)


def matrix(kind, dtype, n_rows=1200):
    X = data(n_rows, 90, density=0.2 if kind == "csr" else 0.9, dtype=dtype)
    return sp.csr_array(X) if kind == "csr" else X


@pytest.fixture
def mapped(tmp_path):
    def save(X):
        np.save(tmp_path / "x.npy", X)
        return np.load(tmp_path / "x.npy", mmap_mode="r")

    return save


# --- the same bits ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("solver", "beta", "k"),
    [("cd", 2, 4), ("cd", 2, 33), ("hals", 2, 4), ("hals", 2, 33), ("bpp", 2, 4),
     ("mu", 2, 4), ("mu", 1, 4), ("mu", 1, 33), ("mu", 0.5, 4)],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_fit_in_parts_is_the_fit_in_memory(solver, beta, k, kind, dtype):
    X = matrix(kind, dtype)
    model = NMF(
        k, "random", solver, random_state=0, beta_loss=beta, max_iter=4, tol=0,
        alpha_W=1e-4, l1_ratio=0.5,
    )  # fmt: skip
    W = model.fit_transform(X)
    H, error, history = (
        model.components_, model.reconstruction_err_, model.history_["objective"],
    )  # fmt: skip
    again = model.transform(X)
    for window in WINDOWS:
        for n_threads in (1, 2):
            parts = in_parts(X, window, n_threads)
            np.testing.assert_array_equal(model.fit_transform(parts), W)
            np.testing.assert_array_equal(model.components_, H)
            np.testing.assert_array_equal(model.history_["objective"], history)
            # of a store it is that of the last solve, of an array that of W and H
            assert model.reconstruction_err_ == pytest.approx(error, rel=1e-10)
            np.testing.assert_array_equal(model.transform(parts), again)


@pytest.mark.parametrize("init", ["nndsvd", "nndsvda", "nndsvdar", "nnsvd-lrc", "spa"])
@pytest.mark.parametrize("kind", ["dense", "csr"])
def test_starts_by_singular_vectors_go_by_passes(init, kind):
    X = matrix(kind, np.float64)
    models = [NMF(K, init, random_state=0, max_iter=2) for _ in range(2)]
    models[0].fit(X)
    models[1].fit(in_parts(X))
    np.testing.assert_array_equal(models[0].components_, models[1].components_)


@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("options", [{"n_init": 3}, {"blocks": 5}, {"shuffle": True}])
def test_options_go_with_stores(kind, options):
    X = matrix(kind, np.float64)
    solver = "cd" if "shuffle" in options else "hals"
    models = [
        NMF(K, "random", solver, random_state=0, max_iter=5, tol=0, **options).fit(Y)
        for Y in (X, in_parts(X))
    ]
    np.testing.assert_array_equal(models[0].components_, models[1].components_)


@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("exact", [False, True])
def test_mini_batches_of_a_store(kind, exact):
    X = matrix(kind, np.float64)
    models = [
        MiniBatchNMF(
            K, batch_size=250, random_state=0, max_iter=3, exact_statistics=exact
        ).fit(Y)
        for Y in (X, in_parts(X))
    ]
    np.testing.assert_allclose(models[0].components_, models[1].components_, 1e-12)


def test_sums_too_large_for_slots_go_by_panels(monkeypatch):
    """More than 48 MB of sums over X: a range of features a thread."""
    # only an X in memory may start in float32
    monkeypatch.setattr(plan_choices, "SINGLE_WORK", np.inf)
    X = sp.random_array((100, 210_000), density=1e-3, random_state=0, format="csr")
    for solver, beta in (("hals", 2), ("mu", 1)):
        models = [
            NMF(32, "random", solver, random_state=0, beta_loss=beta, max_iter=1, tol=0)
            .fit(Y)
            .components_
            for Y in (X, in_parts(X, 1 << 14))
        ]
        np.testing.assert_array_equal(*models)


@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_statistics_are_those_in_memory(kind, dtype):
    X = matrix(kind, dtype, 3000)
    here, there = as_operand(X), in_parts(X)
    assert here.stats() == there.stats()
    assert there.density == here.density
    W, H = (
        np.random.default_rng(0).random(s).astype(dtype) for s in ((3000, K), (K, 90))
    )
    assert reconstruction_error(there, W, H) == reconstruction_error(X, W, H)


@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weights", [{}, {"alpha_W": 1e-3, "alpha_H": 2e-3}])
def test_newton_by_rows_lowers_the_objective_every_time(kind, dtype, weights):
    """H moves by the sums over rows of W that no transpose is needed for."""
    X = np.random.default_rng(0).poisson(matrix("dense", np.float64)).astype(dtype)
    X = sp.csr_array(X) if kind == "csr" else X
    options = {"random_state": 0, "beta_loss": 1, "l1_ratio": 0.3, **weights}
    model = NMF(K, "random", "sn", max_iter=40, tol=0, **options)
    W = model.fit_transform(in_parts(X, WINDOWS[1], 2))
    objective = model.history_["objective"]
    assert np.diff(objective).max() <= 1e-12 * objective[0] * (
        1e7 if dtype == np.float32 else 1
    )
    again = NMF(K, "random", "sn", max_iter=40, tol=0, **options)
    np.testing.assert_array_equal(again.fit_transform(in_parts(X, WINDOWS[1], 1)), W)
    np.testing.assert_array_equal(again.components_, model.components_)
    plain = NMF(K, "random", "mu", max_iter=40, tol=0, **options).fit(X)
    assert model.reconstruction_err_ <= plain.reconstruction_err_ * (1 + 1e-4)
    full = NMF(K, "random", "sn", max_iter=200, tol=1e-5, **options).fit(X)
    assert model.reconstruction_err_ == pytest.approx(
        full.reconstruction_err_, rel=0.02
    )
    # each row of W is at its optimum, as by `transform`
    np.testing.assert_allclose(
        model.transform(in_parts(X)) @ model.components_,
        W @ model.components_,
        rtol=1e-2,
        atol=1e-2,
    )


@pytest.mark.parametrize("cls", [NMF, MiniBatchNMF])
def test_w_goes_where_it_is_wanted(cls, tmp_path):
    X = matrix("dense", np.float64)
    model = cls(K, init="random", random_state=0, max_iter=3)
    place = np.lib.format.open_memmap(tmp_path / "w.npy", "w+", np.float64, (1200, K))
    assert model.fit_transform(in_parts(X), out=place) is place
    np.testing.assert_array_equal(np.load(tmp_path / "w.npy"), model.fit_transform(X))
    assert model.transform(in_parts(X), out=place) is place
    np.testing.assert_array_equal(place, model.transform(X))
    for wrong in (np.empty((K, 1200)), np.empty((1199, K))):
        with pytest.raises(
            ValueError, match=r"out must be an array of shape \(1200, 4\)"
        ):
            model.transform(X, out=wrong)
    with pytest.raises(ValueError, match=r"out must be an array of shape \(n_samples"):
        model.fit_transform(X, out=[])


# --- maps of files ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, ">f8", np.bool_])
def test_a_mapped_file_is_read_range_by_range(mapped, dtype):
    X = (5 * data(200, 30)).astype(dtype)
    M = mapped(X)
    expected = X.astype(np.float32 if dtype == np.float32 else np.float64)
    for part, rows in ((M, slice(0, 200)), (M[20:150], slice(20, 150))):
        store = find_store(part)
        assert isinstance(store, MappedStore)
        np.testing.assert_array_equal(store.read(3, 77), expected[rows][3:77])
        out = np.empty((74, 30), expected.dtype)
        assert store.read(3, 77, out) is out
        np.testing.assert_array_equal(out, expected[rows][3:77])
    one, two = (
        NMF(K, "random", random_state=0).fit(Y).components_ for Y in (expected, M)
    )
    np.testing.assert_array_equal(one, two)


def test_what_is_no_plain_map_stays_an_array(mapped, tmp_path):
    X = data(50, 30)
    M = mapped(X)
    for part in (M.T, M[:, 3:], M[::2], np.array(M)):
        assert find_store(part) is None
    os.remove(tmp_path / "x.npy")
    assert find_store(M) is None


@pytest.mark.parametrize("solver", ["pg", "hals"])
def test_solvers_that_need_all_of_x_take_the_map_itself(mapped, solver):
    X = data(60, 20)
    options = {"compress": "auto"} if solver == "hals" else {}
    models = [
        NMF(K, "random", solver, random_state=0, max_iter=3, **options).fit(Y)
        for Y in (X, mapped(X))
    ]
    np.testing.assert_array_equal(models[0].components_, models[1].components_)
    with pytest.raises(ValueError, match=r"'pg' needs X in memory.*'cd' or 'hals'"):
        NMF(K, "random", "pg").fit(in_parts(X))


# --- reading ------------------------------------------------------------------------------


def test_a_plan_gives_every_block_once_and_in_order():
    rng = np.random.default_rng(0)
    for _ in range(200):
        n_blocks, n_tasks = int(rng.integers(1, 60)), int(rng.integers(1, 20))
        bounds = [n_blocks * i // n_tasks for i in range(n_tasks + 1)]
        weights = rng.integers(1, 100, n_blocks)
        budget = int(rng.integers(1, 1500))

        def size(first, last, weights=weights):
            return int(weights[first:last].sum())

        at, windows = (
            dict(enumerate(bounds)),
            list(schedule_reads(bounds, 3, size, budget)),
        )
        for window in windows:
            assert len({part.task for part in window}) == len(window)
            least = sum(size(part.first, part.first + 1) for part in window)
            total = sum(size(part.first, part.last) for part in window)
            # a block of each is read in any case
            assert total <= max(budget, budget + least)
            for part in window:
                assert isinstance(part, TaskBlocks)
                assert part.first == at[part.task] < part.last
                at[part.task] = part.last
        assert all(
            at[i] == bounds[i + 1] for i in range(n_tasks) if bounds[i] < bounds[i + 1]
        )


def test_reading_goes_on_while_the_kernels_run():
    X = data(4000, 50)

    begun = [threading.Event() for _ in range(11)]
    begun[10].set()  # there is none after the last

    class Watched(DenseStore):
        shape, dtype = X.shape, X.dtype

        def read(self, start, stop, out=None):
            begun[start // 400].set()
            out[...] = X[start:stop]
            return out

    in_time = []
    operand = StreamedOperand(Watched(), 1, 8 * 50 * 400)  # windows of 400 rows
    for part in operand.windows(100):
        # one after the other, the next would be read when this one is done with
        in_time.append(begun[len(in_time) + 1].wait(timeout=20))
        assert part.shape == (400, 50)
    assert in_time == [True] * 10


def test_the_reading_thread_ends_with_the_pass():
    before = threading.active_count()
    parts = in_parts(data(1200, 30))
    NMF(K, max_iter=2).fit(parts)
    assert threading.active_count() == before
    with pytest.raises(OSError, match="the disk is gone"):
        NMF(K).fit(Rows(data(1200, 30), fails_at=700))
    assert threading.active_count() == before


@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("chunk_rows", [1, 7, 64, 700, 5000])
def test_every_chunk_is_read_once_in_a_pass(kind, chunk_rows):
    X = matrix(kind, np.float64, 3000)
    reads = []

    class Chunks(Rows):
        chunks = (chunk_rows, 90)

        def __getitem__(self, rows):
            if rows.start is not None and rows.stop > rows.start:
                assert rows.start % chunk_rows == 0
                assert rows.stop % chunk_rows == 0 or rows.stop == 3000
                reads.append(range(rows.start, rows.stop))
            return super().__getitem__(rows)

    store = SlicedStore(Chunks(X))
    for window in (1 << 14, 1 << 18, 1 << 24):
        parts = (StreamedCsr if kind == "csr" else StreamedOperand)(store, 2, window)
        parts.stats()
        reads.clear()
        for A in (np.ones((3000, 2)), np.ones((3000, 40))):
            found = rmatmul(parts, A)
            np.testing.assert_allclose(found, X.T @ A, rtol=1e-12)
            counts = np.zeros(3000, int)
            for rows in reads:
                counts[rows] += 1
            assert counts.min() == counts.max() == 1
            reads.clear()


# --- faults -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize(
    ("value", "what"),
    [
        (np.nan, "contains NaN"),
        (np.inf, "contains infinity"),
        (-2.0, "Negative values"),
    ],
)
def test_an_impossible_value_is_named_by_its_row(kind, value, what):
    X = data(3000, 40, density=0.5)
    X[2317, 5] = value
    X = sp.csr_array(X) if kind == "csr" else X
    with pytest.raises(ValueError, match=f"{what}.*row 2,317, counted from 0"):
        NMF(K).fit(in_parts(X))


def test_rows_that_cannot_be_read_are_named():
    X = Rows(data(1200, 30), fails_at=700)
    with pytest.raises(
        OSError, match=r"Rows [\d,]+ to [\d,]+ of X can't be read: the disk"
    ):
        NMF(K).fit(X)


def test_a_store_that_changes_its_length_is_refused():
    rows = Rows(data(1200, 30))

    def grow(iteration):
        rows.shape = (1201, 30)

    with pytest.raises(OSError, match=r"was \(1200, 30\) and is now \(1201, 30\)"):
        NMF(K, callback=grow).fit(rows)


def test_a_file_that_becomes_shorter_is_refused(mapped, tmp_path):
    M = mapped(data(1200, 30))

    def cut(iteration):
        os.truncate(tmp_path / "x.npy", 100_000)

    with pytest.raises(OSError, match=r"its shape was \(1200, 30\)"):
        NMF(K, callback=cut).fit(M)


def test_an_interrupt_keeps_what_was_found():
    X = data(1200, 30)
    model = NMF(K, "random", random_state=0)

    def interrupt(iteration):
        if iteration.n_iter == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.set_params(callback=interrupt).fit(in_parts(X))
    assert model.stop_reason_ == "interrupted"
    assert model.n_iter_ == 3
    assert np.isfinite(model.reconstruction_err_)
