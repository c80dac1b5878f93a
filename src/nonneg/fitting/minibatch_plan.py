"""Plans of fits by mini-batches, of single steps, and of the transforms of such fits."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from ..base.interfaces import LossBase, Operand, State
from ..base.live_bar import PROGRESS
from ..base.minibatch_parameters import BatchParameters
from ..initialization.given_start import CUSTOM
from ..losses.beta import make_loss
from ..operands.registration import as_operand
from ..operands.streamed.row_batches import RowBatch, RowBatches
from ..solvers.block_least_squares import BlockLeastSquares
from ..solvers.fixed_h_mu import FixedHMultiplicative
from ..solvers.minibatch import MiniBatch
from ..solvers.steps.batch_constraints import BatchConstraints
from .constraint_plan import (
    Constraints,
    batch_constraints,
    given_constraints,
    warn_of_one_side,
)
from .fit_plan import limits_of, plan, plan_checkpoint
from .fixed_factor import FixedFactor
from .memory_plan import Demand, plan_memory, row_copy_bytes
from .plan import FIXED, Plan, Start, Task
from .plan_checks import reading_reason
from .plan_choices import choose_init, count_components

EXACT = "hals"
"""Solver whose transform solves for W exactly."""
BATCHES = Task("fit by mini-batches", at_scale=True, keeps_state=True)
STEP = Task(
    "one mini-batch", polishes=False, warns=False, at_scale=True, keeps_state=True,
    is_step=True,
)  # fmt: skip
ROWS = Task("transform", warns=False, at_scale=True)
Stepping: TypeAlias = MiniBatch | BlockLeastSquares
"""Solvers whose iterations take one mini-batch each."""


def plan_batches(
    X: Operand, parameters: BatchParameters, W: Any = None, H: Any = None
) -> Plan:
    """Plan a fit of X in passes over its batches of rows.

    Parameters
    ----------
    X : Operand of shape (n_samples, n_features)
    parameters : BatchParameters
        Parameters that `preparation.validated` has checked.
    W, H : array-like or None
        Start for init="custom".

    Raises
    ------
    ValueError
        If the loss is impossible for X.
    """
    _refuse_workers(X)
    warn_of_one_side(parameters)
    loss = _require_loss(X, parameters)
    batches = RowBatches(X, parameters.batch_size)
    n_steps = parameters.max_iter * len(batches)
    start, k, reason = _start(X, parameters, W, H)
    sides = batch_constraints(X, parameters, k)
    solver = _solver(parameters, batches, X.shape[0], n_steps, sides)
    solver.require(loss, X)
    return Plan(
        X=X,
        parameters=parameters,
        loss=loss,
        solver=solver,
        start=start,
        k=k,
        limits=limits_of(parameters, n_steps),
        memory=plan_memory(
            X, Demand(k, solver.arrays, row_copy=row_copy_bytes(X)), None
        ),
        checkpoint=plan_checkpoint(parameters),
        copies_rows=X.by_columns,
        steps_per_pass=len(batches),
        constraints=sides,
        task=BATCHES,
        reasons={
            "solver": _why(parameters),
            "start": reason,
            "reading": "copied by rows before the first iteration"
            if X.by_columns
            else reading_reason(X),
        },
    )


def plan_step(
    X: Operand,
    parameters: BatchParameters,
    state: State | None,
    W: Any = None,
    H: Any = None,
) -> Plan:
    """Plan one step with X as the mini-batch.

    Parameters
    ----------
    X : Operand of shape (n_rows, n_features)
    parameters : BatchParameters
        Parameters that `preparation.validated` has checked.
    state : State or None
        State of the last step or of a fit, which is not changed. With None the step starts
        from X, or from W and H with init="custom".
    W, H : array-like or None
        Start for init="custom"; ignored with a state.
    """
    _refuse_workers(X)
    loss = _require_loss(X, parameters)
    if state is not None:
        X = _in_dtype(X, state.Ht.dtype)
    X = X.stored_by_rows()
    batches = [RowBatch(slice(0, X.shape[0]), X)]
    n_steps = 0 if state is None else state.n_iter
    if state is None:
        start, k, reason = _start(X, parameters, W, H)
    else:
        start, reason = (
            Start("earlier steps", state=state),
            "the model was fitted before",
        )
        k = state.Ht.shape[1]
    sides = batch_constraints(X, parameters, k)
    solver = _for_stream(_solver(parameters, batches, X.shape[0], 0, sides))
    solver.require(loss, X)
    limits = dataclasses.replace(
        limits_of(parameters, n_steps + 1, silent=True), max_time=None
    )
    return Plan(
        X=X,
        parameters=parameters,
        loss=loss,
        solver=solver,
        start=start,
        k=k,
        limits=limits,
        memory=plan_memory(X, Demand(k, solver.arrays), None),
        task=STEP,
        constraints=sides if state is None else None,
        reasons={"solver": _why(parameters), "start": reason, "reading": ""},
    )


def plan_rows(
    X: Operand, parameters: BatchParameters, fixed: FixedFactor, out: Any = None
) -> Plan:
    """Plan a solve for W beside a fixed H.

    With `exact_statistics`, and within constraints on W where the loss is the quadratic one
    or the Kullback-Leibler divergence, the solve is exact; else it makes multiplicative
    updates.
    """
    k = fixed.Ht.shape[1]
    solver_of_rows = EXACT if parameters.exact_statistics else None
    if given_constraints(parameters, "W"):
        provided = make_loss(parameters.beta_loss).provides
        by_newton = "sn" if "poisson" in provided else "mu"
        solver_of_rows = EXACT if "quadratic" in provided else by_newton
    if solver_of_rows is not None:
        parameters = dataclasses.replace(
            parameters, solver=solver_of_rows, n_components=k
        )
        return plan(X, parameters, fixed=fixed, out=out)
    solver = FixedHMultiplicative(parameters.tol)
    limits = limits_of(parameters, _most_for_W(parameters), silent=True)
    return Plan(
        X=X,
        parameters=parameters,
        loss=_require_loss(X, parameters),
        solver=solver,
        start=Start(FIXED, positive=True, fixed=fixed),
        k=k,
        limits=dataclasses.replace(limits, callback=None),
        memory=plan_memory(X, Demand(k, solver.arrays), None),
        update_H=False,
        task=ROWS,
        reasons={
            "solver": "multiplicative updates of W alone",
            "start": "H is given",
            "reading": reading_reason(X),
        },
    )


def _refuse_workers(X: Operand) -> None:
    """Refuse a Dask array, whose rows are on workers."""
    if X.on_workers:
        msg = (
            "X is a Dask array, and MiniBatchNMF needs its rows here. Pass X.compute(), or "
            "its blocks in turn, (block.compute() for block in X.blocks), or fit NMF."
        )
        raise ValueError(msg)


def _require_loss(X: Operand, parameters: BatchParameters) -> LossBase:
    """Return the loss, or refuse one that can't be minimised by mini-batches."""
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


def _start(
    X: Operand, parameters: BatchParameters, W: Any, H: Any
) -> tuple[Start, int, str]:
    """Return the start, the number of components, and the reason for the start."""
    k = count_components(X, parameters, H if parameters.init == CUSTOM else None)
    init, reason = parameters.init, "as asked for"
    if init is None:
        init, reason = choose_init(None, k, X.shape, positive=True)
    # multiplicative updates can't leave zeros; init="nndsvd" asks for a start with zeros
    moves = parameters.exact_statistics or init == "nndsvd"
    return Start(init, not moves, W, H), k, reason


def _solver(
    parameters: BatchParameters,
    batches: Sequence[RowBatch],
    n_samples: int,
    n_steps: int,
    sides: Constraints | None,
) -> Stepping:
    if parameters.exact_statistics:
        return BlockLeastSquares(
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
        verbose=bool(parameters.verbose) and parameters.verbose != PROGRESS,
        sides=None if sides is None else BatchConstraints(*sides),
    )


def _for_stream(solver: Stepping) -> Stepping:
    """Return the form of the solver for rows that come once."""
    if isinstance(solver, BlockLeastSquares):
        return dataclasses.replace(solver, exact_rows=True, stream=True)
    return dataclasses.replace(solver, fresh=True, verbose=False)


def _why(parameters: BatchParameters) -> str:
    if parameters.exact_statistics:
        return "exact_statistics=True"
    return "multiplicative updates, earlier batches fading out"


def _most_for_W(parameters: BatchParameters) -> int:
    limit = parameters.transform_max_iter
    return parameters.max_iter if limit is None else limit


def _in_dtype(X: Operand, dtype: np.dtype[Any]) -> Operand:
    """Return X in the dtype of the earlier components."""
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
