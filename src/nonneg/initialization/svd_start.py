"""Starting factors by a truncated SVD: NNDSVD and its variants, NNSVD-LRC, SPA; the names."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from sklearn.utils import check_random_state

from ..base.arrays import Array
from ..base.interfaces import Operand
from ..kernels import Cyclic, RowArrays, gram, solve_rows
from ..kernels.factor_rows import (
    change_rows,
    column_squares,
    cross,
    fill_zeros,
    map_rows,
    replace_below,
    replace_zeros,
    scale_columns,
    times,
)
from ..kernels.orthogonal import lower_factor, orthonormal, sign_of_largest
from ..operands.base import matmul, rmatmul
from ..operands.units import in_unit, times_power, unit_of
from .random_start import half_normal
from .successive_projection import separable_factors

INITS = ("random", "nndsvd", "nndsvda", "nndsvdar", "nnsvd-lrc", "spa")
"""Names that `initial_factors` takes, beside None."""

OVERSAMPLES = 10
"""Columns of the random test matrix beyond the rank, as many as in scikit-learn."""

LRC_POWER_ITERATIONS = 2
"""Power iterations of the SVD for nnsvd-lrc; the correction makes up for fewer of them."""

LRC_DECREASE = 0.05
"""The low-rank correction ends when an iteration brings at most this share of the total
decrease."""

EPS = 1e-6
"""Entries of ordinary columns that are smaller become zero, as in scikit-learn."""
ORDINARY_MEANS = 1e-6, 1e3
"""Means of X that zeros of a start are filled with as they are."""
LRC_MAX_ITER = 50
"""Most iterations of the low-rank correction."""
LRC_SWEEPS = 2
"""Sweeps in each of its half-steps: a sweep costs about as much as its product."""


def resolve_init(
    init: str | None, n_components: int, shape: tuple[int, int], positive: bool = False
) -> str:
    """Return the name of the start that None stands for, or the given name.

    Raises
    ------
    ValueError
        If X has too few rows or columns for the singular vectors of the start.
    """
    n_samples, n_features = shape
    k = n_components
    if init is None:
        if positive:
            # the rule of scikit-learn 1.x, as multiplicative updates can't move zeros
            return "nndsvda" if k <= min(shape) else "random"
        return "random" if k >= n_features or k > n_samples else "nndsvd"
    if init != "random" and _svd_rank(init, k) > min(shape):
        most = 2 * min(shape) - 1 if init == "nnsvd-lrc" else min(shape)
        msg = (
            f"init = '{init}' can only be used when n_components <= min(n_samples, "
            f"n_features); got n_components={k} for X of shape {shape}. Pass "
            f"init='random', or at most {most} components."
        )
        raise ValueError(msg)
    return init


def _svd_rank(init: str, k: int) -> int:
    """Return the number of singular vectors that a start of k components is made from."""
    return k // 2 + 1 if init == "nnsvd-lrc" else k


def count_products(init: str, k: int, shape: tuple[int, int]) -> int:
    """Return how often a start multiplies X by a matrix, its statistics not counted."""
    if init not in INITS or init == "random":
        return 0
    rank = _svd_rank(init, k)
    n_iter = (
        LRC_POWER_ITERATIONS if init == "nnsvd-lrc" else power_iterations(rank, shape)
    )
    # "spa" takes the rows by a product more, and W by another
    return 2 * n_iter + (4 if init == "spa" else 2)


def power_iterations(rank: int, shape: tuple[int, int]) -> int:
    """Return the power iterations of an SVD for which none are given."""
    return 7 if rank < 0.1 * min(shape) else 4


def initial_factors(
    X: Operand,
    n_components: int,
    init: str | None,
    eps: float | None,
    random_state: Any,
    positive: bool = False,
) -> tuple[Array, Array]:
    """Compute starting factors (W, Ht), both C-contiguous and of X's dtype.

    See `initialize` for the names, and for `eps`; None takes EPS, less for components in small
    units. `positive` is for solvers that could never leave zeros of a start; it changes what
    None stands for, and fills the zeros of nnsvd-lrc and spa.

    Raises
    ------
    ValueError
        If X has too few rows or columns for the singular vectors of the start.
    """
    name = resolve_init(init, n_components, X.shape, positive)
    if name == "random":
        return half_normal(X, n_components, random_state)
    X.stats()  # before passes: no entry of an X in parts may have been looked at
    exponent = unit_of(X) if X.native() is not None else 0
    if not exponent:
        return _svd_factors(X, n_components, name, eps, random_state, positive)
    half = exponent // 2
    if eps is not None:
        eps = float(times_power(np.float64(eps), -half))
    scaled = in_unit(X, exponent)
    W, Ht = _svd_factors(scaled, n_components, name, eps, random_state, positive)
    return times_power(W, half), times_power(Ht, half)


def _svd_factors(
    X: Operand,
    n_components: int,
    name: str,
    eps: float | None,
    random_state: Any,
    positive: bool,
) -> tuple[Array, Array]:
    """Return the start of this name for an X of ordinary size."""
    rank = _svd_rank(name, n_components)
    if name == "spa":
        svd = truncated_svd(X, rank, random_state)
        W, Ht = separable_factors(X, svd, n_components, random_state)
        if positive:
            _fill_zeros(W, Ht, 1e-6 * X.stats().level(n_components))
        return W, Ht
    if name == "nnsvd-lrc":
        svd = truncated_svd(X, rank, random_state, LRC_POWER_ITERATIONS)
        W, Ht = _nnsvd_lrc(svd, n_components, X.n_threads)
    else:
        W, Ht = _nndsvd(truncated_svd(X, rank, random_state))
    for factor in (W, Ht):
        replace_below(factor, _least_entries(factor) if eps is None else eps)
    level = _fill_level(X.stats().size)
    if name == "nndsvda":
        _fill_zeros(W, Ht, level)
    elif name == "nndsvdar":
        _fill_zeros_randomly(W, Ht, level, random_state)
    elif name == "nnsvd-lrc" and positive:
        _fill_zeros(W, Ht, 1e-6 * level)
    return W, Ht


# Starts from singular vectors

Svd = tuple[Array, Array, Array]
"""(U, s, V) with the singular vectors in columns."""


def truncated_svd(
    X: Operand, rank: int, random_state: Any, n_iter: int | None = None
) -> Svd:
    """Compute leading singular triplets by a randomized SVD with LU-normalised powers [1]_.

    Up to rounding these are the numbers of scikit-learn's `randomized_svd` with the same
    random stream. scikit-learn's function holds four arrays of n_samples·(rank + 10)
    numbers and needs X as an array; this one holds two, and reads X by passes alone.

    Parameters
    ----------
    X : Operand
    rank : int
    random_state : int, RandomState instance or None
    n_iter : int or None
        Power iterations; None takes 7 where the rank is below a tenth of the smaller
        side of X, else 4.

    Returns
    -------
    U : ndarray of shape (n_samples, rank)
        The largest entry of each column is positive.
    s : ndarray of shape (rank,)
    V : ndarray of shape (n_features, rank)

    References
    ----------
    .. [1] Halko, Martinsson & Tropp, "Finding structure with randomness", SIAM Review
       53 (2011) 217-288, https://doi.org/10.1137/090771806
    """
    if n_iter is None:
        n_iter = power_iterations(rank, X.shape)
    wide = X.shape[0] < X.shape[1]
    A = X.T if wide else X
    rng = check_random_state(random_state)
    Q = rng.normal(size=(A.shape[1], rank + OVERSAMPLES)).astype(X.dtype, copy=False)
    Q = A.T.to_rows_of_X(Q)
    for _ in range(n_iter):
        Q = lower_factor(matmul(A, Q))
        Q = lower_factor(rmatmul(A, Q))
    Q, _ = orthonormal(matmul(A, Q))
    # QᵀA = (P·R)ᵀ, so that the small SVD is one of R
    P, R = orthonormal(rmatmul(A, Q))
    small_V, s, small_U = linalg.svd(R, full_matrices=False)
    U = times(Q, np.ascontiguousarray(small_U[:rank].T))
    V = times(P, np.ascontiguousarray(small_V[:, :rank]))
    del P, Q
    left, right = (V, U) if wide else (U, V)
    sign = sign_of_largest(left)
    scale_columns(left, sign)
    scale_columns(right, sign)
    return left, s[:rank], right


def _nndsvd(svd: Svd) -> tuple[Array, Array]:
    """Make factors of singular vectors, in place.

    Each component is the signed part, of its pair of vectors, with the larger norm.
    """
    U, s, V = svd
    norms = {sign: (_norms(U, sign), _norms(V, sign)) for sign in (1, -1)}
    positive, negative = (norms[sign][0] * norms[sign][1] for sign in (1, -1))
    # a tie goes to the negative parts
    sign = np.where(positive > negative, 1, -1)
    weight = np.sqrt(s * np.maximum(positive, negative))
    for side, A in enumerate((U, V)):
        norm = np.where(sign > 0, norms[1][side], norms[-1][side])
        scale = np.divide(sign * weight, norm, out=np.zeros(s.size), where=norm > 0)
        change_rows(A, _signed_parts, scale.astype(A.dtype), np.sqrt(s[0]))
    return U, V


def _signed_parts(A: Array, scale: Array, leading: Any) -> Array:
    """Scale the columns and keep their positive parts, but all of the first one."""
    parts = A * scale
    np.maximum(parts, 0, out=parts)
    # the leading vectors of a non-negative matrix have one sign each
    parts[:, :1] = leading * np.abs(A[:, :1])
    return parts


def _least_entries(A: Array) -> Array:
    """Return the bound for each column below which its entries become zero.

    It is EPS, or in a column of small numbers EPS times their root mean square, so that a
    component in small units keeps its entries.
    """
    size = np.sqrt(column_squares(A) / max(1, A.shape[0]))
    least: Array = (EPS * np.minimum(1.0, size)).astype(A.dtype)
    return least


def _norms(A: Array, sign: int) -> NDArray[np.float64]:
    """Return the Euclidean norms of the columns' positive (1) or negative (-1) parts."""
    part = map_rows(_positive_part if sign > 0 else _negative_part, A)
    norms: NDArray[np.float64] = np.sqrt(column_squares(part))
    return norms


def _positive_part(A: Array) -> Array:
    return np.maximum(A, 0)


def _negative_part(A: Array) -> Array:
    return np.minimum(A, 0)


def _fill_level(mean: float) -> float:
    """Return the number in the place of zeros: the mean of X, as in scikit-learn.

    Factors grow with the square root of X. The mean of an X in units far from 1 would
    outweigh them, or be nothing beside them: outside ORDINARY_MEANS the number grows as
    the factors do.
    """
    low, high = ORDINARY_MEANS
    if mean < low:
        return math.sqrt(low * mean)
    return mean if mean <= high else math.sqrt(mean)


def _fill_zeros(W: Array, Ht: Array, value: float) -> None:
    for A in (W, Ht):
        replace_zeros(A, value)


def _fill_zeros_randomly(W: Array, Ht: Array, mean: float, random_state: Any) -> None:
    """Put |mean·N(0, 1)|/100 into zeros, W first, H in the order of its rows.

    With an int seed the stream is a new one, with an instance it goes on.
    """
    rng = check_random_state(random_state)
    for A in (W, Ht.T):

        def draw(count: int, dtype: Any = A.dtype) -> Array:
            values: Array = np.abs(mean * rng.standard_normal(count) / 100)
            return values.astype(dtype, copy=False)

        fill_zeros(A, draw)


def _nnsvd_lrc(svd: Svd, k: int, n_threads: int) -> tuple[Array, Array]:
    """Make factors of both signed parts of singular vectors, and correct them."""
    U, s, V = svd
    Y, Z = U, V
    for A in (Y, Z):
        scale_columns(A, np.sqrt(s))
    component = np.arange(k)
    pair = (component + 1) // 2
    sign = np.where(component % 2, 1, -1).astype(Y.dtype)
    W, Ht = (map_rows(_pairs_of_parts, A, pair, sign) for A in (Y, Z))
    _correct_towards(Y, Z, W, Ht, n_threads)
    return W, Ht


def _pairs_of_parts(A: Array, pair: Array, sign: Array) -> Array:
    """Positive parts of these columns with these signs, but all of the first one."""
    parts: Array = np.maximum(np.take(A, pair, axis=1) * sign, 0)
    parts[:, :1] = np.abs(A[:, :1])
    return parts


def _correct_towards(Y: Array, Z: Array, W: Array, Ht: Array, n_threads: int) -> None:
    """Correct W and Ht in place by sweeps on ½‖Y·Zᵀ − W·H‖², without X."""
    square = float(np.sum(gram(Y, n_threads) * gram(Z, n_threads)))
    linear = float(np.sum(cross(W, Y) * cross(Ht, Z), dtype=np.float64))
    gram_W, gram_H = gram(W, n_threads), gram(Ht, n_threads)
    first = value = 0.5 * square - linear + 0.5 * float(np.sum(gram_W * gram_H))
    for _ in range(LRC_MAX_ITER):
        previous = value
        _sweeps(W, times(Y, cross(Z, Ht)), gram_H, n_threads)
        gram_W = gram(W, n_threads)
        linear = _sweeps(Ht, times(Z, cross(Y, W)), gram_W, n_threads)
        gram_H = gram(Ht, n_threads)
        value = 0.5 * square - linear + 0.5 * float(np.sum(gram_W * gram_H))
        if previous - value <= LRC_DECREASE * (first - value):
            break


def _sweeps(
    A: Array, rhs: Array, gram_other: NDArray[np.float64], n_threads: int
) -> float:
    """Do LRC_SWEEPS sweeps over A in place; return ⟨rhs, A⟩ after them."""
    G = gram_other.astype(A.dtype, copy=False)
    l1 = np.zeros(A.shape[1], A.dtype)
    linear = 0.0
    for _ in range(LRC_SWEEPS):
        rows = RowArrays(A, A)
        linear = solve_rows(rows, rhs, G, l1, Cyclic(), False, n_threads).cross
    return linear
