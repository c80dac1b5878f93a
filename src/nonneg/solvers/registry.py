"""The registry of solvers, and functions that hold for any solver."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..base.interfaces import Loss, Operand, Problem, Solver
from ..base.registry import Registry

solvers: Registry[Solver] = Registry("solver")


def make_solver(name: str, **options: Any) -> Solver:
    """Build the named solver from those options that it has fields for.

    A solver is a dataclass whose fields are its options. Options for which it has no
    field are left out, so that a solver ignores the parameters of the others.
    """
    cls = solvers[name]
    wanted = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    return cls(**{key: value for key, value in options.items() if key in wanted})


def require_usable(solver: Solver, loss: Loss, X: Operand) -> None:
    """Let the solver refuse a loss or an X that it can't be used with."""
    own = getattr(solver, "require", None)
    if own is not None:
        own(loss, X)


def iteration_limit(solver: Solver, problem: Problem) -> int | None:
    """Return the limit that the solver sets in place of `max_iter`, or None.

    A solver that sets one has a method `iteration_limit(problem)`, and warns itself when
    the limit was reached.
    """
    own = getattr(solver, "iteration_limit", None)
    limit: int | None = None if own is None else own(problem)
    return limit
