"""The time limit of a call, which passes over X and the compiled core look at."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .rules import is_real


class OutOfTime(Exception):
    """The time limit of the call has passed; the fit ends with the factors so far."""


class _Limit(threading.local):
    """When the call that runs on a thread has to end, by `time.monotonic`."""

    end: float | None = None


_limit = _Limit()


@contextmanager
def time_limit(seconds: Any) -> Iterator[None]:
    """Let `check` raise after so many seconds, on this thread and inside the block.

    Parameters
    ----------
    seconds : float or None
        None, and what is no number, are no limit. Inside another limit the earlier end holds.
    """
    before = _limit.end
    if is_real(seconds) and seconds < math.inf:
        end = time.monotonic() + float(seconds)
        _limit.end = end if before is None else min(before, end)
    try:
        yield
    finally:
        _limit.end = before


@contextmanager
def no_limit() -> Iterator[None]:
    """Suspend the limit inside the block: for the caller's code, and for writing files."""
    before, _limit.end = _limit.end, None
    try:
        yield
    finally:
        _limit.end = before


def check() -> None:
    """Raise `OutOfTime` if the limit of this thread has passed."""
    if _limit.end is not None and time.monotonic() >= _limit.end:
        raise OutOfTime


def seconds_left() -> float | None:
    """Return the seconds until the limit of this thread, at least 0; None without one."""
    return None if _limit.end is None else max(0.0, _limit.end - time.monotonic())
