"""Multiplicative updates of both factors, with which a solver of longer steps may begin."""

from __future__ import annotations

from ...base.arrays import Array
from ...base.interfaces import Problem
from ..mu import MultiplicativeUpdates
from .quadratic_iteration import factor_penalties


def update_both(problem: Problem, W: Array, Ht: Array, times: int) -> float:
    """Update W and then H in place, so many times; return the objective there."""
    updates = MultiplicativeUpdates(tol=0)
    state = updates.start(problem, W, Ht)
    if updates.advance(problem, state, times) is None:
        for _ in range(times):
            updates.iterate(problem, state)
            state.n_iter += 1
    value = float(problem.loss.value(problem.X, W, Ht))
    return value + factor_penalties(problem, W, Ht)
