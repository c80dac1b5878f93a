"""Multiplicative updates for any loss that is a sum over entries, quadratic or not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...base.arrays import Array
from ...base.interfaces import LossBase, Operand, Problem
from ...base.penalty import Penalty
from ...kernels import (
    Multiplicative,
    RowArrays,
    gram,
    inner,
    multiplied,
    stretches,
    times,
)
from ...kernels.beta_steps import TermsUpdate, beside
from ...kernels.beta_terms import EPSILON, BetaTerms
from ...kernels.quadratic_steps import (
    ModelInputs,
    RowSolve,
    RowSolveInputs,
    RowSolveRows,
)
from ...kernels.term_records import TermRows, TermSums, by_shares
from ...operands.base import matmul

EPS = float(np.finfo(np.float64).eps)


def terms_of(problem: Problem) -> Any:
    """Return the loss's terms at the scale of X."""
    return problem.loss.terms(problem.X)


def by_products(loss: LossBase, X: Operand) -> bool:
    """Whether products with X and Gram matrices give the terms."""
    return "quadratic" in loss.provides and X.shared_gram


def update_rows(
    loss: LossBase,
    X: Operand,
    rows: tuple[Array, Array],
    Ht: Array,
    penalty: Penalty,
    *,
    accumulate: bool = True,
    value: bool = False,
    least: float = 0.0,
    after: Array | None = None,
) -> TermSums:
    """Update the rows of a factor once, reading X once; return the sums for the other.

    Parameters
    ----------
    loss : LossBase
    X : Operand of shape (n_rows, n_features)
        Read by rows; its rows may be a block of those of a larger X.
    rows : tuple of ndarray (n_rows, k)
        The factor before the update, and the array that the result is written to; they
        may be one array.
    Ht : ndarray of shape (n_features, k)
        The other factor.
    penalty : Penalty
        The penalty on the factor that is updated.
    accumulate, value : bool
        Whether the sums for the other factor and the loss after the update are wanted.
    least : float
        Entries that end below `least` become 0.
    after : ndarray of shape (n_features, k), optional
        The sums and the loss are computed beside this array in the place of Ht.

    Returns
    -------
    sums : TermSums
        Sums for the update of the other factor; empty where they are not wanted.
    """
    if by_products(loss, X):
        Ht_after = Ht if after is None else after
        sums = _by_products(X, rows, Ht, penalty, accumulate or value)
        if sums is None:
            return TermSums()
        return _products_at(loss, X, *sums, Ht_after, value)
    start, solved = rows
    terms = loss.terms(X)
    step = TermsUpdate(terms, accumulate=accumulate, value=value, least=least)
    shared = beside(Ht, X.n_threads, penalty, after)
    rows_of_X = TermRows(
        start, solved, linear=penalty.linear, quadratic=penalty.quadratic
    )
    return X.run_pass(step, rows_of_X, shared)


def _by_products(
    X: Operand,
    rows: tuple[Array, Array],
    Ht: Array,
    penalty: Penalty,
    accumulate: bool,
) -> tuple[Array, Array] | None:
    """Update the rows beside Ht; return Xᵀ·A and AᵀA of the result, if wanted."""
    step = RowSolve((Multiplicative(),), accumulate)
    inputs = ModelInputs(Ht, gram(Ht, X.n_threads) + penalty.Q, penalty.l1)
    models = RowSolveRows((RowArrays(*rows),))
    sums = X.run_pass(step, models, RowSolveInputs((inputs,))).models[0]
    return (sums.rhs, sums.gram) if accumulate else None


def _products_at(
    loss: LossBase, X: Operand, rhs: Array, gram_A: Array, Ht: Array, value: bool
) -> TermSums:
    """Return the sums for Ht, from Xᵀ·A and AᵀA."""
    loss_value = None
    if value:
        square = float(np.sum(gram_A * gram(Ht, X.n_threads)))
        loss_value = loss.from_products(X, inner(rhs, Ht), square)
    gram_narrow = gram_A.astype(Ht.dtype, copy=False)
    return TermSums(rhs, times(Ht, gram_narrow, X.n_threads), loss_value)


def sums_for(
    loss: LossBase, X: Operand, A: Array, Ht: Array, value: bool = False
) -> TermSums:
    """Return the sums for Ht beside the rows A, which don't move; X is read by rows."""
    if by_products(loss, X):
        products = matmul(X.T, A), gram(A, X.n_threads)
        return _products_at(loss, X, *products, Ht, value)
    step = TermsUpdate(loss.terms(X), move=False, value=value)
    return X.run_pass(step, TermRows(A), beside(Ht, X.n_threads))


def apply_sums(
    loss: LossBase,
    X: Operand,
    A: Array,
    sums: TermSums,
    penalty: Penalty,
    least: float = 0.0,
) -> Array:
    """Return the factor A after an update by sums that are known already."""
    terms = loss.terms(X)
    l1 = by_shares(penalty.l1, penalty.linear)
    l2 = by_shares(penalty.Q.diagonal(), penalty.quadratic)
    moved: Array = multiplied(
        A, sums.numerator, sums.denominator, l1, l2, terms, least, X.n_threads
    )
    return moved


def updates_of(
    problem: Problem, W: Array, Ht: Array, least: tuple[float, float]
) -> Any:
    """Return the updates of both factors with their arguments made once, or None.

    They exist for β-divergences of an X in memory. `least` are the bounds below which entries
    of W and of H become 0.
    """
    X, terms = problem.X, terms_of(problem)
    if stretches is None or not isinstance(terms, BetaTerms):
        return None
    if not stretches.is_in_memory(X, W, Ht):
        return None
    inner = stretches.Moving(W, problem.penalty_W, least[0])
    outer = stretches.Moving(Ht, problem.penalty_H, least[1])
    by_columns = X.by_columns
    if by_columns:
        X, inner, outer = X.T, outer, inner
    products = by_products(problem.loss, X)
    kind = stretches.ProductUpdates if products else stretches.TermUpdates
    return kind(X, inner, outer, terms, by_columns)


def row_updates(
    problem: Problem, W: Array, product: Array | None, gram_H: Array | None
) -> Any:
    """Return the updates of W beside a fixed H with their arguments made once, or None.

    They exist where X·Ht and HHᵀ are known and give the terms.
    """
    if stretches is None or product is None or gram_H is None or gram_H.ndim == 3:
        return None
    if type(product) is not np.ndarray or not stretches.is_in_memory(problem.X, W):
        return None
    return stretches.RowUpdates(
        W, product, gram_H, problem.penalty_W, problem.X.n_threads
    )


def least_entries(problem: Problem) -> tuple[float, float]:
    """Bounds below which entries of W and of H become 0.

    They are scikit-learn's, 2.2e-16 or none, and smaller where X is tiny or huge. The floor
    that they go by grows with X; they must stay tiny beside factors, which grow as √X.
    """
    terms = terms_of(problem)
    tiny = EPS * terms.floor / EPSILON
    tiny = min(tiny, 1e-12 * math.sqrt(problem.X.stats().mean))
    return (
        tiny if terms.rise == 0 and terms.fall > 1 else 0.0,
        tiny if terms.rise == 0 else 0.0,
    )
