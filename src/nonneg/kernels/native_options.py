"""The options of row solves, in arrays and records as the compiled core takes them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .. import _core
from ..base.arrays import Array
from .row_methods import Cyclic, Exact, Method, Multiplicative

_TINY = {np.dtype(t): np.finfo(t).tiny for t in (np.float32, np.float64)}


@lru_cache(maxsize=64)
def _in_order(k: int) -> Array:
    return np.arange(k)


def _inverse_diagonal(gram: Array) -> Array:
    """Return 1/G[t,t], or 0 where the coordinate has no curvature and must not move.

    Of several matrices, (..., k, k), it is that of each.
    """
    diagonal = gram.diagonal(0, -2, -1)
    if diagonal.min() > _TINY[diagonal.dtype]:
        return np.asarray(1 / diagonal)
    inverse = np.zeros_like(diagonal)
    # a subnormal curvature has an infinite reciprocal: too flat to step along
    np.divide(1, diagonal, out=inverse, where=diagonal > _TINY[diagonal.dtype])
    return inverse


def as_contiguous(array: Array, dtype: Any) -> Array:
    """Return an array of a dtype with contiguous, aligned rows, as the kernels take it."""
    array = np.ascontiguousarray(array, dtype=dtype)
    # what came over a network or was mapped from a file may begin at any byte
    return array if array.flags.aligned else array.copy()


def solve_options(
    gram: Array, l1: Array, dtype: Any, method: Method
) -> _core.SolveOptions:
    """Return the method with its matrices as the bindings take it."""
    return options_of_classes(gram[None], l1, dtype, method)[0]


def options_of_classes(
    grams: Array, l1: Array, dtype: Any, method: Method
) -> list[_core.SolveOptions]:
    """Return the method with each of several Gram matrices, (n, k, k)."""
    narrow = as_contiguous(grams, dtype)
    order = _in_order(narrow.shape[-1])
    row_method = _core.RowMethod.CYCLIC
    more: dict[str, Any] = {}
    if isinstance(method, Multiplicative):
        row_method = _core.RowMethod.MULTIPLICATIVE
    elif not isinstance(method, Cyclic):
        row_method = _core.RowMethod.ADAPTIVE
        more = {
            "sweeps": method.sweeps,
            "settled": method.settled,
            "momentum": method.momentum,
        }
    elif method.order is not None:
        order = np.asarray(method.order, dtype=np.int64)
    wide = as_contiguous(grams, np.float64) if isinstance(method, Exact) else None
    wide_l1 = None if wide is None else as_contiguous(l1, np.float64)
    inverse, narrow_l1 = _inverse_diagonal(narrow), as_contiguous(l1, dtype)
    return [
        _core.SolveOptions(
            gram=narrow[a],
            inverse_diagonal=inverse[a],
            l1=narrow_l1,
            order=order,
            method=row_method,
            exact_gram=None if wide is None else wide[a],
            exact_l1=wide_l1,
            **more,
        )
        for a in range(len(narrow))
    ]
