"""Several models fitted side by side, by one pass over X where they can share it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...base.arrays import Array
from ...base.interfaces import Operand, Problem, Progress, SolverBase, Stored
from ...base.records import Stretch
from ...kernels import gram
from ..steps.half_steps import run_together
from ..steps.quadratic_iteration import penalties
from ..steps.sweep_costs import iteration_cost
from .joint_stretch import ModelStretch, joined, one_after_another, single

ALONE = 3e6
"""Cost of an iteration of a model, in multiply-adds, up to which models do not share passes: calls
of the core for each of them take less time (D-MANY-ALONE)."""


@dataclass(eq=False)
class ManyStartsState(Stored):
    """The states of all models, and the smallest objective that each has reported."""

    models: list[Any]
    last: list[Progress | None]
    best: NDArray[np.float64]
    n_iter: int = 0
    is_rounded: bool = False
    """Whether `best` is of float32, and the fit goes on in float64."""

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
        Solver of each model. If it `shares_passes`, the models share passes over X, unless
        they `go_alone`; else each model reads X for itself.
    problems : sequence of Problem
        The problem of each model; X is that of the problem of a call.
    starts : iterable of (W, Ht)
        The start of each model, which is taken into the dtype of X, kept and written to.
    """

    name: ClassVar[str] = "many-starts"
    requires: ClassVar[frozenset[str]] = frozenset()
    measure: ClassVar[str] = "largest residual"
    advances: ClassVar[bool] = True
    base: SolverBase
    problems: Sequence[Problem]
    starts: Iterable[tuple[Array, Array]]

    def start(self, problem: Problem, W: Array, Ht: Array) -> ManyStartsState:  # noqa: ARG002
        """Return the states of all models; W and Ht are the start of the first."""
        dtype, models = problem.X.dtype, []
        for r, start in enumerate(self.starts):
            # rows on disk or on workers are never of another dtype
            factors = (A if A.dtype == dtype else A.astype(dtype) for A in start)
            models.append(self.base.start(self._of(problem, r), *factors))
        return ManyStartsState(
            models, [None] * len(models), np.full(len(models), np.inf)
        )

    def iterate(self, problem: Problem, state: ManyStartsState) -> Progress:
        """Do one iteration of each model that has not converged."""
        active = _active(state)
        moved = self._iterate(problem, state, active)
        _forget_rounded(state)
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

    def advance(
        self, problem: Problem, state: ManyStartsState, most: int
    ) -> Stretch | None:
        """Do some iterations of one model after the other, in calls of the core.

        None where the models share passes over an X that is not small.
        """
        k = len(problem.penalty_W.l1)
        is_free = problem.penalty_W.is_zero and problem.penalty_H.is_zero
        if not go_alone(self.base, problem.X, k, is_free):
            return None
        moved: dict[int, ModelStretch] = {}
        for r in _active(state):
            done = self._alone(problem, state, most, r, bool(moved))
            if done is None:
                return None
            _forget_rounded(state)
            moved[r] = ModelStretch.of(done, state.best[r])
            state.last[r], state.best[r] = moved[r].last(), moved[r].best
        resting = {
            r: last
            for r, last in enumerate(state.last)
            if r not in moved and last is not None
        }
        return joined(moved, resting, state.best)

    def _alone(
        self,
        problem: Problem,
        state: ManyStartsState,
        most: int,
        r: int,
        in_any_case: bool,
    ) -> Stretch | None:
        """Do so many iterations of a model, unless it converges.

        None, unless they are to be done in any case: there is no such call of the core.
        """
        of_model, model = self._of(problem, r), state.models[r]
        parts: list[Stretch] = []
        left = most
        while left > 0 and not (parts and parts[-1].has_converged):
            # a call may end early
            part = self.base.advance(of_model, model, left)
            if part is None and not (parts or in_any_case):
                return None
            part = part or single(self.base.iterate(of_model, model))
            parts.append(part)
            model.n_iter += len(part.residual)
            left -= len(part.residual)
        return one_after_another(parts)

    def recast(self, problem: Problem, state: ManyStartsState) -> None:
        """Go on in the dtype of X; all models have to converge there."""
        for r, (model, last) in enumerate(zip(state.models, state.last, strict=True)):
            self.base.recast(self._of(problem, r), model)
            if last is not None:
                last.converged = np.zeros_like(last.converged)
        state.is_rounded = True

    def polish(self, problem: Problem, state: ManyStartsState) -> Progress | None:
        """Polish the best model by its solver."""
        self.evaluate(problem, state)
        r = state.leader
        progress = self.base.polish(self._of(problem, r), state.models[r])
        if progress is not None:
            value = _reported(progress)
            if not state.is_rounded or value == np.inf:
                value = min(state.best[r], value)
            # it stays the best, also where others seem to be lower by the rounding of float32
            state.best = np.maximum(state.best, np.nextafter(value, np.inf))
            state.best[r] = value
            progress.objective = state.best.copy()
        return progress

    def best_objective(self, problem: Problem, state: ManyStartsState) -> float | None:
        """Return the objective of the best model."""
        r = state.leader
        return self.base.best_objective(self._of(problem, r), state.models[r])

    def finish(self, problem: Problem, state: ManyStartsState) -> tuple[Array, Array]:
        """Return the factors of the best model."""
        self.evaluate(problem, state)
        r = state.leader
        return self.base.finish(self._of(problem, r), state.models[r])

    def _of(self, problem: Problem, r: int) -> Problem:
        return replace(self.problems[r], X=problem.X)

    def _iterate(
        self, problem: Problem, state: ManyStartsState, active: list[int]
    ) -> list[Progress]:
        models = [(self._of(problem, r), state.models[r]) for r in active]
        if not self.base.shares_passes:
            return [self.base.iterate(*model) for model in models]
        iterations = [self.base.iteration(*model) for model in models]
        return run_together(problem.X, iterations)

    def evaluate(self, problem: Problem, state: ManyStartsState) -> None:
        """Compute the objectives that the last iteration has not reported."""
        for r, last in enumerate(state.last):
            if last is not None and _reported(last) < np.inf:
                continue
            of_model = self._of(problem, r)
            W, Ht = self.base.finish(of_model, state.models[r])
            grams = (gram(A, problem.X.n_threads) for A in (W, Ht))
            value = problem.loss.value(problem.X, W, Ht) + penalties(
                of_model, W, Ht, *grams
            )
            state.best[r] = value if np.isfinite(value) else np.finfo(float).max
            if last is not None:  # so that no later call computes it again
                last.objective = np.array([state.best[r]])


def go_alone(base: SolverBase, X: Operand, k: int, is_free: bool) -> bool:
    """Whether models by this solver do their iterations one model after the other.

    Those that could share passes over X do so if X is small, in memory and without weights, and the
    models are free of penalties, as a call of the core then does several iterations.
    """
    if not base.advances:
        return False
    is_plain = is_free and not (X.in_parts or X.on_workers or X.is_weighted)
    return not base.shares_passes or (is_plain and iteration_cost(X, k) <= ALONE)


def _active(state: ManyStartsState) -> list[int]:
    """Return the numbers of the models that have not converged."""
    return [
        r
        for r, last in enumerate(state.last)
        if last is None or not last.converged.all()
    ]


def _forget_rounded(state: ManyStartsState) -> None:
    """Forget objectives of float32 when the first iterations in float64 are done."""
    if state.is_rounded:
        state.best, state.is_rounded = np.full_like(state.best, np.inf), False


def _reported(progress: Progress) -> float:
    """Return the objective of one model's progress, infinite where it reports none."""
    if progress.objective is None:
        return float("inf")
    value = float(progress.objective.min())
    return value if np.isfinite(value) else float("inf")
