"""Operands: what X is. `as_operand` is the only place that looks at types of input.

A new kind of input is one file with a class that enters itself by
`register_operand`; deriving from `BlockedOperand` it only says how to cut rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import kernels
from ..kernels.steps import MatMul, RMatMul
from ..protocols import Array, Operand, Rows, Shared, Step, Sums

Accepts = Callable[[Any], bool]
_kinds: list[tuple[Accepts, Callable[..., Operand]]] = []


def register_operand(accepts: Accepts) -> Callable[[Any], Any]:
    """Decorator: inputs for which `accepts(X)` is true become this operand.

    The class, or function, is called as `cls(X, n_threads=...)`. Later entries are asked
    first, so that a plug-in can take over a special case of a general type.
    """

    def enter(cls: Any) -> Any:
        _kinds.insert(0, (accepts, cls))
        return cls

    return enter


def unregister_operand(cls: Any) -> None:
    """Take a class out again (a plug-in's tests clean up with it)."""
    _kinds[:] = [entry for entry in _kinds if entry[1] is not cls]


def is_operand(X: Any) -> bool:
    """Whether X is an operand already."""
    # of others even the question for an attribute may be an error: AnnData's `T`
    return hasattr(type(X), "run_pass") and isinstance(X, Operand)


def as_operand(X: Any, n_threads: int = 1) -> Operand:
    """Wrap X in the operand for its type; an operand is returned as it is."""
    if is_operand(X):
        operand: Operand = X
        return operand
    for accepts, cls in _kinds:
        if accepts(X):
            return cls(X, n_threads=n_threads)
    msg = (
        f"X of type {type(X).__name__} is not supported; pass a NumPy array or a "
        "SciPy sparse matrix."
    )
    raise TypeError(msg)


def has_own_operand(X: Any) -> bool:
    """Whether X is an operand or becomes a plug-in's, which then checks it itself."""
    if is_operand(X):
        return True
    found = next((cls for accepts, cls in _kinds if accepts(X)), None)
    return found not in (None, dense.DenseOperand, sparse.SparseOperand)


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


def placed(X: Operand, W: Array) -> Array:
    """W where the rows of X are: the same, unless X says otherwise by `placed(W)`."""
    own = getattr(X, "placed", None)
    rows: Array = W if own is None else own(W)
    return rows


def suited(X: Operand, parameters: Any) -> Any:
    """The parameters as X can be fitted with them; X may refuse some by `suited`."""
    own = getattr(X, "suited", None)
    return parameters if own is None else own(parameters)


def as_given(W: Array) -> Any:
    """Rows as the array that the caller of a fit gets, who gave X as such a one."""
    own = getattr(W, "as_given", None)
    return W if own is None else own()


def rmatmul(X: Operand, A: Array) -> Array:
    """Xᵀ·A of shape (n_features, k)."""
    return matmul(X.T, A)


from . import dense, sparse  # isort: skip  (the general types first)
from . import chunked, daskarrays

__all__ = [
    "Block",
    "BlockedOperand",
    "as_given",
    "as_operand",
    "chunked",
    "daskarrays",
    "dense",
    "has_own_operand",
    "matmul",
    "placed",
    "register_operand",
    "rmatmul",
    "sparse",
    "suited",
    "unregister_operand",
]
