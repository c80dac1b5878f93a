"""Fits of every kind of store: the same as in memory; a store read in order is read so."""

from __future__ import annotations

import gc
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF, MiniBatchNMF, reconstruction_error
from nonneg.operands.base import matmul
from nonneg.operands.registration import as_operand
from nonneg.operands.streamed.prefetch import schedule_reads
from nonneg.stores.base import as_store
from nonneg.stores.conversion import by_rows
from support import stored
from support.cases import data

K = 3
pytestmark = [
    pytest.mark.usefixtures("eager_threads"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
SHAPE = (53, 7)


def pair(name, folder, dtype=np.float64):
    """X in the store of that name, and in memory."""
    X = stored.dense(dtype, SHAPE)
    if name in stored.DENSE:
        return stored.DENSE[name](folder, X), X
    return stored.SPARSE[name](folder, sp.csr_array(X)), sp.csr_array(X)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32])
@pytest.mark.parametrize("name", [*stored.DENSE, *stored.SPARSE])
def test_a_fit_of_a_store_is_the_fit_in_memory(tmp_path, name, dtype):
    there, here = pair(name, tmp_path, dtype)
    if name == "matrix-market":
        here = here.astype(np.float64)
    models = [NMF(K, "random", random_state=0, max_iter=5, tol=0) for _ in range(2)]
    Ws = [
        model.fit_transform(X) for model, X in zip(models, (there, here), strict=True)
    ]
    np.testing.assert_array_equal(Ws[0], Ws[1])
    np.testing.assert_array_equal(models[0].components_, models[1].components_)
    assert models[0].reconstruction_err_ == models[1].reconstruction_err_
    assert models[0].n_features_in_ == SHAPE[1]
    np.testing.assert_array_equal(models[0].transform(there), models[1].transform(here))


@pytest.mark.parametrize("solver", ["hals", "mu", "auto"])
@pytest.mark.parametrize("name", ["h5-10x", "h5-chunked", "factory-csr"])
def test_other_solvers_take_stores(tmp_path, name, solver):
    there, here = pair(name, tmp_path)
    models = [
        NMF(K, "nndsvda", solver, random_state=0, max_iter=5, tol=0).fit(X)
        for X in (there, here)
    ]
    np.testing.assert_array_equal(models[0].components_, models[1].components_)


@pytest.mark.parametrize("name", ["zarr-chunked", "npy-folder", "factory-dense"])
def test_mini_batches_of_stores(tmp_path, name):
    models = [
        MiniBatchNMF(K, batch_size=10, random_state=0, max_iter=2).fit(X)
        for X in pair(name, tmp_path)
    ]
    np.testing.assert_allclose(models[0].components_, models[1].components_, 1e-12)


def test_a_converted_matrix_is_fitted(tmp_path):
    X = stored.sparse()
    store = by_rows(stored.h5_group(tmp_path, X.tocsc()), tmp_path / "rows")
    models = [NMF(K, "random", random_state=0, max_iter=5).fit(Y) for Y in (store, X)]
    np.testing.assert_array_equal(models[0].components_, models[1].components_)


def test_a_temporary_conversion_goes_when_the_fit_has_ended(tmp_path, monkeypatch):
    path = stored.market(tmp_path, stored.sparse())
    (tmp_path / "t").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "t"))
    seen = []

    def look(iteration):
        seen.append(len(list((tmp_path / "t").iterdir())))

    NMF(K, random_state=0, callback=look, max_iter=3).fit(path)
    gc.collect()
    assert seen == [1, 1, 1]
    assert not list((tmp_path / "t").iterdir())


# --- stores that can only be read in order ------------------------------------------------


def test_a_plan_in_order():
    rng = np.random.default_rng(0)
    for _ in range(100):
        n_blocks, n_tasks = int(rng.integers(1, 60)), int(rng.integers(1, 20))
        bounds = [n_blocks * i // n_tasks for i in range(n_tasks + 1)]
        budget = int(rng.integers(1, 40))
        windows = list(
            schedule_reads(bounds, 1, lambda first, last: last - first, budget)
        )
        parts = [part for window in windows for part in window]
        assert parts[0].first == 0
        assert all(after.first == before.last for before, after in pairwise(parts))
        assert parts[-1].last == n_blocks


@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("window_bytes", [1, 1 << 14, 1 << 30])
def test_a_factory_is_called_once_a_pass(kind, window_bytes):
    """Many slots and two threads: out of order it would begin again for each window."""
    X = stored.dense(shape=(30_000, 20))
    X = X if kind == "dense" else sp.csr_array(X)
    runs = []

    def blocks():
        runs.append(1)
        return (X[start : start + 900] for start in range(0, 30_000, 900))

    operand = as_operand(blocks, n_threads=2)
    operand.window_bytes = window_bytes
    operand.stats()
    assert len(runs) == 2  # for the shape, and for the values
    model = NMF(K, "random", random_state=0, max_iter=3, tol=0, n_threads=2)
    W = model.fit_transform(operand)
    assert len(runs) <= 2 + 3 + 2
    again = NMF(K, "random", random_state=0, max_iter=3, tol=0)
    np.testing.assert_array_equal(W, again.fit_transform(X))


@pytest.mark.parametrize("kind", ["h5", "zarr", "parquet"])
@pytest.mark.parametrize("window_bytes", [1, 1 << 16])
def test_a_pass_decodes_each_chunk_once(tmp_path, monkeypatch, kind, window_bytes):
    """Also those that the ranges of two streams, read by turns, begin and end in."""
    X, decoded = stored.dense(shape=(30_000, 20)), []
    if kind == "h5":
        file = pytest.importorskip("h5py").File(tmp_path / "x.h5", "w")
        there = file.create_dataset("X", data=X, chunks=(1900, 20), compression="lzf")
    elif kind == "zarr":
        zarr = pytest.importorskip("zarr")
        there = zarr.create_array(
            tmp_path / "x", shape=X.shape, chunks=(1900, 20), dtype=float
        )
        there[:] = X
    else:
        pq = pytest.importorskip("pyarrow.parquet")
        path = tmp_path / "x.parquet"
        pq.write_table(stored.table(X), path, row_group_size=1900)
        there = path
    store = as_store(there)
    operand = as_operand(store, n_threads=2)
    operand.window_bytes = window_bytes
    operand.stats()
    read = store.read
    monkeypatch.setattr(
        store, "read", lambda i, j, out: (decoded.append((i, j)), read(i, j, out))[1]
    )
    B = np.random.default_rng(0).random((20, K))
    for _ in range(2):
        decoded.clear()
        np.testing.assert_allclose(matmul(operand, B), X @ B)
        rows = [r for part in decoded for r in range(part[0], part[1], 1900)]
        assert sorted(rows) == list(range(0, 30_000, 1900))


def test_a_factory_that_shrinks_in_mid_fit_is_told_with_its_rows():
    X = stored.dense(shape=(400, 9))
    keep = [400]
    model = NMF(K, callback=lambda it: keep.append(350) and None)
    with pytest.raises(ValueError, match="Rows 350 to 399 of the blocks of"):
        model.fit(lambda: (X[: keep[-1]][i : i + 50] for i in range(0, keep[-1], 50)))


# --- faults in a fit ----------------------------------------------------------------------


def test_a_bad_value_is_named_by_its_row(tmp_path):
    X = stored.dense()
    X[37, 2] = -1
    for name in ("h5-chunked", "parquet-folder", "factory-dense", "zarr-sharded"):
        (tmp_path / name).mkdir()
        with pytest.raises(ValueError, match=r"Negative values.*row 37"):
            NMF(K).fit(stored.DENSE[name](tmp_path / name, X))


def test_the_damaged_chunk_is_named_not_all_that_was_read(tmp_path):
    X = stored.zarr_chunked(tmp_path, stored.dense())
    (tmp_path / "x.zarr/c/2/1").write_bytes(b"\xff" * 9)
    with pytest.raises(OSError, match=r"^Rows 16 to 23 of '.*x.zarr' can't be read"):
        NMF(K).fit(X)


def test_the_first_row_with_damaged_entries_is_named(tmp_path):
    zarr = pytest.importorskip("zarr")
    X = stored.sparse()
    group = stored.zarr_group(tmp_path, X)
    indices = zarr.create_array(
        tmp_path / "x.zarr/X/indices", overwrite=True, shape=X.indices.shape,
        chunks=(40,), dtype="i4",
    )  # fmt: skip
    indices[:] = X.indices
    (tmp_path / "x.zarr/X/indices/c/2").write_bytes(b"\xff" * 9)
    row = int(np.searchsorted(X.indptr, 80, side="right")) - 1
    with pytest.raises(OSError, match=rf"^Row {row} of '.*x.zarr/X' can't be read"):
        NMF(K).fit(zarr.open_group(group.store, path="X", mode="r"))


def test_an_array_that_shrinks_between_passes(tmp_path):
    zarr = pytest.importorskip("zarr")
    X = stored.zarr_chunked(tmp_path, stored.dense())

    def shrink(iteration):
        zarr.open_array(tmp_path / "x.zarr", mode="r+").resize((50, 7))

    with pytest.raises(ValueError, match=r"Rows 50 to 52 of .* are gone"):
        NMF(K, callback=shrink).fit(X)


def test_the_caller_s_file_is_not_written_to(tmp_path):
    h5py = pytest.importorskip("h5py")
    stored.h5_group(tmp_path, stored.sparse()).file.close()
    before = (tmp_path / "x.h5").read_bytes()
    with h5py.File(tmp_path / "x.h5") as file:
        NMF(K, max_iter=3).fit(file["layers/counts"])
    assert (tmp_path / "x.h5").read_bytes() == before


def test_stores_are_found_before_general_objects(tmp_path):
    """anndata's sparse data sets have row slices too, but their own store knows more."""
    store = as_store(pair("anndata-csr-X", tmp_path)[0])
    assert type(store).__name__ == "Hdf5CsrStore"


@pytest.mark.parametrize("penalty", [{}, {"alpha_W": 1e-3, "l1_ratio": 0.5}])
@pytest.mark.parametrize(
    "options", [{}, {"solver": "bpp"}, {"blocks": 3}, {"blocks": 3, "max_iter": 1}]
)
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-10), (np.float32, 1e-6)])
def test_the_error_of_a_store_comes_from_the_last_objective(
    tmp_path, options, dtype, rtol, penalty
):
    X = data(500, 40, dtype=dtype)
    np.save(tmp_path / "x.npy", X)
    store = np.load(tmp_path / "x.npy", mmap_mode="r")
    given = {"solver": "hals", "random_state": 0, "max_iter": 6, "tol": 0}
    model = NMF(5, "random", **{**given, **penalty, **options})
    W = model.fit_transform(store)
    direct = reconstruction_error(X, W, model.components_)
    np.testing.assert_allclose(model.reconstruction_err_, direct, rtol=rtol)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_nearly_exact_fit_of_a_store_has_its_error_to_all_digits(tmp_path, dtype):
    rng = np.random.default_rng(0)
    X = (rng.random((300, 2)) @ rng.random((2, 40))).astype(dtype)
    np.save(tmp_path / "x.npy", X)
    store = np.load(tmp_path / "x.npy", mmap_mode="r")
    one, two = (
        NMF(2, "random", "hals", random_state=0, max_iter=300, tol=0).fit(given)
        for given in (store, X)
    )
    assert one.reconstruction_err_ == two.reconstruction_err_
