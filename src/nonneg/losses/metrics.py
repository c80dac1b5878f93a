"""Errors of a reconstruction W·H: its Frobenius norm and the β-divergences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..base import validation
from ..base.arrays import Array
from ..base.inherited_parameters import loss_rule
from ..base.interfaces import LossBase, Operand
from ..base.missing import check_with_gaps
from ..base.rules import BOOL, or_instance, require
from ..base.threads import held_blas, resolve_n_threads, single_threaded_blas
from ..operands.registration import as_operand, has_own_operand
from ..operands.units import in_unit, times_power, unit_of
from ..stores.anndata_store import matrix_in_memory
from .beta import NAMES, make_loss
from .frobenius import in_units
from .weighted import Chosen, check_chosen, weighted_loss


def error_of(
    loss: LossBase, X: Operand, W: Array, Ht: Array, about: float | None = None
) -> float:
    """Return the error of checked factors: ‖X − W·H‖, or sqrt(2·β-divergence).

    `about` is the size of the loss, if that is known.
    """
    with held_blas(X.shape, Ht.shape[1]):
        exponent = unit_of(X) if "quadratic" in loss.provides else 0
        if exponent:
            # the square of the error may be beyond float64, the error not
            scaled = in_unit(X, exponent), *in_units(W, Ht, exponent)
            return float(times_power(loss.error(loss.value(*scaled)), exponent))
        known = math.inf if about is None else about
        return loss.error(loss.value_near(X, W, Ht, known))


def reconstruction_error(
    X: Any,
    W: Any,
    H: Any,
    *,
    beta_loss: float | str | LossBase = "frobenius",
    weights: Any = None,
    where: Any = None,
) -> float:
    """Frobenius norm of X − W·H, over all entries or some of them.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    W : array-like of shape (n_samples, n_components)
    H : array-like of shape (n_components, n_features)
        Of any real dtype; the computation is in float32 if all three are of that
        dtype, else in float64. Entries may have any sign with the Frobenius loss.
    beta_loss : float, str or LossBase, default="frobenius"
        The loss D of which sqrt(2·D) is returned, as `NMF` takes it.
    weights : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
        What each entry counts, at least 0, or whether it counts. Where it is 0, or not
        stored in a sparse matrix, X may be NaN. None: each entry counts once.
    where : {array-like, sparse matrix} of shape (n_samples, n_features), bool, \
            default=None
        The entries whose error is asked for, such as those that `holdout` has chosen.

    Returns
    -------
    error : float
        ‖X − WH‖_F: no square, no half, no penalty. With `weights` it is
        sqrt(Σ weight·error²), with `where` the root of the mean of error² over these
        entries, weighted if there are weights. The sum is accumulated in float64, and for
        sparse X nothing of the size of X is made dense; a nearly exact fit keeps its
        relative accuracy.

    Raises
    ------
    ValueError
        If the shapes don't fit together, an entry is infinite, one that counts is NaN, a
        weight is negative or not finite, or no entry counts.
    TypeError
        If `where` is not boolean.

    Notes
    -----
    The cost is 2·k flops per stored entry of X. If the fit is so close that the expanded
    square of a sparse X would lose its digits, it is 2·n_samples·n_features·k flops. With
    `weights` or `where` it is 2·k flops for each entry that counts where these are few,
    else for each entry of X. A quarter of a million entries of W·H exist at a time.

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import reconstruction_error
    >>> X = np.array([[1.0, 2.0], [2.0, 4.0]])
    >>> reconstruction_error(X, [[1.0], [2.0]], [[1.0, 1.0]])
    2.23606797749979

    The second row is predicted from the first:

    >>> import numpy as np
    >>> where = np.array([[False, False], [True, True]])
    >>> reconstruction_error(X, [[1.5], [3.0]], [[1.0, 1.0]], where=where)
    1.0
    """
    whom = "reconstruction_error"
    require("beta_loss", beta_loss, or_instance(LossBase, loss_rule(NAMES)), whom)
    loss = make_loss(beta_loss)
    signed = "quadratic" in loss.provides
    operand, W, Ht, chosen = _checked(X, W, H, whom, weights, where)
    if signed and chosen.is_all:
        return error_of(loss, operand, W, Ht)
    return loss.error(_value(loss, operand, W, Ht, chosen, whom, signed))


def beta_divergence(
    X: Any,
    W: Any,
    H: Any,
    beta: float | str,
    square_root: bool = False,
    *,
    weights: Any = None,
    where: Any = None,
) -> float:
    """Divergence of X from W·H by the β-divergence with any β [1]_.

    It is the sum over all entries x of X and y of W·H, or over some of them, of
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
    weights : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
        What each entry counts, at least 0, or whether it counts. Where it is 0, or not
        stored in a sparse matrix, X may be NaN. None: each entry counts once.
    where : {array-like, sparse matrix} of shape (n_samples, n_features), bool, \
            default=None
        The entries whose divergence is asked for, such as those that `holdout` has chosen.

    Returns
    -------
    divergence : float
        The sum; with `where` the mean over these entries, weighted if there are weights.
        In float64; W·H and products with X are computed in float32 if X, W and H all
        are. Where x is 0, x·log x counts as 0 and, for β ≤ 0, the infinite terms are left
        out, as in scikit-learn. Where x is not 0, y counts as 1.2e-7 at least, less for
        data whose mean is below 1e-3 or whose largest entries are above 1e6; these are
        the data that count.

    Raises
    ------
    ValueError
        If the shapes don't fit together, an entry is negative or infinite, one that counts
        is NaN, a weight is negative or not finite, no entry counts, or `beta` is no number
        and no such name.
    TypeError
        If `where` is not boolean.

    Notes
    -----
    The cost is 2·k flops and a logarithm or power for each entry of X; for sparse X and β
    = 1 or 2 for each stored entry. With `weights` or `where` it is that for each entry that
    counts where these are few, else for each entry of X. Nothing of the size of X is made.

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
    operand, W, Ht, chosen = _checked(
        as_rows(X), as_rows(W), as_rows(H), whom, weights, where
    )
    loss = make_loss(beta)
    value = _value(loss, operand, W, Ht, chosen, whom, signed=False)
    return loss.error(value) if square_root else value


def _value(
    loss: LossBase,
    X: Operand,
    W: Array,
    Ht: Array,
    chosen: Chosen,
    whom: str,
    signed: bool,
) -> float:
    """Return the loss over the entries that count; refuse negative ones unless `signed`."""
    if not signed:
        for name, A in (("W", W), ("H", Ht)):
            smallest = A.min(initial=0)
            validation.require_non_negative(smallest, f"{whom} (input {name})")
    with single_threaded_blas():
        if not chosen.is_all:
            return weighted_loss(loss, X, W, Ht, chosen, whom, signed)
        if not signed:
            smallest = X.stats().smallest
            validation.require_non_negative(smallest, f"{whom} (input X)")
        return loss.value(X, W, Ht)


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


def _checked(
    X: Any, W: Any, H: Any, whom: str, weights: Any, where: Any
) -> tuple[Operand, Array, Array, Chosen]:
    """Check all; return the entries that count, and operand, W and Hᵀ of one dtype."""
    X = matrix_in_memory(X)
    has_operand = has_own_operand(X)
    n_threads = resolve_n_threads(None)
    if has_operand:
        X = as_operand(X, n_threads)
    elif weights is None and where is None:
        X = validation.check_X(X, whom)
    else:
        X = check_with_gaps(X, whom)
    W, H = (validation.check_matrix(A, name, whom) for name, A in (("W", W), ("H", H)))
    require_shapes(X, W, H)
    chosen = check_chosen(weights, where, X.shape, whom)
    dtype = np.result_type(X.dtype, W.dtype, H.dtype)
    if not has_operand:
        X = X.astype(dtype, copy=False)
    operand = as_operand(X, n_threads)
    W = np.ascontiguousarray(W, dtype=operand.dtype)
    return operand, W, np.ascontiguousarray(H.T, dtype=operand.dtype), chosen
