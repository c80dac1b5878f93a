"""What a contestant gets: X, the common start, the objective and when to stop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from harness.curves import FLAT_GAIN, Curve
from harness.objectives import Objective

SPACING = 1.04
"""Objectives that have to be computed are, from the 25th iteration on, this factor
of the number of iterations apart: the curve's error in time is below 4 %."""


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

    @property
    def beta(self) -> float:
        """The loss."""
        return self.objective.beta


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

    def __init__(self, problem: Problem, limits: Limits, stops: bool = True) -> None:
        self.problem, self.limits, self.stops = problem, limits, stops
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
            if self.stops and self.limits.over(self.curve):
                raise Stop(np.array(W), np.array(H))
