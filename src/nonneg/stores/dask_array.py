"""A store as a Dask array: each worker reads its own rows from files that all can see."""

from __future__ import annotations

import os
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from .base import StoreBase, as_store
from .locations import INSIDE, kind_of, open_store, parse_location

BLOCK_BYTES = 64 << 20
"""Bytes of a block; a pass has one task for each, of which a scheduler starts some thousand a
second."""


def as_dask(
    name: str | os.PathLike[str],
    *,
    block_bytes: int = BLOCK_BYTES,
    least_blocks: int = 1,
) -> Any:
    """The matrix of that name as a Dask array in blocks of rows.

    Parameters
    ----------
    name : str or path-like
        As `open_store` takes it, or a .npy file. Every worker must find the same there. A
        Matrix Market file is refused, since it can't be read from the middle.
    block_bytes : int, default=67108864
        About the size of a block in memory. Rows that a store keeps in one chunk stay
        together.
    least_blocks : int, default=1
        Smallest number of blocks, such as the threads of a cluster, if there are so many
        rows or chunks.

    Returns
    -------
    dask.array.Array of shape (n_samples, n_features)
        Of NumPy or of SciPy CSR blocks, float32 or float64. Nothing has been read.

    Raises
    ------
    ValueError, FileNotFoundError, ImportError
        As `open_store`.
    """
    import dask
    import dask.array as da

    absolute = absolute_name(name)
    stamp = changed_at(absolute)
    store = opened(absolute, stamp)
    n_rows, n_columns = store.shape
    bounds = cut(store, block_bytes, least_blocks)
    read = dask.delayed(rows_of, pure=True)
    blocks = [
        da.from_delayed(
            read(absolute, stamp, start, stop), (stop - start, n_columns), store.dtype
        )
        for start, stop in pairwise(bounds)
    ]
    return da.concatenate(blocks, axis=0) if n_rows else da.empty((0, n_columns))


def absolute_name(name: str | os.PathLike[str]) -> str:
    """The name as every process with the same file system understands it.

    Raises
    ------
    ValueError
        If rows can't be read from the middle of it.
    """
    location = parse_location(name)
    if kind_of(location) == "mtx":
        msg = (
            f"{str(location.path)!r} can't be read from the middle, so workers can't share "
            "it. Convert it, e.g. into an .h5 file."
        )
        raise ValueError(msg)
    inside = "" if location.inside is None else INSIDE + location.inside
    return f"{location.path.resolve()}{inside}"


def cut(store: StoreBase, block_bytes: int, least_blocks: int) -> list[int]:
    """Where blocks begin, and the end of the last one."""
    n_rows = store.shape[0]
    size = store.dtype.itemsize + (4 if store.sparse else 0)
    total = max(1, store.entries(0, n_rows) * size)
    n_blocks = max(least_blocks, -(-total // block_bytes))
    a_block = max(1, n_rows // n_blocks)
    if store.chunk_rows:
        a_block = max(1, a_block // store.chunk_rows) * store.chunk_rows
    return [*range(0, n_rows, a_block), n_rows]


def changed_at(name: str) -> int:
    """When the file or folder was changed last, in nanoseconds."""
    return parse_location(name).path.stat().st_mtime_ns


@lru_cache(maxsize=4)
def opened(name: str, stamp: int) -> StoreBase:  # noqa: ARG001
    """The store of that name, which this process keeps open; another one has another stamp."""
    if name.endswith(".npy"):
        return as_store(np.load(name, mmap_mode="r"))
    return open_store(name)


def rows_of(name: str, stamp: int, start: int, stop: int) -> Any:
    """Rows of a store: what a task of a worker reads."""
    return opened(name, stamp).read(start, stop)
