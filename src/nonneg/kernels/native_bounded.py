"""Calls of the compiled core for rows within boxes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _core
from ..base.arrays import Array
from . import bounded_rows
from .bounded_rows import LOOPS, RIDGE, swept
from .boxes import Box
from .native_options import as_contiguous
from .reference import VANISHING
from .row_methods import Method, RowArrays, SolveReport


def solve_within(
    rows: RowArrays,
    rhs: Array,
    gram: Array,
    l1: Array,
    box: Box,
    method: Method,
    n_threads: int = 1,
) -> SolveReport:
    """Compiled twin of `bounded_rows.solve_within`."""
    n_rows, k = rows.solved.shape
    dtype = rows.solved.dtype
    sweeps = swept(box, method)
    measures = np.empty((2, k))
    unsolved = np.zeros(n_rows, np.uint8)
    total = None
    if box.total is not None:
        total = np.ascontiguousarray(np.broadcast_to(box.total, n_rows), np.float64)
    largest = max(float(gram.diagonal().max(initial=0)), 1e-300)
    start = rows.start
    if np.may_share_memory(start, rows.solved):
        start = start.copy()  # rows that pivoting leaves are solved for from there
    cross, decrease, tried = _core.solve_bounded(
        start=start,
        solved=rows.solved,
        P=as_contiguous(rhs, dtype),
        gram=as_contiguous(gram, np.float64).ravel(),
        l1=as_contiguous(l1, np.float64),
        lower=_bounds(box.lower, dtype),
        upper=_bounds(box.upper, dtype),
        total=total,
        at_most=box.at_most,
        exact=sweeps is None,
        most=LOOPS + k // 4 if sweeps is None else sweeps.sweeps,
        settled=0.0 if sweeps is None else sweeps.settled,
        vanishing=VANISHING[dtype],
        ridge=RIDGE * largest,
        tolerance=bounded_rows.tolerance(dtype),
        unsolved=unsolved,
        measures=measures,
        n_threads=n_threads,
    )
    report = SolveReport(0.0, cross, decrease, tried, measures)
    left = np.flatnonzero(unsolved)
    if left.size:
        _solve_left(rows, start, rhs, gram, l1, box, method, left, report)
    return report


def _bounds(bounds: Array, dtype: Any) -> Array:
    return as_contiguous(np.atleast_2d(bounds), dtype)


def _solve_left(
    rows: RowArrays,
    start: Array,
    rhs: Array,
    gram: Array,
    l1: Array,
    box: Box,
    method: Method,
    left: Array,
    report: SolveReport,
) -> None:
    """Solve by the reference for rows that pivoting did not finish."""
    few = RowArrays(start[left], np.empty_like(start[left]))
    more = bounded_rows.solve_within(few, rhs[left], gram, l1, box.block(left), method)
    rows.solved[left] = few.solved
    # their first measures are in the sums already
    report.cross += more.cross
    report.decrease += more.decrease
    report.sweeps += more.sweeps
