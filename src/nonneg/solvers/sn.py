"""Solver "sn": scalar Newton steps with extrapolation, for the Kullback-Leibler divergence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..base.arrays import Array
from ..base.interfaces import Operand, Problem, Progress, SolverBase
from ..base.passes import Passes
from ..base.records import Stretch
from ..kernels import RowArrays
from ..kernels.beta_steps import TermsUpdate, beside
from ..kernels.newton_steps import NewtonSums, NewtonUpdate
from .registry import solvers
from .steps import newton_stretch
from .steps.half_steps import with_shares
from .steps.majorizer_step import diagonal_step, residual_of
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
from .steps.mu_steps import apply_sums, terms_of
from .steps.newton_rows import half_step, relative, solve_W
from .steps.quadratic_iteration import factor_penalties

ROUNDING = {np.dtype(np.float64): 1e-11, np.dtype(np.float32): 1e-6}
"""Share of the sum of X below which differences of objectives are rounding."""
FEW, LONG, DENSE = 8, 8, 0.5
"""A half-step sweeps twice over each row for at most FEW components, and where rows of a sparse
X have at least LONG entries for each component; else once, as where more than the share DENSE
of X is not 0: the product before a sweep costs about as much as a sweep (D-SN-SWEEPS)."""


@solvers.register("sn")
@dataclass(frozen=True)
class ScalarNewton(SolverBase):
    """Alternating damped scalar Newton sweeps [1]_ [2]_ with extrapolation [3]_.

    Each half-step moves every entry of a factor in turn by a Newton step in that entry
    alone, damped where self-concordance asks for it, then extrapolates the factor. If
    the objective rises, the fit goes on from the pair of factors that was measured, with
    less momentum. The fit returns the best pair measured, with W solved for exactly.

    Parameters
    ----------
    tol : float
        The fit has converged when Σ|gradient|·entry over both factors, each term taken
        just before the entry's step, is at most `tol` times the sum of X in two
        iterations in a row that are no restarts, and five iterations have decreased the
        objective by at most 0.3·`tol` of it; or when they have by less than 1e-7 of it
        (float32: 1e-6).
    sweeps : int or None
        Sweeps over each row in a half-step; None takes 2 for few components and for long
        rows of a sparse X, else 1.

    Notes
    -----
    An X that is read in parts is not transposed: the rows of W are solved for as they are
    read, and H then makes one step from the sums over them (see `diagonal_step`). There
    is no momentum, and neither half-step raises the objective.

    An iteration costs about 10·k flops and 2·k divisions per stored entry of X (for a
    dense X per entry). Memory: three arrays of the size of each factor and, for a sparse
    X, a transposed copy of it; for a float64 X that is not small, until the fit goes over from
    float32, its values and those of that copy in float32.

    References
    ----------
    .. [1] Hsieh & Dhillon, "Fast coordinate descent methods with variable selection for
       non-negative matrix factorization", KDD (2011) 1064-1072,
       https://doi.org/10.1145/2020408.2020577
    .. [2] Hien & Gillis, "Algorithms for nonnegative matrix factorization with the
       Kullback-Leibler divergence", Journal of Scientific Computing 87 (2021) 93,
       https://doi.org/10.1007/s10915-021-01504-0
    .. [3] Ang & Gillis, "Accelerating nonnegative matrix factorization algorithms using
       extrapolation", Neural Computation 31 (2019) 417-439,
       https://doi.org/10.1162/neco_a_01157
    """

    name: ClassVar[str] = "sn"
    requires: ClassVar[frozenset[str]] = frozenset({"poisson"})
    measure: ClassVar[str] = "residual"
    arrays: ClassVar[int] = 6
    positive_start: ClassVar[bool] = True
    solves_W_exactly: ClassVar[bool] = True
    tells_objective: ClassVar[bool] = True
    by_parts: ClassVar[bool] = True
    advances: ClassVar[bool] = True
    weight_power: ClassVar[float | None] = 1.0
    recasts: ClassVar[bool] = True
    gathers_rows: ClassVar[bool] = True
    tol: float = 1e-4
    sweeps: int | None = None

    def iteration_limit(self, update_H: bool) -> int | None:
        """Limit the fit to one iteration, an exact solve, where H is fixed."""
        return None if update_H else 1

    def passes(self, X: Operand, update_H: bool) -> Passes:
        """Return one pass for each factor, or one for both where X is read in parts.

        The number of sweeps depends on the density, which parts are read for once.
        """
        density = int(X.in_parts and not self.sweeps)
        if not update_H:
            return Passes(0, 1, 0, once=density)
        return Passes(0, 1 if X.in_parts else 2, 1, once=density)

    def start(
        self,
        problem: Problem,  # noqa: ARG002
        W: Array,
        Ht: Array,
    ) -> ExtrapolatedState:
        """Return the state before the first iteration."""
        return ExtrapolatedState.from_start(W, Ht)

    def recast(self, problem: Problem, state: ExtrapolatedState) -> None:
        """Go on in the dtype of X; costs a pass over it."""
        recast(problem, state)

    def iterate(self, problem: Problem, state: ExtrapolatedState) -> Progress:
        """Do one half-step in W and one in H, with extrapolation."""
        if not problem.update_H:
            return solve_W(problem, state.W, state.Ht)
        if problem.X.in_parts:
            return self._by_rows(problem, state)
        X = problem.X
        momentum = momentum_for(state)
        rows_W, rows_H = state.arrays("W"), state.arrays("H")
        first = state.n_iter == 0
        options = {"sweeps": self._sweeps(problem), "momentum": momentum}
        report_W = half_step(
            problem, X, rows_W, state.start_H, problem.penalty_W,
            value=False, rescale=first, **options,
        )  # fmt: skip
        report_H = half_step(
            problem, X.T, rows_H, rows_W.result, problem.penalty_H, **options
        )
        violation = report_W.residual + report_H.residual
        return self._accept(problem, state, (rows_W, rows_H), violation, report_H.value)

    def advance(
        self, problem: Problem, state: ExtrapolatedState, most: int
    ) -> Stretch | None:
        """Do at most so many iterations in one call of the core."""
        if not problem.update_H:
            return None
        X, terms = problem.X, terms_of(problem)
        total, sweeps = X.stats().sum, self._sweeps(problem)
        numbers = terms.floor, sweeps, WARM_UP, total, _least(problem)

        def taken_in(rows: tuple[RowArrays, RowArrays], *sums: float) -> Progress:
            return self._accept(problem, state, rows, *sums)

        return newton_stretch.advance(problem, state, self.tol, numbers, taken_in, most)

    def _accept(
        self,
        problem: Problem,
        state: ExtrapolatedState,
        rows: tuple[RowArrays, RowArrays],
        violation: float,
        value: float,
    ) -> Progress:
        """Keep the pair if it is the best one, and set where the next iteration starts."""
        rows_W, rows_H = rows
        penalties = factor_penalties(problem, rows_W.result, rows_H.solved)
        return accept(
            state, rows, value + penalties, relative(problem, violation), self.tol,
            _least(problem), float(self._sweeps(problem)),
        )  # fmt: skip

    def _by_rows(self, problem: Problem, state: ExtrapolatedState) -> Progress:
        """Solve for the rows of W, then step in H by their sums, without momentum."""
        X, W, Ht = problem.X, state.W, state.Ht
        terms, loss = terms_of(problem), problem.loss
        newton = NewtonUpdate(
            terms.floor, sweeps=self._sweeps(problem), rescale=state.n_iter == 0,
            value=False,
        )  # fmt: skip
        step = NewtonSums(
            newton, TermsUpdate(terms, move=False, value=True, bends=True)
        )
        shared = beside(Ht, X.n_threads, problem.penalty_W)
        rows = with_shares(RowArrays(W, W), problem.penalty_W)
        pass_sums = X.run_pass(step, rows, shared)
        sums = pass_sums.terms
        objective = float(sums.value) + factor_penalties(problem, W, Ht)
        violation = pass_sums.newton.residual + residual_of(Ht, sums, problem.penalty_H)
        residual = relative(problem, violation)
        gained = note_decrease(state, objective)
        state.last = state.best = objective
        is_measured = state.best > _least(problem)
        converged = state.is_settled(residual, False, self.tol, is_measured)
        if not converged:
            by_ratio = apply_sums(loss, X, Ht, sums, problem.penalty_H)
            state.Ht = diagonal_step(Ht, sums, sums.bends, problem.penalty_H, by_ratio)
        sweeps = float(self._sweeps(problem))
        return told(objective, residual, gained, converged, sweeps)

    def polish(self, problem: Problem, state: ExtrapolatedState) -> Progress | None:
        """Solve for W exactly beside the best H."""
        if not problem.update_H:
            return None
        # in parts H has moved since the best objective was measured
        return polished(
            state,
            lambda W: solve_W(problem, W, state.Ht),
            is_best=not problem.X.in_parts,
        )

    def best_objective(
        self, problem: Problem, state: ExtrapolatedState
    ) -> float | None:
        """Return the objective of the best pair; in parts, H has moved since the last one."""
        return None if problem.X.in_parts else state.best

    def finish(
        self,
        problem: Problem,  # noqa: ARG002
        state: ExtrapolatedState,
    ) -> tuple[Array, Array]:
        """Return the best pair measured."""
        return state.W, state.Ht

    def _sweeps(self, problem: Problem) -> int:
        # not by the storage: a sparse and a dense copy of X get equally many
        if self.sweeps:
            return self.sweeps
        k, density = len(problem.penalty_W.l1), problem.X.density
        is_long = LONG * k <= density * problem.X.shape[1] and density <= DENSE
        return 2 if k <= FEW or is_long else 1


def _least(problem: Problem) -> float:
    """Return the objective below which differences of objectives are rounding."""
    return ROUNDING[problem.X.dtype] * problem.X.stats().sum
