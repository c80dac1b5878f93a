"""Solver of constrained least squares: the half-steps of "hals" or "bpp" within constraints."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ..base.arrays import Array
from ..base.interfaces import Operand, Problem, Progress, SolverBase
from ..base.passes import Passes
from ..kernels import Exact, Method, RowArrays, SolveReport, gram, inner
from ..kernels.factor_rows import scale_columns
from ..operands.base import matmul, square_of
from ..operands.observed import ObservedOperand
from ..operands.observed_half_steps import majorised_by_rows
from .hals import DOUBTFUL, MOST_REVIVALS, Hals, is_blind
from .steps.constrained_state import ConstrainedState
from .steps.factor_constraints import FactorConstraints, objective_within
from .steps.half_steps import solve_in_a_pass
from .steps.known_products import cross_of_known, solve_beside_known
from .steps.momentum import SETTLED_WITHIN
from .steps.quadratic_iteration import Pair, penalties, share_left
from .steps.revival import dead_components, revived
from .steps.sweep_costs import with_sweeps_beside
from .steps.weighted_rows import solve_apart_within, solve_weighted

EXACT_ENOUGH = 0.01
"""Share of `tol` at which W beside a fixed H is done, where no single solve is exact."""
LEAST_DECREASE = {np.dtype(np.float64): 1e-8, np.dtype(np.float32): 1e-6}
"""Share of the objective by which a half-step must decrease it, or else that W is done."""


@dataclass(frozen=True, eq=False)
class ConstrainedLeastSquares(SolverBase):
    """Alternating half-steps within constraints, extrapolated where these are convex.

    Parameters
    ----------
    base : Hals
        The solver whose method, stopping rule and momentum are used.
    W, H : FactorConstraints

    Notes
    -----
    An iteration reads X twice, once for each product, or once where W has no constraints or
    its rows are on workers. Components of which one factor is known are multiplied by X once
    for all iterations. The objective is that of the best
    pair so far, so it never rises.
    """

    name: ClassVar[str] = "constrained"
    requires: ClassVar[frozenset[str]] = frozenset({"quadratic"})
    measure: ClassVar[str] = "residual"
    arrays: ClassVar[int] = 8
    by_parts: ClassVar[bool] = True
    rows_on_workers: ClassVar[bool] = True
    weight_power: ClassVar[float | None] = 0.5
    imputes: ClassVar[bool] = True
    base: Hals
    W: FactorConstraints
    H: FactorConstraints

    def iteration_limit(self, update_H: bool) -> int | None:
        """Limit the fit to one iteration where that solves for W exactly."""
        return None if update_H or not self.W.is_solved_exactly else 1

    def passes(self, X: Operand, update_H: bool) -> Passes:  # noqa: ARG002
        """Return two passes an iteration; one in all where H is fixed."""
        return Passes(1, 2, 1) if update_H else Passes(1, 0, 0)

    def start(self, problem: Problem, W: Array, Ht: Array) -> ConstrainedState:
        """Return the state before the first iteration; costs a product with X."""
        X, n = problem.X, problem.X.n_threads
        if not problem.update_H:
            gram_H = gram(Ht, n) if problem.gram_H is None else problem.gram_H
            product = None if X.on_workers else matmul(X, Ht)
            return ConstrainedState.from_start(W, Ht, gram_H, product)
        product = matmul(X, Ht)
        gram_W, gram_H = gram(W, n), gram(Ht, n)
        square = square_of(X, W, Ht, gram_W, gram_H)
        cross = inner(product, W)
        scale = cross / square if square > 0 else 1.0
        no_penalty = problem.penalty_W.is_zero and problem.penalty_H.is_zero
        if no_penalty and scale > 0 and math.isfinite(scale):
            if not self.W.has_scale:
                scale_columns(W, np.full(Ht.shape[1], scale, W.dtype))
            elif not self.H.has_scale:
                Ht *= Ht.dtype.type(scale)
                scale_columns(product, np.full(Ht.shape[1], scale, W.dtype))
                gram_H *= scale * scale
        # the first iteration takes the product again, where a W here is solved for by it
        kept = product if X.shared_gram and not X.on_workers else None
        state = ConstrainedState.from_start(W, Ht, product=kept)
        loss = problem.loss.value_beside(X, W, Ht, product, gram_H)
        value = self._value(problem, state, W, Ht, loss)
        begun = ConstrainedState.from_start(W, Ht, product=kept, value=value)
        return replace(begun, scattered=state.scattered)

    def iterate(self, problem: Problem, state: ConstrainedState) -> Progress:
        """Do one half-step in W and one in H, with extrapolation."""
        if not problem.update_H:
            return self._solve_W(problem, state)
        momentum = 0.0 if self.base.pauses(problem, state) else state.momentum
        method = self._method(problem, momentum, state)
        rows_W, rows_H = state.arrays("W"), state.arrays("H")
        pair = self._pair(problem, state, rows_W, rows_H, method)
        X = problem.X
        blind = is_blind(problem, pair.objective)
        residual = pair.residual()
        decrease = pair.decrease
        if isinstance(X, ObservedOperand) and X.power == 0:
            # half-steps see rows without their weights
            decrease = max(0.0, state.last - pair.objective)
        state.decreases[state.n_iter % SETTLED_WITHIN] = decrease
        restart = state.advance(pair.rows_W, pair.rows_H, pair.objective, blind)
        converged = state.is_settled(residual, restart, self.base.tol, not blind)
        if not blind and self._revive(problem, state, pair):
            converged = False
        return Progress(
            objective=np.array([state.best]),
            residual=np.array([residual]),
            decrease=np.array([decrease]),
            converged=np.array([converged]),
            sweeps=pair.sweeps if X.shape[0] else 1.0,
        )

    def polish(self, problem: Problem, state: ConstrainedState) -> Progress | None:
        """Solve for W exactly beside the best H, where a single solve does that."""
        if not problem.update_H or not self.W.is_solved_exactly:
            return None
        X, W, Ht = problem.X, state.W, state.Ht
        rows = RowArrays(W, state.other("W"))
        gram_H = gram(Ht, X.n_threads)
        if isinstance(X, ObservedOperand):
            return self._solve_apart(problem, state)
        if X.on_workers:
            report, cross = self._solve_there(problem, state, rows, Ht, gram_H, Exact())
        else:
            rhs = self._product(problem, state, "W", Ht)
            report = self._half(problem, self.W, X, rows, Ht, rhs, gram_H, Exact())
            every = matmul(X, Ht) if self.W.fixed.any() else rhs
            cross = inner(every, rows.solved)
        objective = self._measured(problem, state, rows.solved, Ht, cross, gram_H)
        if math.isfinite(objective):
            # above the best objective by rounding at most; `transform` finds this W again
            state.W, state.best = rows.solved, objective
        return Progress(
            objective=np.array([state.best]),
            residual=np.array([share_left(report)]),
            decrease=np.array([float(report.decrease)]),
            converged=np.array([True]),
        )

    def _solve_apart(self, problem: Problem, state: ConstrainedState) -> Progress:
        """Solve for W beside the H of the state, each row on what it shows."""
        X, before = problem.X, state.best
        assert isinstance(X, ObservedOperand)
        solved, violation = solve_apart_within(
            X, self.W, state.W, state.Ht, problem.penalty_W
        )
        state.W = solved
        loss = problem.loss.value(X, solved, state.Ht)
        state.best = self._value(problem, state, solved, state.Ht, loss)
        size = X.stats().sum_sq
        return Progress(
            objective=np.array([state.best]),
            residual=np.array([violation / size if size > 0 else 0.0]),
            decrease=np.array([max(0.0, before - state.best)]),
            converged=np.array([True]),
        )

    def best_objective(
        self,
        problem: Problem,  # noqa: ARG002
        state: ConstrainedState,
    ) -> float | None:
        """Return the objective of the best pair measured."""
        return state.best

    def _revive(self, problem: Problem, state: ConstrainedState, pair: Pair) -> bool:
        """Go on from a better pair without dead components; return whether there is one."""
        moving = ~self.W.fixed & ~self.H.fixed
        dead = dead_components(pair.gram_W.diagonal(), pair.gram_Hn.diagonal())
        dead &= moving
        no_penalty = problem.penalty_W.is_zero and problem.penalty_H.is_zero
        if not dead.any() or not no_penalty or state.revivals >= MOST_REVIVALS:
            return False
        if not problem.X.shared_gram or problem.X.is_weighted:
            return False
        state.revivals += 1
        W, Ht, _ = revived(problem, pair.rows_W.result, pair.rows_H.solved, dead)
        there = state.placed(problem.X, self.W)
        W, Ht = (there or self.W).start(W), self.H.start(Ht)
        loss = problem.loss.value(problem.X, W, Ht)
        value = self._value(problem, state, W, Ht, loss)
        if not value < state.best:
            return False
        state.begin_anew(W, Ht, value)
        return True

    # ---- half-steps

    def _pair(
        self,
        problem: Problem,
        state: ConstrainedState,
        rows_W: RowArrays,
        rows_H: RowArrays,
        method: Method,
    ) -> Pair:
        X, n = problem.X, problem.X.n_threads
        rows_W, rows_H = (
            rows if side.takes_momentum else replace(rows, moved=None)
            for rows, side in ((rows_W, self.W), (rows_H, self.H))
        )
        Ht, gram_H = rows_H.start, gram(rows_H.start, n)
        W, there = rows_W.result, state.placed(problem.X, self.W)
        product, state.product = state.product, None
        beside = None
        if product is None and self._shares_a_pass(X):
            sums = solve_in_a_pass(X, rows_W, Ht, gram_H, problem.penalty_W, method)
            report_W, gram_W, rhs = sums.report, sums.gram, sums.rhs
        elif there is not None:
            within = there.solve(rows_W, Ht, gram_H, problem.penalty_W, method)
            report_W, gram_W, rhs = within.report, within.gram, within.rhs
        elif product is None and self._knows_some(X):
            known = state.of_known(X, "W", Ht, self.H.fixed)
            report_W, gram_W, rhs = solve_beside_known(
                X, rows_W, Ht, gram_H, problem.penalty_W, method, self.H.fixed, known
            )
            beside = float(report_W.cross)
        else:
            if product is None:
                product = self._product(problem, state, "W", Ht)
            report_W = self._half(
                problem, self.W, X, rows_W, Ht, product, gram_H, method
            )
            gram_W, rhs = gram(W, n), self._product(problem, state, "H", W)
        report_H = self._half(problem, self.H, X.T, rows_H, W, rhs, gram_W, method)
        gram_H = gram(rows_H.solved, n)
        if beside is None:
            beside = self._cross_of_known(problem, state, W, rows_H.solved)
        cross = beside + inner(rhs, rows_H.solved)
        objective = self._measured(
            problem, state, W, rows_H.solved, cross, gram_H, gram_W
        )
        return Pair(
            rows_W, rows_H, report_W, report_H, gram_W, gram_H, gram_H, None, objective
        )

    def _method(
        self, problem: Problem, momentum: float, state: ConstrainedState
    ) -> Method:
        """Return the method of half-steps, with fewer sweeps where fewer products are made."""
        X, method = problem.X, self.base.method(problem, momentum, state)
        if self.base.sweeps is not None or X.on_workers:
            return method
        return with_sweeps_beside(X, method, self.W.fixed | self.H.fixed)

    def _shares_a_pass(self, X: Operand) -> bool:
        """Whether both products of an iteration come from one pass over X, as in "hals"."""
        all_move = not self.H.fixed.any() or X.on_workers
        return self._is_free(X) and not X.by_columns and all_move

    def _knows_some(self, X: Operand) -> bool:
        """Whether such a pass is multiplied by the components of H that are not known."""
        some = self.H.fixed.any() and not self.H.fixed.all()
        return bool(some) and self._is_free(X) and not X.by_columns

    def _solve_there(
        self,
        problem: Problem,
        state: ConstrainedState,
        rows: RowArrays,
        Ht: Array,
        gram_H: Array,
        method: Method,
    ) -> tuple[SolveReport, float]:
        """Solve for W on workers; return the report, and ⟨X, WH⟩."""
        there = state.placed(problem.X, self.W)
        assert there is not None
        sums = there.solve(rows, Ht, gram_H, problem.penalty_W, method)
        return sums.report, inner(sums.rhs, Ht)

    def _is_free(self, X: Operand) -> bool:
        return X.shared_gram and not X.is_weighted and self.W.is_trivial

    def _half(
        self,
        problem: Problem,
        side: FactorConstraints,
        X: Operand,
        rows: RowArrays,
        other: Array,
        rhs: Array,
        gram_other: Array,
        method: Method,
    ) -> SolveReport:
        penalty = problem.penalty_W if side is self.W else problem.penalty_H
        if isinstance(X, ObservedOperand) and X.power == 0:
            rhs, gram_all = majorised_by_rows(X, rows.start, other, rhs)
            l1 = penalty.l1
            if side.has_penalty or not penalty.is_zero:
                return solve_weighted(side, rows, rhs, gram_all, penalty, X, method)
        else:
            rhs, gram_all, l1 = X.majorised(rows.start, other, rhs, gram_other, penalty)
        return side.solve(rows, rhs, gram_all, l1, method, n_threads=X.n_threads)

    def _product(
        self, problem: Problem, state: ConstrainedState, factor: str, other: Array
    ) -> Array:
        return state.product_of(problem.X, factor, other, self.W.fixed, self.H.fixed)

    def _cross_of_known(
        self, problem: Problem, state: ConstrainedState, W: Array, Ht: Array
    ) -> float:
        """Return the part of ⟨X, WH⟩ of the components of H that are known."""
        fixed = self.H.fixed
        if not fixed.any() or problem.X.on_workers:
            return 0.0  # products are made with all of them
        known = state.of_known(problem.X, "W", Ht, fixed)
        return cross_of_known(known, W, fixed)

    # ---- what it is worth

    def _measured(
        self,
        problem: Problem,
        state: ConstrainedState,
        W: Array,
        Ht: Array,
        cross: float,
        gram_H: Array,
        gram_W: Array | None = None,
    ) -> float:
        """Return the objective by products, or entry by entry where these leave no digit."""
        X = problem.X
        gram_W = gram(W, X.n_threads) if gram_W is None else gram_W
        square = square_of(X, W, Ht, gram_W, gram_H)
        loss = problem.loss.from_products(X, cross, square)
        objective = loss + penalties(problem, W, Ht, gram_W, gram_H)
        there = state.placed(problem.X, self.W) or self.W
        objective += there.value(W, gram_W) + self.H.value(Ht, gram_H)
        doubtful = DOUBTFUL[X.dtype] * 0.5 * X.stats().sum_sq
        if X.is_sketch or not objective < doubtful:
            return float(objective)
        return self._value(problem, state, W, Ht, problem.loss.value(X, W, Ht))

    def _value(
        self,
        problem: Problem,
        state: ConstrainedState,
        W: Array,
        Ht: Array,
        loss: float,
    ) -> float:
        there = state.placed(problem.X, self.W) or self.W
        return objective_within((there, self.H), problem, W, Ht, loss)

    def _solve_W(self, problem: Problem, state: ConstrainedState) -> Progress:
        """Do a half-step for W beside a fixed H: the last one, if that is exact."""
        X, W, Ht = problem.X, state.W, state.Ht
        assert state.gram_H is not None
        is_last = self.W.is_solved_exactly
        if is_last and isinstance(X, ObservedOperand):
            return self._solve_apart(problem, state)
        method: Any = Exact() if is_last else self.base.method(problem, 0.0, state)
        rows = RowArrays(W, W)
        if X.on_workers:
            report, cross = self._solve_there(
                problem, state, rows, Ht, state.gram_H, method
            )
        else:
            assert state.product is not None
            report = self._half(
                problem, self.W, X, rows, Ht, state.product, state.gram_H, method
            )
            cross = inner(state.product, W)
        objective = math.nan
        if problem.needs_objective:
            objective = self._measured(problem, state, W, Ht, cross, state.gram_H)
        residual = 0.0 if is_last else share_left(report)
        # of a nearly exact fit only rounding is left
        left = objective + 1e-6 * 0.5 * X.stats().sum_sq
        still = report.decrease <= LEAST_DECREASE[X.dtype] * left
        converged = is_last or residual <= EXACT_ENOUGH * self.base.tol or still
        return Progress(
            objective=np.array([objective]),
            residual=np.array([residual]),
            decrease=np.array([float(report.decrease)]),
            converged=np.array([converged]),
            sweeps=float(report.sweeps) / max(1, len(W)),
        )
