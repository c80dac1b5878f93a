"""Errors of a reconstruction W·H: its Frobenius norm and the β-divergences."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from ..base import validation
from ..base.arrays import Array
from ..base.inherited_parameters import loss_rule
from ..base.interfaces import LossBase, Operand
from ..base.rules import BOOL, require
from ..base.threads import resolve_n_threads, single_threaded_blas
from ..operands.registration import as_operand, has_own_operand
from .beta import NAMES, make_loss
from .registry import losses


def error_of(loss: LossBase, X: Operand, W: Array, Ht: Array) -> float:
    """Return the error of checked factors: ‖X − W·H‖, or sqrt(2·β-divergence)."""
    with single_threaded_blas():
        return loss.error(loss.value(X, W, Ht))


def reconstruction_error(X: Any, W: Any, H: Any) -> float:
    """Frobenius norm of X − W·H.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    W : array-like of shape (n_samples, n_components)
    H : array-like of shape (n_components, n_features)
        Of any real dtype; the computation is in float32 if all three are of that
        dtype, else in float64. Entries may have any sign.

    Returns
    -------
    error : float
        ‖X − WH‖_F: no square, no half, no penalty. The sum is accumulated in float64,
        and for sparse X nothing of the size of X is made dense; a nearly exact fit
        keeps its relative accuracy.

    Raises
    ------
    ValueError
        If the shapes don't fit together or an entry is NaN or infinite.

    Notes
    -----
    The cost is 2·k flops per stored entry of X. If the fit is so close that the expanded
    square of a sparse X would lose its digits, it is 2·n_samples·n_features·k flops.

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import reconstruction_error
    >>> X = np.array([[1.0, 2.0], [2.0, 4.0]])
    >>> reconstruction_error(X, [[1.0], [2.0]], [[1.0, 1.0]])
    2.23606797749979
    """
    return error_of(losses["frobenius"](), *_checked(X, W, H, "reconstruction_error"))


def beta_divergence(
    X: Any, W: Any, H: Any, beta: float | str, square_root: bool = False
) -> float:
    """Divergence of X from W·H by the β-divergence with any β [1]_.

    It is the sum over all entries x of X and y of W·H of
    (x^β + (β−1)·y^β − β·x·y^(β−1)) / (β·(β−1)). At β = 1 a term is the limit
    x·log(x/y) − x + y, at β = 0 the limit x/y − log(x/y) − 1.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Non-negative. One row, or a number, may be given without its other axes.
    W : array-like of shape (n_samples, n_components)
        Non-negative.
    H : array-like of shape (n_components, n_features)
        Non-negative.
    beta : float or {"frobenius", "kullback-leibler", "itakura-saito"}
        2, 1 and 0 for these names.
    square_root : bool, default=False
        Return sqrt(2·divergence) instead: for β = 2 ‖X − WH‖_F, and what the estimators
        call `reconstruction_err_`.

    Returns
    -------
    divergence : float
        In float64; W·H and products with X are computed in float32 if X, W and H all
        are. Where x is 0, x·log x counts as 0 and, for β ≤ 0, the infinite terms are left
        out, as in scikit-learn. Where x is not 0, y counts as 1.2e-7 at least, less for
        data whose mean is below 1e-3 or whose largest entries are above 1e6.

    Raises
    ------
    ValueError
        If the shapes don't fit together, an entry is negative or not finite, or `beta` is
        no number and no such name.

    Notes
    -----
    The cost is 2·k flops and a logarithm or power for each entry of X; for sparse X and β
    = 1 or 2 for each stored entry. Nothing of the size of X is made.

    References
    ----------
    .. [1] Févotte & Idier, "Algorithms for nonnegative matrix factorization with the
       β-divergence", Neural Computation 23 (2011) 2421-2456,
       https://doi.org/10.1162/NECO_a_00168

    Examples
    --------
    >>> from nonneg import beta_divergence
    >>> X, W, H = [[1.0, 2.0], [2.0, 4.0]], [[1.0], [2.0]], [[1.0, 1.0]]
    >>> round(beta_divergence(X, W, H, "kullback-leibler"), 6)
    1.158883
    >>> beta_divergence(X, W, H, 2)
    2.5
    """
    whom = "beta_divergence"
    require("beta", beta, loss_rule(NAMES), whom)
    require("square_root", square_root, BOOL, whom)
    operand, W, Ht = _checked(as_rows(X), as_rows(W), as_rows(H), whom)
    for name, smallest in (
        ("X", operand.stats().smallest),
        ("W", W.min(initial=0)),
        ("H", Ht.min(initial=0)),
    ):
        validation.require_non_negative(smallest, f"{whom} (input {name})")
    loss = make_loss(beta)
    with single_threaded_blas():
        value = loss.value(operand, W, Ht)
    return loss.error(value) if square_root else value


def as_rows(A: Any) -> Any:
    """Return a number or a single row as a matrix, anything else unchanged."""
    if sp.issparse(A) or has_own_operand(A):
        return A
    try:
        return np.atleast_2d(A) if np.ndim(A) < 2 else A
    except ValueError:  # rows of unequal length; the checks report them
        return A


def require_shapes(X: Any, W: Array, H: Array, name: str = "X") -> None:
    """Raise ValueError unless X, which has this name, has the shape of W·H."""
    shape = (W.shape[0], H.shape[1])
    if W.shape[1] != H.shape[0] or shape != tuple(X.shape):
        msg = (
            f"{name} has shape {tuple(X.shape)}, but W and H have shapes {W.shape} and "
            f"{H.shape}; they must be (n_samples, n_components) and (n_components, "
            "n_features)."
        )
        raise ValueError(msg)


def _checked(X: Any, W: Any, H: Any, whom: str) -> tuple[Operand, Array, Array]:
    """Check X, W and H; return operand, W and Hᵀ of one dtype."""
    has_operand = has_own_operand(X)
    n_threads = resolve_n_threads(None)
    X = as_operand(X, n_threads) if has_operand else validation.check_X(X, whom)
    W, H = (validation.check_matrix(A, name, whom) for name, A in (("W", W), ("H", H)))
    require_shapes(X, W, H)
    dtype = np.result_type(X.dtype, W.dtype, H.dtype)
    if not has_operand:
        X = X.astype(dtype, copy=False)
    operand = as_operand(X, n_threads)
    W = np.ascontiguousarray(W, dtype=operand.dtype)
    return operand, W, np.ascontiguousarray(H.T, dtype=operand.dtype)
