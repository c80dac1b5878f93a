"""What a contestant gets: X, the common start, a float64 objective and when to stop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from curves import FLAT_GAIN, Curve

BLOCK_BYTES = 1 << 24
"""Bytes of X in float64 that the objective looks at in one piece."""
SPACING = 1.04
"""Objectives that have to be computed are, from the 25th iteration on, this factor
of the number of iterations apart: the curve's error in time is below 4 %."""


class Objective:
    """½‖X − WH‖² in float64, by NumPy and SciPy alone, in blocks of rows."""

    def __init__(self, X: Any, threads: int) -> None:
        self.X = X
        self.threads = threads
        rows, columns = X.shape
        width = X.nnz / rows if sp.issparse(X) else columns
        size = max(1, int(BLOCK_BYTES / (8 * max(1.0, width))))
        self.blocks = [slice(i, min(i + size, rows)) for i in range(0, rows, size)]
        self.square = sum(self._square(rows_b) for rows_b in self.blocks)

    def _square(self, rows: slice) -> float:
        block = self.X[rows]
        values = block.data if sp.issparse(block) else block.ravel()
        values = values.astype(np.float64, copy=False)
        return float(values @ values)

    def _cross(self, rows: slice, W: Any, Ht: Any) -> float:
        block = self.X[rows].astype(np.float64, copy=False)
        return float(np.vdot(block @ Ht, W[rows].astype(np.float64, copy=False)))

    def __call__(self, W: Any, H: Any) -> float:
        """Objective of these factors; they are checked to be finite and non-negative."""
        for name, factor in (("W", W), ("H", H)):
            if not (np.isfinite(factor).all() and (factor >= 0).all()):
                msg = f"{name} has entries that are negative or not finite"
                raise AssertionError(msg)
        Ht = np.ascontiguousarray(H.T, dtype=np.float64)
        W64 = np.asarray(W, dtype=np.float64)
        if sp.issparse(self.X):  # SciPy's products use one thread each
            with ThreadPoolExecutor(self.threads) as pool:
                parts = pool.map(lambda rows: self._cross(rows, W64, Ht), self.blocks)
                cross = sum(parts)
        else:
            cross = sum(self._cross(rows, W64, Ht) for rows in self.blocks)
        together = float(np.vdot(W64.T @ W64, Ht.T @ Ht))
        return 0.5 * (self.square - 2 * cross + together)


@dataclass
class Problem:
    """One start: every contestant of a seed gets the same one."""

    X: Any
    W: Any
    """Start of W, (n_samples, k); zeros where only W is sought."""
    H: Any
    """Start of H, (k, n_features), or the constant H where only W is sought."""
    task: str
    seed: int
    threads: int
    objective: Objective

    @property
    def k(self) -> int:
        """Number of components."""
        return int(self.H.shape[0])


@dataclass
class Limits:
    """When a run ends, besides being flat."""

    seconds: float
    max_iter: int = 1_000_000
    gain: float = FLAT_GAIN

    def over(self, curve: Curve) -> bool:
        """Whether the run that made this curve should end now."""
        if curve.end >= self.seconds or curve.n_iter[-1:] >= [self.max_iter]:
            return True
        return curve.is_flat(self.gain)


class Stop(Exception):
    """Leaves the loop of a library that has no other way out; carries the factors."""

    def __init__(self, W: Any, H: Any) -> None:
        super().__init__("enough")
        self.W, self.H = W, H


@dataclass
class Watch:
    """Seconds since its making, without those spent inside `paused`."""

    began: float = field(default_factory=time.perf_counter)
    paused_for: float = 0.0

    def now(self) -> float:
        """Seconds that count."""
        return time.perf_counter() - self.began - self.paused_for

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time spent in the block does not count."""
        since = time.perf_counter()
        try:
            yield
        finally:
            self.paused_for += time.perf_counter() - since


class Recorder:
    """Curve of a library that reports no objective: it is computed, the watch stopped."""

    def __init__(self, problem: Problem, limits: Limits) -> None:
        self.problem, self.limits = problem, limits
        self.curve = Curve()
        self.n_iter = 0
        self._next = 1
        self.watch = Watch()

    def iteration(self, W: Any, H: Any) -> None:
        """One iteration is done; raises `Stop` when the run should end."""
        now = self.watch.now()
        self.n_iter += 1
        last = self.n_iter >= self.limits.max_iter or now >= self.limits.seconds
        if self.n_iter < self._next and not last:
            return
        with self.watch.paused():
            self._next = max(self.n_iter + 1, int(self.n_iter * SPACING))
            self.curve.add(now, self.problem.objective(W, H), self.n_iter)
            if self.limits.over(self.curve):
                raise Stop(np.array(W), np.array(H))
