"""Some calls at a time on threads of their own, with their results in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ..base import deadline

A = TypeVar("A")
B = TypeVar("B")


def in_order(
    call: Callable[[A], B], arguments: Iterable[A], workers: int
) -> Generator[B, None, None]:
    """Yield the results of the calls in order, of `workers` at a time.

    The calls have the time limit of this thread. Where the caller wants no more of them, or is
    interrupted, those that are under way are given up as if their time were over.
    """
    if workers == 1:  # here, where an interrupt ends a call within an iteration
        yield from map(call, arguments)
        return
    given_up = threading.Event()

    def within(seconds: float | None, argument: A) -> B:
        with deadline.time_limit(seconds), deadline.given_up_by(given_up):
            return call(argument)

    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[B]] = deque()
        try:
            for argument in arguments:
                # the limit of the call is one of its thread
                left = deadline.seconds_left()
                pending.append(pool.submit(within, left, argument))
                if len(pending) > workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            given_up.set()
            pool.shutdown(wait=True, cancel_futures=True)
