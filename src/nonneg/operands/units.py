"""Units, powers of two, in which squares and products of an X neither overflow nor vanish."""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np
import scipy.sparse as sp
from numpy.typing import DTypeLike

from ..base.arrays import Array
from ..base.interfaces import Operand
from .registration import as_operand

Range = tuple[float, float]
ORDINARY: dict[Any, Range] = {
    np.dtype(np.float64): (1e-100, 1e100),
    np.dtype(np.float32): (1e-12, 1e18),
}
"""Norms of an X that is used as it is: three times multiplied by itself, with its smaller
entries, it stays in the range of the dtype."""


def unit_of(X: Operand, ordinary: Range | None = None) -> int:
    """Return an even e for which X/2^e is of ordinary size; 0 if X is."""
    stats, (low, high) = X.stats(), ordinary or ORDINARY[X.dtype]
    if low**2 <= stats.sum_sq <= high**2 or stats.sum == 0:
        return 0
    entries = X.native() if X.shared_gram else None
    if entries is None:
        refuse_size(X)
    return _even(max(float(entries.max()), -float(entries.min())))


def unit_of_factor(A: Array) -> int:
    """Return an even e for which the largest entry of the factor A/2^e is about 1."""
    largest = float(A.max(initial=0))
    return _even(largest) if 0 < largest < math.inf else 0


def is_ordinary(square: float, dtype: DTypeLike) -> bool:
    """Whether a matrix of this squared norm, or of such components, is used as it is."""
    low, high = ORDINARY[np.dtype(dtype)]
    return low**2 <= square <= high**2


def is_in_single_range(X: Operand) -> bool:
    """Whether squares of X neither overflow nor vanish in float32."""
    return unit_of(X, ORDINARY[np.dtype(np.float32)]) == 0


def _even(largest: float) -> int:
    exponent = math.frexp(largest)[1]
    return exponent + exponent % 2


def in_unit(X: Operand, exponent: int) -> Operand:
    """Return X/2^exponent, a copy, for an X in memory."""
    if exponent == 0:
        return X
    entries: Any = X.native()
    if sp.issparse(entries):
        scaled = entries.copy()
        scaled.data = times_power(entries.data, -exponent)
    else:
        scaled = times_power(entries, -exponent)
    return as_operand(scaled, X.n_threads)


def times_power(A: Any, exponent: int) -> Any:
    """Return A·2^exponent; what is beyond its dtype is infinite or 0."""
    if exponent == 0:
        return A
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(A, exponent)


def refuse_size(X: Operand) -> NoReturn:
    """Raise ValueError for an X whose entries are too large or too small."""
    msg = (
        f"X has a mean of {X.stats().mean:.3g}; its squares are beyond the range of "
        f"{X.dtype}. Multiply X by a number that brings its mean nearer to 1"
        + (", or pass float64." if X.dtype == np.float32 else ".")
    )
    raise ValueError(msg)
