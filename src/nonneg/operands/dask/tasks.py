"""Tasks of a pass, each of which does a step on one block of rows, on its worker."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...base.steps import UPDATED, WRITTEN, Step, StepRows, StepShared, added
from ..registration import as_operand
from . import buffer_pool
from .replication import WorkerBlock, picked


def sources(
    parts: Sequence[WorkerBlock | None],
) -> tuple[list[Any], tuple[tuple[int, int | None] | None, ...]]:
    """Return the tasks of some results, and for each result its place among them."""
    tasks: dict[str, Any] = {p.task.key: p.task for p in parts if p is not None}
    number = {key: i for i, key in enumerate(tasks)}
    places = (None if p is None else (number[p.task.key], p.at) for p in parts)
    return list(tasks.values()), tuple(places)


@dataclass(frozen=True)
class Common:
    """The inputs that all tasks of a pass have in common."""

    step: Step[Any, Any, Any]
    places: StepRows
    """The rows of the step, with the number of an array in the place of each."""
    written: list[int]
    forms: list[tuple[int, Any]]
    """Columns and dtype of each array of rows."""
    shared: Any
    n_threads: int

    @property
    def n_bytes(self) -> int:
        """Number of bytes that are sent to the workers."""
        return self.shared.n_bytes if isinstance(self.shared, StepShared) else 0


def work_on(common: Common, n_rows: int, places: Any, X_b: Any, *found: Any) -> Any:
    """Do a step on one block; return its sums, then the arrays that it has written.

    The result of another task must not be written to, so each array that the step writes is
    a new one, even if the step reads the old one in another place.
    """
    given: list[Any] = [
        np.zeros((n_rows, k), dtype) if place is None else picked(found, *place)
        for place, (k, dtype) in zip(places, common.forms, strict=True)
    ]
    own = {
        at: buffer_pool.rows.empty((n_rows, k), dtype)
        for at, (k, dtype) in enumerate(common.forms)
        if at in common.written
    }
    for at, use in common.places.uses():
        if use == UPDATED:
            own[at][...] = given[at]
    rows = common.places.changed(
        lambda at, use: own[at] if use in (WRITTEN, UPDATED) else given[at]
    )
    if X_b is None:
        sums = common.step(None, None, rows, common.shared)
    else:
        X = as_operand(X_b, common.n_threads)
        sums = X.run_pass(common.step, rows, common.shared)
    return (sums, *own.values())


def result_at(results: Any, at: int) -> Any:
    """Return an item of the results of a task."""
    return results[at]


def array_of(result: Any, at: int | None) -> Any:
    """Return the array of a `WorkerBlock`; it is run as a task of its own."""
    return picked([result], 0, at)


def add_sums(parts: list[Any]) -> Any:
    """Return the sum of the results of several blocks, added in order."""
    return functools.reduce(added, parts)
