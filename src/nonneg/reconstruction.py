"""Error of a reconstruction W·H, entry by entry where digits would be lost."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import validation
from .losses import losses
from .operands import as_operand, has_own_operand
from .protocols import Array, Loss, Operand
from .threads import resolve_n_threads, single_threaded_blas


def error_of(loss: Loss, X: Operand, W: Array, Ht: Array) -> float:
    """Error of checked arrays: ‖X − W·H‖, or sqrt(2·D) for a β-divergence."""
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
    The cost is 2·k flops per stored entry of X; if the fit is so close that the
    expanded square of a sparse X would lose its digits, 2·n_samples·n_features·k.

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import reconstruction_error
    >>> X = np.array([[1.0, 2.0], [2.0, 4.0]])
    >>> reconstruction_error(X, [[1.0], [2.0]], [[1.0, 1.0]])
    2.23606797749979
    """
    if not has_own_operand(X):
        X = validation.check_X(X, "reconstruction_error")
    W, H = (
        validation.check_matrix(A, name, "reconstruction_error")
        for name, A in (("W", W), ("H", H))
    )
    shape = (W.shape[0], H.shape[1])
    if W.shape[1] != H.shape[0] or shape != tuple(X.shape):
        msg = (
            f"X has shape {tuple(X.shape)}, but W and H have shapes {W.shape} and "
            f"{H.shape}; they must be (n_samples, n_components) and (n_components, "
            "n_features)."
        )
        raise ValueError(msg)
    dtype = np.result_type(X.dtype, W.dtype, H.dtype)
    if not has_own_operand(X):
        X = X.astype(dtype, copy=False)
    operand = as_operand(X, resolve_n_threads(None))
    W = np.ascontiguousarray(W, dtype=operand.dtype)
    Ht = np.ascontiguousarray(H.T, dtype=operand.dtype)
    return error_of(losses["frobenius"](), operand, W, Ht)
