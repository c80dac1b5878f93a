"""Penalties on W and H by both conventions, scaled once by the shape of the whole X."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from .penalty import Penalty


def scaled_penalties(
    k: int,
    shape: tuple[int, int],
    *,
    alpha: float = 0.0,
    l1_ratio: float = 0.0,
    regularization: str | None = "both",
    alpha_W: float = 0.0,
    alpha_H: float | Literal["same"] = "same",
) -> tuple[Penalty, Penalty]:
    """Return the penalties on W and H.

    Each is a·l1_ratio·|A|₁ + ½·a·(1 − l1_ratio)·|A|² over the entries of its factor A.
    The weight a is `alpha` for the factors that `regularization` names, plus
    `alpha_W`·n_features for W and `alpha_H`·n_samples for H.

    Parameters
    ----------
    k : int
        Number of components.
    shape : tuple of int
        (n_samples, n_features) of the whole X, never of a batch of it.
    alpha, l1_ratio, alpha_W : float
    regularization : {"both", "components", "transformation"} or None
    alpha_H : float or "same"

    Returns
    -------
    penalty_W, penalty_H : Penalty
    """
    n_samples, n_features = shape
    weight_W = alpha_W * n_features
    weight_H = (alpha_W if alpha_H == "same" else alpha_H) * n_samples
    if regularization in ("both", "transformation"):
        weight_W += alpha
    if regularization in ("both", "components"):
        weight_H += alpha
    penalty_W, penalty_H = (
        _elastic(k, weight * l1_ratio, weight * (1.0 - l1_ratio))
        for weight in (weight_W, weight_H)
    )
    return penalty_W, penalty_H


@lru_cache(maxsize=64)
def _elastic(k: int, l1: float, l2: float) -> Penalty:
    """Return the penalty, which fits of the same weights share."""
    penalty = Penalty.elastic(k, l1, l2)
    penalty.l1.flags.writeable = penalty.Q.flags.writeable = False
    return penalty
