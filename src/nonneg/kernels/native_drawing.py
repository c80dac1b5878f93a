"""Compiled rows that are drawn from a sparse matrix, and rows in another order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from .drawing import DrawnEntries
from .native import binding, csr_arrays
from .ordering import Orders, RunEntries


def draw_rows(X: Any, rows: NDArray[np.int64], scale: Array, out: DrawnEntries) -> None:
    """Compiled twin of `drawing.draw_rows`."""
    suffix, arrays = csr_arrays(X)
    numbers = rows.astype(X.indices.dtype, copy=False)
    binding(f"draw_rows_{suffix}")(arrays, X.shape[1], numbers, scale, *out)


def draw_columns(
    X: Any, place: NDArray[np.int64], scale: Array, out: DrawnEntries
) -> None:
    """Compiled twin of `drawing.draw_columns`."""
    suffix, arrays = csr_arrays(X)
    numbers = place.astype(X.indices.dtype, copy=False)
    binding(f"draw_columns_{suffix}")(arrays, numbers, scale, *out)


def order_runs(X: Any, orders: Orders, n_threads: int = 1) -> RunEntries:
    """Compiled twin of `ordering.order_runs`."""
    suffix, arrays = csr_arrays(X)
    index = X.indices.dtype
    numbers = [of.astype(index, copy=False) for of in orders[:3]]
    n, F = len(orders.rows), orders.n_classes
    out = RunEntries(
        np.empty_like(X.data),
        np.empty_like(X.indices),
        np.empty(n * F + 1, index),
        *np.empty((2, n * F)),
    )
    binding(f"order_runs_{suffix}")(arrays, *numbers, F, *out, n_threads)
    return out
