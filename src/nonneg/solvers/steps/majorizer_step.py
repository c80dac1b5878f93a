"""H's half-step of "sn" for an X that can only be read by rows: a step from sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...base.arrays import Array
from ...base.penalty import Penalty
from ...kernels.term_records import TermSums, by_shares

LEAST_SHARE = float(np.sqrt(0.5))
"""A step leaves at least this share of an entry. While no y = w·h falls below this share of
itself, the second derivative x/y² at most doubles, and a step by its bound lowers the
objective."""


def diagonal_step(
    Ht: Array, sums: TermSums, bends: Array, penalty: Penalty, by_ratio: Array
) -> Array:
    """Return the next Hᵀ by the better of two steps, chosen row by row.

    The first step is h − gradient/bound for each entry, where the bound is that of a
    separable quadratic majoriser [1]_; it is shortened where it would more than halve the
    square of an entry. The second is the multiplicative update. Neither raises the
    objective, and majorisers tell by how much each lowers it at least.

    Parameters
    ----------
    Ht : ndarray of shape (n_features, k)
    sums : TermSums
        `numerator` is Σ x/y·w of shape (n_features, k), `denominator` the column sums of
        W (k,).
    bends : ndarray of shape (n_features, k)
        Σ x/y²·(Σ_u w_u)·w, in the bound.
    penalty : Penalty
        The penalty on H.
    by_ratio : ndarray of shape (n_features, k)
        Hᵀ after a multiplicative update.

    Returns
    -------
    Ht : ndarray of shape (n_features, k)
        A new array of the dtype of `Ht`; computed in float64.

    References
    ----------
    .. [1] Pham, Cohen & Chonavel, "A fast multiplicative updates algorithm for
       non-negative matrix factorization", https://doi.org/10.48550/arXiv.2303.17992
    """
    H, ratio, above, bends = (
        np.asarray(A, dtype=np.float64) for A in (Ht, by_ratio, sums.numerator, bends)
    )
    linear, l2 = _weights(sums, penalty)
    gradient, bound = linear + l2 * H - above, bends + l2
    step = -gradient / np.where(bound > 0, bound, 1)
    step = np.where(bound > 0, np.maximum(step, (LEAST_SHARE - 1) * H), 0)
    moved = H > 0
    share = np.where(moved, 1 + step / np.where(moved, H, 1), 1).min(axis=1, initial=1)
    curved = bends / share[:, None] ** 2 + l2
    gain = -np.sum(gradient * step + 0.5 * curved * step**2, axis=1)
    # gain of the multiplicative update: Σ (linear·h + l2/2·h² − h_old·above·log h)
    kept = (H > 0) & (ratio > 0)
    logs = np.log(np.where(kept, ratio, 1) / np.where(kept, H, 1))
    gone = (H > 0) & (ratio <= 0) & (above > 0)
    other = linear * (H - ratio) + 0.5 * l2 * (H**2 - ratio**2) + H * above * logs
    by_log = np.where(gone.any(axis=1), -np.inf, other.sum(axis=1))
    longer = (gain > by_log)[:, None]
    result: Array = np.where(longer, H + step, ratio).astype(Ht.dtype)
    return result


def _weights(sums: TermSums, penalty: Penalty) -> tuple[Array, Array]:
    """Return what the objective is linear in, and its l2, as vectors or row by row."""
    l1 = by_shares(penalty.l1, penalty.linear)
    return sums.denominator + l1, by_shares(penalty.Q.diagonal(), penalty.quadratic)


def residual_of(Ht: Array, sums: TermSums, penalty: Penalty) -> float:
    """Return Σ |gradient|·h over the entries h of Hᵀ, in float64."""
    linear, l2 = _weights(sums, penalty)
    gradient: Any = linear - sums.numerator + l2 * Ht
    return float(np.sum(np.abs(gradient) * Ht, dtype=np.float64))
