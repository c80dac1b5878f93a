"""Multiplicative updates of W beside a fixed H, until W no longer changes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.interfaces import (
    SCRATCH,
    Operand,
    Problem,
    Progress,
    SolverBase,
    State,
)
from ..base.passes import Passes
from ..base.records import Stretch
from ..kernels import Multiplicative, RowArrays, gram
from ..operands.base import matmul
from .steps.half_steps import solve_half_of
from .steps.mu_steps import (
    apply_sums,
    by_products,
    row_updates,
    sums_for,
    update_rows,
)


@dataclass(eq=False)
class FixedHState(State):
    """W, room for the next W, and the products that depend on H alone."""

    other: Array | None = field(default=None, metadata=SCRATCH)
    product: Array | None = None
    """X·Ht, where products give the terms, else None."""
    gram_H: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class FixedHMultiplicative(SolverBase):
    """Multiplicative updates of W alone.

    Parameters
    ----------
    tol : float
        The fit has converged when an update has changed W by at most this share of its
        norm; with 0 it never has.

    Notes
    -----
    For β = 2 X is read once, and an update costs n_samples·k² multiply-adds; for other β
    each update reads X.
    """

    name: ClassVar[str] = "mu-rows"
    requires: ClassVar[frozenset[str]] = frozenset({"terms"})
    measure: ClassVar[str] = "change of W"
    positive_start: ClassVar[bool] = True
    advances: ClassVar[bool] = True
    tol: float = 1e-4

    def passes(self, X: Operand, update_H: bool) -> Passes:  # noqa: ARG002
        """Return one pass an iteration."""
        return Passes(0, 1, 0)

    def start(self, problem: Problem, W: Array, Ht: Array) -> FixedHState:
        """Return the state before the first update, with X·Ht where it gives the terms."""
        state, X = FixedHState(W, Ht, np.empty_like(W)), problem.X
        if by_products(problem.loss, X):
            state.product = matmul(X, Ht)
            known = problem.gram_H
            state.gram_H = gram(Ht, X.n_threads) if known is None else known
        return state

    def iterate(self, problem: Problem, state: FixedHState) -> Progress:
        """Do one update of W."""
        W = state.W
        new = np.empty_like(W) if state.other is None else state.other
        self._step(problem, state, new)
        change = relative_change(new, W)
        state.W, state.other = new, W
        return Progress(
            objective=None,
            residual=np.array([change]),
            decrease=None,
            converged=np.array([0 < self.tol >= change]),
        )

    def advance(
        self, problem: Problem, state: FixedHState, most: int
    ) -> Stretch | None:
        """Do at most so many updates with the arguments of the core made once."""
        updates = row_updates(problem, state.W, state.product, state.gram_H)
        if updates is None:
            return None
        new = np.empty_like(state.W) if state.other is None else state.other
        changes: list[float] = []
        converged = False
        while len(changes) < most and not converged:
            updates.move_to(state.W, new)
            changes.append(relative_change(new, state.W))
            state.W, state.other = new, state.W
            new, converged = state.other, 0 < self.tol >= changes[-1]
        return Stretch([math.nan] * len(changes), changes, converged)

    def finish(
        self,
        problem: Problem,  # noqa: ARG002
        state: FixedHState,
    ) -> tuple[Array, Array]:
        """Return the factors; no update has raised the objective."""
        return state.W, state.Ht

    @staticmethod
    def _step(problem: Problem, state: FixedHState, new: Array) -> None:
        X, loss, W, Ht = problem.X, problem.loss, state.W, state.Ht
        penalty = problem.penalty_W
        if state.product is not None:
            assert state.gram_H is not None
            rows, method = RowArrays(W, new), Multiplicative()
            solve_half_of(X, rows, Ht, state.product, state.gram_H, penalty, method)
        elif X.by_columns:
            sums = sums_for(loss, X.T, Ht, W)
            new[...] = apply_sums(loss, X, W, sums, penalty)
        else:
            update_rows(loss, X, (W, new), Ht, penalty, accumulate=False)


def settled_rows(
    problem: Problem, Ht: Array, level: float, tol: float, max_iter: int
) -> Array:
    """Return W beside Ht after at most `max_iter` updates of a constant W, `level`."""
    W = np.full((problem.X.shape[0], Ht.shape[1]), level, problem.X.dtype)
    solver = FixedHMultiplicative(tol)
    state = solver.start(problem, W, Ht)
    left = max_iter
    while left > 0:
        # as many iterations as they are, no one asks for anything between them
        stretch = solver.advance(problem, state, left)
        progress = stretch or solver.iterate(problem, state)
        left -= 1 if stretch is None else len(stretch.residual)
        if progress.has_converged:
            break
    return state.W


def relative_change(new: Array, old: Array) -> float:
    """‖new − old‖ / ‖new‖; 0 where both are zero."""
    moved, size = _norm(new - old), _norm(new)
    if size == 0:
        return 0.0 if moved == 0 else math.inf
    return moved / size


def _norm(A: Array) -> float:
    """Return ‖A‖ as NumPy's `norm` does, which takes longer to look at its argument."""
    numbers = A.ravel()
    return float(np.sqrt(numbers.dot(numbers)))
