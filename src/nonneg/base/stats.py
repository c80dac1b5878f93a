"""The record of the sums over the entries of X."""

from __future__ import annotations

import math
from typing import NamedTuple


class Stats(NamedTuple):
    """Sums over the observed entries of X, accumulated in float64."""

    sum: float
    sum_sq: float
    n_entries: float
    """Number of them, or the sum of their weights."""
    smallest: float = 0.0
    """Smallest of them, implicit zeros among them; 0 where it is not known."""

    @property
    def mean(self) -> float:
        """Mean of the observed entries."""
        return self.sum / self.n_entries

    @property
    def size(self) -> float:
        """Mean of the observed entries, or their root mean square if some are negative."""
        if self.smallest >= 0:
            return self.mean
        return math.sqrt(self.sum_sq / self.n_entries)

    def level(self, k: int) -> float:
        """sqrt(mean / k): the size of factors of k components with a product like X."""
        return math.sqrt(max(0.0, self.size) / k)
