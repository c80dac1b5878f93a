"""Batches of rows of an X in a store, read when they are wanted, one ahead."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ...base.interfaces import Operand
from ..registration import as_operand
from .operand import ChunkedOperand
from .prefetch import awaited, read_rows
from .row_batches import RowBatch


class Loader:
    """Keeps the batch asked for last, and reads the one after it in a thread."""

    def __init__(self, X: ChunkedOperand, ranges: list[slice]) -> None:
        self._X, self._ranges = X, ranges
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nonneg-reader")
        self._number = -1
        self._batch: Operand | None = None
        self._next: tuple[int, Future[Any]] | None = None

    def __call__(self, number: int) -> Operand:
        """The operand of this batch, in memory."""
        if number == self._number and self._batch is not None:
            return self._batch
        self._batch = None  # before another one is there
        coming = self._next
        if coming is None or coming[0] != number:
            coming = number, self._thread.submit(self._read, number)
        self._batch = as_operand(awaited(coming[1]), self._X.n_threads)
        self._number = number
        following = (number + 1) % len(self._ranges)
        self._next = following, self._thread.submit(self._read, following)
        return self._batch

    def release(self) -> None:
        """Let go of the batches in memory."""
        self._batch, self._next = None, None

    def __del__(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _read(self, number: int) -> Any:
        rows = self._ranges[number]
        found = read_rows(self._X.store, rows.start, rows.stop, None)
        return self._X.matrix(found)


class LoadedBatch(RowBatch):
    """Rows that are read when their operand is asked for."""

    narrow = None
    """It would be kept, and with it the batch."""

    def __init__(self, rows: slice, number: int, load: Loader) -> None:
        vars(self).update(rows=rows, number=number, load=load)

    @property
    def X(self) -> Operand:
        """The rows in memory."""
        operand: Operand = vars(self)["load"](vars(self)["number"])
        return operand

    def release(self) -> None:
        """Let go of this batch and the one read ahead."""
        vars(self)["load"].release()


def loaded_batches(X: ChunkedOperand, ranges: list[slice]) -> list[RowBatch]:
    """A batch for each range of rows; two of them are in memory at a time."""
    load = Loader(X, ranges)
    return [LoadedBatch(rows, i, load) for i, rows in enumerate(ranges)]
