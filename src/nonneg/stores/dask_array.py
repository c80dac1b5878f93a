"""A store as a Dask array: each worker reads its own rows from files that all can see."""

from __future__ import annotations

import os
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from .base import StoreBase, as_store
from .locations import INSIDE, detect_kind, open_store, parse_location

BLOCK_BYTES = 64 << 20
"""Bytes of a block. A pass has one task for each block, and a scheduler starts about a
thousand tasks a second."""


def as_dask(
    name: str | os.PathLike[str],
    *,
    block_bytes: int = BLOCK_BYTES,
    least_blocks: int = 1,
) -> Any:
    """Return the matrix of that name as a Dask array in blocks of rows.

    Parameters
    ----------
    name : str or path-like
        A name that `open_store` takes, or a .npy file. Every worker must find the same file
        there. A Matrix Market file is refused, since it can't be read from the middle.
    block_bytes : int, default=67108864
        Approximate size of a block in memory. The rows of one chunk stay together.
    least_blocks : int, default=1
        Smallest number of blocks, such as the threads of a cluster, where X has so many
        rows or chunks.

    Returns
    -------
    dask.array.Array of shape (n_samples, n_features)
        A lazy array of NumPy or SciPy CSR blocks, float32 or float64.

    Raises
    ------
    ValueError
        If it is no such matrix, is stored by columns, or is a Matrix Market file.
    FileNotFoundError
        If there is no such file.
    ImportError
        If its package is not installed.
    """
    import dask
    import dask.array as da

    absolute = resolve_name(name)
    stamp = read_mtime(absolute)
    store = open_cached(absolute, stamp)
    n_rows, n_columns = store.shape
    bounds = cut_blocks(store, block_bytes, least_blocks)
    read = dask.delayed(read_block, pure=True)
    blocks = [
        da.from_delayed(
            read(absolute, stamp, start, stop), (stop - start, n_columns), store.dtype
        )
        for start, stop in pairwise(bounds)
    ]
    return da.concatenate(blocks, axis=0) if n_rows else da.empty((0, n_columns))


def resolve_name(name: str | os.PathLike[str]) -> str:
    """Return an absolute name, which every process with the same file system understands.

    Raises
    ------
    ValueError
        If the file can't be read from the middle.
    """
    location = parse_location(name)
    if detect_kind(location) == "mtx":
        msg = (
            f"{str(location.path)!r} can't be read from the middle, so workers can't share "
            "it. Convert it, e.g. into an .h5 file."
        )
        raise ValueError(msg)
    inside = "" if location.inside is None else INSIDE + location.inside
    return f"{location.path.resolve()}{inside}"


def cut_blocks(store: StoreBase, block_bytes: int, least_blocks: int) -> list[int]:
    """Return the first rows of the blocks, and the end of the last block."""
    n_rows = store.shape[0]
    size = store.dtype.itemsize + (4 if store.sparse else 0)
    total = max(1, store.entries(0, n_rows) * size)
    n_blocks = max(least_blocks, -(-total // block_bytes))
    block_rows = max(1, n_rows // n_blocks)
    if store.chunk_rows:
        block_rows = max(1, block_rows // store.chunk_rows) * store.chunk_rows
    return [*range(0, n_rows, block_rows), n_rows]


def read_mtime(name: str) -> int:
    """Return the time of the last change of the file or folder, in nanoseconds."""
    return parse_location(name).path.stat().st_mtime_ns


@lru_cache(maxsize=4)
def open_cached(name: str, stamp: int) -> StoreBase:  # noqa: ARG001
    """Return the store of that name, kept open in this process while its stamp stays."""
    if name.endswith(".npy"):
        return as_store(np.load(name, mmap_mode="r"))
    return open_store(name)


def read_block(name: str, stamp: int, start: int, stop: int) -> Any:
    """Return the rows start:stop of the store of that name: a task of a worker."""
    return open_cached(name, stamp).read(start, stop)
