"""Checks before a fit in memory and results after it, of `SymmetricNMF` and `JointNMF`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base import validation
from ..base.arrays import Array
from ..base.declaration import Names
from ..base.parameters import check_declared
from ..base.rules import positive_integer, require
from ..fitting.loop import Limits, Outcome
from ..operands.registration import has_own_operand

COMPONENTS = positive_integer("Pass the number of components.")


def checked_limits(model: Any, inits: Sequence[str]) -> Limits:
    """Check the parameters that are declared for `NMF`; return the limits of a fit.

    Raises
    ------
    InvalidParameterError
        For a parameter whose value is not allowed.
    """
    values = model.get_params(deep=False)
    owner = type(model).__name__
    require("n_components", values["n_components"], COMPONENTS, owner)
    check_declared(values, Names((), tuple(inits), ()), owner)
    names = ("max_iter", "tol", "max_time", "callback", "verbose")
    return Limits.shown(**{name: values[name] for name in names})


def checked_matrix(X: Any, whom: str, name: str = "X") -> Array:
    """Return X as an array or sparse matrix in memory of finite float32 or float64.

    Raises
    ------
    TypeError
        If X is a store, a Dask array or another matrix that is read in parts.
    ValueError
        If X is no matrix of finite numbers.
    """
    if isinstance(X, np.memmap):
        X = np.asarray(X)
    if has_own_operand(X):
        msg = (
            f"{whom} takes {name} in memory, as an array or a sparse matrix; got "
            f"{type(X).__name__}. Read it first, e.g. by nonneg.io.read_matrix."
        )
        raise TypeError(msg)
    return validation.check_X(X, whom, name)


def set_course(model: Any, outcome: Outcome) -> None:
    """Set the attributes that tell the course of a fit."""
    model.n_iter_ = outcome.state.n_iter
    model.history_ = outcome.history.as_dict()
    model.stop_reason_ = str(outcome.stop_reason)
