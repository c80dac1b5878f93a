"""Passes for the Kullback-Leibler divergence over weighted entries.

The divergence of scaled rows and columns is that of X with weights, so that X is scaled; what
is missing is 0 in it, and leaves the sums of W·H, which become those of each row.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp

from .. import kernels
from ..base.arrays import Array
from ..base.interfaces import Operand
from ..base.observed import Vector, Weights
from ..kernels.beta_steps import TermsUpdate
from ..kernels.newton_steps import NewtonSums, NewtonUpdate
from ..kernels.row_methods import NewtonReport, RowArrays
from ..kernels.term_records import (
    NewtonTermSums,
    TermRows,
    TermShared,
    TermSums,
    by_shares,
)
from .base import BlockedOperand, matmul
from .clean_dense import CleanColumns, CleanDense
from .dense import DenseOperand
from .sparse import SparseOperand
from .streamed.clean_rows import CleanStream
from .streamed.operand import StreamedOperand


class Scaled(Protocol):
    """An operand with weights, which knows X times all of them."""

    weights: Weights
    shape: tuple[int, int]
    dtype: Any
    n_threads: int

    @property
    def T(self) -> Any:
        """The transpose."""

    @property
    def scaled_values(self) -> Operand:
        """X times all weights, by rows."""

    @property
    def log_weights(self) -> float:
        """Σ weight·x·log(entry weight)."""


def scale_values(
    values: Operand, rows: Vector | None, columns: Vector | None
) -> Operand:
    """Return X times factors of its rows and columns, read by rows."""
    if isinstance(values, SparseOperand):
        values = values.by_rows
        if rows is None and columns is None:
            return values
        X = sp.csr_array(values.X)
        data = X.data
        if rows is not None:
            data = data * np.repeat(rows, np.diff(X.indptr)).astype(data.dtype)
        if columns is not None:
            data = data * columns[X.indices].astype(data.dtype)
        return SparseOperand(
            sp.csr_array((data, X.indices, X.indptr), X.shape), values.n_threads
        )
    if isinstance(values, StreamedOperand):
        if rows is None and columns is None:
            return values
        hidden = values.hidden if isinstance(values, CleanStream) else None
        return CleanStream.of(values, hidden, (rows, columns))
    if isinstance(values, CleanColumns):
        values = values.by_rows
    elif isinstance(values, DenseOperand):
        if rows is None and columns is None:
            return values
        values = CleanDense(values.X, None, n_threads=values.n_threads)
    assert isinstance(values, CleanDense)
    return values.scaled(rows, columns)


def sum_of_logs(values: Operand, raw: Operand, weights: Weights) -> float:
    """Return Σ weight·x·log(entry weight), which the divergence of scaled X lacks."""
    if values is raw:
        return 0.0
    if raw.sparse and not raw.in_parts:
        A = raw.native().tocsr()
        entries, M = weights.of_stored(A) * A.data, weights.of_stored(A, rows=False)
        return float(np.sum(entries * np.log(np.where(entries > 0, M, 1.0))))
    total = 0.0
    step = max(1, (1 << 20) // max(1, weights.shape[1]))
    assert isinstance(raw, BlockedOperand)
    for block in raw.blocks():
        for start in range(block.start, block.stop, step):
            stop = min(start + step, block.stop)
            X = block.X[start - block.start : stop - block.start]
            X = X.toarray() if sp.issparse(X) else X
            M = weights.tile(start, stop, rows=False)
            entries = weights.tile(start, stop) * X
            logs = np.log(np.where(entries > 0, M, 1.0))
            total += float(np.sum(entries * logs))
    return total


def linear_terms(X: Scaled, Ht: Array, column_sums: Array) -> Array | None:
    """Return the sums of Ht over what each row shows, (n_rows, k); None: column_sums."""
    weights = X.weights
    if weights.named is None:
        return None
    named = weights.named
    if sp.issparse(named):
        sums = matmul(SparseOperand(named, X.n_threads), Ht)
    else:
        sums = named @ Ht
    sums = np.asarray(sums + (weights.rest * column_sums).astype(Ht.dtype))
    # a difference, which by rounding may be below 0 where a row shows nothing of a component
    return np.maximum(sums, 0, out=sums)


def newton_pass(
    X: Scaled, step: NewtonUpdate, rows: RowArrays, shared: TermShared
) -> NewtonReport:
    """Do Newton sweeps over the rows of a scaled X."""
    sums = linear_terms(X, shared.Ht, shared.column_sums)
    inner = dataclasses.replace(rows, sums=sums)
    report: NewtonReport = X.scaled_values.run_pass(step, inner, shared)
    if step.value:
        report.value -= X.log_weights
    return report


def newton_sums_pass(
    X: Scaled, step: NewtonSums, rows: RowArrays, shared: TermShared
) -> NewtonTermSums:
    """Do Newton sweeps over the rows, then return the sums beside them; X is read twice."""
    report = newton_pass(X, step.newton, rows, shared)
    return NewtonTermSums(
        report, terms_pass(X, step.sums, TermRows(rows.solved), shared)
    )


def terms_pass(
    X: Scaled, step: TermsUpdate, rows: TermRows, shared: TermShared
) -> TermSums:
    """Update the rows of a scaled X, or leave them, and return the sums for the others."""
    linear = linear_terms(X, shared.Ht, shared.column_sums)
    values = X.scaled_values
    if rows.solved is None:
        return _sums_beside(X, values, step, rows.start, shared)
    still = dataclasses.replace(step, move=False, accumulate=False, value=False)
    A, above = rows.start, np.empty_like(rows.start)  # the rows may be updated in place
    values.run_pass(still, TermRows(A, above), shared)
    below = shared.column_sums if linear is None else linear
    if step.move:
        l1 = by_shares(shared.l1, rows.linear)
        l2 = by_shares(shared.l2, rows.quadratic)
        moved = kernels.multiplied(
            A, above, below, l1, l2, step.terms, step.least, X.n_threads
        )
        rows.solved[...] = A = moved
    else:
        rows.solved[...] = above
        if rows.below is not None:
            rows.below[...] = below
    return _sums_beside(X, values, step, A, shared)


def _sums_beside(
    X: Scaled, values: Operand, step: TermsUpdate, A: Array, shared: TermShared
) -> TermSums:
    """Return the sums for the other factor beside rows that don't move."""
    if not (step.accumulate or step.value):
        return TermSums()
    Ht = shared.Ht if shared.after is None else shared.after
    column_sums = kernels.column_sums(Ht, X.n_threads)
    own_sums = kernels.column_sums(A, X.n_threads)
    still = dataclasses.replace(step, move=False)
    sums: TermSums = values.run_pass(
        still, TermRows(A), TermShared(Ht, column_sums, shared.l1, shared.l2)
    )
    if step.accumulate:
        linear = linear_terms(X.T, A, own_sums)
        sums.denominator = own_sums if linear is None else linear
    if step.value:
        linear = linear_terms(X, Ht, column_sums)
        if linear is not None:
            whole = float(own_sums @ column_sums)
            sums.value += kernels.inner(linear, A) - whole
        sums.value -= X.log_weights
    return sums
