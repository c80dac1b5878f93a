"""Solver whose first passes move H after each batch of rows, before `base` takes over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ...base.arrays import Array
from ...base.interfaces import Operand, Problem, Progress, SolverBase
from ...base.passes import Passes
from ..block_least_squares import BlockLeastSquares, BlockLeastSquaresState
from ..hals import Hals
from .staged_state import StagedState

PASSES = 2
"""Number of passes in which H moves after each batch (D-BLOCKS-PASSES)."""


@dataclass(eq=False)
class WarmedUpState(StagedState):
    """The state of the solver in use, and the passes by batches."""

    passes: int = 0
    """Number of passes by batches that are done."""
    handed_over: bool = False
    """Whether `base` has taken over."""


@dataclass(frozen=True, eq=False)
class BlocksFirst(SolverBase):
    """Two passes by batches of rows, then iterations of `base` from their result.

    In passes by batches, H learns from the rows while they are read, and is useful after one
    pass. Later the extrapolation of `base` gains more.

    Parameters
    ----------
    first : BlockLeastSquares
    base : SolverBase
        A solver that `warms_up_by_blocks`.
    """

    name: ClassVar[str] = "blocks-first"
    requires: ClassVar[frozenset[str]] = Hals.requires
    measure: ClassVar[str] = "residual"
    tells_objective: ClassVar[bool] = True
    arrays: ClassVar[int] = max(BlockLeastSquares.arrays, Hals.arrays)
    first: BlockLeastSquares
    base: SolverBase

    def require(self, loss: Any, X: Any) -> None:
        """Refuse a loss or an X that `first` can't be used with."""
        self.first.require(loss, X)

    def passes(self, X: Operand, update_H: bool) -> Passes:
        """Return the passes of `base`, which does most of the iterations."""
        return self.base.passes(X, update_H)._replace(start=0, apart=0)

    def start(self, problem: Problem, W: Array, Ht: Array) -> WarmedUpState:
        """Return the state before the first pass."""
        return WarmedUpState(self.first.start(problem, W, Ht))

    def iterate(self, problem: Problem, state: WarmedUpState) -> Progress:
        """Do a pass by batches, or an iteration of `base`."""
        if state.passes == PASSES and not state.handed_over:
            state.base = self._handed_over(problem, state.base)
            state.handed_over = True
        progress = self._current(state).iterate(problem, state.base)
        state.base.n_iter += 1
        state.passes += not state.handed_over
        return progress

    def polish(self, problem: Problem, state: WarmedUpState) -> Progress | None:
        """Let the solver in use improve its result."""
        self.first.release()
        return self._current(state).polish(problem, state.base)

    def best_objective(self, problem: Problem, state: WarmedUpState) -> float | None:
        """Return the objective of the solver in use."""
        return self._current(state).best_objective(problem, state.base)

    def finish(self, problem: Problem, state: WarmedUpState) -> tuple[Array, Array]:
        """Return the factors of the solver in use."""
        return self._current(state).finish(problem, state.base)

    def _current(self, state: WarmedUpState) -> SolverBase:
        return self.base if state.handed_over else self.first

    def _handed_over(self, problem: Problem, state: BlockLeastSquaresState) -> Any:
        self.first.release()
        return self.base.go_on(problem, state.W, state.Ht, state.gram_H, state.last)
