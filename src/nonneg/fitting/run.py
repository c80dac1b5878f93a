"""Wires operand, loss, penalties, solver and loop into one factorization."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..base import validation
from ..base.interfaces import Array, Operand, Problem, SolverBase
from ..base.parameters import Parameters
from ..base.penalties import scaled_penalties
from ..base.records import ADVICE, FactorizationResult, StopReason
from ..base.threads import single_threaded_blas
from ..initialization.given_start import (
    level_start,
    own_stream,
    restart_seeds,
    starting_factors,
)
from ..losses.beta import make_loss
from ..operands.low_rank import compressed
from ..solvers.composed.compressed_start import CompressedStart
from ..solvers.composed.restarts import Batch
from ..solvers.registry import solver_name
from .checkpoints.files import Past
from .choice import as_readable, compresses, require_possible
from .fixed_factor import FixedFactor
from .loop import Limits, Outcome, polish, run
from .preparation import (
    checkpoints_for,
    limit_memory,
    resolve_auto,
    solver_for,
    validate_entries,
)


def factorize(
    X: Operand,
    parameters: Parameters,
    W: Any = None,
    H: Any = None,
    *,
    update_H: bool = True,
    fixed: FixedFactor | None = None,
) -> FactorizationResult:
    """Factorize X by checked parameters.

    Parameters
    ----------
    X : Operand of shape (n_samples, n_features)
    parameters : Parameters
        As `validated` returns them.
    W, H : array-like or None
        The start for init="custom"; H also the constant for `update_H=False`.
        They are copied.
    update_H : bool
        False solves for W alone, from zero.
    fixed : FixedFactor or None
        The same with a checked H; then W, H and `update_H` are not looked at.

    Returns
    -------
    FactorizationResult

    Raises
    ------
    KeyboardInterrupt
        If a fit was interrupted; its attribute `result` holds the factors so far.
    ValueError, TypeError
        If W or H is not what it has to be, or the start is impossible for the shape.
    """
    loss = make_loss(parameters.beta_loss)
    parameters = resolve_auto(X, X.resolve_for_operand(parameters), loss, H)
    X = as_readable(parameters.solver, X)
    require_possible(parameters, loss, X)
    update_H = update_H and fixed is None
    solver = solver_for(X, parameters, update_H)
    solver.require(loss, X)
    limit_memory(X, parameters, solver, H if fixed is None else fixed.Ht.T, update_H)
    positive = solver.positive_start
    # drawn before the first start advances a RandomState instance
    seeds, stream = restart_seeds(parameters), own_stream(parameters)
    with single_threaded_blas():
        checkpoints = past = None
        if update_H:
            checkpoints, past = checkpoints_for(X, parameters, W, H)
        if past is not None:
            W, Ht = past.state.W, past.state.Ht
        elif fixed is None:
            W, Ht = starting_factors(X, parameters, W, H, update_H, positive)
        else:
            Ht = fixed.Ht
            W = level_start(X, Ht.shape[1], positive)
        validate_entries(X)
        penalties = scaled_penalties(Ht.shape[1], X.shape, **_weights(parameters))
        gram_H = None if fixed is None else fixed.gram
        problem = Problem(
            X, loss, *penalties, update_H, parameters.random_state, gram_H
        )
        own_limit = solver.iteration_limit(problem)
        limits = _limits(parameters, own_limit)
        if update_H and compresses(parameters, X, Ht.shape[1]):
            sketch = compressed(X, Ht.shape[1], stream)
            solver = CompressedStart(solver, sketch, parameters.max_iter)
        W = W if past is not None else X.to_rows_of_X(W)
        if parameters.n_init > 1 and update_H:
            start = None if past is not None else (W, Ht)
            solver = _several(solver, problem, parameters, start, seeds)
        if past is None:
            past = Past(solver.start(problem, W, Ht))
        outcome = run(solver, problem, past, limits, checkpoints)
        polish(solver, problem, outcome)
        try:
            W, Ht = solver.finish(problem, outcome.state)
        except KeyboardInterrupt as interrupt:
            outcome.interrupt = interrupt
            outcome.stop_reason = StopReason.INTERRUPTED
            W, Ht = outcome.state.W, outcome.state.Ht
    result = _result(W, Ht, outcome, solver_name(parameters.solver))
    if outcome.interrupt is not None:
        outcome.interrupt.result = result  # type: ignore[attr-defined]
        raise outcome.interrupt
    unconverged = result.stop_reason is StopReason.MAX_ITER and parameters.tol > 0
    if unconverged and own_limit is None:
        advice = ADVICE[StopReason.MAX_ITER]
        validation.warn(
            advice.format(max_iter=parameters.max_iter, tol=parameters.tol),
            ConvergenceWarning,
        )
    return result


def _limits(parameters: Parameters, own_limit: int | None) -> Limits:
    return Limits(
        max_iter=own_limit or parameters.max_iter,
        tol=parameters.tol,
        max_time=parameters.max_time,
        callback=parameters.callback,
        verbose=parameters.verbose,
    )


def _weights(parameters: Parameters) -> dict[str, Any]:
    """The parameters that penalties are made of."""
    names = "alpha", "l1_ratio", "regularization", "alpha_W", "alpha_H"
    return {name: getattr(parameters, name) for name in names}


def _several(
    solver: SolverBase,
    problem: Problem,
    parameters: Parameters,
    first: tuple[Array, Array] | None,
    seeds: list[int],
) -> Batch:
    """`n_init` models: the one asked for, and further ones that start randomly.

    Without a first start they have begun already.
    """
    others = [dataclasses.replace(problem, random_state=seed) for seed in seeds[1:]]
    starts = []
    if first is not None:
        starts.append(first)
        for seed in seeds[1:]:
            own = dataclasses.replace(
                parameters, init="random", random_state=seed,
                n_components=first[1].shape[1],
            )  # fmt: skip
            W, Ht = starting_factors(problem.X, own, None, None, True)
            starts.append((problem.X.to_rows_of_X(W), Ht))
    return Batch(solver, [problem, *others], starts)


def _result(W: Array, Ht: Array, outcome: Outcome, solver: str) -> FactorizationResult:
    objectives = outcome.history.objective or [np.nan]
    # what is kept of an interrupted fit is the best pair, not the last one
    interrupted = outcome.interrupt is not None and not np.isnan(objectives).all()
    objective = np.nanmin(objectives) if interrupted else objectives[-1]
    return FactorizationResult(
        W=W,
        H=np.ascontiguousarray(Ht.T),
        n_iter=outcome.state.n_iter,
        stop_reason=outcome.stop_reason,
        history=outcome.history,
        objective=None if np.isnan(objective) else float(objective),
        solver=solver,
    )
