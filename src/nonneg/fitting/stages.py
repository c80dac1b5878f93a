"""The solver of a fit that does not begin on X itself, but on a sketch of it or in float32."""

from __future__ import annotations

from typing import Any

from ..base.interfaces import SolverBase
from ..operands.low_rank import compressed
from ..solvers.composed.compressed_start import CompressedStart
from ..solvers.composed.single_start import SingleStart, SingleState
from .checkpoints.files import Past
from .plan import Plan


def staged_solver(plan: Plan, k: int, stream: object) -> SolverBase:
    """Return the solver of a plan for one model, which begins on a sketch where the plan says so.

    Parameters
    ----------
    plan : Plan
    k : int
        Number of components.
    stream : RandomState or None
        Draws the directions of a sketch.
    """
    if not plan.compress:
        return plan.solver
    sketch = compressed(plan.X, k, stream)
    return CompressedStart(plan.solver, sketch, plan.parameters.max_iter)


def in_precision(plan: Plan, solver: SolverBase, past: Past | None) -> SolverBase:
    """Return the solver of all models of a plan, which begins in float32 where the plan says so.

    A fit that goes on from `past` does so as it began, also within another `memory_limit`.
    """
    is_single = plan.single if past is None else isinstance(past.state, SingleState)
    return SingleStart(solver) if is_single else solver


def count_models(state: Any) -> int:
    """Return the number of models of a state of several."""
    return len((state.base if isinstance(state, SingleState) else state).models)
