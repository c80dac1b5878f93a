"""The two half-steps of an alternation for quadratic losses, in one pass over X.

Read by rows, X·Ht, the update of W and XᵀW, WᵀW come out of one pass; H then moves
by those sums alone. Read by columns, the pass updates H and leaves X·Ht for the
next iteration's W. Either way W moves before H, and X is read once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..kernels import coordinate_sweep, gram
from ..kernels.steps import RowUpdate
from ..operands import matmul
from ..protocols import Array, Operand, Penalty, Problem, State

Order = Sequence[int] | None


@dataclass(eq=False)
class HalvesState(State):
    """Factors of an alternation and what one iteration hands to the next."""

    product: Array | None = None
    """X·Ht of the current Ht, where it is carried on (by columns, or H fixed)."""
    gram_H: Array | None = None
    """HHᵀ of the current H in float64."""


@dataclass(frozen=True, eq=False, repr=False)
class Alternated:
    """What both half-steps reported; `loss` is None where it would cost a pass."""

    violation: float
    loss: float | None
    gram_W: Array | None


def start(problem: Problem, W: Array, Ht: Array) -> HalvesState:
    """State before the first iteration; one product where X is read by columns."""
    X = problem.X
    carried = X.shared_gram and (X.by_columns or not problem.update_H)
    product = matmul(X, Ht) if carried else None
    return HalvesState(W, Ht, product=product, gram_H=gram(Ht, X.n_threads))


def alternate(
    problem: Problem, state: HalvesState, order_W: Order, order_H: Order
) -> Alternated:
    """One sweep over W, then one over H, in place."""
    if not problem.update_H:
        return _fixed_H(problem, state, order_W)
    if state.product is None:
        return _by_rows(problem, state, order_W, order_H)
    return _by_columns(problem, state, order_W, order_H)


def _shared(factor: Array, gram_factor: Array, penalty: Penalty) -> dict[str, Array]:
    """Arrays that a row update needs from the other factor, in its dtype."""
    dtype = factor.dtype
    return {
        "Ht": factor,
        "gram": (gram_factor + penalty.Q).astype(dtype, copy=False),
        "l1": penalty.l1.astype(dtype),
    }


def _sweep(
    A: Array, rhs: Array, gram_other: Array, penalty: Penalty, order: Order, n: int
) -> tuple[float, float]:
    """Sweep over A by a right-hand side already at hand: (violation, cross)."""
    shared = _shared(A, gram_other, penalty)
    rhs = rhs.astype(A.dtype, copy=False)
    report = coordinate_sweep(A, rhs, shared["gram"], shared["l1"], order, n)
    return report.violation, report.cross


def _update_rows(
    X: Operand, W: Array, shared: dict[str, Array], order: Order, accumulate: bool
) -> dict[str, Array]:
    step = RowUpdate(None if order is None else tuple(order), accumulate)
    return X.run_pass(step, {"W": W}, shared)


def _fixed_H(problem: Problem, state: HalvesState, order: Order) -> Alternated:
    X, penalty = problem.X, problem.penalty_W
    assert state.gram_H is not None
    if state.product is None:
        shared = _shared(state.Ht, state.gram_H, penalty)
        sums = _update_rows(X, state.W, shared, order, accumulate=False)
        return Alternated(float(sums["violation"]), None, None)
    violation, _ = _sweep(
        state.W, state.product, state.gram_H, penalty, order, X.n_threads
    )
    return Alternated(violation, None, None)


def _by_rows(
    problem: Problem, state: HalvesState, order_W: Order, order_H: Order
) -> Alternated:
    X, W, Ht = problem.X, state.W, state.Ht
    assert state.gram_H is not None
    shared = _shared(Ht, state.gram_H, problem.penalty_W)
    sums = _update_rows(X, W, shared, order_W, accumulate=True)
    gram_W = sums["gram"]
    violation, cross = _sweep(
        Ht, sums["rhs"], gram_W, problem.penalty_H, order_H, X.n_threads
    )
    state.gram_H = gram(Ht, X.n_threads)
    if gram_W.ndim == 2:
        square = float(np.sum(gram_W * state.gram_H))
    else:  # one Gram matrix per feature
        square = float(np.einsum("jr,jrs,js->", Ht, gram_W, Ht))
        gram_W = gram(W, X.n_threads)
    loss = problem.loss.from_products(X, cross, square)
    return Alternated(float(sums["violation"]) + violation, loss, gram_W)


def _by_columns(
    problem: Problem, state: HalvesState, order_W: Order, order_H: Order
) -> Alternated:
    X, W, Ht = problem.X, state.W, state.Ht
    assert state.gram_H is not None
    assert state.product is not None
    violation, _ = _sweep(
        W, state.product, state.gram_H, problem.penalty_W, order_W, X.n_threads
    )
    gram_W = gram(W, X.n_threads)
    shared = _shared(W, gram_W, problem.penalty_H)
    sums = _update_rows(X.T, Ht, shared, order_H, accumulate=True)
    state.product, state.gram_H = sums["rhs"], sums["gram"]
    square = float(np.sum(gram_W * state.gram_H))
    loss = problem.loss.from_products(X, float(sums["cross"]), square)
    return Alternated(violation + float(sums["violation"]), loss, gram_W)
