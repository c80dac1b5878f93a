"""Dense float64 NumPy versions of objectives, gradients and updates; never optimised.

Each is written from its formula, entry by entry where that is short enough, and
shares no code with the package.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from nonneg.base.interfaces import Penalty

Array = NDArray[Any]


def to_float64(X: Any) -> Array:
    """X as a dense float64 array, whatever its storage."""
    dense = X.toarray() if hasattr(X, "toarray") else X
    return np.asarray(dense, dtype=np.float64)


def frobenius(X: Array, W: Array, Ht: Array, mask: Array | None = None) -> float:
    """½ Σ mᵢⱼ (xᵢⱼ − Σₜ wᵢₜ hⱼₜ)²."""
    W, Ht = to_float64(W), to_float64(Ht)
    M = np.ones(X.shape) if mask is None else mask
    return 0.5 * float(np.sum(M * (np.asarray(X, dtype=np.float64) - W @ Ht.T) ** 2))


def divergence(
    X: Array, W: Array, Ht: Array, beta: float, mask: Array | None = None
) -> float:
    """Σ mᵢⱼ d(xᵢⱼ, Σₜ wᵢₜ hⱼₜ) for the β-divergence d, with 0·log 0 = 0.

    At β = 1 the y in the logarithm has the floor that is documented.
    """
    x, y = to_float64(X), to_float64(W) @ to_float64(Ht).T
    if beta == 1:
        if x.any():
            share = min(1.0, 1e6 / (np.sum(x**2) / np.sum(x)))
            least = np.finfo(np.float32).eps * min(1.0, 1e3 * x.mean(), share**2)
            d = special.xlogy(x, x) - special.xlogy(x, np.maximum(y, least)) - x + y
            return float(np.sum(d if mask is None else np.where(mask, d, 0)))
        d = special.xlogy(x, x) - special.xlogy(x, y) - x + y
    elif beta == 0:
        d = x / y - np.log(x / y) - 1
    else:
        d = x**beta + (beta - 1) * y**beta - beta * x * y ** (beta - 1)
        d /= beta * (beta - 1)
    # what is hidden may be infinite
    return float(np.sum(d if mask is None else np.where(mask, d, 0)))


LOSSES = {
    "frobenius": frobenius,
    "kullback-leibler": lambda X, W, Ht, mask=None: divergence(X, W, Ht, 1, mask),
    "itakura-saito": lambda X, W, Ht, mask=None: divergence(X, W, Ht, 0, mask),
}
"""By the names of the registry."""


def penalty(A: Array, term: Penalty) -> float:
    """Σᵢ l1·aᵢ + ½ aᵢ Q aᵢᵀ, row by row."""
    return sum(float(term.l1 @ a + 0.5 * a @ term.Q @ a) for a in to_float64(A))


def objective(
    X: Array,
    W: Array,
    Ht: Array,
    penalty_W: Penalty,
    penalty_H: Penalty,
    mask: Array | None = None,
    loss: str = "frobenius",
) -> float:
    """Penalised objective."""
    value = LOSSES[loss](X, W, Ht, mask)
    return value + penalty(W, penalty_W) + penalty(Ht, penalty_H)


def gradient_W(
    X: Array, W: Array, Ht: Array, term: Penalty, mask: Array | None = None
) -> Array:
    """Gradient of `objective` with respect to W."""
    W, Ht = to_float64(W), to_float64(Ht)
    M = np.ones(X.shape) if mask is None else mask
    return (M * (W @ Ht.T - X)) @ Ht + term.l1 + W @ term.Q


def coordinate_sweep_W(
    X: Array,
    W: Array,
    Ht: Array,
    term: Penalty,
    order: Any = None,
    mask: Array | None = None,
) -> tuple[Array, float]:
    """One cyclic pass of exact minimisation over the entries of W: (new W, violation).

    The gradient is computed anew from its definition before every single step.
    """
    X, W, Ht = to_float64(X), to_float64(W).copy(), to_float64(Ht)
    M = np.ones(X.shape) if mask is None else mask
    violation = 0.0
    for t in range(W.shape[1]) if order is None else order:
        gradient = gradient_W(X, W, Ht, term, M)[:, t]
        curvature = M @ Ht[:, t] ** 2 + term.Q[t, t]
        for i in range(W.shape[0]):
            g = gradient[i]
            violation += abs(g if W[i, t] > 0 else min(g, 0.0))
            if curvature[i] > 0:
                W[i, t] = max(W[i, t] - g / curvature[i], 0.0)
    return W, violation


def nnls(A: Any, b: Any) -> tuple[Any, float]:
    """Non-negative least squares and its residual norm, by SciPy.

    Where SciPy's `nnls` gives up, as some versions do on rank-deficient A, by its
    least squares with bounds.
    """
    try:
        x, norm = optimize.nnls(A, b)
    except (RuntimeError, np.linalg.LinAlgError):
        x = optimize.lsq_linear(A, b, (0, np.inf), method="bvls", tol=1e-15).x
        norm = np.linalg.norm(A @ x - b)
    return x, float(norm)
