"""Losses that are sums over entries, given by their gradient's positive and negative terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..base.arrays import Array

EPSILON = float(np.finfo(np.float32).eps)
"""Floor of W·H in negative powers for data of ordinary size, that of scikit-learn."""
NEWTON_STEPS = 60
"""Most Newton steps for the ratio under an L2 penalty; from above they end within ten."""


class Terms(Protocol):
    """A loss Σ d(x, y) with ∂d/∂y = positive − negative, both ≥ 0; picklable.

    The multiplicative update w·r minimises a majoriser of the loss whose derivative is
    positive·r^rise − negative·r^(−fall), each term summed over the entries of a row.
    """

    @property
    def floor(self) -> float:
        """Smallest y that is divided by."""

    @property
    def rise(self) -> float:
        """Power of r that the positive term is multiplied by."""

    @property
    def fall(self) -> float:
        """Power of 1/r that the negative term is multiplied by."""

    @property
    def is_flat(self) -> bool:
        """Whether the positive term is 1 whatever x and y are."""

    def negative(self, x: Array, y: Array) -> Array:
        """Negative term of each entry; 0 where x is 0."""

    def positive(self, y: Array) -> Array:
        """Positive term of each entry."""

    def value(self, x: Array, y: Array) -> Array:
        """The loss of each entry, in float64."""


@dataclass(frozen=True)
class BetaTerms:
    """Terms of the β-divergence [1]_: x·y^(β−2) and y^(β−1).

    Parameters
    ----------
    beta : float
    floor : float
        Smallest y in a negative power, so that none is infinite.
    is_relaxed : bool
        For 0 ≤ β < 1, whether steps go beyond the minimum of the majoriser, by the ratio itself
        in place of its root. Without an L2 penalty they do not raise the loss either: the
        majoriser rises by (r^β − β·r − (1 − β)) / (1 − β) times the positive term, which the
        inequality of the means keeps from being positive.

    References
    ----------
    .. [1] Févotte & Idier, "Algorithms for nonnegative matrix factorization with the
       β-divergence", Neural Computation 23 (2011) 2421-2456,
       https://doi.org/10.1162/NECO_a_00168
    """

    beta: float
    floor: float
    is_relaxed: bool = False

    @property
    def rise(self) -> float:
        """β − 1, or 0 for β < 1, where the part is concave and its tangent is taken."""
        return max(0.0, self.beta - 1.0)

    @property
    def fall(self) -> float:
        """2 − β, or 0 for β > 2, where the part is concave and its tangent is taken.

        1 where the step is relaxed: the ratio without a root.
        """
        if self.is_relaxed and 0 <= self.beta < 1:
            return 1.0
        return max(0.0, 2.0 - self.beta)

    @property
    def is_flat(self) -> bool:
        """True for the Kullback-Leibler divergence."""
        return self.beta == 1.0

    def negative(self, x: Array, y: Array) -> Array:
        """Return x·y^(β−2)."""
        if self.beta < 2:
            y = np.maximum(y, self.floor)
        if self.is_flat:
            flat: Array = x / y
            return flat
        # y^(β−2) by itself may overflow where x is as small as y
        small = self.beta < 2
        term: Array = (
            x / y * y ** (self.beta - 1) if small else x * y ** (self.beta - 2)
        )
        return term

    def positive(self, y: Array) -> Array:
        """Return y^(β−1)."""
        if self.is_flat:
            return np.ones_like(y)
        if self.beta < 1:
            y = np.maximum(y, self.floor)
        term: Array = y ** (self.beta - 1.0)
        return term

    def value(self, x: Array, y: Array) -> Array:
        """Return d(x, y) in float64, without infinite terms where x is 0.

        Where x is 0, it is the part that depends on y, and −1 for β = 0. The floor is
        used only where x is not 0, as in scikit-learn.
        """
        x, y = x.astype(np.float64), y.astype(np.float64)
        present = x > 0
        safe = np.maximum(y, self.floor)
        x1 = np.where(present, x, 1.0)
        beta = self.beta
        out: Array
        if beta == 1:
            out = y + np.where(present, x * np.log(x1 / safe) - x, 0.0)
        elif beta == 0:
            ratio = np.where(present, x1 / safe, 1.0)
            out = np.where(present, ratio - np.log(ratio), 0.0) - 1.0
        else:
            whole = (beta - 1) * (safe if beta < 0 else y) ** beta
            mixed = x1**beta - beta * x1 * safe ** (beta - 1)
            out = (whole + np.where(present, mixed, 0.0)) / (beta * (beta - 1))
        return out


def multiplied(
    A: Array,
    numerator: Array,
    denominator: Array,
    l1: Array,
    l2: Array,
    terms: Terms,
    least: float = 0.0,
    n_threads: int = 1,  # noqa: ARG001  (signature of the compiled twin)
) -> Array:
    """Return the factor after one multiplicative update.

    Parameters
    ----------
    A : ndarray of shape (n_rows, k)
    numerator, denominator : ndarray of shape (n_rows, k) or (k,)
        Sums of the negative and of the positive terms.
    l1, l2 : ndarray of shape (k,)
        Penalty weights. L1 is added to the denominator, and so is L2 where `rise` is at
        least 1. For a smaller `rise` the ratio that minimises the majoriser together
        with the L2 term is computed.
    terms : Terms
    least : float
        Entries that end below `least` become 0.

    Returns
    -------
    ndarray of shape (n_rows, k)
    """
    l1, l2 = l1.astype(A.dtype), l2.astype(A.dtype)
    denominator = denominator.astype(A.dtype, copy=False) + l1
    numerator = numerator.astype(A.dtype, copy=False)
    with np.errstate(over="ignore", under="ignore"):
        if terms.rise < 1 and l2.any():
            ratio = _exact_ratio(numerator, denominator, l2 * A, terms)
        else:
            if l2.any():
                denominator = denominator + l2 * A
            ratio = quotient(numerator, denominator, terms.rise + terms.fall)
        # an infinite ratio moves no zero
        ratio = np.where(A > 0, ratio * np.where(A > 0, A, 1), 0)
    ratio[ratio < least] = 0
    out: Array = np.minimum(ratio, np.finfo(A.dtype).max)
    return out


def quotient(numerator: Array, denominator: Array, power: float = 1.0) -> Array:
    """Return (numerator / denominator)^(1/power) in the numerator's dtype.

    It is 0 where the denominator is 0, since the numerator then is 0 as well.
    """
    below = denominator.astype(numerator.dtype, copy=False)
    filled = below > 0
    if filled.all():
        out: Array = numerator / below
    else:
        out = np.where(filled, numerator, 0) / np.where(filled, below, 1)
        out = out.astype(numerator.dtype, copy=False)
    if power != 1:
        out **= 1.0 / power
    return out


def _exact_ratio(n: Array, d: Array, c: Array, terms: Terms) -> Array:
    """Solve d·r^rise + c·r = n·r^(−fall) for r, by Newton's method from above."""
    dtype = n.dtype
    n, d, c = (np.broadcast_to(a, c.shape).astype(np.float64) for a in (n, d, c))
    low, high = terms.rise + terms.fall, 1.0 + terms.fall
    if low == 1 and high == 2:
        # the positive root of a quadratic equation, without cancellation
        ratio = quotient(2 * n, d + np.sqrt(d * d + 4 * c * n))
        return ratio.astype(dtype)
    with np.errstate(divide="ignore", invalid="ignore"):
        bounds = np.minimum((n / d) ** (1 / low), (n / c) ** (1 / high))
    ratio = np.where(np.isfinite(bounds) & (n > 0), bounds, 0.0)
    for _ in range(NEWTON_STEPS):
        excess = d * ratio**low + c * ratio**high - n
        slope = low * d * ratio ** (low - 1) + high * c * ratio ** (high - 1)
        step = np.where(
            (excess > 0) & (slope > 0), excess / np.where(slope > 0, slope, 1), 0.0
        )
        ratio = ratio - step
        if np.all(step <= 1e-15 * ratio):
            break
    return ratio.astype(dtype)
