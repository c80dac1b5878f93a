"""Revival of dead components: a column of W and a row of H from what the others leave over."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...base.arrays import Array
from ...base.interfaces import Operand, Problem
from ...kernels import stretches
from ...kernels.factor_rows import column_squares, cross, map_rows, times
from ...operands.base import matmul, rmatmul

ROUNDS = 3
"""Alternating solves for a column of W and a row of H of the error; more of them find a
better one, and the iterations that follow do so, too."""


def dead_components(
    square_W: NDArray[np.float64], square_H: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which components are 0, by the squared norms of their columns, (k,)."""
    return ~((square_W > 0) & (square_H > 0))


def can_revive(problem: Problem) -> bool:
    """Whether dead components can be revived: with a penalty they may be the optimum."""
    return (
        problem.X.shared_gram
        and problem.penalty_W.is_zero
        and problem.penalty_H.is_zero
    )


def revived(
    problem: Problem, W: Array, Ht: Array, dead: NDArray[np.bool_]
) -> tuple[Array, Array, float]:
    """Return factors in which dead components are revived, and the decrease of the loss.

    A component becomes the non-negative pair u·vᵀ that fits the error X − W·H about best:
    u is solved for exactly beside v and v beside u in turn, from a v of random numbers.
    The last solve is exact for its factor, so the loss can only fall.

    Parameters
    ----------
    problem : Problem
    W, Ht : ndarray of shape (n_samples, k) and (n_features, k)
        They are not written to.
    dead : ndarray of bool of shape (k,)

    Returns
    -------
    W, Ht : ndarray
        New arrays.
    decrease : float
        Of ½‖X − W·H‖².

    Notes
    -----
    Costs 2·ROUNDS passes over X, with one vector each, for each dead component.
    """
    X, decrease = problem.X, 0.0
    lost = np.flatnonzero(dead)
    starts = np.random.default_rng(0).random((lost.size, X.shape[1])).astype(X.dtype)
    if _is_plain(X, W, Ht):
        W, Ht = W.copy(), Ht.copy()
        decrease = stretches.revive(X, W, Ht, lost.tolist(), starts, ROUNDS)
        return W, Ht, decrease
    Ht = np.where(dead, 0, Ht)
    W = map_rows(_without, W, dead)
    for t, start in zip(lost, starts, strict=True):
        v = start[:, None]
        for _ in range(ROUNDS):
            u = map_rows(_positive, matmul(X, v), times(W, Ht.T @ v))
            square = float(column_squares(u)[0])
            if not square > 0:
                break
            v = _positive(rmatmul(X, u), Ht @ cross(W, u)) / X.dtype.type(square)
        gained = 0.5 * square * float(np.sum(v.astype(np.float64) ** 2))
        if not (square > 0 and 0 < gained < np.inf):
            continue
        # both norms alike, as in other components
        ratio = (float(np.sum(v.astype(np.float64) ** 2)) / square) ** 0.25
        Ht[:, t] = v[:, 0] / X.dtype.type(ratio)
        W = map_rows(_with_column, W, u, float(t), ratio)
        decrease += gained
    return W, Ht, decrease


def _is_plain(X: Operand, W: Array, Ht: Array) -> bool:
    """Whether the core takes this X and these factors in a call."""
    return (
        stretches is not None and not X.is_weighted and stretches.is_in_memory(X, W, Ht)
    )


def _positive(A: Array, B: Array) -> Array:
    positive: Array = np.maximum(A - B, 0)
    return positive


def _without(W: Array, dead: Array) -> Array:
    kept: Array = np.where(dead, 0, W).astype(W.dtype)
    return kept


def _with_column(W: Array, u: Array, t: float, ratio: float) -> Array:
    changed = W.copy()
    changed[:, int(t)] = u[:, 0] * W.dtype.type(ratio)
    return changed
