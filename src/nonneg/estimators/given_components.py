"""A fitted `NMF` made of given components, with W solved for exactly beside them."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..base.arrays import Array
from ..base.interfaces import Operand
from ..base.parameters import Parameters
from ..base.records import StopReason
from ..fitting.fit_plan import plan
from ..fitting.run import run
from ..kernels.factor_rows import to_caller
from ..losses.beta import make_loss
from ..losses.metrics import error_of
from .nmf import NMF


def model_of_components(
    X: Operand, parameters: Parameters, H: Array, refit_H: bool = False
) -> tuple[NMF, Array]:
    """Return a fitted model with these components, and its W for X.

    Parameters
    ----------
    X : Operand of shape (n_samples, n_features)
    parameters : Parameters
        Checked parameters of the model.
    H : ndarray of shape (k, n_features)
        Components; they take the dtype of X.
    refit_H : bool
        Whether H is solved for once beside W, and then W beside that H.

    Raises
    ------
    ValueError
        If `refit_H` is set for an X that can only be read by rows.
    """
    if refit_H and (X.in_parts or X.on_workers):
        msg = (
            "refit_H=True solves for H beside W, column by column of X, and this X can only "
            "be read by rows. Pass X in memory, or refit_H=False."
        )
        raise ValueError(msg)
    parameters = dataclasses.replace(
        parameters, n_components=len(H), n_init=1, callback=None, max_time=None
    )
    H = np.ascontiguousarray(H, dtype=X.dtype)
    W, name = _solve(X, parameters, H)
    if refit_H:
        swapped = dataclasses.replace(
            parameters,
            alpha_W=_weight_H(parameters) * X.shape[0] / X.shape[1], alpha_H=0.0,
        )  # fmt: skip
        Ht, _ = _solve(X.T, swapped, np.ascontiguousarray(W.T))
        H = np.ascontiguousarray(Ht.T)
        W, name = _solve(X, parameters, H)
    model = NMF(**vars(parameters))
    model.components_ = H
    model.n_components_ = model._n_components = len(H)
    model.n_features_in_ = X.shape[1]
    model.n_iter_ = 0
    model.solver_ = name
    model.stop_reason_ = str(StopReason.CONVERGED)
    model.history_ = {
        key: np.zeros(0) for key in ("objective", "residual", "sweeps", "seconds")
    }
    loss = make_loss(parameters.beta_loss)
    model.reconstruction_err_ = error_of(loss, X, W, np.ascontiguousarray(H.T))
    return model, W


def _solve(X: Operand, parameters: Parameters, H: Array) -> tuple[Array, str]:
    result = run(plan(X, parameters, H=H, update_H=False))
    return to_caller(result.W), result.solver


def _weight_H(parameters: Parameters) -> float:
    if parameters.alpha_H == "same":
        return parameters.alpha_W
    return float(parameters.alpha_H)
