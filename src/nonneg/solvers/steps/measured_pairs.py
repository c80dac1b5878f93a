"""Taking in an iteration of a solver with extrapolation: its pair, and what it tells."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...base.arrays import Array
from ...base.interfaces import Problem, Progress
from ...kernels import RowArrays
from .momentum import SETTLED_WITHIN, ExtrapolatedState
from .quadratic_iteration import factor_penalties

WARM_UP = 3
"""Iterations without momentum at the beginning, as the start may be far from any solution.
After that, an iteration that has halved the objective is followed by one without: factors
that shrink so fast would be extrapolated to nothing."""


def momentum_for(state: ExtrapolatedState) -> float:
    """Return the momentum of the next iteration, which counts as one of a pause."""
    gained = state.decreases[(state.n_iter - 1) % SETTLED_WITHIN]
    if state.n_iter < WARM_UP or state.pause > 0 or gained > state.last:
        state.pause = max(0, state.pause - 1)
        return 0.0
    return state.momentum


def accept(
    state: ExtrapolatedState,
    rows: tuple[RowArrays, RowArrays],
    objective: float,
    residual: float,
    tol: float,
    least: float,
    sweeps: float = 1.0,
) -> Progress:
    """Keep the pair if it is the best one, and set where the next iteration starts.

    Differences of objectives that are at most `least` are rounding.
    """
    gained = note_decrease(state, objective)
    restart = state.advance(*rows, objective)
    converged = state.is_settled(residual, restart, tol, state.best > least)
    return told(objective, residual, gained, converged, sweeps)


def note_decrease(state: ExtrapolatedState, objective: float) -> float:
    """Note by how much an iteration has decreased the objective, and return it."""
    gained = max(0.0, state.last - objective)
    state.decreases[state.n_iter % SETTLED_WITHIN] = gained
    return gained


def told(
    objective: float,
    residual: float,
    gained: float | None,
    converged: bool,
    sweeps: float = 1.0,
) -> Progress:
    """Return the progress of one model."""
    return Progress(
        objective=np.array([objective]),
        residual=np.array([residual]),
        decrease=None if gained is None else np.array([gained]),
        converged=np.array([converged]),
        sweeps=sweeps,
    )


def recast(problem: Problem, state: ExtrapolatedState) -> None:
    """Go on in the dtype of X, from the best pair measured anew by a pass."""
    state.cast(problem.X.dtype)
    value = problem.loss.value(problem.X, state.W, state.Ht)
    state.set_best(value + factor_penalties(problem, state.W, state.Ht))
    state.quiet = 0  # residuals of the new dtype have to be within `tol`


def polished(
    state: ExtrapolatedState, solve: Callable[[Array], Progress], is_best: bool = True
) -> Progress:
    """Take the W that `solve` makes of the best one in place, unless it is worse.

    With `is_best` false, the best objective is not that of the state's pair.
    """
    solved = state.other("W")
    solved[...] = state.W
    progress = solve(solved)
    assert progress.objective is not None
    objective = float(progress.objective[0])
    if math.isfinite(state.best) and is_best and objective > state.best:
        return replace(progress, objective=np.array([state.best]))
    state.W, state.best = solved, objective
    return progress
