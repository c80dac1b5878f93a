"""H as an array times a scale for each component, of which a step moves few rows.

For the Kullback-Leibler loss a batch without entries of a feature multiplies that feature's
row of Hᵀ by the same numbers as every other such row. So these rows stay as they are, and the
numbers go into a scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..kernels import column_sums
from ..operands.batches import Narrow
from ..protocols import Array

Vector = NDArray[np.float64]


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

    def whole(self, least: float) -> Array:
        """Hᵀ itself; entries below `least` become 0."""
        Ht: Array = self.base * self.scale.astype(self.base.dtype)
        Ht[Ht < least] = 0
        return Ht

    def gather(self, narrow: Narrow) -> Array:
        """The rows of the batch's features, and the sum of all others as a last one.

        Entries of X that are 0 see H only in such sums.
        """
        k = self.base.shape[1]
        rows = np.empty((narrow.features.size + 1, k), self.base.dtype)
        np.take(self.base, narrow.features, axis=0, out=rows[:-1])
        rows[:-1] *= self.scale.astype(self.base.dtype)
        # as a difference it may end a little below zero
        self.rest = np.maximum(self.total - column_sums(rows[:-1], 1), 0)
        rows[-1] = self.rest
        return rows

    def move(
        self,
        narrow: Narrow,
        before: Array,
        after: Array,
        others: Vector,
    ) -> float:
        """Set the rows gathered last, multiply the others: the change of H, relative.

        Parameters
        ----------
        narrow : Narrow
        before, after : ndarray of shape (n_rows, k)
            The batch's rows; `before` as gathered, without the last one.
        others : ndarray of shape (k,)
            Factors for the rows of all other features.
        """
        assert self.rest is not None
        rest = np.maximum(self.squares - _squares(before), 0)
        moved, own = _squares(after - before), _squares(after)
        change = float(np.sum(moved + (1 - others) ** 2 * rest))
        squares = others**2 * rest + own
        scale = self.scale * others
        self.base[narrow.features] = after * (1 / scale).astype(after.dtype)
        self.scale, self.squares = scale, squares
        self.total = self.rest * others + column_sums(after, 1)
        size = float(np.sum(squares))
        return float(np.sqrt(change / size)) if size > 0 else float(change > 0)


def _squares(A: Array) -> Vector:
    sums: Vector = np.einsum("jt,jt->t", A, A, dtype=np.float64)
    return sums
