"""Steps of a pass for losses that are sums over entries; W·H is made in tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.interfaces import Array, Rows, Shared, Sums
from . import column_sums
from .beta_terms import BetaTerms, Terms, multiplied

TILE = 1 << 18
"""Most entries of W·H that exist at a time."""


def dense(X_t: Any) -> Array:
    """Return a block of X as an array."""
    return np.asarray(X_t.toarray() if hasattr(X_t, "toarray") else X_t)


def beside(Ht: Array, n_threads: int = 1) -> Shared:
    """Return the other factor (n_features, k), with its column sums, for such a step."""
    return {"Ht": Ht, "column_sums": column_sums(Ht, n_threads)}


@dataclass(frozen=True)
class TermsUpdate:
    """One multiplicative update of the block's rows, and the other factor's terms.

    The rows start from rows["start"] and end in rows["solved"]. The other factor is
    shared["Ht"] (n_features, k) with column sums shared["column_sums"] (k,); the penalty
    weights are shared["l1"], shared["l2"] (k,). The sums are those for the other
    half-step: from A, the rows after the update (before it, if they don't move), and
    shared["after"] (n_features, k), or Ht where that is not there.

    Sums, if `accumulate`: "numerator" (n_features, k), and "denominator" of the same shape
    or, where the positive term is flat and X has no mask, "column_sums" (k,) of A. If
    `value`: "value", the loss at A. If `bends`, for a flat loss: "bends" (n_features, k),
    the sum of the second derivative x/y² times the row's sum Σa times a, which is
    Gershgorin's bound on the curvature for the other factor.

    Parameters
    ----------
    terms : Terms
    move : bool
        False writes the numerators for the rows into rows["solved"], if it is there,
        and the denominators into rows["below"], if it is there.
    accumulate, value, bends : bool
        Whether these sums are wanted.
    least : float
        Entries that end below `least` become 0, see `multiplied`.
    """

    terms: Terms
    move: bool = True
    accumulate: bool = True
    value: bool = False
    least: float = 0.0
    bends: bool = False

    @property
    def name(self) -> str:
        """Name of the compiled version, which there is for β-divergences alone."""
        return "beta_update" if isinstance(self.terms, BetaTerms) else "terms_update"

    def __call__(
        self, X_b: Any, mask_b: Any | None, rows_b: Rows, shared: Shared
    ) -> Sums:
        """Update the block's rows and return its sums."""
        Ht = shared["Ht"]
        n_rows = max(1, TILE // max(1, Ht.shape[0]))
        sums: Sums = {}
        for first in range(0, rows_b["start"].shape[0], n_rows):
            part = slice(first, first + n_rows)
            X_t = dense(X_b[part])
            M = None if mask_b is None else np.asarray(mask_b[part])
            rows_t = {name: A[part] for name, A in rows_b.items()}
            for name, value in self._tile(X_t, M, rows_t, shared).items():
                sums[name] = sums[name] + value if name in sums else value
        return sums

    def _tile(self, X: Array, M: Array | None, rows: Rows, shared: Shared) -> Sums:
        Ht, A, terms = shared["Ht"], rows["start"], self.terms
        if "solved" in rows:
            Y = A @ Ht.T
            numerator = self._times(terms.negative(X, Y), M, Ht)
            if terms.is_flat and M is None:
                denominator = shared["column_sums"]
            else:
                denominator = self._times(terms.positive(Y), M, Ht)
            if self.move:
                weights = shared["l1"], shared["l2"]
                A = multiplied(A, numerator, denominator, *weights, terms, self.least)
                rows["solved"][...] = A
            else:
                rows["solved"][...] = numerator
                if "below" in rows:
                    rows["below"][...] = denominator
        sums: Sums = {}
        if not (self.accumulate or self.value):
            return sums
        Y = A @ shared.get("after", Ht).T
        if self.accumulate:
            negative = terms.negative(X, Y)
            sums["numerator"] = self._times(negative.T, _turned(M), A)
            if self.bends:
                bent = negative / np.maximum(Y, terms.floor) * A.sum(axis=1)[:, None]
                sums["bends"] = self._times(bent.T, _turned(M), A)
            if terms.is_flat and M is None:
                sums["column_sums"] = A.sum(axis=0, dtype=np.float64)
            else:
                sums["denominator"] = self._times(terms.positive(Y).T, _turned(M), A)
        if self.value:
            value = terms.value(X, Y)
            sums["value"] = float((value if M is None else M * value).sum())
        return sums

    @staticmethod
    def _times(weights: Array, M: Array | None, A: Array) -> Array:
        product: Array = (weights if M is None else M * weights) @ A
        return product.astype(A.dtype, copy=False)


def _turned(M: Array | None) -> Array | None:
    return None if M is None else M.T
