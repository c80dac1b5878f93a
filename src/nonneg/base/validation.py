"""Checks of arrays, each of which refuses in one clear sentence."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import nullcontext
from typing import Any

import numpy as np
import scipy.sparse as sp
import sklearn
from sklearn.utils import check_array

from .arrays import Array
from .gate import admit_dense, admit_sparse
from .rules import show

FLOATS = (np.float64, np.float32)
"""Dtypes that are kept; other dtypes become the first of these."""

ARRAY_CHECK: dict[str, Any] = {"accept_sparse": ("csr", "csc"), "dtype": list(FLOATS)}
"""Options of scikit-learn's `check_array` for X."""


_FILL = (
    "Every entry must be a finite number: pass missing_values=numpy.nan to leave the missing "
    "ones out, fill them, e.g. by sklearn.impute.SimpleImputer, or drop their rows."
)


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the user's line that called into this package or scikit-learn."""
    level = 2
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_inside(frame.f_globals):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


def _is_inside(module_globals: dict[str, Any]) -> bool:
    name = str(module_globals.get("__name__", ""))
    return name.partition(".")[0] in ("nonneg", "sklearn")


def check_X(
    X: Any,
    whom: str = "NMF",
    name: str = "X",
    assume_finite: bool = False,
    allow_nan: bool = False,
) -> Array:
    """Return X as a float array or CSR/CSC matrix, checked by scikit-learn.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        float32 and float64 are kept, other dtypes become float64; CSR and CSC are
        kept, other sparse formats become CSR. Nothing is copied without need.
    whom, name : str
        Names of the caller and of X for the messages.
    assume_finite : bool, default=False
        Whether a user of scikit-learn's `assume_finite` is believed: the caller then
        looks at the sum of the entries.
    allow_nan : bool, default=False
        Whether entries may be NaN.

    Raises
    ------
    ValueError
        If X is not a non-empty 2-d matrix of finite real numbers.
    TypeError
        If elements of X can't be numbers.
    """
    options = ARRAY_CHECK
    if allow_nan:
        options = options | {"ensure_all_finite": "allow-nan"}
    return check_array_like(X, name, whom, assume_finite, **options)


def is_plain_matrix(A: Any) -> bool:
    """Whether A is a matrix as `check_array` returns it, but for the values of its entries.

    For such an array `check_array` does nothing, which takes as long as twenty iterations
    on a small X.
    """
    return (
        type(A) is np.ndarray
        and A.ndim == 2
        and A.size > 0
        and A.dtype.type in FLOATS
        and A.dtype.isnative
        and A.flags.aligned
    )


def is_plain_sparse(A: Any) -> bool:
    """Whether A is a CSR or CSC as `check_array` returns it, but for the values.

    Its structure is for `admit_sparse` to check.
    """
    return (
        sp.issparse(A)
        and A.format in ("csr", "csc")
        and len(A.shape) == 2
        and min(A.shape) > 0
        and A.dtype.type in FLOATS
        and A.dtype.isnative
    )


def _is_finite(A: Array) -> bool:
    """Whether the sum of the entries is finite, and so each of them."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(A.sum()))


def check_array_like(
    A: Any, name: str, whom: str, assume_finite: bool = False, **options: Any
) -> Array:
    """Run scikit-learn's `check_array` on what `as_numbers` lets through."""
    if is_plain_matrix(A) and _is_finite(A):
        plain: Array = A
        return plain
    A = as_numbers(A, name, whom)
    if sp.issparse(A):
        A = admit_sparse(A, name)
    believed = assume_finite or not sklearn.get_config()["assume_finite"]
    try:
        with nullcontext() if believed else sklearn.config_context(assume_finite=False):
            checked: Array = check_array(A, input_name=name, estimator=whom, **options)
    except (TypeError, ValueError) as error:
        msg = _helpful(str(error), A, name, whom)
        if msg is None:
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(msg) from error
    return checked if sp.issparse(checked) else admit_dense(checked)


def _helpful(error: str, A: Any, name: str, whom: str) -> str | None:
    """Return scikit-learn's or pandas' sentence with what to do, where it lacks that."""
    if "contains NaN" in error:
        first = error.partition("\n")[0]
        return f"{first} {_FILL}"
    if "NAType" in error:
        return f"Input {name} contains NA. {_FILL}"
    if "could not be promoted" in error or "Cannot cast Datetime" in error:
        return _describe_kinds(A, name)
    if "at least one array or dtype" in error:
        return (
            f"Found array with 0 feature(s) (shape={tuple(A.shape)}) while a minimum of 1 "
            f"is required by {whom}. Pass at least one column of numbers."
        )
    if "fill value must be 0" in error:
        return (
            f"{name} has sparse columns whose fill value is not 0. Pass columns of "
            "pandas.SparseDtype(float, 0), or X.sparse.to_dense()."
        )
    if "could not convert" in error or "argument must be" in error:
        return _describe_kinds(A, name) or (
            f"{name} must be numeric; {error}. Convert its texts to numbers first."
        )
    return None


def _describe_kinds(A: Any, name: str, refused: str = "") -> str | None:
    """Return the sentence about columns of a frame that hold no numbers, or None.

    `refused` are kinds of which there must be one, any if it is empty.
    """
    dtypes: Any = getattr(A, "dtypes", None)
    try:
        kinds = {dtype.kind for _, dtype in dtypes.items()}
    except AttributeError:  # no frame of pandas
        return None
    if refused and not kinds & set(refused):
        return None
    others = [
        f"{column!r} ({dtype})"
        for column, dtype in dtypes.items()
        if dtype.kind not in "biuf"
    ]
    if not others:
        return None
    return (
        f"{name} must be numeric; it has columns of other kinds: {', '.join(others[:9])}. "
        "Drop them, e.g. by X.select_dtypes('number'), or convert them to numbers."
    )


def as_numbers(X: Any, name: str = "X", whom: str = "NMF") -> Any:
    """Return sequences as arrays; refuse what can't be a matrix of real numbers.

    Texts, dates, masked entries and rows of unequal length are refused, which `check_array`
    would refuse less clearly or take without a word. The values are left to `check_array`.

    Raises
    ------
    ValueError
        If X is not a matrix of real numbers.
    """
    if _is_sequence(X) or _is_plain_array_like(X):
        try:
            X = np.asarray(X)
        except ValueError as error:
            msg = (
                f"{name} is not a matrix: its rows have unequal lengths or elements "
                f"that are not numbers ({error}). Pass rows of equal length."
            )
            raise ValueError(msg) from error
    _require_two_dimensions(X, name, whom)
    if isinstance(X, np.ma.MaskedArray) and np.any(X.mask):
        msg = (
            f"{name} is a masked array with {np.sum(X.mask)} masked entries, "
            "which would be taken as observed. Fill them, e.g. by X.filled(0), or "
            "leave out their rows."
        )
        raise ValueError(msg)
    dates = _describe_kinds(X, name, "mM")
    if dates is not None:  # which NumPy would take for numbers
        raise TypeError(dates)
    dtype = getattr(X, "dtype", None)
    kind = dtype.kind if isinstance(dtype, np.dtype) else ""
    if kind == "c":
        msg = (
            f"Complex data not supported: {name} has dtype {dtype}. Pass real numbers, "
            "e.g. its absolute values."
        )
        raise ValueError(msg)
    if kind and kind in "USmMV":
        msg = (
            f"{name} must be numeric; got elements of dtype {dtype}. Convert them to "
            "numbers first, e.g. by X.astype(float)."
        )
        raise ValueError(msg)
    return X


def _require_two_dimensions(X: Any, name: str, whom: str) -> None:
    """Raise ValueError, worded as scikit-learn's, unless X has two dimensions."""
    shape = getattr(X, "shape", None)
    n = len(shape) if isinstance(shape, tuple) else np.ndim(X)
    if n == 2:
        return
    if n > 2:
        msg = (
            f"Found array with dim {n}, while dim <= 2 is required by {whom}. "
            f"{name} has shape {shape}; pass a matrix."
        )
        raise ValueError(msg)
    what = f"has shape {shape}" if shape else f"is {show(X)}"
    advice = _instead_of(X) or "Pass a matrix, e.g. numpy.asarray(rows)."
    if n:
        advice = (
            "Reshape your data using array.reshape(1, -1) if it contains a single "
            "sample, or array.reshape(-1, 1) if it has a single feature."
        )
    msg = (
        f"Expected 2D array, got {'1D' if n else 'scalar'} array instead: {name} "
        f"{what}. {advice}"
    )
    raise ValueError(msg)


def _instead_of(X: Any) -> str | None:
    """Return what to pass in place of an object that holds rows, but is no matrix."""
    if callable(getattr(X, "collect", None)):
        return "It holds no data yet; pass X.collect()."
    if isinstance(X, str | bytes):
        return "Pass the matrix in a file, e.g. nonneg.io.read_matrix(X).X."
    if isinstance(X, Mapping):
        return "Pass a matrix, e.g. pandas.DataFrame(X)."
    if isinstance(X, Iterator | AbstractSet):
        return "Pass a matrix, e.g. list(X) if its elements are rows."
    return None


def _is_sequence(X: Any) -> bool:
    return isinstance(X, list | tuple) and not any(map(sp.issparse, X))


def _is_plain_array_like(X: Any) -> bool:
    """Whether `np.asarray` gives X its dtype, which scikit-learn can't look up.

    It is so for polars frames, but not for pandas frames, whose dtypes are an array.
    """
    if not hasattr(X, "__array__") or hasattr(X, "dtype"):
        return False
    is_pandas = hasattr(getattr(X, "dtypes", None), "__array__")
    return not is_pandas


def check_matrix(A: Any, name: str, whom: str) -> Array:
    """Return a finite 2-d float array of any sign, float32 kept (see `check_X`)."""
    return check_array_like(A, name, whom, dtype=list(FLOATS))


def check_non_negative(A: Any, whom: str) -> None:
    """Raise ValueError, worded as scikit-learn's, if an entry is below zero."""
    values = A.data if sp.issparse(A) else A
    require_non_negative(values.min() if values.size else 0, whom)


def require_non_negative(smallest: float, whom: str) -> None:
    """Raise ValueError, worded as scikit-learn's, if `smallest` is below zero."""
    if smallest < 0:
        msg = (
            f"Negative values in data passed to {whom}. The smallest is {smallest:g}; "
            "every entry must be at least 0."
        )
        raise ValueError(msg)
