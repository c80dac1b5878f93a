"""Multiplicative updates of both factors, with which a solver of longer steps may begin."""

from __future__ import annotations

from ...base.arrays import Array
from ...base.interfaces import Problem
from .mu_steps import apply_sums, sums_for, update_rows
from .quadratic_iteration import factor_penalties


def update_both(problem: Problem, W: Array, Ht: Array) -> float:
    """Update W and then H in place; return the objective there.

    Where X is read by columns, W moves by sums over all of them, which costs half an update
    more than a solver that keeps these from the update before.
    """
    X, loss = problem.X, problem.loss
    penalty_W, penalty_H = problem.penalty_W, problem.penalty_H
    if X.by_columns:
        sums = sums_for(loss, X.T, Ht, W)
        W[...] = apply_sums(loss, X, W, sums, penalty_W)
        update_rows(loss, X.T, (Ht, Ht), W, penalty_H, accumulate=False)
    else:
        sums = update_rows(loss, X, (W, W), Ht, penalty_W)
        Ht[...] = apply_sums(loss, X, Ht, sums, penalty_H)
    return float(loss.value(X, W, Ht)) + factor_penalties(problem, W, Ht)
