"""The weighted objective in NumPy, from its definition, and one matrix in all spellings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp

Array = Any


def terms(X: Array, Y: Array, beta: float) -> tuple[Array, Array]:
    """The β-divergence of each entry, and its derivative by Y."""
    if beta == 2:
        return 0.5 * (X - Y) ** 2, Y - X
    if beta == 1:
        log = np.log(np.where(X > 0, X, 1) / Y)
        return np.where(X > 0, X * log, 0) - X + Y, 1 - X / Y
    if beta == 0:
        ratio = np.where(X > 0, X, 1) / Y
        return np.where(X > 0, ratio - np.log(ratio) - 1, 0), 1 / Y - X / Y**2
    whole = X**beta + (beta - 1) * Y**beta - beta * X * Y ** (beta - 1)
    return whole / (beta * (beta - 1)), Y ** (beta - 1) - X * Y ** (beta - 2)


def objective(
    X: Array,
    V: Array,
    W: Array,
    H: Array,
    beta: float = 2,
    alpha_W: float = 0,
    alpha_H: float = 0,
    l1_ratio: float = 0,
    r: Array | None = None,
    c: Array | None = None,
) -> float:
    """Σ r c v d(x, wh) + Σ r α n pen(w) + Σ c α m pen(h), with n and m what is observed."""
    r, c = (
        np.ones(n) if w is None else w for w, n in zip((r, c), V.shape, strict=True)
    )
    X, W, H = (np.asarray(A, dtype=np.float64) for A in (np.where(V > 0, X, 0), W, H))

    def pen(A: Array) -> Array:
        return (l1_ratio * A + (1 - l1_ratio) / 2 * A**2).sum(axis=1)

    loss = r @ (V * terms(X, np.maximum(W @ H, 1e-300), beta)[0]) @ c
    rows, columns = r * (V @ c), c * (r @ V)
    return float(loss + alpha_W * rows @ pen(W) + alpha_H * columns @ pen(H.T))


def gradients(
    X: Array, V: Array, W: Array, H: Array, beta: float = 2
) -> tuple[Array, Array]:
    """Gradients of the weighted loss by W and by H."""
    X, W, H = (np.asarray(A, dtype=np.float64) for A in (np.where(V > 0, X, 0), W, H))
    G = V * terms(X, np.maximum(W @ H, 1e-300), beta)[1]
    return G @ H.T, W.T @ G


def incomplete(
    shape: tuple[int, int] = (34, 23),
    share: float = 0.25,
    seed: int = 0,
    dtype: Any = np.float64,
    zeros: float = 0.5,
) -> tuple[Array, Array]:
    """A product of rank 3 with 5 % noise, its zeros from zeros of the factors, and V."""
    rng = np.random.default_rng(seed)
    factors = []
    for n in shape:
        A = rng.uniform(0.2, 1.0, (n, 3)) * (rng.random((n, 3)) >= zeros)
        A[:3] = np.eye(3) if zeros else A[:3]  # so that the factors are unique
        factors.append(A)
    X = factors[0] @ factors[1].T * rng.uniform(0.95, 1.05, shape)
    observed = rng.random(shape) > share
    return X.astype(dtype), observed


def stored(X: Array, V: Array) -> Any:
    """A CSR that stores the observed entries alone, zeros among them."""
    rows, columns = np.nonzero(V)
    return sp.csr_array(
        sp.coo_array((X[V], (rows, columns)), shape=X.shape), dtype=X.dtype
    )


def _with_nan(X: Array, V: Array) -> Array:
    return np.where(V, X, np.nan).astype(X.dtype, order="C")


def _sparse_with_nan(X: Array, V: Array) -> Any:
    """A CSR whose unstored zeros are observed, and whose missing entries are NaN."""
    return sp.csr_array(_with_nan(X, V))


SPELLINGS: dict[str, Callable[[Array, Array], tuple[Any, Any, dict[str, Any]]]] = {
    "nan": lambda X, V: (_with_nan(X, V), np.nan, {}),
    "nan-fortran": lambda X, V: (np.asfortranarray(_with_nan(X, V)), np.nan, {}),
    "masked": lambda X, V: (np.ma.array(X, mask=~V), None, {}),
    "weights": lambda X, V: (X, None, {"weights": V.astype(X.dtype)}),
    "weights-bool": lambda X, V: (_with_nan(X, V), None, {"weights": V}),
    "weights-sparse": lambda X, V: (X, None, {"weights": sp.csc_array(V * 1.0)}),
    "unstored-csr": lambda X, V: (stored(X, V), "unstored", {}),
    "unstored-csc": lambda X, V: (stored(X, V).tocsc(), "unstored", {}),
    "unstored-coo": lambda X, V: (stored(X, V).tocoo(), "unstored", {}),
    "nan-csr": lambda X, V: (_sparse_with_nan(X, V), np.nan, {}),
    "nan-csc": lambda X, V: (_sparse_with_nan(X, V).tocsc(), np.nan, {}),
    "weights-of-csr": lambda X, V: (sp.csr_array(X), None, {"weights": V}),
}
"""Ways to say the same: X, `missing_values` and further arguments of `fit`, by (X, V)."""
