"""The H half of "sn" for an X that is read by rows alone: a diagonal step from sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...base.interfaces import Array, Penalty
from .mu_steps import TermSums

LEAST_SHARE = float(np.sqrt(0.5))
"""What is left of an entry at least: while no y = w·h falls below this share of itself, the
second derivative x/y² at most doubles, and a step by its bound lowers the objective."""


def diagonal_step(
    Ht: Array, sums: TermSums, bends: Array, penalty: Penalty, by_ratio: Array
) -> Array:
    """The next Hᵀ by the better of two steps, row by row; neither raises the objective.

    One is h − gradient/bound for each entry, the bound being that of a separable
    quadratic majoriser [1]_, shortened where it would more than halve the square of an
    entry; the other is the multiplicative step. Of each the majoriser tells how much it
    lowers the objective at least.

    Parameters
    ----------
    Ht : ndarray of shape (n_features, k)
    sums : TermSums
        Σ x/y·w of shape (n_features, k), and the column sums of W (k,).
    bends : ndarray of shape (n_features, k)
        Σ x/y²·(Σ_u w_u)·w.
    penalty : Penalty
    by_ratio : ndarray of shape (n_features, k)
        Hᵀ after a multiplicative step.

    References
    ----------
    .. [1] Pham, Cohen & Chonavel, "A fast multiplicative updates algorithm for
       non-negative matrix factorization", https://doi.org/10.48550/arXiv.2303.17992
    """
    H, ratio, above, bends = (
        np.asarray(A, dtype=np.float64) for A in (Ht, by_ratio, sums.numerator, bends)
    )
    linear, l2 = sums.denominator + penalty.l1, penalty.Q.diagonal()
    gradient, bound = linear + l2 * H - above, bends + l2
    step = -gradient / np.where(bound > 0, bound, 1)
    step = np.where(bound > 0, np.maximum(step, (LEAST_SHARE - 1) * H), 0)
    moved = H > 0
    share = np.where(moved, 1 + step / np.where(moved, H, 1), 1).min(axis=1, initial=1)
    curved = bends / share[:, None] ** 2 + l2
    gain = -np.sum(gradient * step + 0.5 * curved * step**2, axis=1)
    # of the other: Σ (linear·h + l2/2·h² − h_old·above·log h)
    kept = (H > 0) & (ratio > 0)
    logs = np.log(np.where(kept, ratio, 1) / np.where(kept, H, 1))
    gone = (H > 0) & (ratio <= 0) & (above > 0)
    other = linear * (H - ratio) + 0.5 * l2 * (H**2 - ratio**2) + H * above * logs
    by_log = np.where(gone.any(axis=1), -np.inf, other.sum(axis=1))
    longer = (gain > by_log)[:, None]
    result: Array = np.where(longer, H + step, ratio).astype(Ht.dtype)
    return result


def residual_of(Ht: Array, sums: TermSums, penalty: Penalty) -> float:
    """Σ |gradient|·h."""
    gradient: Any = sums.denominator + penalty.l1 - sums.numerator
    gradient = gradient + penalty.Q.diagonal() * Ht
    return float(np.sum(np.abs(gradient) * Ht, dtype=np.float64))
