"""Records of arrays for the steps of losses that are sums over entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..base.arrays import Array
from ..base.steps import StepRows, StepShared, StepSums
from .row_methods import NewtonReport


@dataclass(slots=True, eq=False)
class TermRows(StepRows):
    """The rows of a factor before and after an update, each of shape (n_rows, k)."""

    written = ("solved", "below")
    start: Array
    solved: Array | None = None
    below: Array | None = None
    """Array for the denominators of the rows, where these don't move."""
    linear: Any = None
    quadratic: Any = None
    """Shares by which the rows are penalised, (n_rows,), see `Penalty`; None: alike."""


@dataclass(slots=True, eq=False)
class TermShared(StepShared):
    """The other factor, and the penalty of the rows."""

    Ht: Array
    """(n_features, k)."""
    column_sums: Array
    """Column sums of Ht, (k,)."""
    l1: Any = None
    l2: Any = None
    """Penalty weights, (k,)."""
    after: Array | None = None
    """The factor (n_features, k) beside which the sums are taken; None: beside Ht."""


@dataclass(slots=True, eq=False)
class TermSums(StepSums):
    """Sums for the other factor, of which each has n rows; None where not asked for."""

    numerator: Any = None
    """Sums of the negative terms, (n, k)."""
    denominator: Any = None
    """Sums of the positive terms, (n, k) or, where all rows are alike, (k,)."""
    value: Any = None
    """The loss at the rows after the update."""
    bends: Any = None
    """Sums of the second derivative x/y² times the row's sum Σa times a, (n, k), of a flat
    loss: Gershgorin's bound on the curvature for the other factor."""


@dataclass(slots=True, eq=False)
class NewtonTermSums(StepSums):
    """Sums of Newton sweeps, and the sums for the other factor."""

    newton: NewtonReport
    terms: TermSums


def by_shares(weights: Array, shares: Array | None) -> Array:
    """Return penalty weights (k,), or those of each row by its share, (n_rows, k)."""
    return weights if shares is None else shares[:, None] * weights
