"""Factorizations of tall arrays in place, L of LU and Q of QR, and signs of columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from ..base.arrays import Array
from ..base.factor_rows import FactorRows


def lower_factor(A: Any) -> Any:
    """Return the row-permuted lower factor L of A = L·U, a basis of A's columns.

    A is overwritten. `FactorRows` return another basis of the same space.
    """
    if isinstance(A, FactorRows):
        return A.lower_factor()
    # getrf works in place, where `scipy.linalg.lu` holds up to four arrays of A's size
    F = np.asfortranarray(A)
    (getrf,) = linalg.get_lapack_funcs(("getrf",), (F,))
    F, pivots, _ = getrf(F, overwrite_a=True)
    k = min(F.shape)
    L = F[:, :k]
    L[:k][np.triu_indices(k, 1)] = 0
    np.fill_diagonal(L, 1)
    order = np.arange(F.shape[0])
    for i, pivot in enumerate(pivots):
        order[[i, pivot]] = order[[pivot, i]]
    out = A if L.shape == A.shape else np.empty(L.shape, A.dtype)
    out[order] = L
    return out


def orthonormal(A: Any) -> tuple[Any, Array]:
    """Return the factors Q and R of A; Q overwrites A where it has as many columns."""
    if isinstance(A, FactorRows):
        return A.orthonormal()
    # in Fortran order LAPACK works in place
    F = np.asfortranarray(A)
    Q, R = linalg.qr(F, mode="economic", overwrite_a=True, check_finite=False)
    if Q.shape != A.shape:
        return np.ascontiguousarray(Q), R
    A[...] = Q
    return A, R


def sign_of_largest(A: Any) -> Array:
    """Return the sign of each column's entry of the largest size, the first of equals."""
    if isinstance(A, FactorRows):
        return A.sign_of_largest()
    largest = np.abs(A).argmax(axis=0)
    signs: Array = np.sign(A[largest, np.arange(A.shape[1])])
    return signs
