"""The number of iterations in a call of the core, by the seconds of the last call."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from ..base import deadline
from ..base.interfaces import Problem, Progress, SolverBase
from ..base.records import Stretch

SECONDS = 5e-3
"""Seconds of a stretch of iterations, about, which an interrupt may wait; see
D-FITTING-STRETCH."""
NEAR = 10
"""Within so many stretches of the end of the call's time each iteration is a call."""
FIRST_WORK = 1e6
"""Multiply-adds of the products with X for which a fit begins with several iterations in a
call, as far as the solver can: a fraction of `SECONDS`; see D-FITTING-STRETCH."""
CALL_WORK = 1e8
"""Most of these multiply-adds for which a single iteration is a call of the core as well."""
GROWTH = 64
"""Most times that a stretch is as long as the one before; see D-FITTING-STRETCH."""


@dataclass(eq=False)
class Pace:
    """The pace of a fit; `seconds` is the length of a stretch, 0 for single iterations."""

    seconds: float = SECONDS
    most: int = 1
    least: int = 2
    """Least number of iterations for which the solver is asked for a call of the core."""
    longest: int | None = None
    """Most iterations of a call; None: as many as take `seconds`."""
    n_calls: int = 1
    """Calls of the core in a stretch: one for each model, between which interrupts are heard."""
    is_first: bool = True
    """Whether nothing was done yet: a solver may do its first iteration alone."""

    @classmethod
    def of(cls, problem: Problem) -> Pace:
        """Return the pace of a fit, which begins with a stretch where X is small."""
        work = _work(problem)
        most = max(1, min(int(FIRST_WORK / work), GROWTH))
        return cls(SECONDS, most, least=1 if work <= CALL_WORK else 2)

    @classmethod
    def by_single(cls, problem: Problem) -> Pace:
        """Return the pace of a fit that tells of each iteration, a call where X is small."""
        is_call = _work(problem) <= CALL_WORK
        return cls(SECONDS if is_call else 0.0, least=1, longest=1)

    def advance(
        self, solver: SolverBase, problem: Problem, state: Any, left: int
    ) -> Progress | Stretch:
        """Do some iterations, `left` at most."""
        began = time.perf_counter()
        most = 1 if self._is_near_end() else min(self.most, left)
        is_call = self.seconds > 0 and most >= self.least
        stretch = solver.advance(problem, state, most) if is_call else None
        if stretch is not None:
            self.n_calls = len(stretch.objectives[0]) if stretch.objectives else 1
            self._note(len(stretch.residual), time.perf_counter() - began)
            return stretch
        if is_call and not self.is_first:
            self.seconds, self.most = 0.0, 1  # there is no such call
        progress = solver.iterate(problem, state)
        self._note(1, time.perf_counter() - began)
        return progress

    def _is_near_end(self) -> bool:
        """Whether the end of the call's time might come in a stretch, and cut it short."""
        left = deadline.seconds_left()
        return left is not None and left < NEAR * self.seconds * self.n_calls

    def _note(self, n_iter: int, seconds: float) -> None:
        self.is_first = False
        fitting = self.seconds * self.n_calls * n_iter / max(seconds, 1e-9)
        longest = GROWTH * n_iter if self.longest is None else self.longest
        self.most = max(1, min(int(fitting), longest))


def _work(problem: Problem) -> float:
    """Return the multiply-adds of the products with X in an iteration."""
    return max(2 * problem.X.product_entries * len(problem.penalty_W.l1), 1)
