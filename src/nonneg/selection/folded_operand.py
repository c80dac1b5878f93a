"""The operand of a Latin fold: products of what is fitted, and a solve for each class of rows."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.interfaces import Operand, Stats
from ..base.steps import added
from ..kernels import gram, solve_by_classes
from ..kernels.quadratic_steps import (
    RowSolve,
    RowSolveInputs,
    RowSolveRows,
    RowSolveSums,
)
from .class_blocks import bounds_of
from .latin import LatinPartition, Part


class FoldedOperand(Operand):
    """The entries of X that a fold leaves to be fitted, with 0 in the place of the others.

    `gram` in the sums of a half-step has a matrix for each class of rows, (F, k, k).

    Notes
    -----
    Products with the entries that are left need nothing else: those that are held out don't
    take part in them. Only the Gram matrices go by classes, F of k·k for each half-step, which
    reads X once (D-FOLD-PASS).
    """

    kind = "folded"
    shared_gram = False
    is_sketch = True  # it has products, no pass over single entries

    def __init__(self, partition: LatinPartition, fold: int) -> None:
        self.partition, self.fold = partition, fold
        X = partition.X
        self.shape, self.dtype, self.n_threads = X.shape, partition.dtype, X.n_threads
        self.held_blocks = partition.held(fold)
        self.column_bounds = bounds_of(partition.columns.ranges)
        self.held_columns = [partition.columns.ranges[b] for b in self.held_blocks]

    @property
    def sparse(self) -> bool:
        """Whether only entries that are stored are looked at."""
        return self.partition.X.sparse

    @property
    def entries(self) -> float:
        """Number of stored entries of X."""
        return self.partition.X.entries

    def stats(self) -> Stats:
        """Sums over the entries that are not held out."""
        return self._stats

    @cached_property
    def _stats(self) -> Stats:
        p = self.partition
        # without what is held out: a difference of sums would let its rounding in
        seen = np.ones_like(p.sums, dtype=bool)
        seen[np.arange(p.n_folds), self.held_blocks] = False
        total, squares, entries = (
            float(table[seen].sum()) for table in (p.sums, p.squares, p.sizes)
        )
        return Stats(total, squares, round(entries))

    def to_rows_of_X(self, W: Array) -> Array:
        """Return a start, whose rows are ordered by their classes, in the order of passes."""
        return self.partition.in_order(W)

    def run_pass(self, step: Any, rows: Any, shared: Any) -> Any:
        """Run a step on what is left to be fitted; a half-step class by class of rows."""
        total: Any = None
        for part in self.partition.fitted(self.fold):
            of_part = rows.block(part.start, part.start + part.X.shape[0])
            if isinstance(step, RowSolve):
                sums: Any = self._solve(part, step, of_part, shared)
            else:
                sums = part.X.run_pass(step, of_part, shared)
            total = sums if total is None else added(total, sums)
        return total

    def row_grams(self, Ht: Array, gram_H: Array) -> NDArray[np.float64]:
        """Return HHᵀ over the columns that each class of rows is fitted to, (F, k, k)."""
        n = self.n_threads
        hidden = np.stack([gram(Ht[columns], n) for columns in self.held_columns])
        return gram_H - hidden

    def column_grams(self, grams: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return WᵀW for each class of columns, by those of each class of rows, (F, k, k)."""
        by_column = np.empty_like(grams)
        by_column[self.held_blocks] = grams.sum(axis=0) - grams
        return by_column

    def fitted_square(self, W: Array, Ht: Array, gram_H: Array) -> float:
        """Return ‖WH‖² over what is not held out."""
        parts = self.partition.by_class(W)
        grams = np.stack([gram(part, self.n_threads) for part in parts])
        return float(np.sum(grams * self.row_grams(Ht, gram_H)))

    def held_out_square(self, W: Array, Ht: Array) -> float:
        """Return Σ(x − y)² over what is held out, by a product with it."""
        p, n = self.partition, self.n_threads
        value = p.held_sum(p.squares, self.fold)
        for start, block in p.blocks():
            of_part = W[start : start + block.X.shape[0]]
            value -= 2 * block.held_cross(self.held_blocks, of_part, Ht, n)
        for columns, W_a in zip(self.held_columns, p.by_class(W), strict=True):
            value += float(np.sum(gram(W_a, n) * gram(Ht[columns], n)))
        return max(0.0, value)

    def _solve(
        self, part: Part, step: RowSolve, rows: RowSolveRows, shared: RowSolveInputs
    ) -> RowSolveSums:
        """Do a half-step of all models on the rows of a part."""
        models = tuple(
            replace(model, gram=self.row_grams(model.Ht, model.gram))
            for model in shared.models
        )
        return solve_by_classes(part.X, step, rows, RowSolveInputs(models), part.bounds)
