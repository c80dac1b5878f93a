"""The operand of a dense X: a NumPy array of any memory order, mapped or in memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import ClassVar

import numpy as np

from .. import kernels
from ..base.arrays import Array
from ..base.interfaces import Operand, Stats
from ..kernels.row_methods import Summary
from .base import Block, BlockedOperand
from .registration import register_operand

BLOCK_BYTES = 1 << 20
"""Bytes of X in a block of the reference pass."""


@register_operand(lambda X: isinstance(X, np.ndarray), checked=True)
class DenseOperand(BlockedOperand):
    """A 2-d float32 or float64 array; Fortran order is read by columns."""

    kind: ClassVar[str] = "dense"

    def __init__(self, X: Array, n_threads: int = 1) -> None:
        row_stride, column_stride = (abs(stride) for stride in X.strides)
        itemsize = X.itemsize
        inner = X.shape[0] if row_stride < column_stride else X.shape[1]
        overlaps = (
            max(row_stride, column_stride) < itemsize * inner and min(X.shape) > 1
        )
        if itemsize not in X.strides or min(X.strides) < itemsize or overlaps:
            # kernels and BLAS need one axis without gaps, and lines that don't overlap
            X = np.ascontiguousarray(X)
            row_stride, column_stride = X.strides
        self.X = X
        self.n_threads = n_threads
        self.shape = (X.shape[0], X.shape[1])
        self.dtype = X.dtype
        self.by_columns = column_stride > row_stride

    @cached_property
    def T(self) -> DenseOperand:
        """The transpose, without a copy."""
        transpose = DenseOperand(self.X.T, self.n_threads)
        # sums of the entries are those of X; there is no reference back to X, so that X is
        # freed with its last user
        known = {"summary", "density"} & vars(self).keys()
        vars(transpose).update({name: vars(self)[name] for name in known})
        return transpose

    def native(self) -> Array:
        """Return the array itself."""
        return self.X

    def stored_by_rows(self) -> Operand:
        """Return X, or a copy where its columns are contiguous."""
        if not self.by_columns:
            return self
        return DenseOperand(np.ascontiguousarray(self.X), self.n_threads)

    @property
    def single_bytes(self) -> int:
        """Bytes of a copy in float32, if the entries are float64 and not mapped from a file."""
        is_mapped = isinstance(self.X, np.memmap)
        return 0 if is_mapped or self.dtype == np.float32 else 4 * self.X.size

    def in_single(self) -> Operand:
        """Return a copy in float32, in the same order."""
        return DenseOperand(self.X.astype(np.float32), self.n_threads)

    def cut_rows(self, rows: slice) -> Operand:
        """Return these rows, which share the memory of X."""
        return DenseOperand(self.X[rows], self.n_threads)

    def blocks(self) -> Iterator[Block]:
        """Cut X into blocks of about `BLOCK_BYTES`."""
        n_rows, n_columns = self.shape
        size = max(1, BLOCK_BYTES // max(1, n_columns * self.dtype.itemsize))
        for start in range(0, n_rows, size):
            stop = min(start + size, n_rows)
            yield Block(start, stop, self.X[start:stop], None)

    @cached_property
    def summary(self) -> Summary:
        """Sum, sum of squares and smallest of the entries, from one pass."""
        X = self.X.T if self.by_columns else self.X
        summary: Summary = kernels.summary(X, self.n_threads)
        return summary

    def note(self, summary: Summary) -> None:
        """Take the summary that a pass has made as that of the entries."""
        vars(self)["summary"] = summary

    @cached_property
    def density(self) -> float:
        """Share of the entries that are not 0."""
        return np.count_nonzero(self.X) / max(1, self.X.size)

    def stats(self) -> Stats:
        """Sum, sum of squares and number of entries."""
        return self._stats

    @cached_property
    def _stats(self) -> Stats:
        summary = self.summary
        return Stats(summary.sum, summary.sum_sq, self.X.size, summary.smallest)
