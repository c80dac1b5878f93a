"""Checks of the factors that a caller gives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arrays import Array
from .validation import check_array_like, check_non_negative, is_plain_matrix


def check_factor(
    A: Any,
    shape: tuple[int | None, int | None],
    whom: str,
    dtype: Any,
    any_sign: bool = False,
) -> Array:
    """Check a factor given by the caller, without writing to it.

    Parameters
    ----------
    A : array-like
        Anything but an array of the dtype of X is converted to it.
    shape : tuple of int or None
        Expected shape; None leaves a length open.
    whom : str
        "NMF (input W)" or "NMF (input H)".
    dtype : dtype
        Of X.
    any_sign : bool
        Whether it may have negative entries.

    Raises
    ------
    ValueError
        If it is no 2-d array of this shape, has negative or non-finite entries, is full
        of zeros, or has values that the dtype of X can't hold.
    TypeError
        If it is sparse.
    """
    if _is_plain_factor(A, shape, dtype, any_sign):
        plain: Array = A
        return plain
    name = "W" if "W" in whom else "H"
    dtype_of_A = getattr(A, "dtype", None)
    is_float = isinstance(dtype_of_A, np.dtype) and dtype_of_A.kind == "f"
    checked = check_array_like(A, name, whom, dtype=None if is_float else dtype)
    for axis, (word, expected) in enumerate(
        zip(("first", "second"), shape, strict=True)
    ):
        if expected is not None and checked.shape[axis] != expected:
            msg = (
                f"Array with wrong {word} dimension passed to {whom}. Expected "
                f"{expected}, but got {checked.shape[axis]}. W must have shape "
                "(n_samples, n_components) and H (n_components, n_features)."
            )
            raise ValueError(msg)
    if not any_sign:
        check_non_negative(checked, whom)
    if not checked.any():
        msg = (
            f"Array passed to {whom} is full of zeros. Pass one with positive entries."
        )
        raise ValueError(msg)
    return to_dtype_of_X(checked, np.dtype(dtype), name)


def _is_plain_factor(
    A: Any, shape: tuple[int | None, int | None], dtype: Any, any_sign: bool
) -> bool:
    """Whether A is a factor that `check_factor` would return as it is.

    The checks one by one take as long as several iterations on a small X.
    """
    if not (is_plain_matrix(A) and A.dtype == dtype):
        return False
    if any(n not in (None, length) for n, length in zip(shape, A.shape, strict=True)):
        return False
    least, most = float(A.min()), float(A.max())  # NaN if there is one
    is_finite = math.isfinite(least) and math.isfinite(most)
    return is_finite and (any_sign or least >= 0) and (most > 0 or least < 0)


def to_dtype_of_X(A: Array, dtype: np.dtype[Any], name: str) -> Array:
    """Return a checked factor in the dtype of X; digits beyond that dtype are rounded.

    Raises
    ------
    ValueError
        If a value is beyond the range of the dtype, or a component would vanish.
    """
    if A.dtype == dtype:
        return A
    with np.errstate(over="ignore", under="ignore"):
        converted: Array = A.astype(dtype)
    per_component = 0 if name == "W" else 1
    kept = np.array_equal(A.any(axis=per_component), converted.any(axis=per_component))
    if kept and np.isfinite(converted).all():
        return converted
    msg = (
        f"{name} has values from {A[A != 0].min():.3g} to {A.max():.3g}, which {dtype}, the "
        f"dtype of X, can't hold. Pass X.astype({A.dtype}), or scale {name}."
    )
    raise ValueError(msg)
