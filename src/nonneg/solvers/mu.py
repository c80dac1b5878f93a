"""Solver "mu": multiplicative updates, for every loss that is a sum over entries."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

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
from ..base.records import Stretch
from ..kernels import Multiplicative, RowArrays, gram
from ..kernels.factor_rows import empty_like, extrapolate
from ..kernels.term_records import TermSums
from ..operands.base import matmul
from .registry import solvers
from .steps import mu_steps
from .steps.half_steps import solve_half_of
from .steps.mu_steps import (
    apply_sums,
    by_products,
    least_entries,
    sums_for,
    update_rows,
)
from .steps.quadratic_iteration import factor_penalties
from .steps.recasting import cast_arrays
from .steps.zero_lifting import unstick

EVERY = 10
"""The objective is computed, and convergence tested, every so many iterations."""
WARM_UP = 20
"""Ordinary updates with which an accelerated fit begins for β < 1 (D-MU-WARM-UP)."""
MOST_LIFTS = 10
"""Most times that a converged fit goes on because zeros were lifted."""


@dataclass(eq=False)
class MultiplicativeState(State):
    """The factors, the last errors and, with acceleration, the factors before these."""

    numerator: Array | None = None
    """Sums of the negative terms for W, where X is read by columns or H is fixed."""
    denominator: Array | None = None
    """Sums of the positive terms for W, or HHᵀ where products give them."""
    error_init: float = math.nan
    error: float = math.nan
    residual: float = 1.0
    lifts: int = 0
    before_W: Array | None = None
    before_H: Array | None = None
    nesterov: float = field(default=1.0, metadata={"range": (1.0, 1e100)})
    last: float = math.inf
    """Objective measured in the last accelerated iteration."""


@solvers.register("mu")
@dataclass(frozen=True)
class MultiplicativeUpdates(SolverBase):
    """Multiplicative updates that majorise and minimise the loss [1]_ [2]_.

    The iterates are those of scikit-learn's solver "mu", to rounding, except that an L2
    penalty on a β-divergence with β < 2 is minimised exactly.

    Parameters
    ----------
    tol : float
        Tested every tenth iteration: the fit has converged when sqrt(2·loss) has
        decreased since the last test by less than `tol` times its value at the start.
        Zeros at which the optimality conditions don't hold are then lifted, which a
        multiplicative update can't do, and the fit goes on.
    accelerate : bool
        Start each update from the factor extrapolated along its increases [3]_; an
        update that has raised the objective is replaced by an ordinary one. For losses
        whose update is a plain ratio: β-divergences with 0 ≤ β ≤ 2. For β < 1 steps are
        by the ratio itself, not by its root, unless there is an L2 penalty: they are longer,
        and don't raise the objective either. The first 20 updates are then ordinary ones.

    Notes
    -----
    With k components, an iteration costs 8·k flops per entry of X; for β = 1 and 2 per
    stored entry, and (n_samples + n_features)·k² multiply-adds more for β = 2. X is
    read once an iteration.

    References
    ----------
    .. [1] Lee & Seung, "Algorithms for non-negative matrix factorization", Advances in
       Neural Information Processing Systems 13 (2001).
    .. [2] Févotte & Idier, "Algorithms for nonnegative matrix factorization with the
       β-divergence", Neural Computation 23 (2011) 2421-2456,
       https://doi.org/10.1162/NECO_a_00168
    .. [3] Hien, Leplat & Gillis, "Block majorization minimization with extrapolation
       and application to β-NMF", https://doi.org/10.48550/arXiv.2401.06646
    """

    name: ClassVar[str] = "mu"
    requires: ClassVar[frozenset[str]] = frozenset({"terms"})
    measure: ClassVar[str] = "decrease of the error"
    arrays: ClassVar[int] = 5
    by_parts: ClassVar[bool] = True
    rows_on_disk: ClassVar[bool] = True
    rows_on_workers: ClassVar[bool] = True
    positive_start: ClassVar[bool] = True
    reports_objective: ClassVar[bool] = False
    accelerates: ClassVar[bool] = True
    advances: ClassVar[bool] = True
    recasts: ClassVar[bool] = True
    weight_power: ClassVar[float | None] = 0.0
    tol: float = 1e-4
    accelerate: bool = False

    def require(self, loss: LossBase, X: Operand) -> None:
        """Refuse to accelerate where the update is no plain ratio."""
        if not self.accelerate:
            return
        terms = loss.relaxed().terms(X)
        if terms.rise + terms.fall == 1:
            return
        msg = (
            "accelerate=True needs 0 <= beta_loss <= 2; got the "
            f"{loss.name} loss. Pass accelerate=False."
        )
        raise ValueError(msg)

    def passes(self, X: Operand, update_H: bool) -> Passes:  # noqa: ARG002
        """Return one pass an iteration; one for the error at the start, which `tol` needs."""
        return Passes(int(self.tol > 0) + int(X.by_columns), 1, 0)

    def start(self, problem: Problem, W: Array, Ht: Array) -> MultiplicativeState:
        """Return the state before the first iteration; `tol` > 0 costs one more pass."""
        state = MultiplicativeState(W, Ht)
        X, loss = problem.X, problem.loss
        if self._by_one_product(problem):
            known = problem.gram_H
            state.numerator = matmul(X, Ht)
            state.denominator = gram(Ht, X.n_threads) if known is None else known
        if self.tol > 0:
            state.error_init = state.error = loss.error(self._value(problem, state))
        if X.by_columns and state.numerator is None:
            self._carry(state, sums_for(loss, X.T, Ht, W))
        if self.accelerate:
            state.before_W, state.before_H = W, Ht
        return state

    def recast(self, problem: Problem, state: MultiplicativeState) -> None:
        """Go on in the dtype of X; the next update counts as one that does not raise it."""
        names = ("W", "Ht", "before_W", "before_H", "numerator", "denominator")
        cast_arrays(state, names, problem.X.dtype)
        state.last = math.inf

    def iterate(self, problem: Problem, state: MultiplicativeState) -> Progress:
        """Do one update of W and one of H."""
        if self.accelerate and not self._ordinary_left(problem, state):
            self._accelerated(problem, state)
        else:
            self._plain(problem, state)
        objective, converged = None, False
        if (state.n_iter + 1) % EVERY == 0:
            objective, converged = self._test(problem, state)
        return Progress(
            objective=None if objective is None else np.array([objective]),
            residual=np.array([state.residual]),
            decrease=None,
            converged=np.array([converged]),
        )

    def advance(
        self, problem: Problem, state: MultiplicativeState, most: int
    ) -> Stretch | None:
        """Do at most so many updates with the arguments of the core made once."""
        if self.accelerate:
            most = min(most, self._ordinary_left(problem, state))
        updates = self._updates(problem, state) if most > 0 else None
        if updates is None:
            return None
        updates.carry(state.numerator, state.denominator)
        objectives: list[float] = []
        residuals: list[float] = []
        converged, lifts = False, state.lifts
        # zeros that are lifted end the stretch: the sums are then others
        while len(residuals) < most and not converged and state.lifts == lifts:
            to_test = EVERY - (state.n_iter + len(residuals)) % EVERY
            times = min(to_test, most - len(residuals))
            updates.move(times)
            objectives += [math.nan] * times
            residuals += [state.residual] * times
            if times == to_test:
                state.numerator, state.denominator = updates.carried()
                objectives[-1], converged = self._test(problem, state)
                residuals[-1] = state.residual
        if state.lifts == lifts:
            state.numerator, state.denominator = updates.carried()
        return Stretch(objectives, residuals, converged)

    @staticmethod
    def _ordinary_left(problem: Problem, state: MultiplicativeState) -> int:
        """Return how many ordinary updates come before the first accelerated one."""
        has_longer = problem.loss.relaxed() is not problem.loss
        return max(0, WARM_UP - state.n_iter) if has_longer else 0

    def _updates(self, problem: Problem, state: MultiplicativeState) -> Any:
        """Return the updates of an iteration with their arguments made once, or None."""
        W, Ht = state.W, state.Ht
        if problem.update_H:
            return mu_steps.updates_of(problem, W, Ht, least_entries(problem))
        if not self._by_one_product(problem):
            return None
        return mu_steps.row_updates(problem, W, state.numerator, state.denominator)

    def _test(self, problem: Problem, state: MultiplicativeState) -> tuple[float, bool]:
        """Return the objective, and whether the fit has converged."""
        value = self._value(problem, state)
        objective = float(value + factor_penalties(problem, state.W, state.Ht))
        return objective, self._converged(problem, state, value, objective)

    def _value(self, problem: Problem, state: MultiplicativeState) -> float:
        """Return the loss, by the products that the state holds if it holds them."""
        X, W, Ht, loss = problem.X, state.W, state.Ht, problem.loss
        if not self._by_one_product(problem):
            return loss.value(X, W, Ht)
        known = self._carried(state)
        return loss.value_beside(X, W, Ht, known.numerator, known.denominator)

    def _by_one_product(self, problem: Problem) -> bool:
        """Whether X·Hᵀ of a fixed H gives the terms, so that X is not read again."""
        fixed = not (problem.update_H or self.accelerate)
        return fixed and by_products(problem.loss, problem.X)

    def _plain(self, problem: Problem, state: MultiplicativeState) -> None:
        X, loss, W, Ht = problem.X, problem.loss, state.W, state.Ht
        penalty_W, penalty_H = problem.penalty_W, problem.penalty_H
        if self._by_one_product(problem):
            products = self._carried(state)
            solve_half_of(
                X, RowArrays(W, W), Ht, products.numerator, products.denominator,
                penalty_W, Multiplicative(),
            )  # fmt: skip
            return
        least_W, least_H = least_entries(problem)
        if not X.by_columns:
            sums = update_rows(
                loss, X, (W, W), Ht, penalty_W,
                accumulate=problem.update_H, least=least_W,
            )  # fmt: skip
            if problem.update_H:
                Ht[...] = apply_sums(loss, X, Ht, sums, penalty_H, least_H)
            return
        carried = self._carried(state)
        W[...] = apply_sums(loss, X, W, carried, penalty_W, least_W)
        if problem.update_H:
            rows = (Ht, Ht)
            sums = update_rows(loss, X.T, rows, W, penalty_H, least=least_H)
        else:
            sums = sums_for(loss, X.T, Ht, W)
        self._carry(state, sums)

    @staticmethod
    def _carry(state: MultiplicativeState, sums: TermSums) -> None:
        state.numerator, state.denominator = sums.numerator, sums.denominator

    @staticmethod
    def _carried(state: MultiplicativeState) -> TermSums:
        assert state.numerator is not None
        assert state.denominator is not None
        return TermSums(state.numerator, state.denominator)

    def _accelerated(self, problem: Problem, state: MultiplicativeState) -> None:
        """Update both extrapolated factors; do an ordinary update if the objective rose."""
        weight, following = _momentum(state.nesterov)
        measured = self._extrapolated(problem, state, weight, following)
        if measured > state.last and weight > 0:
            state.W, state.Ht = state.before_W, state.before_H  # type: ignore[assignment]
            state.nesterov = 1.0
            if problem.X.by_columns:
                sums = sums_for(problem.loss, problem.X.T, state.Ht, state.W)
                self._carry(state, sums)
            self._accelerated(problem, state)
            return
        state.nesterov, state.last = following, measured

    def _extrapolated(
        self,
        problem: Problem,
        state: MultiplicativeState,
        weight: float,
        following: float,
    ) -> float:
        """Update both factors, extrapolated by `weight`; return an objective on the way.

        `following` is the next number of Nesterov's sequence. The objective is that of
        the new W and the extrapolated H; where X is read by columns, that of the W from
        which the next update starts and the new H.
        """
        X, loss = problem.X, problem.loss
        assert state.before_W is not None
        assert state.before_H is not None
        from_W = extrapolate(state.W, state.before_W, weight)
        from_H = state.Ht
        if problem.update_H:
            from_H = extrapolate(state.Ht, state.before_H, weight)
        penalty_W, penalty_H = problem.penalty_W, problem.penalty_H
        loss_W, loss_H = (_relaxed(loss, one) for one in (penalty_W, penalty_H))
        least_W, least_H = least_entries(problem)
        if X.by_columns:
            carried = self._carried(state)
            W = apply_sums(loss_W, X, from_W, carried, penalty_W, least_W)
            # the next update starts from this W extrapolated, and needs the sums there
            at_W = extrapolate(W, state.W, _momentum(following)[0])
            Ht, at_H = empty_like(from_H), from_H
            if problem.update_H:
                rows = (from_H, Ht)
                sums = update_rows(
                    loss_H, X.T, rows, W, penalty_H,
                    value=True, least=least_H, after=at_W,
                )  # fmt: skip
                at_H = Ht
            else:
                sums, Ht = sums_for(loss, X.T, from_H, at_W, value=True), from_H
            self._carry(state, sums)
            measured_at = at_W, at_H
        else:
            W = empty_like(from_W)
            sums = update_rows(
                loss_W, X, (from_W, W), state.Ht, penalty_W,
                accumulate=problem.update_H, value=True, least=least_W, after=from_H,
            )  # fmt: skip
            Ht = from_H
            if problem.update_H:
                Ht = apply_sums(loss_H, X, from_H, sums, penalty_H, least_H)
            measured_at = W, from_H
        state.before_W, state.before_H = state.W, state.Ht
        state.W, state.Ht = W, Ht
        assert sums.value is not None
        return float(sums.value) + factor_penalties(problem, *measured_at)

    def _converged(
        self,
        problem: Problem,
        state: MultiplicativeState,
        value: float,
        objective: float,
    ) -> bool:
        """Whether scikit-learn's test holds and no zeros were left to lift."""
        if self.tol == 0:
            return False
        error = problem.loss.error(value)
        gained = state.error - error
        state.error = error
        state.residual = gained / state.error_init if state.error_init > 0 else 0.0
        if not math.isfinite(state.residual):
            state.residual = 1.0
            return False
        if state.residual >= self.tol:
            return False
        if state.lifts >= MOST_LIFTS or not unstick(problem, state, objective):
            return True
        state.lifts += 1
        if problem.X.by_columns and not self._by_one_product(problem):
            self._carry(state, sums_for(problem.loss, problem.X.T, state.Ht, state.W))
        if self.accelerate:
            state.before_W, state.before_H = state.W, state.Ht
            state.nesterov, state.last = 1.0, math.inf
        return False


def _momentum(nesterov: float) -> tuple[float, float]:
    """Return the weight of the last change and the next number of Nesterov's sequence."""
    following = 0.5 * (1 + math.sqrt(1 + 4 * nesterov**2))
    return (nesterov - 1) / following, following


def _relaxed(loss: LossBase, penalty: Penalty) -> LossBase:
    """Return the loss whose steps may be longer, without an L2 penalty."""
    return loss if penalty.Q.any() else loss.relaxed()
