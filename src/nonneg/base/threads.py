"""The number of threads of a fit, and a hold of BLAS to one thread while ours run."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from numbers import Integral
from typing import Any

from threadpoolctl import ThreadpoolController

MOST_THREADS = 1 << 15
"""Most threads that may be asked for; more are a mistake, and systems refuse them."""
SMALL_PRODUCT, SMALL_PRODUCTS = 1 << 13, 1 << 16
"""Entries of a matrix, and multiply-adds of a product, below which BLAS takes one thread:
OpenBLAS does below 9,216 and 262,144 (D-THREADS-SMALL)."""
_ENVIRONMENT = ("NONNEG_NUM_THREADS", "OMP_NUM_THREADS")


def resolve_n_threads(n_threads: Any) -> int:
    """Return the number of threads for a fit.

    Parameters
    ----------
    n_threads : int or None
        A positive number is used unchanged, also above the number of cores. None
        means the cores that this process may use (affinity mask and cgroup quota),
        at most `NONNEG_NUM_THREADS` or, if that is not set, `OMP_NUM_THREADS`.

    Raises
    ------
    ValueError
        If `n_threads` is neither None nor a positive integer.
    """
    if n_threads is None:
        return _default_n_threads()
    is_integer = isinstance(n_threads, Integral) and not isinstance(n_threads, bool)
    if not is_integer or not 1 <= n_threads <= MOST_THREADS:
        msg = (
            f"`n_threads` must be a positive integer of at most {MOST_THREADS} or None; got "
            f"{n_threads!r}. Pass None to use every core this process may use."
        )
        raise ValueError(msg)
    return int(n_threads)


def _default_n_threads() -> int:
    cores, (_, most) = _cores(_affinity()), _limit_of_environment()
    return cores if most is None else min(cores, most)


def reason_for_default() -> str:
    """Return why `resolve_n_threads(None)` is the number that it is, for a plan."""
    cores, (variable, most) = _cores(_affinity()), _limit_of_environment()
    if most is not None and most < cores:
        return variable
    return "every core that this process may use"


def _limit_of_environment() -> tuple[str, int | None]:
    """Return the variable that limits the threads, and its number; None: no limit."""
    for variable in _ENVIRONMENT:
        text = os.environ.get(variable, "").split(",")[0].strip()
        if text.isdigit() and int(text) > 0:
            return variable, int(text)
    return "", None


def _affinity() -> Hashable:
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0


@lru_cache(maxsize=8)
def _cores(affinity: Hashable) -> int:  # noqa: ARG001
    """Return the number of cores for an affinity mask.

    It is kept for each mask, since reading the cgroup's quota takes 0.5 ms.
    """
    import joblib  # a dependency of scikit-learn's, and already loaded by it

    return int(joblib.cpu_count())


class _Libraries:
    """The process's BLAS libraries, found anew only after imports, as that takes 1 ms."""

    def __init__(self) -> None:
        self._n_modules = -1
        self._blas: list[Any] = []

    def get(self) -> list[Any]:
        if self._n_modules != len(sys.modules):
            self._n_modules = len(sys.modules)
            libraries = ThreadpoolController().lib_controllers
            self._blas = [
                library for library in libraries if library.user_api == "blas"
            ]
        return self._blas


class _BlasHold:
    """A process-wide limit of every BLAS to one thread, counted by its holders."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._libraries = _Libraries()
        self._before: list[tuple[Any, int]] = []

    def acquire(self) -> None:
        with self._lock:
            if self._holders == 0:
                self._before = [
                    (library, library.num_threads)
                    for library in self._libraries.get()
                    if library.num_threads
                ]
                for library, _ in self._before:
                    _set_num_threads(library, 1)
            self._holders += 1

    def release(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                for library, n_threads in self._before:
                    _set_num_threads(library, n_threads)
                self._before = []


def _set_num_threads(library: Any, n_threads: int) -> None:
    """Set the number of threads for the whole process, whichever thread calls.

    The fit that ends last has to lift the limit that another thread's fit has set. Newer
    versions of threadpoolctl ignore such a call for OpenBLAS, so it goes around them.
    """
    setter = getattr(library, "_real_set_num_threads", library.set_num_threads)
    setter(n_threads)


_hold = _BlasHold()


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold every BLAS library of the process to one thread inside the block.

    Our own threads call BLAS for one block of rows each, and threads that BLAS starts
    inside them would slow them down. The limit is process-wide. It is lifted when the
    last of several concurrent fits has left the block.
    """
    _hold.acquire()
    try:
        yield
    finally:
        _hold.release()


def held_blas(shape: tuple[int, int], k: int) -> AbstractContextManager[None]:
    """Hold every BLAS to one thread inside the block, for products with k columns.

    Nothing is held where each product is so small that BLAS itself takes one thread: to look up
    every BLAS of the process takes longer than a small fit (D-THREADS-SMALL).
    """
    short, long = sorted(shape)
    is_small = (
        long * max(short, k) < SMALL_PRODUCT
        and long * max(short, k) * k < SMALL_PRODUCTS
    )
    return nullcontext() if is_small else single_threaded_blas()
