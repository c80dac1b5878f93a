"""An iteration of "cd": one sweep over W, then one over H, in one pass over X.

Where X is read by rows, one pass computes X·Ht, updates W and sums up XᵀW and WᵀW; H
then moves by these sums alone. Where X is read by columns, the pass updates H and leaves
X·Ht for W in the next iteration. Either way W moves before H, and X is read once.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ...base.arrays import Array
from ...base.interfaces import Problem, State
from ...kernels import Cyclic, RowArrays, gram, stretches
from ...kernels.quadratic_steps import ModelSums
from ...operands.base import matmul, square_of
from .half_steps import HalfStep, half_step, solve_half_of

Order = Sequence[int] | None
Rule = tuple[float, float, float]
NO_RULE: Rule = (1.0, 0.0, -1.0)
"""By which no iteration has converged, unless it moves nothing."""


@dataclass(eq=False)
class AlternationState(State):
    """The factors, and the products that one iteration hands to the next."""

    product: Array | None = None
    """X·Ht of the current Ht, kept where X is read by columns or H is fixed."""
    gram_H: Array | None = None
    """HHᵀ of the current H in float64."""


class Advanced(NamedTuple):
    """The results of several iterations; `gram_W` is of the last, or None with H fixed."""

    violation: list[float]
    objective: list[float]
    gram_W: Array | None


@dataclass(frozen=True, eq=False, repr=False)
class Alternated:
    """The results of both half-steps; `loss` is None where it would cost a pass."""

    violation: float
    loss: float | None
    gram_W: Array | None


def start(problem: Problem, W: Array, Ht: Array) -> AlternationState:
    """Return the state before the first iteration.

    Costs one product with X where X is read by columns or H is fixed.
    """
    X = problem.X
    carried = X.shared_gram and (X.by_columns or not problem.update_H)
    product = matmul(X, Ht) if carried else None
    known = problem.gram_H
    gram_H = gram(Ht, X.n_threads) if known is None else known
    return AlternationState(W, Ht, product=product, gram_H=gram_H)


Alternation = Generator[HalfStep, ModelSums, Alternated]


def alternate(
    problem: Problem, state: AlternationState, order_W: Order, order_H: Order
) -> Alternation:
    """Do one sweep over W, then, unless H is fixed, one over H, in place."""
    method_W, method_H = (
        Cyclic(None if order is None else tuple(order)) for order in (order_W, order_H)
    )
    if not problem.update_H:
        return _fixed_H(problem, state, method_W)
    if state.product is None:
        return _by_rows(problem, state, method_W, method_H)
    return _by_columns(problem, state, method_W, method_H)


def _fixed_H(problem: Problem, state: AlternationState, method: Cyclic) -> Alternation:
    W, penalty = state.W, problem.penalty_W
    assert state.gram_H is not None
    if state.product is None:
        sums = yield half_step(
            RowArrays(W, W), state.Ht, state.gram_H, penalty, method, accumulate=False
        )
        return Alternated(float(sums.report.violation), None, None)
    report = solve_half_of(
        problem.X,
        RowArrays(W, W),
        state.Ht,
        state.product,
        state.gram_H,
        penalty,
        method,
    )
    return Alternated(report.violation, None, None)


def _by_rows(
    problem: Problem, state: AlternationState, method_W: Cyclic, method_H: Cyclic
) -> Alternation:
    X, W, Ht = problem.X, state.W, state.Ht
    assert state.gram_H is not None
    sums = yield half_step(
        RowArrays(W, W), Ht, state.gram_H, problem.penalty_W, method_W,
        accumulate=X.shared_gram,
    )  # fmt: skip
    if X.shared_gram:
        gram_W = sums.gram
        report = solve_half_of(
            X, RowArrays(Ht, Ht), W, sums.rhs, gram_W, problem.penalty_H, method_H,
            by_columns=True,
        )  # fmt: skip
    else:
        gram_W = gram(W, X.n_threads)
        sums_H = yield half_step(
            RowArrays(Ht, Ht), W, gram_W, problem.penalty_H, method_H,
            by_columns=True, accumulate=False,
        )  # fmt: skip
        report = sums_H.report
    state.gram_H = gram(Ht, X.n_threads)
    square = report.square
    if square is None:
        square = square_of(X, W, Ht, gram_W, state.gram_H)
    loss = problem.loss.from_products(X, report.cross, square)
    violation = float(sums.report.violation) + float(report.violation)
    return Alternated(violation, loss, gram_W)


def advance(
    problem: Problem,
    state: AlternationState,
    rule: Rule,
    most: int,
) -> Advanced | None:
    """Do at most so many iterations in one call of the core, or None if it can't.

    `rule` is the violation of the first iteration, the share of it at which the fit has
    converged, and the violation that is rounding alone.
    """
    X, W, Ht = problem.X, state.W, state.Ht
    core = stretches
    if core is None or not core.is_in_memory(X, W, Ht):
        return None
    if not problem.update_H:
        return _advance_rows(problem, state, rule, most)
    assert state.gram_H is not None
    penalties = problem.penalty_W, problem.penalty_H
    done = core.alternate(
        X, (W, Ht), penalties, state.gram_H, state.product, core.StopRule(*rule), most
    )
    n_iter = len(done.violation)
    squares = (done.gram_W * done.gram_H).reshape(n_iter, -1).sum(axis=1)
    objective = problem.loss.each_from_products(X, done.cross, squares)
    if done.sums is not None:
        for i, (sums_W, sums_H) in enumerate(done.sums):
            parts = (penalties[0], sums_W, done.gram_W[i]), (
                penalties[1], sums_H, done.gram_H[i],
            )  # fmt: skip
            objective[i] += sum(p.value(*facts) for p, *facts in parts if not p.is_zero)
    return Advanced(done.violation.tolist(), objective, done.gram_W[-1])


def _advance_rows(
    problem: Problem,
    state: AlternationState,
    rule: Rule,
    most: int,
) -> Advanced | None:
    """Do at most so many sweeps over W beside a fixed H, by products that are known."""
    if state.product is None or state.gram_H is None:
        return None
    sweeps = stretches.RowSweeps(
        state.W, state.product, state.gram_H, problem.penalty_W, problem.X.n_threads
    )
    violation = sweeps.sweep(stretches.StopRule(*rule), most).tolist()
    return Advanced(violation, [math.nan] * len(violation), None)


def _by_columns(
    problem: Problem, state: AlternationState, method_W: Cyclic, method_H: Cyclic
) -> Alternation:
    X, W, Ht = problem.X, state.W, state.Ht
    assert state.gram_H is not None
    assert state.product is not None
    n = X.n_threads
    report = solve_half_of(
        X, RowArrays(W, W), Ht, state.product, state.gram_H, problem.penalty_W, method_W
    )
    gram_W = gram(W, n)
    sums = yield half_step(
        RowArrays(Ht, Ht), W, gram_W, problem.penalty_H, method_H, by_columns=True
    )
    state.product, state.gram_H = sums.rhs, sums.gram
    square = float((gram_W * state.gram_H).sum())
    loss = problem.loss.from_products(X, float(sums.report.cross), square)
    return Alternated(report.violation + float(sums.report.violation), loss, gram_W)
