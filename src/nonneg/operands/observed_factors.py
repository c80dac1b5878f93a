"""Factors and penalties beside an X of which entries are missing or weighted."""

from __future__ import annotations

import numpy as np

from ..base.arrays import Array
from ..base.penalty import Penalty
from .observed import ObservedOperand


def with_shares(
    X: ObservedOperand, penalty_W: Penalty, penalty_H: Penalty, counted: bool
) -> tuple[Penalty, Penalty]:
    """Return the penalties on the rows and columns of X with the shares of these."""
    if not penalty_W.is_zero:
        penalty_W = _of_rows(X, penalty_W, counted)
    if not penalty_H.is_zero:
        penalty_H = _of_rows(X.T, penalty_H, counted)
    return penalty_W, penalty_H


def _of_rows(X: ObservedOperand, penalty: Penalty, counted: bool) -> Penalty:
    linear, quadratic = X.penalty_shares(counted)
    weights, shares = [penalty.l1, penalty.Q], [linear, quadratic]
    for i, share in enumerate(shares):
        if share is not None and share.min() == share.max():  # alike for all rows
            weights[i], shares[i] = weights[i] * share[0], None
    return Penalty(*weights, *shares)


def factors_of(
    X: ObservedOperand, factors: tuple[Array, Array], update_H: bool
) -> tuple[Array, Array]:
    """Return factors of X by those that the solver has, 0 where nothing is observed."""
    W, Ht = X.unscaled(*factors)
    return _cleared(X, W), _cleared(X.T, Ht) if update_H else Ht


def _cleared(X: ObservedOperand, A: Array) -> Array:
    """Return a factor of the rows of X with 0 in rows of X without observed entries."""
    shows = X.weights.observed_in_rows > 0
    if X.weights.named is None or shows.all():
        return A
    return np.where(shows[:, None], A, 0)
