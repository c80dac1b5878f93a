"""The engine: carries out the plans of whole fits, mini-batches and transforms."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..base import deadline, validation
from ..base.arrays import Array
from ..base.interfaces import Operand, Problem, SolverBase, State
from ..base.parameters import Parameters
from ..base.penalties import scaled_penalties
from ..base.records import (
    ADVICE,
    ROWS_LEFT,
    FactorizationResult,
    History,
    Iteration,
    StopReason,
    with_result,
)
from ..initialization.given_start import (
    CUSTOM,
    level_start,
    own_stream,
    start_seeds,
    starting_factors,
)
from ..initialization.svd_start import INITS
from ..operands.imputed import ImputedOperand
from ..operands.observed import ObservedOperand
from ..operands.observed_factors import factors_of, with_shares
from ..solvers.composed.many_starts import ManyStarts
from ..solvers.steps.batch_problem import LossAtScale
from ..solvers.steps.quadratic_iteration import factor_penalties
from . import loop
from .checkpoints.files import Checkpoints, Past
from .checkpoints.fingerprint import fingerprint
from .constraint_start import kept_within, started_within
from .dead_components import warn_of_dead
from .loop import Outcome
from .plan import FIXED, Plan
from .plan_units import in_units, require_ordinary
from .preparation import validate_entries
from .stages import count_models, in_precision, staged_solver

GIVEN = (CUSTOM, FIXED)
"""Starts of which the caller gives H."""
WEIGHTS = ("alpha", "l1_ratio", "regularization", "alpha_W", "alpha_H")
"""Names of the parameters that define the penalties."""
LEAST_SHARE = {np.dtype(np.float64): 1e-5, np.dtype(np.float32): 1e-2}
"""Share of ½‖X‖² (Kullback-Leibler: of the sum of X) below which the loss is computed directly. The
objective has an absolute error of about 4e-16 (float64) and 6e-9 (float32) of ½‖X‖²."""


def run(plan: Plan) -> FactorizationResult:
    """Factorize X, or solve for W, by a plan.

    Raises
    ------
    KeyboardInterrupt
        If the run is interrupted; the attribute `result` of the error holds the factors so
        far.
    ValueError, TypeError
        If W or H is invalid, or an entry of X is negative or not finite.
    TimeoutError
        If the time limit passes before X has been read once.
    """
    plan = _with_held_X(plan).stored_by_rows()
    with plan.held_blas(), deadline.time_limit(plan.limits.max_time):
        plan = in_units(plan)
        outcome, factors, loss = _carry_out(plan)
    if plan.units:
        plan.units.history(outcome.history)
        factors, loss = plan.units.outside(*factors), None
    result = _result(plan, outcome, factors, loss)
    if outcome.interrupt is not None:
        raise with_result(outcome.interrupt, result)
    text = _advice(plan, result)
    if text is not None:
        validation.warn(text, ConvergenceWarning)
    return result


def _advice(plan: Plan, result: FactorizationResult) -> str | None:
    """Return the sentence about an end without convergence, if it deserves one."""
    limits, reason = plan.limits, result.stop_reason
    # a limit of a call around this one is for that call to tell of
    if reason is StopReason.MAX_TIME and limits.max_time is not None:
        if not plan.update_H:
            return ROWS_LEFT.format(max_time=limits.max_time)
        if result.n_iter == 0:
            return ADVICE[reason].format(max_time=limits.max_time)
    if reason is StopReason.MAX_ITER and limits.tol > 0 and plan.task.warns:
        return ADVICE[reason].format(max_iter=plan.parameters.max_iter, tol=limits.tol)
    return None


class Started(NamedTuple):
    """The factors that a fit starts from, or those that it resumes from."""

    seeds: list[int]
    stream: np.random.RandomState | None
    checkpoints: Checkpoints | None
    past: Past | None
    W: Any
    Ht: Array


class Begun(NamedTuple):
    """A fit that is ready to iterate."""

    solver: SolverBase
    problem: Problem
    past: Past


def _carry_out(plan: Plan) -> tuple[Outcome, tuple[Array, Array], float | None]:
    """Iterate; return the outcome, the factors, and their loss if it is known."""
    started = _started(plan)
    try:
        solver, problem, past = _begin(plan, started)
    except deadline.OutOfTime:
        return _as_started(plan, started)
    checkpoints = started.checkpoints
    del started  # the state may have copies of the factors
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
    except deadline.OutOfTime:
        outcome.stop_reason = StopReason.MAX_TIME
        factors = outcome.state.W, outcome.state.Ht
    objective = _last_objective(plan, solver, problem, outcome)
    loss = None
    if objective is not None:
        with deadline.no_limit():  # it takes no pass over X
            loss = _loss_of(problem, objective, *factors)
    ended = outcome.stop_reason in (StopReason.CONVERGED, StopReason.MAX_ITER)
    if ended and plan.update_H and plan.task.polishes and plan.constraints is None:
        warn_of_dead(problem, solver.name, outcome.history.objective, *factors)
    if isinstance(problem.X, ObservedOperand):
        observed = factors_of(problem.X, factors, plan.update_H)
        factors = kept_within(plan.constraints, *observed, plan.update_H)
    return outcome, factors, loss


def _with_held_X(plan: Plan) -> Plan:
    """Return the plan with a callback that can't change what was checked of X."""
    callback, X = plan.limits.callback, plan.X
    if callback is None:
        return plan

    def call(iteration: Iteration) -> bool | None:
        with X.held():
            return callback(iteration)

    limits = dataclasses.replace(plan.limits, callback=call)
    return dataclasses.replace(plan, limits=limits)


def _last_objective(
    plan: Plan, solver: SolverBase, problem: Problem, outcome: Outcome
) -> float | None:
    """Return the objective of the factors, if it is to be had without another pass."""
    if not plan.update_H or plan.constraints is not None:
        return None  # penalties of constraints are part of the objective
    known = outcome.history.objective
    if outcome.interrupt is not None:  # solvers with a polish keep the best pair
        is_last = outcome.whole and type(solver).polish is SolverBase.polish
        return known[-1] if is_last and known and plan.tells_loss else None
    if outcome.stop_reason is not StopReason.MAX_TIME:
        return known[-1] if plan.tells_loss else None
    best = solver.best_objective(problem, outcome.state)
    if best is not None or not outcome.whole or not known:
        return best
    return known[-1]


def _as_started(
    plan: Plan, started: Started
) -> tuple[Outcome, tuple[Array, Array], float | None]:
    """Return the start, or what the fit would have gone on from, as the outcome."""
    past = started.past
    if past is not None:
        state, history = past.state, past.history
    else:
        with deadline.no_limit():
            W = plan.X.to_rows_of_X(started.W)
        state, history = State(W, started.Ht), History()
    outcome = Outcome(state, StopReason.MAX_TIME, history)
    factors = state.W, state.Ht
    if isinstance(plan.X, ObservedOperand):
        factors = plan.X.unscaled(*factors)
    return outcome, factors, None


def _loss_of(problem: Problem, objective: float, W: Array, Ht: Array) -> float | None:
    """Return the loss by the penalised objective, or None if it has too few digits."""
    loss = objective - factor_penalties(problem, W, Ht)
    size = problem.loss.size(problem.X)
    # the comparison is false for NaN
    known = loss > LEAST_SHARE[problem.X.dtype] * max(size, objective)
    return float(loss) if known else None


def _started(plan: Plan) -> Started:
    # both are drawn before the first start advances a RandomState instance
    seeds = start_seeds(plan.parameters) if plan.update_H else []
    stream = own_stream(plan.parameters) if plan.compress else None
    checkpoints, past = _open_checkpoints(plan)
    if past is None:
        W, Ht = _starting_factors(plan)
    else:
        W, Ht = past.state.W, past.state.Ht
    return Started(seeds, stream, checkpoints, past, W, Ht)


def _begin(plan: Plan, started: Started) -> Begun:
    X, seeds = plan.X, started.seeds
    W, Ht, past = started.W, started.Ht, started.past
    if not X.checks_as_read:
        validate_entries(X)
    require_ordinary(plan)
    problem = _problem(plan, Ht.shape[1])
    solver = staged_solver(plan, Ht.shape[1], started.stream)
    if past is None:
        W = X.to_rows_of_X(W)
    if len(seeds) > 1:
        if past is not None:
            seeds = seeds[: count_models(past.state)]
        solver = _several(solver, problem, plan, None if past else (W, Ht), seeds)
    solver = in_precision(plan, solver, past)
    if past is None:
        state = plan.start.state
        past = Past(
            solver.start(problem, W, Ht)
            if state is None
            else solver.resume(problem, state, W)
        )
    return Begun(solver, problem, past)


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
    """Return the start of the plan; where time is over, one that takes no product with X.

    Raises
    ------
    TimeoutError
        If time is over before X has been read once.
    """
    try:
        return _made_start(plan, plan.start.init)
    except deadline.OutOfTime:
        quick = "random" if plan.start.init in INITS else plan.start.init
        try:
            with nullcontext() if plan.X.in_parts else deadline.no_limit():
                return _made_start(plan, quick)
        except deadline.OutOfTime:
            raise deadline.nothing_read(plan.limits.max_time) from None


def _made_start(plan: Plan, init: str) -> tuple[Array, Array]:
    X, start = plan.X, plan.start
    if start.fixed is not None:
        level = level_start(X, plan.k, start.positive)
        W, Ht = started_within(plan, level, start.fixed.Ht)
        return X.scaled(W, Ht) if isinstance(X, ObservedOperand) else (W, Ht)
    if start.state is None:
        parameters = plan.parameters
        if plan.update_H and parameters.init != init:
            parameters = dataclasses.replace(parameters, init=init)
        W, Ht = _scaled_start(
            X, parameters, start.W, start.H, plan.update_H, start.positive
        )
        if plan.units and start.init in GIVEN:
            given_W, Ht = plan.units.inside(W, Ht)
            W = given_W if start.init == CUSTOM else W
    else:
        Ht, init = start.state.Ht, CUSTOM
    if plan.task.is_step:  # the step solves for its rows anew
        W = np.zeros((X.shape[0], Ht.shape[1]), X.dtype)
    return started_within(plan, W, Ht, init)


def _scaled_start(
    X: Operand, parameters: Parameters, *start: Any
) -> tuple[Array, Array]:
    """Return a start of the factors of X as the solver sees it."""
    if not isinstance(X, ObservedOperand):
        return starting_factors(X, parameters, *start)
    if not start[2] or parameters.init in (CUSTOM, "random"):
        return X.scaled(*starting_factors(X, parameters, *start))
    # singular vectors are those of X with its missing entries imputed
    imputed = ImputedOperand.of(X)
    return imputed.in_scale_of(X, *starting_factors(imputed, parameters, *start))


def _problem(plan: Plan, k: int) -> Problem:
    X, fixed = plan.X, plan.start.fixed
    weights = {name: vars(plan.parameters)[name] for name in WEIGHTS}
    penalties = scaled_penalties(k, X.shape, **weights)
    penalty_W, penalty_H = plan.units.penalties(*penalties)
    if isinstance(X, ObservedOperand):
        counted = plan.parameters.alpha == 0
        penalty_W, penalty_H = with_shares(X, penalty_W, penalty_H, counted)
        fixed = None  # its Gram matrix is that of H without scales
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
    others, starts = [], []
    if first is not None:
        starts.append(first)
    for seed in seeds[1:]:
        deadline.check()
        others.append(dataclasses.replace(problem, random_state=seed))
        if first is not None:
            start_parameters = dataclasses.replace(
                plan.parameters, init="random", random_state=seed,
                n_components=first[1].shape[1],
            )  # fmt: skip
            W, Ht = _scaled_start(problem.X, start_parameters, None, None, True)
            W, Ht = started_within(plan, W, Ht)
            starts.append((problem.X.to_rows_of_X(W), Ht))
    # an iterator lets go of them when all models have begun, which may be in float32
    return ManyStarts(solver, [problem, *others], iter(starts))


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
