"""Starts of constrained fits, which obey, and have known components in their places."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..base.arrays import Array
from ..base.factor_rows import FactorRows
from ..kernels.factor_rows import map_rows, scale_columns
from ..solvers.steps.factor_constraints import FactorConstraints
from ..solvers.steps.scattered_constraints import ScatteredConstraints
from .constraint_plan import Constraints
from .plan import Plan

ANY_ORDER = ("custom", "random")
"""Starts whose components are left where they are."""


def started_within(
    plan: Plan, W: Any, Ht: Array, init: str = "random"
) -> tuple[Any, Array]:
    """Return a start that fulfils the constraints, if need be without needless zeros.

    `init` is the name of the start where it was made from X, for all of a fit.
    """
    sides, update_H = plan.constraints, plan.update_H
    if sides is None:
        return W, Ht
    if update_H and init not in ANY_ORDER:
        W, Ht = matched_start(sides, W, Ht)
    there: Any = sides.W
    if isinstance(W, FactorRows):
        there = ScatteredConstraints.of(plan.X, sides.W)
    positive = plan.start.positive
    return there.start(W, positive), sides.H.start(Ht, positive) if update_H else Ht


def matched_start(sides: Constraints, W: Any, Ht: Array) -> tuple[Any, Array]:
    """Return a start whose components are in the places of the known ones most like them.

    Components of singular vectors come in the order of their size. One that is to be replaced
    by known values should be the one that is like them, and have their scale; else the fit
    starts without it, and with a component too many that is like a known one.

    Parameters
    ----------
    sides : Constraints
    W, Ht : rows of factors
        W may be on workers.

    Returns
    -------
    W, Ht : rows of factors
        New ones, where anything is known.
    """
    known_W, known_H = _expected(sides.W), _expected(sides.H)
    if known_W is not None and isinstance(W, FactorRows):
        W = np.asarray(W.to_caller())  # as many numbers as are known here
    pairs = [(v, A) for v, A in ((known_H, Ht), (known_W, W)) if v is not None]
    if not pairs:
        return W, Ht
    likeness = np.sum([_cosines(values, A) for values, A in pairs], axis=0)
    order = _assigned(likeness)
    W, Ht = map_rows(_columns, W, order), _columns(Ht, order)
    scale = _scales(known_H, Ht)
    if known_W is not None:
        scale = np.where(scale == 1, 1 / _scales(known_W, W), scale)
    scale_columns(W, scale.astype(W.dtype))
    scale_columns(Ht, (1 / scale).astype(Ht.dtype))
    return W, Ht


def _expected(side: FactorConstraints) -> Array | None:
    """Return what the constraints expect of the factor, NaN where nothing; None for nothing."""
    values = [v for part in side.parts if (v := part.expected()) is not None]
    if not values:
        return None
    joint = np.full(side.factor.shape, np.nan)
    for more in values:
        joint = np.where(np.isnan(joint), more, joint)
    return joint if np.nan_to_num(joint).any() else None


def _cosines(values: Array, A: Array) -> Array:
    """Return the cosines between known columns and those of A, where they are known, (k, k)."""
    known = ~np.isnan(values)
    B, A = np.nan_to_num(values), A.astype(np.float64)
    lengths = np.sqrt((B * B).sum(axis=0))[:, None] * np.sqrt(known.T @ (A * A))
    cosines: Array = np.divide(
        B.T @ A, lengths, out=np.zeros(lengths.shape), where=lengths > 0
    )
    return cosines


def _assigned(likeness: Array) -> Array:
    """Return which component takes each place: the most alike, then the others in order."""
    k = len(likeness)
    known = np.flatnonzero(likeness.any(axis=1))
    places, taken = linear_sum_assignment(-likeness[known])
    order = np.full(k, -1)
    order[known[places]] = taken
    order[order < 0] = np.setdiff1d(np.arange(k), taken)
    return order


def _scales(values: Array | None, A: Array) -> Array:
    """Return what columns of A are of known ones, (k,); 1 where nothing is known."""
    if values is None:
        return np.ones(A.shape[1])
    B = np.nan_to_num(values)
    squares, cross = (B * B).sum(axis=0), (B * A).sum(axis=0, dtype=np.float64)
    sound = (squares > 0) & (cross > 0)
    return np.where(sound, cross / np.where(sound, squares, 1), 1.0)


def _columns(A: Array, order: Array) -> Array:
    return np.ascontiguousarray(A[:, np.asarray(order, dtype=np.intp)])


def kept_within(
    sides: Constraints | None, W: Any, Ht: Any, update_H: bool
) -> tuple[Any, Any]:
    """Return factors whose rows that show nothing fulfil the constraints, too."""
    if sides is None:
        return W, Ht
    return sides.W.restored(W), sides.H.restored(Ht) if update_H else Ht
