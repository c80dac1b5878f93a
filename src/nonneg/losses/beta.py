"""β-divergences: Kullback-Leibler (β = 1), Itakura-Saito (β = 0) and any other β."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..base.interfaces import LossBase, Operand, Stats
from ..kernels.beta_steps import TermsUpdate, beside
from ..kernels.beta_terms import EPSILON, BetaTerms
from ..kernels.term_records import TermRows
from ..operands.observed import ObservedOperand
from .registry import losses

NAMES = {"frobenius": 2.0, "kullback-leibler": 1.0, "itakura-saito": 0.0}
NAME_OF = {beta: name for name, beta in NAMES.items()}
LIMITS = (0.0, 1.0)
"""Values of β at which the formula is a limit. If β is nearer to one of them than the square
root of the dtype's eps, rounding in the formula exceeds its difference from the limit."""
WIDEST = {np.dtype(np.float64): 290, np.dtype(np.float32): 34}
"""Decimal exponent of the largest power of the mean of X that leaves room for sums."""
LEAST_SHARE = {np.dtype(np.float64): 1e-100, np.dtype(np.float32): 1e-28}
"""Smallest floor of W·H as a share of the mean of X; X over it is still far from infinite."""


def make_loss(beta_loss: float | str | LossBase) -> LossBase:
    """Return the loss for a name or a value of β; an instance is the loss itself."""
    if isinstance(beta_loss, LossBase):
        return beta_loss
    if isinstance(beta_loss, str) and beta_loss not in NAMES:
        return losses[beta_loss]()
    beta = float(NAMES[beta_loss] if isinstance(beta_loss, str) else beta_loss)
    return losses[NAME_OF[beta]]() if beta in NAME_OF else BetaDivergence(beta)


class BetaDivergence(LossBase):
    """The sum over all entries x of X and y of W·H of the β-divergence d(x, y).

    d(x, y) = (x^β + (β−1)·y^β − β·x·y^(β−1)) / (β·(β−1)), with its limits
    x·log(x/y) − x + y at β = 1 and x/y − log(x/y) − 1 at β = 0.
    """

    name = "beta-divergence"
    provides = frozenset({"terms"})
    is_relaxed = False

    def __init__(self, beta: float) -> None:
        self.beta = beta

    def terms(self, X: Operand) -> BetaTerms:
        """Return the terms, with a floor for the scale of X and a β of its dtype."""
        return BetaTerms(rounded(self.beta, X.dtype), floor_for(X), self.is_relaxed)

    def relaxed(self) -> BetaDivergence:
        """Return the divergence with steps by the plain ratio for 0 ≤ β < 1."""
        if not 0 <= self.beta < 1:
            return self
        loss = copy.copy(self)
        loss.is_relaxed = True
        return loss

    def require(self, X: Operand) -> None:
        """Refuse zeros that make the divergence infinite, and powers that overflow."""
        stats, beta = X.stats(), rounded(self.beta, X.dtype)
        if beta <= 0 and X.has_zeros():
            msg = (
                "When beta_loss <= 0 and X contains zeros, the solver may diverge. "
                "Please add small values to X, or use a positive beta_loss; if a zero is a "
                "missing entry, pass missing_values=0."
            )
            raise ValueError(msg)
        if not stats.mean > 0:
            return
        exponent = abs(math.log10(stats.mean)) * max(abs(beta), abs(beta - 1))
        if exponent > WIDEST[X.dtype]:
            msg = (
                f"X has a mean of {stats.mean:.3g}; with beta_loss={self.beta:g} its "
                f"powers are beyond the range of {X.dtype}. Multiply X by a number that "
                "brings its mean nearer to 1"
                + (", or pass float64." if X.dtype == np.float32 else ".")
            )
            raise ValueError(msg)

    def size(self, X: Operand) -> float:
        """Size of the sum of terms of both signs: (mean of X)^β for each entry."""
        stats = X.stats()
        return float(stats.n_entries * stats.mean**self.beta)

    def value(self, X: Operand, W: Array, Ht: Array) -> float:
        """Return the divergence in float64, by one pass that makes W·H in tiles."""
        if X.by_columns:
            X, W, Ht = X.T, Ht, W
        if isinstance(X, ObservedOperand):
            X, W, Ht = X.for_divergence(self.beta, W, Ht)
        terms = self.terms(X)
        step = TermsUpdate(terms, move=False, accumulate=False, value=True)
        value = float(X.run_pass(step, TermRows(W), beside(Ht, X.n_threads)).value)
        # zeros of X count −1 each at β = 0, as in scikit-learn
        return max(value, 0.0) if terms.beta > 0 else value  # NaN stays NaN


@losses.register("kullback-leibler")
class KullbackLeibler(BetaDivergence):
    """The generalised Kullback-Leibler divergence, for Poisson counts."""

    name = "kullback-leibler"
    provides = frozenset({"terms", "poisson"})

    def __init__(self) -> None:
        super().__init__(1.0)


@losses.register("itakura-saito")
class ItakuraSaito(BetaDivergence):
    """The Itakura-Saito divergence, which does not depend on the scale of X."""

    name = "itakura-saito"

    def __init__(self) -> None:
        super().__init__(0.0)


def rounded(beta: float, dtype: np.dtype[Any]) -> float:
    """Round β to the dtype; a β next to 0 or 1 becomes 0 or 1."""
    near = math.sqrt(np.finfo(dtype).eps)
    for limit in LIMITS:
        if abs(beta - limit) <= near:
            return limit
    return float(dtype.type(beta))


def floor_for(X: Operand) -> float:
    """Return the floor of W·H in negative powers: a number tiny beside the entries of X."""
    stats, least = X.stats(), float(np.finfo(X.dtype).tiny)
    share = LEAST_SHARE[X.dtype] * stats.mean
    return max(EPSILON * smallness(stats), share, least)


def smallness(stats: Stats) -> float:
    """Return the number in (0, 1] by which floors are multiplied for tiny or huge data.

    It is 1 for data of ordinary size. It is less where the mean is below 1e-3, and where
    entries above 1e6 outweigh the rest: if one factor has their size, the other is small.
    """
    if not stats.sum > 0:
        return 1.0
    share = 1e6 / max(1e6, stats.sum_sq / stats.sum)
    return min(1.0, 1e3 * stats.mean, share * share)
