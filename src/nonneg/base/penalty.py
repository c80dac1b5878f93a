"""The record of a penalty on one factor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .arrays import Array


@dataclass(frozen=True, eq=False)
class Penalty:
    """Penalty on one factor A (rows a): l1·a + ½ a Q aᵀ, summed over its rows.

    `l1` has shape (k,), `Q` is (k, k) positive semi-definite and is added to the
    Gram matrix: L2 is diag(l2), pg's sparseness β·11ᵀ, ARD a diagonal.

    Where entries of X are missing or weighted, the rows are penalised by shares: the first
    term of row i is multiplied by linear[i], the second by quadratic[i].
    """

    l1: NDArray[np.float64]
    Q: NDArray[np.float64]
    linear: NDArray[np.float64] | None = None
    quadratic: NDArray[np.float64] | None = None

    @classmethod
    def elastic(cls, k: int, l1: float = 0.0, l2: float = 0.0) -> Penalty:
        """Penalty l1·‖a‖₁ + ½ l2·‖a‖² with the same weights for all k components."""
        return cls(np.full(k, float(l1)), float(l2) * np.eye(k))

    def value(self, column_sums: Array, gram: Array) -> float:
        """Value for a factor with these column sums (k,) and Gram matrix AᵀA (k, k).

        Rows that are penalised by shares count with these in both.
        """
        return float(self.l1 @ column_sums + 0.5 * np.sum(self.Q * gram))

    @cached_property
    def is_zero(self) -> bool:
        """Whether it penalises nothing."""
        return not (self.l1.any() or self.Q.any())
