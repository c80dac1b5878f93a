"""Stores of zarr: dense arrays, and CSR groups as anndata writes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.arrays import Array
from .base import DenseStore, StoreBase, register_store, to_factor_dtype
from .compressed_rows import BY_COLUMNS, CompressedRows
from .hdf5 import (
    describe_members,
    is_group,
    read_format,
    read_stored_shape,
    require_vectors,
)
from .read_errors import is_instance, naming_rows, require_matrix


def describe(X: Any) -> str:
    """Return what messages call an object of zarr."""
    return f"'{X.store_path}'"


def read_shape(X: Any) -> tuple[int, ...]:
    """Return the shape in the metadata on disk; an open array keeps its old metadata."""
    import zarr

    shape = zarr.open_array(store=X.store, path=X.path, mode="r").shape
    return tuple(int(n) for n in shape)


@register_store(lambda X: is_instance(X, "zarr", "Array"))
class ZarrStore(DenseStore):
    """A 2-d zarr array of numbers.

    As in zarr itself, a missing chunk holds the fill value of the array: no error.
    """

    def __init__(self, X: Any) -> None:
        self.where = describe(X)
        self.shape = require_matrix(X.shape, self.where)
        self.dtype = to_factor_dtype(X.dtype, self.where)
        # chunks, not shards: each chunk of a shard can be read alone
        self.chunk_rows = int(X.chunks[0])
        self._X = X

    def read(self, start: int, stop: int, out: Array | None = None) -> Array:
        """Return rows start:stop."""
        with naming_rows(self.where, start, stop, self._rows, self.chunk_rows):
            rows = self._rows(start, stop)
        if out is None:
            return np.ascontiguousarray(rows, dtype=self.dtype)
        out[...] = rows
        return out

    def read_shape(self) -> tuple[int, ...]:
        """Return the shape in the metadata that are stored now."""
        return read_shape(self._X)

    def _rows(self, start: int, stop: int) -> Any:
        return self._X[start:stop]


@register_store(lambda X: is_instance(X, "zarr", "Group"))
def open_group(X: Any) -> StoreBase:
    """Return the store for the matrix that a group, or its member `X`, holds."""
    matrix = X
    while is_group(matrix) and read_format(matrix) is None:
        if "X" not in matrix:
            raise ValueError(describe_members(matrix, describe(matrix)))
        matrix = matrix["X"]
    return ZarrCsrStore(matrix) if is_group(matrix) else ZarrStore(matrix)


def _require_chunks(indices: Any, where: str) -> None:
    """Raise ValueError if chunks of column numbers are missing.

    zarr reads a missing chunk as zeros, which would put its entries into column 0.
    """
    n_missing = int(indices.nchunks) - int(indices.nchunks_initialized)
    if n_missing > 0:
        msg = (
            f"{where} lacks {n_missing} of {indices.nchunks} chunks of 'indices', whose "
            "entries would all be in column 0. Write it again; if they are there, with "
            "zarr's write_empty_chunks."
        )
        raise ValueError(msg)


class ZarrCsrStore(CompressedRows):
    """A group with `data`, `indices`, `indptr` and the attributes of anndata.

    Raises
    ------
    ValueError
        If the group holds a CSC matrix.
    """

    def __init__(self, group: Any) -> None:
        where = describe(group)
        if read_format(group) != "csr":
            raise ValueError(BY_COLUMNS.format(where=where))
        data, indices, indptr = require_vectors(group, where)
        shape = read_stored_shape(group, where)
        if shape[1] > 1:
            _require_chunks(indices, where)
        super().__init__(
            shape,
            indptr[:],
            lambda first, last: indices[first:last],
            lambda first, last: data[first:last],
            lambda: (read_shape(data)[0], read_shape(indices)[0]),
            data.dtype,
            where,
        )
