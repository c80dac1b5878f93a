"""Stores: the rows that they read are those that were written; faults name the rows."""

from __future__ import annotations

import gzip
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nonneg import NMF
from nonneg.stores.base import as_store, is_store
from nonneg.stores.compressed_rows import CompressedRows
from nonneg.stores.read_errors import StoreError
from support import stored
from support.requirements import needs_linux

DTYPES = ["float64", "float32", "int32", "int64", "uint16", "float16"]
RANGES = [(0, 53), (0, 1), (52, 53), (7, 9), (8, 16), (17, 40), (5, 6), (0, 20)]


def written(name, folder, dtype="float64"):
    """The store of that name, and the matrix that is in it, dense."""
    X = stored.dense(dtype)
    if name in stored.DENSE:
        return as_store(stored.DENSE[name](folder, X)), X
    return as_store(stored.SPARSE[name](folder, sp.csr_array(X))), X


def as_dense(rows):
    return rows.toarray() if sp.issparse(rows) else rows


ALL = [*stored.DENSE, *stored.SPARSE]


@needs_linux  # other systems map pages otherwise
def test_rows_of_a_mapped_file_have_been_read_when_they_are_lent(tmp_path):
    import resource

    np.save(tmp_path / "x.npy", np.ones((2000, 1024), np.float32))
    store = as_store(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert store.lends

    def faults(rows):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        assert rows.sum() == rows.size
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    untouched = min(
        faults(np.load(tmp_path / "x.npy", mmap_mode="r")) for _ in range(3)
    )
    assert min(faults(store.read(0, 2000)) for _ in range(3)) < untouched / 4


@pytest.mark.parametrize("name", ALL)
def test_every_range_of_rows(tmp_path, name):
    store, X = written(name, tmp_path)
    assert as_store(store) is store
    assert store.shape == X.shape
    assert store.dtype == np.float64
    assert store.sparse == (name in stored.SPARSE)
    for start, stop in RANGES:
        rows = store.read(start, stop)
        assert sp.issparse(rows) == store.sparse
        np.testing.assert_array_equal(as_dense(rows), X[start:stop])
        expected = np.count_nonzero if store.sparse else np.size
        assert store.entries(start, stop) == expected(X[start:stop])


@pytest.mark.parametrize("name", stored.DENSE)
def test_dense_rows_are_written_to_the_given_array(tmp_path, name):
    store, X = written(name, tmp_path, "float32")
    whole = np.full((20, 7), -1, dtype=store.dtype)
    assert store.read(10, 25, out=whole[2:17]) is not None
    np.testing.assert_array_equal(whole[2:17], X[10:25])
    assert (whole[:2] == -1).all()
    assert (whole[17:] == -1).all()
    assert store.read(0, 9).flags.c_contiguous


@pytest.mark.parametrize("name", stored.SPARSE)
def test_sparse_rows_are_canonical(tmp_path, name):
    store, _ = written(name, tmp_path)
    rows = store.read(3, 30)
    assert rows.format == "csr"
    assert rows.indices.dtype == rows.indptr.dtype == np.int32
    check = sp.csr_array((rows.data, rows.indices, rows.indptr), shape=rows.shape)
    assert check.has_canonical_format


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        (name, dtype)
        for name in ALL
        for dtype in DTYPES
        if dtype != "float16" or name in stored.DENSE  # SciPy has no sparse float16
    ],
)
def test_numbers_are_converted_as_in_memory(tmp_path, name, dtype):
    store, X = written(name, tmp_path, dtype)
    expected = np.float32 if dtype == "float32" else np.float64
    if name == "matrix-market":  # a text knows no float32
        expected = np.float64
    if dtype in ("float16", "uint16") and name.startswith("parquet"):
        expected = np.float32  # as `read_matrix` reads a table whole
    assert store.dtype == expected
    rows = store.read(0, 30)
    assert rows.dtype == expected
    np.testing.assert_array_equal(as_dense(rows), X[:30])


def test_bools_of_hdf5(tmp_path):
    store = as_store(stored.h5_contiguous(tmp_path, stored.dense() > 0))
    np.testing.assert_array_equal(store.read(3, 9), stored.dense()[3:9] > 0)


@pytest.mark.parametrize(
    ("name", "rows"),
    [("h5-chunked", 8), ("h5-contiguous", None), ("zarr-chunked", 8),
     ("zarr-sharded", 8), ("parquet-file", 9), ("npy-folder", None)],
)  # fmt: skip
def test_chunks(tmp_path, name, rows):
    assert written(name, tmp_path)[0].chunk_rows == rows


def test_names_of_columns(tmp_path):
    for name, first in (("parquet-folder", "f0"), ("anndata-csr", "0")):
        (tmp_path / name).mkdir()
        assert written(name, tmp_path / name)[0].column_names[0] == first


UNSORTED = sp.csr_array((3, 4))
UNSORTED.data = np.array([1.0, 2, 3, 4, 5])
UNSORTED.indices = np.array([3, 0, 2, 1, 2])
UNSORTED.indptr = np.array([0, 2, 5, 5])


@pytest.mark.parametrize(
    "name", ["h5-group", "zarr-group", "npy-folder", "factory-csr"]
)
def test_entries_in_any_order_and_twice(tmp_path, name):
    store = as_store(stored.SPARSE[name](tmp_path, UNSORTED))
    rows = store.read(0, 3)
    assert rows.has_canonical_format
    np.testing.assert_array_equal(
        rows.toarray(), [[2, 0, 0, 1], [0, 4, 8, 0], [0, 0, 0, 0]]
    )
    np.testing.assert_array_equal(UNSORTED.indices, [3, 0, 2, 1, 2])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.fixture(params=["parquet-folder", "factory-csr", "factory-dense"])
def one_store(request, tmp_path):
    return written(request.param, tmp_path)


@given(cuts=st.lists(st.integers(0, 53), min_size=2, max_size=2, unique=True))
def test_any_order_of_requests(one_store, cuts):
    """One store for all examples: what it keeps from the last request does no harm."""
    store, X = one_store
    start, stop = sorted(cuts)
    np.testing.assert_array_equal(as_dense(store.read(start, stop)), X[start:stop])


def test_a_row_group_is_loaded_once_for_its_rows_in_order(tmp_path, monkeypatch):
    from pyarrow.parquet import ParquetFile

    store, _ = written("parquet-file", tmp_path)
    loads, read = [], ParquetFile.read_row_group

    def counted(self, number, *args, **options):
        loads.append(number)
        return read(self, number, *args, **options)

    monkeypatch.setattr(ParquetFile, "read_row_group", counted)
    for start in range(0, 53, 4):
        store.read(start, min(start + 4, 53))
    assert loads == list(range(6))  # of 9 rows each, the last one of 8


def test_factories_say_that_they_are_sequential(tmp_path):
    store, _ = written("factory-dense", tmp_path)
    assert store.sequential
    assert not written("npy-folder", tmp_path)[0].sequential


def test_a_factory_is_run_once_a_pass():
    runs = []

    def blocks():
        runs.append(1)
        yield stored.dense()[:30]
        yield stored.dense()[30:]

    store = as_store(blocks)
    for _ in range(2):
        for start in range(0, 50, 10):
            store.read(start, start + 10)
    # one for the shape, then one a pass
    assert len(runs) == 3


# faults


def test_arrays_in_memory_have_no_store():
    for X in (stored.dense(), stored.sparse(), [[1.0]], "x.h5", Path("x.csv")):
        assert not is_store(X)
    with pytest.raises(TypeError, match="ndarray"):
        as_store(stored.dense())


@pytest.mark.parametrize(
    "name", ["h5-group", "h5-old-group", "zarr-group", "anndata-csr"]
)
def test_columns_are_refused_with_the_way_out(tmp_path, name):
    X = stored.SPARSE[name](tmp_path, sp.csc_array(stored.dense()))
    with pytest.raises(ValueError, match=r"stored by columns.*by_rows\(X, folder\)"):
        as_store(X)


def pointers(values, n_rows=3, n_entries=5, indices=(3, 0, 2, 1, 2)):
    return CompressedRows(
        (n_rows, 4),
        np.array(values),
        lambda first, last: np.array(indices)[first:last],
        lambda first, last: np.arange(1.0, n_entries + 1)[first:last],
        lambda: (n_entries, n_entries),
        np.float64,
        "the test",
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pointers([0, 3, 2, 5]), "fall at row 1"),
        (lambda: pointers([1, 2, 3, 5]), "fall at row 0"),
        (lambda: pointers([0, 2, 5]), "3 row pointers; for 3 rows there must be 4"),
        (lambda: pointers([0, 2, 4, 9]), "Row 2 of the test are not complete"),
        (lambda: pointers([0, 1, 8, 9]), "Rows 1 to 2 of the test are not complete"),
        (lambda: pointers([0.0, 1, 2, 3]), "no vector of integers"),
        (lambda: pointers([0, 2, 4, 5], indices=(0, 1, 4, 1, 1)).read(0, 3),
         "Row 1 of the test has an entry in column 4, but there are 4"),
        (lambda: pointers([0, 2, 4, 5], indices=(0, 1, 0, 1, -1)).read(2, 3),
         "Row 2 of the test has an entry in column -1"),
        (lambda: pointers([0, 2, 4, 5], indices=(0, 1, 0)).read(1, 3),
         "Rows 1 to 2 of the test are not there: 0 rows came in place of 2"),
        (lambda: pointers([0, 2, 4, 5], indices=(0.5,) * 5).read(1, 3), "no integers"),
    ],
)  # fmt: skip
def test_structure_of_csr(make, message):
    with pytest.raises(ValueError, match="the test") as caught:
        make()
    assert message in str(caught.value)


def damage(path, offset, n_bytes=64):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * n_bytes)


def test_a_damaged_chunk_of_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    X = stored.h5_chunked(tmp_path, stored.dense())
    info = X.id.get_chunk_info_by_coord((16, 0))
    X.file.close()
    damage(tmp_path / "x.h5", info.byte_offset, info.size)
    store = as_store(h5py.File(tmp_path / "x.h5")["g/X"])
    store.read(0, 16)
    with pytest.raises(StoreError, match=r"Rows 16 to 23 of '/g/X' in '.*x.h5' can't"):
        store.read(16, 24)


def test_a_truncated_hdf5_file(tmp_path):
    h5py = pytest.importorskip("h5py")
    from nonneg.stores.locations import open_store

    stored.h5_contiguous(tmp_path, stored.dense()).file.close()
    whole = (tmp_path / "x.h5").read_bytes()
    (tmp_path / "x.h5").write_bytes(whole[:-500])
    with pytest.raises(OSError, match="truncated"):
        h5py.File(tmp_path / "x.h5")
    with pytest.raises(ValueError, match=r"x.h5' can't be opened: .*truncated"):
        open_store(tmp_path / "x.h5")


def test_a_damaged_chunk_of_zarr(tmp_path):
    X = stored.zarr_chunked(tmp_path, stored.dense())
    store = as_store(X)
    (tmp_path / "x.zarr/c/2/1").write_bytes(b"\xff" * 9)
    store.read(0, 16)
    with pytest.raises(StoreError, match=r"Rows 16 to 23 of '.*x.zarr' can't be read"):
        store.read(16, 24)


def test_a_damaged_row_group(tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow.dataset

    stored.parquet_file(tmp_path, stored.dense())
    store = as_store(pyarrow.dataset.dataset(tmp_path / "x.parquet"))
    damage(tmp_path / "x.parquet", 4, 200)
    with pytest.raises(StoreError, match=r"Rows 0 to 8 of the data set '.*x.parquet'"):
        store.read(3, 5)


def test_an_empty_cell_of_a_table(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    table = pa.table({"a": [1.0, 2, 3, None], "b": [1, 2, 3, 4]})
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    store = as_store(tmp_path / "x.parquet")
    store.read(0, 3)
    with pytest.raises(StoreError, match=r"Row 3 of .* has no value in column 'a'"):
        store.read(2, 4)


@pytest.mark.parametrize(
    ("columns", "message"),
    [({"a": ["x"]}, "no column of numbers"), ({"a": [1], "b": ["x"]}, "type string in column 'b'")],
)  # fmt: skip
def test_columns_that_are_no_numbers(tmp_path, columns, message):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=r"x\.parquet") as caught:
        as_store(tmp_path / "x.parquet")
    assert message in str(caught.value)


def test_names_and_index_of_a_table_are_left_out(tmp_path):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"a": [1.0, 2], "b": [3.0, 4]}, index=["x", "y"])
    frame.to_parquet(tmp_path / "x.parquet")
    frame.reset_index().to_parquet(tmp_path / "y.parquet")
    for name in "xy":
        store = as_store(tmp_path / f"{name}.parquet")
        assert store.column_names == ["a", "b"]
        np.testing.assert_array_equal(store.read(0, 2), frame)


@pytest.mark.parametrize("change", [-3, 2])
def test_a_store_that_changes_its_length(tmp_path, change):
    h5py = pytest.importorskip("h5py")
    zarr = pytest.importorskip("zarr")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        X = file.create_dataset("X", data=stored.dense(), maxshape=(None, 7))
        Z = stored.zarr_chunked(tmp_path, stored.dense())
        stores = [as_store(X), as_store(Z)]
        X.resize(53 + change, axis=0)
        zarr.open_array(tmp_path / "x.zarr", mode="r+").resize((53 + change, 7))
        rows = "Rows 50 to 52" if change < 0 else "Rows 53 to 54"
        for store in stores:
            with pytest.raises(StoreError, match=rows):
                store.require_unchanged()


def test_a_csr_folder_that_is_cut_off(tmp_path):
    folder = stored.npy_folder(tmp_path, stored.sparse())
    store = as_store(folder)
    with (folder / "data.npy").open("r+b") as file:
        file.truncate((folder / "data.npy").stat().st_size - 40)
    with pytest.raises(StoreError, match=r"Rows 5\d to 52 of the CSR in .* complete"):
        store.require_unchanged()
    with pytest.raises(StoreError, match=r"Rows 5\d to 52 of the CSR in .* complete"):
        as_store(folder)
    with pytest.raises(StoreError, match=r"Rows 40 to 52 .* 1\d rows came"):
        store.read(40, 53)


@pytest.mark.parametrize("make", [np.asarray, sp.csr_array])
def test_factories_that_change(make):
    X = make(stored.dense())
    runs = iter(
        [
            X,
            X,
            X[:40],
            X[:30],
            sp.vstack([X, X[:4]]) if sp.issparse(X) else np.vstack([X, X[:4]]),
        ]
    )

    def blocks():
        now = next(runs)
        yield now[:30]
        yield now[30:]

    store = as_store(blocks)
    store.read(20, 53)
    store.read(0, 10)  # runs on rows 0 to 39 from here
    with pytest.raises(StoreError, match="Rows 40 to 52 of the blocks of blocks"):
        store.read(20, 53)
    with pytest.raises(StoreError, match="Rows 30 to 52"):
        [store.read(0, 10), store.read(10, 53)]
    with pytest.raises(StoreError, match=r"Rows 53 to 56 .* are new"):
        [store.read(0, 10), store.read(10, 53)]


def test_a_factory_that_fails_in_the_middle():
    fails = []

    def blocks():
        yield stored.dense()[:30]
        if fails:
            raise OSError("the disk is gone")
        yield stored.dense()[30:]

    store = as_store(blocks)
    fails.append(1)
    with pytest.raises(StoreError, match=r"Rows 30 to 49 of .*the disk is gone"):
        store.read(20, 50)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (list, "yielded nothing"),
        (len, "it must take no arguments and return an iterable"),
        (lambda: 3, "it must take no arguments and return an iterable"),
        (lambda: [np.ones((2, 3)), np.ones((2, 4))], "Rows 2 to 3 .* have 4 columns"),
        (lambda: [np.ones((2, 3)), sp.eye_array(3)], "Rows 2 to 4 .* dense and others"),
        (lambda: [np.ones((2, 3)), np.ones(3)], "block at row 2 .* Expected 2D"),
        (lambda: [np.array([["a"]])], "block at row 0 .* must be numeric"),
    ],
)
def test_blocks_that_do_not_go_together(blocks, message):
    with pytest.raises(ValueError, match=message):
        as_store(blocks)


@pytest.mark.parametrize("name", ["h5-contiguous", "zarr-chunked"])
@pytest.mark.parametrize(
    ("X", "message"),
    [(np.ones(4), "1 dimensions"), (np.ones((2, 3), complex), "complex128"),
     (np.ones((0, 3)), "empty")],
)  # fmt: skip
def test_what_is_no_matrix(tmp_path, name, X, message):
    if name == "h5-contiguous":
        made = stored.h5_contiguous(tmp_path, X)
    else:
        zarr = pytest.importorskip("zarr")
        made = zarr.create_array(
            tmp_path / "x",
            shape=X.shape,
            dtype=X.dtype,
            chunks=tuple(max(1, n) for n in X.shape),
        )
    with pytest.raises(ValueError, match=message):
        as_store(made)


def test_anndata_that_is_not_on_disk(tmp_path):
    anndata = pytest.importorskip("anndata")
    with pytest.raises(ValueError, match=r"in memory; pass its matrix"):
        as_store(anndata.AnnData(stored.dense()))
    with pytest.raises(ValueError, match="Write it first"):
        as_store(stored.backed(tmp_path, stored.sparse())[:9])


def test_anndata_in_memory_is_its_matrix():
    anndata = pytest.importorskip("anndata")
    X = stored.dense()
    for made in (X, stored.sparse(), sp.csc_matrix(X)):
        data = anndata.AnnData(made)
        found = NMF(2, random_state=0, tol=0.1).fit(data)
        expected = NMF(2, random_state=0, tol=0.1).fit(made)
        np.testing.assert_array_equal(found.components_, expected.components_)
        np.testing.assert_array_equal(
            found.transform(data[:5]), expected.transform(made[:5])
        )


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_missing_column_numbers_are_not_column_0(tmp_path, zarr_format):
    zarr = pytest.importorskip("zarr")
    X = sp.csr_matrix(stored.dense())
    group = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=zarr_format)
    group.attrs["encoding-type"], group.attrs["shape"] = "csr_matrix", list(X.shape)
    for part in ("data", "indices", "indptr"):
        vector = getattr(X, part)
        array = group.create_array(
            part, shape=vector.shape, chunks=(16,), dtype=vector.dtype
        )
        array[:] = vector
    np.testing.assert_array_equal(
        as_store(group).read(0, X.shape[0]).toarray(), X.toarray()
    )
    chunks = [
        path for path in (tmp_path / "x.zarr" / "indices").rglob("*") if path.is_file()
    ]
    next(path for path in chunks if path.name == "1").unlink()
    group = zarr.open_group(tmp_path / "x.zarr", mode="r")
    with pytest.raises(ValueError, match=r"lacks 1 of .* chunks of 'indices'"):
        as_store(group)


@pytest.mark.parametrize("sparse", [False, True])
def test_an_hdf5_file_that_is_cut_off_meanwhile(tmp_path, sparse):
    """HDF5 itself reads zeros there."""
    h5py = pytest.importorskip("h5py")
    X = np.random.default_rng(0).random((3000, 50))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["indptr"] = np.arange(0, X.size + 1, 50)
        file["indices"] = np.tile(np.arange(50), 3000)
        file["data" if sparse else "X"] = X.ravel() if sparse else X
        file.attrs["encoding-type"], file.attrs["shape"] = "csr_matrix", X.shape
    store = as_store(tmp_path / "x.h5")
    store.read(0, 10)
    size = (tmp_path / "x.h5").stat().st_size
    os.truncate(tmp_path / "x.h5", size // 2)
    with pytest.raises(StoreError, match=f"had {size} bytes and has {size // 2} now"):
        store.read(2500, 2600)


def test_a_group_that_is_no_matrix(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a"] = [1.0]
        file["b"] = [2.0]
        with pytest.raises(ValueError, match="it has the members 'a', 'b'"):
            as_store(file)


def links(file):
    """Members of a file that lead nowhere, to themselves, or to another file."""
    h5py = pytest.importorskip("h5py")
    file["soft"] = h5py.SoftLink("/soft")
    file["nowhere"] = h5py.SoftLink("/none")
    file["other"] = h5py.ExternalLink("none.h5", "/X")
    loop = file.create_group("loop")
    loop["X"] = loop
    layout = [("secret.txt", 0, 8 * 4)]
    file.create_dataset("outside", (2, 2), np.float64, external=layout)


@pytest.mark.parametrize(
    ("name", "message"),
    [("soft", ""), ("nowhere", ""), ("other", ""), ("loop", "is no matrix"),
     ("outside", "in another file, 'secret.txt'")],
)  # fmt: skip
def test_links_of_hdf5(tmp_path, name, message):
    h5py = pytest.importorskip("h5py")
    from nonneg.stores import open_store

    with h5py.File(tmp_path / "x.h5", "w") as file:
        links(file)
    with pytest.raises(ValueError, match=r"x\.h5") as caught:
        open_store(f"{tmp_path}/x.h5::/{name}")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [b"{", b"{}", b"[]", b'{"index_columns": 3}', b"\xff"])
def test_damaged_metadata_of_pandas(tmp_path, text):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    table = pa.table({"a": [1.0, 2]}).replace_schema_metadata({"pandas": text})
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=r"x\.parquet.*metadata"):
        as_store(tmp_path / "x.parquet")


# conversion


@pytest.mark.parametrize("memory", [200, 3000, 1 << 20])
@pytest.mark.parametrize(
    "source", ["mtx", "mtx.gz", "h5-csc", "zarr-csc", "anndata-csc"]
)
def test_conversion_to_rows(tmp_path, source, memory):
    from nonneg.stores.conversion import by_rows

    X = stored.dense()
    if source.startswith("mtx"):
        path = stored.market(tmp_path, X)
        if source.endswith("gz"):
            path = tmp_path / "y.mtx.gz"
            path.write_bytes(gzip.compress((tmp_path / "x.mtx").read_bytes()))
        given = path
    else:
        make = {
            "h5": stored.h5_group,
            "zarr": stored.zarr_group,
            "anndata": stored.backed,
        }
        given = make[source.partition("-")[0]](tmp_path, sp.csc_array(X))
    store = by_rows(given, tmp_path / "rows", memory=memory)
    names = {path.name for path in (tmp_path / "rows").iterdir()}
    assert names == {f"{name}.npy" for name in ("data", "indices", "indptr", "shape")}
    again = as_store(tmp_path / "rows")
    for found in (store, again):
        assert found.shape == X.shape
        np.testing.assert_array_equal(found.read(0, 53).toarray(), X)
        np.testing.assert_array_equal(found.read(20, 31).toarray(), X[20:31])
    assert not list(tmp_path.glob(".nonneg*"))
    with pytest.raises(FileExistsError, match="exists already"):
        by_rows(given, tmp_path / "rows")


@pytest.mark.parametrize(
    "symmetry", ["symmetric", "skew-symmetric", "pattern", "integer"]
)
def test_kinds_of_matrix_market(tmp_path, symmetry):
    from nonneg.stores.conversion import by_rows

    rng = np.random.default_rng(0)
    A = np.tril(rng.integers(1, 9, (9, 9)) * (rng.random((9, 9)) < 0.5), -1)
    A = {"symmetric": A + A.T, "skew-symmetric": A - A.T}.get(symmetry, A)
    field = symmetry if symmetry in ("pattern", "integer") else None
    kind = symmetry if field is None else "general"
    scipy.io.mmwrite(tmp_path / "x.mtx", sp.coo_array(A), field=field, symmetry=kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # matrices become arrays
        expected = scipy.io.mmread(tmp_path / "x.mtx").toarray()
    store = by_rows(tmp_path / "x.mtx", memory=64)
    np.testing.assert_array_equal(store.read(0, 9).toarray(), expected)


HEADER = "%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 5\n"


@pytest.mark.parametrize("suffix", ["", "\n", "\r\n"])
@pytest.mark.parametrize(
    "value", ["1.D+01", "1d1", "1e1", "1.0E+1", "10", "10.", "  1D1"]
)
def test_exponents_of_matrix_market(tmp_path, value, suffix):
    from nonneg.io import read_matrix
    from nonneg.stores.conversion import by_rows

    (tmp_path / "x.mtx").write_text(f"{HEADER}2 2 {value}{suffix}", newline="")
    store = by_rows(tmp_path / "x.mtx")
    np.testing.assert_array_equal(store.read(0, 2).toarray(), [[5, 0], [0, 10]])
    X = read_matrix(tmp_path / "x.mtx").X
    np.testing.assert_array_equal(X.toarray(), [[5, 0], [0, 10]])


@pytest.mark.parametrize(
    "line",
    ["2 2 1.5abc", "2 2 1,5", "2 2 1_0", "2 2 0x10", "2 2 1-2", "2 2 1e", "2 2 1e5.3",
     "2 2 1.0.5", "2 2 1 7", "2 2 \0 5", "\0" * 9, "2 2", "2.5 2 1"],
)  # fmt: skip
@pytest.mark.parametrize("blank", ["", "\n"])
def test_numbers_of_matrix_market_that_scipy_reads_in_part(tmp_path, line, blank):
    from nonneg.io import read_matrix
    from nonneg.stores.conversion import by_rows

    (tmp_path / "x.mtx").write_text(f"{HEADER}{blank}{line}\n")
    for read in (by_rows, read_matrix):
        with pytest.raises(ValueError, match=r"x\.mtx.*") as caught:
            read(tmp_path / "x.mtx")
        assert "\n" not in str(caught.value)
        assert f"ine {4 + len(blank)}" in str(caught.value)


@pytest.mark.parametrize("value", ["1.5x", "1,5", "1 2"])
def test_dense_matrix_market(tmp_path, value):
    from nonneg.io import read_matrix

    header = "%%MatrixMarket matrix array real general\n2 1\n"
    (tmp_path / "x.mtx").write_text(f"{header}1\n2.D1\n")
    np.testing.assert_array_equal(read_matrix(tmp_path / "x.mtx").X, [[1], [20]])
    (tmp_path / "x.mtx").write_text(f"{header}1\n{value}\n")
    with pytest.raises(ValueError, match="line 4"):
        read_matrix(tmp_path / "x.mtx")


def test_blank_lines_and_a_missing_end_of_matrix_market(tmp_path):
    from nonneg.stores.conversion import by_rows

    (tmp_path / "x.mtx").write_text(
        "%%MatrixMarket matrix coordinate real general\n% note\n\n2 3 3\n"
        "1 1 5\n\n2 3 1e-3\r\n1 2 7"
    )
    store = by_rows(tmp_path / "x.mtx")
    np.testing.assert_array_equal(store.read(0, 2).toarray(), [[5, 7, 0], [0, 0, 1e-3]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("%%MatrixMarket matrix coordinate real general\n2 3 3\n1 1 5\n2 3 1\n", "has 2 entries, but its header says 3"),
        ("%%MatrixMarket matrix coordinate real general\n2 3 2\n1 1 5\n3 3 1\n", "Lines 3 to 4"),
        ("%%MatrixMarket matrix coordinate real general\n2 3 2\n1 1 5\n2 x 1\n", "Line 4 of"),
        ("%%MatrixMarket matrix array real general\n1 1\n5\n", "is dense"),
        ("%%MatrixMarket matrix coordinate complex general\n1 1 1\n1 1 1 1\n", "complex values"),
        ("no such", "no Matrix Market file"),
    ],
)  # fmt: skip
def test_bad_matrix_market(tmp_path, text, message):
    from nonneg.stores.conversion import by_rows

    (tmp_path / "x.mtx").write_text(text)
    with pytest.raises(ValueError, match=r"x\.mtx") as caught:
        by_rows(tmp_path / "x.mtx", tmp_path / "rows")
    assert message in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["x.mtx"]


def test_a_temporary_conversion_goes_with_its_store(tmp_path, monkeypatch):
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    store = as_store(stored.market(tmp_path, stored.dense()))
    assert len(list((tmp_path / "t").iterdir())) == 1
    del store
    assert not list((tmp_path / "t").iterdir())
