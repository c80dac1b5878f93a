"""The start of a fit: made from X, given by the caller, or a constant W beside a fixed H."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ..base import validation
from ..base.arrays import Array
from ..base.constraint import takes_any_sign
from ..base.factor_checks import check_factor
from ..base.interfaces import Operand
from ..base.parameters import Parameters
from . import svd_start

CUSTOM = "custom"
INITS = (*svd_start.INITS, CUSTOM)
"""Values of `init`, besides None."""


ZEROS_STAY = (
    "The multiplicative update ({solver!r}) solver cannot update zeros present in the "
    "initialization, and so leads to poorer results when used jointly with "
    "init='nndsvd'. You may try init='nndsvda' or init='nndsvdar' instead."
)


def own_stream(parameters: Parameters) -> np.random.RandomState:
    """Return a random stream by `random_state`; an instance is copied, not advanced."""
    rng: np.random.RandomState = check_random_state(
        copy.deepcopy(parameters.random_state)
    )
    return rng


def start_seeds(parameters: Parameters) -> list[int]:
    """Return `n_init` seeds for the starts, of which the first goes unused.

    The first start uses `random_state` itself. A RandomState instance is not advanced, so
    that the first start equals the start of a single fit.
    """
    if parameters.n_init == 1:
        return []
    seeds = own_stream(parameters).randint(2**31 - 1, size=parameters.n_init)
    return [int(seed) for seed in seeds]


def starting_factors(
    X: Operand,
    parameters: Parameters,
    W: Any,
    H: Any,
    update_H: bool,
    positive: bool = False,
) -> tuple[Array, Array]:
    """Return the W and Ht that a fit starts from: C-contiguous copies in the dtype of X.

    `positive` asks for a start without zeros, for solvers that could never leave them.
    """
    n_features = X.shape[1]
    k = n_features if parameters.n_components is None else parameters.n_components
    signs = takes_any_sign(parameters)
    if not update_H:
        return _fixed_H_start(X, None if k == "auto" else k, W, H, positive, signs)
    if parameters.init == CUSTOM:
        return _custom_start(X, None if k == "auto" else k, W, H, signs)
    if W is not None or H is not None:
        validation.warn(
            "When init!='custom', provided W or H are ignored. Set  init='custom' to "
            "use them as initialization.",
            RuntimeWarning,
        )
    if positive and parameters.init == "nndsvd":
        validation.warn(ZEROS_STAY.format(solver=parameters.solver), UserWarning)
    return svd_start.initial_factors(
        X,
        n_features if k == "auto" else k,
        init=parameters.init,
        eps=None,
        random_state=parameters.random_state,
        positive=positive,
    )


def level_start(X: Operand, k: int, positive: bool) -> Array:
    """Return W beside a fixed H: zeros, or, if `positive`, sqrt(mean of X / k)."""
    level = X.stats().level(k) if positive else 0.0
    return np.full((X.shape[0], k), level, dtype=X.dtype)


def _fixed_H_start(
    X: Operand, k: int | None, W: Any, H: Any, positive: bool, any_sign: bool
) -> tuple[Array, Array]:
    if W is not None:
        validation.warn(
            "When update_H=False, the provided initial W is not used.", RuntimeWarning
        )
    if H is None:
        msg = (
            "update_H=False needs H, of shape (n_components, n_features); got None. "
            "Pass H, or let both factors be estimated by update_H=True."
        )
        raise ValueError(msg)
    H = check_factor(H, (k, X.shape[1]), "NMF (input H)", X.dtype, any_sign)
    Ht = np.array(H.T, order="C", copy=True)
    return level_start(X, Ht.shape[1], positive), Ht


def _custom_start(
    X: Operand, k: int | None, W: Any, H: Any, any_sign: bool
) -> tuple[Array, Array]:
    n_samples, n_features = X.shape
    missing = [name for name, A in (("H", H), ("W", W)) if A is None]
    if missing:
        msg = (
            f"init='custom' needs both W, of shape (n_samples, n_components), and H, of "
            f"shape (n_components, n_features); got {' and '.join(missing)} = None. "
            "Pass both, or another init."
        )
        raise ValueError(msg)
    H = check_factor(H, (k, n_features), "NMF (input H)", X.dtype, any_sign)
    if k is None:
        k = H.shape[0]
    W = check_factor(W, (n_samples, k), "NMF (input W)", X.dtype, any_sign)
    Ht = np.array(H.T, order="C", copy=True)
    return np.array(W, order="C", copy=True), Ht
