"""When a fit by mini-batches has converged, by scikit-learn's rules."""

from __future__ import annotations

import math
from typing import Protocol


class Stepping(Protocol):
    """A solver by mini-batches, as its stopping rules see it."""

    @property
    def tol(self) -> float:
        """Least relative change of H; 0: none."""

    @property
    def max_no_improvement(self) -> int | None:
        """Most steps without a new lowest cost."""

    @property
    def n_steps(self) -> int:
        """Steps of the whole fit."""

    @property
    def verbose(self) -> bool:
        """Whether the cost of each step is printed."""


class Smoothed(Protocol):
    """The costs that a state keeps."""

    n_iter: int
    smoothed: float
    lowest: float
    stale: int


def is_settled(
    solver: Stepping, state: Smoothed, cost: float, change: float, weight: float
) -> bool:
    """Whether the fit has converged by scikit-learn's rules, from the second step on."""
    line = f"Minibatch step {state.n_iter + 1}/{solver.n_steps}: mean batch cost: "
    if state.n_iter == 0:
        _say(solver, f"{line}{cost}")
        return False
    if math.isnan(state.smoothed):
        state.smoothed = cost
    else:
        weight = min(weight, 1.0)
        state.smoothed = state.smoothed * (1 - weight) + cost * weight
    _say(solver, f"{line}{cost}, ewa cost: {state.smoothed}")
    step_text = f"at step {state.n_iter + 1}/{solver.n_steps}"
    if 0 < solver.tol >= change:
        _say(solver, f"Converged (small change of H) {step_text}")
        return True
    if state.smoothed < state.lowest:
        state.stale, state.lowest = 0, state.smoothed
    else:
        state.stale += 1
    if solver.max_no_improvement is None or state.stale < solver.max_no_improvement:
        return False
    _say(solver, f"Converged (the smoothed cost has not improved) {step_text}")
    return True


def _say(solver: Stepping, line: str) -> None:
    if solver.verbose:
        print(line)  # noqa: T201
