"""The operand of a sparse X: CSR, or CSC as the transpose of a CSR, read by columns."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from .. import kernels
from ..base.gate import lockable, unwritable
from ..base.interfaces import Operand, Stats
from ..kernels.csr_format import canonical, known_canonical
from ..kernels.row_methods import Summary
from .base import Block, BlockedOperand
from .registration import register_operand

BLOCK_ROWS = 1024
"""Rows of a block of the reference pass."""


@register_operand(sp.issparse, checked=True)
class SparseOperand(BlockedOperand):
    """A SciPy sparse matrix or array with float32 or float64 values.

    CSR and CSC are used as they are, with int32 or int64 indices; other formats are
    converted to CSR. Repeated entries are added up in a copy.
    """

    kind: ClassVar[str] = "csr"
    sparse = True

    def __init__(self, X: Any, n_threads: int = 1) -> None:
        if X.format not in ("csr", "csc"):
            X = X.tocsr()
        self.X = X = canonical(X)
        self._is_own = False
        self._wide: SparseOperand | None = (
            None  # in float64, if this is a copy in float32
        )
        self.n_threads = n_threads
        self.shape = (int(X.shape[0]), int(X.shape[1]))
        self.dtype = X.dtype
        self.by_columns = X.format == "csc"
        self.column_access = self.by_columns

    @cached_property
    def T(self) -> SparseOperand:
        """The transpose, without a copy of the values."""
        matrix = self.X.T
        matrix.has_canonical_format = True  # as X has
        transpose = SparseOperand(matrix, self.n_threads)
        if self._wide is not None:
            transpose._wide = self._wide.T
        return transpose

    @cached_property
    def by_rows(self) -> SparseOperand:
        """X for steps that gather whole rows: for CSC a copy, made once."""
        if not self.by_columns:
            return self
        if self._wide is not None:
            return self._wide.by_rows.in_single()
        return SparseOperand(self.X.tocsr(), self.n_threads)

    def stored_by_rows(self) -> Operand:
        """Return X, or a copy where it is a CSC."""
        if not self.by_columns:
            return self
        return SparseOperand(self.X.tocsr(), self.n_threads)

    def cut_rows(self, rows: slice) -> Operand:
        """Return rows of a CSR that share its entries, with row pointers of their own.

        SciPy's own slices are copies, and its constructor reads all 64-bit indices.
        """
        X = self.X
        first, last = X.indptr[rows.start], X.indptr[rows.stop]
        part = known_canonical(
            X.data[first:last],
            X.indices[first:last],
            X.indptr[rows.start : rows.stop + 1] - first,
            (rows.stop - rows.start, self.shape[1]),
        )
        return SparseOperand(part, self.n_threads)

    @property
    def single_bytes(self) -> int:
        """Bytes of the entries in float32, if they are float64."""
        return 0 if self.dtype == np.float32 else 4 * self.X.nnz

    def in_single(self) -> SparseOperand:
        """Return X with entries in float32, which share the indices."""
        self._take_indices()
        X = copy.copy(self.X)
        X.data = X.data.astype(np.float32)
        single = SparseOperand(X, self.n_threads)
        single._wide = self
        return single

    def held(self) -> AbstractContextManager[None]:
        """Keep the caller's code from writing to the indices, on which memory depends.

        It may give its matrix other arrays, as this operand then has a matrix of its own,
        and write to arrays that can't be locked, as the matrix then has copies.
        """
        self._take_indices()
        return unwritable((self.X.indices, self.X.indptr))

    def _take_indices(self) -> None:
        """Take a matrix of its own, whose indices can be locked."""
        if not self._is_own:
            self.X, self._is_own = copy.copy(self.X), True
            self.X.indices, self.X.indptr = map(
                lockable, (self.X.indices, self.X.indptr)
            )
            vars(self).pop("T", None)  # it has the arrays of before

    def native(self) -> Any:
        """Return the SciPy matrix."""
        return self.X

    @property
    def entries(self) -> float:
        """Number of stored entries."""
        return float(self.X.nnz)

    @property
    def stored_bytes(self) -> int:
        """Bytes of the values, their indices and the pointers to rows or columns."""
        X = self.X
        return int(X.data.nbytes + X.indices.nbytes + X.indptr.nbytes)

    def blocks(self) -> Iterator[Block]:
        """Cut X into blocks of `BLOCK_ROWS` rows."""
        X = self.X.tocsr()
        for start in range(0, self.shape[0], BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, self.shape[0])
            yield Block(start, stop, X[start:stop], None)

    @cached_property
    def summary(self) -> Summary:
        """Sum, sum of squares and smallest of the stored entries, from one pass."""
        summary: Summary = kernels.summary(self.X.data, self.n_threads)
        return summary

    @cached_property
    def density(self) -> float:
        """Share of the entries that are not 0."""
        entries = max(1, self.shape[0] * self.shape[1])
        return np.count_nonzero(self.X.data) / entries

    def stats(self) -> Stats:
        """Sum, sum of squares and number of entries, the implicit zeros among them."""
        return self._stats

    @cached_property
    def _stats(self) -> Stats:
        n_entries = self.shape[0] * self.shape[1]
        summary = self.summary
        smallest = summary.smallest
        if self.X.nnz < n_entries:
            smallest = min(0.0, smallest)
        return Stats(summary.sum, summary.sum_sq, n_entries, smallest)
