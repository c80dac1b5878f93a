"""Half-steps for the quadratic loss, with the objective and residual of their results."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...base.arrays import Array
from ...base.interfaces import Problem
from ...kernels import Exact, Method, RowArrays, SolveReport, gram, inner
from ...kernels.quadratic_steps import ModelSums
from ...operands.base import matmul, rmatmul, square_of
from . import balancing
from .half_steps import HalfStep, half_step, solve_half_of


class IterationStart(NamedTuple):
    """The H that an iteration starts from, with its products."""

    Ht: Array
    gram: NDArray[np.float64]
    product: Array | None
    """X·Ht, if it has been computed."""


@dataclass(frozen=True, eq=False, repr=False)
class Pair:
    """Both factors after an iteration, with their Gram matrices and objective.

    `gram_W` belongs to the rows that H was solved beside, `gram_Hn` to the solved H,
    `gram_Hx` to the extrapolated H.
    """

    rows_W: RowArrays
    rows_H: RowArrays
    report_W: SolveReport
    report_H: SolveReport
    gram_W: Array
    gram_Hn: Array
    gram_Hx: Array
    product: Array | None
    objective: float

    @property
    def decrease(self) -> float:
        """Exact decrease of the objective in both half-steps, from where they started."""
        return float(self.report_W.decrease + self.report_H.decrease)

    @property
    def sweeps(self) -> float:
        """Average number of sweeps per row of W and Ht."""
        n_rows = self.rows_W.solved.shape[0] + self.rows_H.solved.shape[0]
        return float((self.report_W.sweeps + self.report_H.sweeps) / n_rows)

    def residual(self) -> float:
        """Return ‖projected gradient‖ / (‖XHᵀ − l1‖ + ‖XᵀW − l1‖), components balanced.

        A column of W multiplied by d, and the row of H divided by d, divides the gradient
        with respect to W by d; d² = ‖h‖/‖w‖ gives both equal norms.
        """
        squares = self.gram_W.diagonal(), self.gram_Hn.diagonal()
        return balanced_residual(
            self.report_W.measures, self.report_H.measures, *squares
        )


def balanced_residual(
    measures_W: Array, measures_H: Array, square_W: Array, square_H: Array
) -> float:
    """Return the residual for measures of two half-steps, see `SolveReport`.

    `square_W` and `square_H` are the squared norms of the components, by which these are
    balanced.
    """
    if square_W.min() > 0 and square_H.min() > 0:
        ratio = np.sqrt(square_H / square_W)
    else:
        alive = (square_W > 0) & (square_H > 0)
        ratio = np.ones_like(square_W)
        ratio[alive] = np.sqrt(square_H[alive] / square_W[alive])
    # in the order of the core, not in that of BLAS
    projected_W, linear_W = np.sum(measures_W * (1 / ratio), axis=1).tolist()
    projected_H, linear_H = np.sum(measures_H * ratio, axis=1).tolist()
    gradient = math.sqrt(projected_W + projected_H)
    # rounding may leave a sum of squares a little below zero
    size = math.sqrt(max(0.0, linear_W)) + math.sqrt(max(0.0, linear_H))
    if not (math.isfinite(gradient) and math.isfinite(size)):
        return math.nan
    return float(gradient / size) if size > 0 else 0.0


def solve_pair(
    problem: Problem,
    start: IterationStart,
    rows_W: RowArrays,
    rows_H: RowArrays,
    method: Method,
) -> Generator[HalfStep, ModelSums, Pair]:
    """Solve for W beside `start`, then for H beside that W; measure the pair."""
    X, n = problem.X, problem.X.n_threads
    if not X.shared_gram:
        return (yield from _solve_pair_apart(problem, start, rows_W, rows_H, method))
    by_columns, imputed = X.by_columns, None
    if start.product is None:
        sums = yield half_step(
            rows_W, start.Ht, start.gram, problem.penalty_W, method, imputes=True
        )
        report_W, gram_W, rhs = sums.report, sums.gram, sums.rhs
        imputed = sums.imputed
    else:
        report_W = solve_half_of(
            X, rows_W, start.Ht, start.product, start.gram, problem.penalty_W, method,
            grams=True,
        )  # fmt: skip
        gram_W = report_W.gram_result
        start = start._replace(product=None)  # gives its memory free for the next one
        rhs = None if by_columns else rmatmul(X, rows_W.result)
    product = None
    if by_columns:
        sums = yield half_step(
            rows_H, rows_W.result, gram_W, problem.penalty_H, method, by_columns=True
        )
        report_H, product, gram_Hx = sums.report, sums.rhs, sums.gram
        gram_Hn = gram(rows_H.solved, n)
    else:
        # the solve may overwrite what the missing entries were imputed with
        start_H = None if imputed is None else rows_H.start.copy()
        report_H = solve_half_of(
            X, rows_H, rows_W.result, rhs, gram_W, problem.penalty_H, method,
            grams=True, by_columns=True, imputed=imputed is not None,
        )  # fmt: skip
        gram_Hn, gram_Hx = report_H.gram_solved, report_H.gram_result
    if imputed is None:
        square = square_of(X, rows_W.result, rows_H.solved, gram_W, gram_Hn)
    else:
        square = X.imputed_square(
            rows_W.result, rows_H.solved, start_H, gram_W, gram_Hn, imputed
        )
    loss = problem.loss.from_products(X, float(report_H.cross), square)
    objective = loss + penalties(problem, rows_W.result, rows_H.solved, gram_W, gram_Hn)
    return Pair(
        rows_W, rows_H, report_W, report_H, gram_W, gram_Hn, gram_Hx, product, objective
    )


def _solve_pair_apart(
    problem: Problem,
    start: IterationStart,
    rows_W: RowArrays,
    rows_H: RowArrays,
    method: Method,
) -> Generator[HalfStep, ModelSums, Pair]:
    """Solve for both factors where each row has a Gram matrix of its own."""
    X, n = problem.X, problem.X.n_threads
    sums_W = yield half_step(
        rows_W, start.Ht, start.gram, problem.penalty_W, method, accumulate=False
    )
    gram_W = gram(rows_W.result, n)
    sums_H = yield half_step(
        rows_H, rows_W.result, gram_W, problem.penalty_H, method,
        by_columns=True, accumulate=False,
    )  # fmt: skip
    report_W, report_H = sums_W.report, sums_H.report
    gram_Hn = gram(rows_H.solved, n)
    gram_Hx = gram_Hn if rows_H.moved is None else gram(rows_H.result, n)
    loss = problem.loss.from_products(X, float(report_H.cross), float(report_H.square))
    objective = loss + penalties(problem, rows_W.result, rows_H.solved, gram_W, gram_Hn)
    return Pair(
        rows_W, rows_H, report_W, report_H, gram_W, gram_Hn, gram_Hx, None, objective
    )


def solve_W(
    problem: Problem, W: Array, start: IterationStart, method: Exact
) -> Generator[HalfStep, ModelSums, tuple[SolveReport, float]]:
    """Solve for W exactly, in place, beside a fixed H; return report and objective.

    The objective is NaN where the problem doesn't need it.
    """
    X, n, rows = problem.X, problem.X.n_threads, RowArrays(W, W)
    product = start.product
    if product is None and X.by_columns and X.shared_gram:
        product = matmul(X, start.Ht)
    if product is None:
        sums = yield half_step(
            rows, start.Ht, start.gram, problem.penalty_W, method, accumulate=False
        )
        report = sums.report
    else:
        report = solve_half_of(
            X, rows, start.Ht, product, start.gram, problem.penalty_W, method
        )
    if not problem.needs_objective:
        return report, math.nan
    gram_W, square = gram(W, n), report.square
    if square is None:
        square = square_of(X, W, start.Ht, gram_W, start.gram)
    loss = problem.loss.from_products(X, float(report.cross), float(square))
    return report, loss + penalties(problem, W, start.Ht, gram_W, start.gram)


def penalties(
    problem: Problem, W: Array, Ht: Array, gram_W: Array, gram_H: Array
) -> float:
    """Return the value of both penalties at a pair of factors with these Gram matrices."""
    n = problem.X.n_threads
    return sum(
        penalty.value(*balancing.shared_sums(penalty, A, G, n))
        for penalty, A, G in (
            (problem.penalty_W, W, gram_W),
            (problem.penalty_H, Ht, gram_H),
        )
        if not penalty.is_zero
    )


def factor_penalties(problem: Problem, W: Array, Ht: Array) -> float:
    """Return the value of both penalties; Gram matrices are computed if there are any."""
    if problem.penalty_W.is_zero and problem.penalty_H.is_zero:
        return 0.0
    n = problem.X.n_threads
    return penalties(problem, W, Ht, gram(W, n), gram(Ht, n))


def start_value(
    problem: Problem, W: Array, Ht: Array, product: Array | None, gram_H: Array
) -> float:
    """Return the objective at a start; costs a pass over X where `product` is None."""
    gram_W = gram(W, problem.X.n_threads)
    if product is None:
        loss = problem.loss.value(problem.X, W, Ht)
    else:
        square = square_of(problem.X, W, Ht, gram_W, gram_H)
        loss = problem.loss.from_products(problem.X, inner(product, W), square)
    return loss + penalties(problem, W, Ht, gram_W, gram_H)


def share_left(report: SolveReport) -> float:
    """Return the norm of the projected gradient as a share of that of the right-hand sides."""
    projected, linear = np.asarray(report.measures).sum(axis=1).tolist()
    return math.sqrt(projected / linear) if linear > 0 else 0.0
