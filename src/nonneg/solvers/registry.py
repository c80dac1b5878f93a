"""The registry of solvers, and how one is made from the parameters of a fit."""

from __future__ import annotations

from typing import Any

from ..base.interfaces import SolverBase
from ..base.registry import Registry

solvers: Registry[SolverBase] = Registry("solver", SolverBase)


def make_solver(solver: str | SolverBase, **options: Any) -> SolverBase:
    """Build the named solver from those options that it has fields for.

    Options for which it has no field are left out, so that a solver ignores the parameters
    of the others. An instance is returned as it is: its options were chosen when it was made.
    """
    if isinstance(solver, SolverBase):
        return solver
    cls = solvers[solver]
    return cls(**{key: options[key] for key in cls.option_names() if key in options})


def solver_name(solver: str | SolverBase) -> str:
    """Name of a solver that is given by its name or as an instance."""
    return solver.name if isinstance(solver, SolverBase) else solver
