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
from .quadratic_steps import ModelSums, RowSolve, RowSolveInputs, RowSolveRows
from .row_methods import Method, RowArrays, SolveReport, Summary

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


def clean_product(
    X: Array,
    hidden: Any,
    B: Array,
    n_threads: int = 1,  # noqa: ARG001
) -> Array:
    """Return X·B, of shape (n_rows, k), with 0 in the place of hidden entries of X."""
    out = np.empty((len(X), B.shape[1]), X.dtype)
    size = max(1, TILE // max(1, X.shape[1]))
    for start in range(0, len(X), size):
        rows = slice(start, min(start + size, len(X)))
        Z = np.empty_like(X[rows])
        clean_rows(X[rows], hidden, start, Z)
        out[rows] = Z @ B
    return out


def gap_columns(
    X: Array,
    zeros: bool,
    n_threads: int = 1,  # noqa: ARG001
) -> tuple[Array, Array]:
    """Return where the entries of X are NaN, or 0, as `indptr` and `indices` of a CSR."""
    n_rows, n_columns = X.shape
    counts = np.zeros(n_rows + 1, dtype=np.int64)
    size = max(1, TILE // max(1, n_columns))
    index = index_type(n_columns)
    parts = [np.zeros(0, dtype=index)]
    for start in range(0, n_rows, size):
        part = X[start : start + size]
        gaps = part == 0 if zeros else np.isnan(part)
        counts[start + 1 : start + 1 + len(part)] = np.count_nonzero(gaps, axis=1)
        parts.append((np.flatnonzero(gaps) % n_columns).astype(index))
    indptr = np.cumsum(counts)
    index = index_type(max(n_columns, indptr[-1]))
    return indptr.astype(index), np.concatenate(parts).astype(index, copy=False)


def clean_summary(
    X: Array,
    hidden: Any,
    n_threads: int = 1,  # noqa: ARG001
) -> Summary:
    """Return the summary of X with 0 in the place of hidden entries."""
    total = Summary(0.0, 0.0, float("inf"))
    size = max(1, TILE // max(1, X.shape[1]))
    for start in range(0, len(X), size):
        Z = np.empty_like(X[start : start + size])
        clean_rows(X[start : start + size], hidden, start, Z)
        total = total.joined(reference.summary(Z))
    return total


def extremes(
    X: Array,
    n_threads: int = 1,  # noqa: ARG001
) -> tuple[float, float]:
    """Return the smallest and the largest entry of an array, NaN left out."""
    least = np.fmin.reduce(X, axis=None, initial=np.inf)
    return float(least), float(np.fmax.reduce(X, axis=None, initial=-np.inf))


def index_type(count: int) -> Any:
    """Return the type of the indices of a CSR of so many entries."""
    return np.int32 if count < 2**31 else np.int64


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
    values: Array | None = None,
) -> float:
    """Return Σ named·(x − a·b)² over the named entries, in float64.

    `values`, for a CSR alone, are the x of its entries; None stands for zeros.
    """
    square = 0.0
    for rows in _cuts(named, A.shape[1]):
        part = named[rows]
        products = _products(part, A[rows], B)
        if values is not None:
            first, last = named.indptr[rows.start], named.indptr[rows.stop]
            products = values[first:last] - products.astype(np.float64)
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


def inverse_of(scale: Array) -> Array:
    """Return the reciprocals of numbers that are not negative, 0 for 0."""
    return np.divide(1, scale, out=np.zeros(len(scale)), where=scale > 0)


def solve_imputed(
    X: Array,
    hidden: Any,
    step: RowSolve,
    rows: RowSolveRows,
    shared: RowSolveInputs,
    scales: tuple[Any, Any] = (None, None),
    n_threads: int = 1,  # noqa: ARG001
) -> tuple[ModelSums, ...]:
    """Do the half-step of `step` with what is hidden imputed by the start of each model.

    The sums for the other half-step have it imputed by the results, where `step.imputes`,
    and `ModelSums.imputed` is then the sum of its squares; otherwise they have 0 in its
    place.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
        Whatever is in the place of a hidden entry, such as NaN, is not looked at.
    hidden : csr_array of shape (n_rows, n_columns)
        Which entries are hidden.
    step : RowSolve
    rows : RowSolveRows
        With the scale of the rows of X, where they have one.
    shared : RowSolveInputs
        The other factors, multiplied by the scale of the columns of X.
    scales : tuple of ndarray or None
        What rows and columns of X are multiplied by, (n_rows,) and (n_columns,).
    """
    row_scale, column_scale = (
        np.ones(n) if scale is None else inverse_of(scale)
        for n, scale in zip(X.shape, scales, strict=True)
    )
    size = max(1, TILE // max(1, X.shape[1]))
    models = range(len(rows.models))
    total: list[ModelSums | None] = [None for _ in models]
    for first in range(0, len(X), size):
        part = slice(first, min(first + size, len(X)))
        block, Z = rows.block(part.start, part.stop), X[part].copy()
        named = hidden[part]
        i, j = np.repeat(np.arange(len(Z)), np.diff(named.indptr)), named.indices
        for m in models:
            A, inputs = block.models[m], shared.models[m]
            products = _products(named, A.start, inputs.Ht) * column_scale[j]
            Z[i, j] = products * column_scale[j] * row_scale[part][i]
            one = RowSolve((step.methods[m],), False)
            sums = one(Z, None, RowSolveRows((A,)), RowSolveInputs((inputs,))).models[0]
            if step.accumulate:
                products = np.zeros(len(i), X.dtype)
                if step.imputes:
                    products = _products(named, A.result, inputs.Ht) * column_scale[j]
                    wide = products.astype(np.float64)
                    sums.imputed = float(wide @ wide)
                Z[i, j] = products * column_scale[j] * row_scale[part][i]
                scaled = A.result if A.scale is None else A.result * A.scale[:, None]
                sums.rhs, sums.gram = Z.T @ scaled, reference.gram(A.result)
            so_far = total[m]
            total[m] = sums if so_far is None else so_far + sums
    return tuple(sums for sums in total if sums is not None)


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
