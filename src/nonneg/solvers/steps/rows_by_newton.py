"""Steps of a pass that solve exactly for rows within constraints, each row by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...base.arrays import Array
from ...base.constraint import Majoriser
from ...base.interfaces import Operand
from ...base.penalty import Penalty
from ...base.steps import RowsOfW, Step
from ...kernels import gram
from ...kernels.bounded_rows import BoxRows
from ...kernels.boxes import Box, projected_gradient, within
from ...kernels.factor_rows import empty_like
from ...kernels.newton_within import (
    RowProblems,
    gathered_tiles,
    solve_by_newton,
    violation_of,
)
from ...kernels.row_methods import NewtonReport, RowArrays
from ...kernels.term_records import TermShared, by_shares
from .scattered_constraints import RowsWithin, Stencil
from .separable_rows import Separable, minimise_within

Float = NDArray[np.float64]

ROW_TOL = 1e-11
"""Share of a row's sum that the last step of an exact solve may promise to bring."""
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
        terms, rows = penalty_terms(self.stencil, rows_b, shared), rows_b.rows
        Ht, start = (A.astype(np.float64) for A in (shared.Ht, rows.start))
        sums = shared.column_sums if rows.sums is None else rows.sums
        sums = np.broadcast_to(sums, start.shape)
        residual, unfinished, dtype = 0.0, 0, rows.solved.dtype
        for part, x, h, weights in gathered_tiles(X_b, mask_b, Ht):
            linear = sums[part] if weights is None else weights @ Ht
            weighted = x if weights is None else x * weights
            problems = RowProblems(
                weighted, h, linear + terms.linear[part], terms.of(part), self.floor
            )
            box, A = terms.box.block(part), start[part]
            residual += violation_of(problems, A, box)
            A = within(_approached(problems, A, box), box)
            A, rest = solve_by_newton(problems, A, box, self.tolerance)
            unfinished += int(np.count_nonzero(rest))
            rows.solved[part] = within(A.astype(dtype).astype(np.float64), box)
        return NewtonReport(0.0, residual, float(len(start)), float(unfinished))


@dataclass(frozen=True)
class SolveSquares(Step[RowsWithin, TermShared, NewtonReport]):
    """The rows of least weighted squares within constraints, each by its own Gram matrix.

    Parameters
    ----------
    stencil : Stencil
        Constraints whose penalties are their own majorisers.
    """

    name = "solve_squares"
    stencil: Stencil

    def __call__(
        self, X_b: Any, mask_b: Any | None, rows_b: RowsWithin, shared: TermShared
    ) -> NewtonReport:
        """Solve for the block's rows and return its sums."""
        terms, rows = penalty_terms(self.stencil, rows_b, shared), rows_b.rows
        Ht, start = (A.astype(np.float64) for A in (shared.Ht, rows.start))
        residual, dtype, joint = 0.0, rows.solved.dtype, Ht.T @ Ht
        for part, x, h, weights in gathered_tiles(X_b, mask_b, Ht):
            v = np.ones_like(x) if weights is None else weights
            problems = RowProblems(v, h, terms.linear[part], terms.of(part), 0.0)
            p = problems.weighted_sums(v * x) - problems.linear
            box, A = terms.box.block(part), start[part]
            if weights is not None:
                G = problems.hessians(np.ones_like(x))
            else:  # of sparse rows h has the columns that are stored alone
                G = joint if problems.Q is None else joint + problems.Q
                G = np.broadcast_to(G, (len(A), *joint.shape))
            gradient = (G @ A[:, :, None])[:, :, 0] - p
            left = projected_gradient(A, gradient, box)
            residual += float(np.sum(np.abs(left) * np.abs(A)))
            # a row that shows nothing stays where it is
            shown = (np.abs(G).max(axis=(1, 2)) > 0) | (p != 0).any(axis=1)
            solver = BoxRows(G[shown], p[shown], A[shown], box.block(shown), dtype)
            solver.run()
            A = A.copy()
            A[shown] = solver.x
            A = within(A, box).astype(dtype).astype(np.float64)
            rows.solved[part] = within(A, box)
        return NewtonReport(0.0, residual, float(len(start)), 0.0)


class PenaltyTerms(NamedTuple):
    """The terms of each row that penalties add, and the box that the row stays in."""

    linear: Float
    """(n_rows, k)."""
    l2: Float
    """(n_rows, k)."""
    Q: Any
    """(k, k), or None for 0."""
    box: Box

    def of(self, rows: Any) -> Float | None:
        """Return the quadratic terms of some rows."""
        return _bent(self.l2[rows], self.Q)


def penalty_terms(
    stencil: Stencil, rows_b: RowsWithin, shared: TermShared
) -> PenaltyTerms:
    """Return the penalties of a block's rows, those of constraints with them."""
    side = stencil.filled([one.W for one in rows_b.arrays])
    rows, start = rows_b.rows, rows_b.rows.start
    extra = side.majoriser(start, gram(start)) if side.has_penalty else Majoriser()
    l1, l2 = (
        np.broadcast_to(by_shares(weights, shares), start.shape).astype(np.float64)
        for weights, shares in (
            (shared.l1, rows.linear), (shared.l2, rows.quadratic),
        )
    )  # fmt: skip
    linear = l1 if extra.rhs is None else l1 - extra.rhs
    return PenaltyTerms(linear, l2, extra.Q, side.box)


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


def solved_rows(
    X: Operand,
    step: SolveByNewton | SolveSquares,
    arrays: Sequence[Array],
    start: Array,
    penalty: Penalty,
    shared: TermShared,
) -> tuple[Array, NewtonReport]:
    """Return the rows that a step solves for in one pass, and its report."""
    rows = RowArrays(
        start, empty_like(start), linear=penalty.linear, quadratic=penalty.quadratic
    )
    within_rows = RowsWithin(rows, tuple(RowsOfW(A) for A in arrays))
    report: NewtonReport = X.by_rows.run_pass(step, within_rows, shared)
    return rows.solved, report
