"""Multiplicative updates for any loss that is a sum over entries, quadratic or not."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...base.interfaces import (
    Array,
    LossBase,
    Operand,
    Penalty,
    Problem,
    Sums,
)
from ...kernels import Multiplicative, gram, inner, multiplied
from ...kernels.beta_steps import TermsUpdate, beside
from ...kernels.quadratic_steps import RowSolve
from ...operands.base import matmul


class TermSums(NamedTuple):
    """Sums over X for the update of the factor with n rows, made beside the other one."""

    numerator: Array
    """Sums of the negative terms, (n, k)."""
    denominator: Array
    """Sums of the positive terms, (n, k) or, where all rows are alike, (k,)."""
    value: float | None = None
    """The loss at the factors that the sums were made from, if asked for."""


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
    start, solved = rows
    if by_products(loss, X):
        at = Ht if after is None else after
        sums = _by_products(X, rows, Ht, penalty, accumulate or value)
        if sums is None:
            return TermSums(solved[:0], solved[:0])
        return _products_at(loss, X, *sums, at, value)
    terms = loss.terms(X)
    step = TermsUpdate(terms, accumulate=accumulate, value=value, least=least)
    shared = beside(Ht, X.n_threads)
    shared |= {"l1": penalty.l1, "l2": penalty.Q.diagonal()}
    shared |= {} if after is None else {"after": after}
    found = X.run_pass(step, {"start": start, "solved": solved}, shared)
    return term_sums(found, solved)


def term_sums(found: Sums, A: Array) -> TermSums:
    """Return the sums of a pass over the rows A; empty where none were wanted."""
    parts = ("numerator", "denominator" if "denominator" in found else "column_sums")
    above, below = (found.get(name, A[:0]) for name in parts)
    return TermSums(above, below, found.get("value"))


def _by_products(
    X: Operand,
    rows: tuple[Array, Array],
    Ht: Array,
    penalty: Penalty,
    accumulate: bool,
) -> tuple[Array, Array] | None:
    """Update the rows beside Ht; return Xᵀ·A and AᵀA of the result, if wanted."""
    start, solved = rows
    step = RowSolve((Multiplicative(),), accumulate)
    gram_H = gram(Ht, X.n_threads) + penalty.Q
    shared = {"Ht/0": Ht, "gram/0": gram_H, "l1/0": penalty.l1}
    sums = X.run_pass(step, {"start/0": start, "solved/0": solved}, shared)
    return (sums["rhs/0"], sums["gram/0"]) if accumulate else None


def _products_at(
    loss: LossBase, X: Operand, rhs: Array, gram_A: Array, Ht: Array, value: bool
) -> TermSums:
    """Return the sums for Ht, from Xᵀ·A and AᵀA."""
    at = None
    if value:
        square = float(np.sum(gram_A * gram(Ht, X.n_threads)))
        at = loss.from_products(X, inner(rhs, Ht), square)
    return TermSums(rhs, Ht @ gram_A.astype(Ht.dtype), at)


def sums_for(
    loss: LossBase, X: Operand, A: Array, Ht: Array, value: bool = False
) -> TermSums:
    """Return the sums for Ht beside the rows A, which don't move; X is read by rows."""
    if by_products(loss, X):
        products = matmul(X.T, A), gram(A, X.n_threads)
        return _products_at(loss, X, *products, Ht, value)
    step = TermsUpdate(loss.terms(X), move=False, value=value)
    return term_sums(X.run_pass(step, {"start": A}, beside(Ht, X.n_threads)), A)


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
    l2 = penalty.Q.diagonal()
    moved: Array = multiplied(A, *sums[:2], penalty.l1, l2, terms, least, X.n_threads)
    return moved
