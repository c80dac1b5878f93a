"""Products with components that are known: made once in a fit, and left out afterwards."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...base.arrays import Array
from ...base.interfaces import Operand
from ...base.penalty import Penalty
from ...kernels import Method, RowArrays, SolveReport, inner
from ...kernels.boxes import as_slice
from ...operands.base import matmul
from .half_steps import solve_in_a_pass

Columns = NDArray[np.bool_]


def some_products(
    X: Operand, other: Array, wanted: Columns, beside: Array | None = None
) -> Array:
    """Return X·other in the wanted columns; in the others what is in `beside`, or 0."""
    if beside is None:
        product = np.zeros((X.shape[0], other.shape[1]), X.dtype)
    else:
        product = beside.copy()
    if wanted.any():
        columns = as_slice(np.flatnonzero(wanted))
        product[:, columns] = matmul(X, np.ascontiguousarray(other[:, columns]))
    return product


def cross_of_known(known: Array, A: Array, columns: Columns) -> float:
    """Return ⟨known, A⟩, where `known` is 0 but in the columns."""
    part = as_slice(np.flatnonzero(columns))
    if not isinstance(part, slice):  # a copy takes longer than zeros
        return inner(known, A)
    rows = np.einsum("ij,ij->i", known[:, part], A[:, part], dtype=np.float64)
    return float(rows.sum())


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

    Wherever these are: the core packs them side by side (D-KNOWN-COLUMNS).

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
        Its `cross` is ⟨known, W⟩ of the result.
    gram : ndarray of shape (k, k)
        That of the result.
    rhs : ndarray of shape (n_features, k)
        Xᵀ times the result, 0 for the components that are fixed.
    """
    moving = np.flatnonzero(~fixed)
    columns = as_slice(moving)
    sums = solve_in_a_pass(
        X,
        replace(rows, extra=known),
        np.ascontiguousarray(Ht[:, columns]),
        gram_H,
        penalty,
        method,
        moving,
    )
    rhs = np.zeros_like(Ht)
    rhs[:, columns] = sums.rhs
    return sums.report, sums.gram, rhs
