"""Step of a pass that solves exactly for rows within constraints, for Kullback-Leibler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base.arrays import Array
from ...base.constraint import Majoriser
from ...base.steps import Step
from ...kernels import gram
from ...kernels.boxes import Box, within
from ...kernels.newton_within import (
    RowProblems,
    gathered_tiles,
    solve_by_newton,
    violation_of,
)
from ...kernels.row_methods import NewtonReport
from ...kernels.term_records import TermShared, by_shares
from .scattered_constraints import RowsWithin, Stencil
from .separable_rows import Separable, minimise_within

Float = NDArray[np.float64]

BEFORE = 2
"""Multiplicative steps before the first Newton step: fewer take longer within bounds, more with
sums (k = 4 to 30)."""


@dataclass(frozen=True)
class SolveByNewton(Step[RowsWithin, TermShared, NewtonReport]):
    """The rows of least divergence within constraints, each solved for by itself.

    Parameters
    ----------
    stencil : Stencil
        Constraints whose penalties are their own majorisers.
    floor : float
        Smallest W·H that is divided by.
    tolerance : float
        See `solve_by_newton`.
    """

    name = "solve_by_newton"
    stencil: Stencil
    floor: float
    tolerance: float

    def __call__(
        self, X_b: Any, mask_b: Any | None, rows_b: RowsWithin, shared: TermShared
    ) -> NewtonReport:
        """Solve for the block's rows and return its sums."""
        side = self.stencil.filled([one.W for one in rows_b.arrays])
        rows, start = rows_b.rows, rows_b.rows.start.astype(np.float64)
        Ht = shared.Ht.astype(np.float64, copy=False)
        extra = Majoriser()
        if side.has_penalty:
            extra = side.majoriser(start, gram(start))
        l1 = np.broadcast_to(by_shares(shared.l1, rows.linear), start.shape)
        l2 = np.broadcast_to(by_shares(shared.l2, rows.quadratic), start.shape)
        sums = shared.column_sums if rows.sums is None else rows.sums
        sums = np.broadcast_to(sums, start.shape)
        rhs = 0.0 if extra.rhs is None else extra.rhs
        rhs = np.broadcast_to(rhs, start.shape)
        residual, unfinished, dtype = 0.0, 0, rows.solved.dtype
        for part, x, h, shown in gathered_tiles(X_b, mask_b, Ht):
            linear = sums[part] if shown is None else shown
            problems = RowProblems(
                x,
                h,
                linear + l1[part] - rhs[part],
                _bent(l2[part], extra.Q),
                self.floor,
            )
            box, A = side.box.block(part), start[part]
            residual += violation_of(problems, A, box)
            A = within(_approached(problems, A, box), box)
            A, rest = solve_by_newton(problems, A, box, self.tolerance)
            unfinished += int(np.count_nonzero(rest))
            narrow = A.astype(dtype).astype(np.float64)
            rows.solved[part] = within(narrow, box)
        return NewtonReport(0.0, residual, float(len(start)), float(unfinished))


def _bent(l2: Float, Q: Any) -> Float | None:
    """Return the quadratic terms of rows, (k, k) where they are alike; None for 0."""
    if not l2.any():
        return None if Q is None else np.asarray(Q, dtype=np.float64)
    k = l2.shape[1]
    alike = not np.ptp(l2, axis=0).any()
    bent: Array = l2[:1, :, None] * np.eye(k) if alike else l2[:, :, None] * np.eye(k)
    bent = bent if Q is None else bent + Q
    return bent[0] if alike else bent


def _approached(problems: RowProblems, A: Float, box: Box) -> Float:
    """Return the rows after some steps that minimise a majoriser entry by entry."""
    most: Any = 0.0
    if problems.Q is not None:
        most = np.linalg.eigvalsh(problems.Q)[..., -1:]
    for _ in range(BEFORE):
        Y = np.maximum(problems.product(A), problems.floor)
        pull = A * problems.weighted_sums(problems.x / Y)
        linear = problems.linear + problems.bent(A) - most * A
        bend = np.broadcast_to(most, A.shape)
        A = minimise_within(Separable(linear, bend, pull), box, np.dtype(np.float64))
    return A
