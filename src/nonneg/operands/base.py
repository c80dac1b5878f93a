"""Base of operands that cut themselves into blocks of rows, and products with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import kernels
from ..base import deadline
from ..base.arrays import Array
from ..base.interfaces import Operand, Stats
from ..base.steps import OtherFactor, RowsOfW, RowsT, SharedT, Step, SumsT, added
from ..kernels.quadratic_steps import (
    MatMul,
    ObservedSquare,
    ProductRows,
    RMatMul,
)


class Block(NamedTuple):
    """Rows start:stop of X, with their rows of the mask if there is one."""

    start: int
    stop: int
    X: Any
    mask: Any | None


class BlockedOperand(Operand):
    """Base of operands that can cut themselves into blocks of rows."""

    kind: ClassVar[str] = "blocked"

    def blocks(self) -> Iterator[Block]:
        """Cut X into consecutive blocks of rows, the same ones every time."""
        raise NotImplementedError

    def run_pass(
        self, step: Step[RowsT, SharedT, SumsT], rows: RowsT, shared: SharedT
    ) -> SumsT:
        """Run `step` on every block, compiled where there is such a version.

        Raises
        ------
        OutOfTime
            If the time limit of the call passes; rows that are not reached keep their values.
        """
        deadline.check()
        native = kernels.native_pass(self.kind, step)
        if native is not None:
            sums: SumsT = native(self, step, rows, shared)
            return sums
        total: Any = None
        for block in self.blocks():
            deadline.check()
            rows_b = rows.block(block.start, block.stop)
            total = added(total, step(block.X, block.mask, rows_b, shared))
        total_of_all: SumsT = total
        return total_of_all


class TransposedOperand(BlockedOperand):
    """The transpose of an X that can only be read by rows; it only has products."""

    kind: ClassVar[str] = "transposed"
    in_parts = True
    by_columns = True

    def __init__(self, X: Operand) -> None:
        self._X = X
        self.shape = (X.shape[1], X.shape[0])
        self.dtype, self.n_threads = X.dtype, X.n_threads

    @property
    def sparse(self) -> bool:
        """Whether the rows of X are sparse."""
        return self._X.sparse

    @property
    def T(self) -> Operand:
        """X itself."""
        return self._X

    def in_memory(self) -> Operand | None:
        """Return the transpose of X in memory, if X can be had there."""
        X = self._X.in_memory()
        return None if X is None else X.T

    def stats(self) -> Stats:
        """Sums over X."""
        return self._X.stats()

    def blocks(self) -> Iterator[Block]:
        """Refuse: columns can't be read."""
        msg = "The columns of an X that is read by rows can't be gone through."
        raise TypeError(msg)


def matmul(X: Operand, B: Array) -> Array:
    """Return X·B of shape (n_samples, k), by the pass that is natural for X."""
    if X.by_columns:
        product: Array = X.T.run_pass(RMatMul(), RowsOfW(B), None).product
        return product
    out: Array = X.new_rows(B.shape[1])
    X.run_pass(MatMul(), ProductRows(out), OtherFactor(B))
    return out


def square_of(X: Operand, W: Array, Ht: Array, gram_W: Array, gram_H: Array) -> float:
    """Return ‖WH‖² over the observed entries, in float64.

    `gram_W` and `gram_H` are the Gram matrices of W and Ht.
    """
    known = X.square(W, Ht, gram_W, gram_H)
    if known is not None:
        return known
    if X.shared_gram:
        return float(np.sum(gram_W * gram_H))
    return float(X.run_pass(ObservedSquare(), RowsOfW(W), OtherFactor(Ht)))


def rmatmul(X: Operand, A: Array) -> Array:
    """Return Xᵀ·A of shape (n_features, k)."""
    return matmul(X.T, A)
