"""Small matrices written to every kind of store, for the tests of stores and fits."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp


def dense(dtype: Any = np.float64, shape: tuple[int, int] = (53, 7)) -> Any:
    """Whole numbers, which every dtype holds exactly, a third of them 0."""
    rng = np.random.default_rng(3)
    X = rng.integers(1, 100, shape) * (rng.random(shape) < 0.6)
    X[5] = 0
    return X.astype(dtype)


def sparse(dtype: Any = np.float64, shape: tuple[int, int] = (53, 7)) -> Any:
    return sp.csr_array(dense(dtype, shape))


def _h5(folder: Path) -> Any:
    h5py = pytest.importorskip("h5py")
    return h5py.File(folder / "x.h5", "w")


def h5_chunked(folder: Path, X: Any) -> Any:
    return _h5(folder).create_dataset("g/X", data=X, chunks=(8, 3), compression="gzip")


def h5_contiguous(folder: Path, X: Any) -> Any:
    return _h5(folder).create_dataset("X", data=X)


def h5_file(folder: Path, X: Any) -> Any:
    return _h5(folder).create_dataset("X", data=X).file


def zarr_chunked(folder: Path, X: Any) -> Any:
    zarr = pytest.importorskip("zarr")
    made = zarr.create_array(
        folder / "x.zarr", shape=X.shape, chunks=(8, 3), dtype=X.dtype
    )
    made[:] = X
    return made


def zarr_sharded(folder: Path, X: Any) -> Any:
    zarr = pytest.importorskip("zarr")
    made = zarr.create_array(
        folder / "x.zarr", shape=X.shape, chunks=(8, 7), shards=(16, 7), dtype=X.dtype
    )
    made[:] = X
    return made


def write_group(group: Any, X: Any, **attributes: Any) -> Any:
    """Write the three vectors of a compressed matrix and attributes."""
    for name in ("data", "indices", "indptr"):
        values = getattr(X, name)
        if hasattr(group, "create_array"):
            group.create_array(name, data=values)
        else:
            group.create_dataset(name, data=values)
    group.attrs.update(attributes)
    return group


def h5_group(folder: Path, X: Any) -> Any:
    group = _h5(folder).create_group("layers/counts")
    kinds = {"encoding-type": f"{X.format}_matrix", "shape": X.shape}
    return write_group(group, X, **kinds)


def h5_old_group(folder: Path, X: Any) -> Any:
    kinds = {"h5sparse_format": X.format, "h5sparse_shape": X.shape}
    return write_group(_h5(folder).create_group("X"), X, **kinds)


def h5_10x(folder: Path, X: Any) -> Any:
    """As Cell Ranger 3 writes cells × features: transposed, by columns."""
    file = _h5(folder)
    T = X.T
    group = write_group(file.create_group("matrix"), T)
    group.create_dataset("shape", data=T.shape)
    group.create_dataset("barcodes", data=[b"c"] * X.shape[0])
    names = [f"gene {j}".encode() for j in range(X.shape[1])]
    group.create_dataset("features/name", data=names)
    return file


def zarr_group(folder: Path, X: Any) -> Any:
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(folder / "x.zarr", mode="w").create_group("X")
    kinds = {"encoding-type": f"{X.format}_matrix", "shape": list(X.shape)}
    return write_group(group, X, **kinds)


def backed(folder: Path, X: Any) -> Any:
    anndata = pytest.importorskip("anndata")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if X.dtype not in (np.float32, np.float64):
            X = X.astype(np.float64)
        anndata.AnnData(X).write_h5ad(folder / "x.h5ad")
        return anndata.read_h5ad(folder / "x.h5ad", backed="r")


def backed_X(folder: Path, X: Any) -> Any:
    return backed(folder, X).X


def table(X: Any) -> Any:
    pa = pytest.importorskip("pyarrow")
    return pa.table({f"f{j}": X[:, j] for j in range(X.shape[1])})


def parquet_folder(folder: Path, X: Any) -> Any:
    """Two files with row groups of 9 rows, 9 to a group but for the last."""
    pytest.importorskip("pyarrow")
    import pyarrow.dataset
    import pyarrow.parquet

    (folder / "x").mkdir()
    for name, part in (("a", X[:20]), ("b", X[20:])):
        pyarrow.parquet.write_table(
            table(part), folder / f"x/{name}.parquet", row_group_size=9
        )
    return pyarrow.dataset.dataset(folder / "x")


def parquet_path(folder: Path, X: Any) -> Any:
    parquet_folder(folder, X)
    return folder / "x"


def parquet_file(folder: Path, X: Any) -> Any:
    pytest.importorskip("pyarrow")
    import pyarrow.parquet

    pyarrow.parquet.write_table(table(X), folder / "x.parquet", row_group_size=9)
    return pyarrow.parquet.ParquetFile(folder / "x.parquet")


def npy_folder(folder: Path, X: Any) -> Any:
    (folder / "csr").mkdir()
    for name in ("data", "indices", "indptr", "shape"):
        np.save(folder / f"csr/{name}.npy", getattr(X, name))
    return folder / "csr"


def market(folder: Path, X: Any) -> Any:
    scipy.io.mmwrite(folder / "x.mtx", sp.coo_array(X))
    return folder / "x.mtx"


def factory(folder: Path, X: Any) -> Any:
    """Blocks of unequal size, an empty one among them."""

    def blocks() -> Any:
        yield X[:20]
        yield X[20:20]
        yield X[20:21]
        yield X[21:]

    return blocks


DENSE: dict[str, Callable[[Path, Any], Any]] = {
    "h5-chunked": h5_chunked,
    "h5-contiguous": h5_contiguous,
    "h5-file": h5_file,
    "zarr-chunked": zarr_chunked,
    "zarr-sharded": zarr_sharded,
    "anndata-dense": backed,
    "anndata-dense-X": backed_X,
    "parquet-folder": parquet_folder,
    "parquet-path": parquet_path,
    "parquet-file": parquet_file,
    "factory-dense": factory,
}
SPARSE: dict[str, Callable[[Path, Any], Any]] = {
    "h5-group": h5_group,
    "h5-old-group": h5_old_group,
    "h5-10x": h5_10x,
    "zarr-group": zarr_group,
    "anndata-csr": backed,
    "anndata-csr-X": backed_X,
    "npy-folder": npy_folder,
    "matrix-market": market,
    "factory-csr": factory,
}


def large_file(folder, n_rows, n_columns):
    """A float32 matrix of rank 8 and noise, written part by part."""
    rng = np.random.default_rng(0)
    path, H = folder / "large.npy", rng.random((8, n_columns), dtype=np.float32)
    X = np.lib.format.open_memmap(path, "w+", np.float32, (n_rows, n_columns))
    for first in range(0, n_rows, 20_000):
        n = min(20_000, n_rows - first)
        X[first : first + n] = rng.random((n, 8), dtype=np.float32) @ H
    X.flush()
    return path
