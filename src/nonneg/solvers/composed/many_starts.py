"""Several models fitted side by side, by one pass over X where they can share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...base.arrays import Array
from ...base.interfaces import Problem, Progress, SolverBase, Stored
from ...kernels import gram
from ..steps.half_steps import run_together
from ..steps.quadratic_iteration import penalties


@dataclass(eq=False)
class ManyStartsState(Stored):
    """The states of all models, and the smallest objective that each has reported."""

    models: list[Any]
    last: list[Progress | None]
    best: NDArray[np.float64]
    n_iter: int = 0

    @property
    def leader(self) -> int:
        """Number of the model with the smallest objective so far, the first of equals."""
        return int(np.argmin(self.best))

    @property
    def W(self) -> Array:
        """W of the best model."""
        W: Array = self.models[self.leader].W
        return W

    @property
    def Ht(self) -> Array:
        """Hᵀ of the best model."""
        Ht: Array = self.models[self.leader].Ht
        return Ht


@dataclass(frozen=True, eq=False)
class ManyStarts(SolverBase):
    """Iterates on R models with one solver; models that have converged drop out.

    Parameters
    ----------
    base : SolverBase
        Solver of each model. If it `shares_passes`, the models share passes over X, else
        each model reads X for itself.
    problems : sequence of Problem
        The problem of each model; they differ in their random states alone.
    starts : sequence of (W, Ht)
        The start of each model, which is kept and written to.
    """

    name: ClassVar[str] = "many-starts"
    requires: ClassVar[frozenset[str]] = frozenset()
    measure: ClassVar[str] = "largest residual"
    base: SolverBase
    problems: Sequence[Problem]
    starts: Sequence[tuple[Array, Array]]

    def start(self, problem: Problem, W: Array, Ht: Array) -> ManyStartsState:  # noqa: ARG002
        """Return the states of all models; W and Ht are the start of the first."""
        models = [
            self.base.start(model_problem, *start)
            for model_problem, start in zip(self.problems, self.starts, strict=True)
        ]
        return ManyStartsState(
            models, [None] * len(models), np.full(len(models), np.inf)
        )

    def iterate(self, problem: Problem, state: ManyStartsState) -> Progress:
        """Do one iteration of each model that has not converged."""
        active = [
            r
            for r, last in enumerate(state.last)
            if last is None or not last.converged.all()
        ]
        moved = self._iterate(problem, state, active)
        for r, progress in zip(active, moved, strict=True):
            state.models[r].n_iter += 1
            state.last[r] = progress
            state.best[r] = min(state.best[r], _reported(progress))
        done = [progress for progress in state.last if progress is not None]
        known = np.array([_reported(progress) < np.inf for progress in done])
        return Progress(
            objective=np.where(known, state.best, np.nan),
            residual=np.concatenate([p.residual for p in done]),
            decrease=None,
            converged=np.concatenate([p.converged for p in done]),
            sweeps=float(np.mean([progress.sweeps for progress in moved])),
        )

    def polish(self, problem: Problem, state: ManyStartsState) -> Progress | None:  # noqa: ARG002
        """Polish the best model by its solver."""
        self.evaluate(state)
        r = state.leader
        progress = self.base.polish(self.problems[r], state.models[r])
        if progress is not None:
            state.best[r] = min(state.best[r], _reported(progress))
            progress.objective = state.best.copy()
        return progress

    def best_objective(self, problem: Problem, state: ManyStartsState) -> float | None:  # noqa: ARG002
        """Return the objective of the best model."""
        r = state.leader
        return self.base.best_objective(self.problems[r], state.models[r])

    def finish(self, problem: Problem, state: ManyStartsState) -> tuple[Array, Array]:  # noqa: ARG002
        """Return the factors of the best model."""
        self.evaluate(state)
        r = state.leader
        return self.base.finish(self.problems[r], state.models[r])

    def _iterate(
        self, problem: Problem, state: ManyStartsState, active: list[int]
    ) -> list[Progress]:
        models = [(self.problems[r], state.models[r]) for r in active]
        if not self.base.shares_passes:
            return [self.base.iterate(*model) for model in models]
        iterations = [self.base.iteration(*model) for model in models]
        return run_together(problem.X, iterations)

    def evaluate(self, state: ManyStartsState) -> None:
        """Compute the objectives that the last iteration has not reported."""
        for r, last in enumerate(state.last):
            if last is not None and _reported(last) < np.inf:
                continue
            problem, model = self.problems[r], state.models[r]
            W, Ht = self.base.finish(problem, model)
            grams = (gram(A, problem.X.n_threads) for A in (W, Ht))
            value = problem.loss.value(problem.X, W, Ht) + penalties(
                problem, W, Ht, *grams
            )
            state.best[r] = value if np.isfinite(value) else np.finfo(float).max
            if last is not None:  # so that no later call computes it again
                last.objective = np.array([state.best[r]])


def _reported(progress: Progress) -> float:
    """Return the objective of one model's progress, infinite where it reports none."""
    if progress.objective is None:
        return float("inf")
    value = float(progress.objective.min())
    return value if np.isfinite(value) else float("inf")
