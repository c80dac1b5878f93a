"""A dense X in a store of which entries are hidden: kernels see 0 in their places."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp

from ... import kernels
from ...base.arrays import Array
from ...base.interfaces import Operand
from ...stores.base import StoreBase
from ..clean_dense import CleanDense
from .first_pass import FirstPass
from .operand import StreamedOperand
from .prefetch import read_rows

BLOCK_ROWS = 256


class CleanStream(StreamedOperand):
    """Rows of a store, cleaned window by window.

    Parameters
    ----------
    store : StoreBase
        Of dense rows, whose hidden entries may be NaN.
    hidden : csr_array or None
        Pattern of the hidden entries.
    n_threads : int
    window_bytes : int, default=None
    scales : tuple of ndarray or None
        Numbers that rows and columns are multiplied by, (n_rows,) and (n_columns,).
    """

    def __init__(
        self,
        store: StoreBase,
        hidden: Any,
        n_threads: int = 1,
        window_bytes: int | None = None,
        scales: tuple[Any, Any] = (None, None),
    ) -> None:
        super().__init__(store, n_threads, window_bytes)
        self.hidden, self.scales = hidden, scales
        self._lent: list[Any] = []

    @classmethod
    def of(
        cls, X: StreamedOperand, hidden: Any, scales: tuple[Any, Any] = (None, None)
    ) -> CleanStream:
        """Return X with hidden entries, of which nothing has been read yet."""
        cleaned = cls(X.store, hidden, X.n_threads, X.window_bytes, scales)
        cleaned._first_pass = FirstPass()
        return cleaned

    def next(self, n_tasks: int, block: int) -> list[Any] | None:
        """Return the next window of a pass, cleaned, or None after the last."""
        window = super().next(n_tasks, block)
        # the core borrows the arrays of a window until it asks for the next one
        self._lent = [
            (*part, row, self._cleaned(row, rows)) for *part, row, rows in window or []
        ]
        return None if window is None else self._lent

    def _cleaned(self, row: int, rows: Any) -> Any:
        out = np.empty_like(rows) if self.store.lends else rows
        if self.hidden is not None:
            kernels.clean_rows(rows, self.hidden, row, out, self.n_threads)
        elif self.store.lends:
            out[...] = rows
        by_row, by_column = self.scales
        if by_row is not None:
            out *= by_row[row : row + len(out), None].astype(out.dtype)
        if by_column is not None:
            out *= by_column.astype(out.dtype)
        return out

    def cut_rows(self, rows: slice) -> Operand:
        """Read these rows into an operand in memory."""
        X = read_rows(self.store, rows.start, rows.stop, None)
        hidden = None if self.hidden is None else self.hidden[rows]
        by_row, by_column = self.scales
        scales = (None if by_row is None else by_row[rows], by_column)
        return CleanDense(X, hidden, n_threads=self.n_threads, scales=scales)

    def in_memory(self) -> Operand | None:
        """Return None: a map of the file would show what is hidden."""
        return None


def hidden_where(X: StreamedOperand, test: Callable[[Array], Array]) -> Any:
    """Read X once; return a CSR with -1 where a test of blocks of rows holds, or None."""
    reader = copy.copy(X)
    reader._begin()
    n_columns, counts, indices = X.shape[1], [np.zeros(1, np.int64)], []
    with reader._open():
        for part in reader._parts(BLOCK_ROWS):
            missing = test(part)
            counts.append(np.count_nonzero(missing, axis=1))
            indices.append((np.flatnonzero(missing) % n_columns).astype(np.int32))
    indptr = np.cumsum(np.concatenate(counts))
    if indptr[-1] == 0:
        return None
    kind = np.int32 if indptr[-1] < 2**31 else np.int64
    data = np.full(int(indptr[-1]), -1, dtype=X.dtype)
    columns = np.concatenate(indices).astype(kind, copy=False)
    return sp.csr_array((data, columns, indptr.astype(kind)), shape=X.shape)
