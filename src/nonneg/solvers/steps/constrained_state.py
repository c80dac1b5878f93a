"""State of a constrained fit: the extrapolated factors, and what stays during the fit."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...base.arrays import Array
from ...base.interfaces import SCRATCH, Operand
from ...operands.base import matmul
from .factor_constraints import FactorConstraints
from .known_products import Columns, some_products
from .momentum import ExtrapolatedState
from .scattered_constraints import ScatteredConstraints


@dataclass(eq=False)
class ConstrainedState(ExtrapolatedState):
    """The state of an extrapolated solver, with products that fixed components keep."""

    known_W: Array | None = field(default=None, metadata=SCRATCH)
    """X times the fixed components of H, 0 for the others, (n_samples, k)."""
    known_H: Array | None = field(default=None, metadata=SCRATCH)
    """Xᵀ times the fixed components of W, 0 for the others, (n_features, k)."""
    scattered: ScatteredConstraints | None = field(default=None, metadata=SCRATCH)
    """The constraints on W, where its rows are on workers."""

    def placed(
        self, X: Operand, side: FactorConstraints
    ) -> ScatteredConstraints | None:
        """Return the constraints on a W on workers; None for a W here."""
        if self.scattered is None and X.on_workers:
            self.scattered = ScatteredConstraints.of(X, side)
        return self.scattered

    def of_known(
        self, X: Operand, factor: str, other: Array, columns: Columns
    ) -> Array:
        """Return X·other, or Xᵀ·other for "H", in columns that stay as they are; else 0."""
        known = self.known_W if factor == "W" else self.known_H
        if known is not None:
            return known
        known = some_products(X if factor == "W" else X.T, other, columns)
        if factor == "W":
            self.known_W = known
        else:
            self.known_H = known
        return known

    def product_of(
        self, X: Operand, factor: str, other: Array, fixed_W: Columns, fixed_H: Columns
    ) -> Array:
        """Return X·other or Xᵀ·other; columns of fixed components of the factor are not read.

        Columns of `other` that are fixed are multiplied once in a fit.
        """
        this, beside = (fixed_W, fixed_H) if factor == "W" else (fixed_H, fixed_W)
        X_of_rows = X if factor == "W" else X.T
        if not this.any() and not beside.any():
            return matmul(X_of_rows, other)
        known = None
        if beside.any():
            columns = beside if factor == "W" else beside & ~this
            known = self.of_known(X, factor, other, columns)
        return some_products(X_of_rows, other, ~this & ~beside, known)
