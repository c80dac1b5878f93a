"""A dense X in memory of which entries are hidden: kernels see 0 in their places.

X is not copied as a whole. A pass gets it in windows, in which the hidden entries are 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from .. import kernels
from ..base import deadline
from ..base.arrays import Array
from ..base.interfaces import Operand, Stats
from ..kernels.quadratic_steps import MatMul
from ..kernels.row_methods import Summary
from .base import Block, BlockedOperand, TransposedOperand
from .streamed.prefetch import TaskBlocks, schedule_reads

WINDOW_BYTES = 4 << 20
"""Bytes of a window, so few that it stays in the cache from its copy to its use
(D-OPERANDS-CLEAN-WINDOW)."""
STREAMS = 16
"""Tasks of a pass that have rows in a window."""


class CleanDense(BlockedOperand):
    """Rows of a dense X, cleaned window by window.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
        Its hidden entries may be NaN.
    hidden : csr_array or None
        Pattern of the hidden entries.
    factors : ndarray of shape (n_rows, n_columns) or None
        What entries are multiplied by; where it is 0 they are hidden.
    multiply : bool
        False hides entries by `factors` and leaves the others as they are.
    scales : tuple of ndarray or None
        Numbers that rows and columns are multiplied by, (n_rows,) and (n_columns,).
    """

    kind: ClassVar[str] = "dense-parts"

    def __init__(
        self,
        X: Array,
        hidden: Any,
        factors: Array | None = None,
        multiply: bool = True,
        n_threads: int = 1,
        scales: tuple[Any, Any] = (None, None),
    ) -> None:
        self.scales = scales
        self.X, self.hidden, self.factors = X, hidden, factors
        self.multiply = multiply
        self.shape = (X.shape[0], X.shape[1])
        self.dtype, self.n_threads = X.dtype, n_threads
        self.n_rows, self.longest = self.shape
        self._schedule: Any = None
        self._buffer: Array | None = None

    @cached_property
    def T(self) -> Operand:
        """The transpose, for products alone."""
        return CleanColumns(self)

    @property
    def imputable(self) -> bool:
        """Whether X is what the kernels for hidden entries take, without scales or factors."""
        return (
            self.hidden is not None
            and self.factors is None
            and all(scale is None for scale in self.scales)
            and self.X.strides[1] == self.X.itemsize
        )

    def cut_rows(self, rows: slice) -> CleanDense:
        """Return these rows, which share the memory of X."""
        hidden, factors = (
            None if A is None else A[rows] for A in (self.hidden, self.factors)
        )
        scale, columns = self.scales
        return CleanDense(
            self.X[rows], hidden, factors, self.multiply, self.n_threads,
            (None if scale is None else scale[rows], columns),
        )  # fmt: skip

    def scaled(self, rows: Any, columns: Any) -> CleanDense:
        """Return X with rows and columns multiplied by numbers."""
        return CleanDense(
            self.X, self.hidden, self.factors, self.multiply, self.n_threads,
            (rows, columns),
        )  # fmt: skip

    def next(self, n_tasks: int, block: int) -> list[Any] | None:
        """Return the next window of a pass to the compiled core, or None after the last.

        A window is a list of (task, first block, last block, row, rows).
        """
        if self._schedule is None:
            n_blocks = -(-self.n_rows // block)
            bounds = [n_blocks * i // n_tasks for i in range(n_tasks + 1)]
            row_bytes = self.shape[1] * self.dtype.itemsize

            def size(first: int, last: int) -> int:
                return (last - first) * block * row_bytes

            self._schedule = schedule_reads(bounds, STREAMS, size, WINDOW_BYTES)
        parts: list[TaskBlocks] | None = next(self._schedule, None)
        if parts is None:
            self._schedule = None
            return None
        ranges = [
            (part.first * block, min(part.last * block, self.n_rows)) for part in parts
        ]
        total = sum(stop - start for start, stop in ranges)
        buffer = self._buffer
        if buffer is None or len(buffer) < total:
            buffer = self._buffer = np.empty((total, self.shape[1]), self.dtype)
        window, row = [], 0
        for part, (start, stop) in zip(parts, ranges, strict=True):
            place = buffer[row : row + stop - start]
            self.clean(start, stop, place)
            window.append((*part, start, place))
            row += stop - start
        return window

    def run_pass(self, step: Any, rows: Any, shared: Any) -> Any:
        """Run `step` on all rows."""
        if isinstance(step, MatMul) and self.imputable:
            deadline.check()
            rows.out[...] = kernels.clean_product(
                self.X, self.hidden, shared.Ht, self.n_threads
            )
            return None
        self._schedule = None  # an interrupted pass may have left one
        return super().run_pass(step, rows, shared)

    def clean(self, start: int, stop: int, out: Array) -> None:
        """Write rows start:stop to `out`, 0 where they are hidden."""
        self._hide(start, stop, out)
        rows, columns = self.scales
        if rows is not None:
            out *= rows[start:stop, None].astype(out.dtype)
        if columns is not None:
            out *= columns.astype(out.dtype)

    def _hide(self, start: int, stop: int, out: Array) -> None:
        X = self.X[start:stop]
        if self.factors is not None:
            factors = self.factors[start:stop]
            if self.multiply:
                np.multiply(X, factors, out=out)
            else:
                out[...] = X
            out[factors == 0] = 0
            return
        if self.hidden is None:
            out[...] = X
        else:
            kernels.clean_rows(X, self.hidden, start, out, self.n_threads)

    def blocks(self) -> Iterator[Block]:
        """Cut X into cleaned blocks of a window's size."""
        width = max(1, self.shape[1] * self.dtype.itemsize)
        size = max(1, WINDOW_BYTES // width)
        for start in range(0, self.n_rows, size):
            stop = min(start + size, self.n_rows)
            out = np.empty((stop - start, self.shape[1]), self.dtype)
            self.clean(start, stop, out)
            yield Block(start, stop, out, None)

    @cached_property
    def summary(self) -> Summary:
        """Sum, sum of squares and smallest of the cleaned entries, from one pass."""
        if self.imputable:
            summary: Summary = kernels.clean_summary(
                self.X, self.hidden, self.n_threads
            )
            return summary
        total = Summary(0.0, 0.0, float("inf"))
        for block in self.blocks():
            total = total.joined(kernels.summary(block.X, self.n_threads))
        return total

    @cached_property
    def density(self) -> float:
        """Share of the cleaned entries that are not 0."""
        count = sum(int(np.count_nonzero(block.X)) for block in self.blocks())
        return count / max(1, self.X.size)

    def stats(self) -> Stats:
        """Sum, sum of squares and number of the cleaned entries."""
        summary = self.summary
        return Stats(summary.sum, summary.sum_sq, self.X.size, summary.smallest)


class CleanColumns(TransposedOperand):
    """The transpose of cleaned rows, which has products and blocks of its rows."""

    in_parts = False

    def __init__(self, X: CleanDense) -> None:
        super().__init__(X)
        self._clean = X

    @property
    def density(self) -> float:
        """Share of the cleaned entries that are not 0."""
        return self._clean.density

    @cached_property
    def by_rows(self) -> CleanDense:
        """The columns of X as rows, each window of which is a copy turned round."""
        X = self._clean
        hidden = None if X.hidden is None else X.hidden.T.tocsr()
        factors = None if X.factors is None else X.factors.T
        return CleanDense(X.X.T, hidden, factors, X.multiply, X.n_threads)

    def stored_by_rows(self) -> Operand:
        """Return the columns of X as rows."""
        return self.by_rows

    def blocks(self) -> Iterator[Block]:
        """Cut the columns of X into blocks of a window's size."""
        X = self._clean
        size = max(1, WINDOW_BYTES // max(1, X.shape[0] * X.dtype.itemsize))
        for start in range(0, X.shape[1], size):
            stop = min(start + size, X.shape[1])
            hidden, factors = (
                None if A is None else A[:, start:stop] for A in (X.hidden, X.factors)
            )
            part = CleanDense(X.X[:, start:stop], hidden, factors, X.multiply)
            out = np.empty(part.shape, X.dtype)
            part.clean(0, part.n_rows, out)
            yield Block(start, stop, np.ascontiguousarray(out.T), None)
