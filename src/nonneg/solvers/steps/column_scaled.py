"""Hᵀ as an array times a scale for each component, so that a step writes to few rows.

For the Kullback-Leibler loss, a step multiplies all rows of Hᵀ whose features don't occur in
its batch by the same k numbers. These numbers are multiplied into the scale, and the rows are
not written to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...base.arrays import Array
from ...kernels import column_sums, gather_scaled, move_scaled
from ...operands.streamed.row_batches import Narrow

Vector = NDArray[np.float64]


def whole(base: Array, scale: Vector, least: float) -> Array:
    """Return base·diag(scale), in which entries below `least` become 0."""
    Ht: Array = base * scale.astype(base.dtype)
    Ht[Ht < least] = 0
    return Ht


@dataclass(eq=False)
class ScaledFactor:
    """Hᵀ = `base`·diag(`scale`), with sums over its rows in float64."""

    base: Array
    scale: Vector
    total: Vector
    """Column sums of Hᵀ, (k,)."""
    squares: Vector
    """Column sums of the squares of Hᵀ, (k,)."""
    rest: Vector | None = None
    """Column sums, (k,), over the rows of Hᵀ that the last `gather` has left out."""

    @classmethod
    def of(cls, Ht: Array, n_threads: int) -> ScaledFactor:
        """Make the factor from Ht, which is kept and written to."""
        squares = np.einsum("jt,jt->t", Ht, Ht, dtype=np.float64)
        total = np.asarray(column_sums(Ht, n_threads))
        return cls(Ht, np.ones(Ht.shape[1]), total, squares)

    def gather(self, narrow: Narrow) -> Array:
        """Return the rows of Hᵀ for the batch's features, then the sum of all others.

        The sum is enough for the other features: all their entries in the batch are 0,
        and the loss sees H at such entries only in the sum.
        """
        k = self.base.shape[1]
        rows = np.empty((narrow.features.size + 1, k), self.base.dtype)
        sums = gather_scaled(
            self.base, narrow.features, self.scale, rows[:-1], narrow.X.n_threads
        )
        # rounding may leave the difference a little below zero
        self.rest = np.maximum(self.total - sums, 0)
        rows[-1] = self.rest
        return rows

    def move(
        self,
        narrow: Narrow,
        before: Array,
        numerator: Array,
        kept: Vector,
        denominator: Vector,
        least: float,
    ) -> float:
        """Update the rows gathered last and the scale of all others.

        Returns ‖new Hᵀ − old Hᵀ‖ / ‖new Hᵀ‖; if all of it is 0, whether it has changed.

        Parameters
        ----------
        narrow : Narrow
        before : ndarray of shape (n_rows, k)
            The rows of the batch's features as gathered, without the last row.
        numerator : ndarray of shape (n_rows, k)
            These rows become before·(numerator + kept)/denominator.
        kept, denominator : ndarray of shape (k,)
            All other rows are multiplied by kept/denominator.
        least : float
            Entries of the rows of the batch's features that end below `least` become 0.
        """
        assert self.rest is not None
        others = kept / denominator
        scale = self.scale * others
        squares_before, squares_moved, squares_after, sums = move_scaled(
            self.base, narrow.features, before, numerator, kept, 1 / denominator,
            1 / scale, least, narrow.X.n_threads,
        )  # fmt: skip
        rest = np.maximum(self.squares - squares_before, 0)
        change = float(np.sum(squares_moved + (1 - others) ** 2 * rest))
        self.scale, self.squares = scale, others**2 * rest + squares_after
        self.total = self.rest * others + sums
        size = float(np.sum(self.squares))
        return float(np.sqrt(change / size)) if size > 0 else float(change > 0)

    def put_back(self, narrow: Narrow, before: Array, scale: Vector) -> None:
        """Undo a `move`, also an interrupted one.

        `before` are the rows as gathered and `scale` is the scale before the move.
        """
        self.base[narrow.features] = before / scale.astype(self.base.dtype)
