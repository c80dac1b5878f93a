"""Base of operands that cut themselves into blocks of rows, and products with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

from .. import kernels
from ..base.interfaces import Array, Operand, Rows, Shared, Stats, Step, Sums
from ..kernels.quadratic_steps import MatMul, RMatMul


class Block(NamedTuple):
    """Rows start:stop of X, with their part of the mask if there is one."""

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

    def run_pass(self, step: Step, rows: Rows, shared: Shared) -> Sums:
        """Run `step` on every block, compiled where there is such a version."""
        native = kernels.native_pass(self.kind, step)
        if native is not None:
            return native(self, step, rows, shared)
        total: Sums = {}
        for block in self.blocks():
            rows_b = {name: A[block.start : block.stop] for name, A in rows.items()}
            for name, part in step(block.X, block.mask, rows_b, shared).items():
                total[name] = total[name] + part if name in total else part
        return total


class TransposedOperand(BlockedOperand):
    """The transpose of an X that can only be read by rows; it has products alone."""

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
    """X·B of shape (n_samples, k), by the pass that is natural for X."""
    if X.by_columns:
        product: Array = X.T.run_pass(RMatMul(), {"A": B}, {})["product"]
        return product
    out: Array = X.new_rows(B.shape[1])
    X.run_pass(MatMul(), {"out": out}, {"B": B})
    return out


def to_caller(W: Array) -> Any:
    """Rows as the array that the caller of a fit gets, who gave X as such a one."""
    own = getattr(W, "to_caller", None)
    return W if own is None else own()


def rmatmul(X: Operand, A: Array) -> Array:
    """Xᵀ·A of shape (n_features, k)."""
    return matmul(X.T, A)
