"""Base of operands that cut themselves into blocks of rows, and products with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import kernels
from ..base.interfaces import Array, Operand, Rows, Shared, Step, Sums
from ..kernels.quadratic_steps import MatMul, RMatMul


class Block(NamedTuple):
    """Rows start:stop of X, with their part of the mask if there is one."""

    start: int
    stop: int
    X: Any
    mask: Any | None


class BlockedOperand:
    """Base of operands that can cut themselves into blocks of rows."""

    kind: ClassVar[str] = "blocked"
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    by_columns = False
    shared_gram = True
    column_access = True
    sparse = False
    in_parts = False
    n_threads = 1

    def blocks(self) -> Iterator[Block]:
        """Cut X into consecutive blocks of rows, the same ones every time."""
        raise NotImplementedError

    def native(self) -> Any:
        """Nothing that other libraries take, unless a subclass says so."""
        return None

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


def matmul(X: Operand, B: Array) -> Array:
    """X·B of shape (n_samples, k), by the pass that is natural for X."""
    if X.by_columns:
        product: Array = X.T.run_pass(RMatMul(), {"A": B}, {})["product"]
        return product
    own = getattr(X, "new_rows", None)
    k = B.shape[1]
    out: Array = np.empty((X.shape[0], k), dtype=X.dtype) if own is None else own(k)
    X.run_pass(MatMul(), {"out": out}, {"B": B})
    return out


def to_rows_of_X(X: Operand, W: Array) -> Array:
    """W where the rows of X are: the same, unless X says otherwise by `to_rows_of_X(W)`."""
    own = getattr(X, "to_rows_of_X", None)
    rows: Array = W if own is None else own(W)
    return rows


def resolve_for_operand(X: Operand, parameters: Any) -> Any:
    """The parameters as X can be fitted with them; X may refuse some by `resolve_for_operand`."""
    own = getattr(X, "resolve_for_operand", None)
    return parameters if own is None else own(parameters)


def to_caller(W: Array) -> Any:
    """Rows as the array that the caller of a fit gets, who gave X as such a one."""
    own = getattr(W, "to_caller", None)
    return W if own is None else own()


def rmatmul(X: Operand, A: Array) -> Array:
    """Xᵀ·A of shape (n_features, k)."""
    return matmul(X.T, A)
