"""Half-normal starting factors, drawn in a thread during the first pass over X."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from queue import Empty, Queue
from typing import Any, TypeVar, cast

import numpy as np
from sklearn.utils import check_random_state

from ..base.arrays import Array
from ..base.interfaces import Operand

T = TypeVar("T")
DRAWN_ROWS = 1 << 14
"""Rows of W that are drawn at a time."""
AHEAD_BYTES = 256 << 20
"""Bytes of numbers that may be drawn before the mean of X is known (D-START-AHEAD)."""
FEW = 1 << 20
"""Numbers below which drawing takes less time than starting a thread."""


def half_normal(X: Operand, k: int, random_state: Any) -> tuple[Array, Array]:
    """Return half-normal (W, Ht) whose product has about the mean of X.

    H is drawn first. The numbers are those of two calls of `standard_normal`, for
    (k, n_features) and then for (n_samples, k) numbers.
    """
    rng, n_samples = check_random_state(random_state), X.shape[0]
    ahead = 2
    if X.in_parts and X.factor_folder is None:
        ahead = max(ahead, AHEAD_BYTES // (8 * k * DRAWN_ROWS))
    numbers = _normals(rng, X.shape, k)
    few = n_samples * k < FEW
    with nullcontext(numbers) if few else in_thread(numbers, ahead) as drawn:
        scale = X.stats().level(k)

        def sized(A: Array) -> Array:
            A *= scale
            return np.abs(A, out=A)

        Ht = np.ascontiguousarray(sized(next(drawn)).T, dtype=X.dtype)
        on_disk = X.factor_folder is not None
        W: Any = X.new_rows(k) if on_disk else np.empty((n_samples, k), X.dtype)
        for start, part in zip(range(0, n_samples, DRAWN_ROWS), drawn, strict=True):
            W[start : start + len(part)] = sized(part)
            if on_disk:
                W.release(start, start + len(part))
    return W, Ht


def _normals(
    rng: np.random.RandomState, shape: tuple[int, int], k: int
) -> Iterator[Array]:
    """Yield the numbers for H, then those for W, DRAWN_ROWS rows at a time."""
    yield rng.standard_normal((k, shape[1]))
    for start in range(0, shape[0], DRAWN_ROWS):
        yield rng.standard_normal((min(DRAWN_ROWS, shape[0] - start), k))


@contextmanager
def in_thread(items: Iterator[T], ahead: int) -> Iterator[Iterator[T]]:
    """Run an iterator in a thread; `ahead` items may wait until they are asked for.

    An error of the iterator is raised where its item is asked for. The thread ends with the
    context, after the item that it is making.
    """
    made: Queue[tuple[T | None, BaseException | None]] = Queue(ahead)
    ended = threading.Event()

    def run() -> None:
        last: BaseException = StopIteration()
        try:
            for item in items:
                made.put((item, None))
                if ended.is_set():
                    return
        except BaseException as error:  # noqa: BLE001  (raised in the other thread)
            last = error
        made.put((None, last))

    def taken() -> Iterator[T]:
        while True:
            item, error = made.get()
            if error is None:
                yield cast(T, item)
            elif isinstance(error, StopIteration):
                return
            else:
                raise error

    thread = threading.Thread(target=run, name="nonneg-drawing", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        ended.set()
        while thread.is_alive():  # it may wait for room in the queue
            with suppress(Empty):
                made.get(timeout=0.01)
        thread.join()
