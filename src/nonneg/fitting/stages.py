"""The solver of a fit that does not begin on X itself, but on a sketch of it or in float32."""

from __future__ import annotations

from ..base.interfaces import SolverBase
from ..operands.low_rank import compressed
from ..solvers.composed.compressed_start import CompressedStart
from ..solvers.composed.single_start import SingleStart, SingleState
from .checkpoints.files import Past
from .plan import Plan


def staged_solver(plan: Plan, k: int, stream: object, past: Past | None) -> SolverBase:
    """Return the solver of a plan, which begins on a sketch or in float32 where the plan says so.

    Parameters
    ----------
    plan : Plan
    k : int
        Number of components.
    stream : RandomState or None
        Draws the directions of a sketch.
    past : Past or None
        What the fit goes on from: it goes on as it began, also within another `memory_limit`.
    """
    X, solver = plan.X, plan.solver
    if plan.compress:
        solver = CompressedStart(
            solver, compressed(X, k, stream), plan.parameters.max_iter
        )
    if plan.single if past is None else isinstance(past.state, SingleState):
        solver = SingleStart(solver)
    return solver
