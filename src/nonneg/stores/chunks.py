"""Dense rows in chunks that are decoded whole: each of them once a pass."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from ..operands.stores import DenseStore
from ..protocols import Array
from .faults import reading

ANY = 1 << 30
KEPT_BYTES = 64 << 20
"""Most bytes of decoded chunks that a store keeps; larger chunks are not kept."""


def streams_of(chunk_bytes: int) -> int:
    """How many ranges can be read by turns, each with a chunk that is kept for it.

    One more is kept, of the stream that has just gone on to its next chunk.
    """
    return max(1, KEPT_BYTES // max(1, chunk_bytes) - 1)


class Kept:
    """What was decoded last, up to `KEPT_BYTES` in all, the least recently used out first.

    The last one is kept whatever its size.
    """

    def __init__(self) -> None:
        self._entries: OrderedDict[int, tuple[Any, int]] = OrderedDict()
        self._n_bytes = 0

    def get(self, key: int) -> Any | None:
        """Return what is kept under a number, or None."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def put(self, key: int, value: Any, n_bytes: int) -> None:
        """Keep a value of that size."""
        self._entries[key] = value, n_bytes
        self._n_bytes += n_bytes
        while self._n_bytes > KEPT_BYTES and len(self._entries) > 1:
            self._n_bytes -= self._entries.popitem(last=False)[1][1]

    def clear(self) -> None:
        """Forget all, so that a new pass sees what is stored now."""
        self._entries.clear()
        self._n_bytes = 0


class ChunkedRows(DenseStore):
    """Base of stores of dense rows in chunks of `chunk_rows` rows.

    A pass reads ranges that end within chunks, several streams of them by turns. A chunk
    at the end of a range is decoded whole and kept for the range that goes on there.
    """

    where: str
    dtype: np.dtype[Any]
    decodes = True
    """Whether reading some rows of a chunk costs as much as all of them."""

    @property
    def streams(self) -> int:
        """Ranges that may be read by turns; any number where nothing is decoded."""
        if self.chunk_rows is None or not self.decodes:
            return ANY
        return streams_of(self.chunk_rows * self.shape[1] * self.dtype.itemsize)

    def _fill(self, start: int, stop: int, out: Array) -> None:
        """Read rows start:stop into `out`."""
        raise NotImplementedError

    def _check(self, start: int) -> None:
        """Raise StoreError if the store has changed; called before rows are read."""

    def read(self, start: int, stop: int, out: Array | None = None) -> Array:
        """Return rows start:stop, in `out` if it is given.

        Raises
        ------
        StoreError
            If they can't be read, or the store has another shape than before.
        """
        if out is None:
            out = np.empty((stop - start, self.shape[1]), dtype=self.dtype)
        with reading(self.where, start, stop):
            self._check(start)
            if start == 0:
                self._kept.clear()
            size = self.chunk_rows
            row_bytes = self.shape[1] * self.dtype.itemsize
            if size is None or not self.decodes or size * row_bytes > KEPT_BYTES:
                self._fill(start, stop, out)
                return out
            at = start
            while at < stop:
                at = self._some(at, stop, size, out[at - start :])
        return out

    def _some(self, at: int, stop: int, size: int, out: Array) -> int:
        """Read the rows from `at` that can be had together; return where they end."""
        first = at - at % size
        whole = stop if stop == self.shape[0] else stop - stop % size
        if at == first and whole > at and self._kept.get(first) is None:
            self._fill(at, whole, out[: whole - at])
            return whole
        end = min(first + size, self.shape[0])
        rows = self._kept.get(first)
        if rows is None:
            rows = np.empty((end - first, self.shape[1]), dtype=self.dtype)
            self._fill(first, end, rows)
            self._kept.put(first, rows, rows.nbytes)
        last = min(end, stop)
        out[: last - at] = rows[at - first : last - first]
        return last

    @property
    def _kept(self) -> Kept:
        found: Kept = self.__dict__.setdefault("_kept_chunks", Kept())
        return found
