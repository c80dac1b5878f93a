"""Factorizations of tall arrays in their own memory: L of LU, and Q of QR."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Array = NDArray[Any]


def lower_factor(A: Array) -> Array:
    """Row-permuted lower factor L of A = L·U, which spans what A does; A is spent."""
    # by getrf, in place: `scipy.linalg.lu` holds up to four arrays of A's size
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


def orthonormal(A: Array) -> tuple[Array, Array]:
    """Factors Q and R of A; Q replaces A where it has as many columns."""
    # in Fortran order LAPACK works in place
    F = np.asfortranarray(A)
    Q, R = linalg.qr(F, mode="economic", overwrite_a=True, check_finite=False)
    if Q.shape != A.shape:
        return np.ascontiguousarray(Q), R
    A[...] = Q
    return A, R
