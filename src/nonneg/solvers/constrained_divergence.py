"""Solver of constrained fits of divergences: separable majorisers within constraints."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from ..base.arrays import Array
from ..base.interfaces import (
    SCRATCH,
    Operand,
    Problem,
    Progress,
    SolverBase,
    State,
)
from ..base.passes import Passes
from ..base.penalty import Penalty
from ..base.validation import warn
from ..kernels import RowArrays
from ..kernels.beta_steps import beside
from ..kernels.factor_rows import empty_like
from ..kernels.newton_steps import NewtonUpdate
from .sn import ScalarNewton
from .steps.factor_constraints import FactorConstraints, objective_within
from .steps.mu_steps import terms_of
from .steps.rows_by_newton import ROW_TOL, SolveByNewton, SolveSquares, solved_rows
from .steps.scattered_constraints import ScatteredConstraints, Stencil
from .steps.scattered_divergence import move_there
from .steps.separable_step import moved_within, sums_of_rows, violation_of

NEWTON_REPEATS = 2
"""Steps of a constrained factor in an iteration of "sn", each by sums of its own."""
WITHIN, NEARLY = 10, 0.3
"""Iterations that must decrease the objective by at most NEARLY·tol of it at the end."""
LEAST_DECREASE = 1e-7
"""Share of the objective by which they must decrease it, or else the fit has converged."""
UNFINISHED = (
    "{n} of {n_rows} rows of W are not solved for to optimality: components are nearly "
    "dependent. Fit fewer components, or penalise W."
)


@dataclass(eq=False)
class DivergenceState(State):
    """The factors, and objectives on the way."""

    objective: float = math.inf
    objectives: NDArray[np.float64] = field(
        default_factory=lambda: np.full(WITHIN, np.inf)
    )
    """Objectives of the last WITHIN iterations; a ring buffer."""
    quiet: int = 0
    scattered: ScatteredConstraints | None = field(default=None, metadata=SCRATCH)
    """The constraints on W, where its rows are on workers."""

    def placed(
        self, X: Operand, side: FactorConstraints
    ) -> ScatteredConstraints | None:
        """Return the constraints on a W on workers; None for a W here."""
        if self.scattered is None and X.on_workers:
            self.scattered = ScatteredConstraints.of(X, side)
        return self.scattered


@dataclass(frozen=True, eq=False)
class ConstrainedDivergence(SolverBase):
    """Alternating steps that minimise a majoriser entry by entry within constraints.

    The majoriser is that of the multiplicative update [1]_. A row with a given sum takes the
    multiplier of the sum by bisection. With "sn" a factor without constraints is swept by
    Newton steps. No step raises the objective. At the end, and beside a fixed H, rows of W
    that are apart are solved for exactly with these two losses.

    Parameters
    ----------
    base : MultiplicativeUpdates or ScalarNewton
    W, H : FactorConstraints
    exact : bool
        Whether the loss is the Kullback-Leibler divergence or the quadratic one.

    References
    ----------
    .. [1] Févotte & Idier, "Algorithms for nonnegative matrix factorization with the
       β-divergence", Neural Computation 23 (2011) 2421-2456,
       https://doi.org/10.1162/NECO_a_00168
    """

    name: ClassVar[str] = "constrained-divergence"
    requires: ClassVar[frozenset[str]] = frozenset({"terms"})
    measure: ClassVar[str] = "residual"
    arrays: ClassVar[int] = 8
    positive_start: ClassVar[bool] = True
    by_parts: ClassVar[bool] = True
    rows_on_workers: ClassVar[bool] = True
    weight_power: ClassVar[float | None] = 0.0
    base: Any
    W: FactorConstraints
    H: FactorConstraints
    exact: bool

    @property
    def tol(self) -> float:
        """Tolerance of the solver that it stands for."""
        return float(self.base.tol)

    @property
    def solves_for_W(self) -> bool:
        """Whether W beside a fixed H is solved for exactly."""
        return self.exact and self.W.is_solved_exactly

    def iteration_limit(self, update_H: bool) -> int | None:
        """Limit the fit to one iteration where that solves for W exactly."""
        return None if update_H or not self.solves_for_W else 1

    def passes(self, X: Operand, update_H: bool) -> Passes:  # noqa: ARG002
        """Return two passes an iteration, or one for W alone."""
        return Passes(1, 2 if update_H else 1, 2 if self.solves_for_W else 1)

    def start(self, problem: Problem, W: Array, Ht: Array) -> DivergenceState:
        """Return the state before the first iteration."""
        state = DivergenceState(W, Ht)
        value = self._value(problem, state, problem.loss.value(problem.X, W, Ht))
        state.objective = value
        state.objectives[:] = value
        return state

    def iterate(self, problem: Problem, state: DivergenceState) -> Progress:
        """Move W, then H unless it is fixed."""
        if not problem.update_H and self.solves_for_W:
            return self._solve_W(problem, state)
        if problem.X.on_workers:
            violation = self._move_there(problem, state)
        else:
            violation = self._move(problem, state, "W")
            if problem.update_H:
                violation += self._move(problem, state, "H")
        return self._told(problem, state, violation, None)

    def _told(
        self,
        problem: Problem,
        state: DivergenceState,
        violation: float,
        converged: bool | None,
    ) -> Progress:
        """Measure the objective; None: test whether the fit has converged."""
        loss = problem.loss.value(problem.X, state.W, state.Ht)
        objective = self._value(problem, state, loss)
        total = problem.X.stats().sum
        residual = violation / total if total > 0 else 0.0
        gained = max(0.0, state.objective - objective)
        state.objective = objective
        if converged is None:
            converged = self._is_settled(state, residual)
        return Progress(
            objective=np.array([objective]),
            residual=np.array([residual]),
            decrease=np.array([gained]),
            converged=np.array([converged]),
        )

    def _is_settled(self, state: DivergenceState, residual: float) -> bool:
        slot = state.n_iter % WITHIN
        gained = state.objectives[slot] - state.objective
        state.objectives[slot] = state.objective
        if self.tol == 0 or state.n_iter < WITHIN:
            return False
        size = abs(state.objective)
        state.quiet = state.quiet + 1 if residual <= self.tol else 0
        slow = gained <= NEARLY * self.tol * size
        return bool((state.quiet >= 2 and slow) or gained <= LEAST_DECREASE * size)

    def polish(self, problem: Problem, state: DivergenceState) -> Progress | None:
        """Solve for W exactly, where the solver would do so beside a fixed H."""
        plain = self.W.is_trivial and not isinstance(self.base, ScalarNewton)
        if not problem.update_H or not self.solves_for_W or plain:
            return None
        W, before = state.W, state.objective
        progress = self._solve_W(problem, state)
        if state.objective > before + LEAST_DECREASE * abs(before):
            state.W, state.objective = W, before  # of an end that is not finished
            return None
        return progress

    def _solve_W(self, problem: Problem, state: DivergenceState) -> Progress:
        """Solve for W exactly beside the H of now."""
        X = problem.X
        there = state.placed(X, self.W)
        if there is None:
            stencil, arrays = Stencil.of(self.W)
        else:
            stencil, arrays = there.stencil, [one.W for one in there.arrays]
        step: Any = SolveSquares(stencil)
        if terms_of(problem).is_flat:
            step = SolveByNewton(stencil, terms_of(problem).floor, ROW_TOL)
        shared = beside(state.Ht, X.n_threads, problem.penalty_W)
        solved, report = solved_rows(
            X, step, arrays, state.W, problem.penalty_W, shared
        )
        if report.unfinished:
            text = UNFINISHED.format(n=int(report.unfinished), n_rows=len(state.W))
            warn(text, ConvergenceWarning)
        state.W = solved
        return self._told(problem, state, report.residual, not report.unfinished)

    def best_objective(
        self,
        problem: Problem,  # noqa: ARG002
        state: DivergenceState,
    ) -> float | None:
        """Return the last objective, which is the smallest."""
        return state.objective

    # ---- steps

    def _move_there(self, problem: Problem, state: DivergenceState) -> float:
        """Move W where its rows are, then H by the sums over them, as `_move` does."""
        there, terms = state.placed(problem.X, self.W), terms_of(problem)
        assert there is not None
        state.W, sums = move_there(there, terms, state.W, state.Ht, problem.penalty_W)
        if not problem.update_H or self.H.fixed.all():
            return float(sums.violation)
        args = self.H, state.Ht, sums.terms, problem.penalty_H
        violation = float(sums.violation) + violation_of(*args)
        state.Ht = moved_within(terms, *args)
        return violation

    def _move(self, problem: Problem, state: DivergenceState, factor: str) -> float:
        """Replace a factor by a better one; return Σ |projected gradient|·entry before."""
        is_W = factor == "W"
        X = problem.X if is_W else problem.X.T
        side = self.W if is_W else self.H
        penalty = problem.penalty_W if is_W else problem.penalty_H
        rows, other = (state.W, state.Ht) if is_W else (state.Ht, state.W)
        if side.fixed.all():
            return 0.0
        newton, terms = isinstance(self.base, ScalarNewton), terms_of(problem)
        if newton and side.is_trivial and not problem.X.in_parts:
            solved = empty_like(rows)
            violation = self._sweep(problem, X, rows, solved, other, penalty)
        else:
            for number in range(NEWTON_REPEATS if newton else 1):
                sums = sums_of_rows(problem.loss, X, rows, other)
                solved = moved_within(terms, side, rows, sums, penalty)
                if number == 0:
                    violation = violation_of(side, rows, sums, penalty)
                rows = solved
        if is_W:
            state.W = solved
        else:
            state.Ht = solved
        return violation

    def _sweep(
        self,
        problem: Problem,
        X: Operand,
        rows: Array,
        solved: Array,
        other: Array,
        penalty: Penalty,
    ) -> float:
        step = NewtonUpdate(terms_of(problem).floor, sweeps=3, value=False)
        arrays = RowArrays(
            rows, solved, linear=penalty.linear, quadratic=penalty.quadratic
        )
        shared = beside(other, X.n_threads, penalty)
        return float(X.by_rows.run_pass(step, arrays, shared).residual)

    def _value(self, problem: Problem, state: DivergenceState, loss: float) -> float:
        there = state.placed(problem.X, self.W) or self.W
        return objective_within((there, self.H), problem, state.W, state.Ht, loss)
