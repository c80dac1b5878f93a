"""CSR that lies in a store: row pointers in memory, entries read row range by row range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..base.interfaces import Array
from ..kernels.csr_format import is_canonical
from .base import StoreBase, factor_dtype
from .read_errors import (
    StoreError,
    reading,
    require_matrix,
    require_rows,
    rows_text,
)

Slice = Callable[[int, int], Array]
"""Returns the entries first:last of a stored vector."""

BY_COLUMNS = (
    "{where} is stored by columns (CSC), so that a row is all over the file. Convert it "
    "once, out of core: X = nonneg.stores.conversion.by_rows(X, folder); then fit X."
)


class CompressedRows(StoreBase):
    """Base of stores of a CSR matrix.

    Parameters
    ----------
    shape : tuple of int
        (n_samples, n_features).
    indptr : array-like of n_samples + 1 ints
        Kept in memory as int64: 8 bytes a row.
    indices, data : callable
        `indices(first, last)` returns these entries of the stored vector.
    lengths : callable
        Returns the present lengths of data and indices.
    dtype : dtype
        Of the stored values.
    where : str
        What messages call it.

    Raises
    ------
    ValueError
        If the row pointers fall or do not fit the entries, with the first such row.
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
        self.shape = require_matrix(tuple(int(n) for n in shape), where)
        self.dtype = factor_dtype(dtype, where)
        self._indices, self._data, self._lengths = indices, data, lengths
        found = np.asarray(indptr)
        if found.ndim != 1 or found.dtype.kind not in "iu":
            msg = f"The row pointers of {where} are no vector of integers."
            raise ValueError(msg)
        self._indptr = found.astype(np.int64, copy=False)
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
        """Raise StoreError unless data and indices have the entries of all rows."""
        found, n_rows = self._lengths(), self.shape[0]
        if found[0] == found[1] >= self._indptr[-1] and found == self._n_stored:
            return
        first = int(np.searchsorted(self._indptr, min(found), side="right")) - 1
        first = min(first, n_rows - 1)
        if found == self._n_stored or min(found) < min(self._n_stored):
            what = f"{rows_text(first, n_rows)} of {self.where} are not complete"
        else:
            what = f"{self.where} has entries behind those of row {n_rows - 1}"
        msg = (
            f"{what}: there are {found[0]} values and {found[1]} column numbers, and "
            f"{self._n_stored[0]} when it was opened, for {self._indptr[-1]} entries. "
            "The file is cut off, or X was changed during a fit."
        )
        raise StoreError(msg)

    def entries(self, start: int, stop: int) -> int:
        """Stored entries of rows start:stop."""
        return int(self._indptr[stop] - self._indptr[start])

    def read(self, start: int, stop: int, out: Array | None = None) -> sp.csr_array:  # noqa: ARG002
        """Return rows start:stop as CSR; its cost is that of their entries.

        Raises
        ------
        StoreError
            If they can't be read or hold column numbers that there are not.
        """
        n_entries = self.entries(start, stop)
        with reading(self.where, start, stop, self._entries):
            data, indices = self._entries(start, stop)
        if indices.dtype.kind not in "iu":
            msg = f"The column numbers of {self.where} are no integers."
            raise StoreError(msg)
        for vector in (data, indices):
            if vector.shape != (n_entries,):
                require_rows(self.where, start, stop, self._complete(start, vector))
        indptr = self._indptr[start : stop + 1] - self._indptr[start]
        self._check_columns(start, indptr, indices)
        return canonical_csr(
            data.astype(self.dtype, copy=False), indices, indptr, self.shape[1]
        )

    def _entries(self, start: int, stop: int) -> tuple[Array, Array]:
        """Return the stored values and column numbers of rows start:stop."""
        first, last = int(self._indptr[start]), int(self._indptr[stop])
        data, indices = self._data(first, last), self._indices(first, last)
        return np.asarray(data), np.asarray(indices)

    def _complete(self, start: int, vector: Array) -> int:
        """Rows from `start` on that the entries of a short vector fill."""
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


def canonical_csr(
    data: Array, indices: Array, indptr: NDArray[Any], n_features: int
) -> sp.csr_array:
    """CSR with sorted indices and no entry twice, from vectors that may be written to.

    Its indices are int32 where they fit, as SciPy has them.
    """
    shape = (indptr.size - 1, n_features)
    small = max(n_features, data.size) < np.iinfo(np.int32).max
    kind = np.int32 if small else np.int64
    X = sp.csr_array(shape, dtype=data.dtype)
    X.data = data
    X.indices = indices.astype(kind, copy=False)
    X.indptr = indptr.astype(kind, copy=False)
    if not is_canonical(X):
        X.data, X.indices = X.data.copy(), X.indices.copy()
        X.sum_duplicates()
    return X
