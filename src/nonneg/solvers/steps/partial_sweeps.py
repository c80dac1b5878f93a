"""Sweeps over W in two parts, where some components of H are known and stay."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base.arrays import Array
from ...base.interfaces import Operand
from ...base.penalty import Penalty
from ...kernels import Method, RowArrays, SolveReport, solve_rows
from ...operands.base import matmul, rmatmul
from .half_steps import solve_in_a_pass


def solve_in_parts(
    X: Operand,
    rows: RowArrays,
    Ht: Array,
    gram_H: Array,
    penalty: Penalty,
    method: Method,
    fixed: NDArray[np.bool_],
    known: Array,
) -> tuple[SolveReport, Array]:
    """Sweep over W beside the known components of H, then beside the others.

    The products of X with the known ones are known, too: X is multiplied by the others alone,
    and each part has sweeps of its own, which are shorter than those of both together.

    Parameters
    ----------
    X : Operand of shape (n_samples, n_features)
        In memory or in a store.
    rows : RowArrays
        Those of W.
    Ht : ndarray of shape (n_features, k)
    gram_H : ndarray of shape (k, k)
    penalty : Penalty
        That on W.
    method : Adaptive
    fixed : ndarray of bool of shape (k,)
        The components that are known, some of them.
    known : ndarray of shape (n_samples, number of fixed ones)
        X times these.

    Returns
    -------
    report : SolveReport
    rhs : ndarray of shape (n_features, k)
        Xᵀ times the result, 0 for the components that are fixed.
    """
    out, kept = np.flatnonzero(fixed), np.flatnonzero(~fixed)
    dtype = rows.solved.dtype
    G = gram_H + penalty.Q
    columns_out, columns_kept = _as_slice(out), _as_slice(kept)
    across = np.ascontiguousarray(G[np.ix_(kept, out)]).astype(dtype)
    first = _part(rows, columns_out)
    rest = known - rows.start[:, columns_kept] @ across
    report = solve_rows(
        first, rest, G[np.ix_(out, out)], penalty.l1[out], method, n_threads=X.n_threads
    )
    beside = -(first.solved @ across.T)
    Hk, gram_kept = np.ascontiguousarray(Ht[:, kept]), gram_H[np.ix_(kept, kept)]
    part_penalty = Penalty(penalty.l1[kept], penalty.Q[np.ix_(kept, kept)])
    if X.by_columns:
        second = _part(rows, columns_kept)
        second_report = solve_rows(
            second, matmul(X, Hk) + beside, gram_kept + part_penalty.Q, part_penalty.l1, method,
            n_threads=X.n_threads,
        )  # fmt: skip
        rhs_kept = rmatmul(X, second.result)
    else:
        second = _part(rows, columns_kept, extra=beside)
        sums = solve_in_a_pass(X, second, Hk, gram_kept, part_penalty, method)
        second_report, rhs_kept = sums.report, sums.rhs
    measures, rhs = np.zeros((2, len(fixed))), np.zeros(Ht.shape, dtype)
    for part, columns, measured in (
        (first, columns_out, report.measures),
        (second, columns_kept, second_report.measures),
    ):  # fmt: skip
        rows.solved[:, columns] = part.solved
        if rows.moved is not None:
            rows.moved[:, columns] = part.moved
        measures[:, columns] = measured
    rhs[:, kept] = rhs_kept
    decrease = report.decrease + second_report.decrease
    sweeps = 0.5 * (report.sweeps + second_report.sweeps)
    return SolveReport(0.0, 0.0, decrease, sweeps, measures), rhs


def _as_slice(columns: Array) -> Any:
    """Return columns that follow each other as a slice, which is copied faster."""
    first, last = int(columns[0]), int(columns[-1])
    return slice(first, last + 1) if last - first + 1 == len(columns) else columns


def _part(rows: RowArrays, columns: Any, extra: Any = None) -> RowArrays:
    """Return some columns of the rows, in arrays of their own."""
    start = np.ascontiguousarray(rows.start[:, columns])
    part = RowArrays(start, np.empty_like(start), extra=extra)
    if rows.moved is not None:
        part.previous = np.ascontiguousarray(rows.previous[:, columns])
        part.moved = np.empty_like(start)
    return part
