"""Updaters: how the factors move. A new solver is one file that registers itself here."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..protocols import Loss, Operand, Problem, Updater
from ..registry import Registry

updaters: Registry[Updater] = Registry("solver")


def make_updater(name: str, **options: Any) -> Updater:
    """Build the named updater from the options that its fields ask for.

    An updater is a dataclass whose fields are its options; those that it does not
    have are left out, so that a solver ignores the parameters of the others.
    """
    cls = updaters[name]
    wanted = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    return cls(**{key: value for key, value in options.items() if key in wanted})


def require_usable(updater: Updater, loss: Loss, X: Operand) -> None:
    """Let the updater refuse a loss or an X that its options don't go with."""
    own = getattr(updater, "require", None)
    if own is not None:
        own(loss, X)


def iteration_limit(updater: Updater, problem: Problem) -> int | None:
    """Limit that the updater sets in place of `max_iter`, or None.

    An updater that does has a method `iteration_limit(problem)`, and tells the user
    itself when the limit was reached.
    """
    own = getattr(updater, "iteration_limit", None)
    limit: int | None = None if own is None else own(problem)
    return limit


from . import cd, hals, mu, pg, sn

__all__ = [
    "cd",
    "hals",
    "iteration_limit",
    "make_updater",
    "mu",
    "pg",
    "require_usable",
    "sn",
    "updaters",
]
