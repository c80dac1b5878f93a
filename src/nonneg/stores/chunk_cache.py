"""A store around another one that reads each chunk whole, and once in a pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from ..base.arrays import Array
from .base import StoreBase

KEPT_CHUNKS = 16
"""Most chunks that are kept because some of their rows have not been asked for yet."""


class ChunkCache(StoreBase):
    """Another store, read by whole chunks.

    Parts of a pass may end inside a chunk: the rest of it is kept for the next part.
    """

    def __init__(self, store: StoreBase) -> None:
        assert store.chunk_rows is not None
        self._store = store
        self._chunk_size = store.chunk_rows
        self.shape, self.dtype, self.sparse = store.shape, store.dtype, store.sparse
        self.chunk_rows, self.sequential = store.chunk_rows, store.sequential
        self.column_names, self.where = store.column_names, store.where
        self._kept: dict[int, Any] = {}

    @property
    def source(self) -> Any:
        """The source of the other store."""
        return self._store.source

    def entries(self, start: int, stop: int) -> int:
        """Return the number of stored entries, as the other store says."""
        return self._store.entries(start, stop)

    def require_unchanged(self) -> None:
        """Raise StoreError if the other store is not what it was."""
        self._store.require_unchanged()

    def read(self, start: int, stop: int, out: Array | None = None) -> Any:
        """Return rows start:stop; keep the rest of a chunk that the end cuts."""
        size, n_rows = self._chunk_size, self.shape[0]
        # the first whole chunk and the end of the last; there may be none between
        first = min(stop, -(-start // size) * size)
        last = max(first, n_rows if stop >= n_rows else stop // size * size)
        cuts = [(start, first), (first, last), (last, stop)]
        parts = [(a, b) for a, b in cuts if a < b]
        if self.sparse:
            blocks = [self._read_part(a, b, None) for a, b in parts]
            return blocks[0] if len(blocks) == 1 else sp.vstack(blocks, format="csr")
        if out is None:
            out = np.empty((stop - start, self.shape[1]), self.dtype)
        for a, b in parts:
            self._read_part(a, b, out[a - start : b - start])
        return out

    def _read_part(self, start: int, stop: int, out: Array | None) -> Any:
        """Return rows that are whole chunks, or lie in one chunk."""
        size, n_rows = self._chunk_size, self.shape[0]
        if start % size == 0 and (stop % size == 0 or stop == n_rows):
            return self._store.read(start, stop, out)
        begin = start // size * size
        end = min(begin + size, n_rows)
        chunk = self._kept.pop(begin, None)
        if chunk is None:
            chunk = self._store.read(begin, end, None)
        if stop < end:
            self._kept[begin] = chunk
            while len(self._kept) > KEPT_CHUNKS:
                del self._kept[next(iter(self._kept))]
        rows = chunk[start - begin : stop - begin]
        if self.sparse:
            return rows
        assert out is not None
        out[...] = rows
        return out
