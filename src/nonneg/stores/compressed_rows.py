"""Base of stores of a CSR matrix: row pointers in memory, entries read range by range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..base.arrays import Array
from ..kernels.csr_format import assemble_csr, canonical
from .base import StoreBase, to_factor_dtype
from .read_errors import (
    StoreError,
    describe_rows,
    naming_rows,
    require_matrix,
    require_rows,
)

Slice = Callable[[int, int], Array]
"""A function that returns the entries first:last of a stored vector."""

BY_COLUMNS = (
    "{where} is stored by columns (CSC), so that a row is all over the file. Convert it "
    "once, out of core: X = nonneg.stores.by_rows(X, folder); then fit X."
)


class CompressedRows(StoreBase):
    """Base of stores of a CSR matrix.

    Parameters
    ----------
    shape : tuple of int
        (n_samples, n_features).
    indptr : array-like of n_samples + 1 ints
        Row pointers. They are kept in memory as int64, 8 bytes a row.
    indices, data : callable
        `indices(first, last)` returns the entries first:last of the stored vector.
    lengths : callable
        Returns the present lengths of the stored data and indices.
    dtype : dtype
        The dtype of the stored values.
    where : str
        What messages call the store.

    Raises
    ------
    ValueError
        If the row pointers fall or do not fit the entries; the first such row is named.
    """

    sparse = True

    def __init__(
        self,
        shape: Any,
        indptr: Any,
        indices: Slice,
        data: Slice,
        lengths: Callable[[], tuple[int, int]],
        dtype: Any,
        where: str,
    ) -> None:
        self.where = where
        self.shape = require_matrix(read_shape_vector(shape, where), where)
        self.dtype = to_factor_dtype(dtype, where)
        self._indices, self._data, self._lengths = indices, data, lengths
        pointers = np.asarray(indptr)
        if pointers.ndim != 1 or pointers.dtype.kind not in "iu":
            msg = f"The row pointers of {where} are no vector of integers."
            raise ValueError(msg)
        self._indptr = pointers.astype(np.int64, copy=False)
        self._n_stored = lengths()
        self._check_pointers()

    def _check_pointers(self) -> None:
        indptr, where = self._indptr, self.where
        if indptr.size != self.shape[0] + 1:
            msg = (
                f"{where} has {indptr.size} row pointers; for {self.shape[0]} rows "
                f"there must be {self.shape[0] + 1}."
            )
            raise ValueError(msg)
        falls = np.flatnonzero(np.diff(indptr) < 0)
        if falls.size or indptr[0] != 0:
            row = int(falls[0]) if indptr[0] == 0 else 0
            msg = (
                f"The row pointers of {where} fall at row {row}: it goes from entry "
                f"{indptr[row]} to {indptr[row + 1]}. The file is damaged."
            )
            raise StoreError(msg)
        self.require_unchanged()

    def require_unchanged(self) -> None:
        """Raise StoreError unless data and indices hold the entries of all rows."""
        lengths, n_rows = self._lengths(), self.shape[0]
        if lengths[0] == lengths[1] >= self._indptr[-1] and lengths == self._n_stored:
            return
        first = int(np.searchsorted(self._indptr, min(lengths), side="right")) - 1
        first = min(first, n_rows - 1)
        if lengths == self._n_stored or min(lengths) < min(self._n_stored):
            what = f"{describe_rows(first, n_rows)} of {self.where} are not complete"
        else:
            what = f"{self.where} has entries behind those of row {n_rows - 1}"
        msg = (
            f"{what}: there are {lengths[0]} values and {lengths[1]} column numbers, and "
            f"{self._n_stored[0]} when it was opened, for {self._indptr[-1]} entries. "
            "The file is cut off, or X was changed during a fit."
        )
        raise StoreError(msg)

    def entries(self, start: int, stop: int) -> int:
        """Return the number of stored entries of rows start:stop."""
        return int(self._indptr[stop] - self._indptr[start])

    def read(self, start: int, stop: int, out: Array | None = None) -> sp.csr_array:  # noqa: ARG002
        """Return rows start:stop as CSR, reading their entries alone.

        Raises
        ------
        StoreError
            If they can't be read, or an entry is in a column that X does not have.
        """
        n_entries = self.entries(start, stop)
        with naming_rows(self.where, start, stop, self._entries):
            data, indices = self._entries(start, stop)
        if indices.dtype.kind not in "iu":
            msg = f"The column numbers of {self.where} are no integers."
            raise StoreError(msg)
        for vector in (data, indices):
            if vector.shape != (n_entries,):
                require_rows(self.where, start, stop, self._complete(start, vector))
        indptr = self._indptr[start : stop + 1] - self._indptr[start]
        self._check_columns(start, indptr, indices)
        return build_canonical_csr(
            data.astype(self.dtype, copy=False), indices, indptr, self.shape[1]
        )

    def _entries(self, start: int, stop: int) -> tuple[Array, Array]:
        """Return the stored values and column numbers of rows start:stop."""
        first, last = int(self._indptr[start]), int(self._indptr[stop])
        data, indices = self._data(first, last), self._indices(first, last)
        return np.asarray(data), np.asarray(indices)

    def _complete(self, start: int, vector: Array) -> int:
        """Return how many rows from `start` on are complete in a vector that is too short."""
        last = self._indptr[start] + vector.size
        return int(np.searchsorted(self._indptr, last, side="right")) - 1 - start

    def _check_columns(self, start: int, indptr: Array, indices: Array) -> None:
        n_features = self.shape[1]
        if not indices.size or (indices.min() >= 0 and indices.max() < n_features):
            return
        bad = int(np.flatnonzero((indices < 0) | (indices >= n_features))[0])
        row = start + int(np.searchsorted(indptr, bad, side="right")) - 1
        msg = (
            f"Row {row} of {self.where} has an entry in column {indices[bad]}, but "
            f"there are {n_features} columns. The file is damaged, or its shape wrong."
        )
        raise StoreError(msg)


def read_shape_vector(stored: Any, where: str) -> tuple[int, ...]:
    """Return a stored shape as integers.

    Raises
    ------
    ValueError
        If it is no vector of integers that can be lengths.
    """
    vector = np.asarray(stored)
    if vector.ndim != 1 or vector.dtype.kind not in "iu" or (vector < 0).any():
        msg = f"The shape that {where} stores is {stored!r}; it must be two lengths."
        raise ValueError(msg)
    return tuple(int(n) for n in vector)


def build_canonical_csr(
    data: Array, indices: Array, indptr: NDArray[Any], n_features: int
) -> sp.csr_array:
    """Return a CSR with sorted indices and no entry twice; leave the vectors as they are.

    Its indices are int32 where they fit, as SciPy has them.
    """
    small = max(n_features, data.size) < np.iinfo(np.int32).max
    kind = np.int32 if small else np.int64
    indices, indptr = (A.astype(kind, copy=False) for A in (indices, indptr))
    return canonical(assemble_csr(data, indices, indptr, (indptr.size - 1, n_features)))
