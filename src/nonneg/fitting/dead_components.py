"""Warning of a fit that ended with fewer components than asked for."""

from __future__ import annotations

import math

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..base import validation
from ..base.arrays import Array
from ..base.interfaces import Problem
from ..kernels import column_sums

DEAD = (
    "{n} of {k} components are 0: solver {solver!r} has lost them. Fit fewer components, "
    "or begin elsewhere: another init or random_state, n_init, or solver='hals'."
)
EXACT = 1e-10
"""Share of ½‖X‖² (for other losses of the sum of X) below which a fit needs no more
components than it has."""


def warn_of_dead(
    problem: Problem, solver: str, objectives: list[float], W: Array, Ht: Array
) -> None:
    """Warn of components that are 0, unless they are an optimum.

    They may be one with a penalty, and where the others fit X exactly, as many as its
    smaller side can.
    """
    X, n = problem.X, problem.X.n_threads
    if not (problem.penalty_W.is_zero and problem.penalty_H.is_zero):
        return
    sums_W, sums_H = column_sums(W, n), column_sums(Ht, n)
    if sums_W.min() > 0 and sums_H.min() > 0:
        return
    alive = (sums_W > 0) & (sums_H > 0)
    enough = min(alive.size, *X.shape)
    if np.count_nonzero(alive) >= enough or not X.stats().sum > 0:
        return
    stats = X.stats()
    size = 0.5 * stats.sum_sq if "quadratic" in problem.loss.provides else stats.sum
    known = [value for value in objectives if math.isfinite(value)]
    if known and known[-1] <= EXACT * size:
        return
    n_dead = int(np.count_nonzero(~alive))
    text = DEAD.format(n=n_dead, k=alive.size, solver=solver)
    validation.warn(text, ConvergenceWarning)
