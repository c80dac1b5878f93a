"""The records of a fit that is under way: what an iteration reports, and a solver's state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .arrays import Array


class Stored:
    """Base of records that a checkpoint may hold; module and name tell them apart."""

    known: ClassVar[dict[str, type[Any]]] = {}
    """Classes of records by their key."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.known[cls.key()] = cls

    @classmethod
    def key(cls) -> str:
        """Module and name of the class, by which a checkpoint finds it again."""
        return f"{cls.__module__}.{cls.__qualname__}"


@dataclass(eq=False)
class Progress(Stored):
    """Report of an iteration; each array has an entry for each of R models."""

    objective: NDArray[np.float64] | None
    """Penalised objective after the iteration, or None when it would cost a pass."""
    residual: NDArray[np.float64]
    """The solver's optimality measure, the one its stopping rule compares with tol."""
    decrease: NDArray[np.float64] | None
    """Exact decrease of the objective in the iteration, where the kernel knows it."""
    converged: NDArray[np.bool_]
    sweeps: float = 1.0
    """Inner sweeps per half-step, on average."""

    @property
    def has_converged(self) -> bool:
        """Whether all models have converged."""
        return bool(self.converged.all())


SCRATCH = {"scratch": True}
"""Metadata of a state's field whose content need not outlive an iteration."""


@dataclass(eq=False)
class State(Stored):
    """Base of solver states: named arrays, scalars and random states, nothing else.

    A field with the metadata `SCRATCH` is not stored, and None where it is restored.
    """

    W: Array
    Ht: Array
    n_iter: int = field(default=0, kw_only=True)
