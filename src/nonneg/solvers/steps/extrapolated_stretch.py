"""Several iterations of "hals" in one call of the core, with the results of single ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base.arrays import Array
from ...base.interfaces import Problem, Progress
from ...base.records import Stretch
from ...kernels import Adaptive, Exact, RowArrays, stretches
from .momentum import (
    CAP_GROWTH,
    GROWTH,
    LEAST_DECREASE,
    NEARLY,
    PAUSE,
    SHRINKAGE,
    ExtrapolatedState,
)
from .quadratic_iteration import Pair

START, PLAIN, BEST, SOLVED, MOVED = range(5)
"""Roles of the arrays of a factor, as the core numbers them."""


def balanced(
    problem: Problem, W: Array, Ht: Array, product: Array
) -> tuple[NDArray[np.float64], float] | None:
    """Scale and balance a start in one call of the core, or return None if it can't.

    `product` is X·Ht. Returns the Gram matrix of Ht and the objective.
    """
    X, core = problem.X, stretches
    if core is None or not (_is_free(problem) and X.shared_gram):
        return None
    if not all(
        type(A) is np.ndarray and A.flags.c_contiguous for A in (W, Ht, product)
    ):
        return None
    gram_H, cross, square = core.balance(W, Ht, product, X.n_threads)
    return gram_H, problem.loss.from_products(X, cross, square)


def advance(
    problem: Problem,
    state: ExtrapolatedState,
    method: Adaptive,
    rule: tuple[float, int],
    judged: tuple[float, float, float],
    accept: Callable[[Pair], Progress],
    most: int,
) -> Stretch | None:
    """Do at most so many iterations in one call of the core, or None if it can't.

    Parameters
    ----------
    problem : Problem
    state : ExtrapolatedState
    method : Adaptive
    rule : tuple of float and int
        `tol`, and the number of iterations after which one goes without momentum, 0 for none.
    judged : tuple of float
        ½‖X‖², the objective below which it is summed entry by entry, and that below which a
        pair is left to `accept`.
    accept : callable
        Keeps the pair of an iteration and returns its progress. It is asked for a pair that is
        nearly exact or has dead components, with which the call ends.
    most : int
    """
    core = stretches
    if core is None or not _is_possible(problem, state, judged[2]):
        return None
    X, product, state.product = problem.X, state.product, None
    with TakingTurns(state) as (factors, momentum):
        done = core.extrapolate(
            X, factors, state.gram_H, product, momentum, rule_of(X.dtype, *rule),
            method, judged, most,
        )  # fmt: skip
    if not X.by_columns:
        product = None
    state.product = product
    rows = done.reports.tolist()
    objective, residual, sweeps = ([row[i] for row in rows] for i in (0, 1, 3))
    converged = done.converged
    if done.pending:
        state.n_iter += len(objective)
        progress = accept(_pair(problem, done, *factors, product))
        state.n_iter -= len(objective)
        assert progress.objective is not None
        objective.append(float(progress.objective[0]))
        residual.append(float(progress.residual[0]))
        sweeps.append(progress.sweeps)
        converged = bool(progress.converged[0])
    return Stretch(objective, residual, converged, sweeps)


def polish(
    problem: Problem, state: ExtrapolatedState, methods: tuple[Adaptive, Exact]
) -> Any:
    """Do an iteration without momentum from the best pair, then solve for W exactly.

    Both in one call of the core; return its report, or None if it can't. The better pair is
    that of the state.
    """
    core, X = stretches, problem.X
    if core is None or not _is_plain(problem, state):
        return None
    best, other = (state.W, state.Ht), (state.other("W"), state.other("H"))
    known = 0.5 * X.stats().sum_sq, state.best
    done = core.polish(X, best, other, methods, known)
    if math.isfinite(done.objective):
        # above the best objective by rounding at most; `transform` finds this W again
        state.W, state.best = other[0], done.objective
        state.Ht = other[1] if done.moves_H else state.Ht
    return done


class TakingTurns:
    """The arrays and the momentum of a state, given to the core and taken back from it.

    Also where an interrupt ends the call: the best arrays have taken turns.
    """

    def __init__(self, state: ExtrapolatedState) -> None:
        self._state = state

    def __enter__(self) -> tuple[tuple[Any, Any], Any]:
        core, state, numbers = stretches, self._state, _numbers(self._state)
        if state.turns is not None and _are_those_of(state, state.turns):
            # single iterations for a callback: nobody has moved what the last call left
            self._factors, self._momentum = state.turns
            self._momentum.numbers[:] = numbers
            return self._factors, self._momentum
        self._momentum = core.Momentum(
            np.array(numbers), state.restarts, state.decreases, state.values
        )
        self._factors = (
            core.Turning.of(*state.turning("W")),
            core.Turning.of(*state.turning("H")),
        )
        state.turns = self._factors, self._momentum
        return self._factors, self._momentum

    def __exit__(self, *_: object) -> None:
        state = self._state
        W, H = self._factors
        state.take_back("W", W.arrays, W.roles.tolist()[:3])
        state.take_back("H", H.arrays, H.roles.tolist()[:3])
        numbers = self._momentum.numbers.tolist()
        state.momentum, state.cap, state.last, state.best = numbers[:4]
        state.pause, state.quiet = map(int, numbers[4:6])


def solved_rows(turning: Any) -> RowArrays:
    """Return the arrays of the last solve of a factor."""
    return RowArrays(turning[START], turning[SOLVED], turning[PLAIN], turning[MOVED])


def _numbers(state: ExtrapolatedState) -> tuple[float, ...]:
    """Return what the core goes on with, in its order."""
    counts = float(state.pause), float(state.quiet), float(state.n_iter)
    return state.momentum, state.cap, state.last, state.best, *counts


def _are_those_of(state: ExtrapolatedState, turns: Any) -> bool:
    """Whether arrays in the hands of the core have the roles that they have in the state."""
    (W, H), momentum = turns
    return (
        momentum.restarts is state.restarts
        and momentum.decreases is state.decreases
        and momentum.values is state.values
        and W.has(state.start_W, state.plain_W, state.W)
        and H.has(state.start_H, state.plain_H, state.Ht)
    )


def _is_possible(problem: Problem, state: ExtrapolatedState, least: float) -> bool:
    """Whether the core takes this X, and objectives are large enough to be compared there."""
    return (
        _is_plain(problem, state)
        and not (problem.X.by_columns and state.product is None)
        and state.gram_H is not None
        and least <= state.last < math.inf
    )


def _is_plain(problem: Problem, state: ExtrapolatedState) -> bool:
    """Whether the core takes this X and these factors, which have no penalties."""
    X = problem.X
    in_memory = stretches.is_in_memory(X, state.start_W, state.start_H)
    return in_memory and _is_free(problem)


def _is_free(problem: Problem) -> bool:
    """Whether no entry has a weight, and no factor a penalty."""
    return not problem.X.is_weighted and (
        problem.penalty_W.is_zero and problem.penalty_H.is_zero
    )


@lru_cache(maxsize=32)
def rule_of(dtype: np.dtype[Any], tol: float, reset: int = 0) -> Any:
    """Return how the momentum goes and when a fit has converged, as the core takes it."""
    return stretches.MomentumRule(
        growth=GROWTH,
        cap_growth=CAP_GROWTH,
        shrinkage=SHRINKAGE,
        tol=tol,
        nearly=NEARLY,
        least_decrease=LEAST_DECREASE[dtype],
        pause=PAUSE,
        reset=reset,
    )


def _pair(problem: Problem, done: Any, W: Any, H: Any, product: Array | None) -> Pair:
    """Return the pair that the core has left to be judged."""
    gram_W, gram_Hn, gram_Hx = done.grams
    rows_W, rows_H = solved_rows(W), solved_rows(H)
    square = float(np.sum(gram_W * gram_Hn))
    objective = problem.loss.from_products(problem.X, done.H.cross, square)
    return Pair(
        rows_W, rows_H, done.W, done.H, gram_W, gram_Hn, gram_Hx, product, objective
    )
