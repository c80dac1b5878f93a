"""Zarr: dense arrays, and CSR groups as anndata writes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.interfaces import Array
from .base import DenseStore, StoreBase, factor_dtype, register_store
from .compressed_rows import BY_COLUMNS, CompressedRows
from .hdf5 import SHAPES, group_format
from .read_errors import is_instance, reading, require_matrix


def where_of(X: Any) -> str:
    """What messages call an object of zarr."""
    return f"'{X.store_path}'"


def read_shape(X: Any) -> tuple[int, ...]:
    """Shape by the metadata as they are now; an open array keeps those that it was opened with."""
    import zarr

    found = zarr.open_array(store=X.store, path=X.path, mode="r").shape
    return tuple(int(n) for n in found)


@register_store(lambda X: is_instance(X, "zarr", "Array"))
class ZarrRows(DenseStore):
    """A 2-d zarr array of numbers.

    A chunk that is missing holds the array's fill value, as zarr has it: no error.
    """

    def __init__(self, X: Any) -> None:
        self.where = where_of(X)
        self.shape = require_matrix(X.shape, self.where)
        self.dtype = factor_dtype(X.dtype, self.where)
        # what is read together: a shard has several chunks, each read on its own
        self.chunk_rows = int(X.chunks[0])
        self._X = X

    def read(self, start: int, stop: int, out: Array | None = None) -> Array:
        """Return rows start:stop."""
        with reading(self.where, start, stop, self._rows, self.chunk_rows):
            rows = self._rows(start, stop)
        if out is None:
            return np.ascontiguousarray(rows, dtype=self.dtype)
        out[...] = rows
        return out

    def read_shape(self) -> tuple[int, ...]:
        """Return the shape by the metadata that are stored now."""
        return read_shape(self._X)

    def _rows(self, start: int, stop: int) -> Any:
        return self._X[start:stop]


@register_store(lambda X: is_instance(X, "zarr", "Group"))
def stored_group(X: Any) -> StoreBase:
    """Return the store for a group: its sparse matrix, or that of its member `X`."""
    found = X
    while hasattr(found, "keys") and group_format(found) is None:
        if "X" not in found:
            names = ", ".join(sorted(map(repr, found.keys())))
            msg = (
                f"{where_of(found)} is no matrix; it has the members "
                f"{names or 'none'}. Pass the array or group of the matrix, "
                "e.g. group['X']."
            )
            raise ValueError(msg)
        found = found["X"]
    return ZarrCsr(found) if hasattr(found, "keys") else ZarrRows(found)


class ZarrCsr(CompressedRows):
    """A group of CSR with `data`, `indices`, `indptr` and anndata's attributes.

    Raises
    ------
    ValueError
        If it is CSC.
    """

    def __init__(self, group: Any) -> None:
        where = where_of(group)
        if group_format(group) != "csr":
            raise ValueError(BY_COLUMNS.format(where=where))
        data, indices = group["data"], group["indices"]
        shape = next(tuple(group.attrs[name]) for name in SHAPES if name in group.attrs)
        super().__init__(
            shape,
            group["indptr"][:],
            lambda first, last: indices[first:last],
            lambda first, last: data[first:last],
            lambda: (read_shape(data)[0], read_shape(indices)[0]),
            data.dtype,
            where,
        )
