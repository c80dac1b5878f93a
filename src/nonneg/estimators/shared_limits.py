"""Parameters that `SymmetricNMF` and `JointNMF` share with `NMF`: their checks and limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..base.declaration import Names
from ..base.parameters import check_declared
from ..base.rules import positive_integer, require
from ..fitting.loop import Limits

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
