"""Reference of the nearest columns of a shape: isotonic fits by pooling neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array

Float = NDArray[np.float64]


def nearest_monotone(column: Array, increasing: bool = True) -> Array:
    """Return the nearest column that rises, or falls, throughout and is at least 0."""
    from scipy.optimize import isotonic_regression  # takes long to import

    fit = isotonic_regression(column.astype(np.float64), increasing=increasing).x
    return np.asarray(np.maximum(fit, 0), dtype=column.dtype)


def nearest_unimodal(column: Array) -> Array:
    """Return the nearest column that rises up to one place, then falls, and is at least 0.

    The rise up to each place, and the fall from it, are isotonic fits, whose errors two
    passes give for all places.
    """
    values = column.astype(np.float64)
    if not len(values):
        return column.copy()
    rising = rising_errors(values)
    falling = rising_errors(values[::-1])[::-1]
    errors = rising + np.append(falling[1:], 0.0)
    last = int(np.argmin(errors))  # of the rise
    out = np.empty_like(column)
    out[: last + 1] = nearest_monotone(column[: last + 1])
    if last + 1 < len(column):
        out[last + 1 :] = nearest_monotone(column[last + 1 :], increasing=False)
    return out


def rising_errors(values: Float) -> Float:
    """Return the squared error of the rising fit, at least 0, to each beginning, (n,).

    Neighbours that would fall are pooled; a pool below 0 is fitted by 0.
    """
    errors = np.empty(len(values))
    pools: list[tuple[float, float, float, float]] = []
    # of each pool: sum, square, length, and the error of it and those before it
    for i, value in enumerate(values.tolist()):
        total, square, length = value, value * value, 1.0
        while pools and pools[-1][0] * length >= total * pools[-1][2]:
            one: Any = pools.pop()
            total, square, length = total + one[0], square + one[1], length + one[2]
        level = max(total / length, 0.0)
        error = max(square - 2 * level * total + length * level * level, 0.0)
        before = pools[-1][3] if pools else 0.0
        pools.append((total, square, length, before + error))
        errors[i] = before + error
    return errors
