"""H as an array times a scale for each component, of which a step moves few rows.

For the Kullback-Leibler loss a batch without entries of a feature multiplies that feature's
row of Hᵀ by the same numbers as every other such row. So these rows stay as they are, and the
numbers go into a scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...base.interfaces import Array
from ...kernels import column_sums, gather_scaled, move_scaled
from ...operands.streamed.row_batches import Narrow

Vector = NDArray[np.float64]


def whole(base: Array, scale: Vector, least: float) -> Array:
    """Hᵀ itself; entries below `least` become 0."""
    Ht: Array = base * scale.astype(base.dtype)
    Ht[Ht < least] = 0
    return Ht


@dataclass(eq=False)
class ScaledFactor:
    """Hᵀ = `base`·diag(`scale`), with sums over its rows, in float64."""

    base: Array
    scale: Vector
    total: Vector
    """Column sums of Hᵀ."""
    squares: Vector
    """Sums of squares of its columns."""
    rest: Vector | None = None
    """Column sums of the rows that the last `gather` has left out."""

    @classmethod
    def of(cls, Ht: Array, n_threads: int) -> ScaledFactor:
        """Ht, which is kept and written to."""
        squares = np.einsum("jt,jt->t", Ht, Ht, dtype=np.float64)
        total = np.asarray(column_sums(Ht, n_threads))
        return cls(Ht, np.ones(Ht.shape[1]), total, squares)

    def gather(self, narrow: Narrow) -> Array:
        """The rows of the batch's features, and the sum of all others as a last one.

        Entries of X that are 0 see H only in such sums.
        """
        k = self.base.shape[1]
        rows = np.empty((narrow.features.size + 1, k), self.base.dtype)
        sums = gather_scaled(
            self.base, narrow.features, self.scale, rows[:-1], narrow.X.n_threads
        )
        # as a difference it may end a little below zero
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
        """Move the rows gathered last, multiply the others: the change of H, relative.

        Parameters
        ----------
        narrow : Narrow
        before : ndarray of shape (n_rows, k)
            The batch's rows as gathered, without the last one.
        numerator : ndarray of shape (n_rows, k)
            They become before·(numerator + kept)/denominator.
        kept, denominator : ndarray of shape (k,)
            All other rows are multiplied by kept/denominator.
        least : float
            Entries of the batch's rows that end below become 0.
        """
        assert self.rest is not None
        others = kept / denominator
        scale = self.scale * others
        was, moved, own, sums = move_scaled(
            self.base, narrow.features, before, numerator, kept, 1 / denominator,
            1 / scale, least, narrow.X.n_threads,
        )  # fmt: skip
        rest = np.maximum(self.squares - was, 0)
        change = float(np.sum(moved + (1 - others) ** 2 * rest))
        self.scale, self.squares = scale, others**2 * rest + own
        self.total = self.rest * others + sums
        size = float(np.sum(self.squares))
        return float(np.sqrt(change / size)) if size > 0 else float(change > 0)

    def put_back(self, narrow: Narrow, before: Array, scale: Vector) -> None:
        """Undo a `move`, also one that did not end: the rows as gathered, by that scale."""
        self.base[narrow.features] = before / scale.astype(self.base.dtype)
