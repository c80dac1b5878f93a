"""A fit whose first passes move H after each of several blocks of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ...base.interfaces import Array, Problem, Progress, SolverBase
from ..block_least_squares import Incremental, IncrementalState
from ..hals import Hals
from .staged_state import StagedState

PASSES = 2
"""Passes by blocks. Passes to 3, 1 and 0.3 % above the best objective, 40 blocks, 32
components, without, one, two, and nothing else: shifted copies of Fashion-MNIST, 630,000
rows, two starts, 11 17 27, 5 11 32, 5 12 30, 5 19 never and 10 17 33, 5 15 27, 5 12 33, 6 20
never; Fashion-MNIST itself, three starts, 10 17 30, 9 26 never, 10 22 never, 17 52 never;
13 27 never, 10 18 57, 8 21 52, 8 40 never; 12 24 39, 9 17 22, 7 14 40, 8 25 never. Counts of a
topic model, 2,000,000 x 30,000, k = 20: to 0.01 % 9 without, and 1."""


@dataclass(eq=False)
class LedState(StagedState):
    """How far the passes by blocks are, beside the state of the solver in use."""

    passes: int = 0
    """Passes by blocks that are done."""
    handed_over: bool = False


@dataclass(frozen=True, eq=False)
class BlocksFirst(SolverBase):
    """Two passes by blocks of rows, then what `base` does from there.

    By blocks H learns from rows as they come and is of use after one pass; to the end
    the extrapolation of `base` gains more.

    Parameters
    ----------
    first : Incremental
    base : SolverBase
        One that `warms_up_by_blocks`.
    """

    name: ClassVar[str] = "blocks-first"
    requires: ClassVar[frozenset[str]] = Hals.requires
    measure: ClassVar[str] = "residual"
    arrays: ClassVar[int] = max(Incremental.arrays, Hals.arrays)
    first: Incremental
    base: SolverBase

    def require(self, loss: Any, X: Any) -> None:
        """Refuse what can't be gone through by blocks."""
        self.first.require(loss, X)

    def start(self, problem: Problem, W: Array, Ht: Array) -> LedState:
        """State before the first pass."""
        return LedState(self.first.start(problem, W, Ht))

    def iterate(self, problem: Problem, state: LedState) -> Progress:
        """A pass by blocks, or an iteration of `base`."""
        if state.passes == PASSES and not state.handed_over:
            state.base = self._handed_over(problem, state.base)
            state.handed_over = True
        progress = self._current(state).iterate(problem, state.base)
        state.base.n_iter += 1
        state.passes += not state.handed_over
        return progress

    def polish(self, problem: Problem, state: LedState) -> Progress | None:
        """Let the solver in use improve its result."""
        self.first.batches[0].release()
        return self._current(state).polish(problem, state.base)

    def finish(self, problem: Problem, state: LedState) -> tuple[Array, Array]:
        """Return the factors of the solver in use."""
        return self._current(state).finish(problem, state.base)

    def _current(self, state: LedState) -> SolverBase:
        return self.base if state.handed_over else self.first

    def _handed_over(self, problem: Problem, state: IncrementalState) -> Any:
        self.first.batches[0].release()
        return self.base.go_on(problem, state.W, state.Ht, state.gram_H, state.last)
