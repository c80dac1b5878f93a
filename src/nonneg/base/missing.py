"""Data that say for themselves what is missing: masked arrays, nullable and sparse frames."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from .arrays import Array
from .validation import ARRAY_CHECK, check_array_like

UNSTORED = "unstored"
"""The word for entries that a sparse matrix does not store, where these are missing."""


class Spelled(NamedTuple):
    """A matrix whose missing entries are spelled as a fit takes them."""

    X: Any
    """An array or CSR in which missing entries are NaN, or that does not store them."""
    missing_values: Any
    """NaN or "unstored", where X has missing entries by its own meaning, else None."""


def spell_missing(X: Any) -> Spelled:
    """Return X with its missing entries as NaN, or as entries that a CSR does not store.

    Parameters
    ----------
    X : object
        - A masked array: masked entries are missing, whatever is below the mask.
        - A pandas frame of nullable, Arrow or object columns: NA and None are missing.
        - A pandas frame of sparse columns, all with the fill value NaN: what they don't
          store is missing; X becomes a CSR. With the fill value 0 it becomes a CSR in
          which it is 0.
        - Anything else is returned as it is; NaN in it have no meaning by themselves.

    Returns
    -------
    spelled : Spelled
        Masked arrays and frames are copied, as float32 if all columns are of that type,
        else as float64.
    """
    if isinstance(X, np.ma.MaskedArray):
        return _of_masked(X)
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(X, pandas.DataFrame):
        return Spelled(X, None)
    columns: list[Any] = list(X.dtypes)
    if columns and all(isinstance(dtype, pandas.SparseDtype) for dtype in columns):
        return _of_sparse_frame(X, columns)
    if any(not isinstance(dtype, np.dtype) or dtype.kind == "O" for dtype in columns):
        return _of_nullable_frame(X, columns)
    return Spelled(X, None)


def as_marked(X: Any, missing_values: Any) -> tuple[Any, Any]:
    """Return an X that has its own meaning of missing as an array or sparse matrix.

    Parameters
    ----------
    X : object
    missing_values : {nan, 0, "unstored"} or None
        The parameter of the fit. A masked array says in any case what is missing; NA of a
        frame need NaN, and what sparse columns with the fill value NaN don't store needs
        NaN or "unstored".

    Returns
    -------
    X : object
        With NaN for missing entries where `missing_values` is NaN; an X without missing
        entries of its own, or with such as are not allowed, as it was.
    observed : ndarray or CSR of the shape of X, bool, or None
        False, or unstored, where an entry is missing that is not NaN.
    """
    spelled = spell_missing(X)
    wants_nan = isinstance(missing_values, float) and np.isnan(missing_values)
    if spelled.missing_values is None:
        # of a frame the checks say more than of its values
        return (spelled.X if isinstance(X, np.ma.MaskedArray) else X), None
    if spelled.missing_values == UNSTORED:
        if not (wants_nan or missing_values == UNSTORED):
            return X, None
        pattern = spelled.X.astype(bool)
        pattern.data[:] = True
        return spelled.X, pattern
    if wants_nan:
        return spelled.X, None
    if not isinstance(X, np.ma.MaskedArray):
        return X, None
    hidden = np.ma.getmaskarray(X)
    spelled.X[hidden] = 0
    return spelled.X, ~hidden


def check_with_gaps(X: Any, whom: str, name: str = "X") -> Array:
    """Return X as `check_X` does, with NaN for entries that are missing.

    Raises
    ------
    ValueError
        If X is not a non-empty 2-d matrix of real numbers, or has infinite entries.
    TypeError
        If elements of X can't be numbers.
    """
    spelled = spell_missing(X)
    if spelled.missing_values == UNSTORED:
        spelled = Spelled(_with_stored_gaps(spelled.X), np.nan)
    options: Mapping[str, Any] = {**ARRAY_CHECK, "ensure_all_finite": "allow-nan"}
    return check_array_like(spelled.X, name, whom, **options)


def _with_stored_gaps(X: Any) -> Array:
    """Return a matrix with unstored entries missing as an array with NaN."""
    full = np.full(X.shape, np.nan, X.dtype)
    coordinates = X.tocoo()
    full[coordinates.coords] = coordinates.data
    return full


def _float_type(dtypes: list[Any]) -> np.dtype[Any]:
    """Return float32 if that is the type of all of them, else float64."""
    names = {str(dtype).lower() for dtype in dtypes}
    single = names <= {"float32", "float[pyarrow]"}
    return np.dtype(np.float32 if single else np.float64)


def _of_masked(X: Any) -> Spelled:
    hidden = np.ma.getmaskarray(X)
    if not hidden.any():
        return Spelled(np.asarray(X.data), None)
    if X.dtype.kind not in "biuf":
        return Spelled(X, None)  # which the checks refuse in their words
    values = np.array(X.data, dtype=_float_type([X.dtype]))
    values[hidden] = np.nan
    return Spelled(values, np.nan)


def _of_nullable_frame(X: Any, dtypes: list[Any]) -> Spelled:
    missing = X.isna().to_numpy()
    if not missing.any():
        return Spelled(X, None)
    dtype = _float_type(dtypes)
    try:
        if any(isinstance(d, np.dtype) for d in dtypes):
            values = X.to_numpy(dtype=object, copy=True)
            values[missing] = np.nan
            return Spelled(values.astype(dtype), np.nan)
        return Spelled(X.to_numpy(dtype=dtype, na_value=np.nan), np.nan)
    except (TypeError, ValueError):
        return Spelled(X, None)  # texts or dates, which the checks refuse


def _of_sparse_frame(X: Any, dtypes: list[Any]) -> Spelled:
    fills = np.array([dtype.fill_value for dtype in dtypes], dtype=np.float64)
    if (fills == 0).all():
        return Spelled(X.sparse.to_coo().tocsr(), None)
    if not np.isnan(fills).all():
        return Spelled(X, None)  # mixed, which the checks refuse
    columns = [X.iloc[:, j].array for j in range(X.shape[1])]
    rows = [np.asarray(column.sp_index.indices) for column in columns]
    pointers = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
    dtype = _float_type([d.subtype for d in dtypes])
    values = np.concatenate([np.asarray(c.sp_values, dtype=dtype) for c in columns])
    stored = sp.csc_array((values, np.concatenate(rows), pointers), shape=X.shape)
    return Spelled(stored.tocsr(), UNSTORED)
