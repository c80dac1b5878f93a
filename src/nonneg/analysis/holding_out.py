"""The choice of observed entries that a fit leaves out, so that it can be measured by them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from ..base.arrays import Array
from ..base.missing import UNSTORED, check_with_gaps, spell_missing
from ..base.rules import Rule, is_real, is_word, require

BLOCK = 1 << 20
"""Entries whose draws are made at a time."""
MARGIN = 6.0
"""Standard deviations by which more draws are kept than will be needed."""

Words = NDArray[np.uint64]

_FRACTION = Rule(
    lambda v: is_real(v, 0.0, 1.0) and 0 < v < 1,
    "a float in the range (0.0, 1.0)",
    "Pass the share of the observed entries to hold out, such as 0.1.",
)


def _is_nan_or_zero(value: Any) -> bool:
    number = is_real(value, -math.inf) and value == 0
    return number or (isinstance(value, float) and math.isnan(value))


_MISSING = Rule(
    lambda v: v is None or is_word(v, UNSTORED) or _is_nan_or_zero(v),
    "numpy.nan, 0, a str among {'unstored'} or None",
    "Pass the missing_values of the fit.",
)


def holdout(
    X: Any,
    fraction: float = 0.1,
    random_state: Any = None,
    *,
    missing_values: Any = None,
) -> tuple[Any, Any]:
    """Choose observed entries of X to be left out of a fit and predicted by it.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        NaN in it are missing, as are the masked entries of a masked array and NA in a
        frame; they are never chosen.
    fraction : float, default=0.1
        Share of the observed entries to hold out, between 0 and 1: round(fraction ·
        number of observed entries) of them, one at least.
    random_state : int, RandomState instance or None, default=None
        Seed of the choice.
    missing_values : {nan, 0, "unstored"} or None, default=None
        The `missing_values` of the fit: with 0 the zeros of X are missing as well, with
        "unstored" what a sparse X does not store.

    Returns
    -------
    weights : ndarray of shape (n_samples, n_features), bool, or csr_array
        True for the observed entries that are not held out, for `fit(X, weights=weights)`.
    where : ndarray of shape (n_samples, n_features), bool, or csr_array
        True for the entries held out, for `reconstruction_error(..., where=where)`. Both
        are CSR that store True alone if X is sparse and missing_values="unstored", else
        arrays, of a byte for each entry of X.

    Raises
    ------
    ValueError
        If a parameter is not what it has to be, X has fewer than two observed entries, or
        an X without sparse storage is to have unstored entries.

    See Also
    --------
    reconstruction_error : The error over the entries held out.

    Notes
    -----
    Each entry has a number that depends on the seed and its place alone, and those with
    the smallest numbers are chosen. The transpose of X gives the transposed choice, and
    missing entries elsewhere don't move it. In a square X the entries (i, j) and (j, i) are
    chosen together, so that a symmetric X can't give away what is held out; the number
    chosen may then be one less.

    It takes some 50 ns for each entry, and 16 bytes for each entry chosen.

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import holdout
    >>> X = np.arange(1.0, 13.0).reshape(3, 4)
    >>> X[0, 0] = np.nan
    >>> weights, where = holdout(X, fraction=0.3, random_state=0)
    >>> int(where.sum()), int(weights.sum()), bool(weights[0, 0] or where[0, 0])
    (3, 8, False)
    """
    require("fraction", fraction, _FRACTION, "holdout")
    require("missing_values", missing_values, _MISSING, "holdout")
    seed = check_random_state(random_state).randint(0, 2**32, 2, dtype=np.uint64)
    X, by_storage = _readable(X, missing_values)
    key = np.uint64(seed[0] << np.uint64(32) | seed[1])
    flip = sp.issparse(X) and X.format == "csc"
    A = X.T if flip else X
    zeros_too = _is_nan_or_zero(missing_values) and missing_values == 0
    entries = _ByStorage(A) if by_storage else _ByPlace(A, zeros_too)
    n_observed = entries.count()
    if n_observed < 2:
        msg = (
            f"holdout needs two observed entries or more; X of shape {tuple(X.shape)} has "
            f"{n_observed}."
        )
        raise ValueError(msg)
    n_chosen = min(max(1, round(fraction * n_observed)), n_observed - 1)
    flat = _smallest(entries, key, n_chosen, n_observed)
    weights, where = entries.divide(flat)
    return (_turned(weights), _turned(where)) if flip else (weights, where)


def _turned(A: Any) -> Any:
    """Return the transpose, a sparse one as CSR."""
    return A.T.tocsr() if sp.issparse(A) else A.T


def _readable(X: Any, missing_values: Any) -> tuple[Any, bool]:
    """Return X as an array or CSR or CSC, and whether what it does not store is missing."""
    spelled = spell_missing(X)
    by_storage = UNSTORED in (spelled.missing_values, missing_values)
    X = check_with_gaps(spelled.X, "holdout")
    if by_storage and not sp.issparse(X):
        msg = (
            "missing_values='unstored' is for sparse X, and this one is an array. Pass "
            "missing_values=0 if its zeros are missing, or numpy.nan."
        )
        raise ValueError(msg)
    return X, by_storage


class _ByPlace:
    """Entries of an array, or of a CSR whose unstored zeros are observed."""

    def __init__(self, X: Any, zeros_too: bool) -> None:
        self._X, self._zeros_too, self.shape = X, zeros_too, X.shape

    def _observed(self, rows: slice) -> NDArray[np.bool_]:
        part = self._X[rows]
        values = part.toarray() if sp.issparse(part) else part
        observed: NDArray[np.bool_] = ~np.isnan(values)
        return observed & (values != 0) if self._zeros_too else observed

    def _blocks(self) -> Iterator[slice]:
        n_rows = max(1, BLOCK // self.shape[1])
        for start in range(0, self.shape[0], n_rows):
            yield slice(start, min(start + n_rows, self.shape[0]))

    def count(self) -> int:
        return sum(int(np.count_nonzero(self._observed(b))) for b in self._blocks())

    def places(self) -> Iterator[tuple[Array, Array, Array]]:
        """Yield row, column and number of the observed entries."""
        for block in self._blocks():
            i, j = np.nonzero(self._observed(block))
            i += block.start
            yield i, j, i * self.shape[1] + j

    def divide(self, flat: Array) -> tuple[Any, Any]:
        """Return the observed entries without the chosen ones, and these."""
        where = np.zeros(self.shape, bool)
        where.ravel()[flat] = True
        weights = np.empty(self.shape, bool)
        for block in self._blocks():
            weights[block] = self._observed(block) & ~where[block]
        return weights, where


class _ByStorage:
    """Entries that a CSR stores."""

    def __init__(self, X: Any) -> None:
        self._X = X = X if X.has_canonical_format else X.copy()
        X.sum_duplicates()
        self._observed = ~np.isnan(X.data)
        self.shape = X.shape

    def count(self) -> int:
        return int(np.count_nonzero(self._observed))

    def places(self) -> Iterator[tuple[Array, Array, Array]]:
        """Yield row, column and number of the observed entries."""
        indptr = self._X.indptr
        for start in range(0, self._X.nnz, BLOCK):
            flat = start + np.flatnonzero(self._observed[start : start + BLOCK])
            i = np.searchsorted(indptr, flat, side="right") - 1
            yield i, self._X.indices[flat].astype(np.int64), flat

    def divide(self, flat: Array) -> tuple[Any, Any]:
        """Return the observed entries without the chosen ones, and these."""
        chosen = np.zeros(self._X.nnz, bool)
        chosen[flat] = True
        return self._stored(self._observed & ~chosen), self._stored(chosen)

    def _stored(self, kept: NDArray[np.bool_]) -> Any:
        X = self._X
        before = np.concatenate([[0], np.cumsum(kept)])[X.indptr]
        vectors = np.ones(before[-1], bool), X.indices[kept], before
        return sp.csr_array(vectors, shape=self.shape)


def _smallest(entries: Any, key: np.uint64, n: int, total: int) -> Array:
    """Return the numbers of the n entries with the smallest draws, all else equal fewer."""
    extra = MARGIN * math.sqrt(n) + 64
    while True:
        share = min(1.0, (n + extra) / total)
        limit = np.uint64(min(2**64 - 1, int(share * 2.0**64)))
        draws, flat = [], []
        for i, j, numbers in entries.places():
            drawn = _draw(i, j, entries.shape, key)
            near = drawn <= limit
            draws.append(drawn[near])
            flat.append(numbers[near])
        values, places = np.concatenate(draws), np.concatenate(flat)
        if values.size > n or share == 1.0:
            break
        extra *= 4
    order = np.argsort(values, kind="stable")
    values, places = values[order], places[order]
    if n < values.size and values[n] == values[n - 1]:
        # a pair (i, j), (j, i) at the edge goes in or out together
        first = int(np.searchsorted(values, values[n - 1]))
        n = first if first else int(np.searchsorted(values, values[n - 1], "right"))
    return places[:n]


def _draw(i: Array, j: Array, shape: tuple[int, int], key: np.uint64) -> Words:
    """Return a number of 64 bits for each place, which swapping rows and columns keeps."""
    if shape[0] == shape[1]:
        i, j = np.maximum(i, j), np.minimum(i, j)
    elif shape[0] < shape[1]:
        i, j = j, i
    return _mix(_mix(i.astype(np.uint64) + key) ^ j.astype(np.uint64))


def _mix(words: Words) -> Words:
    """Scramble 64-bit words, by the constants of SplitMix64."""
    with np.errstate(over="ignore"):
        words = words + np.uint64(0x9E3779B97F4A7C15)
        words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return words ^ (words >> np.uint64(31))
