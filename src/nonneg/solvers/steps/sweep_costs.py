"""Sweeps that pay between two products with X, by a model of their costs."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ...base.interfaces import Operand
from ...kernels import Adaptive, Method

SHARE, MOST = 0.5, 16
"""Gillis and Glineur's share of the time that sweeps may take, and a cap, as rows stop when
they are settled (D-HALS-SWEEPS)."""
DENSE, STORED = 1.1, 7.0
"""Cost of an entry of X and a component in one product, in multiply-adds of a sweep: that of a
dense X, and of a stored entry of a sparse one, which a gather finds (D-HALS-SWEEPS)."""
STEP, CALL = 6, 7e5
"""Multiply-adds that a step costs beside its gradient, and an iteration in calls
(D-HALS-SWEEPS)."""

NARROW, SWEEPS = 8, 4
"""Components whose products cost as much as those of fewer, and k·k for a row in an iteration, with
its share of Gram matrices, where the cost of a whole iteration is asked for (D-MANY-ALONE)."""


def cost_ratio(X: Operand, k: int, n_moving: int | None = None) -> float:
    """Return the cost of the products of an iteration and of a sweep over that of a sweep.

    Of k components n_moving are multiplied by X in an iteration, or all. The costs are those of
    a model, not measured on the way, so that a fit does the same on every machine.
    """
    n_moving = k if n_moving is None else n_moving
    return _cost_ratio(sum(X.shape), X.product_entries, X.sparse, k, n_moving)


@lru_cache(maxsize=64)
def _cost_ratio(
    rows: int, entries: float, sparse: bool, k: int, n_moving: int
) -> float:
    product = entries * n_moving * (STORED if sparse else DENSE)
    fixed = 2 * product + rows * k * k / 2 + CALL  # with the Gram matrices
    sweep = rows * k * (k + STEP)
    return 1 + fixed / sweep


def most_sweeps(X: Operand, k: int, n_moving: int | None = None) -> int:
    """Return the most sweeps that a half-step should give a row [1]_.

    References
    ----------
    .. [1] Gillis & Glineur, "Accelerated multiplicative updates and hierarchical ALS
       algorithms for nonnegative matrix factorization", Neural Computation 24 (2012)
       1085-1105, https://doi.org/10.1162/NECO_a_00256
    """
    return int(min(MOST, 1 + SHARE * cost_ratio(X, k, n_moving)))


def with_sweeps_beside(X: Operand, method: Method, known: NDArray[np.bool_]) -> Method:
    """Return a method of sweeps with as many as pay where known components take no products."""
    if not isinstance(method, Adaptive) or not known.any():
        return method
    n_moving = int(np.count_nonzero(~known))
    return replace(method, sweeps=most_sweeps(X, len(known), n_moving))


def iteration_cost(X: Operand, k: int) -> float:
    """Return the multiply-adds of an iteration of one model, by the model of their costs."""
    product = X.product_entries * max(k, NARROW) * (STORED if X.sparse else DENSE)
    return 2 * product + SWEEPS * sum(X.shape) * k * k
