"""Several iterations of "sn" in one call of the core, with the results of single ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...base.interfaces import Problem, Progress
from ...base.records import Stretch
from ...kernels import stretches
from .extrapolated_stretch import TakingTurns, rule_of, solved_rows
from .momentum import ExtrapolatedState


def advance(
    problem: Problem,
    state: ExtrapolatedState,
    tol: float,
    numbers: tuple[Any, ...],
    accept: Callable[..., Progress],
    most: int,
) -> Stretch | None:
    """Do at most so many iterations in one call of the core, or None if it can't.

    Parameters
    ----------
    problem : Problem
    state : ExtrapolatedState
    tol : float
    numbers : tuple
        Fields of `NewtonRule`.
    accept : callable
        Called with the arrays of W and of H, the violation and the value of an iteration that
        ends the call, as its objective is rounding or not finite; returns its progress.
    most : int
    """
    core = stretches
    if core is None or not _is_possible(problem, state):
        return None
    X, rule = problem.X, core.NewtonRule(*numbers)
    if not state.last > rule.least:
        return None
    with TakingTurns(state) as (factors, momentum):
        done = core.newton_stretch(
            (X.by_rows, X.T.by_rows),
            factors,
            momentum,
            rule_of(X.dtype, tol),
            rule,
            most,
        )
    if done is None:
        return None
    objective, residual, _ = (column.tolist() for column in done.reports.T)
    converged = done.converged
    if done.pending:
        state.n_iter += len(objective)
        rows = tuple(map(solved_rows, factors))
        progress = accept(rows, done.violation, done.value)
        state.n_iter -= len(objective)
        assert progress.objective is not None
        objective.append(float(progress.objective[0]))
        residual.append(float(progress.residual[0]))
        converged = bool(progress.converged[0])
    sweeps = [float(rule.sweeps)] * len(objective)
    return Stretch(objective, residual, converged, sweeps)


def _is_possible(problem: Problem, state: ExtrapolatedState) -> bool:
    """Whether the core takes this X and these factors."""
    X = problem.X
    return (
        stretches.is_in_memory(X.by_rows, state.start_W, state.start_H)
        and not X.is_weighted
        and problem.penalty_W.is_zero
        and problem.penalty_H.is_zero
    )
