"""Transforms by a plan, which may solve for independent rows in turn and write to `out`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..base import deadline
from ..base.deadline import OutOfTime
from ..base.interfaces import Operand
from ..base.records import ROWS_LEFT, FactorizationResult, StopReason
from ..base.validation import warn
from ..kernels.factor_rows import to_caller
from ..operands.streamed.disk_rows import DiskRows, release_map
from ..operands.streamed.row_batches import row_batches
from .plan import Plan
from .plan_choices import row_unit
from .plan_units import units_of
from .preparation import require_sound, validate_entries
from .run import run

OUT_ROWS = 1 << 14
"""Number of rows of W that are written to `out` at a time."""


def transform(plan: Plan, out: Any = None) -> Any:
    """Solve for W by a plan; return W, or write it into `out`.

    Where W goes into `out` and its rows don't depend on each other, each batch of
    `plan.rows_at_once` rows is solved for and written in turn. If an entry of X is refused,
    the rows before it may have been written. If time is over, the rows behind those that
    were written keep what `out` holds.
    """
    size = plan.rows_at_once
    if plan.X.unchecked:
        result = _solve_unchecked(plan) if out is None else None
        with deadline.no_limit():
            require_sound(plan.X)
        is_whole = result is not None and np.isfinite(plan.X.stats().sum)
        if result is not None and is_whole and not units_of(plan):
            return write_W(result.W, None)
    if plan.start.has_zero_H and not plan.task.at_scale:
        # H is 0 after a fit of zeros, and then every W is as good
        validate_entries(plan.X)
        return write_W(np.zeros((plan.X.shape[0], plan.k), plan.X.dtype), out)
    if size is None:
        return write_W(run(plan).W, out)
    try:
        return solve_by_rows(plan.X, lambda rows: run(plan.on_rows(rows)), size, out)
    except OutOfTime:
        if plan.limits.max_time is None:
            raise
        warn(ROWS_LEFT.format(max_time=plan.limits.max_time), ConvergenceWarning)
        return out


def _solve_unchecked(plan: Plan) -> FactorizationResult | None:
    """Solve by a pass that looks at the entries of X as well, if the plan makes one.

    The result counts for nothing if an entry is refused, or X or H needs another unit.
    """
    X, is_plain = plan.X, not plan.start.has_zero_H and plan.constraints is None
    if not (
        is_plain and plan.solver.reads_once_for_W and "quadratic" in plan.loss.provides
    ):
        return None
    X.checks_as_read = True
    try:
        return run(plan)
    finally:
        X.checks_as_read = False


def require_room(out: Any, shape: tuple[int, int] | None) -> None:
    """Raise ValueError unless `out` can take W of this shape; None: of any shape."""
    out_shape = tuple(getattr(out, "shape", ()))
    if (
        len(out_shape) == 2
        and hasattr(out, "__setitem__")
        and shape in (None, out_shape)
    ):
        return
    wanted = "(n_samples, n_components)" if shape is None else str(shape)
    msg = (
        f"out must be an array of shape {wanted} that rows can be assigned to; got a "
        f"{type(out).__name__} of shape {out_shape}."
    )
    raise ValueError(msg)


def write_W(W: Any, out: Any) -> Any:
    """Return W in the form for the caller, or write W into `out` and return `out`."""
    if out is None:
        return to_caller(W)
    if not isinstance(W, DiskRows):
        W = to_caller(W)
    require_room(out, W.shape)
    for start in range(0, W.shape[0], OUT_ROWS):
        stop = min(start + OUT_ROWS, W.shape[0])
        out[start:stop] = W[start:stop]
        if isinstance(W, DiskRows):
            W.release(start, stop)
            release_map(out)
    return out


def solve_by_rows(
    X: Operand, solve: Callable[[Operand], FactorizationResult], size: int, out: Any
) -> Any:
    """Write solve(rows) for all rows of X into `out`, batch by batch.

    Parameters
    ----------
    X : Operand of shape (n_samples, n_features)
        Stored by rows.
    solve : callable
        Called as solve(rows) with an operand of some rows. Where its result says that time
        is over, the rows of `out` behind those keep what they hold.
    size : int
        Rows of a batch.
    out : object of shape (n_samples, k) with slice assignment

    Returns
    -------
    out

    Notes
    -----
    The memory holds, beside an X in memory, two windows of X, a few batches, and the arrays
    of `solve`.
    """
    row = 0
    for part in X.windows(row_unit(X)):
        for batch in row_batches(part, size):
            result = solve(batch.X)
            W = result.W
            out[row : row + len(W)] = W
            row += len(W)
            if result.stop_reason is StopReason.MAX_TIME:
                return out
    return out
