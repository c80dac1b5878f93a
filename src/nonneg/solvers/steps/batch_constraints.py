"""Constraints of a fit by mini-batches: each batch obeys its share of those on W."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...base.arrays import Array
from ...base.interfaces import Problem
from ...kernels import Exact, RowArrays, gram
from ...kernels.beta_steps import beside
from ...kernels.factor_rows import empty_like
from ...kernels.term_records import TermShared
from ...operands.base import matmul
from .factor_constraints import FactorConstraints
from .mu_steps import by_products, terms_of
from .rows_by_newton import ROW_TOL, SolveByNewton, solved_rows
from .scattered_constraints import Stencil
from .separable_rows import minimise_within
from .separable_step import (
    is_plain_ratio,
    moved_within,
    penalty_gradient,
    separable,
    sums_of_rows,
)


@dataclass(frozen=True, eq=False)
class BatchConstraints:
    """The constraints of both factors, as steps by single batches obey them."""

    W: FactorConstraints
    H: FactorConstraints

    @property
    def free_W(self) -> bool:
        """Whether nothing is said of W."""
        return self.W.is_trivial

    @cached_property
    def _parts(self) -> tuple[Stencil, list[Array]]:
        return Stencil.of(self.W)

    def on_rows(self, rows: slice) -> FactorConstraints:
        """Return the constraints on some rows of W."""
        stencil, arrays = self._parts
        return stencil.filled([A[rows] for A in arrays])

    def started(self, rows: slice, A: Array) -> Array:
        """Return rows near A that obey."""
        return self.on_rows(rows).start(A, positive=True)

    def moved_rows(
        self,
        problem: Problem,
        rows: slice,
        A: Array,
        Ht: Array,
        most: int = 1,
        tol: float = 0.0,
    ) -> Array:
        """Return the rows of a batch after at most so many steps, none of which rises."""
        side, X, loss = self.on_rows(rows), problem.X, problem.loss
        for _ in range(most):
            sums = sums_of_rows(loss, X, A, Ht)
            before = A
            A = moved_within(loss.terms(X), side, A, sums, problem.penalty_W)
            if most > 1 and np.linalg.norm(A - before) <= tol * np.linalg.norm(A):
                break
        return A

    def final_rows(
        self, problem: Problem, W: Array, Ht: Array, most: int, tol: float
    ) -> Array:
        """Return W beside the last H: exactly where rows are solved for, else by steps."""
        X, penalty = problem.X, problem.penalty_W
        start = self.W.start(W, positive=True)
        if self.W.is_solved_exactly and "poisson" in problem.loss.provides:
            step = SolveByNewton(self._parts[0], terms_of(problem).floor, ROW_TOL)
            shared: TermShared = beside(Ht, X.n_threads, penalty)
            return solved_rows(X, step, self._parts[1], start, penalty, shared)[0]
        if self.W.is_solved_exactly and by_products(problem.loss, X):
            rows = RowArrays(start, empty_like(start))
            G = gram(Ht, X.n_threads) + penalty.Q
            self.W.solve(rows, matmul(X, Ht), G, penalty.l1, Exact())
            return np.asarray(rows.solved)
        everything = slice(0, len(W))
        return self.moved_rows(problem, everything, start, Ht, most, tol)

    def moved_H(
        self,
        terms: Any,
        Ht: Array,
        numerator: Array,
        denominator: Array,
        curvature: Array | None,
        share: float,
    ) -> Array | None:
        """Return the next Hᵀ with `share` of the penalties, or None where bounds are all.

        The sums of all batches are kept as those of the update without constraints:
        denominator·h^p + curvature·h^(1 + fall) = numerator.
        """
        side = self.H
        if not (side.has_penalty or side.box.total is not None):
            return None
        assert is_plain_ratio(terms)
        h = Ht.astype(np.float64)
        above = np.broadcast_to(np.asarray(denominator, np.float64), h.shape)
        bend, linear = (share * np.asarray(term) for term in penalty_gradient(side, Ht))
        if curvature is not None:
            bend = bend + curvature
        positive = h > 0
        below = np.where(positive, numerator / np.where(positive, h, 1), 0.0)
        zeros = np.zeros_like(h)
        majoriser = separable(terms, h, above, below, zeros + linear, zeros + bend)
        return minimise_within(majoriser, side.box, Ht.dtype)

    def value(self, rows: slice, A: Array, Ht: Array, share: float) -> float:
        """Return the penalties of a batch, with its share of those on H."""
        value = 0.0
        side = self.on_rows(rows)
        if side.has_penalty:
            value += side.value(A, gram(A))
        if self.H.has_penalty:
            value += share * self.H.value(Ht, gram(Ht))
        return value
