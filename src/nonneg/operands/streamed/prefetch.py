"""Reading of an X in parts for a pass: the order of windows, and a thread one ahead."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ...base import deadline
from ...base.arrays import Array
from ...base.gate import LARGEST_INT32
from ...stores.base import StoreBase
from ...stores.read_errors import StoreError, describe_reason

POLL = 0.05
"""Seconds after which signals are handled while waiting for a read."""


class TaskBlocks(NamedTuple):
    """Blocks first:last, which belong to one task of a pass."""

    task: int
    first: int
    last: int


Schedule = Iterator[list[TaskBlocks]]


def schedule_reads(
    bounds: list[int], n_streams: int, size: Callable[[int, int], int], budget: int
) -> Schedule:
    """Yield the windows of a pass: lists of blocks of tasks.

    The blocks of a task come in order. Tasks that fit together into a window are read whole.
    Larger ones are read side by side, `n_streams` at a time, so that all threads have work.

    Parameters
    ----------
    bounds : list of int
        Task i owns the blocks bounds[i]:bounds[i + 1].
    n_streams : int
        Number of tasks that are read side by side; 1 reads all rows in their order.
    size : callable
        Called as size(first, last): bytes of the blocks first:last.
    budget : int
        Most bytes of a window, unless one block of each stream takes more.
    """
    tasks = [
        (i, first, last)
        for i, (first, last) in enumerate(pairwise(bounds))
        if first < last
    ]
    while tasks:
        group = [tasks.pop(0)]
        total = size(*group[0][1:])
        while tasks and (
            len(group) < n_streams or total + size(*tasks[0][1:]) <= budget
        ):
            group.append(tasks.pop(0))
            total += size(*group[-1][1:])
        if total <= budget:
            yield [TaskBlocks(*task) for task in group]
            continue
        next_block = {task: first for task, first, _ in group}
        while open_tasks := [(i, last) for i, _, last in group if next_block[i] < last]:
            share = budget // len(open_tasks)
            window = []
            for task, last in open_tasks:
                first = next_block[task]
                next_block[task] = _fitting(first, last, size, share)
                window.append(TaskBlocks(task, first, next_block[task]))
            yield window


def _fitting(first: int, last: int, size: Callable[[int, int], int], share: int) -> int:
    """Return the end of the blocks from `first` on that take `share` bytes, by bisection."""
    low, high = first + 1, last
    while low < high:
        middle = (low + high + 1) // 2
        if size(first, middle) <= share:
            low = middle
        else:
            high = middle - 1
    return low


def awaited(coming: Future[Any]) -> Any:
    """Return the result of a read in a thread; signals are handled while waiting."""
    while True:
        try:
            return coming.result(POLL)
        except TimeoutError:
            if coming.done():
                raise
            deadline.check()


class Reader:
    """Reads the windows of one pass in a thread, one ahead of the one in use."""

    def __init__(
        self,
        store: StoreBase,
        schedule: Schedule,
        block: int,
        n_rows: int,
        buffers: Buffers,
    ) -> None:
        self._store, self._schedule, self._block, self._n_rows = (
            store,
            schedule,
            block,
            n_rows,
        )
        self._buffers = buffers
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nonneg-reader")
        self._number = 0
        self._current: list[tuple[int, int, int, int, Any]] = []
        self._coming = self._submit()

    def take(self) -> list[tuple[int, int, int, int, Any]] | None:
        """Return the next window, a list of (task, first, last, row, rows), or None.

        The memory of the window before is then overwritten.
        """
        self._current = []
        if self._coming is None:
            return None
        window: list[tuple[int, int, int, int, Any]] = awaited(self._coming)
        self._coming = self._submit()
        self._current = window  # the kernels see its memory, not its objects
        return window

    def close(self) -> None:
        """End the thread, after the read that it is at."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _submit(self) -> Future[Any] | None:
        parts = next(self._schedule, None)
        if parts is None:
            return None
        self._number += 1
        return self._thread.submit(self._read, parts, self._number % 2)

    def _read(
        self, parts: list[TaskBlocks], which: int
    ) -> list[tuple[int, int, int, int, Any]]:
        ranges = [
            (part.first * self._block, min(part.last * self._block, self._n_rows))
            for part in parts
        ]
        places = self._buffers.places(which, [stop - start for start, stop in ranges])
        return [
            (*part, start, read_rows(self._store, start, stop, place))
            for part, (start, stop), place in zip(parts, ranges, places, strict=True)
        ]


class Buffers:
    """Two arrays for dense windows, which are kept from pass to pass."""

    def __init__(self, store: StoreBase) -> None:
        self._store = store
        self._arrays: list[Array | None] = [None, None]

    def places(self, which: int, n_rows: list[int]) -> list[Array | None]:
        """Return an array for each item of a window, with `n_rows` rows."""
        if self._store.sparse or self._store.lends:
            return [None] * len(n_rows)
        total, array = sum(n_rows), self._arrays[which]
        if array is None or len(array) < total:
            self._arrays[which] = None  # gives its memory free before the larger one
            array = np.empty((total, self._store.shape[1]), self._store.dtype)
            self._arrays[which] = array
        ends = np.cumsum(n_rows).tolist()
        return [array[end - n : end] for end, n in zip(ends, n_rows, strict=True)]


_locks: WeakKeyDictionary[Any, threading.Lock] = WeakKeyDictionary()


def read_rows(store: StoreBase, start: int, stop: int, out: Array | None) -> Any:
    """Return rows start:stop as the kernels take them; an error names these rows."""
    try:
        # a pass and the batch that is read ahead may read at the same time
        with _locks.setdefault(store.source, threading.Lock()):
            if start == 0:
                store.require_unchanged()
            rows = store.read(start, stop, out)
    except StoreError:
        raise
    except Exception as error:
        reason = describe_reason(error) or type(error).__name__
        msg = f"Rows {start:,} to {stop:,} of X can't be read: {reason}."
        raise OSError(msg) from error
    if rows.shape != (stop - start, store.shape[1]):
        msg = (
            f"Rows {start:,} to {stop:,} of X were read with the shape {rows.shape}; X "
            "must not change while it is fitted."
        )
        raise OSError(msg)
    if not store.sparse:
        return rows
    largest = max(len(rows.indices), store.shape[1])
    if (
        largest > LARGEST_INT32
    ):  # the kernels count columns and entries of a window by int32
        msg = (
            f"Rows {start:,} to {stop:,} of X have {len(rows.indices):,} entries in "
            f"{store.shape[1]:,} columns; both may be {LARGEST_INT32:,} at most where X is read "
            "in parts. Fit such an X in memory, or leave columns out."
        )
        raise OSError(msg)
    indices, indptr = (
        A.astype(np.int32, copy=False) for A in (rows.indices, rows.indptr)
    )
    return rows.data, indices, indptr, store.shape[1]
