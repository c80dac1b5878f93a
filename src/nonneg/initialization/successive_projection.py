"""The start for separable data: rows of X as components, by successive projections."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ..base.arrays import Array
from ..base.interfaces import Operand
from ..kernels import Exact, RowArrays, gram, solve_rows
from ..kernels.factor_rows import (
    change_rows,
    column_squares,
    longest_row,
    map_rows,
    scale_columns,
)
from ..operands.base import matmul, rmatmul

LEAST_SUM = 1e-3
"""Rows whose sum is below this share of the mean row's are not taken (D-SPA-ROWS)."""
DEPENDENT = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 1e-4}
"""Share of the first row's length below which what is left of a row is rounding."""
SOLVE = Exact(sweeps=16)
"""Method for W, whose rows start from zero."""

Svd = tuple[Array, Array, Array]


def separable_factors(
    X: Operand, svd: Svd, k: int, random_state: Any
) -> tuple[Array, Array]:
    """Return W and Ht: H has k rows of X, W is solved for exactly, both get equal norms.

    The rows are the vertices of the rows of X, each divided by its sum, as the successive
    projection algorithm [1]_ finds them: it takes the longest row, projects all rows on
    what is orthogonal to it, and so on. It works on the projection of X on its k leading
    singular vectors, which keeps separable data and loses most of the noise. Where the
    rows of X span fewer than k directions the other components are half-normal numbers.

    Parameters
    ----------
    X : Operand
    svd : tuple of U, s, V
        Singular triplets of X; U is overwritten.
    k : int
    random_state : int, RandomState instance or None

    Notes
    -----
    Beside the singular vectors it takes two products of X with k vectors.

    References
    ----------
    .. [1] Gillis & Vavasis, "Fast and robust recursive algorithms for separable
       nonnegative matrix factorization", IEEE Transactions on Pattern Analysis and
       Machine Intelligence 36 (2014) 698-714, https://doi.org/10.1109/TPAMI.2013.226
    """
    chosen = vertices(svd, X)
    Ht = _rows_of(X, chosen, k)
    missing = k - len(chosen)
    if missing:
        rng = check_random_state(random_state)
        drawn = np.abs(rng.standard_normal((missing, X.shape[1])))
        Ht[:, len(chosen) :] = drawn.T * X.stats().level(k)
    rhs = matmul(X, Ht)
    W = map_rows(np.zeros_like, rhs)
    l1, n = np.zeros(k, X.dtype), X.n_threads
    solve_rows(RowArrays(W, W), rhs, gram(Ht, n), l1, SOLVE, False, n)
    square_W, square_H = column_squares(W), column_squares(Ht)
    alive = (square_W > 0) & (square_H > 0)
    ratio = np.divide(square_H, square_W, out=np.ones(k), where=alive)
    balance = np.sqrt(np.sqrt(ratio)).astype(X.dtype)
    scale_columns(W, balance)
    Ht /= balance
    return W, Ht


def vertices(svd: Svd, X: Operand) -> list[int]:
    """Return the numbers of the rows that are taken, in that order; U is overwritten."""
    U, s, V = svd
    dtype = X.dtype
    directions = np.ascontiguousarray(np.diag(s), dtype=dtype)
    # the sum of a row of U·s·Vᵀ is that row of U·s times the sums of the columns of V
    sums = (s * V.sum(axis=0, dtype=np.float64)).astype(dtype)
    least = LEAST_SUM * X.stats().sum / max(1, X.shape[0])
    change_rows(U, _on_simplex, directions, sums, dtype.type(least))
    first, chosen = 0.0, list[int]()
    for _ in range(s.size):
        number, row = longest_row(U)
        length = float(np.linalg.norm(row.astype(np.float64)))
        first = max(first, length)
        if not length > DEPENDENT[dtype] * first:
            break
        chosen.append(number)
        change_rows(U, _without, (row / length).astype(dtype)[:, None])
    return chosen


def _on_simplex(U: Array, directions: Array, sums: Array, least: Any) -> Array:
    """Return rows divided by their sums, and 0 for rows of next to nothing."""
    total = (U @ sums)[:, None]
    counts = total > least
    divided = (U @ directions) / np.where(counts, total, 1)
    return np.asarray(np.where(counts, divided, 0), dtype=U.dtype)


def _without(R: Array, direction: Array) -> Array:
    """Return the rows less what they have of a direction of length 1."""
    return np.asarray(R - (R @ direction) * direction.T)


def _rows_of(X: Operand, numbers: list[int], k: int) -> Array:
    """Return rows of X as the first columns of Ht, by one product, which any X has."""
    indicator = np.zeros((X.shape[0], k), X.dtype)
    indicator[numbers, range(len(numbers))] = 1
    Ht = rmatmul(X, X.to_rows_of_X(indicator))
    # what is imputed in the place of a missing entry may round to less than 0
    return np.ascontiguousarray(np.maximum(Ht, 0))
