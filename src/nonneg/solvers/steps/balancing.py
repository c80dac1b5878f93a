"""Scales of a pair of factors: the best scale of W, and the balance between W and H."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...base.arrays import Array
from ...base.penalty import Penalty
from ...kernels import column_sums, gram, inner

Vector = NDArray[np.float64]

HALVINGS = 60
"""Bisection steps for the balance with penalties, down to the last bit of its logarithm."""


def shared_sums(
    penalty: Penalty, A: Array, gram_A: Array, n_threads: int = 1
) -> tuple[Array, Array]:
    """Return column sums and Gram matrix of A by the shares of a penalty on its rows."""
    if not penalty.l1.any():
        sums = np.zeros(A.shape[1])
    elif penalty.linear is None:
        sums = column_sums(A, n_threads)
    else:
        sums = column_sums(_by_shares(A, penalty.linear), n_threads)
    if penalty.quadratic is not None and penalty.Q.any():
        gram_A = gram(_by_shares(A, np.sqrt(penalty.quadratic)), n_threads)
    return sums, gram_A


def _by_shares(A: Array, shares: Array) -> Array:
    product: Array = A * shares[:, None].astype(A.dtype)
    return product


def best_scale(
    W: Array, product: Array, square: float, gram_W: Array, penalty: Penalty
) -> float:
    """Return the a ≥ 0 for which a·W, beside the fixed H, has the smallest objective.

    `product` is X·Ht, `square` ‖WH‖² over the observed entries.
    """
    linear = inner(product, W)
    if not penalty.is_zero:
        sums, bent = shared_sums(penalty, W, gram_W)
        square += float(np.sum(penalty.Q * bent))
        linear -= float(penalty.l1 @ sums)
    scale = max(0.0, linear) / square if square > 0 else 1.0
    # a zero scale, as a strong penalty may ask for, would leave no W to go on from
    return scale if scale > 0 and np.isfinite(scale) else 1.0


def balance(
    W: Array,
    Ht: Array,
    square_W: Vector,
    square_H: Vector,
    penalty_W: Penalty,
    penalty_H: Penalty,
    scale: float = 1.0,
) -> Vector:
    """Return the numbers d (k,) that columns of W are to be multiplied by, Ht's divided.

    Without penalties, columns of W and Ht then have equal norms. With penalties on both
    factors, d minimises the penalties. d is 1 where a column of W or Ht is zero, and for
    all components where one factor alone is penalised or a penalty ties components
    together.

    `square_W` and `square_H` (k,) are the squared norms of the columns of W and Ht. d is
    computed for scale·W in the place of W.
    """
    square_W = scale * scale * square_W
    ones = np.ones_like(square_W)
    if penalty_W.is_zero and penalty_H.is_zero:
        scalable = (square_W != 0) & (square_H != 0)
        # roots are the same everywhere, powers are not
        ratio = square_H[scalable] / square_W[scalable]
        ones[scalable] = np.sqrt(np.sqrt(ratio))
        return ones
    for penalty in (penalty_W, penalty_H):
        if np.any(np.diag(penalty.Q.diagonal()) != penalty.Q):
            return ones
    up, down = (
        _penalty_terms(penalty, A, square, unit)
        for penalty, A, square, unit in (
            (penalty_W, W, square_W, scale),
            (penalty_H, Ht, square_H, 1.0),
        )
    )
    scalable = up.any(axis=0) & down.any(axis=0)
    d = _minimiser(up[:, scalable], down[:, scalable])
    ones[scalable] = d
    return ones


def _penalty_terms(penalty: Penalty, A: Array, square: Vector, unit: float) -> Vector:
    """Return the l1 and the quadratic term of unit·A for each component, (2, k).

    `square` holds the squared norms of the columns of unit·A.
    """
    if penalty.linear is None and penalty.quadratic is None:
        sums = column_sums(A)
    else:
        sums, bent = shared_sums(penalty, A, np.diag(square / unit**2))
        square = unit**2 * bent.diagonal()
    return np.stack([unit * penalty.l1 * sums, penalty.Q.diagonal() * square])


def _minimiser(up: Vector, down: Vector) -> Vector:
    """Minimise up₀·d + ½·up₁·d² + down₀/d + ½·down₁/d² over d > 0, by component."""
    if not up[0].any() and not down[0].any():
        return np.asarray((down[1] / up[1]) ** 0.25)
    low, high = (np.full(up.shape[1], end) for end in (-200.0, 200.0))
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        d = np.exp(middle)
        slope = up[0] * d + up[1] * d * d - down[0] / d - down[1] / (d * d)
        high = np.where(slope > 0, middle, high)
        low = np.where(slope > 0, low, middle)
    return np.asarray(np.exp(0.5 * (low + high)))
