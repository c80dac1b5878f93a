"""The only loop over outer iterations: counts, times, records, calls back and stops.

The loop knows no solver, loss or storage by name: `SolverBase.iterate` hides their
differences.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base import deadline
from ..base.interfaces import Problem, Progress, SolverBase
from ..base.live_bar import PROGRESS, LiveBar, fit_callback
from ..base.records import History, Iteration, StopReason, Stretch
from .checkpoints.files import Checkpoints, Past
from .pace import Pace

MARGIN = 1.2
"""An iteration may take so many times as long as the one before it."""

Callback = Callable[[Iteration], bool | None]
"""Called after each iteration; a true return value ends the fit."""


@dataclass(frozen=True, eq=False, repr=False)
class Limits:
    """Limits at which the loop ends, with its callback, verbosity and live bar.

    The callback moves the bar, which the loop opens and closes.
    """

    max_iter: int
    tol: float
    max_time: float | None = None
    callback: Callback | None = None
    verbose: int = 0
    bar: LiveBar | None = None

    @classmethod
    def shown(
        cls,
        max_iter: int,
        tol: float,
        max_time: float | None,
        callback: Callback | None,
        verbose: int | str,
    ) -> Limits:
        """Return limits of which `verbose` may be "progress"."""
        if verbose != PROGRESS:
            return cls(max_iter, tol, max_time, callback, int(verbose))
        bar = LiveBar()
        moved = fit_callback(bar, callback, max_time)
        return cls(max_iter, tol, max_time, moved, bar=bar)


@dataclass(eq=False, repr=False)
class Outcome:
    """State after the last iteration, the reason for the end, and the history.

    `whole` is false where the state is that of a part of an iteration.
    """

    state: Any
    stop_reason: StopReason
    history: History
    interrupt: KeyboardInterrupt | None = None
    whole: bool = True


def run(
    solver: SolverBase,
    problem: Problem,
    past: Past,
    limits: Limits,
    checkpoints: Checkpoints | None = None,
) -> Outcome:
    """Iterate until the solver converges or a limit is reached.

    The loop catches a KeyboardInterrupt, so that the caller can return the factors so far.
    The outcome carries the interrupt, and the caller raises it again. The end of the time of
    the call cuts an iteration short in the same way. The loop writes checkpoints between
    iterations, and the last one at the end.
    """
    with limits.bar or nullcontext():
        return _iterate(solver, problem, past, limits, checkpoints)


def _iterate(
    solver: SolverBase,
    problem: Problem,
    past: Past,
    limits: Limits,
    checkpoints: Checkpoints | None,
) -> Outcome:
    state, whole = past.state, True
    reason, interrupt = StopReason.MAX_ITER, None
    try:
        if past.converged_at is not None and past.converged_at <= limits.tol:
            return Outcome(state, StopReason.CONVERGED, past.history)
        start, before = time.perf_counter(), past.seconds
        pace = _pace(solver, problem, limits, checkpoints)
        while state.n_iter < limits.max_iter:
            whole = False
            left = limits.max_iter - state.n_iter
            progress = pace.advance(solver, problem, state, left)
            elapsed, previous = time.perf_counter() - start, past.seconds
            _take_in(past, progress, before + elapsed, limits.tol)
            whole = True
            ended = _ended(solver, limits, past, progress, elapsed)
            if ended is None and checkpoints is not None:
                ended = _write_if_due(checkpoints, past, past.seconds - previous)
            if ended is not None:
                reason = ended
                break
    except deadline.OutOfTime:
        reason = StopReason.MAX_TIME
    except KeyboardInterrupt as error:
        reason, interrupt = StopReason.INTERRUPTED, error
    except Exception:
        _write_after_error(checkpoints if whole else None, past)
        raise
    if checkpoints is not None and whole:
        reason, interrupt = _write_last(checkpoints, past, reason, interrupt)
    return Outcome(state, reason, past.history, interrupt, whole)


def _take_in(past: Past, done: Progress | Stretch, seconds: float, tol: float) -> None:
    """Count and record iterations before the callback runs, since that may raise an error.

    Those of a stretch count as equally long.
    """
    history, n_iter = past.history, 1
    if isinstance(done, Progress):
        _record(history, done, seconds)
    else:
        n_iter = len(done.residual)
        history.objective.extend(done.objective)
        history.residual.extend(done.residual)
        history.sweeps.extend(done.sweeps or [1.0] * n_iter)
        history.objectives.extend(done.objectives or [])
        if n_iter > 1:
            share = (seconds - past.seconds) / n_iter
            inner = past.seconds + share * np.arange(1, n_iter)
            history.seconds.extend(inner.tolist())
        history.seconds.append(seconds)
    past.state.n_iter += n_iter
    past.seconds = seconds
    past.converged_at = tol if done.has_converged else None


def _write_after_error(checkpoints: Checkpoints | None, past: Past) -> None:
    if checkpoints is not None:
        with deadline.no_limit():
            checkpoints.write_final(past)


def _write_if_due(
    checkpoints: Checkpoints, past: Past, iteration: float
) -> StopReason | None:
    """Write a checkpoint if it is due, or end the fit: there is no time for an iteration.

    `iteration` is the seconds that the last one took. A fit could not go on from a part of an
    iteration, so the last checkpoint is made before it.
    """
    left = deadline.seconds_left()
    if left is not None and left < MARGIN * iteration:
        return StopReason.MAX_TIME
    with deadline.no_limit():
        checkpoints.write_if_due(past)
    return None


def _pace(
    solver: SolverBase,
    problem: Problem,
    limits: Limits,
    checkpoints: Checkpoints | None,
) -> Pace:
    """Return the pace: single iterations where somebody asks for something after each."""
    heard = limits.callback is not None or checkpoints is not None
    if heard or (limits.verbose and solver.measure):
        return Pace.by_single(problem) if solver.advances else Pace(0.0)
    return Pace.of(problem) if solver.advances else Pace()


def _write_last(
    checkpoints: Checkpoints,
    past: Past,
    reason: StopReason,
    interrupt: KeyboardInterrupt | None,
) -> tuple[StopReason, KeyboardInterrupt | None]:
    """Write the last checkpoint; an interrupt meanwhile counts as one of the fit."""
    try:
        with deadline.no_limit():
            checkpoints.write_final(past)
    except KeyboardInterrupt as error:
        return StopReason.INTERRUPTED, error
    return reason, interrupt


def _ended(
    solver: SolverBase,
    limits: Limits,
    past: Past,
    progress: Progress | Stretch,
    elapsed: float,
) -> StopReason | None:
    """Print the iteration and call back; return the reason to end the fit, or None."""
    n_iter, prints = past.state.n_iter, bool(limits.verbose and solver.measure)
    if prints:
        print(f"{solver.measure}:", past.history.residual[-1])  # noqa: T201
    if _wants_stop(limits, n_iter, past.history, past.seconds):
        return StopReason.CALLBACK
    if progress.has_converged:
        if prints:
            print("Converged at iteration", n_iter)  # noqa: T201
        return StopReason.CONVERGED
    over = limits.max_time is not None and elapsed >= limits.max_time
    if over or deadline.seconds_left() == 0:
        return StopReason.MAX_TIME
    return None


def polish(solver: SolverBase, problem: Problem, outcome: Outcome) -> None:
    """Let the solver improve its result; if it does, add a row to the history.

    An interrupt, or the end of the time of the call, ends the improvement, and the earlier
    result stays.
    """
    if outcome.interrupt is not None:
        return
    start = time.perf_counter()
    try:
        deadline.check()
        progress = solver.polish(problem, outcome.state)
    except deadline.OutOfTime:
        outcome.stop_reason = StopReason.MAX_TIME
        return
    except KeyboardInterrupt as interrupt:
        outcome.interrupt, outcome.stop_reason = interrupt, StopReason.INTERRUPTED
        return
    if progress is not None:
        before = outcome.history.seconds[-1] if outcome.history.seconds else 0.0
        _record(outcome.history, progress, before + time.perf_counter() - start)


def _record(history: History, progress: Progress, seconds: float) -> None:
    """Append an iteration to the history, with the objective of the best model."""
    objective = progress.objective
    values = [] if objective is None else [float(v) for v in objective]
    known = [value for value in values if math.isfinite(value)]
    history.objective.append(min(known, default=math.nan))
    if objective is not None and (objective.size > 1 or history.objectives):
        history.objectives.append(objective)
    history.residual.append(float(max(progress.residual)))
    history.sweeps.append(float(progress.sweeps))
    history.seconds.append(seconds)


def _wants_stop(limits: Limits, n_iter: int, history: History, seconds: float) -> bool:
    """Ask the callback whether to end the fit."""
    if limits.callback is None:
        return False
    record = Iteration(
        n_iter=n_iter,
        objective=history.objective[-1],
        residual=history.residual[-1],
        seconds=seconds,
        max_iter=limits.max_iter,
        tol=limits.tol,
    )
    with deadline.no_limit():
        return bool(limits.callback(record))
