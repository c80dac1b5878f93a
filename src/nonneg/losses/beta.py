"""β-divergences: Kullback-Leibler (β = 1), Itakura-Saito (β = 0) and any other β."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..base.interfaces import Array, LossBase, Operand, Stats
from ..kernels.beta_steps import TermsUpdate, beside
from ..kernels.beta_terms import EPSILON, BetaTerms
from .registry import losses

NAMES = {"frobenius": 2.0, "kullback-leibler": 1.0, "itakura-saito": 0.0}
NAME_OF = {beta: name for name, beta in NAMES.items()}
LIMITS = (0.0, 1.0)
"""β at which the formula is a limit. Nearer to one than the root of the dtype's eps, the
formula loses more digits than its difference from the limit has."""
WIDEST = {np.dtype(np.float64): 290, np.dtype(np.float32): 34}
"""Decimal exponent of the largest power of the mean of X that leaves room for sums."""
LEAST_SHARE = {np.dtype(np.float64): 1e-100, np.dtype(np.float32): 1e-28}
"""Share of the mean of X that its quotient by is still far from infinite."""


def make_loss(beta_loss: float | str | LossBase) -> LossBase:
    """Return the loss for a name or a value of β; an instance is the loss itself."""
    if isinstance(beta_loss, LossBase):
        return beta_loss
    if isinstance(beta_loss, str) and beta_loss not in NAMES:
        return losses[beta_loss]()
    beta = float(NAMES[beta_loss] if isinstance(beta_loss, str) else beta_loss)
    return losses[NAME_OF[beta]]() if beta in NAME_OF else BetaDivergence(beta)


class BetaDivergence(LossBase):
    """Σ d(x, (WH)) over all entries, with d(x, y) the β-divergence.

    (x^β + (β−1)·y^β − β·x·y^(β−1)) / (β·(β−1)), with its limits
    x·log(x/y) − x + y at β = 1 and x/y − log(x/y) − 1 at β = 0.
    """

    name = "beta-divergence"
    provides = frozenset({"terms"})

    def __init__(self, beta: float) -> None:
        self.beta = beta

    def terms(self, X: Operand) -> BetaTerms:
        """Its terms, with a floor that fits the scale of X and a β that its dtype holds."""
        return BetaTerms(rounded(self.beta, X.dtype), floor_for(X))

    def require(self, X: Operand) -> None:
        """Refuse zeros that make the divergence infinite, and powers that overflow."""
        stats, beta = X.stats(), rounded(self.beta, X.dtype)
        if beta <= 0 and not stats.smallest > 0:
            msg = (
                "When beta_loss <= 0 and X contains zeros, the solver may diverge. "
                "Please add small values to X, or use a positive beta_loss."
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

    def value(self, X: Operand, W: Array, Ht: Array) -> float:
        """The divergence in float64, by one pass; W·H is never whole."""
        if X.by_columns:
            X, W, Ht = X.T, Ht, W
        terms = self.terms(X)
        step = TermsUpdate(terms, move=False, accumulate=False, value=True)
        found = X.run_pass(step, {"start": W}, beside(Ht, X.n_threads))
        value = float(found["value"])
        # zeros of X count −1 each at β = 0, as in scikit-learn
        return max(0.0, value) if terms.beta > 0 else value


@losses.register("kullback-leibler")
class KullbackLeibler(BetaDivergence):
    """The generalised Kullback-Leibler divergence, that of Poisson counts."""

    name = "kullback-leibler"
    provides = frozenset({"terms", "poisson"})

    def __init__(self) -> None:
        super().__init__(1.0)


@losses.register("itakura-saito")
class ItakuraSaito(BetaDivergence):
    """The Itakura-Saito divergence, which does not depend on the scale."""

    name = "itakura-saito"

    def __init__(self) -> None:
        super().__init__(0.0)


def rounded(beta: float, dtype: np.dtype[Any]) -> float:
    """The number of this dtype that stands for β; 0 or 1 for one that is next to it."""
    near = math.sqrt(np.finfo(dtype).eps)
    for limit in LIMITS:
        if abs(beta - limit) <= near:
            return limit
    return float(dtype.type(beta))


def floor_for(X: Operand) -> float:
    """Floor of W·H in negative powers: tiny beside the entries of X."""
    stats, least = X.stats(), float(np.finfo(X.dtype).tiny)
    share = LEAST_SHARE[X.dtype] * stats.mean
    return max(EPSILON * smallness(stats), share, least)


def smallness(stats: Stats) -> float:
    """1 for data of ordinary size; less where the mean is below 1e-3, or where entries
    above 1e6 outweigh the rest: a factor of their size leaves the other one small.
    """
    if not stats.sum > 0:
        return 1.0
    share = 1e6 / max(1e6, stats.sum_sq / stats.sum)
    return min(1.0, 1e3 * stats.mean, share * share)
