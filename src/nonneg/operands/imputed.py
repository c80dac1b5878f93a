"""Starts beside missing entries: X with these imputed by a matrix of rank one."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .. import kernels
from ..base.arrays import Array
from ..base.interfaces import Stats
from ..base.steps import Step
from ..kernels.quadratic_steps import MatMul, ProductSum, RMatMul
from .base import BlockedOperand
from .observed import ObservedOperand

START_POWER = 0.5
"""Power of the weights by which X is scaled for a start: its SVD then minimises the weighted
squares."""


class ImputedOperand(BlockedOperand):
    """Products with an X whose missing entries are those of u·vᵀ.

    The entries of u·vᵀ are what the observed ones of their row and column suggest. An entry of
    little weight is imputed for the rest of it. Nothing of the size of X is made.
    """

    kind: ClassVar[str] = "imputed"

    def __init__(self, X: ObservedOperand, u: Array, v: Array) -> None:
        self._X, self._u, self._v = X, u, v
        self.shape, self.dtype, self.n_threads = X.shape, X.dtype, X.n_threads
        self.in_parts = X.in_parts

    @classmethod
    def of(cls, X: ObservedOperand) -> ImputedOperand:
        """Return X, imputed, scaled by the roots of the weights of rows and columns."""
        X = X.taken_by(START_POWER, True)
        first = X.row_scale
        u = np.ones(X.shape[0]) if first is None else first
        v = _fitted(X.T, u)
        u = _fitted(X, v)
        u, v = (a[:, None].astype(X.dtype) for a in (u, v))
        return cls(X, u, v)

    @property
    def T(self) -> ImputedOperand:
        """The transpose, without a copy."""
        return ImputedOperand(self._X.T, self._v, self._u)

    def stats(self) -> Stats:
        """Sums over the observed entries."""
        return self._X.stats()

    def in_scale_of(self, X: Any, W: Array, Ht: Array) -> tuple[Array, Array]:
        """Return factors of this X as factors of X as a solver takes it."""
        scaled: tuple[Array, Array] = X.scaled(*self._X.unscaled(W, Ht))
        return scaled

    def run_pass(self, step: Step[Any, Any, Any], rows: Any, shared: Any) -> Any:
        """Multiply; there are no other passes."""
        if isinstance(step, MatMul):
            rows.out[...] = self._product(shared.Ht)
            return None
        assert isinstance(step, RMatMul)
        return ProductSum(self.T._product(rows.W))

    def _product(self, B: Array) -> Array:
        X, weights = self._X, self._X.weights
        B = np.ascontiguousarray(B, dtype=self.dtype)
        product = X.product(B)
        if weights.named is None:
            return product
        rest = weights.most - weights.rest
        if rest:
            product += (rest * self._u) @ (self._v.T @ B)
        # W·H of rank one, beside a B of other components
        product -= kernels.named_product(
            weights.named, self._u, self._v, B, self.n_threads
        )
        return np.asarray(product / self.dtype.type(weights.most))


def _fitted(X: ObservedOperand, v: Array) -> Array:
    """Return the best u beside v for the observed entries, as a vector in float64."""
    column = v[:, None].astype(X.dtype)
    above = X.product(column).ravel().astype(np.float64)
    squares = np.square(v)
    below = np.full(X.shape[0], X.weights.rest * float(squares.sum()))
    if X.weights.named is not None:
        below += np.asarray(X.weights.named @ squares).ravel()
    known = below > 1e-12 * float(squares.sum())
    u = np.where(known, above / np.where(known, below, 1), 0)
    # a row without observations is as large as the others are on average
    return np.where(known, u, u[known].mean() if known.any() else 0.0)
