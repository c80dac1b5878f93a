"""Ctrl-C during a call of a library that would lose it: it is kept until the call is over."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def keeping_interrupts() -> Iterator[None]:
    """Hand SIGINT to its handler at the end of the block, if it comes inside.

    An exception that a handler raises inside a weak reference's callback is only printed, and
    h5py's calls end in such callbacks. Handlers run in the main thread alone, so that in
    other ones, and where SIGINT is not handled by Python, nothing is done.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(
        handler
    ):
        yield
        return
    kept: list[tuple[Any, Any]] = []
    signal.signal(signal.SIGINT, lambda number, frame: kept.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if kept:
            handler(*kept[0])
