"""Wires batches, loss, penalties, solver and loop into a fit by mini-batches."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..base import validation
from ..base.interfaces import Array, LossBase, Operand, Problem, State
from ..base.minibatch_parameters import BatchParameters
from ..base.penalties import scaled_penalties
from ..base.records import ADVICE, FactorizationResult, StopReason
from ..base.threads import single_threaded_blas
from ..initialization.given_start import level_start, starting_factors
from ..initialization.svd_start import resolve_init
from ..losses.beta import make_loss
from ..operands.registration import as_operand
from ..operands.streamed.row_batches import RowBatch, row_batches
from ..solvers.block_least_squares import Incremental
from ..solvers.fixed_h_mu import SettledRows
from ..solvers.minibatch import MiniBatch
from ..solvers.steps.batch_problem import LossAtScale
from .checkpoints.files import Past
from .fixed_factor import FixedFactor
from .loop import Limits, Outcome, polish, run
from .preparation import checkpoints_for, validate_entries
from .run import factorize

EXACT = "hals"
"""Solver whose transform solves for W exactly."""
Turning: TypeAlias = MiniBatch | Incremental


@dataclass(frozen=True, eq=False)
class BatchResult(FactorizationResult):
    """A fit by mini-batches, whose `n_iter` counts steps.

    Attributes
    ----------
    state : State
        What `next_batch` goes on from.
    steps_per_pass : int
        Mini-batches of X.
    """

    state: State
    steps_per_pass: int


def fit_batches(
    X: Operand, parameters: BatchParameters, W: Any = None, H: Any = None
) -> BatchResult:
    """Fit X in passes over its batches of rows.

    Parameters
    ----------
    X : Operand of shape (n_samples, n_features)
    parameters : BatchParameters
        As `validated` returns them.
    W, H : array-like or None
        The start for init="custom". They are copied.

    Raises
    ------
    KeyboardInterrupt
        If it was interrupted; its attribute `result` holds the factors so far.
    ValueError, TypeError
        If W or H is not what it has to be, or the loss is impossible for X.
    """
    loss = _checked_loss(X, parameters)
    with single_threaded_blas():
        X = X.stored_by_rows()
        batches = row_batches(X, parameters.batch_size)
        n_steps = parameters.max_iter * len(batches)
        solver = _updater(parameters, batches, X.shape[0], n_steps)
        solver.require(loss, X)
        checkpoints, past = checkpoints_for(X, parameters, W, H)
        if past is None:
            W, Ht = _starting_factors(X, parameters, W, H)
        else:
            W, Ht = past.state.W, past.state.Ht
        validate_entries(X)
        problem = _problem(X, loss, parameters, Ht.shape[1])
        limits = _limits(parameters, n_steps)
        if past is None:
            past = Past(solver.start(problem, W, Ht))
        outcome = run(solver, problem, past, limits, checkpoints)
        polish(solver, problem, outcome)
        solver.finish(problem, outcome.state)
    state = outcome.state
    result = BatchResult(
        **_found(outcome, solver.name),
        state=_without_W(state),
        steps_per_pass=len(batches),
    )
    if outcome.interrupt is not None:
        outcome.interrupt.result = result  # type: ignore[attr-defined]
        raise outcome.interrupt
    if result.stop_reason is StopReason.MAX_ITER and parameters.tol > 0:
        advice = ADVICE[StopReason.MAX_ITER]
        text = advice.format(max_iter=parameters.max_iter, tol=parameters.tol)
        validation.warn(text, ConvergenceWarning)
    return result


def next_batch(
    X: Operand,
    parameters: BatchParameters,
    state: State | None,
    W: Any = None,
    H: Any = None,
) -> State:
    """One step with X as the mini-batch; what the next one goes on from.

    Parameters
    ----------
    X : Operand of shape (n_rows, n_features)
    parameters : BatchParameters
        As `validated` returns them.
    state : State or None
        From the last step, or a fit; it is left as it is. None starts from X, or from W
        and H with init="custom".
    W, H : array-like or None
        As in `fit_batches`; looked at only without a state.
    """
    loss = _checked_loss(X, parameters)
    with single_threaded_blas():
        X = X if state is None else _of_dtype(X, state.Ht.dtype)
        X = X.stored_by_rows()
        batches = [RowBatch(slice(0, X.shape[0]), X)]
        solver = _streaming(_updater(parameters, batches, X.shape[0], 0))
        solver.require(loss, X)
        if state is None:
            _, Ht = _starting_factors(X, parameters, W, H)
        else:
            Ht = state.Ht
        problem = _problem(X, loss, parameters, Ht.shape[1])
        empty = np.zeros((X.shape[0], Ht.shape[1]), dtype=X.dtype)
        if state is None:
            state = solver.start(problem, empty, Ht)
        else:
            state = solver.resume(problem, state, empty)
        limits = dataclasses.replace(
            _limits(parameters, state.n_iter + 1), max_time=None, verbose=0
        )
        outcome = run(solver, problem, Past(state), limits)
        solver.finish(problem, outcome.state)
    if outcome.interrupt is not None:
        raise outcome.interrupt
    return _without_W(outcome.state)


def transform_rows(
    X: Operand, parameters: BatchParameters, fixed: FixedFactor
) -> FactorizationResult:
    """W beside a fixed H: multiplicative steps, or exactly for exact statistics."""
    k = fixed.Ht.shape[1]
    if parameters.exact_statistics:
        parameters = dataclasses.replace(parameters, solver=EXACT, n_components=k)
        return factorize(X, parameters, fixed=fixed)
    loss = _checked_loss(X, parameters)
    with single_threaded_blas():
        problem = dataclasses.replace(
            _problem(X, loss, parameters, k), update_H=False, gram_H=fixed.gram
        )
        solver = SettledRows(parameters.tol)
        state = solver.start(problem, level_start(X, k, True), fixed.Ht)
        limits = _limits(parameters, _most_for_W(parameters))
        quiet = dataclasses.replace(limits, verbose=0, callback=None)
        outcome = run(solver, problem, Past(state), quiet)
    result = FactorizationResult(**_found(outcome, solver.name))
    if outcome.interrupt is not None:
        outcome.interrupt.result = result  # type: ignore[attr-defined]
        raise outcome.interrupt
    return result


def _checked_loss(X: Operand, parameters: BatchParameters) -> LossBase:
    loss = make_loss(parameters.beta_loss)
    if parameters.exact_statistics and "quadratic" not in loss.provides:
        msg = (
            "exact_statistics=True needs beta_loss='frobenius'; got beta_loss="
            f"{parameters.beta_loss!r}. Pass exact_statistics=False: for other losses "
            "there are no such statistics."
        )
        raise ValueError(msg)
    if "terms" not in loss.provides:
        msg = (
            f"MiniBatchNMF can't minimise beta_loss={parameters.beta_loss!r}. Pass a "
            "β-divergence by its name or number."
        )
        raise ValueError(msg)
    loss.require(X)
    return loss


def _starting_factors(
    X: Operand, parameters: BatchParameters, W: Any, H: Any
) -> tuple[Array, Array]:
    k = parameters.n_components
    if k is None or k == "auto":
        k = X.shape[1]
    if parameters.init is None:
        init = resolve_init(None, k, X.shape, positive=True)
        parameters = dataclasses.replace(parameters, init=init)
    # multiplicative steps can't leave zeros; nndsvd has them, and is what was asked for
    moves = parameters.exact_statistics or parameters.init == "nndsvd"
    return starting_factors(X, parameters, W, H, True, positive=not moves)


def _problem(
    X: Operand, loss: LossBase, parameters: BatchParameters, k: int
) -> Problem:
    penalty_W, penalty_H = scaled_penalties(
        k,
        X.shape,
        l1_ratio=parameters.l1_ratio,
        alpha_W=parameters.alpha_W,
        alpha_H=parameters.alpha_H,
    )
    return Problem(
        X,
        LossAtScale(loss, X),
        penalty_W,
        penalty_H,
        random_state=parameters.random_state,
    )


def _updater(
    parameters: BatchParameters,
    batches: list[RowBatch],
    n_samples: int,
    n_steps: int,
) -> Turning:
    if parameters.exact_statistics:
        return Incremental(
            batches, tol=parameters.tol, exact_rows=parameters.fresh_restarts
        )
    size = min(parameters.batch_size, n_samples)
    return MiniBatch(
        batches,
        rho=parameters.forget_factor ** (size / n_samples),
        tol=parameters.tol,
        max_no_improvement=parameters.max_no_improvement,
        fresh=parameters.fresh_restarts,
        fresh_max_iter=parameters.fresh_restarts_max_iter,
        final_max_iter=_most_for_W(parameters),
        n_steps=n_steps,
        verbose=bool(parameters.verbose),
    )


def _streaming(solver: Turning) -> Turning:
    """The same for rows that come once."""
    if isinstance(solver, Incremental):
        return dataclasses.replace(solver, exact_rows=True, stream=True)
    return dataclasses.replace(solver, fresh=True, verbose=False)


def _limits(parameters: BatchParameters, max_iter: int) -> Limits:
    return Limits(
        max_iter=max_iter,
        tol=parameters.tol,
        max_time=parameters.max_time,
        callback=parameters.callback,
        verbose=parameters.verbose,
    )


def _most_for_W(parameters: BatchParameters) -> int:
    own = parameters.transform_max_iter
    return parameters.max_iter if own is None else own


def _of_dtype(X: Operand, dtype: np.dtype[Any]) -> Operand:
    """X in the dtype of the components that are there already."""
    if X.dtype == dtype:
        return X
    native = X.native()
    if native is None:
        msg = (
            f"X has dtype {X.dtype}, but the first batch had {dtype}. Pass all batches "
            "in one dtype."
        )
        raise ValueError(msg)
    return as_operand(native.astype(dtype), X.n_threads)


def _without_W(state: State) -> State:
    return dataclasses.replace(state, W=state.W[:0].copy())


def _found(outcome: Outcome, solver: str) -> dict[str, Any]:
    """What a result says of the loop's outcome."""
    history, state = outcome.history, outcome.state
    objective = history.objective[-1] if history.objective else np.nan
    return {
        "W": state.W,
        "H": np.ascontiguousarray(state.Ht.T),
        "n_iter": state.n_iter,
        "stop_reason": outcome.stop_reason,
        "history": history,
        "objective": None if np.isnan(objective) else float(objective),
        "solver": solver,
    }
