"""The parameters of a fit by mini-batches, beside those of every factorization."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar, Literal

from .interfaces import SolverBase
from .parameters import Parameters
from .validation import BOOL, Rule, is_integer, is_real

_POSITIVE = "an int in the range [1, inf)"


def _positive(advice: str, none: bool = False) -> Rule:
    return Rule(
        lambda v: is_integer(v) or (none and v is None),
        _POSITIVE + (" or None" if none else ""),
        advice,
    )


_OWN = {
    "batch_size": _positive("Pass the number of rows of a mini-batch."),
    "max_no_improvement": _positive(
        "Pass a number of mini-batches, or None not to stop by the cost.", none=True
    ),
    "forget_factor": Rule(
        lambda v: is_real(v, 0.0, 1.0),
        "a float in the range [0.0, 1.0]",
        "1 forgets nothing, 0 all but the last mini-batch.",
    ),
    "fresh_restarts": BOOL,
    "fresh_restarts_max_iter": _positive("Pass the largest number of steps for W."),
    "transform_max_iter": _positive(
        "Pass the largest number of steps for W, or None for `max_iter`.", none=True
    ),
    "exact_statistics": BOOL,
}


@dataclass(frozen=True, eq=False)
class BatchParameters(Parameters):
    """Everything that a fit by mini-batches is asked for, beside the arrays."""

    n_components: int | Literal["auto"] | None = "auto"
    solver: str | SolverBase = "mu"
    batch_size: int = 1024
    max_no_improvement: int | None = 10
    forget_factor: float = 0.7
    fresh_restarts: bool = False
    fresh_restarts_max_iter: int = 30
    transform_max_iter: int | None = None
    exact_statistics: bool = False
    owner: ClassVar[str] = "MiniBatchNMF"

    @classmethod
    def rules(
        cls,
        solvers: Collection[str],
        inits: Collection[str],
        losses: Collection[str],
    ) -> dict[str, Rule]:
        """Rules by parameter, in the order in which they are applied."""
        return {**super().rules(solvers, inits, losses), **_OWN}
