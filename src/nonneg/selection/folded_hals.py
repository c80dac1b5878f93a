"""Solver of a Latin fold: extrapolated HALS with a Gram matrix for each class of columns."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..base.arrays import Array
from ..base.interfaces import Problem, Progress
from ..kernels import Method, RowArrays, SolveReport, gram, solve_classes
from ..kernels.quadratic_steps import ModelSums
from ..operands.base import matmul
from ..solvers.hals import Hals
from ..solvers.steps import balancing
from ..solvers.steps.half_steps import HalfStep, half_step
from ..solvers.steps.momentum import ExtrapolatedState
from ..solvers.steps.quadratic_iteration import Pair, penalties
from .folded_operand import FoldedOperand


@dataclass(frozen=True)
class FoldedHals(Hals):
    """`Hals` on a `FoldedOperand`; see there."""

    name: ClassVar[str] = "hals"
    tells_objective: ClassVar[bool] = False

    def start(self, problem: Problem, W: Array, Ht: Array) -> ExtrapolatedState:
        """Give W its best scale, by one product with X."""
        X = folded(problem)
        gram_H = gram(Ht, X.n_threads)
        cross = float(np.sum(matmul(X, Ht) * W, dtype=np.float64))
        square = X.fitted_square(W, Ht, gram_H)
        gram_W = gram(W, X.n_threads)
        penalty = problem.penalty_W
        square += float(np.sum(penalty.Q * gram_W))
        linear = cross - float(penalty.l1 @ W.sum(axis=0, dtype=np.float64))
        if linear > 0 and square > 0:
            W *= W.dtype.type(linear / square)
        squares = gram(W, X.n_threads).diagonal(), gram_H.diagonal()
        d = balancing.balance(W, Ht, *squares, penalty, problem.penalty_H)
        W *= d.astype(W.dtype)
        Ht /= d.astype(Ht.dtype)
        return ExtrapolatedState.from_start(W, Ht, gram(Ht, X.n_threads))

    def iteration(
        self, problem: Problem, state: ExtrapolatedState
    ) -> Generator[HalfStep, ModelSums, Progress]:
        """Return the iteration as half-steps that can share a pass."""
        momentum = 0.0 if self.pauses(problem, state) else state.momentum
        rows_W, rows_H = state.arrays("W"), state.arrays("H")
        pair = yield from _solve_pair(
            problem, state, rows_W, rows_H, self.method(problem, momentum, state)
        )
        return self._accept_pair(problem, state, pair)

    def polish(self, problem: Problem, state: ExtrapolatedState) -> Progress | None:  # noqa: ARG002
        """Leave the result as it is: cross-validation compares what iterations reach."""
        return None


def folded(problem: Problem) -> FoldedOperand:
    """Return the X of a problem, which is a `FoldedOperand`."""
    X = problem.X
    assert isinstance(X, FoldedOperand)
    return X


def _solve_pair(
    problem: Problem,
    state: ExtrapolatedState,
    rows_W: RowArrays,
    rows_H: RowArrays,
    method: Method,
) -> Generator[HalfStep, ModelSums, Pair]:
    """Solve for W, then for H, class by class; measure the pair."""
    X, n = folded(problem), problem.X.n_threads
    gram_H, state.gram_H = state.gram_H, None
    assert gram_H is not None
    sums = yield half_step(rows_W, state.start_H, gram_H, problem.penalty_W, method)
    grams = X.column_grams(sums.gram)
    penalty = problem.penalty_H
    report: SolveReport = solve_classes(
        rows_H, sums.rhs, grams + penalty.Q, penalty.l1, method, X.column_bounds, n
    )
    square = float(np.sum(grams * report.gram_solved))
    gram_Hn, gram_Hx = report.gram_solved.sum(axis=0), report.gram_result.sum(axis=0)
    gram_W = sums.gram.sum(axis=0)
    loss = problem.loss.from_products(X, float(report.cross), square)
    objective = loss + penalties(problem, rows_W.result, rows_H.solved, gram_W, gram_Hn)
    return Pair(
        rows_W, rows_H, sums.report, report, gram_W, gram_Hn, gram_Hx, None, objective
    )
