"""X cut into batches of rows: views of an X in memory, or read when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ...base.interfaces import Operand
from ...kernels.csr_format import known_canonical
from ..sparse import SparseOperand
from .prefetch import awaited

FEW = 0.6
"""Largest share of the features in a batch for which it gets a form of its own."""


class Narrow(NamedTuple):
    """A sparse batch with the columns alone in which it has entries."""

    features: NDArray[np.intp]
    """Numbers of these columns in X, in order."""
    X: Operand
    """The batch with these columns, followed by one column without entries."""


@dataclass(frozen=True, eq=False)
class RowBatch:
    """Consecutive rows of X."""

    rows: slice
    X: Operand

    def release(self) -> None:
        """Free the memory of this batch and its neighbours; `X` can read it again."""

    @cached_property
    def narrow(self) -> Narrow | None:
        """The batch with its own columns alone; None if these are most of all columns.

        It shares the entries with X; their column numbers are new.
        """
        X = self.X.native()
        if not (sp.issparse(X) and X.format == "csr" and self.X.shared_gram):
            return None
        n_rows, n_features = X.shape
        present = np.zeros(n_features, dtype=bool)
        present[X.indices] = True
        features = np.flatnonzero(present)
        if features.size > FEW * n_features:
            return None
        number = np.zeros(n_features, dtype=X.indices.dtype)
        number[features] = np.arange(features.size)
        shape = (n_rows, features.size + 1)
        part = known_canonical(X.data, number[X.indices], X.indptr, shape)
        return Narrow(features, SparseOperand(part, self.X.n_threads))


class BatchReader:
    """Keeps the batch asked for last, and reads the one after it in a thread."""

    def __init__(self, X: Operand, ranges: Sequence[slice]) -> None:
        self._X, self._ranges = X, ranges
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nonneg-reader")
        self._number = -1
        self._batch: Operand | None = None
        self._next: tuple[int, Future[Operand]] | None = None

    def batch(self, number: int) -> Operand:
        """Return the operand of batch `number`, in memory."""
        if number == self._number and self._batch is not None:
            return self._batch
        self._batch = None  # before another one is there
        coming = self._next
        if coming is None or coming[0] != number:
            coming = number, self._thread.submit(self._read, number)
        batch: Operand = awaited(coming[1])
        self._batch, self._number = batch, number
        following = (number + 1) % len(self._ranges)
        self._next = following, self._thread.submit(self._read, following)
        return batch

    def release(self) -> None:
        """Free the batches in memory."""
        self._batch, self._next = None, None

    def __del__(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _read(self, number: int) -> Operand:
        batch = self._X.cut_rows(self._ranges[number])
        assert batch is not None
        return batch


class ReadBatch(RowBatch):
    """Rows that are read when their operand is asked for."""

    narrow = None
    """None, since it would be kept, and with it the batch."""

    def __init__(self, rows: slice, number: int, reader: BatchReader) -> None:
        vars(self).update(rows=rows, number=number, reader=reader)

    @property
    def X(self) -> Operand:
        """The rows in memory."""
        reader: BatchReader = vars(self)["reader"]
        return reader.batch(vars(self)["number"])

    def release(self) -> None:
        """Free this batch and the one read ahead."""
        vars(self)["reader"].release()


def row_batches(X: Operand, size: int) -> list[RowBatch]:
    """Cut X, which is stored by rows, into batches of `size` rows; the last is smaller.

    If X is read in parts, two batches are in memory at a time.

    Raises
    ------
    ValueError
        If X is of a kind that can't be cut.
    """
    n_rows = X.shape[0]
    if size >= n_rows:
        return [RowBatch(slice(0, n_rows), X)]
    ranges = [
        slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size)
    ]
    if X.in_parts and not X.on_workers:
        reader = BatchReader(X, ranges)
        return [ReadBatch(rows, i, reader) for i, rows in enumerate(ranges)]
    batches = []
    for rows in ranges:
        part = X.cut_rows(rows)
        if part is None:
            msg = (
                f"X, which is {X.kind}, can't be cut into batches of {size} rows. Pass a "
                "NumPy array or a SciPy sparse matrix, or batches of it to `partial_fit`."
            )
            raise ValueError(msg)
        batches.append(RowBatch(rows, part))
    return batches


class RowBatches(Sequence[RowBatch]):
    """The batches of an X, cut when the first of them is asked for.

    An X that is stored by columns is copied for it. `release` lets go of the copy and of
    what was read; they are made again if a batch is asked for later.
    """

    def __init__(self, X: Operand, size: int) -> None:
        self._X, self._size = X, size
        self._cut: list[RowBatch] | None = None

    def __len__(self) -> int:
        return max(1, -(-self._X.shape[0] // self._size))

    def __getitem__(self, number: Any) -> Any:
        if self._cut is None:
            self._cut = row_batches(self._X.stored_by_rows(), self._size)
        return self._cut[number]

    def on(self, X: Operand) -> RowBatches:
        """Return batches of the same size of another X."""
        return RowBatches(X, self._size)

    def release(self) -> None:
        """Let go of the batches."""
        if self._cut is not None:
            self._cut[0].release()
            self._cut = None
