"""A pool of the memory of arrays that nobody has any more, for new arrays of equal size."""

from __future__ import annotations

import threading
import time
import weakref
from collections import defaultdict, deque
from contextlib import suppress
from typing import Any

import numpy as np

from ...base.arrays import Array

IDLE = 10.0
"""Seconds without a new array after which all memory is given back."""
LEAST = 1 << 20
"""Bytes below which the pool makes arrays as NumPy does."""


class Reuse:
    """Makes arrays in the memory of earlier ones that nobody has any more.

    Workers of Dask tell the allocator to give memory back at once, so that each pass would
    get its rows in new pages, which the system fills with zeros (D-BUFFER-POOL). The pool
    keeps as much memory as was in use at a time.
    """

    def __init__(self, idle: float = IDLE) -> None:
        self._idle = idle
        # memory is returned by the thread in which an array dies, perhaps in the middle of
        # one of these methods or of a thread's start; so there are atomic operations in the
        # place of a lock, and no thread is started there
        self._free: dict[int, deque[Any]] = defaultdict(deque)
        self._in_use: dict[int, None] = {}
        self._last = time.monotonic()
        self._timer: threading.Timer | None = None

    def empty(self, shape: tuple[int, int], dtype: Any) -> Array:
        """Return an array whose content is undefined."""
        dtype = np.dtype(dtype)
        count = int(np.prod(shape))
        n_bytes = count * dtype.itemsize
        if n_bytes < LEAST:
            return np.empty(shape, dtype)
        self._last = time.monotonic()
        memory: Any = None
        with suppress(IndexError):
            memory = self._free[n_bytes].pop()
        if memory is None:
            memory = np.empty(n_bytes, np.uint8)
        self._in_use[id(memory)] = None
        if self._timer is None:
            self._watch(self._idle)
        # through a memoryview, so that views of the array keep it alive, not the memory alone
        array = np.frombuffer(memoryview(memory), dtype)
        weakref.finalize(array, self._give, n_bytes, memory).atexit = False
        return array.reshape(shape)

    @property
    def n_bytes(self) -> int:
        """Number of bytes that are kept and not in use."""
        return sum(n * len(kept) for n, kept in list(self._free.items()))

    def _give(self, n_bytes: int, memory: Any) -> None:
        self._free[n_bytes].append(memory)
        self._in_use.pop(id(memory), None)

    def _watch(self, seconds: float) -> None:
        timer = threading.Timer(seconds, self._free_if_idle)
        timer.daemon = True
        timer.start()
        self._timer = timer

    def _free_if_idle(self) -> None:
        """Free the memory if it was idle long enough; otherwise wait for the rest of the time."""
        left = self._last + self._idle - time.monotonic()
        if left > 0:
            self._watch(left)
            return
        self._free.clear()
        self._timer = None
        # test again, since another thread may have seen the timer and begun none itself
        if self._in_use or self._free:
            self._watch(self._idle)


rows = Reuse()
"""The pool for the rows that tasks on blocks write."""
