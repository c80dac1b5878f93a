"""Array-API reference of every kernel: the test oracle, and the fallback without `_core`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class SweepReport(NamedTuple):
    """What a coordinate sweep knows at no extra cost, in float64."""

    violation: float
    """Sum of |projected gradient|, each entry taken just before its update."""
    cross: float
    """⟨rhs, A⟩ after the sweep."""


def coordinate_sweep(
    A: Array,
    rhs: Array,
    gram: Array,
    l1: Array,
    order: Sequence[int] | None = None,
    n_threads: int = 1,  # noqa: ARG001  (signature of the compiled twin)
) -> SweepReport:
    r"""One cyclic pass of exact coordinate minimisation over each row of A, in place.

    Row a of A moves towards the minimiser of :math:`½ a G aᵀ - (p - l_1) aᵀ`, a ≥ 0,
    where p is its row of `rhs`. `gram` is one (k, k) matrix for all rows, or
    (n_rows, k, k). Coordinates without curvature stay where they are.
    """
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
    """Gradient along coordinate t, whether it is too flat to step along, and its curvature."""
    if gram.ndim == 3:
        gradient = np.einsum("ir,ir->i", A, gram[:, t])
        curvature = gram[:, t, t]
    else:
        gradient = A @ gram[t]
        curvature = gram[t, t]
    gradient += l1[t] - rhs[:, t]
    # with a subnormal curvature the step would overflow
    return gradient, curvature <= np.finfo(A.dtype).tiny, curvature


@dataclass(frozen=True)
class Adaptive:
    """Adaptive coordinate sweeps with extrapolation, as parameters of a row solve.

    Parameters
    ----------
    sweeps : int
        Most sweeps for a row.
    settled : float
        A row is done after a sweep whose squared step is at most this share of that of
        the row's first sweep (Gillis & Glineur 2012, doi:10.1162/NECO_a_00256).
    momentum : float
        β of max(0, A + β·(A − former A)), the point where the other factor goes on.
    """

    sweeps: int = 8
    settled: float = 0.01
    momentum: float = 0.0


class SolveReport(NamedTuple):
    """What a row solve knows at no extra cost, in float64."""

    cross: float
    """⟨rhs, A⟩ of the solved rows."""
    decrease: float
    """Exact decrease of the objective from the start to the solved rows."""
    sweeps: float
    """Sweeps, summed over the rows."""
    measures: Array
    """Sums of squares by component, (2, k): of the projected gradient, each entry taken
    just before its first update, and of the right-hand side less l1."""
    gram_solved: Array | None = None
    """AᵀA of the solved rows (k, k), if asked for."""
    gram_result: Array | None = None
    """The same of the extrapolated rows."""


def solve_rows(
    start: Array,
    solved: Array,
    moved: Array | None,
    rhs: Array,
    gram: Array,
    l1: Array,
    how: Adaptive,
    grams: bool = False,
    n_threads: int = 1,  # noqa: ARG001  (signature of the compiled twin)
) -> SolveReport:
    """Coordinate sweeps over the rows, each until it has settled.

    Reads `start` and writes `solved`, which may be one array; `moved` holds the former
    rows and becomes the extrapolated ones. See `coordinate_sweep` for the problem.
    """
    A = start.copy()
    n_rows, k = A.shape
    measures, decrease = np.zeros((2, k)), 0.0
    first, alive, n_sweeps = np.zeros(n_rows), np.ones(n_rows, dtype=bool), 0.0
    for number in range(how.sweeps):
        n_sweeps += np.count_nonzero(alive)
        squares = np.zeros(n_rows)
        for t in range(k):
            gradient, flat, curvature = _gradient(A, rhs, gram, l1, t)
            if number == 0:
                projected = np.where(A[:, t] > 0, gradient, np.minimum(gradient, 0))
                measures[0, t] = np.square(projected, dtype=np.float64).sum()
                linear = np.subtract(rhs[:, t], l1[t], dtype=np.float64)
                measures[1, t] = np.square(linear).sum()
            step = np.maximum(A[:, t] - gradient / np.where(flat, 1, curvature), 0)
            step = np.where(flat | ~alive, 0, step - A[:, t])
            A[:, t] = np.maximum(A[:, t] + step, 0)
            squares += step * step
            gain = step * (gradient + 0.5 * curvature * step)
            decrease -= float(gain.sum(dtype=np.float64))
        if number == 0:
            first, alive = squares, squares > 0
        else:
            alive &= squares > how.settled * first
        if not alive.any():
            break
    solved[...] = A
    gram_solved = gram_of(A) if grams else None
    gram_result = gram_solved
    if moved is not None:
        np.maximum(A + A.dtype.type(how.momentum) * (A - moved), 0, out=moved)
        gram_result = gram_of(moved) if grams else None
    cross = inner(rhs, A)
    return SolveReport(cross, decrease, n_sweeps, measures, gram_solved, gram_result)


def inner(A: Array, B: Array) -> float:
    """⟨A, B⟩ summed in float64, by blocks of rows."""
    total = 0.0
    for start in range(0, A.shape[0], 4096):
        block = slice(start, start + 4096)
        product = np.multiply(A[block], B[block], dtype=np.float64)
        total += float(product.sum())
    return total


def gram(A: Array, n_threads: int = 1) -> NDArray[np.float64]:  # noqa: ARG001
    """AᵀA in float64, whatever the dtype of A, by blocks of rows."""
    k = A.shape[1]
    total = np.zeros((k, k))
    for start in range(0, A.shape[0], 4096):
        block = A[start : start + 4096].astype(np.float64, copy=False)
        total += block.T @ block
    return total


gram_of = gram  # for functions with an argument `gram`
