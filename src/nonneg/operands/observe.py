"""The operand of an X in memory by what a caller says about missing and weighted entries."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from .. import kernels
from ..base.arrays import Array
from ..base.interfaces import Operand
from ..base.observed import WITH_GAPS, EntryWeights, Observation, Weights
from .clean_dense import CleanDense
from .dense import DenseOperand
from .observed import ObservedOperand
from .registration import as_operand
from .sparse import SparseOperand
from .weight_checks import checked_weights, weight_vector

UNSTORED = "unstored"
MOST_HIDDEN = 0.5
"""Share of missing entries of a dense X from which the others are kept as a sparse matrix, and
rows are solved for on what they show (D-OPERANDS-MOST-HIDDEN)."""


class Pattern(NamedTuple):
    """Weights of entries, as `Weights` has them, and the X that goes with them."""

    X: Any
    rest: float = 1
    named: Any = None


def observe(
    X: Any, observation: Observation, n_threads: int, whom: str = "NMF"
) -> Operand:
    """Return the operand of a checked X with the weights of its entries.

    Parameters
    ----------
    X : ndarray, csr or csc matrix of shape (n_rows, n_columns)
        float32 or float64. NaN is allowed where `given` allows it.
    observation : Observation
    n_threads : int
    whom : str
        Name of the caller for messages.

    Raises
    ------
    ValueError
        If weights don't fit X, are negative or not finite, or leave no entry; or if X has
        NaN where it must not.
    """
    pattern = _by_values(X, observation.missing_values, n_threads, whom)
    if observation.weights is not None:
        pattern = _weighted(pattern, observation.weights, whom)
    pattern = _simplest(pattern)
    X, rest, named = pattern
    rows = weight_vector(observation.sample_weight, "sample_weight", X.shape[0])
    columns = weight_vector(observation.feature_weight, "feature_weight", X.shape[1])
    shape = (int(X.shape[0]), int(X.shape[1]))
    weights = Weights(shape, rows, columns, rest, named)
    if rows is None and columns is None and rest == 1 and named is None:
        return as_operand(X, n_threads)
    require_observed(weights)
    if observation.weights is None and rest == 0 and sp.issparse(X):
        raw = values = as_operand(X, n_threads)
    else:
        raw, values = _operands(pattern, n_threads)
    return ObservedOperand(raw, values, weights)


def require_observed(weights: Weights) -> None:
    """Raise ValueError where no entry counts."""
    if weights.n_observed == 0:
        msg = (
            f"No entry of X (shape {weights.shape}) is observed: all are missing or have "
            "weight 0. Pass an X with at least one observed entry."
        )
        raise ValueError(msg)


def _by_values(X: Any, missing_values: Any, n_threads: int, whom: str) -> Pattern:
    """Return the entries that are missing by their values in X."""
    if isinstance(missing_values, str):
        if not sp.issparse(X):
            msg = (
                "missing_values='unstored' is for a sparse X, whose unstored entries are "
                f"missing; X is a dense array of shape {X.shape}. Pass missing_values=0 "
                "for zeros that are missing, or numpy.nan."
            )
            raise ValueError(msg)
        _refuse_nan(X, whom)
        return Pattern(X, 0, _ones_like(X))
    if missing_values is None:
        return Pattern(X)
    if np.isnan(missing_values):
        return _by_nan(X, n_threads)
    _refuse_nan(X, whom)
    if sp.issparse(X):
        X = X.copy()
        X.eliminate_zeros()
        return Pattern(X, 0, _ones_like(X))
    return Pattern(X, 1, _gaps(X, True, n_threads))


def _by_nan(X: Any, n_threads: int) -> Pattern:
    if not sp.issparse(X):
        return Pattern(X, 1, _gaps(X, False, n_threads))
    missing = np.isnan(X.data)
    if not missing.any():
        return Pattern(X)
    filled = X.copy()
    filled.data[missing] = 0
    named = X.copy()
    named.data = np.where(missing, -1, 0).astype(X.dtype)
    named = _csr(named)
    named.eliminate_zeros()
    return Pattern(filled, 1, named)


def _refuse_nan(X: Any, whom: str) -> None:
    values = X.data if sp.issparse(X) else X
    if np.isnan(values.sum()):
        msg = (
            f"Input X contains NaN, and {whom} is told that other entries are missing. "
            "Pass missing_values=numpy.nan if NaN are missing entries, or fill them."
        )
        raise ValueError(msg)


def _gaps(X: Array, zeros: bool, n_threads: int) -> Any:
    """Return a CSR with -1 where a dense X is NaN, or 0; None without any."""
    if X.flags.f_contiguous and not X.flags.c_contiguous:
        turned = _gaps(X.T, zeros, n_threads)
        return None if turned is None else turned.T.tocsr()
    indptr, indices = kernels.gap_columns(X, zeros, n_threads)
    if not indices.size:
        return None
    data = np.full(indices.size, -1, dtype=X.dtype)
    return sp.csr_array((data, indices, indptr), shape=X.shape)


def hidden_entries(missing: Array, dtype: Any) -> Any:
    """Return a CSR with -1 at the missing entries, or None without any."""
    n_rows, n_columns = missing.shape
    counts = np.count_nonzero(missing, axis=1)
    if not counts.any():
        return None
    flat = np.flatnonzero(missing)
    indptr = np.zeros(n_rows + 1, dtype=np.int64)
    np.cumsum(counts, out=indptr[1:])
    kind = np.int32 if flat.size < 2**31 else np.int64
    indices = (flat % n_columns).astype(kind)
    data = np.full(flat.size, -1, dtype=dtype)
    return sp.csr_array((data, indices, indptr.astype(kind)), shape=missing.shape)


def _ones_like(X: Any) -> Any:
    """Return a CSR with 1 at the stored entries of X, explicit zeros among them."""
    marks = X.copy()
    marks.data = np.ones_like(X.data)
    marks = _csr(marks)
    if not marks.has_canonical_format:
        marks.sum_duplicates()
        marks.data[:] = 1
    return marks


def _csr(X: Any) -> Any:
    return sp.csr_array(X)


def _weighted(pattern: Pattern, weights: Any, whom: str) -> Pattern:
    """Return the pattern with the weights of single entries."""
    X, rest, named = pattern
    if isinstance(weights, EntryWeights):
        if rest != 1 or named is not None:
            raise ValueError(WITH_GAPS)
        return _with_entries(X, weights, whom)
    weights = checked_weights(weights, X)
    if sp.issparse(weights):
        if rest == 0:
            weights = _csr(weights.multiply(_binary(named)))
        elif named is not None:
            weights = _csr(weights - weights.multiply(_binary(named)))
        weights.eliminate_zeros()
        return Pattern(X, 0, weights.astype(X.dtype))
    if rest == 0:
        weighted = _csr(_binary(named).multiply(weights))
        weighted.eliminate_zeros()
        return Pattern(X, 0, weighted.astype(X.dtype))
    if named is not None:
        weights = weights.copy()
        _, indices = named.indptr, named.indices
        rows = np.repeat(np.arange(named.shape[0]), np.diff(named.indptr))
        weights[rows, indices] = 0
    _refuse_weighted_nan(X, weights, whom)
    return Pattern(X, 0, weights)


def _with_entries(X: Any, weights: EntryWeights, whom: str) -> Pattern:
    """Return the pattern of an X with weights of some entries and one of all others."""
    elsewhere = weights.elsewhere
    is_number = isinstance(elsewhere, int | float | np.number)
    if not (is_number and np.isfinite(elsewhere) and elsewhere >= 0):
        msg = (
            "`elsewhere` of EntryWeights must be a finite number of at least 0; got "
            f"{elsewhere!r}."
        )
        raise ValueError(msg)
    if not sp.issparse(weights.stored):
        msg = (
            "`stored` of EntryWeights must be a sparse matrix; got a "
            f"{type(weights.stored).__name__}. Pass an array of weights as `weights` itself."
        )
        raise ValueError(msg)
    stored = checked_weights(weights.stored, X)
    if elsewhere == 0:
        return _weighted(Pattern(X), stored, whom)
    if not sp.issparse(X):
        full = np.full(X.shape, elsewhere, dtype=X.dtype)
        rows = np.repeat(np.arange(X.shape[0]), np.diff(stored.indptr))
        full[rows, stored.indices] = stored.data
        return _weighted(Pattern(X), full, whom)
    _refuse_nan(X, whom)
    return Pattern(
        X, elsewhere, _with_data(stored, stored.data - X.dtype.type(elsewhere))
    )


def _with_data(A: Any, data: Array) -> Any:
    """Return a CSR of the entries of A with other numbers."""
    return sp.csr_array((data, A.indices, A.indptr), shape=A.shape)


def _values_at(A: Any, places: Any) -> Array:
    """Return the entries of a CSR at the places of another one, 0 where it has none."""
    rows = np.repeat(np.arange(places.shape[0]), np.diff(places.indptr))
    values: Array = np.asarray(A[rows, places.indices]).ravel()
    return values


def _refuse_weighted_nan(X: Any, weights: Array, whom: str) -> None:
    """Raise ValueError where an entry that counts is NaN."""
    if sp.issparse(X):
        _refuse_nan(X, whom)
        return
    if not np.isnan(X.sum()):
        return
    bad = np.isnan(X) & (weights > 0)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        msg = (
            f"Input X contains NaN in row {row}, column {column}, counted from 0, where "
            f"`weights` is {weights[row, column]:g}. Pass missing_values=numpy.nan, or a "
            "weight of 0 there."
        )
        raise ValueError(msg)


def _binary(named: Any) -> Any:
    """Return a CSR with 1 at the named entries."""
    marks = named.copy()
    marks.data = np.ones_like(named.data)
    return marks


def _simplest(pattern: Pattern) -> Pattern:
    """Return the same weights in the form that costs least."""
    X, rest, named = pattern
    if named is None:
        return pattern
    size = X.shape[0] * X.shape[1]
    if not sp.issparse(named):
        if np.all((named == 0) | (named == 1)):
            pattern = Pattern(X, 1, hidden_entries(named == 0, X.dtype))
            return _simplest(pattern) if pattern.named is not None else pattern
        if np.count_nonzero(named) < (1 - MOST_HIDDEN) * size:
            named = sp.csr_array(named)
        else:
            return Pattern(X, 0, named)
        rest = 0
    if rest == 0 and named.nnz == size and np.all(named.data == 1):
        return Pattern(X)
    if rest == 1 and not sp.issparse(X) and named.nnz > MOST_HIDDEN * size:
        dense = np.ones(X.shape, dtype=bool)
        rows = np.repeat(np.arange(X.shape[0]), np.diff(named.indptr))
        dense[rows, named.indices] = False
        shown = hidden_entries(dense, X.dtype)
        if shown is None:
            shown = sp.csr_array(X.shape, dtype=X.dtype)
        shown.data[:] = 1
        return Pattern(X, 0, shown)
    return Pattern(X, rest, named)


def _operands(pattern: Pattern, n_threads: int) -> tuple[Operand, Operand]:
    """Return operands of X, 0 where an entry is missing, and of X times its weights."""
    X, rest, named = pattern
    if named is None:
        raw = as_operand(X, n_threads)
        return raw, raw
    if rest != 0 and not np.all((named.data == -rest) | (named.data == 0)):
        # only what X stores is read; entries that weigh nothing are 0 in both
        shown = _csr(X).copy()
        shown.sort_indices()
        extra = _values_at(named, shown)
        weight = X.dtype.type(rest) + extra
        shown = _with_data(shown, np.where(weight > 0, shown.data, 0))
        weighted = _with_data(shown, shown.data * weight)
        return SparseOperand(shown, n_threads), SparseOperand(weighted, n_threads)
    if rest == 1:
        raw = _hiding(X, named, n_threads)
        return raw, raw
    if not sp.issparse(named):
        if sp.issparse(X):
            shown = X.multiply(named > 0).tocsr()
            values = SparseOperand(sp.csr_array(X.multiply(named)), n_threads)
            return SparseOperand(shown, n_threads), values
        turned = X.flags.f_contiguous and not X.flags.c_contiguous
        arrays = (X.T, named.T) if turned else (X, named)
        pair = [
            CleanDense(arrays[0], None, np.asarray(arrays[1]), multiply, n_threads)
            for multiply in (False, True)
        ]
        return (pair[0].T, pair[1].T) if turned else (pair[0], pair[1])
    shown = named.copy()
    if sp.issparse(X):
        # entries that are not stored in X, but weighted, are observed zeros
        shown = _csr(X).multiply(_binary(named))
        shown = _csr(shown)
        weighted = _csr(shown.multiply(named))
    else:
        rows = np.repeat(np.arange(X.shape[0]), np.diff(named.indptr))
        shown.data = np.asarray(X[rows, named.indices], dtype=X.dtype)
        _refuse_nan(shown, "NMF")
        weighted = shown.copy()
        weighted.data = shown.data * named.data
    if np.all(named.data == 1):
        raw = SparseOperand(shown, n_threads)
        return raw, raw
    return SparseOperand(shown, n_threads), SparseOperand(weighted, n_threads)


def _hiding(X: Any, named: Any, n_threads: int) -> Operand:
    """Return the operand of X in which the named entries are 0."""
    if sp.issparse(X):
        hidden = named.copy()
        hidden.data = np.where(named.data <= -1, 1, 0).astype(named.dtype)
        shown = _csr(X)
        kept = shown - shown.multiply(hidden)
        return SparseOperand(_csr(kept), n_threads)
    if X.flags.f_contiguous and not X.flags.c_contiguous:
        return CleanDense(X.T, named.T.tocsr(), n_threads=n_threads).T
    if not X.flags.c_contiguous:
        X = DenseOperand(X).X
    return CleanDense(X, named, n_threads=n_threads)
