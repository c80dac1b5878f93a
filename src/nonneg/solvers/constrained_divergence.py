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
    LossBase,
    Operand,
    Problem,
    Progress,
    SolverBase,
    State,
)
from ..base.passes import Passes
from ..base.penalty import Penalty
from ..base.steps import RowsOfW
from ..base.validation import warn
from ..kernels import RowArrays, gram
from ..kernels.beta_steps import TermsUpdate, beside
from ..kernels.boxes import projected_gradient
from ..kernels.factor_rows import empty_like
from ..kernels.newton_steps import NewtonUpdate
from ..kernels.term_records import TermRows, TermSums, by_shares
from ..operands.base import matmul
from .sn import ScalarNewton
from .steps.factor_constraints import FactorConstraints, objective_within
from .steps.mu_steps import apply_sums, by_products, sums_for, terms_of
from .steps.rows_by_newton import SolveByNewton
from .steps.scattered_constraints import RowsWithin, Stencil
from .steps.separable_rows import Separable, minimise_within

NEWTON_REPEATS = 2
"""Steps of a constrained factor in an iteration of "sn", each by sums of its own."""
WITHIN, NEARLY = 10, 0.3
"""Iterations that must decrease the objective by at most NEARLY·tol of it at the end."""
LEAST_DECREASE = 1e-7
"""Share of the objective by which they must decrease it, or else the fit has converged."""
ROW_TOL = 1e-11
"""Share of a row's sum that the last step of an exact solve may promise to bring."""
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


@dataclass(frozen=True, eq=False)
class ConstrainedDivergence(SolverBase):
    """Alternating steps that minimise a majoriser entry by entry within constraints.

    The majoriser is that of the multiplicative update [1]_. A row with a given sum takes the
    multiplier of the sum by bisection. With "sn" a factor without constraints is swept by
    Newton steps. No step raises the objective. At the end, and beside a fixed H, rows of W
    that are apart are solved for exactly, where the loss is flat.

    Parameters
    ----------
    base : MultiplicativeUpdates or ScalarNewton
    W, H : FactorConstraints
    flat : bool
        Whether the loss is the Kullback-Leibler divergence.

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
    weight_power: ClassVar[float | None] = 0.0
    base: Any
    W: FactorConstraints
    H: FactorConstraints
    flat: bool

    @property
    def tol(self) -> float:
        """Tolerance of the solver that it stands for."""
        return float(self.base.tol)

    @property
    def solves_for_W(self) -> bool:
        """Whether W beside a fixed H is solved for exactly."""
        return self.flat and self.W.is_solved_exactly

    def iteration_limit(self, update_H: bool) -> int | None:
        """Limit the fit to one iteration where that solves for W exactly."""
        return None if update_H or not self.solves_for_W else 1

    def passes(self, X: Operand, update_H: bool) -> Passes:  # noqa: ARG002
        """Return two passes an iteration, or one for W alone."""
        return Passes(1, 2 if update_H else 1, 2 if self.solves_for_W else 1)

    def start(self, problem: Problem, W: Array, Ht: Array) -> DivergenceState:
        """Return the state before the first iteration."""
        value = self._value(problem, W, Ht, problem.loss.value(problem.X, W, Ht))
        state = DivergenceState(W, Ht, objective=value)
        state.objectives[:] = value
        return state

    def iterate(self, problem: Problem, state: DivergenceState) -> Progress:
        """Move W, then H unless it is fixed."""
        if not problem.update_H and self.solves_for_W:
            return self._solve_W(problem, state)
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
        objective = self._value(problem, state.W, state.Ht, loss)
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
        if state.objective > before + ROW_TOL * problem.X.stats().sum:
            state.W, state.objective = W, before  # of an end that is not finished
            return None
        return progress

    def _solve_W(self, problem: Problem, state: DivergenceState) -> Progress:
        """Solve for W exactly beside the H of now."""
        X = problem.X
        stencil, arrays = Stencil.of(self.W)
        rows = RowArrays(
            state.W, empty_like(state.W),
            linear=problem.penalty_W.linear, quadratic=problem.penalty_W.quadratic,
        )  # fmt: skip
        step = SolveByNewton(stencil, terms_of(problem).floor, ROW_TOL)
        within = RowsWithin(rows, tuple(map(RowsOfW, arrays)))
        shared = beside(state.Ht, X.n_threads, problem.penalty_W)
        report = X.by_rows.run_pass(step, within, shared)
        if report.unfinished:
            text = UNFINISHED.format(n=int(report.unfinished), n_rows=len(state.W))
            warn(text, ConvergenceWarning)
        state.W = rows.solved
        return self._told(problem, state, report.residual, not report.unfinished)

    def best_objective(
        self,
        problem: Problem,  # noqa: ARG002
        state: DivergenceState,
    ) -> float | None:
        """Return the last objective, which is the smallest."""
        return state.objective

    # ---- steps

    def _move(self, problem: Problem, state: DivergenceState, factor: str) -> float:
        """Replace a factor by a better one; return Σ |projected gradient|·entry before."""
        is_W = factor == "W"
        X = problem.X if is_W else problem.X.T
        side = self.W if is_W else self.H
        penalty = problem.penalty_W if is_W else problem.penalty_H
        rows, other = (state.W, state.Ht) if is_W else (state.Ht, state.W)
        if side.fixed.all():
            return 0.0
        newton = isinstance(self.base, ScalarNewton)
        if newton and side.is_trivial and not problem.X.in_parts:
            solved = empty_like(rows)
            violation = self._sweep(problem, X, rows, solved, other, penalty)
        else:
            for number in range(NEWTON_REPEATS if newton else 1):
                sums = sums_of_rows(problem.loss, X, rows, other)
                solved = self._step(problem, X, side, rows, sums, penalty)
                if number == 0:
                    violation = self._violation(side, rows, sums, penalty)
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

    def _step(
        self,
        problem: Problem,
        X: Operand,
        side: FactorConstraints,
        rows: Array,
        sums: TermSums,
        penalty: Penalty,
    ) -> Array:
        """Return the rows that minimise the majoriser at `rows`."""
        terms = terms_of(problem)
        if terms.rise + terms.fall != 1 or not _is_plain_ratio(terms):
            moved = apply_sums(problem.loss, X, rows, sums, penalty)
            return np.clip(moved, side.box.lower, side.box.upper)
        return minimise_within(
            self._separable(terms, side, rows, sums, penalty), side.box, rows.dtype
        )

    def _separable(
        self,
        terms: Any,
        side: FactorConstraints,
        rows: Array,
        sums: TermSums,
        penalty: Penalty,
    ) -> Separable:
        a = rows.astype(np.float64)
        above = np.broadcast_to(np.asarray(sums.denominator, np.float64), a.shape)
        below = np.asarray(sums.numerator, dtype=np.float64)
        linear = by_shares(penalty.l1, penalty.linear) + np.zeros_like(a)
        bend = by_shares(penalty.Q.diagonal(), penalty.quadratic) + np.zeros_like(a)
        more_bend, more_linear = _penalty_terms(side, rows)
        linear, bend = linear + more_linear, bend + more_bend
        if terms.fall == 1:
            return Separable(linear + above, bend, below * a)
        # the quadratic loss: above·a/a₀ − below
        safe = np.where(a > 0, a, 1.0)
        return Separable(
            np.where(a > 0, linear - below, np.maximum(linear - below, 0)),
            bend + np.where(a > 0, above / safe, 1.0), np.zeros_like(a),
        )  # fmt: skip

    def _violation(
        self, side: FactorConstraints, rows: Array, sums: TermSums, penalty: Penalty
    ) -> float:
        a = rows.astype(np.float64)
        more_bend, more_linear = _penalty_terms(side, rows)
        gradient = sums.denominator - np.asarray(sums.numerator, dtype=np.float64)
        gradient = gradient + by_shares(penalty.l1, penalty.linear) + more_linear
        bend = by_shares(penalty.Q.diagonal(), penalty.quadratic) + more_bend
        left = projected_gradient(rows, gradient + bend * a, side.box)
        return float(np.sum(np.abs(left) * np.abs(a)))

    def _value(self, problem: Problem, W: Array, Ht: Array, loss: float) -> float:
        return objective_within((self.W, self.H), problem, W, Ht, loss)


def _is_plain_ratio(terms: Any) -> bool:
    """Whether the update is that of the flat or of the quadratic loss."""
    return bool(terms.rise in (0, 1) and terms.fall in (0, 1))


def _penalty_terms(side: FactorConstraints, rows: Array) -> tuple[Any, Any]:
    """Return the bend and the linear term of penalties, entry by entry."""
    if not side.has_penalty:
        return 0.0, 0.0
    above = side.majoriser(rows, gram(rows))
    rhs = 0.0 if above.rhs is None else np.asarray(above.rhs, dtype=np.float64)
    if above.Q is None:
        return 0.0, -rhs
    Q = np.asarray(above.Q, dtype=np.float64)
    if not np.any(Q - np.diag(Q.diagonal())):
        return Q.diagonal(), -rhs
    # the largest eigenvalue bounds the form around these rows
    most = max(0.0, float(np.linalg.eigvalsh(Q)[-1]))
    a = rows.astype(np.float64)
    return most, a @ Q - most * a - rhs


def sums_of_rows(loss: LossBase, X: Operand, A: Array, Bt: Array) -> TermSums:
    """Return the sums for the rows A of X beside the other factor."""
    if by_products(loss, X):
        product = gram(Bt, X.n_threads).astype(A.dtype)
        return TermSums(matmul(X, Bt), A @ product)
    if X.by_columns:
        return sums_for(loss, X.T, Bt, A)
    rows = TermRows(A, empty_like(A), empty_like(A))
    step = TermsUpdate(loss.terms(X), move=False, accumulate=False)
    X.run_pass(step, rows, beside(Bt, X.n_threads))
    return TermSums(rows.solved, rows.below)
