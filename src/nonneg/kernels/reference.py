"""The NumPy reference of every kernel: the test oracle, and the fallback without `_core`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from . import block_pivoting
from .block_sizes import SUMMARY_ENTRIES
from .row_methods import (
    Adaptive,
    Cyclic,
    Exact,
    Method,
    Multiplicative,
    RowArrays,
    SolveReport,
    Summary,
    SweepReport,
)

VANISHING = {np.dtype(np.float64): 1e-15, np.dtype(np.float32): 1e-6}
"""An entry that an adaptive sweep lowers below this share of itself becomes 0."""


def coordinate_sweep(
    A: Array,
    rhs: Array,
    gram: Array,
    l1: Array,
    order: Sequence[int] | None = None,
    n_threads: int = 1,  # noqa: ARG001  (signature of the compiled twin)
) -> SweepReport:
    r"""Do a cyclic sweep of exact coordinate minimisation over each row of A, in place.

    Row a of A moves towards the minimiser of :math:`½ a G aᵀ - (p - l_1) aᵀ`, a ≥ 0,
    where p is the row of `rhs`. `gram` is one matrix (k, k) for all rows, or a matrix for
    each row, (n_rows, k, k). Coordinates without curvature do not move.
    """
    gram, l1 = gram.astype(A.dtype, copy=False), l1.astype(A.dtype, copy=False)
    violation = 0.0
    for t in range(A.shape[1]) if order is None else order:
        column = A[:, t]
        gradient, flat, curvature = _gradient(A, rhs, gram, l1, t)
        projected = np.where(column > 0, gradient, np.minimum(gradient, 0))
        violation += float(np.abs(projected).sum(dtype=np.float64))
        moved = np.maximum(column - gradient / np.where(flat, 1, curvature), 0)
        A[:, t] = np.where(flat, column, moved)
    return SweepReport(violation, inner(rhs, A))


def _gradient(
    A: Array, rhs: Array, gram: Array, l1: Array, t: int
) -> tuple[Array, Any, Any]:
    """Return the gradient along coordinate t, whether it is too flat, and its curvature."""
    if gram.ndim == 3:
        gradient = np.einsum("ir,ir->i", A, gram[:, t])
        curvature = gram[:, t, t]
    else:
        gradient = A @ gram[t]
        curvature = gram[t, t]
    gradient += l1[t] - rhs[:, t]
    # with a subnormal curvature the step would overflow
    return gradient, curvature <= np.finfo(A.dtype).tiny, curvature


def solve_rows(
    rows: RowArrays,
    rhs: Array,
    gram: Array,
    l1: Array,
    method: Method,
    grams: bool = False,
    n_threads: int = 1,  # noqa: ARG001  (signature of the compiled twin)
) -> SolveReport:
    """Solve for the rows of a factor by a method; see `coordinate_sweep` for the problem."""
    if isinstance(method, Exact):
        done = _exactly(rows, rhs, gram, l1)
    elif isinstance(method, Multiplicative):
        done = _multiplied(rows, rhs, gram, l1)
    elif isinstance(method, Cyclic):
        rows.solved[...] = rows.start
        report = coordinate_sweep(rows.solved, rhs, gram, l1, method.order)
        measures = np.zeros((2, gram.shape[-1]))
        done = SolveReport(report.violation, report.cross, measures=measures)
    else:
        done = _adaptive_sweeps(rows, rhs, gram, l1, method)
    if rows.moved is not None:
        beta = rows.solved.dtype.type(method.momentum)
        solved = rows.solved
        np.maximum(solved + beta * (solved - rows.previous), 0, out=rows.moved)
    if not grams:
        return done
    done.gram_solved, done.gram_result = gram_of(rows.solved), gram_of(rows.result)
    return done


def solve_classes(
    rows: RowArrays,
    rhs: Array,
    grams: Array,
    l1: Array,
    method: Method,
    bounds: NDArray[np.int64],
    n_threads: int = 1,  # noqa: ARG001
    solved: bool = True,
) -> SolveReport:
    """Solve for rows in classes, each of which has a Gram matrix of its own.

    Parameters
    ----------
    rows : RowArrays of n_rows rows
    rhs : ndarray of shape (n_rows, k)
    grams : ndarray of shape (n, k, k)
    l1 : ndarray of shape (k,)
    method : Method
    bounds : ndarray of int64, of shape (n + 1,)
        Class a has the rows bounds[a]:bounds[a + 1], of which there may be none.
    n_threads : int, default=1
    solved : bool, default=True
        Whether `gram_solved` is asked for.

    Returns
    -------
    report : SolveReport
        Of all rows; the Gram matrices are those of each class, (n, k, k).
    """
    total: SolveReport | None = None
    of_solved, of_result = np.zeros((2, *grams.shape))
    for a, (start, stop) in enumerate(pairwise(bounds.tolist())):
        if start == stop:
            continue
        of_class = rows.block(start, stop)
        report = solve_rows(of_class, rhs[start:stop], grams[a], l1, method, grams=True)
        of_solved[a], of_result[a] = report.gram_solved, report.gram_result
        total = report if total is None else total + report
    assert total is not None
    total.gram_solved, total.gram_result = of_solved if solved else None, of_result
    return total


def _multiplied(rows: RowArrays, rhs: Array, gram: Array, l1: Array) -> SolveReport:
    """Do a multiplicative update: entries that are not negative stay so, and zeros stay."""
    A = rows.start
    below = np.einsum("ir,...rs->is", A, gram.astype(A.dtype)) + l1.astype(A.dtype)
    positive = below > 0
    ratio = np.where(positive, rhs / np.where(positive, below, 1), 0)
    rows.solved[...] = A * ratio
    return SolveReport(0.0, inner(rhs, rows.solved), measures=np.zeros((2, A.shape[1])))


def _adaptive_sweeps(
    rows: RowArrays, rhs: Array, gram: Array, l1: Array, method: Adaptive
) -> SolveReport:
    """Sweep over all rows, over each one until it has settled."""
    A = rows.start.copy()
    n_rows, k = A.shape
    gram, l1 = gram.astype(A.dtype, copy=False), l1.astype(A.dtype, copy=False)
    measures, violation, decrease = np.zeros((2, k)), 0.0, 0.0
    vanishing = VANISHING[A.dtype]
    first, alive, n_sweeps = np.zeros(n_rows), np.ones(n_rows, dtype=bool), 0.0
    for number in range(method.sweeps):
        n_sweeps += np.count_nonzero(alive)
        squares = np.zeros(n_rows)
        for t in range(k):
            gradient, flat, curvature = _gradient(A, rhs, gram, l1, t)
            if number == 0:
                projected = np.where(A[:, t] > 0, gradient, np.minimum(gradient, 0))
                measures[0, t] = np.square(projected, dtype=np.float64).sum()
                linear = np.subtract(rhs[:, t], l1[t], dtype=np.float64)
                measures[1, t] = np.square(linear).sum()
            moved = A[:, t] - gradient / np.where(flat, 1, curvature)
            # what falls below this share of itself is zero but for rounding
            moved[moved <= vanishing * A[:, t]] = 0
            # without curvature only a penalty can pull, all the way; else it stays
            pulled = np.where(gradient > 0, 0, A[:, t])
            step = np.where(alive, np.where(flat, pulled, moved) - A[:, t], 0)
            A[:, t] = np.maximum(A[:, t] + step, 0)
            squares += step * step
            gain = step * (gradient + 0.5 * curvature * step)
            decrease -= float(gain.sum(dtype=np.float64))
        if number == 0:
            first, alive = squares, squares > 0
        else:
            alive &= squares > method.settled * first
        if not alive.any():
            break
    rows.solved[...] = A
    return SolveReport(violation, inner(rhs, A), decrease, n_sweeps, measures)


def _exactly(rows: RowArrays, rhs: Array, gram: Array, l1: Array) -> SolveReport:
    """Solve for the rows exactly, and measure the rows before."""
    A = rows.start.astype(np.float64)
    k = A.shape[1]
    linear = rhs - l1.astype(np.float64)
    G = np.broadcast_to(gram, (A.shape[0], k, k))
    gradient = np.einsum("ir,irs->is", A, G) - linear
    projected = np.where(A > 0, gradient, np.minimum(gradient, 0))
    measures = np.stack([np.square(M).sum(axis=0) for M in (projected, linear)])
    # sweeps beforehand would change nothing but the time
    rows.solved[...] = rows.start
    cross, factorizations = 0.0, 0
    if gram.ndim == 2:
        report = block_pivoting.exact_solve(rows.solved, rhs, gram, l1)
        cross, factorizations = report.cross, report.n_factorizations
    else:
        for i in range(A.shape[0]):  # each row has a Gram matrix of its own
            row = slice(i, i + 1)
            report = block_pivoting.exact_solve(rows.solved[row], rhs[row], gram[i], l1)
            cross += report.cross
            factorizations += report.n_factorizations
    # at the solution the gradient is orthogonal to the rows
    decrease = 0.5 * (inner(A, gradient - linear) + inner(linear, rows.solved))
    return SolveReport(0.0, cross, decrease, float(factorizations), measures)


def times(A: Array, G: Array, n_threads: int = 1) -> Array:  # noqa: ARG001
    """Return A·G for a small matrix G of the dtype of A."""
    product: Array = A @ G
    return product


def inner(A: Array, B: Array) -> float:
    """Return ⟨A, B⟩ summed in float64, by blocks of rows."""
    total = 0.0
    for start in range(0, A.shape[0], 4096):
        block = slice(start, start + 4096)
        product = np.multiply(A[block], B[block], dtype=np.float64)
        total += float(product.sum())
    return total


def summary(A: Array, n_threads: int = 1) -> Summary:  # noqa: ARG001
    """Return the summary of an array of one or two axes, by blocks of rows."""
    total = Summary(0.0, 0.0, float("inf"))
    size = max(1, SUMMARY_ENTRIES // max(1, A[:1].size))
    for start in range(0, A.shape[0], size):
        block = A[start : start + size].astype(np.float64, copy=False)
        total = total.joined(
            Summary(
                float(block.sum()),
                float(np.square(block).sum()),
                float(block.min(initial=np.inf)),
            )
        )
    return total


def touch(pages: Array, step: int) -> None:
    """Read one byte of every `step`, so that the system reads a mapped file around them."""
    pages[::step].max(initial=0)


def column_sums(A: Array, n_threads: int = 1) -> NDArray[np.float64]:  # noqa: ARG001
    """Return the sums of the columns in float64."""
    return np.asarray(A.sum(axis=0, dtype=np.float64))


def gather_scaled(
    base: Array,
    features: Array,
    scale: Array,
    out: Array,
    n_threads: int = 1,  # noqa: ARG001
) -> NDArray[np.float64]:
    """Write base[features]·diag(scale) to `out`; return its column sums in float64."""
    np.take(base, features, axis=0, out=out)
    out *= scale.astype(out.dtype)
    return column_sums(out)


def move_scaled(
    base: Array,
    features: Array,
    before: Array,
    numerator: Array,
    kept: Array,
    inverse: Array,
    over_scale: Array,
    least: float,
    n_threads: int = 1,  # noqa: ARG001
) -> NDArray[np.float64]:
    """Write after·diag(over_scale) to base[features].

    Here after = before·(numerator + kept)·inverse, with 0 for entries below `least`. Returns
    the column sums of before², (after − before)², after² and after, (4, k) in float64.
    """
    dtype = before.dtype
    ratio = (numerator + kept.astype(dtype)) * inverse.astype(dtype)
    # an infinite ratio moves no zero
    after = np.multiply(before, ratio, where=before > 0, out=np.zeros_like(before))
    after[after < least] = 0
    base[features] = after * over_scale.astype(dtype)
    squares = [
        np.einsum("jt,jt->t", A, A, dtype=np.float64)
        for A in (before, after - before, after)
    ]
    return np.stack([*squares, column_sums(after)])


def gram(A: Array, n_threads: int = 1) -> NDArray[np.float64]:  # noqa: ARG001
    """Return AᵀA in float64, whatever the dtype of A, by blocks of rows."""
    k = A.shape[1]
    total = np.zeros((k, k))
    for start in range(0, A.shape[0], 4096):
        block = A[start : start + 4096].astype(np.float64, copy=False)
        total += block.T @ block
    return total


gram_of = gram  # for functions with an argument `gram`
