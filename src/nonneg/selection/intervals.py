"""Replicates of components matched with a model's: their mean, spread and intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from ..base.arrays import Array
from ..base.threads import single_threaded_blas
from .matching import match_units, unit_rows

LEAST_MATCH = 0.8
"""Mean cosine with its partners below which a component has no interval."""
CHUNK = 2048
"""Entries of the components that are summarized at a time, which a cache holds: whole arrays of all
replicates are new pages for each temporary one (D-BOOTSTRAP-SUMMARY)."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Intervals:
    """Components with their uncertainty, rows scaled to unit sum.

    Attributes
    ----------
    mean, sd, low, high : ndarray of shape (k, n_features), float64
        Mean and standard deviation over the replicates, and the ends of the intervals;
        `low` and `high` are NaN for a component that is not found again.
    matched : ndarray of shape (k,), float64
        Mean cosine of each component with its partners in the replicates.
    """

    mean: Floats
    sd: Floats
    low: Floats
    high: Floats
    matched: Floats


class MatchedReplicates:
    """Components of replicates in the order of the model's, rows scaled to unit sum.

    Parameters
    ----------
    H : ndarray of shape (k, n_features)
        The model's components.
    """

    def __init__(self, H: Array) -> None:
        self._H, self._units = H, unit_rows(H)
        self._put: dict[int, tuple[Floats, Floats]] = {}

    def put(self, r: int, components: Array) -> None:
        """Take the components of replicate r; several threads may call it for several r."""
        with single_threaded_blas():  # for small products
            order, cosine = match_units(self._units, unit_rows(components))
        self._put[r] = _unit_sums(components[order]), cosine

    def gather(self, n_replicates: int) -> None:
        """Put the first replicates into one array each, `values` and `cosine`; drop the others.

        There are only now as many numbers as replicates have ended: a time limit or a callback may
        end them long before all that were asked for.
        """
        self.values = np.empty((n_replicates, *self._H.shape))
        self.cosine = np.empty((n_replicates, len(self._H)))
        for r in range(n_replicates):
            self.values[r], self.cosine[r] = self._put.pop(r)
        self._put.clear()

    def percentiles(self, level: float) -> Intervals:
        """Return the middle share `level` of the replicates for each entry."""
        tables, n = np.empty((4, *self._H.shape)), len(self.values)
        mean, sd, low, high = tables.reshape(4, -1)
        numbers_of = self.values.reshape(n, -1)
        for start in range(0, len(mean), CHUNK):
            some = slice(start, start + CHUNK)
            numbers = np.ascontiguousarray(numbers_of[:, some].T)
            mean[some] = numbers.mean(axis=1)
            sd[some] = numbers.std(axis=1, ddof=1) if n > 1 else np.nan
            low[some], high[some] = middle_interval(numbers, level)
        return self._where_matched(tables)

    def normal(self, level: float, left_out: float) -> Intervals:
        """Return normal intervals where each replicate leaves out this share of the rows."""
        # leaving out a share d of the rows: variance of the mean of the others, (1 − d)/d
        sd = math.sqrt((1 - left_out) / left_out) * self.values.std(axis=0)
        width, center = float(norm.ppf(0.5 + level / 2)), _unit_sums(self._H)
        low, high = np.maximum(center - width * sd, 0), center + width * sd
        return self._where_matched(np.stack([self.values.mean(axis=0), sd, low, high]))

    def _where_matched(self, tables: Floats) -> Intervals:
        """Return mean, sd, low and high, without intervals of what is not found again."""
        matched = self.cosine.mean(axis=0)
        tables[2:, matched < LEAST_MATCH] = np.nan
        mean, sd, low, high = tables
        return Intervals(mean, sd, low, high, matched)


def middle_interval(values: Floats, level: float) -> list[Floats]:
    """Return the ends of the middle share `level` of values along their last axis.

    They are those of `np.percentile`, which takes 2.7 times as long for 100 values.
    """
    ordered, last = np.sort(values, axis=-1), values.shape[-1] - 1
    ends = []
    for share in (0.5 * (1 - level), 0.5 * (1 + level)):
        below, part = divmod(share * last, 1.0)
        lower = ordered[..., int(below)]
        upper = ordered[..., min(int(below) + 1, last)]
        ends.append(lower + part * (upper - lower))
    return ends


def _unit_sums(H: Array) -> Floats:
    H = np.asarray(H, dtype=np.float64)
    sums = H.sum(axis=1, keepdims=True)
    scaled: Floats = np.divide(H, sums, out=np.zeros_like(H), where=sums > 0)
    return scaled
