"""CSR matrices in canonical format: a test for it, and constructors that skip SciPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from ..base.arrays import Array

AT_ONCE = 1 << 17
"""Column numbers that are compared at a time, so that they stay in a core's cache
(D-CANONICAL-SLICE)."""


def is_canonical(X: Any) -> bool:
    """Whether the entries of each row of a CSR are in order and none is there twice.

    For a CSC it is the entries of each column. If SciPy has noted the answer in X, X is
    not read; else the answer is noted there.
    """
    if "_has_canonical_format" not in vars(X):
        X.has_canonical_format = rises(X.indices, X.indptr)
    return bool(X.has_canonical_format)


def canonical(X: Any) -> Any:
    """Return X, or a copy of it with its entries in order and repeated ones added up."""
    if is_canonical(X):
        return X
    X = X.copy()  # its arrays may be the caller's
    X.sum_duplicates()
    return X


def rises(indices: Array, indptr: Array) -> bool:
    """Whether each column number of a row, after its first, is larger than the one before."""
    n = int(indptr[-1])
    falls = sum(
        int(np.count_nonzero(indices[i + 1 : stop + 1] <= indices[i:stop]))
        for i in range(0, n - 1, AT_ONCE)
        for stop in [min(i + AT_ONCE, n - 1)]
    )
    begins = indptr[:-1][np.diff(indptr) > 0]  # first entries of rows that have any
    begins = begins[begins > indptr[0]]
    return falls == np.count_nonzero(indices[begins] <= indices[begins - 1])


def assemble_csr(
    data: Array, indices: Array, indptr: Array, shape: tuple[int, int]
) -> Any:
    """Return a CSR of these vectors without the checks of SciPy's constructor."""
    X = sp.csr_array(shape, dtype=data.dtype)
    X.data, X.indices, X.indptr = data, indices, indptr
    return X


def known_canonical(
    data: Array, indices: Array, indptr: Array, shape: tuple[int, int]
) -> Any:
    """Return a CSR of vectors that are known to be canonical, none of which is read."""
    X = assemble_csr(data, indices, indptr, shape)
    X.has_sorted_indices = X.has_canonical_format = True
    return X
