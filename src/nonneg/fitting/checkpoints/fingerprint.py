"""Fingerprints of fits, so that a checkpoint of another fit is refused."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import scipy.sparse as sp

from ...base.constraint import ConstraintBase, as_constraints, is_constraints
from ...base.interfaces import LossBase, Operand, SolverBase
from ...base.observed import Weights
from ...base.parameters import Parameters
from ...operands.observed import ObservedOperand


def fingerprint(
    X: Operand, parameters: Parameters, W: Any = None, H: Any = None
) -> dict[str, Any]:
    """Return the fingerprint of a fit: shape, dtype and sums of X, and the parameters."""
    from ... import __version__

    stats = X.stats()
    facts: dict[str, Any] = {
        "shape of X": list(X.shape),
        "dtype of X": str(X.dtype),
        "version of nonneg": __version__,
        "kind of X": _kind(X),
        "number of stored entries of X": int(X.entries),
        "sum of X": stats.sum,
        "sum of squares of X": stats.sum_sq,
    }
    # "mu" compares later errors with that of the start, which it measures unless tol=0
    facts["tol=0"] = parameters.tol == 0
    resumable = parameters.resumable()
    for name, value in vars(parameters).items():
        if name not in resumable:
            facts[f"parameter {name}"] = _described(value)
    if isinstance(X, ObservedOperand):
        facts |= _weights_of(X.weights)
    for name, factor in (("W", W), ("H", H)):
        facts[f"start {name}"] = None if factor is None else _digest(np.asarray(factor))
    return facts


def _weights_of(weights: Weights) -> dict[str, Any]:
    """Return what tells weights of entries apart."""
    facts: dict[str, Any] = {"weight of other entries": weights.rest}
    for name, vector in (("rows", weights.rows), ("columns", weights.columns)):
        facts[f"weights of {name}"] = None if vector is None else _digest(vector)
    named = weights.named
    if sp.issparse(named):
        digests = [_digest(A) for A in (named.data, named.indices, named.indptr)]
        facts["weights of entries"] = " ".join(digests)
    elif named is not None:
        facts["weights of entries"] = _digest(np.asarray(named))
    return facts


def _kind(X: Operand) -> str:
    """Return how X is read, since the state between two iterations depends on the reading."""
    kind = "sparse" if X.sparse else "dense"
    return f"{kind}, by {X.layout}"


def _described(value: Any) -> Any:
    if isinstance(value, np.random.RandomState):
        _, keys, *rest = value.get_state(legacy=True)
        return f"RandomState {_digest(np.asarray(keys))} {rest}"
    if isinstance(value, float) and np.isnan(value):
        return "nan"  # which is not equal to itself
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, ConstraintBase | list | tuple) and is_constraints(value):
        return "; ".join(one.fingerprint() for one in as_constraints(value))
    if isinstance(value, SolverBase | LossBase):
        kind = type(value)
        return f"{kind.__module__}.{kind.__qualname__} {sorted(vars(value).items())}"
    return repr(value)


def _digest(A: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(A).data).hexdigest()[:16]
