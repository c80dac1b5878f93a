"""The check that a matrix is symmetric."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from .arrays import Array

TOLERANCE = {np.dtype(np.float64): 1e-10, np.dtype(np.float32): 1e-5}
"""Share of the largest entry by which two entries may differ and count as equal."""
ENTRIES = 1 << 20
"""Entries of a dense matrix that are compared at a time."""


def require_symmetric(X: Array, whom: str) -> None:
    """Raise ValueError unless X is square and symmetric up to rounding."""
    n_rows, n_columns = X.shape
    if n_rows != n_columns:
        msg = (
            f"X must be square, a similarity for each pair of samples; got shape {X.shape} "
            f"in {whom}. Pass e.g. sklearn.metrics.pairwise.cosine_similarity(X)."
        )
        raise ValueError(msg)
    i, j, difference, largest = (_sparse if sp.issparse(X) else _dense)(X)
    if difference > TOLERANCE[X.dtype] * largest:
        msg = (
            f"X must be symmetric; in {whom} X[{i}, {j}] is {X[i, j]:g} and X[{j}, {i}] is "
            f"{X[j, i]:g}. Pass (X + X.T) / 2."
        )
        raise ValueError(msg)


def _dense(X: Array) -> tuple[int, int, float, float]:
    """Return the place and size of the largest difference, and the largest entry."""
    worst, largest = (0, 0, 0.0), 0.0
    n_rows = max(1, ENTRIES // max(1, X.shape[1]))
    for start in range(0, X.shape[0], n_rows):
        rows = slice(start, start + n_rows)
        difference = np.abs(X[rows] - X[:, rows].T)
        i, j = np.unravel_index(int(difference.argmax()), difference.shape)
        value = float(difference[i, j])
        if value > worst[2]:
            worst = (start + int(i), int(j), value)
        largest = max(largest, float(np.abs(X[rows]).max()))
    return *worst, largest


def _sparse(X: Any) -> tuple[int, int, float, float]:
    difference = abs(X - X.T).tocoo()
    largest = float(abs(X).max()) if X.nnz else 0.0
    if not difference.nnz:
        return 0, 0, 0.0, largest
    place = int(difference.data.argmax())
    i, j = (int(index[place]) for index in difference.coords)
    return i, j, float(difference.data[place]), largest
