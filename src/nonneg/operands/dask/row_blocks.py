"""The cut of X into blocks of rows, and the tasks of a pass over them."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast
from uuid import uuid4

import numpy as np

from ...base import deadline
from ...base.arrays import Array
from ...base.steps import UPDATED, WRITTEN, Step, StepRows
from .replication import (
    WorkerBlock,
    active_client,
    awaited,
    future_of,
    near,
    require_some,
    twinned,
)
from .tasks import Common, add_sums, result_at, sources, work_on

SPLIT_EVERY = 8
"""Number of partial sums that one task of the tree adds up."""
INLINE_BYTES = 4 << 20
"""The common inputs of tasks are sent with each task if that takes fewer bytes in all. Else
they are the result of a task of their own, which costs one more message, but no more traffic."""
LEAST_PASSES, MOST_PASSES, KEEP_SHARE = 5, 50, 0.03
"""Rows are replicated after LEAST_PASSES passes, as soon as that takes at most KEEP_SHARE of
the time since the last time, and after MOST_PASSES in any case."""


class HeldRows(Protocol):
    """Rows of a factor whose blocks are held by workers, see `WorkerRows`."""

    parts: list[WorkerBlock | None]
    shape: tuple[int, int]
    dtype: np.dtype[Any]


class Blocks:
    """The cut of X into blocks of rows, and the tasks on them; arrays of rows belong to it.

    Parameters
    ----------
    bounds : ndarray of int
        First row of each block, then the end of the last one.
    n_threads : int
        Threads of one task.
    """

    def __init__(self, bounds: Array, n_threads: int = 1) -> None:
        self.bounds, self.n_threads = bounds, n_threads
        self._arrays: weakref.WeakSet[HeldRows] = weakref.WeakSet()
        self._passes = 0
        self._since, self._cost = time.monotonic(), 0.0
        self._kept: Any = None
        """The last replicas, from which the present rows come; held until the next ones."""
        self._workers: set[str] = set()
        self._before: list[Any] = []
        """Results of the last pass that are no longer needed."""

    @property
    def sizes(self) -> list[int]:
        """Rows of each block."""
        return [int(n) for n in np.diff(self.bounds)]

    def sent(self, arrays: Sequence[Array]) -> list[Any]:
        """Send an array for each block to the workers, which hold them."""
        import dask

        name = f"nonneg_start-{uuid4().hex}"
        parts = [
            dask.delayed(A, name=f"{name}-{b}", traverse=False)
            for b, A in enumerate(arrays)
        ]
        return list(persisted(parts))

    def enter(self, rows: HeldRows) -> None:
        """Note an array of rows, to be replicated with the others."""
        self._arrays.add(rows)

    def run(
        self,
        step: Step[Any, Any, Any],
        rows: StepRows,
        shared: Any,
        X: Sequence[Any] | None = None,
        n_columns: int = 0,
    ) -> Any:
        """Run a step as one task for each block, and add up the results in a tree of tasks.

        `X` has the blocks of X, of `n_columns` columns; None is for steps on rows alone.
        """
        import dask

        deadline.check()
        self._keep_if_lost()
        arrays: list[HeldRows] = []

        def number_of(A: HeldRows, _: str) -> int:
            number = next((i for i, B in enumerate(arrays) if B is A), len(arrays))
            arrays[number:] = arrays[number:] or [A]
            return number

        places = rows.changed(number_of)
        written = sorted({i for i, use in places.uses() if use in (WRITTEN, UPDATED)})
        forms = [(A.shape[1], A.dtype) for A in arrays]
        label, token = step.name, uuid4().hex
        left = deadline.seconds_left()
        until = None if left is None else time.time() + left
        common: Any = Common(
            step, places, written, forms, shared, self.n_threads, until
        )
        sums_bytes = n_columns * max(k * dtype.itemsize for k, dtype in forms)
        # if they are small, the last sums of the tree are added up here: a message less
        few = max(common.n_bytes, sums_bytes) * SPLIT_EVERY <= INLINE_BYTES
        if common.n_bytes * len(self.sizes) > INLINE_BYTES:
            common = dask.delayed(common, traverse=False, name=f"nonneg_H-{token}")
        work = dask.delayed(work_on, pure=False, traverse=False)
        get = dask.delayed(result_at, pure=False)
        outs, sums = [], []
        for b, n_rows in enumerate(self.sizes):
            tasks, sources_of = sources([A.parts[b] for A in arrays])
            out = work(
                common, n_rows, sources_of, None if X is None else X[b], *tasks,
                dask_key_name=f"nonneg_{label}-{token}-{b}",
            )  # fmt: skip
            outs.append(out)
            sums.append(get(out, 0, dask_key_name=f"nonneg_sums-{token}-{b}"))
        ends = tree(sums, add_sums, SPLIT_EVERY if few else 1)
        started = persisted([*outs, *ends])
        kept, ends = started[: len(outs)], list(started[len(outs) :])
        self._before = []
        total = add_sums(self.awaited(ends))
        # these results are released after the tasks of the next pass have been sent: messages
        # of a client are 10 ms apart
        self._before = [ends, *(arrays[number].parts for number in written)]
        for item, number in enumerate(written, start=1):
            arrays[number].parts = [WorkerBlock(out, item) for out in kept]
        if written:
            self._passes += 1
            self._keep_if_due()
        return total

    def _keep_if_due(self) -> None:
        """Replicate all rows if that takes a small share of the time, or is overdue."""
        since = time.monotonic() - self._since
        late = self._passes >= MOST_PASSES
        if late or (self._passes >= LEAST_PASSES and KEEP_SHARE * since >= self._cost):
            self.keep()

    def _keep_if_lost(self) -> None:
        """Replicate all rows anew if some of them may be on one worker alone."""
        client = active_client()
        if client is None:
            return
        before, self._workers = self._workers, require_some(client, self._workers)
        lost = bool(before - self._workers)
        if lost or (self._kept and len(self._workers) > 1 and near(client, self._kept)):
            self.keep()

    def awaited(self, tasks: Sequence[Any]) -> list[Any]:
        """Wait for tasks and return their results."""
        client = active_client()
        if client is None:
            return [computed(task) for task in tasks]
        futures = [future_of(task) for task in tasks]
        results: list[Any] = client.gather(awaited(client, futures, self._workers))
        return results

    def keep(self) -> None:
        """Replicate all rows on two workers, and detach them from the tasks that made them.

        Otherwise a scheduler would remember every task of the fit, and run all of them again
        when a worker is lost.
        """
        client = active_client()
        begun = time.monotonic()
        arrays = [A for A in self._arrays if A.parts[0] is not None]
        if client is not None and arrays:
            blocks = [
                [cast(WorkerBlock, A.parts[b]) for A in arrays]
                for b in range(len(self.sizes))
            ]
            kept = twinned(client, blocks)
            for i, A in enumerate(arrays):
                A.parts = [WorkerBlock(block, i) for block in kept]
            self._kept = kept
        self._passes, self._since = 0, time.monotonic()
        self._cost = self._since - begun


def tree(parts: list[Any], add: Callable[[list[Any]], Any], most: int = 1) -> list[Any]:
    """Join tasks by levels of `SPLIT_EVERY` until there are at most `most`; return these."""
    import dask

    join = dask.delayed(add, pure=False)
    while len(parts) > most:
        parts = [
            join(
                parts[i : i + SPLIT_EVERY],
                dask_key_name=f"nonneg_add-{uuid4().hex}",
            )
            for i in range(0, len(parts), SPLIT_EVERY)
        ]
    return parts


def persisted(graph: list[Any]) -> tuple[Any, ...]:
    """Start tasks whose results stay on the workers."""
    import dask

    # H is sent in the graph, so that it can be sent again after the loss of a worker
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}):
        results: tuple[Any, ...] = dask.persist(*graph)
    return results


def computed(task: Any) -> Any:
    """Compute a task and return its result in this process."""
    import dask

    return dask.compute(task)[0]
