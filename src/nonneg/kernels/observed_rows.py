"""The NumPy reference of the kernels for missing and weighted entries.

`named` is a CSR or, for weights of all entries, an array: entries that are named weigh
rest + named, all others weigh `rest`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..base.arrays import Array
from . import reference
from .row_methods import Method, RowArrays, SolveReport

TILE = 1 << 18
"""Most numbers of a tile of W·H, or of Gram matrices, that exist at a time."""


def clean_rows(
    X: Array,
    hidden: Any,
    start: int,
    out: Array,
    n_threads: int = 1,  # noqa: ARG001  (signature of the compiled twin)
) -> None:
    """Write X, the rows from `start` on of a matrix, to `out`, 0 where `hidden` names one."""
    out[...] = X
    stop = start + len(X)
    first, last = hidden.indptr[start], hidden.indptr[stop]
    rows = np.repeat(np.arange(len(X)), np.diff(hidden.indptr[start : stop + 1]))
    out[rows, hidden.indices[first:last]] = 0


def named_product(
    named: Any,
    A: Array,
    B: Array,
    C: Array,
    n_threads: int = 1,  # noqa: ARG001
) -> Array:
    """Return (named ∘ A·Bᵀ)·C, of shape (n_rows, k).

    Parameters
    ----------
    named : csr_array or ndarray of shape (n_rows, n_columns)
    A : ndarray of shape (n_rows, k)
    B, C : ndarray of shape (n_columns, k)
    """
    out = np.empty((A.shape[0], C.shape[1]), A.dtype)
    for rows in _cuts(named, A.shape[1]):
        part = named[rows]
        products = _products(part, A[rows], B)
        if sp.issparse(part):
            weighted = (part.data * products).astype(A.dtype)
            weighted = sp.csr_array((weighted, part.indices, part.indptr), part.shape)
        else:
            weighted = part * products
        out[rows] = weighted @ C
    return out


def named_square(
    named: Any,
    A: Array,
    B: Array,
    n_threads: int = 1,  # noqa: ARG001
) -> float:
    """Return Σ named·(a·b)² over the named entries, in float64."""
    square = 0.0
    for rows in _cuts(named, A.shape[1]):
        part = named[rows]
        products = _products(part, A[rows], B)
        weights = part.data if sp.issparse(part) else part
        weighted = np.multiply(weights, products, dtype=np.float64)
        square += float(np.sum(weighted * products))
    return square


def _products(named: Any, A: Array, B: Array) -> Array:
    """Return the entries of A·Bᵀ that are named."""
    if not sp.issparse(named):
        product: Array = A @ B.T
        return product
    rows = np.repeat(np.arange(len(A)), np.diff(named.indptr))
    entries: Array = np.einsum("ek,ek->e", A[rows], B[named.indices])
    return entries


def _cuts(named: Any, k: int) -> Iterator[slice]:
    """Cut rows so that a tile of their named entries times k stays small."""
    n_rows, n_columns = named.shape
    if not sp.issparse(named):
        size = max(1, TILE // max(1, n_columns))
        yield from (slice(i, i + size) for i in range(0, n_rows, size))
        return
    budget, first = max(1, 16 * TILE // max(1, k)), 0
    while first < n_rows:
        last = int(np.searchsorted(named.indptr, named.indptr[first] + budget, "right"))
        last = min(max(last - 1, first + 1), n_rows)
        yield slice(first, last)
        first = last


def solve_apart(
    rows: RowArrays,
    rhs: Array,
    named: Any,
    Ht: Array,
    base: Array,
    Q: Array,
    l1: Array,
    method: Method,
    n_threads: int = 1,  # noqa: ARG001
) -> SolveReport:
    """Solve for rows that have Gram matrices of their own.

    Row i has the Gram matrix base + Σⱼ namedᵢⱼ·hⱼhⱼᵀ + quadraticᵢ·Q and the linear penalty
    linearᵢ·l1.

    Parameters
    ----------
    rows : RowArrays of shape (n_rows, k)
        With the shares of the penalties.
    rhs : ndarray of shape (n_rows, k)
    named : csr_array or ndarray of shape (n_rows, n_columns)
    Ht : ndarray of shape (n_columns, k)
    base, Q : ndarray of shape (k, k)
    l1 : ndarray of shape (k,)
    method : Method
    """
    n_rows, k = rows.start.shape
    H = Ht.astype(np.float64, copy=False)
    size = max(1, TILE // (k * k))
    total: SolveReport | None = None
    for first in range(0, n_rows, size):
        part = slice(first, min(first + size, n_rows))
        grams = np.stack(
            [_gram_of(named, i, H, base) for i in range(part.start, part.stop)]
        )
        block = rows.block(part.start, part.stop)
        penalised = grams + _shares(block.quadratic, len(grams))[:, None, None] * Q
        linear = _shares(block.linear, len(grams))[:, None] * l1
        report = reference.solve_rows(
            block, rhs[part] - linear, penalised, np.zeros(k), method
        )
        A = block.solved.astype(np.float64)
        report.square = float(np.einsum("ir,irs,is->", A, grams, A))
        report.cross = reference.inner(rhs[part], block.solved)
        total = report if total is None else total + report
    assert total is not None
    return total


def _shares(shares: Array | None, n: int) -> Array:
    return np.ones(n) if shares is None else shares


def _gram_of(named: Any, row: int, H: Array, base: Array) -> Array:
    """Return the Gram matrix of a row, in float64."""
    if sp.issparse(named):
        part = slice(named.indptr[row], named.indptr[row + 1])
        columns, weights = named.indices[part], named.data[part]
        H = H[columns]
    else:
        weights = named[row]
    gram: Array = base + H.T @ (weights[:, None] * H)
    # a difference of sums may end a little below zero
    diagonal = gram.diagonal()
    if diagonal.min(initial=0) < 0:
        np.fill_diagonal(gram, np.maximum(diagonal, 0))
    return gram
