"""Steps of a pass for losses that are sums over entries; W·H is made in tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..base.arrays import Array
from ..base.penalty import Penalty
from ..base.steps import Step
from . import column_sums
from .beta_terms import BetaTerms, Terms, multiplied
from .term_records import TermRows, TermShared, TermSums, by_shares

TILE = 1 << 18
"""Most entries of W·H that exist at a time."""


def dense(X_t: Any) -> Array:
    """Return a block of X as an array."""
    return np.asarray(X_t.toarray() if sp.issparse(X_t) else X_t)


def beside(
    Ht: Array,
    n_threads: int = 1,
    penalty: Penalty | None = None,
    after: Array | None = None,
) -> TermShared:
    """Return the other factor with its column sums, and a penalty on the rows."""
    sums = column_sums(Ht, n_threads)
    if penalty is None:
        return TermShared(Ht, sums, after=after)
    return TermShared(Ht, sums, penalty.l1, penalty.Q.diagonal(), after)


@dataclass(frozen=True)
class TermsUpdate(Step[TermRows, TermShared, TermSums]):
    """A multiplicative update of the block's rows, with the other factor's sums.

    The rows start from rows.start and end in rows.solved. The sums are those for the
    other half-step: from A, the rows after the update (before it, if they don't move), and
    shared.after or shared.Ht. Where the positive term is flat and X has no mask, the
    denominators are the column sums of A.

    Parameters
    ----------
    terms : Terms
    move : bool
        False writes the numerators for the rows into rows.solved, if it is there, and the
        denominators into rows.below, if it is there.
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
        self, X_b: Any, mask_b: Any | None, rows_b: TermRows, shared: TermShared
    ) -> TermSums:
        """Update the block's rows and return its sums."""
        n_rows = max(1, TILE // max(1, shared.Ht.shape[0]))
        sums = TermSums()
        for first in range(0, rows_b.start.shape[0], n_rows):
            part = slice(first, first + n_rows)
            X_t = dense(X_b[part])
            M = None if mask_b is None else np.asarray(mask_b[part])
            rows = rows_b.block(first, first + n_rows)
            sums = sums + self._tile(X_t, M, rows, shared)
        return sums

    def _tile(
        self, X: Array, M: Array | None, rows: TermRows, shared: TermShared
    ) -> TermSums:
        Ht, A, terms = shared.Ht, rows.start, self.terms
        flat = terms.is_flat and M is None
        if rows.solved is not None:
            Y = A @ Ht.T
            numerator = self._times(terms.negative(X, Y), M, Ht)
            denominator = (
                shared.column_sums if flat else self._times(terms.positive(Y), M, Ht)
            )
            if self.move:
                weights = (
                    by_shares(shared.l1, rows.linear),
                    by_shares(shared.l2, rows.quadratic),
                )
                A = multiplied(A, numerator, denominator, *weights, terms, self.least)
                rows.solved[...] = A
            else:
                rows.solved[...] = numerator
                if rows.below is not None:
                    rows.below[...] = denominator
        sums = TermSums()
        if not (self.accumulate or self.value):
            return sums
        Y = A @ (Ht if shared.after is None else shared.after).T
        if self.accumulate:
            negative = terms.negative(X, Y)
            sums.numerator = self._times(negative.T, _transposed(M), A)
            if self.bends:
                bent = negative / np.maximum(Y, terms.floor) * A.sum(axis=1)[:, None]
                sums.bends = self._times(bent.T, _transposed(M), A)
            if flat:
                sums.denominator = A.sum(axis=0, dtype=np.float64)
            else:
                sums.denominator = self._times(terms.positive(Y).T, _transposed(M), A)
        if self.value:
            value = terms.value(X, Y)
            sums.value = float((value if M is None else M * value).sum())
        return sums

    @staticmethod
    def _times(weights: Array, M: Array | None, A: Array) -> Array:
        product: Array = (weights if M is None else M * weights) @ A
        return product.astype(A.dtype, copy=False)


def _transposed(M: Array | None) -> Array | None:
    return None if M is None else M.T
