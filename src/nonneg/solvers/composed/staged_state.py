"""State of a solver that hands a fit over from one solver to another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...base.arrays import Array
from ...base.interfaces import Stored


@dataclass(eq=False)
class StagedState(Stored):
    """State of the solver in use, `base`, whose factors are the factors of the fit."""

    base: Any
    n_iter: int = field(default=0, kw_only=True)
    """Number of iterations by both solvers."""

    @property
    def W(self) -> Array:
        """W of the solver in use."""
        W: Array = self.base.W
        return W

    @property
    def Ht(self) -> Array:
        """Hᵀ of the solver in use."""
        Ht: Array = self.base.Ht
        return Ht

    def kept_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return the dtype of the factors of `base`, in a fit of an X of this dtype."""
        return dtype
