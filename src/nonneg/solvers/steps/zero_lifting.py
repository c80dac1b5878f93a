"""Lifting of zeros that multiplicative updates can't leave though they are not optimal."""

from __future__ import annotations

import numpy as np

from ...base.arrays import Array
from ...base.interfaces import Operand, Problem, State
from ...base.penalty import Penalty
from ...kernels import gram
from ...kernels.beta_steps import TermsUpdate, beside
from ...kernels.factor_rows import (
    column_counts,
    column_totals,
    copy_rows,
    empty_like,
    has_nonzero,
    map_rows,
    times,
)
from ...kernels.term_records import TermRows, TermSums, by_shares
from ...operands.base import matmul
from .mu_steps import by_products, sums_for, terms_of
from .quadratic_iteration import factor_penalties

CLEARLY = 1e-3
"""A zero is lifted where the negative terms exceed the positive ones by this share."""
HEIGHTS = 10.0 ** -np.arange(2, 10)
"""Lifted zeros are tried at these shares of their component's mean entry, in this order."""


def unstick(problem: Problem, state: State, objective: float) -> bool:
    """Lift zeros that are not optimal, in place, if that lowers the objective.

    Returns whether any zeros were lifted. Costs two passes over X, and one for each height
    that is tried.
    """
    W, Ht = state.W, state.Ht
    if not (_may_have_zeros(W) or (problem.update_H and _may_have_zeros(Ht))):
        return False
    sums_W, sums_H = _sums_for_both(problem, W, Ht)
    stuck_W = _stuck(W, sums_W, problem.penalty_W)
    stuck_H = _stuck(Ht, sums_H, problem.penalty_H) & problem.update_H
    if not (has_nonzero(stuck_W) or has_nonzero(stuck_H)):
        return False
    for height in HEIGHTS:
        tried = [
            map_rows(_lifted, A, stuck, height * _level(A))
            for A, stuck in ((W, stuck_W), (Ht, stuck_H))
        ]
        value = problem.loss.value(problem.X, *tried)
        value += factor_penalties(problem, *tried)
        if value < objective:
            copy_rows(W, tried[0])
            if problem.update_H:
                copy_rows(Ht, tried[1])
            return True
    return False


def _may_have_zeros(A: Array) -> bool:
    """Whether a factor has zeros, for one that is an array in memory."""
    return type(A) is not np.ndarray or not A.all()


def _sums_for_both(problem: Problem, W: Array, Ht: Array) -> tuple[TermSums, TermSums]:
    """Return the terms of the gradients with respect to W and to Hᵀ."""
    X, loss = problem.X, problem.loss
    if by_products(loss, X):
        n = X.n_threads
        return (
            TermSums(matmul(X, Ht), times(W, gram(Ht, n).astype(W.dtype))),
            sums_for(loss, X, W, Ht),
        )
    if X.by_columns:
        rows_H, rows_W = _both_by_rows(problem, X.T, Ht, W)
        return rows_W, rows_H
    return _both_by_rows(problem, X, W, Ht)


def _both_by_rows(
    problem: Problem, X: Operand, A: Array, Bt: Array
) -> tuple[TermSums, TermSums]:
    terms = terms_of(problem)
    rows = TermRows(A, empty_like(A), empty_like(A))
    step = TermsUpdate(terms, move=False)
    sums = X.run_pass(step, rows, beside(Bt, X.n_threads))
    return TermSums(rows.solved, rows.below), sums


def _stuck(A: Array, sums: TermSums, penalty: Penalty) -> Array:
    l1 = by_shares(penalty.l1, penalty.linear)
    stuck: Array = map_rows(_is_stuck, A, sums.numerator, sums.denominator, l1)
    return stuck


def _is_stuck(A: Array, numerator: Array, denominator: Array, l1: Array) -> Array:
    below = (denominator + l1) * (1 + CLEARLY)
    stuck: Array = (A == 0) & (numerator > below)
    return stuck


def _lifted(A: Array, stuck: Array, height: Array) -> Array:
    return np.where(stuck, height, A).astype(A.dtype)


def _level(A: Array) -> Array:
    """Return the mean of each component's entries that are not 0, (k,).

    A component of zeros alone gets the mean over all components.
    """
    total, count = column_totals(A), column_counts(A)
    overall = total.sum() / max(1, count.sum())
    level: Array = np.where(count > 0, total / np.maximum(count, 1), overall)
    return level if overall > 0 else np.ones_like(level)
