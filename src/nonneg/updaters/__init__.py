"""Updaters: how the factors move. A new solver is one file that registers itself here."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..protocols import Updater
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


from . import cd

__all__ = ["cd", "make_updater", "updaters"]
