"""Call of the compiled core for half-steps by reweighted least squares."""

from __future__ import annotations

from typing import Any

from .. import _core
from ..base.arrays import Array
from .native import PASSES
from .native_options import as_contiguous
from .row_methods import IrlsReport, RowArrays
from .term_records import TermShared

ENTRIES = 1 << 20
"""Entries of a sparse X that are made dense at a time."""


def _irls(operand: Any, step: Any, rows: RowArrays, shared: TermShared) -> IrlsReport:
    return _on(operand.X, operand, step, rows, shared)  # of any strides


def _irls_sparse(
    operand: Any, step: Any, rows: RowArrays, shared: TermShared
) -> IrlsReport:
    # all entries of W·H count, so that a row of X costs no less than a dense one
    X = operand.X.tocsr()
    n_rows, n_columns = X.shape
    size = max(1, ENTRIES // max(1, n_columns))
    report = IrlsReport(0.0, 0.0, 0.0, 0.0)
    for first in range(0, n_rows, size):
        last = min(first + size, n_rows)
        part = X[first:last].toarray()
        report += _on(part, operand, step, rows.block(first, last), shared)
    return report


def _on(
    X: Array, operand: Any, step: Any, rows: RowArrays, shared: TermShared
) -> IrlsReport:
    dtype = operand.dtype
    Ht, l1, l2 = (as_contiguous(A, dtype) for A in (shared.Ht, shared.l1, shared.l2))
    report = _core.irls(
        X=X,
        rows=rows,
        Ht=Ht,
        beta=step.beta,
        floor=step.floor,
        power=step.power,
        momentum=step.momentum,
        l1=l1,
        l2=l2,
        n_threads=operand.n_threads,
    )
    return IrlsReport(*report)


PASSES["dense", "irls"] = _irls
PASSES["csr", "irls"] = _irls_sparse
