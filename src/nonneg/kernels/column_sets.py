"""Sweeps over the columns of a factor, some of which are constrained as a whole."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from .boxes import Box
from .reference import inner
from .row_methods import RowArrays, SolveReport


class ColumnSet(Protocol):
    """A set of columns, as a constraint has it."""

    def nearest_column(self, column: Array) -> Array:
        """Return the nearest column of the set."""


def solve_by_columns(
    rows: RowArrays,
    rhs: Array,
    gram: Array,
    l1: Array,
    box: Box,
    constrained: NDArray[np.bool_],
    column_set: ColumnSet,
    sweeps: int,
) -> SolveReport:
    """Sweep over the columns, each of which is solved for exactly beside the others.

    A column a moves to a + (p − A·g)/g_tt, or to the nearest column of its set. Where a set
    is not convex, a column that would not go down stays.
    """
    A = rows.start.copy()
    k = A.shape[1]
    gram, l1 = gram.astype(A.dtype, copy=False), l1.astype(A.dtype, copy=False)
    lower, upper = (np.broadcast_to(b, A.shape) for b in (box.lower, box.upper))
    measures, decrease, first = np.zeros((2, k)), 0.0, 0.0
    measures[1] = np.square(rhs - l1, dtype=np.float64).sum(axis=0)
    done = 0
    for number in range(sweeps):
        square = 0.0
        for t in range(k):
            curvature = float(gram[t, t])
            if not curvature > np.finfo(A.dtype).tiny:
                continue
            a = A[:, t]
            gradient = A @ gram[t] + l1[t] - rhs[:, t]
            moved = a - gradient / A.dtype.type(curvature)
            if constrained[t]:
                moved = column_set.nearest_column(moved)
            moved = np.clip(moved, lower[:, t], upper[:, t]).astype(A.dtype)
            step = (moved - a).astype(np.float64)
            gain = -float(step @ (gradient + 0.5 * curvature * step))
            if number == 0:
                measures[0, t] = curvature**2 * float(step @ step)
            if constrained[t] and gain < 0:
                continue
            A[:, t] = moved
            square += float(step @ step)
            decrease += gain
        done += 1
        if number == 0:
            first = square
        if square <= 0.01 * first:
            break
    rows.solved[...] = A
    return SolveReport(0.0, inner(rhs, A), decrease, float(done * len(A)), measures)
