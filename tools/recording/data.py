"""Small matrices from a seed, in every storage that a fit takes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import dask.array as da
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import scipy.io
import scipy.sparse as sp
import zarr

from nonneg.stores import as_dask, by_rows, open_store

K, SHAPE, MAX_ITER = 5, (600, 90), 15
DTYPES = ("float64", "float32")


def rows(n: int, m: int, dtype: Any = float, seed: int = 0, share: float = 0.5) -> Any:
    """A matrix of rank 6 and noise, with this share of entries that are not 0."""
    rng = np.random.default_rng(seed)
    # not by BLAS, which is no part of what is recorded
    X = np.einsum("ik,kj->ij", rng.gamma(1, 1, (n, 6)), rng.gamma(1, 1, (6, m)))
    X += rng.gamma(1, 0.3, (n, m))
    X[rng.random((n, m)) >= share] = 0
    return X.astype(dtype)


@lru_cache(maxsize=1)
def scratch() -> tempfile.TemporaryDirectory[str]:
    """Return the folder of all files, which goes with the process."""
    return tempfile.TemporaryDirectory(prefix="factors-")


def folder() -> Path:
    """A new empty folder, which is removed at the end."""
    return Path(tempfile.mkdtemp(dir=scratch().name))


def _wide(X: Any) -> Any:
    S = sp.csr_array(X)
    wide = (S.indices.astype(np.int64), S.indptr.astype(np.int64))
    return sp.csr_array((S.data, *wide), shape=S.shape)


def mapped(X: Any) -> Any:
    """The matrix as a map of a file."""
    path = folder() / "x.npy"
    np.save(path, X)
    return np.load(path, mmap_mode="r")


def _chunks(X: Any) -> tuple[int, int]:
    return min(128, -(-len_of(X) // 5)), -(-X.shape[1] // 3)


def hdf5(X: Any) -> Any:
    """Write X into a compressed HDF5 data set."""
    file = h5py.File(folder() / "x.h5", "w")
    return file.create_dataset("X", data=X, chunks=_chunks(X), compression="gzip")


def _hdf5_csr(X: Any) -> Any:
    path, S = folder() / "x.h5", sp.csr_array(X)
    with h5py.File(path, "w") as file:
        group = file.create_group("X")
        group.attrs.update({"encoding-type": "csr_matrix", "shape": S.shape})
        for name in ("data", "indices", "indptr"):
            group.create_dataset(name, data=getattr(S, name))
    return open_store(f"{path}::/X")


def _zarr(X: Any) -> Any:
    made = zarr.create_array(
        folder() / "x.zarr", shape=X.shape, chunks=_chunks(X), dtype=X.dtype
    )
    made[:] = X
    return made


def csr_folder(X: Any) -> Path:
    """Write X into a folder of CSR arrays."""
    path = folder() / "csr"
    path.mkdir()
    for name in ("data", "indices", "indptr", "shape"):
        np.save(path / f"{name}.npy", getattr(sp.csr_array(X), name))
    return path


def _parquet(X: Any) -> Any:
    path = folder() / "x.parquet"
    table = pa.table({f"f{j}": X[:, j] for j in range(X.shape[1])})
    pyarrow.parquet.write_table(table, path, row_group_size=100)
    return open_store(path)


def _market(X: Any) -> Any:
    path = folder() / "x.mtx"
    scipy.io.mmwrite(path, sp.coo_array(X))
    return by_rows(path, folder() / "csr", memory=1 << 16)


def in_blocks(X: Any) -> Callable[[], Iterator[Any]]:
    """A function that returns the rows in blocks of unequal size, one of them empty."""
    ends = [0, *sorted({1, len_of(X) // 3, len_of(X) // 2}), len_of(X)]
    bounds = [*pairwise(ends), (0, 0)]
    return lambda: iter([X[a:b] for a, b in sorted(bounds)])


def len_of(X: Any) -> int:
    """Number of rows, also of a sparse matrix."""
    return int(X.shape[0])


STORAGES: dict[str, Callable[[Any], Any]] = {
    "dense C": np.ascontiguousarray,
    "dense F": np.asfortranarray,
    "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "CSR": sp.csr_array,
    "CSR int64": _wide,
    "CSC": sp.csc_array,
    "COO": sp.coo_array,
    "memmap": mapped,
    "HDF5": hdf5,
    "HDF5 CSR": _hdf5_csr,
    "zarr": _zarr,
    "Parquet": _parquet,
    "function": in_blocks,
    "function CSR": lambda X: in_blocks(sp.csr_array(X)),
    "CSR folder": lambda X: open_store(csr_folder(X)),
    "Matrix Market": _market,
    "Dask": lambda X: da.from_array(X, chunks=(130, 37)),
    "Dask CSR": lambda X: da.from_array(X, chunks=(130, -1)).map_blocks(sp.csr_array),
    "Dask folder": lambda X: as_dask(csr_folder(X), least_blocks=4),
}


LOCAL = [name for name in STORAGES if not name.startswith("Dask")]
IN_MEMORY = LOCAL[: LOCAL.index("memmap") + 1]


@cache
def given(storage: str, *args: Any) -> Any:
    """The matrix `rows(*args)` in this storage, the same object each time."""
    return STORAGES[storage](rows(*args))


def factors(shape: tuple[int, int], k: int = K, dtype: Any = float) -> tuple[Any, Any]:
    """A start W and H."""
    rng = np.random.default_rng(9)
    W, H = rng.random((shape[0], k)) + 0.01, rng.random((k, shape[1])) + 0.01
    return W.astype(dtype), H.astype(dtype)
