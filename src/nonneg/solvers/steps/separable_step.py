"""Steps of the rows of a factor that minimise a separable majoriser within constraints."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...base.arrays import Array
from ...base.interfaces import LossBase, Operand
from ...base.penalty import Penalty
from ...kernels import gram, multiplied
from ...kernels.beta_steps import TermsUpdate, beside
from ...kernels.boxes import projected_gradient
from ...kernels.factor_rows import empty_like
from ...kernels.term_records import TermRows, TermSums, by_shares
from ...operands.base import matmul
from .factor_constraints import FactorConstraints
from .mu_steps import by_products, sums_for
from .separable_rows import Separable, minimise_within


def sums_of_rows(loss: LossBase, X: Operand, A: Array, Bt: Array) -> TermSums:
    """Return the sums for the rows A of X beside the other factor."""
    if by_products(loss, X):
        product = gram(Bt, X.n_threads).astype(A.dtype)
        return TermSums(matmul(X, Bt), A @ product)
    if X.by_columns:
        return sums_for(loss, X.T, Bt, A)
    rows = TermRows(A, empty_like(A), empty_like(A))
    step = TermsUpdate(loss.terms(X), move=False, accumulate=False)
    X.run_pass(step, rows, beside(Bt, X.n_threads))
    return TermSums(rows.solved, rows.below)


def moved_within(
    terms: Any,
    side: FactorConstraints,
    rows: Array,
    sums: TermSums,
    penalty: Penalty,
    own_gram: Array | None = None,
) -> Array:
    """Return the rows that minimise the majoriser at `rows`, by their sums.

    `own_gram` is AᵀA of all rows of the factor, where these are some of them.
    """
    l1 = by_shares(penalty.l1, penalty.linear)
    l2 = by_shares(penalty.Q.diagonal(), penalty.quadratic)
    if not is_plain_ratio(terms):
        moved = multiplied(rows, sums.numerator, sums.denominator, l1, l2, terms)
        return np.asarray(np.clip(moved, side.box.lower, side.box.upper))
    a = rows.astype(np.float64)
    above = np.broadcast_to(np.asarray(sums.denominator, np.float64), a.shape)
    below = np.asarray(sums.numerator, dtype=np.float64)
    more_bend, more_linear = penalty_gradient(side, rows, own_gram)
    linear, bend = (
        first + second + np.zeros_like(a)
        for first, second in ((l1, more_linear), (l2, more_bend))
    )
    majoriser = separable(terms, a, above, below, linear, bend)
    return minimise_within(majoriser, side.box, rows.dtype)


def violation_of(
    side: FactorConstraints,
    rows: Array,
    sums: TermSums,
    penalty: Penalty,
    own_gram: Array | None = None,
) -> float:
    """Return Σ |projected gradient|·entry, by the sums of the rows."""
    a = rows.astype(np.float64)
    more_bend, more_linear = penalty_gradient(side, rows, own_gram)
    gradient = sums.denominator - np.asarray(sums.numerator, dtype=np.float64)
    gradient = gradient + by_shares(penalty.l1, penalty.linear) + more_linear
    bend = by_shares(penalty.Q.diagonal(), penalty.quadratic) + more_bend
    left = projected_gradient(rows, gradient + bend * a, side.box)
    return float(np.sum(np.abs(left) * np.abs(a)))


def is_plain_ratio(terms: Any) -> bool:
    """Whether the update is that of the flat or of the quadratic loss."""
    in_order = bool(terms.rise in (0, 1) and terms.fall in (0, 1))
    return in_order and terms.rise + terms.fall == 1


def separable(
    terms: Any, a: Array, above: Array, below: Array, linear: Array, bend: Array
) -> Separable:
    """Return the majoriser at `a` by its positive and negative sums, with penalties."""
    if terms.fall == 1:
        return Separable(linear + above, bend, below * a)
    # the quadratic loss: above·a/a₀ − below
    safe = np.where(a > 0, a, 1.0)
    return Separable(
        np.where(a > 0, linear - below, np.maximum(linear - below, 0)),
        bend + np.where(a > 0, above / safe, 1.0), np.zeros_like(a),
    )  # fmt: skip


def penalty_gradient(
    side: FactorConstraints, rows: Array, own_gram: Array | None = None
) -> tuple[Any, Any]:
    """Return the bend and the linear term of penalties, entry by entry."""
    if not side.has_penalty:
        return 0.0, 0.0
    above = side.majoriser(rows, gram(rows) if own_gram is None else own_gram)
    rhs = 0.0 if above.rhs is None else np.asarray(above.rhs, dtype=np.float64)
    if above.Q is None:
        return 0.0, -rhs
    Q = np.asarray(above.Q, dtype=np.float64)
    if not np.any(Q - np.diag(Q.diagonal())):
        return Q.diagonal(), -rhs
    # the largest eigenvalue bounds the form around these rows
    most = max(0.0, float(np.linalg.eigvalsh(Q)[-1]))
    a = rows.astype(np.float64)
    return most, a @ Q - most * a - rhs
