"""Calls of the compiled core for missing and weighted entries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

from .. import _core
from ..base.arrays import Array
from . import observed_rows
from .native import binding, fused_arrays
from .native_options import as_contiguous
from .observed_rows import inverse_of
from .quadratic_steps import ModelSums, RowSolve, RowSolveInputs, RowSolveRows
from .row_methods import (
    Adaptive,
    Cyclic,
    Exact,
    Method,
    RowArrays,
    SolveReport,
    Summary,
)

ENTRIES = 1 << 20
"""Most weights of an array that are taken as a sparse matrix at a time."""


def _csr(named: Any, dtype: Any) -> tuple[str, tuple[Array, Array, Array, int]]:
    """Return the suffix of the bindings for a CSR, and its arrays and number of columns."""
    indices = named.indices
    suffix = "csr32" if indices.dtype == np.int32 else "csr64"
    indptr = named.indptr.astype(indices.dtype, copy=False)
    return (
        f"{8 * np.dtype(dtype).itemsize}_{suffix}",
        (as_contiguous(named.data, dtype), indices, indptr, named.shape[1]),
    )


def _parts(named: Any) -> Iterator[tuple[slice, Any]]:
    """Yield rows of the weights as CSR: all of them, or some of an array at a time."""
    if sp.issparse(named):
        yield slice(0, named.shape[0]), named
        return
    size = max(1, ENTRIES // max(1, named.shape[1]))
    for start in range(0, named.shape[0], size):
        rows = slice(start, min(start + size, named.shape[0]))
        yield rows, _whole(named[rows])


def _whole(weights: Array) -> Any:
    """Return an array as a CSR that stores all of its entries."""
    n_rows, n_columns = weights.shape
    indices = np.tile(np.arange(n_columns, dtype=np.int32), n_rows)
    indptr = np.arange(n_rows + 1, dtype=np.int32) * n_columns
    return sp.csr_array((weights.ravel(), indices, indptr), shape=weights.shape)


def clean_rows(
    X: Array, hidden: Any, start: int, out: Array, n_threads: int = 1
) -> None:
    """Compiled twin of `observed_rows.clean_rows`."""
    if X.strides[1] != X.itemsize:
        observed_rows.clean_rows(X, hidden, start, out)
        return
    suffix, arrays = _csr(hidden, X.dtype)
    binding(f"clean_rows{suffix}")(X, arrays, start, out, n_threads)


def clean_product(X: Array, hidden: Any, B: Array, n_threads: int = 1) -> Array:
    """Compiled twin of `observed_rows.clean_product`."""
    if X.strides[1] != X.itemsize:
        return observed_rows.clean_product(X, hidden, B)
    suffix, arrays = _csr(hidden, X.dtype)
    out = np.empty((len(X), B.shape[1]), X.dtype)
    B = as_contiguous(B, X.dtype)
    binding(f"clean_product{suffix}")(X, arrays, B, out, n_threads)
    return out


def clean_summary(X: Array, hidden: Any, n_threads: int = 1) -> Summary:
    """Compiled twin of `observed_rows.clean_summary`."""
    if X.strides[1] != X.itemsize:
        return observed_rows.clean_summary(X, hidden)
    suffix, arrays = _csr(hidden, X.dtype)
    return Summary(*binding(f"clean_summary{suffix}")(X, arrays, n_threads))


def extremes(X: Array, n_threads: int = 1) -> tuple[float, float]:
    """Compiled twin of `observed_rows.extremes`."""
    X = X if X.strides[1] == X.itemsize else X.T
    if X.strides[1] != X.itemsize:
        return observed_rows.extremes(X)
    least, most = binding(f"extremes{8 * X.itemsize}")(X, n_threads)
    return least, most


def gap_columns(X: Array, zeros: bool, n_threads: int = 1) -> tuple[Array, Array]:
    """Compiled twin of `observed_rows.gap_columns`."""
    if X.strides[1] != X.itemsize:
        return observed_rows.gap_columns(X, zeros)
    bits = 8 * X.itemsize
    counts = np.empty(len(X), dtype=np.int64)
    binding(f"count_gaps{bits}")(X, zeros, counts, n_threads)
    indptr = np.zeros(len(X) + 1, dtype=np.int64)
    np.cumsum(counts, out=indptr[1:])
    index = observed_rows.index_type(max(X.shape[1], indptr[-1]))
    indptr, indices = indptr.astype(index), np.empty(indptr[-1], dtype=index)
    suffix = f"{bits}_csr{8 * np.dtype(index).itemsize}"
    binding(f"list_gaps{suffix}")(X, zeros, indptr, indices, n_threads)
    return indptr, indices


def named_product(
    named: Any, A: Array, B: Array, C: Array, n_threads: int = 1
) -> Array:
    """Compiled twin of `observed_rows.named_product`."""
    out = np.empty((A.shape[0], C.shape[1]), A.dtype)
    same = B is C
    A, B = (as_contiguous(factor, factor.dtype) for factor in (A, B))
    C = B if same else as_contiguous(C, C.dtype)
    for rows, part in _parts(named):
        suffix, arrays = _csr(part, A.dtype)
        binding(f"named_product{suffix}")(arrays, A[rows], B, C, out[rows], n_threads)
    return out


def named_square(
    named: Any, A: Array, B: Array, n_threads: int = 1, values: Array | None = None
) -> float:
    """Compiled twin of `observed_rows.named_square`."""
    A, B = (as_contiguous(factor, factor.dtype) for factor in (A, B))
    x = None if values is None else as_contiguous(values, A.dtype)
    square = 0.0
    for rows, part in _parts(named):
        suffix, arrays = _csr(part, A.dtype)
        square += binding(f"named_square{suffix}")(arrays, x, A[rows], B, n_threads)
    return square


def solve_imputed(
    X: Array,
    hidden: Any,
    step: RowSolve,
    rows: RowSolveRows,
    shared: RowSolveInputs,
    scales: tuple[Any, Any] = (None, None),
    n_threads: int = 1,
) -> tuple[ModelSums, ...]:
    """Compiled twin of `observed_rows.solve_imputed`."""
    dtype = X.dtype
    arrays = fused_arrays(dtype, X.shape[1], step, rows, shared)
    suffix, named = _csr(hidden, dtype)
    row_scale, column_scale = (
        None if scale is None else as_contiguous(inverse_of(scale), dtype)
        for scale in scales
    )
    reports, squares = binding(f"update_imputed{suffix}")(
        X, named, [part.model for part in arrays], row_scale, column_scale,
        step.imputes, n_threads,
    )  # fmt: skip
    sums = tuple(
        part.sums(report) for part, report in zip(arrays, reports, strict=True)
    )
    if step.imputes:
        for model, square in zip(sums, squares, strict=True):
            model.imputed = square
    return sums


def solve_apart(
    rows: RowArrays,
    rhs: Array,
    named: Any,
    Ht: Array,
    base: Array,
    Q: Array,
    l1: Array,
    method: Method,
    n_threads: int = 1,
) -> SolveReport:
    """Compiled twin of `observed_rows.solve_apart`."""
    if not isinstance(method, Cyclic | Adaptive | Exact):
        return observed_rows.solve_apart(rows, rhs, named, Ht, base, Q, l1, method)
    dtype, k = rows.solved.dtype, rows.solved.shape[1]
    rhs, Ht = as_contiguous(rhs, dtype), as_contiguous(Ht, dtype)
    # copies: the bindings take no array that is read alone
    base, Q = (np.array(A, dtype=np.float64, order="C") for A in (base, Q))
    order = np.arange(k)
    if isinstance(method, Cyclic):
        number, sweeps, settled = 0, 1, 0.0
        if method.order is not None:
            order = np.asarray(method.order, dtype=np.int64)
    else:
        number = 1 if isinstance(method, Adaptive) else 2
        sweeps, settled = method.sweeps, method.settled
    total: SolveReport | None = None
    for part, csr in _parts(named):
        block = (
            rows if part == slice(0, len(rhs)) else rows.block(part.start, part.stop)
        )
        suffix, arrays = _csr(csr, dtype)
        options = _core.ApartOptions(
            base=base,
            Q=Q,
            l1=as_contiguous(l1, np.float64),
            linear=_shares(block.linear),
            quadratic=_shares(block.quadratic),
            order=order,
            method=number,
            sweeps=sweeps,
            settled=settled,
            momentum=method.momentum,
            narrow=not base.any() and bool(csr.data.min(initial=0) >= 0),
        )
        measures = np.empty((2, k))
        report = binding(f"solve_apart{suffix}")(
            arrays, block, Ht, rhs[part], options, measures, n_threads
        )
        solved = SolveReport(report[0], report[1], report[2], report[3], measures)
        solved.square = report[4]
        total = solved if total is None else total + solved
    assert total is not None
    return total


def _shares(shares: Any) -> Any:
    return None if shares is None else as_contiguous(shares, np.float64)
