"""A fit of dense data that starts on a sketch of X and finishes on X itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...base.arrays import Array
from ...base.interfaces import Operand, Problem, Progress, SolverBase
from .staged_state import StagedState

EXACT_ITERATIONS = 5
"""Least number of iterations on X itself, unless `max_time` or a callback ends the fit."""
SKETCH_TOL = 2e-5
"""`tol` on the sketch, unless the `tol` of the fit is smaller and not 0 (D-SKETCH-TOL)."""

FLAT, FLAT_WITHIN = 1e-4, 10
"""The fit leaves the sketch when the last FLAT_WITHIN iterations have decreased the objective
by no more than the share FLAT of it."""


@dataclass(eq=False)
class CompressedState(StagedState):
    """The state of the solver, on the sketch or on X, and the stage of the fit."""

    exact: int = -1
    """Number of iterations done on X itself; -1 while the fit is on the sketch."""
    gains: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """Smallest objective on the sketch after each of the last FLAT_WITHIN iterations."""


@dataclass(frozen=True, eq=False)
class CompressedStart(SolverBase):
    """Iterates on `sketch` in the place of X until the fit has converged, then on X.

    Objectives are reported only for iterations on X itself.

    Parameters
    ----------
    base : SolverBase
    sketch : Operand
        Compressed X.
    max_iter : int
        Most iterations of the whole fit; the last ones are on X itself.
    """

    name: ClassVar[str] = "compressed"
    requires: ClassVar[frozenset[str]] = frozenset()
    measure: ClassVar[str] = "residual"
    base: SolverBase
    sketch: Operand
    max_iter: int

    @property
    def first(self) -> Any:
        """The solver for the sketch, with the `tol` of the sketch."""
        base: Any = self.base
        tol = SKETCH_TOL if base.tol == 0 else min(base.tol, SKETCH_TOL)
        return replace(base, tol=tol)

    def start(self, problem: Problem, W: Array, Ht: Array) -> CompressedState:
        """Return the state before the first iteration on the sketch."""
        return CompressedState(self.first.start(self._sketched(problem), W, Ht))

    def iterate(self, problem: Problem, state: CompressedState) -> Progress:
        """Do one iteration, on the sketch or on X itself."""
        if state.exact < 0:
            progress: Progress = self.first.iterate(self._sketched(problem), state.base)
            state.base.n_iter += 1
            if self._has_done(state, progress):
                self._go_over(problem, state)
            return replace(
                progress, objective=None, converged=np.zeros_like(progress.converged)
            )
        progress = self.base.iterate(problem, state.base)
        state.base.n_iter += 1
        state.exact += 1
        if state.exact < EXACT_ITERATIONS:
            progress.converged = np.zeros_like(progress.converged)
        return progress

    def polish(self, problem: Problem, state: CompressedState) -> Progress | None:
        """Let `base` polish on X; leave the sketch first, if the fit is still on it."""
        if state.exact < 0:
            self._go_over(problem, state)
        return self.base.polish(problem, state.base)

    def best_objective(self, problem: Problem, state: CompressedState) -> float | None:
        """Return the objective of `base`, on X itself."""
        if state.exact < 0:
            return None
        return self.base.best_objective(problem, state.base)

    def finish(self, problem: Problem, state: CompressedState) -> tuple[Array, Array]:
        """Return the factors of `base`."""
        return self.base.finish(problem, state.base)

    def _has_done(self, state: CompressedState, progress: Progress) -> bool:
        """Whether to leave the sketch: the fit has converged, or iterations run out."""
        value = np.inf if progress.objective is None else progress.objective.min()
        best = min(value, state.gains[-1]) if state.gains.size else value
        state.gains = np.append(state.gains, best)[-FLAT_WITHIN:]
        flat = state.gains.size == FLAT_WITHIN and (
            state.gains[0] - best <= FLAT * abs(best)
        )
        late = state.n_iter + 1 >= self.max_iter - EXACT_ITERATIONS
        return bool(progress.converged.all() or flat or late)

    def _sketched(self, problem: Problem) -> Problem:
        return replace(problem, X=self.sketch)

    def _go_over(self, problem: Problem, state: CompressedState) -> None:
        """Start on X itself, from the factors of the sketch."""
        factors = self.first.finish(self._sketched(problem), state.base)
        state.base = self.base.start(problem, *factors)
        state.exact = 0
