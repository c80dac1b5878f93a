"""Products with components that are known: made once in a fit, and left out afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base.arrays import Array
from ...base.interfaces import Operand
from ...base.penalty import Penalty
from ...kernels import Method, RowArrays, SolveReport
from ...operands.base import matmul
from .half_steps import solve_in_a_pass

Columns = NDArray[np.bool_]
WIDEST = 0.75
"""Share of the components within which the ones that move must be, for products in one pass to
be those of these alone; else two passes for the ones that move cost less (D-KNOWN-REACH)."""


def saves_by_reach(fixed: Columns) -> bool:
    """Whether the components that move are so near to each other that one pass pays."""
    moving = np.flatnonzero(~fixed)
    return bool(moving[-1] + 1 - moving[0] <= WIDEST * len(fixed))


def some_products(
    X: Operand, other: Array, wanted: Columns, beside: Array | None = None
) -> Array:
    """Return X·other in the wanted columns; in the others what is in `beside`, or 0."""
    if beside is None:
        product = np.zeros((X.shape[0], other.shape[1]), X.dtype)
    else:
        product = beside.copy()
    if wanted.any():
        columns = _as_slice(np.flatnonzero(wanted))
        product[:, columns] = matmul(X, np.ascontiguousarray(other[:, columns]))
    return product


def solve_beside_known(
    X: Operand,
    rows: RowArrays,
    Ht: Array,
    gram_H: Array,
    penalty: Penalty,
    method: Method,
    fixed: Columns,
    known: Array,
) -> tuple[SolveReport, Array, Array]:
    """Solve for W by one pass over X, which is multiplied by the other components alone.

    Parameters
    ----------
    X : Operand of shape (n_samples, n_features)
        Read by rows.
    rows : RowArrays
        Those of W.
    Ht : ndarray of shape (n_features, k)
    gram_H : ndarray of shape (k, k)
    penalty : Penalty
        That on W.
    method : Method
    fixed : ndarray of bool of shape (k,)
        The components that are known, not all of them.
    known : ndarray of shape (n_samples, k)
        X times these, 0 for the others.

    Returns
    -------
    report : SolveReport
    gram : ndarray of shape (k, k)
        That of the result.
    rhs : ndarray of shape (n_features, k)
        Xᵀ times the result, 0 for the components that are fixed.
    """
    moving = np.flatnonzero(~fixed)
    reach = np.array([moving[0], moving[-1] + 1], np.int64)
    others = np.where(fixed, 0, Ht).astype(Ht.dtype, copy=False)
    sums = solve_in_a_pass(
        X, replace(rows, extra=known), others, gram_H, penalty, method, reach
    )
    rhs = np.where(fixed, 0, sums.rhs).astype(Ht.dtype, copy=False)
    return sums.report, sums.gram, rhs


def _as_slice(columns: Array) -> Any:
    """Return columns that follow each other as a slice, which is copied faster."""
    first, last = int(columns[0]), int(columns[-1])
    return slice(first, last + 1) if last - first + 1 == len(columns) else columns
