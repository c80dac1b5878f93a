"""The time limit of a call, which passes over X and the compiled core look at."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from .rules import is_real

T = TypeVar("T")


class OutOfTime(Exception):
    """The time limit of the call has passed; the fit ends with the factors so far."""


class _Limit(threading.local):
    """When the call that runs on a thread has to end, by `time.monotonic`."""

    end: float | None = None
    given_up: threading.Event | None = None
    """Once it is set, the time counts as over."""


_limit = _Limit()


def nothing_read(max_time: float | None) -> Exception:
    """Return the exception where not even a start was made; None: in the limit of an outer call."""
    if max_time is None:
        return OutOfTime()
    return TimeoutError(
        f"max_time={max_time:g} s passed before X was read once, so that nothing could be "
        "fitted. Pass more seconds."
    )


class time_limit:
    """Let `check` raise after so many seconds, on this thread and inside the block.

    Parameters
    ----------
    seconds : float or None
        None, and what is no number, are no limit. Inside another limit the earlier end holds.
    start : float or None
        When the seconds began, by `now`; None: with the block.
    """

    def __init__(self, seconds: Any, start: float | None = None) -> None:
        self._seconds, self._start = seconds, start

    def __enter__(self) -> None:
        seconds, before = self._seconds, _limit.end
        self._before = before
        if seconds is not None and is_real(seconds) and seconds < math.inf:
            end = (now() if self._start is None else self._start) + float(seconds)
            _limit.end = end if before is None else min(before, end)

    def __exit__(self, *_: object) -> None:
        _limit.end = self._before


class no_limit:
    """Suspend the limit inside the block: for the caller's code, and for writing files."""

    def __enter__(self) -> None:
        self._before, _limit.end = _limit.end, None

    def __exit__(self, *_: object) -> None:
        _limit.end = self._before


@contextmanager
def given_up_by(event: threading.Event) -> Iterator[None]:
    """Let the time of this thread be over, inside the block, once another one sets the event."""
    before, _limit.given_up = _limit.given_up, event
    try:
        yield
    finally:
        _limit.given_up = before


def now() -> float:
    """Return the time by the clock of limits."""
    return time.monotonic()


def in_time(call: Callable[[], T]) -> T | None:
    """Return what a call returns, or None if the limit of this thread passed before it ended.

    A fit that was cut short in it counts as one that has not ended.
    """
    try:
        result = call()
        check()
    except OutOfTime:
        return None
    return result


def check() -> None:
    """Raise `OutOfTime` if the limit of this thread has passed."""
    if seconds_left() == 0:
        raise OutOfTime


def seconds_left() -> float | None:
    """Return the seconds until the limit of this thread, at least 0; None without one."""
    if _limit.given_up is not None and _limit.given_up.is_set():
        return 0.0
    return None if _limit.end is None else max(0.0, _limit.end - now())
