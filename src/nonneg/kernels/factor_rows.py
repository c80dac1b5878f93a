"""Operations on all rows of a factor: in memory by NumPy, else where the rows are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.factor_rows import FactorRows


def empty_like(A: Any) -> Any:
    """Return uninitialised rows of A's shape and dtype, in memory or where A's rows are."""
    if isinstance(A, FactorRows):
        return A.empty(A.shape[1], A.dtype)
    return np.empty_like(A)


def as_dtype(A: Any, dtype: Any) -> Any:
    """Return rows in a dtype; A itself, if it has that dtype."""
    if isinstance(A, FactorRows):
        return A.astype(dtype)
    return A.astype(dtype, copy=False)


def copy_rows(target: Any, source: Any) -> None:
    """Copy all rows."""
    if isinstance(target, FactorRows):
        target.copy_from(source)
    else:
        target[...] = source


def map_rows(function: Callable[..., Array], *inputs: Any) -> Any:
    """Return function(*inputs), computed by blocks if one input is `FactorRows`."""
    for A in inputs:
        if isinstance(A, FactorRows):
            return A.map(function, *inputs)
    return function(*inputs)


def change_rows(A: Any, function: Callable[..., Array], *inputs: Any) -> None:
    """Replace the rows by function(A, *inputs)."""
    copy_rows(A, map_rows(function, A, *inputs))


def scale_columns(A: Any, factors: Array) -> None:
    """Multiply the columns by these numbers, in place."""
    if isinstance(A, FactorRows):
        change_rows(A, _scaled, factors)
    else:
        A *= factors


def divide_columns(A: Any, divisors: Array) -> None:
    """Divide the columns by these numbers, in place."""
    if isinstance(A, FactorRows):
        change_rows(A, _divided, divisors)
    else:
        A /= divisors


def replace_below(A: Any, least: float | Array) -> None:
    """Replace entries below `least` by 0, in place."""
    if isinstance(A, FactorRows):
        change_rows(A, _replaced_below, least)
    else:
        np.copyto(A, 0, where=least > A)


def replace_zeros(A: Any, value: float) -> None:
    """Replace zeros by a value, in place."""
    if isinstance(A, FactorRows):
        change_rows(A, _replaced_zeros, value)
    else:
        np.copyto(A, value, where=A == 0)


def fill_zeros(A: Any, draw: Callable[[int], Array]) -> None:
    """Replace the n zeros of A, in the order of the rows, by draw(n), in place."""
    if isinstance(A, FactorRows):
        A.fill_zeros(draw)
        return
    zeros = A == 0
    np.place(A, zeros, draw(int(np.count_nonzero(zeros))))


def extrapolate(A: Any, before: Any, weight: float) -> Any:
    """Return A extrapolated along its increases since `before`; A itself for weight 0."""
    if weight == 0:
        return A
    return map_rows(_extrapolated, A, before, weight)


def times(A: Any, G: Array) -> Any:
    """Return A·G for a small matrix G."""
    return A.times(G) if isinstance(A, FactorRows) else A @ G


def cross(A: Any, B: Any) -> Array:
    """Return AᵀB for two arrays of the same rows."""
    product: Array = A.cross(B) if isinstance(A, FactorRows) else A.T @ B
    return product


def column_totals(A: Any) -> NDArray[np.float64]:
    """Return the sums of the columns, in float64, as NumPy adds them up."""
    if isinstance(A, FactorRows):
        return A.column_totals()
    return np.asarray(A.sum(axis=0, dtype=np.float64))


def column_squares(A: Any) -> NDArray[np.float64]:
    """Return the sums of squares of the columns in float64."""
    if isinstance(A, FactorRows):
        return A.column_squares()
    return np.asarray(np.einsum("it,it->t", A, A, dtype=np.float64))


def column_counts(A: Any) -> NDArray[np.intp]:
    """Return the number of entries of each column that are not 0."""
    if isinstance(A, FactorRows):
        return A.column_counts()
    return np.asarray(np.count_nonzero(A, axis=0))


def longest_row(A: Any) -> tuple[int, Array]:
    """Return the number of the row with the largest norm, the first of equals, and the row."""
    if isinstance(A, FactorRows):
        return A.longest_row()
    number = int(np.einsum("it,it->i", A, A).argmax())
    return number, A[number].copy()


def has_nonzero(A: Any) -> bool:
    """Whether any entry is not 0."""
    if isinstance(A, FactorRows):
        return bool(A.column_counts().any())
    return bool(A.any())


def to_caller(A: Any) -> Any:
    """Return rows as the array that the caller of a fit gets."""
    return A.to_caller() if isinstance(A, FactorRows) else A


def _scaled(A: Array, factors: Array) -> Array:
    return np.multiply(A, factors)


def _divided(A: Array, divisors: Array) -> Array:
    return np.divide(A, divisors)


def _replaced_below(A: Array, least: float | Array) -> Array:
    return np.where(least > A, 0, A)


def _replaced_zeros(A: Array, value: float) -> Array:
    return np.where(A == 0, value, A)


def _extrapolated(A: Array, before: Array, weight: float) -> Array:
    step: Array = np.maximum(A - before, 0)
    step *= A.dtype.type(weight)
    step += A
    return step
