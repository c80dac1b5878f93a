"""A fit of float64 data that starts in float32 and finishes in float64."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...base.arrays import Array
from ...base.interfaces import SCRATCH, Problem, Progress, SolverBase
from ...base.records import Stretch
from ...kernels.factor_rows import column_squares
from ...operands.units import is_ordinary
from .many_starts import ManyStarts
from .staged_state import StagedState

FLAT, FLAT_WITHIN = 2e-8, 5
"""The fit goes over to float64 when the last FLAT_WITHIN iterations that told an objective have
decreased it by no more than this share of the loss's `size` (½‖X‖²; for a β-divergence the mean
of X to the power of β, for each entry), and the last one is as near: objectives in float32 have
errors of a third of it (D-SINGLE-START)."""
LEAST = 1e-3
"""Share of that size below which it goes over at once (D-SINGLE-START)."""


@dataclass(eq=False)
class SingleState(StagedState):
    """The state of the solver, in float32 or float64."""

    is_single: bool = True
    """Whether the iterations still go in float32."""
    best: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """Smallest objective after each of the last FLAT_WITHIN iterations in float32, of each model."""
    X: Any = field(default=None, metadata=SCRATCH)
    """X in float32 as an operand, until it is no longer needed."""

    @property
    def W(self) -> Array:
        """W of the solver, in float64."""
        return super().W.astype(np.float64, copy=False)

    @property
    def Ht(self) -> Array:
        """Hᵀ of the solver, in float64."""
        return super().Ht.astype(np.float64, copy=False)

    def kept_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return the dtype of the factors of `base`."""
        return np.dtype(np.float32) if self.is_single else dtype


@dataclass(frozen=True, eq=False)
class SingleStart(SolverBase):
    """Iterates on X in float32 until that brings little, then on X itself.

    The objectives of the first stage are those of X in float32, which differ by rounding. A fit
    converges in float64 alone, goes on there with its momentum, and is polished there. The copy
    of X is freed before the factors take their place in float64.

    Parameters
    ----------
    base : SolverBase
        A solver that `recasts`.
    """

    name: ClassVar[str] = "single-start"
    requires: ClassVar[frozenset[str]] = frozenset()
    measure: ClassVar[str] = "residual"
    advances: ClassVar[bool] = True
    base: SolverBase

    def start(self, problem: Problem, W: Array, Ht: Array) -> SingleState:
        """Return the state before the first iteration.

        It is in float64 where float32 is too narrow for the factors.
        """
        if not _is_ordinary(W, Ht):
            return SingleState(self.base.start(problem, W, Ht), is_single=False)
        X = problem.X.in_single()
        factors = (A.astype(np.float32) for A in (W, Ht))
        return SingleState(self.base.start(replace(problem, X=X), *factors), X=X)

    def iterate(self, problem: Problem, state: SingleState) -> Progress:
        """Do one iteration, in float32 or float64."""
        progress: Progress = self.base.iterate(self._of(problem, state), state.base)
        state.base.n_iter += 1
        if state.is_single:
            values = np.nan if progress.objective is None else progress.objective
            self._judge(problem, state, values, bool(progress.converged.all()))
            progress.converged = np.zeros_like(progress.converged)
        return progress

    def advance(
        self, problem: Problem, state: SingleState, most: int
    ) -> Stretch | None:
        """Do some iterations in one call of the core; in float32 one, which may be the last."""
        most = 1 if state.is_single else most
        done = self.base.advance(self._of(problem, state), state.base, most)
        if done is None:
            return None
        state.base.n_iter += len(done.residual)
        if state.is_single:
            told = done.objectives or done.objective
            self._judge(problem, state, told[-1], done.has_converged)
            return replace(done, has_converged=False)
        return done

    def polish(self, problem: Problem, state: SingleState) -> Progress | None:
        """Let `base` polish in float64; go over to it first, if that is still to be done."""
        self._go_over(problem, state)
        return self.base.polish(problem, state.base)

    def best_objective(self, problem: Problem, state: SingleState) -> float | None:
        """Return the objective of `base`; NaN in float32, which differs by rounding."""
        if state.is_single:
            return np.nan
        return self.base.best_objective(problem, state.base)

    def finish(self, problem: Problem, state: SingleState) -> tuple[Array, Array]:
        """Return the factors of `base`, in float64."""
        W, Ht = self.base.finish(self._of(problem, state), state.base)
        return W.astype(np.float64, copy=False), Ht.astype(np.float64, copy=False)

    def _of(self, problem: Problem, state: SingleState) -> Problem:
        if not state.is_single:
            return problem
        if state.X is None:  # the fit has been resumed
            state.X = problem.X.in_single()
        return replace(problem, X=state.X)

    def _judge(
        self, problem: Problem, state: SingleState, value: Any, converged: bool
    ) -> None:
        """Go over to float64 if an iteration with these objectives was the last in float32."""
        best = value = np.atleast_1d(np.asarray(value, dtype=np.float64))
        if np.isnan(value).all() and not converged and not _reports(self.base):
            return
        if state.best.size:
            best = np.minimum(value, state.best[-1])
            best = np.vstack([state.best, best])[-FLAT_WITHIN:]
        state.best = np.atleast_2d(best)
        last, size = state.best[-1], problem.loss.size(problem.X)
        decrease = state.best[0] - last
        # far above the best one it is on its way back from too large a step
        spread = max(decrease.max(), (value - last).max())
        is_flat = len(state.best) == FLAT_WITHIN and spread <= FLAT * size
        # false where an objective is not known
        is_far = bool((last > LEAST * size).all())
        if converged or is_flat or not is_far:
            self._go_over(problem, state)

    def _go_over(self, problem: Problem, state: SingleState) -> None:
        if state.is_single:
            state.X = None
            self.base.recast(problem, state.base)
            state.is_single = False


def _reports(solver: SolverBase) -> bool:
    """Whether each iteration of a solver, or of that of several models, tells its objective."""
    one = solver.base if isinstance(solver, ManyStarts) else solver
    return one.reports_objective


def _is_ordinary(W: Array, Ht: Array) -> bool:
    """Whether the factors have norms with which float32 can compute."""
    squares = (float(column_squares(A).max(initial=0)) for A in (W, Ht))
    return all(is_ordinary(square, np.float32) for square in squares)
