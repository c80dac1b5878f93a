"""Preparation of a plan: X in its operand, and checked parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp

from .. import (
    kernels,
    stores,  # noqa: F401  (the import registers the stores)
)
from ..base import validation
from ..base.added_parameters import MISSING
from ..base.gate import admit_sparse
from ..base.interfaces import Operand
from ..base.missing import as_marked
from ..base.observed import NOTHING, Observation
from ..base.parameters import Parameters
from ..base.rules import require
from ..base.threads import resolve_n_threads
from ..initialization.given_start import INITS
from ..losses.registry import losses
from ..operands.observe import observe
from ..operands.observe_parts import observe_parts
from ..operands.registration import as_operand, has_own_operand, is_operand
from ..solvers.registry import solvers
from ..stores.anndata_store import matrix_in_memory
from .memory_plan import with_first_windows
from .plan_checks import AUTO

P = TypeVar("P", bound=Parameters)
LATER_BYTES = 1 << 20
"""Bytes from which it takes a look of its own at X longer than to look at each block before its
product (D-TRANSFORM-LOOK)."""


def prepare_X(
    X: Any,
    n_threads: int | None,
    whom: str = "NMF",
    memory_limit: Any = None,
    observation: Observation = NOTHING,
    any_sign: bool = False,
    later: bool = False,
) -> Operand:
    """Check a non-negative X and wrap it in its operand.

    A plug-in operand checks the objects that it has registered for itself. The entries of an
    X that is read in parts are checked by `validate_entries`. `observation` says which entries are
    missing or weighted. With `any_sign` an X in memory may have negative entries. `later` leaves
    the entries of a large dense X to `require_sound`.
    """
    n_threads = resolve_n_threads(n_threads)
    X = matrix_in_memory(X)
    if has_own_operand(X):
        if observation.is_trivial or is_operand(X):
            operand = as_operand(X, n_threads)
        else:
            require("missing_values", observation.missing_values, MISSING, whom)
            operand = observe_parts(X, observation, n_threads, memory_limit, whom)
        return with_first_windows(memory_limit, operand)
    X, observed = as_marked(X, observation.missing_values)
    if observed is not None:
        observation = observation.with_observed(observed)
    if not observation.is_trivial:
        return _prepare_observed(X, observation, n_threads, whom, any_sign)
    # the sums below tell of a plain X whether all of its entries are finite
    if validation.is_plain_matrix(X):
        checked = X
    elif validation.is_plain_sparse(X):
        checked = admit_sparse(X, "X")
    else:
        checked = validation.check_X(X, whom, assume_finite=True)
    operand = as_operand(checked, n_threads)
    # the reference has no pass that looks at entries as well
    later = later and kernels.native is not None and not any_sign
    is_dense = operand.kind == "dense" and not operand.by_columns
    if later and is_dense and checked.nbytes >= LATER_BYTES:
        operand.unchecked = whom
        return operand
    _require_sound(operand, X, whom, any_sign)
    return operand


def _require_sound(operand: Operand, X: Any, whom: str, any_sign: bool) -> None:
    stats = operand.stats()
    if not math.isfinite(stats.sum):
        # X has NaN, which the first check has assumed away, or huge entries
        validation.check_X(X, whom)
    if not any_sign:
        validation.require_non_negative(stats.smallest, f"{whom} (input X)")


def require_sound(X: Operand) -> None:
    """Check the entries of a dense X in memory that `prepare_X` has left for later.

    Raises
    ------
    ValueError
        If an entry is negative or not finite.
    """
    whom, X.unchecked = X.unchecked, ""
    if whom:
        _require_sound(X, X.native(), whom, any_sign=False)


def _prepare_observed(
    X: Any, observation: Observation, n_threads: int, whom: str, any_sign: bool
) -> Operand:
    """Check an X with missing or weighted entries and wrap it in its operand."""
    require("missing_values", observation.missing_values, MISSING, whom)
    may_have_nan = observation.weights is not None or (
        isinstance(observation.missing_values, float)
        and math.isnan(observation.missing_values)
    )
    if not (may_have_nan and validation.is_plain_matrix(X)):
        X = validation.check_X(X, whom, allow_nan=may_have_nan)
    if sp.issparse(X):
        smallest = np.nanmin(X.data, initial=0)
    else:
        smallest, largest = kernels.extremes(X, n_threads)
        if math.isinf(largest) or smallest == -math.inf:  # or all are NaN
            X = validation.check_X(X, whom, allow_nan=may_have_nan)
    if not any_sign:
        validation.require_non_negative(min(0.0, smallest), f"{whom} (input X)")
    return observe(X, observation, n_threads, whom)


def validate_entries(X: Operand) -> None:
    """Check the entries of an X that is read in parts, unless a pass has checked them.

    Raises
    ------
    ValueError
        If an entry is negative or not finite; the message names its row.
    """
    if X.in_parts:
        X.stats()


PLAIN = frozenset({int, float, str, bool, type(None)})
"""Types of values for which a check is remembered: equal ones of a type are the same."""


def validated(parameters: P) -> P:
    """Return the parameters, checked against the registered solvers, starts and losses."""
    return validated_values(type(parameters), vars(parameters))


def validated_values(kind: type[P], stated: Mapping[str, Any]) -> P:
    """Return parameters with these values by name, checked as `validated` does.

    The last few checks of plain values are remembered: one takes as long as some iterations
    on a small X. A callback is not among what is remembered.
    """
    names = ((*solvers, AUTO), INITS, tuple(losses))
    callback, values = stated.get("callback"), tuple(stated.values())
    is_called = callback is not None and callable(callback)
    if is_called:
        values = tuple({**stated, "callback": None}.values())
    types = tuple(map(type, values))
    if not PLAIN.issuperset(types):
        return kind(**stated).validated(*names)
    untyped: Any = kind
    checked: Any = _validated(untyped, tuple(stated), values, types, names)
    same_kind: P = checked.changed(callback=callback) if is_called else checked
    return same_kind


@lru_cache(maxsize=64)
def _validated(
    kind: type[Parameters],
    fields: tuple[str, ...],
    values: tuple[Any, ...],
    types: tuple[type[Any], ...],  # noqa: ARG001  (1, 1.0 and True are equal)
    names: tuple[tuple[str, ...], ...],
) -> Parameters:
    return kind(**dict(zip(fields, values, strict=True))).validated(*names)
