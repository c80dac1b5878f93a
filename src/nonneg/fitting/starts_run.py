"""Fits of one problem from several starts, one after the other, without a plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from ..base import deadline, validation
from ..base.interfaces import SolverBase, State
from ..base.records import ADVICE, StopReason
from ..base.threads import single_threaded_blas
from . import loop
from .checkpoints.files import Past
from .loop import Limits, Outcome


def run_starts(
    solver: SolverBase,
    problem: Any,
    starts: Iterable[Callable[[], State]],
    limits: Limits,
) -> Outcome:
    """Fit from each start and return the outcome with the smallest objective.

    Parameters
    ----------
    solver : SolverBase
        Its states have the attribute `objective`.
    problem : object
        As the solver takes it.
    starts : iterable of callable
        Each makes the state of a start. The first one is made whatever the time; the others
        as long as there is time left.
    limits : Limits
        `max_time` counts for all starts together.
    """
    best: Outcome | None = None
    with single_threaded_blas(), deadline.time_limit(limits.max_time):
        for make in starts:
            if best is not None and deadline.seconds_left() == 0:
                break
            with deadline.no_limit():
                state = make()
            outcome = loop.run(solver, problem, Past(state), limits)
            if best is None or _value(outcome) < _value(best):
                best = outcome
            if outcome.interrupt is not None:
                best.interrupt, best.stop_reason = (
                    outcome.interrupt,
                    StopReason.INTERRUPTED,
                )
                break
            if outcome.stop_reason is StopReason.CALLBACK:
                break
    assert best is not None
    _warn(best, limits)
    return best


def _value(outcome: Outcome) -> float:
    value = float(outcome.state.objective)
    return math.inf if math.isnan(value) else value


def _warn(outcome: Outcome, limits: Limits) -> None:
    """Warn of an end without convergence, as other fits do."""
    reason = outcome.stop_reason
    early = reason is StopReason.MAX_TIME and outcome.state.n_iter == 0
    if early or (reason is StopReason.MAX_ITER and limits.tol > 0):
        text = ADVICE[reason].format(
            max_iter=limits.max_iter, tol=limits.tol, max_time=limits.max_time or 0
        )
        validation.warn(text, ConvergenceWarning)
