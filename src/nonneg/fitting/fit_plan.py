"""Plans of fits of all of X, and of transforms."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

from ..base.interfaces import Operand, SolverBase
from ..base.parameters import Parameters
from ..initialization.given_start import CUSTOM
from ..losses.beta import make_loss
from ..operands.streamed.disk_rows import FactorFolder, folder_for
from ..operands.streamed.row_batches import RowBatches
from ..solvers.block_least_squares import BlockLeastSquares
from ..solvers.composed.block_warmup import BlocksFirst
from ..solvers.registry import make_solver, solvers
from .constraint_plan import (
    Constraints,
    components_of_fixed,
    constrained,
    constrained_kind,
    constrained_solver,
)
from .fixed_factor import FixedFactor
from .loop import Limits
from .memory_plan import (
    Demand,
    configured,
    is_within,
    plan_memory,
    row_copy_bytes,
    single_bytes,
    sketch_bytes,
    start_bytes,
)
from .plan import FIXED, CheckpointPlan, Plan, Start, Task
from .plan_checks import as_readable, as_weighted, require_possible
from .plan_choices import (
    choose_compression,
    choose_init,
    choose_precision,
    choose_rows_at_once,
    count_components,
    resolve_auto,
)

COMPRESSED, SINGLE = "compressed", "single"
"""Names of what a fit starts on in the place of X."""


def plan(
    X: Operand,
    parameters: Parameters,
    W: Any = None,
    H: Any = None,
    *,
    update_H: bool = True,
    fixed: FixedFactor | None = None,
    out: Any = None,
) -> Plan:
    """Plan a fit or a transform of X by checked parameters.

    Planning reads X at most once, and does not change it.

    Parameters
    ----------
    X : Operand of shape (n_samples, n_features)
    parameters : Parameters
        Parameters that `preparation.validated` has checked.
    W, H : array-like or None
        Start for init="custom"; with `update_H=False`, H is the constant factor.
    update_H : bool
        Whether H moves as well. False: the fit solves for W alone, and W starts as zero or,
        where the solver can't leave zeros, as a constant.
    fixed : FixedFactor or None
        Constant H that is checked already; W, H and `update_H` are then ignored.
    out : object or None
        Object that W is written to after the fit. Arrays of the size of W are then
        on disk beside `out`, if the solver can have them there.

    Raises
    ------
    ValueError
        If the parameters are impossible for X, or on this machine.
    """
    loss = make_loss(parameters.beta_loss)
    update_H = update_H and fixed is None
    parameters = _with_components(parameters)
    k = count_components(X, parameters, _given_H(parameters, H, update_H, fixed))
    wanted = _folder_of(out)
    on_disk = wanted is not None
    parameters, reasons = resolve_auto(X, parameters, loss, k, on_disk, update_H)
    X, reasons["reading"] = as_readable(parameters.solver, X)
    require_possible(parameters, loss, X)
    X, reasons["weights"] = as_weighted(parameters, loss, X)
    X, sides = constrained(X, parameters, loss, k, update_H)
    blocks = parameters.blocks if update_H else None
    kind = _kind(parameters, blocks, sides)
    positive = kind.positive_start
    init, reasons["start"] = _init(parameters, k, X, positive, update_H)
    in_batches = not update_H and out is not None
    rows_at_once = choose_rows_at_once(kind, X, k) if in_batches else None
    demand = _demand(X, parameters, k, kind, init, rows_at_once)
    stage, demand = _first_stage(X, parameters, demand, kind, update_H, reasons)
    memory = plan_memory(X, demand, parameters.memory_limit, wanted)
    X = configured(X, memory)
    if not update_H and kind.reads_once_for_W:
        # the solve is the only pass over X, so it checks the entries
        X = X.checked_as_read()
    solver = _solver(X, parameters, blocks)
    solver.require(loss, X)
    solver = constrained_solver(solver, sides, loss)
    own_limit = solver.iteration_limit(update_H)
    return Plan(
        X=X,
        parameters=parameters,
        loss=loss,
        solver=solver,
        start=Start(init, positive, W, H, fixed),
        k=k,
        limits=limits_of(parameters, own_limit or parameters.max_iter),
        memory=memory,
        update_H=update_H,
        compress=stage == COMPRESSED,
        single=stage == SINGLE,
        checkpoint=plan_checkpoint(parameters) if update_H else None,
        rows_at_once=rows_at_once,
        task=Task("fit" if update_H else "transform", warns=own_limit is None),
        constraints=sides,
        reasons=reasons,
    )


def _with_components(parameters: Parameters) -> Parameters:
    """Return the parameters with n_components="auto" as known entries tell it."""
    if parameters.n_components != "auto":
        return parameters
    k = components_of_fixed(parameters)
    if k is None:
        return parameters
    return dataclasses.replace(parameters, n_components=k)


def _kind(
    parameters: Parameters, blocks: int | None, sides: Constraints | None
) -> type[SolverBase]:
    """Return the class of the solver that a fit goes by."""
    if sides is not None:
        return constrained_kind(parameters.solver)
    return solvers.class_of(parameters.solver) if blocks is None else BlocksFirst


def limits_of(parameters: Parameters, max_iter: int, silent: bool = False) -> Limits:
    """Return the limits of the loop, with its callback and, but for `silent`, verbosity."""
    return Limits.shown(
        max_iter=max_iter,
        tol=parameters.tol,
        max_time=parameters.max_time,
        callback=parameters.callback,
        verbose=0 if silent else parameters.verbose,
    )


def plan_checkpoint(parameters: Parameters) -> CheckpointPlan | None:
    """Return the plan of the checkpoints of a fit, or None if it writes none.

    Raises
    ------
    ValueError
        If `checkpoint` is no file name in an existing folder, or if `resume` is set
        without it.
    """
    if parameters.checkpoint is None:
        if parameters.resume:
            msg = "resume=True needs `checkpoint`, the path to resume from; got None."
            raise ValueError(msg)
        return None
    path = Path(parameters.checkpoint)
    if not Path(os.path.realpath(path)).parent.is_dir() or path.is_dir():
        msg = (
            f"checkpoint={str(path)!r} must be the name of a file in a folder that "
            "exists."
        )
        raise ValueError(msg)
    return CheckpointPlan(path, parameters.checkpoint_every, parameters.resume)


def _folder_of(out: Any) -> FactorFolder | None:
    """Return the folder for arrays of the size of W, if W is written to `out`."""
    return None if out is None else FactorFolder(folder_for(out))


def _given_H(
    parameters: Parameters, H: Any, update_H: bool, fixed: FixedFactor | None
) -> Any:
    """Return the H that determines the number of components, or None."""
    if fixed is not None:
        return fixed.Ht.T
    return H if parameters.init == CUSTOM or not update_H else None


def _init(
    parameters: Parameters, k: int, X: Operand, positive: bool, update_H: bool
) -> tuple[str, str]:
    """Return the name of the start and the reason for it."""
    if not update_H:
        return FIXED, "H is given"
    if parameters.init == CUSTOM:
        return CUSTOM, "W and H are given"
    init, reason = choose_init(parameters.init, k, X.shape, positive)
    return init, reason


def _demand(
    X: Operand,
    parameters: Parameters,
    k: int,
    kind: type[SolverBase],
    init: str,
    rows_at_once: int | None,
) -> Demand:
    """Return the arrays that the fit needs in memory."""
    start = None
    may_be_on_disk = kind.rows_on_disk and not X.is_weighted
    if may_be_on_disk and X.window_bytes and init != FIXED:
        start = start_bytes(init, X, k)
    blocks = parameters.blocks if init != FIXED else None
    # a dense X is read either way as it is
    is_copied = kind.gathers_rows and X.sparse and not X.in_parts
    row_copy = row_copy_bytes(X, both_ways=init != FIXED) if is_copied else 0
    return Demand(
        k, kind.arrays, parameters.n_init, start, blocks, rows_at_once,
        row_copy=row_copy,
    )  # fmt: skip


def _first_stage(
    X: Operand,
    parameters: Parameters,
    demand: Demand,
    kind: type[SolverBase],
    update_H: bool,
    reasons: dict[str, str],
) -> tuple[str, Demand]:
    """Return what the fit starts on in the place of X, or "", and the arrays then.

    The reasons are entered.
    """
    limit = parameters.memory_limit
    if update_H and parameters.compress is not False:
        sketched = dataclasses.replace(demand, sketch=sketch_bytes(X, demand.k))
        fits = is_within(limit, X, sketched)
        chosen, reason = choose_compression(parameters, X, demand.k, fits)
        reasons["compression"] = reason
        if chosen:
            return COMPRESSED, sketched
    if update_H and kind.recasts:
        single = dataclasses.replace(demand, single=single_bytes(X, demand))
        fits = is_within(limit, X, single)
        chosen, reason = choose_precision(parameters, X, demand.k, fits)
        if reason:
            reasons["precision"] = reason
        if chosen:
            return SINGLE, single
    return "", demand


def _solver(X: Operand, parameters: Parameters, blocks: int | None) -> SolverBase:
    """Return the solver; with `blocks`, its first passes move H after each block of rows."""
    options = vars(parameters)
    solver = make_solver(**options)
    if blocks is None:
        return solver
    batches = RowBatches(X, -(-X.shape[0] // blocks))
    first = BlockLeastSquares(batches, tol=parameters.tol, by_pass=True)
    return BlocksFirst(first, solver)
