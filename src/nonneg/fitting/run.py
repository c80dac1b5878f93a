"""The engine: carries out the plans of whole fits, mini-batches and transforms."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..base import validation
from ..base.arrays import Array
from ..base.interfaces import Problem, SolverBase
from ..base.penalties import scaled_penalties
from ..base.records import ADVICE, FactorizationResult, StopReason, with_result
from ..base.threads import single_threaded_blas
from ..initialization.given_start import (
    level_start,
    own_stream,
    start_seeds,
    starting_factors,
)
from ..operands.low_rank import compressed
from ..solvers.composed.compressed_start import CompressedStart
from ..solvers.composed.many_starts import ManyStarts
from ..solvers.steps.batch_problem import LossAtScale
from ..solvers.steps.quadratic_iteration import factor_penalties
from . import loop
from .checkpoints.files import Checkpoints, Past
from .checkpoints.fingerprint import fingerprint
from .loop import Outcome
from .plan import Plan
from .preparation import validate_entries

WEIGHTS = ("alpha", "l1_ratio", "regularization", "alpha_W", "alpha_H")
"""Names of the parameters that define the penalties."""
LEAST_SHARE = {np.dtype(np.float64): 1e-5, np.dtype(np.float32): 1e-2}
"""Share of ½‖X‖² below which the loss is computed directly. The objective comes from products,
and has an absolute error of about 4e-16 (float64) and 6e-9 (float32) of ½‖X‖²."""


def run(plan: Plan) -> FactorizationResult:
    """Factorize X, or solve for W, by a plan.

    Raises
    ------
    KeyboardInterrupt
        If the run is interrupted; the attribute `result` of the error holds the factors so
        far.
    ValueError, TypeError
        If W or H is invalid, or an entry of X is negative or not finite.
    """
    plan = plan.stored_by_rows()
    with single_threaded_blas():
        outcome, factors, loss = _carry_out(plan)
    result = _result(plan, outcome, factors, loss)
    if outcome.interrupt is not None:
        raise with_result(outcome.interrupt, result)
    unconverged = result.stop_reason is StopReason.MAX_ITER and plan.limits.tol > 0
    if unconverged and plan.task.warns:
        text = ADVICE[StopReason.MAX_ITER].format(
            max_iter=plan.parameters.max_iter, tol=plan.limits.tol
        )
        validation.warn(text, ConvergenceWarning)
    return result


class Begun(NamedTuple):
    """A fit that is ready to iterate."""

    solver: SolverBase
    problem: Problem
    past: Past
    checkpoints: Checkpoints | None


def _carry_out(plan: Plan) -> tuple[Outcome, tuple[Array, Array], float | None]:
    """Iterate; return the outcome, the factors, and their loss if it is known."""
    solver, problem, past, checkpoints = _begin(plan)
    outcome = loop.run(solver, problem, past, plan.limits, checkpoints)
    if plan.task.polishes:
        loop.polish(solver, problem, outcome)
    try:
        factors = solver.finish(problem, outcome.state)
    except KeyboardInterrupt as interrupt:
        if plan.task.keeps_state:  # the state may be half finished
            raise
        outcome.interrupt = interrupt
        outcome.stop_reason = StopReason.INTERRUPTED
        factors = outcome.state.W, outcome.state.Ht
    loss = None
    if plan.tells_loss and outcome.interrupt is None:
        loss = _loss_of(problem, outcome.history.objective[-1], *factors)
    return outcome, factors, loss


def _loss_of(problem: Problem, objective: float, W: Array, Ht: Array) -> float | None:
    """Return the loss by the penalised objective, or None if it has too few digits."""
    loss = objective - factor_penalties(problem, W, Ht)
    size = 0.5 * problem.X.stats().sum_sq
    # the comparison is false for NaN
    known = loss > LEAST_SHARE[problem.X.dtype] * max(size, objective)
    return float(loss) if known else None


def _begin(plan: Plan) -> Begun:
    X, parameters = plan.X, plan.parameters
    # both are drawn before the first start advances a RandomState instance
    seeds = start_seeds(parameters) if plan.update_H else []
    stream = own_stream(parameters) if plan.compress else None
    checkpoints, past = _open_checkpoints(plan)
    if past is None:
        W, Ht = _starting_factors(plan)
    else:
        W, Ht = past.state.W, past.state.Ht
    if not X.checks_as_read:
        validate_entries(X)
    problem = _problem(plan, Ht.shape[1])
    solver = plan.solver
    if plan.compress:
        sketch = compressed(X, Ht.shape[1], stream)
        solver = CompressedStart(solver, sketch, parameters.max_iter)
    if past is None:
        W = X.to_rows_of_X(W)
    if len(seeds) > 1:
        solver = _several(solver, problem, plan, None if past else (W, Ht), seeds)
    if past is None:
        state = plan.start.state
        if state is None:
            past = Past(solver.start(problem, W, Ht))
        else:
            past = Past(solver.resume(problem, state, W))
    return Begun(solver, problem, past, checkpoints)


def _open_checkpoints(plan: Plan) -> tuple[Checkpoints | None, Past | None]:
    """Return the writer of the checkpoints, and the past that the fit resumes.

    Raises
    ------
    ValueError
        If the file is no checkpoint, or the checkpoint of another fit.
    """
    if plan.checkpoint is None:
        return None, None
    start = plan.start
    known = fingerprint(plan.X, plan.parameters, start.W, start.H)
    checkpoints = Checkpoints(plan.checkpoint.path, plan.checkpoint.every, known)
    checkpoints.require_replaceable()
    checkpoints.adopt_existing_files()
    past = checkpoints.read(plan.X) if plan.checkpoint.resume else None
    return checkpoints, past


def _starting_factors(plan: Plan) -> tuple[Array, Array]:
    X, start = plan.X, plan.start
    if start.fixed is not None:
        return level_start(X, plan.k, start.positive), start.fixed.Ht
    if start.state is None:
        parameters = plan.parameters
        if plan.update_H:
            parameters = dataclasses.replace(parameters, init=start.init)
        W, Ht = starting_factors(
            X, parameters, start.W, start.H, plan.update_H, start.positive
        )
    else:
        Ht = start.state.Ht
    if plan.task.is_step:  # the step solves for its rows anew
        W = np.zeros((X.shape[0], Ht.shape[1]), X.dtype)
    return W, Ht


def _problem(plan: Plan, k: int) -> Problem:
    X, fixed = plan.X, plan.start.fixed
    weights = {name: vars(plan.parameters)[name] for name in WEIGHTS}
    penalty_W, penalty_H = scaled_penalties(k, X.shape, **weights)
    return Problem(
        X,
        LossAtScale(plan.loss, X) if plan.task.at_scale else plan.loss,
        penalty_W,
        penalty_H,
        plan.update_H,
        plan.parameters.random_state,
        None if fixed is None else fixed.gram,
        needs_objective=not X.checks_as_read,
    )


def _several(
    solver: SolverBase,
    problem: Problem,
    plan: Plan,
    first: tuple[Array, Array] | None,
    seeds: list[int],
) -> ManyStarts:
    """Return the solver of `n_init` models, of which all but the first start at random.

    `first` is the start of the first model, or None if all models have begun already.
    """
    others = [dataclasses.replace(problem, random_state=seed) for seed in seeds[1:]]
    starts = []
    if first is not None:
        starts.append(first)
        for seed in seeds[1:]:
            start_parameters = dataclasses.replace(
                plan.parameters, init="random", random_state=seed,
                n_components=first[1].shape[1],
            )  # fmt: skip
            W, Ht = starting_factors(problem.X, start_parameters, None, None, True)
            starts.append((problem.X.to_rows_of_X(W), Ht))
    return ManyStarts(solver, [problem, *others], starts)


def _result(
    plan: Plan, outcome: Outcome, factors: tuple[Array, Array], loss: float | None
) -> FactorizationResult:
    W, Ht = factors
    objectives = outcome.history.objective or [np.nan]
    # an interrupted fit keeps the best pair, not the last one
    interrupted = outcome.interrupt is not None and not np.isnan(objectives).all()
    objective = np.nanmin(objectives) if interrupted else objectives[-1]
    state: Any = None
    if plan.task.keeps_state:
        state = dataclasses.replace(outcome.state, W=outcome.state.W[:0].copy())
    return FactorizationResult(
        W=W,
        H=np.ascontiguousarray(Ht.T),
        n_iter=outcome.state.n_iter,
        stop_reason=outcome.stop_reason,
        history=outcome.history,
        objective=None if np.isnan(objective) else float(objective),
        solver=plan.solver_name,
        loss=loss,
        state=state,
    )
