"""Half-steps for weighted rows beside penalties of constraints, which are not weighted."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base.arrays import Array
from ...base.penalty import Penalty
from ...kernels import Adaptive, Exact, Method, RowArrays, SolveReport, gram
from ...kernels.beta_steps import beside
from ...kernels.factor_rows import empty_like
from ...operands.observed import ObservedOperand
from .factor_constraints import FactorConstraints
from .rows_by_newton import SolveSquares, solved_rows
from .scattered_constraints import Stencil

MOST_KINDS = 16
"""Most different weights of which each has a Gram matrix of its own."""
RATIO = 2.0
"""Largest ratio of weights that share one else; their rows move by that much less at worst."""
LEAST = 1e-3
"""Share of the largest weight that rows of less are solved for by."""


def solve_weighted(
    side: FactorConstraints,
    rows: RowArrays,
    rhs: Array,
    gram_other: Array,
    penalty: Penalty,
    X: ObservedOperand,
    method: Method,
) -> SolveReport:
    """Solve for rows with weights: w·(½ a G aᵀ − p·a) for each, and the penalties.

    Rows of like weights share a Gram matrix: that of the largest of them, which majorises the
    others' around their start.

    Parameters
    ----------
    side : FactorConstraints
    rows : RowArrays
    rhs : ndarray of shape (n_rows, k)
        The p, without weights.
    gram_other : ndarray of shape (k, k)
        G.
    penalty : Penalty
        The penalty of `alpha_W` or `alpha_H`, by shares of the weighted problem.
    X : ObservedOperand
        Its rows have the weights w.
    method : Adaptive or Exact
    """
    weights = np.ones(len(rhs)) if X.weights.rows is None else X.weights.rows
    n_threads = X.n_threads
    start, dtype, k = rows.start, rows.solved.dtype, side.factor.k
    above = side.majoriser(start, gram(start, n_threads))
    Q = np.zeros((k, k)) if above.Q is None else above.Q
    linear, bent = (
        np.ones(len(start)) if share is None else share
        for share in (penalty.linear, penalty.quadratic)
    )
    report = SolveReport(0.0, 0.0, measures=np.zeros((2, k)))
    together = side.columns is not None
    for index, most in _groups(weights, together):
        some = start[index]
        bend = float(bent[index].max())
        p = weights[index, None] * rhs[index] - linear[index, None] * penalty.l1
        p += (most - weights[index, None]) * (some @ gram_other)
        p += (bend - bent[index, None]) * (some @ penalty.Q)
        if above.rhs is not None:
            p += above.rhs[index] if np.ndim(above.rhs) == 2 else above.rhs
        part = RowArrays(some, empty_like(some))
        G = most * gram_other + bend * penalty.Q + Q
        report = report + side.solve_inside(
            part, p.astype(dtype), G, np.zeros(k), _still(method),
            side.box.block(index), n_threads,
        )  # fmt: skip
        rows.solved[index] = part.solved
    if rows.moved is not None:
        side.extrapolate(rows, method.momentum)
    return report


def _still(method: Method) -> Method:
    """Return the method without momentum."""
    assert isinstance(method, Adaptive | Exact)
    return dataclasses.replace(method, momentum=0.0)


def _groups(weights: NDArray[np.float64], together: bool) -> list[tuple[Any, float]]:
    """Return groups of rows, each with the weight that its Gram matrix has."""
    largest = float(weights.max(initial=0)) or 1.0
    safe = np.maximum(weights, LEAST * largest)
    if together:
        return [(np.arange(len(weights)), largest)]
    kinds, of = np.unique(safe, return_inverse=True)
    if len(kinds) > MOST_KINDS:
        levels = np.floor(np.log(safe / largest) / np.log(RATIO)).astype(int)
        _, of = np.unique(levels, return_inverse=True)
    order = np.argsort(of, kind="stable")
    ends = np.cumsum(np.bincount(of))
    groups = np.split(order, ends[:-1])
    return [(index, float(safe[index].max())) for index in groups if index.size]


def solve_apart_within(
    X: ObservedOperand,
    side: FactorConstraints,
    A: Array,
    Ht: Array,
    penalty: Penalty,
) -> tuple[Array, float]:
    """Solve exactly for rows of X from A, each on what it shows.

    Returns the rows, and Σ |projected gradient|·|entry| before.
    """
    stencil, arrays = Stencil.of(side)
    shared = beside(Ht, X.n_threads, penalty)
    solved, report = solved_rows(X, SolveSquares(stencil), arrays, A, penalty, shared)
    return solved, float(report.residual)
