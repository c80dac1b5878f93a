"""State of an updater that hands a fit over from one updater to another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..protocols import Array, Stored


@dataclass(eq=False)
class StagedState(Stored):
    """State of the updater in use, whose factors are those of the fit."""

    base: Any
    n_iter: int = field(default=0, kw_only=True)
    """Iterations of both."""

    @property
    def W(self) -> Array:
        """W of the updater in use."""
        W: Array = self.base.W
        return W

    @property
    def Ht(self) -> Array:
        """Hᵀ of the updater in use."""
        Ht: Array = self.base.Ht
        return Ht
