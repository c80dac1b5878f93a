"""Solver "irls": reweighted non-negative least squares with extrapolation, for β-divergences."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..base.arrays import Array
from ..base.interfaces import LossBase, Operand, Problem, Progress, SolverBase
from ..base.passes import Passes
from ..base.penalty import Penalty
from ..base.validation import warn
from ..kernels import RowArrays
from ..kernels.beta_steps import beside
from ..kernels.beta_terms import BetaTerms
from ..kernels.irls_steps import IrlsUpdate
from ..kernels.row_methods import IrlsReport
from .registry import solvers
from .steps import newton_rows
from .steps.measured_pairs import (
    WARM_UP,
    accept,
    momentum_for,
    note_decrease,
    polished,
    recast,
    told,
)
from .steps.momentum import ExtrapolatedState
from .steps.mu_steps import terms_of
from .steps.multiplicative_start import update_both
from .steps.quadratic_iteration import factor_penalties

POWER, CONVEX = 0.5, 1.0
"""Curvatures of half-steps, see `curvatures`: that between Fisher's information and the convex
part's second derivative, and this itself, with which rows that are near their minimum get
there in a few steps."""
MULTIPLICATIVE = 5
"""Multiplicative updates in the first iteration of a fit: from a start that says nothing of X, least
squares sets whole components to 0 (D-IRLS-START)."""
MOST_HALF_STEPS = 300
"""Most half-steps of a solve for W beside a fixed H."""
LEAST_POLISH, POLISH_SHARE = 3, 5
"""At the end of a fit, W gets as many half-steps as so many iterations have, or as this share of
the fit's, if that is more."""
POLISH_TOL = 1e-3
"""There W counts as solved for when Σ|gradient|·entry is at most this share of `tol`·Σ y^β."""
UNFINISHED = (
    "W is not solved for to optimality after {n} half-steps: components are nearly "
    "dependent. Fit fewer components, or penalise W."
)
EXACT = {np.dtype(np.float64): 1e-10, np.dtype(np.float32): 1e-5}
"""W counts as solved for when Σ|gradient|·entry is at most this share of Σ y^β."""
ROUNDING = {np.dtype(np.float64): 1e-11, np.dtype(np.float32): 1e-6}
"""Share of Σ y^β below which differences of objectives are rounding."""


@dataclass(eq=False)
class IrlsState(ExtrapolatedState):
    """The best pair measured, its momentum, and what the divergence adds to the half-steps."""

    constant: float = field(default=0.0)
    """Sum of the terms of the divergence that depend on X alone."""


@solvers.register("irls")
@dataclass(frozen=True)
class ReweightedLeastSquares(SolverBase):
    """Alternating reweighted non-negative least squares [1]_ with extrapolation [3]_.

    For β-divergences with 0 ≤ β ≤ 2 [2]_ of an X in memory. Each half-step takes, in
    each row of a factor, a step to the solution of a weighted least-squares problem,
    shortened where the row's objective would rise. Its weights are the geometric means of
    Fisher's information (W·H)^(β−2) and the second derivatives of the divergence, for β < 1
    of its convex part. Then the half-step extrapolates the factor. If the objective rises,
    the fit goes on from the pair of factors that was measured, with less momentum. The
    first iteration does five multiplicative updates instead. The fit returns the best pair
    measured, with W solved for beside its H.

    Parameters
    ----------
    tol : float
        The fit has converged when Σ|gradient|·entry over both factors, each gradient that
        at the start of a half-step, is at most `tol` times Σ(W·H)^β in two iterations in a
        row that are no restarts, and five iterations have decreased the objective by at
        most 0.3·`tol` of it; or when they have by less than 1e-7 of it (float32: 1e-6).

    Notes
    -----
    W beside a fixed H is solved for by half-steps without momentum, every other one with
    the second derivatives alone as weights, until Σ|gradient|·entry is at most 1e-10 of
    Σ(W·H)^β (float32: 1e-5), in at most 300 half-steps. At the end of a fit 1e-3·`tol` is
    enough, and a fifth of its half-steps the most, or six. For β = 1 both are the exact solve
    of "sn", row by row. For β ≥ 1 both approach one minimum, so that `transform` of the X of
    a fit gives rows of the same objective. For β < 1
    a row's problem is not convex: the end of a fit goes on from its W and `transform` from a
    constant W, and they may find different minima.

    An iteration costs, per entry of X, 6·k + k² multiply-adds and four powers, and at
    most 16·k² multiply-adds for each row of either factor. Memory: three arrays of the size of
    each factor.

    References
    ----------
    .. [1] Green, "Iteratively reweighted least squares for maximum likelihood estimation,
       and some robust and resistant alternatives", Journal of the Royal Statistical
       Society B 46 (1984) 149-192, https://doi.org/10.1111/j.2517-6161.1984.tb01288.x
    .. [2] Févotte & Idier, "Algorithms for nonnegative matrix factorization with the
       β-divergence", Neural Computation 23 (2011) 2421-2456,
       https://doi.org/10.1162/NECO_a_00168
    .. [3] Ang & Gillis, "Accelerating nonnegative matrix factorization algorithms using
       extrapolation", Neural Computation 31 (2019) 417-439,
       https://doi.org/10.1162/neco_a_01157
    """

    name: ClassVar[str] = "irls"
    requires: ClassVar[frozenset[str]] = frozenset({"terms"})
    measure: ClassVar[str] = "residual"
    arrays: ClassVar[int] = 6
    positive_start: ClassVar[bool] = True
    recasts: ClassVar[bool] = True
    gathers_rows: ClassVar[bool] = True
    tol: float = 1e-4

    def require(self, loss: LossBase, X: Operand) -> None:
        """Refuse losses other than β-divergences with 0 ≤ β ≤ 2."""
        terms = loss.terms(X)
        if not isinstance(terms, BetaTerms):
            msg = (
                "solver='irls' needs a β-divergence; got the "
                f"{loss.name} loss. Pass solver='mu'."
            )
            raise ValueError(msg)
        if not 0 <= terms.beta <= 2:
            msg = (
                f"solver='irls' needs 0 <= beta_loss <= 2; got {terms.beta:g}. Pass "
                "solver='mu'."
            )
            raise ValueError(msg)

    def iteration_limit(self, update_H: bool) -> int | None:
        """Limit the fit to one iteration, a solve for W, where H is fixed."""
        return None if update_H else 1

    def passes(self, X: Operand, update_H: bool) -> Passes:  # noqa: ARG002
        """Return one pass for each factor, and one for the terms that depend on X alone.

        A solve for W beside a fixed H makes as many as it takes, at least the one told.
        """
        return Passes(1, 2, 1) if update_H else Passes(1, 1, 0)

    def start(self, problem: Problem, W: Array, Ht: Array) -> IrlsState:
        """Return the state before the first iteration, by a pass over X."""
        state = IrlsState.from_start(W, Ht)
        state.constant = constant_of(problem.loss, problem.X)
        return state

    def recast(self, problem: Problem, state: IrlsState) -> None:
        """Go on in the dtype of X; costs two passes over it."""
        recast(problem, state)
        state.constant = constant_of(problem.loss, problem.X)

    def iterate(self, problem: Problem, state: IrlsState) -> Progress:
        """Do one half-step in W and one in H, with extrapolation."""
        if not problem.update_H:
            return self._solve_fixed(problem, state)
        if state.n_iter == 0:
            return self._multiply(problem, state)
        X, momentum = problem.X, momentum_for(state)
        rows_W, rows_H = state.arrays("W"), state.arrays("H")
        penalty_W, penalty_H = problem.penalty_W, problem.penalty_H
        in_W = _half(problem, X, rows_W, state.start_H, penalty_W, momentum)
        in_H = _half(problem, X.T, rows_H, rows_W.result, penalty_H, momentum)
        objective = state.constant + in_H.value
        objective += factor_penalties(problem, rows_W.result, rows_H.solved)
        residual = _share(in_W.residual + in_H.residual, in_H.size)
        least = ROUNDING[X.dtype] * in_H.size
        return accept(state, (rows_W, rows_H), objective, residual, self.tol, least)

    def _multiply(self, problem: Problem, state: IrlsState) -> Progress:
        """Do the multiplicative updates that a fit begins with, in place."""
        objective = update_both(problem, state.W, state.Ht, MULTIPLICATIVE)
        gained = note_decrease(state, objective)
        state.last = state.best = objective
        state.pause = WARM_UP  # the first steps of another kind go without momentum
        settled = state.is_settled(math.inf, False, self.tol)
        return told(objective, 1.0, gained, settled)

    def polish(self, problem: Problem, state: IrlsState) -> Progress | None:
        """Solve for W beside the best H, from the best W on, as far as `tol` asks for.

        It costs a fifth of the fit at most, or three iterations; for β = 1 what the exact solve
        takes.
        """
        if not problem.update_H:
            return None
        most = max(2 * LEAST_POLISH, 2 * state.n_iter // POLISH_SHARE)
        exact = max(EXACT[problem.X.dtype], POLISH_TOL * self.tol)
        return polished(
            state, lambda W: self._solve_W(problem, state, W, exact, most)[0]
        )

    def best_objective(self, problem: Problem, state: IrlsState) -> float | None:  # noqa: ARG002
        """Return the objective of the best pair."""
        return state.best

    def _solve_fixed(self, problem: Problem, state: IrlsState) -> Progress:
        """Solve for W beside a fixed H, whatever it takes."""
        exact = EXACT[problem.X.dtype]
        progress, is_exact = self._solve_W(
            problem, state, state.W, exact, MOST_HALF_STEPS
        )
        if not is_exact:
            warn(UNFINISHED.format(n=MOST_HALF_STEPS), ConvergenceWarning)
        return progress

    def _solve_W(
        self, problem: Problem, state: IrlsState, W: Array, exact: float, most: int
    ) -> tuple[Progress, bool]:
        """Solve for W in place, beside the state's H, by half-steps of both curvatures in turn.

        They end after one by the first: from far away the steps by the second are so short
        that they tell nothing. Returns the progress, and whether the residual is `exact`. By
        Kullback-Leibler the solve is that of "sn", row by row, which warns by itself.
        """
        if terms_of(problem).beta == 1:
            return newton_rows.solve_W(problem, W, state.Ht), True
        X, is_exact, n = problem.X, False, 0
        rows, penalty = RowArrays(W, W), problem.penalty_W
        while not is_exact and n < most:
            power, n = CONVEX if n % 2 else POWER, n + 1
            report = _half(problem, X, rows, state.Ht, penalty, power=power)
            residual = _share(report.residual, report.size)
            is_exact = power == POWER and residual <= exact
        objective = state.constant + report.value
        objective += factor_penalties(problem, W, state.Ht)
        return told(objective, residual, None, is_exact, float(n)), is_exact


def _half(
    problem: Problem,
    X: Operand,
    rows: RowArrays,
    Bt: Array,
    penalty: Penalty,
    momentum: float = 0.0,
    power: float = POWER,
) -> IrlsReport:
    """Do one half-step for the rows of the factor that X's rows belong to."""
    terms = terms_of(problem)
    step = IrlsUpdate(terms.beta, terms.floor, momentum, power)
    return X.by_rows.run_pass(step, rows, beside(Bt, X.n_threads, penalty))


def _share(violation: float, size: float) -> float:
    return violation / size if size > 0 else 0.0


def constant_of(loss: LossBase, X: Operand) -> float:
    """Return the sum of those terms of a β-divergence that depend on X alone.

    It is what is left of the divergence of X from a matrix of equal entries, near the mean of
    X so that little cancels, when the terms with these are taken away.
    """
    beta = float(loss.terms(X).beta)
    n = float(X.shape[0]) * X.shape[1]
    total = X.stats().sum
    level = X.dtype.type(X.stats().mean)
    y = float(level)
    if not y > 0:
        return 0.0
    W, Ht = (np.ones((side, 1), X.dtype) for side in X.shape)
    value = loss.value(X, W, level * Ht)
    if beta == 0:
        return value - total / y - n * math.log(y)
    if beta == 1:
        return value - n * y + total * math.log(y)
    power = math.pow(y, beta - 1)
    return value - n * y * power / beta + total * power / (beta - 1)
