"""A fit of dense data that starts on a compressed X and finishes on X itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...base.interfaces import Array, Operand, Problem, Progress, SolverBase
from .staged_state import StagedState

EXACT_ITERATIONS = 5
"""Iterations on X itself that a fit ends with, if it is not ended before."""
SKETCH_TOL = 2e-5
"""`tol` on the compressed X, unless that of the fit is smaller (and not zero). Rank 50 plus
10 % noise, 20,000 × 5,000: at a residual of 1.2e-4, 5e-5 and 8e-6 the objective of X was
0.8, 0.2 and 0.02 % above the best, and iterations on X itself cost ten times as much."""

FLAT, FLAT_WITHIN = 1e-4, 10
"""The compressed X has no more to give when so many iterations gain less than this share
of the objective."""


@dataclass(eq=False)
class CompressedState(StagedState):
    """How far the fit on X itself has come, beside the state of the solver beneath."""

    exact: int = -1
    """Iterations on X itself; -1 on the compressed one."""
    gains: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """Smallest objectives on the compressed X in the last iterations."""


@dataclass(frozen=True, eq=False)
class CompressedStart(SolverBase):
    """Iterates on `sketch` in place of X until that has converged, then on X.

    Objectives are reported for X itself alone.

    Parameters
    ----------
    base : SolverBase
    sketch : Operand
        X compressed.
    max_iter : int
        Iterations of the whole fit; the last ones are on X itself.
    """

    name: ClassVar[str] = "compressed"
    requires: ClassVar[frozenset[str]] = frozenset()
    measure: ClassVar[str] = "residual"
    base: SolverBase
    sketch: Operand
    max_iter: int

    @property
    def first(self) -> Any:
        """The solver for the compressed X, which stops at its own precision."""
        own: Any = self.base
        tol = SKETCH_TOL if own.tol == 0 else min(own.tol, SKETCH_TOL)
        return replace(own, tol=tol)

    def start(self, problem: Problem, W: Array, Ht: Array) -> CompressedState:
        """Start on the compressed X."""
        return CompressedState(self.first.start(self._sketched(problem), W, Ht))

    def iterate(self, problem: Problem, state: CompressedState) -> Progress:
        """One iteration, on the compressed X or on X itself."""
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
        """Go over to X if that is still to be done; what the solver beneath does."""
        if state.exact < 0:
            self._go_over(problem, state)
        return self.base.polish(problem, state.base)

    def finish(self, problem: Problem, state: CompressedState) -> tuple[Array, Array]:
        """Return the factors of the solver beneath."""
        return self.base.finish(problem, state.base)

    def _has_done(self, state: CompressedState, progress: Progress) -> bool:
        """Whether the compressed X has no more to give, or the time is up for it."""
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
        """Start on X itself from where the compressed one has led."""
        factors = self.first.finish(self._sketched(problem), state.base)
        state.base = self.base.start(problem, *factors)
        state.exact = 0
