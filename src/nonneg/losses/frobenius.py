"""The Frobenius loss ½‖X − WH‖², computed from products with X or entry by entry."""

from __future__ import annotations

import math

import numpy as np

from ..base.arrays import Array
from ..base.interfaces import LossBase, Operand
from ..base.steps import OtherFactor, RowsOfW
from ..kernels import gram, inner
from ..kernels.beta_terms import BetaTerms
from ..kernels.quadratic_steps import SquaredError
from ..operands.base import matmul, square_of
from ..operands.units import in_unit, times_power, unit_of
from .registry import losses

RELIABLE = {np.dtype(np.float64): 1e-8, np.dtype(np.float32): 1e-3}
"""The expanded square is used while the loss is above this share of ½‖X‖².

The absolute error of the expanded square is about 2e-16 (float64) and 3e-9 (float32 products)
of ‖X‖², so above these shares the relative error stays below about 1e-8 and 1e-5. For dense X
the shares are ten times as large, since there the sum entry by entry costs little more than
the products.
"""


@losses.register("frobenius")
class Frobenius(LossBase):
    """Half the squared Frobenius norm of X − WH over the observed entries."""

    name = "frobenius"
    provides = frozenset({"quadratic", "terms"})

    def terms(self, X: Operand) -> BetaTerms:  # noqa: ARG002
        """Return the terms of the β-divergence with β = 2."""
        return BetaTerms(2.0, 0.0)

    def value(self, X: Operand, W: Array, Ht: Array) -> float:
        """Return ½‖X − WH‖² in float64.

        The expanded square is used; where cancellation would leave it too few digits, the
        sum entry by entry (2·n_samples·n_features·k flops, in tiles).
        """
        exponent = unit_of(X)
        if exponent:
            scaled = in_unit(X, exponent), *in_units(W, Ht, exponent)
            return float(times_power(self.value(*scaled), 2 * exponent))
        if X.shared_gram or X.is_weighted:
            value = _by_products(X, W, Ht, matmul(X, Ht), gram(Ht, X.n_threads))
            if value is not None:
                return value
        return self._by_entries(X, W, Ht)

    def value_beside(
        self, X: Operand, W: Array, Ht: Array, product: Array, gram_H: Array
    ) -> float:
        """Return ½‖X − WH‖² as `value` does, beside X·Ht and HHᵀ that are known."""
        if not X.shared_gram or unit_of(X):
            return self.value(X, W, Ht)
        value = _by_products(X, W, Ht, product, gram_H)
        return self._by_entries(X, W, Ht) if value is None else value

    def value_near(self, X: Operand, W: Array, Ht: Array, about: float) -> float:
        """Return ½‖X − WH‖² as `value` does, without products that would tell too little."""
        too_small = about < _least_share(X) * X.stats().sum_sq and not unit_of(X)
        return self._by_entries(X, W, Ht) if too_small else self.value(X, W, Ht)

    def value_by_entries(self, X: Operand, W: Array, Ht: Array) -> float:
        """Return ½‖X − WH‖² in float64, as the sum entry by entry."""
        if unit_of(X):
            return self.value(X, W, Ht)
        return self._by_entries(X, W, Ht)

    def _by_entries(self, X: Operand, W: Array, Ht: Array) -> float:
        if X.by_columns:
            X, W, Ht = X.T, Ht, W
        return 0.5 * X.run_pass(SquaredError(), RowsOfW(W), OtherFactor(Ht))

    def from_products(self, X: Operand, cross: float, square: float) -> float:
        """Return ½‖X‖² − ⟨X, WH⟩ + ½‖WH‖², at least 0."""
        # in this order NaN stays NaN
        return max(0.5 * X.stats().sum_sq - cross + 0.5 * square, 0.0)

    def each_from_products(
        self, X: Operand, cross: Array, square: Array
    ) -> list[float]:
        """Return ½‖X‖² − ⟨X, WH⟩ + ½‖WH‖², at least 0, for each pair."""
        values = np.maximum(0.5 * X.stats().sum_sq - cross + 0.5 * square, 0.0)
        losses: list[float] = values.tolist()
        return losses


def _by_products(
    X: Operand, W: Array, Ht: Array, product: Array, gram_H: Array
) -> float | None:
    """Return ½‖X − WH‖² by the expanded square, or None if that has too few digits."""
    cross, gram_W = inner(product, W), gram(W, X.n_threads)
    square = square_of(X, W, Ht, gram_W, gram_H)
    sum_sq = X.stats().sum_sq
    value = max(0.5 * sum_sq - cross + 0.5 * square, 0.0)  # NaN stays NaN
    # factors of both signs may cancel, too
    products = float(np.abs(gram_W * gram_H).sum())
    size = 0.5 * (sum_sq + products)
    return value if value > _least_share(X) * size else None


def _least_share(X: Operand) -> float:
    """Return the share of ½(‖X‖² + ‖WH‖²) above which the expanded square is used."""
    return RELIABLE[X.dtype] * (1 if X.sparse else 10)


def in_units(W: Array, Ht: Array, exponent: int) -> tuple[Array, Array]:
    """Return factors whose product is W·H/2^exponent, and which are about alike."""
    largest = max(float(W.max(initial=0)), -float(W.min(initial=0)))
    shift = -math.frexp(largest)[1]
    return times_power(W, shift), times_power(Ht, -exponent - shift)
