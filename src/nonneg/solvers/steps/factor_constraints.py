"""All constraints of one factor together: what its half-steps go by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base.arrays import Array
from ...base.constraint import ConstraintBase, Factor, Majoriser
from ...base.interfaces import Problem
from ...kernels import Adaptive, Exact, Method, RowArrays, SolveReport, solve_rows
from ...kernels import gram as gram_of
from ...kernels import solve_within as solve_box
from ...kernels.boxes import Box, as_slice, project
from ...kernels.column_sets import solve_by_columns
from .constraint_composition import (
    joint_bounds,
    one_for_columns,
    one_row_sum,
    require_compatible,
    require_room,
)

LEVEL = 0.05
"""Share of level rows in a start without zeros."""
from .quadratic_iteration import factor_penalties

COLUMN_SWEEPS = 8
"""Most sweeps over columns in the place of an exact solve."""


@dataclass(frozen=True, eq=False)
class FactorConstraints:
    """The constraints of a factor, prepared for it.

    Bounds intersect and penalties add up; one constraint at most gives the sums of rows, and
    one at most constrains columns as a whole.

    Attributes
    ----------
    parts : tuple of ConstraintBase
    box : Box
        Bounds of all entries, and the sum of each row.
    fixed : ndarray of bool of shape (k,)
        Components of which all entries are known.
    columns : ConstraintBase or None
        The constraint on columns as a whole.
    """

    factor: Factor
    parts: tuple[ConstraintBase, ...]
    box: Box
    fixed: NDArray[np.bool_]
    columns: ConstraintBase | None

    @classmethod
    def of(
        cls, constraints: Sequence[ConstraintBase], factor: Factor
    ) -> FactorConstraints:
        """Prepare constraints for a factor and put them together.

        Raises
        ------
        ValueError
            If one is none for this factor, or if two don't go together.
        """
        parts = tuple(constraint.prepared(factor) for constraint in constraints)
        lower, upper = joint_bounds(parts, constraints, factor)
        total = one_row_sum(parts, constraints, factor)
        columns = one_for_columns(parts, constraints, factor)
        both = np.broadcast_to(lower == upper, factor.shape)
        fixed = np.asarray(both.all(axis=0), dtype=bool)
        box = Box(lower, upper) if total is None else Box(lower, upper, *total)
        if total is not None:
            require_room(box, factor)
        require_compatible(parts, constraints, factor, fixed)
        return cls(factor, parts, box, fixed, columns)

    # ---- what it allows

    @cached_property
    def is_plain(self) -> bool:
        """Whether entries only have to be at least 0."""
        box = self.box
        return bool(
            self.columns is None
            and box.total is None
            and not np.any(box.lower)
            and np.isposinf(box.upper).all()
        )

    @cached_property
    def has_penalty(self) -> bool:
        """Whether there are penalties."""
        kind = ConstraintBase.majoriser
        return any(type(part).majoriser is not kind for part in self.parts)

    @cached_property
    def is_trivial(self) -> bool:
        """Whether there is nothing beside the bound 0."""
        return self.is_plain and not self.has_penalty

    @cached_property
    def moving(self) -> Any:
        """The components that aren't fixed: a slice where they follow each other."""
        return as_slice(np.flatnonzero(~self.fixed))

    @cached_property
    def _known(self) -> Any:
        """The components that are fixed, likewise."""
        return as_slice(np.flatnonzero(self.fixed))

    @cached_property
    def _moves_freely(self) -> bool:
        """Whether the components that aren't fixed only have to be at least 0."""
        box = self.box.columns(self.moving)
        is_free = not np.any(box.lower) and np.isposinf(box.upper).all()
        return bool(is_free and box.total is None and self.columns is None)

    @property
    def row_wise(self) -> bool:
        """Whether each row is constrained for itself."""
        return all(part.row_wise for part in self.parts)

    @cached_property
    def is_solved_exactly(self) -> bool:
        """Whether a single half-step without momentum finds the minimum."""
        simple = all(p.exact and p.convex and p.definite for p in self.parts)
        return simple and self.columns is None

    @cached_property
    def takes_momentum(self) -> bool:
        """Whether rows may be extrapolated: cheaply brought back, and towards one minimum."""
        box = self.box
        if self.columns is not None or not all(p.convex for p in self.parts):
            return False
        no_bounds = not np.any(box.lower) and np.isposinf(box.upper).all()
        return bool(box.total is None or no_bounds)

    def keeps_from_shrinking(self) -> bool:
        """Whether no component can become small for nothing."""
        return any(part.keeps_from_shrinking(self.factor.k) for part in self.parts)

    def keeps_from_growing(self) -> bool:
        """Whether no component can become large for nothing."""
        return any(part.keeps_from_growing(self.factor.k) for part in self.parts)

    @property
    def bounded(self) -> bool:
        """Whether entries can't become arbitrarily large."""
        is_simplex = (
            self.box.total is not None and (np.asarray(self.box.lower) >= 0).all()
        )
        return bool(is_simplex or np.isfinite(self.box.upper).all())

    @property
    def has_scale(self) -> bool:
        """Whether multiplying the factor by a number may break a constraint, or cost."""
        return not self.is_trivial

    # ---- rows

    @staticmethod
    def says_bounds_alone(part: ConstraintBase) -> bool:
        """Whether a constraint says bounds of entries, and nothing else."""
        kind = type(part)
        has_penalty = kind.majoriser is not ConstraintBase.majoriser
        return not has_penalty and part.row_sum() is None

    @cached_property
    def by_blocks(self) -> bool:
        """Whether blocks of rows can be solved for apart, beside the Gram matrix of all."""
        return all(part.separable or part.of_gram for part in self.parts)

    def start(
        self, A: Array, positive: bool = False, mean: float | None = None
    ) -> Array:
        """Return the rows that fulfil the constraints and are nearest to A, or near it.

        With `positive` they are mixed with level rows, of the mean of A, or have these in the
        place of zeros, so that few entries are 0.
        """
        if mean is None:
            mean = float(np.abs(A).mean()) if A.size else 0.0
        level = np.full_like(A, mean)
        A = project(A, self.box)
        if positive and self.is_plain:
            A = np.where(A > 0, A, LEVEL * level)
        elif positive:
            level = project(level, self.box)
            A = project((1 - LEVEL) * A + LEVEL * level, self.box)
        if self.columns is not None:
            columns = self.columns.constrained_columns(self.factor.k)
            for t in columns:
                if not self.fixed[t]:
                    A[:, t] = self.columns.nearest_column(A[:, t])
        return A

    def restored(self, A: Array) -> Array:
        """Return A with rows that are beyond the box, as rows of 0 may be, brought into it."""
        box = self.box
        beyond = ((box.lower > A) | (box.upper < A)).any(axis=1)
        if box.total is not None and not box.at_most:
            beyond |= (
                np.abs(A.sum(axis=1, dtype=np.float64) - box.total) > 1e-3 * box.total
            )
        if not beyond.any():
            return A
        A = A.copy()
        A[beyond] = project(A[beyond], box.block(beyond))
        return A

    def value(self, A: Array, gram: Array) -> float:
        """Return the sum of the penalties."""
        return float(sum(part.value(A, gram) for part in self.parts))

    def majoriser(self, A: Array, gram: Array) -> Majoriser:
        """Return the sum of the majorisers at A, where `gram` is AᵀA."""
        Q, rhs = None, None
        for part in self.parts:
            one = part.majoriser(A, gram)
            if one is None:
                continue
            Q = one.Q if Q is None else Q if one.Q is None else Q + one.Q
            rhs = one.rhs if rhs is None else rhs if one.rhs is None else rhs + one.rhs
        return Majoriser(Q, rhs)

    def solve(
        self,
        rows: RowArrays,
        rhs: Array,
        gram: Array,
        l1: Array,
        method: Method,
        own_gram: Array | None = None,
        n_threads: int = 1,
    ) -> SolveReport:
        """Solve for the rows by right-hand sides and a Gram matrix, penalties left out.

        Parameters
        ----------
        rows : RowArrays
            `start` has to fulfil the constraints.
        rhs : ndarray of shape (n_rows, k)
            Where a component is fixed, its column is not read.
        gram : ndarray of shape (k, k)
            With the quadratic terms of `alpha_W` or `alpha_H`.
        l1 : ndarray of shape (k,)
        method : Adaptive or Exact
        own_gram : ndarray of shape (k, k) or None
            AᵀA of `rows.start`, which penalties need.
        n_threads : int

        Returns
        -------
        SolveReport
            Its `cross` is that of the penalised right-hand sides, where there are penalties.
        """
        dtype = rows.solved.dtype
        if self.has_penalty:
            if own_gram is None:
                own_gram = gram_of(rows.start, n_threads)
            extra = self.majoriser(rows.start, own_gram)
            gram = gram if extra.Q is None else gram + extra.Q
            rhs = rhs if extra.rhs is None else rhs + extra.rhs
        rhs = rhs.astype(dtype, copy=False)
        report = self.solve_inside(rows, rhs, gram, l1, method, self.box, n_threads)
        if rows.moved is not None and not self.is_plain:
            self.extrapolate(rows, method.momentum)
        return report

    def solve_inside(
        self,
        rows: RowArrays,
        rhs: Array,
        gram: Array,
        l1: Array,
        method: Method,
        box: Box,
        n_threads: int,
    ) -> SolveReport:
        """Solve for rows, or for some of them within their part of the box."""
        if self.is_plain:
            return solve_rows(rows, rhs, gram, l1, method, n_threads=n_threads)
        if self.fixed.any():
            return self._solve_for_rest(rows, rhs, gram, l1, method, box, n_threads)
        return self._solve(rows, rhs, gram, l1, method, box, n_threads)

    def _solve(
        self,
        rows: RowArrays,
        rhs: Array,
        gram: Array,
        l1: Array,
        method: Method,
        box: Box,
        n_threads: int,
    ) -> SolveReport:
        if self.columns is None:
            report: SolveReport = solve_box(rows, rhs, gram, l1, box, method, n_threads)
            return report
        columns = np.zeros(self.factor.k, bool)
        columns[list(self.columns.constrained_columns(self.factor.k))] = True
        sweeps = method.sweeps if isinstance(method, Adaptive) else COLUMN_SWEEPS
        return solve_by_columns(
            rows, rhs, gram, l1, box, columns[~self.fixed], self.columns, sweeps
        )

    def _solve_for_rest(
        self,
        rows: RowArrays,
        rhs: Array,
        gram: Array,
        l1: Array,
        method: Method,
        whole: Box,
        n_threads: int,
    ) -> SolveReport:
        """Solve for the components that are not fixed, beside what the others leave over."""
        k, dtype = self.factor.k, rows.solved.dtype
        kept, out = self.moving, self._known
        measures = np.zeros((2, k))
        start = rows.start
        known = start[:, out]
        rows.solved[:, out] = known
        if self.fixed.all():
            return SolveReport(0.0, 0.0, measures=measures)
        rest = rhs[:, kept] - known @ gram[out][:, kept].astype(dtype)
        small = RowArrays(
            np.ascontiguousarray(start[:, kept]), np.empty(rest.shape, dtype)
        )
        inner_gram = np.ascontiguousarray(gram[kept][:, kept])
        if self._moves_freely:
            plain = method
            if isinstance(method, Adaptive):
                plain = Adaptive(method.sweeps, method.settled)
            elif isinstance(method, Exact):
                plain = Exact(sweeps=method.sweeps, settled=method.settled)
            report = solve_rows(
                small, rest, inner_gram, l1[kept], plain, n_threads=n_threads
            )
        else:
            sums = 0.0 if whole.total is None else known.sum(axis=1, dtype=np.float64)
            box = whole.columns(kept, sums)
            report = self._solve(
                small, rest, inner_gram, l1[kept], method, box, n_threads
            )
        rows.solved[:, kept] = small.solved
        measures[:, kept] = report.measures
        report.measures = measures
        return report

    def extrapolate(self, rows: RowArrays, momentum: float) -> None:
        """Write the rows beyond `solved`, brought back to the constraints."""
        dtype, box = rows.solved.dtype, self.box
        some = self.moving
        moved = rows.solved[:, some] - rows.previous[:, some]
        moved *= dtype.type(momentum)
        moved += rows.solved[:, some]
        if self._moves_freely:
            np.maximum(moved, 0, out=moved)
        else:
            bounds = box.columns(some)
            np.clip(moved, bounds.lower, bounds.upper, out=moved)
        if box.total is not None:
            sums = moved.sum(axis=1, dtype=np.float64)
            beyond = sums > box.total if box.at_most else sums > 0
            scale = np.where(beyond, box.total / np.where(beyond, sums, 1), 1.0)
            moved *= scale[:, None].astype(dtype)
        rows.moved[:, self._known] = rows.solved[:, self._known]
        rows.moved[:, some] = moved


def objective_within(
    sides: tuple[Any, FactorConstraints],
    problem: Problem,
    W: Array,
    Ht: Array,
    loss: float,
) -> float:
    """Return the loss with the penalties of a problem and those of constraints on W and H."""
    value = loss + factor_penalties(problem, W, Ht)
    for side, A in zip(sides, (W, Ht), strict=True):
        if side.has_penalty:
            value += side.value(A, gram_of(A, problem.X.n_threads))
    return float(value)
