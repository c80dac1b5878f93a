"""Tasks of a pass, each of which does a step on one block of rows, on its worker."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...base import deadline
from ...base.gate import aligned
from ...base.steps import UPDATED, WRITTEN, Step, StepRows, StepShared, added
from ..registration import as_operand
from . import buffer_pool
from .replication import WorkerBlock, picked


def sources(
    parts: Sequence[WorkerBlock | None],
) -> tuple[list[Any], tuple[tuple[int, int | None] | None, ...]]:
    """Return the tasks that hold the parts, and for each part its place in their results.

    A place is the number of the task and the item of its result, see `picked`.
    """
    tasks: dict[str, Any] = {p.task.key: p.task for p in parts if p is not None}
    number = {key: i for i, key in enumerate(tasks)}
    places = (None if p is None else (number[p.task.key], p.item) for p in parts)
    return list(tasks.values()), tuple(places)


@dataclass(frozen=True)
class Common:
    """The inputs that all tasks of a pass have in common."""

    step: Step[Any, Any, Any]
    places: StepRows
    """The step's record of rows, with the number of each array in place of the array."""
    written: list[int]
    """Numbers of the arrays that the step writes or updates."""
    forms: list[tuple[int, Any]]
    """Columns and dtype of each array of rows."""
    shared: Any
    n_threads: int
    until: float | None
    """When the pass must have ended, by the clock of the day."""

    @property
    def n_bytes(self) -> int:
        """Number of bytes that are sent to the workers."""
        return self.shared.n_bytes if isinstance(self.shared, StepShared) else 0


def work_on(common: Common, n_rows: int, places: Any, X_b: Any, *results: Any) -> Any:
    """Do a step on one block; return its sums, then the arrays that it has written.

    The results of other tasks must not be written to. Each array that the step writes is
    therefore new, even if the step also reads the old one.
    """
    old: list[Any] = [
        np.zeros((n_rows, k), dtype)
        if place is None
        else aligned(picked(results, *place))
        for place, (k, dtype) in zip(places, common.forms, strict=True)
    ]
    new = {
        number: buffer_pool.rows.empty((n_rows, k), dtype)
        for number, (k, dtype) in enumerate(common.forms)
        if number in common.written
    }
    for number, use in common.places.uses():
        if use == UPDATED:
            new[number][...] = old[number]
    rows = common.places.changed(
        lambda number, use: new[number] if use in (WRITTEN, UPDATED) else old[number]
    )
    with deadline.time_limit(_seconds_until(common.until)):
        if X_b is None:
            sums = common.step(None, None, rows, common.shared)
        else:
            X = as_operand(aligned(X_b), common.n_threads)
            sums = X.run_pass(common.step, rows, common.shared)
    return (sums, *new.values())


def _seconds_until(end: float | None) -> float | None:
    return None if end is None else max(0.0, end - time.time())


def result_at(results: Any, item: int) -> Any:
    """Return an item of the results of a task."""
    return results[item]


def array_of(result: Any, item: int | None) -> Any:
    """Return the array of a `WorkerBlock`, given the result of its task; run as a task."""
    return picked([result], 0, item)


def add_sums(parts: list[Any]) -> Any:
    """Return the sum of the results of several blocks, added in order."""
    return functools.reduce(added, parts)
