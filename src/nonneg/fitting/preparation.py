"""Preparation of a plan: X in its operand, and checked parameters."""

from __future__ import annotations

import math
from typing import Any, TypeVar

from .. import stores  # noqa: F401  (stores enter themselves)
from ..base import validation
from ..base.interfaces import Operand
from ..base.parameters import Parameters
from ..base.threads import resolve_n_threads
from ..initialization.given_start import INITS
from ..losses.registry import losses
from ..operands.registration import as_operand, has_own_operand
from ..solvers.registry import solvers
from .memory_plan import with_first_windows
from .plan_checks import AUTO

P = TypeVar("P", bound=Parameters)


def prepare_X(
    X: Any,
    n_threads: int | None,
    whom: str = "NMF",
    memory_limit: Any = None,
) -> Operand:
    """Check a non-negative X and wrap it in its operand.

    What a plug-in operand has registered for itself is that operand's to check. The entries
    of an X that is read in parts are left for `validate_entries`.
    """
    n_threads = resolve_n_threads(n_threads)
    if has_own_operand(X):
        return with_first_windows(memory_limit, as_operand(X, n_threads))
    operand = as_operand(validation.check_X(X, whom, assume_finite=True), n_threads)
    stats = operand.stats()
    if not math.isfinite(
        stats.sum
    ):  # of NaN that were assumed away, or of huge entries
        validation.check_X(X, whom)
    validation.require_non_negative(stats.smallest, f"{whom} (input X)")
    return operand


def validate_entries(X: Operand) -> None:
    """Look over the entries of an X that is read in parts, unless that is done.

    Raises
    ------
    ValueError
        If one is negative or not finite; its row is named.
    """
    if X.in_parts:
        X.stats()


def validated(parameters: P) -> P:
    """Check the parameters against the solvers and starts that there are."""
    return parameters.validated((*solvers, AUTO), INITS, tuple(losses))
