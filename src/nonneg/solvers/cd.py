"""Solver "cd": cyclic coordinate descent, one sweep per half-step.

Its iterates are those of scikit-learn's solver "cd", to rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state

from ..base import deadline
from ..base.arrays import Array
from ..base.interfaces import Operand, Problem, Progress, SolverBase
from ..base.passes import Passes
from ..base.records import Stretch
from .registry import solvers
from .steps import cd_iteration
from .steps.half_steps import HalfStepProgram, run_half_steps
from .steps.quadratic_iteration import penalties

ROUNDINGS = 8
"""Multiple of the unit roundoff, times the size of the gradients' terms, that counts as
rounding: twice the violation at starts that are optimal (D-CD-ROUNDING)."""


@dataclass(eq=False)
class CoordinateDescentState(cd_iteration.AlternationState):
    """The factors, the first iteration's violation and the random stream of `shuffle`."""

    violation_init: float = -1.0
    rounding: float = 0.0
    """Violation of which rounding is the cause, by the factors of the first iteration."""
    random_state: Any = None


@solvers.register("cd")
@dataclass(frozen=True)
class CoordinateDescent(SolverBase):
    """Cyclic coordinate descent on the Frobenius loss [1]_.

    Parameters
    ----------
    tol : float
        The fit has converged when the violation — the sum over both half-steps of
        |projected gradient|, each entry taken just before its update — is at most
        `tol` times the violation of the first iteration, or, unless `tol` is 0, where
        the violation is rounding alone: the start may have been optimal.
    shuffle : bool
        Visit the components in a new random order in each half-step.

    Notes
    -----
    An iteration costs 4·nnz·k flops for the products, read from X once, and
    (n_samples + n_features)·k² multiply-adds for the sweeps and again for the Grams.

    References
    ----------
    .. [1] Cichocki & Phan, "Fast local algorithms for large scale nonnegative matrix
       and tensor factorizations", IEICE Trans. Fundamentals E92-A (2009) 708-721,
       https://doi.org/10.1587/transfun.E92.A.708
    """

    name: ClassVar[str] = "cd"
    requires: ClassVar[frozenset[str]] = frozenset({"quadratic"})
    measure: ClassVar[str] = "violation"
    arrays: ClassVar[int] = 4
    tells_objective: ClassVar[bool] = True
    by_parts: ClassVar[bool] = True
    rows_on_disk: ClassVar[bool] = True
    rows_on_workers: ClassVar[bool] = True
    shares_passes: ClassVar[bool] = True
    advances: ClassVar[bool] = True
    weight_power: ClassVar[float | None] = 0.5
    tol: float = 1e-4
    shuffle: bool = False

    def passes(self, X: Operand, update_H: bool) -> Passes:  # noqa: ARG002
        """Return one pass an iteration, and one before where X is read by columns."""
        return Passes(int(X.by_columns), 1, 0)

    def start(self, problem: Problem, W: Array, Ht: Array) -> CoordinateDescentState:
        """Return the state before the first sweep."""
        base = cd_iteration.start(problem, W, Ht)
        random_state = (
            check_random_state(problem.random_state) if self.shuffle else None
        )
        return CoordinateDescentState(**vars(base), random_state=random_state)

    def iterate(self, problem: Problem, state: CoordinateDescentState) -> Progress:
        """Do one sweep over W and, unless H is fixed, one over H."""
        return run_half_steps(problem.X, self.iteration(problem, state))

    def advance(
        self, problem: Problem, state: CoordinateDescentState, most: int
    ) -> Stretch | None:
        """Do at most so many iterations in one call of the core."""
        if self.shuffle:
            return None
        rule = state.violation_init, self.tol, state.rounding
        is_first = state.violation_init < 0
        if is_first:
            deadline.check()
            rule, most = cd_iteration.NO_RULE, 1 if self.tol > 0 else most
        done = cd_iteration.advance(problem, state, rule, most)
        if done is None:
            return None
        if is_first:
            self._note_first(state, done.violation[0], done.gram_W)
        first, violation = state.violation_init, done.violation
        residual = [v / first for v in violation] if first else [0.0] * len(violation)
        converged = self._has_converged(state, violation[-1])
        return Stretch(done.objective, residual, converged)

    def iteration(
        self, problem: Problem, state: CoordinateDescentState
    ) -> HalfStepProgram:
        """Return the iteration as half-steps that can share a pass."""
        order_W = self._order(state)
        order_H = self._order(state) if problem.update_H else None
        done = yield from cd_iteration.alternate(problem, state, order_W, order_H)
        if state.violation_init < 0:
            self._note_first(state, done.violation, done.gram_W)
        objective = self._objective(problem, state, done)
        return Progress(
            objective=None if objective is None else np.array([objective]),
            residual=np.array([self._ratio(state, done.violation)]),
            decrease=None,
            converged=np.array([self._has_converged(state, done.violation)]),
        )

    def _note_first(
        self, state: CoordinateDescentState, violation: float, gram_W: Array | None
    ) -> None:
        """Keep what the stopping rule needs of the first iteration.

        Factors and `gram_W` are those of that iteration; without a `tol` they do not count.
        """
        state.violation_init = violation
        if self.tol > 0:
            state.rounding = _violation_by_rounding(state, gram_W)

    @staticmethod
    def _ratio(state: CoordinateDescentState, violation: float) -> float:
        return violation / state.violation_init if state.violation_init else 0.0

    def _has_converged(self, state: CoordinateDescentState, violation: float) -> bool:
        is_small = self._ratio(state, violation) <= self.tol
        return is_small or violation <= state.rounding

    def finish(
        self,
        problem: Problem,  # noqa: ARG002
        state: CoordinateDescentState,
    ) -> tuple[Array, Array]:
        """Return the factors; no sweep has raised the objective."""
        return state.W, state.Ht

    def _order(self, state: CoordinateDescentState) -> Any:
        if not self.shuffle:
            return None
        return state.random_state.permutation(state.Ht.shape[1])

    @staticmethod
    def _objective(
        problem: Problem, state: CoordinateDescentState, done: cd_iteration.Alternated
    ) -> float | None:
        """Return the penalised objective, where the half-steps have left its terms."""
        if done.loss is None or done.gram_W is None or state.gram_H is None:
            return None
        return done.loss + penalties(
            problem, state.W, state.Ht, done.gram_W, state.gram_H
        )


def _violation_by_rounding(
    state: CoordinateDescentState, gram_W: Array | None
) -> float:
    """Return the violation that rounding of the gradients leaves at an optimum.

    An entry of a gradient is a difference of two sums of the size of an entry of W·HHᵀ or
    Hᵀ·WᵀW. The sums of these entries are bounded by their columns' norms.
    """
    gram_H = state.gram_H
    if gram_W is None or gram_H is None or gram_W.ndim == 3 or gram_H.ndim == 3:
        return 0.0
    size = 0.0
    for A, gram_A, gram_other in (
        (state.W, gram_W, gram_H),
        (state.Ht, gram_H, gram_W),
    ):
        largest, unit = float(gram_A.max()), float(gram_other.max())
        if not (largest > 0 and unit > 0):
            return 0.0
        scaled = gram_other / unit  # the product may be beyond the range of numbers
        squares = (scaled @ (gram_A / largest) @ scaled).diagonal()
        norms = float(np.sqrt(np.maximum(squares, 0.0)).sum())
        size += math.sqrt(A.shape[0]) * math.sqrt(largest) * unit * norms
    violation = ROUNDINGS * float(np.finfo(state.Ht.dtype).eps) * size
    return violation if math.isfinite(violation) else 0.0
