"""What a fit is made from: X in its operand, checked parameters, and their solver."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

from .. import stores  # noqa: F401  (stores enter themselves)
from ..base import validation
from ..base.interfaces import LossBase, Operand, SolverBase
from ..base.parameters import Parameters
from ..base.threads import resolve_n_threads
from ..initialization.given_start import CUSTOM, INITS
from ..initialization.svd_start import resolve_init
from ..losses.registry import losses
from ..operands.registration import as_operand, has_own_operand
from ..operands.streamed.row_batches import row_batches
from ..solvers.block_least_squares import Incremental
from ..solvers.composed.block_warmup import BlocksFirst
from ..solvers.registry import make_solver, solvers
from .checkpoints.files import Checkpoints, Past
from .checkpoints.fingerprint import fingerprint
from .choice import AUTO, choose_blocks, choose_solver
from .memory_plan import begin_within, fit_into, start_bytes


def prepare_X(
    X: Any,
    n_threads: int | None,
    whom: str = "NMF",
    memory_limit: Any = None,
    look: bool = True,
) -> Operand:
    """Check a non-negative X and wrap it in its operand.

    What a plug-in operand has registered for itself is that operand's to check. Without
    `look` the entries of an X that is read in parts are for `factorize` to look over.
    """
    n_threads = resolve_n_threads(n_threads)
    if has_own_operand(X):
        operand = as_operand(X, n_threads)
        if operand.in_parts:
            begin_within(memory_limit, operand)
            if look:
                validate_entries(operand)
        return operand
    operand = as_operand(validation.check_X(X, whom, assume_finite=True), n_threads)
    stats = operand.stats()
    if not math.isfinite(
        stats.sum
    ):  # of NaN that were assumed away, or of huge entries
        validation.check_X(X, whom)
    validation.require_non_negative(stats.smallest, f"{whom} (input X)")
    return operand


def validate_entries(X: Operand) -> None:
    """Look over the entries of an X that is read in parts, unless that is done.

    Raises
    ------
    ValueError
        If one is negative or not finite; its row is named.
    """
    if X.in_parts:
        X.stats()


def validated(parameters: Parameters) -> Parameters:
    """Check the parameters against the solvers and starts that there are."""
    return parameters.validated((*solvers, AUTO), INITS, tuple(losses))


def resolve_auto(
    X: Operand, parameters: Parameters, loss: LossBase, H: Any
) -> Parameters:
    """The parameters with what solver="auto" stands for, if it is asked for."""
    if parameters.solver != AUTO:
        return parameters
    parameters = dataclasses.replace(parameters, solver=choose_solver(loss))
    blocks = choose_blocks(parameters, X, n_components(X, parameters, H))
    return dataclasses.replace(parameters, blocks=blocks)


def n_components(X: Operand, parameters: Parameters, H: Any) -> int:
    """Number of components that a fit has; `H` is the start or None."""
    if isinstance(parameters.n_components, int):
        return parameters.n_components
    return X.shape[1] if H is None else len(H)


def solver_for(X: Operand, parameters: Parameters, update_H: bool) -> SolverBase:
    """The solver, or its form whose first passes move H after each block of rows."""
    options = vars(parameters)
    solver = make_solver(**options)
    if parameters.blocks is None or not update_H:
        return solver
    size = -(-X.shape[0] // parameters.blocks)
    batches = row_batches(X.stored_by_rows(), size)
    first = Incremental(batches, tol=parameters.tol, by_pass=True)
    return BlocksFirst(first, solver)


def checkpoints_for(
    X: Operand, parameters: Parameters, W: Any, H: Any
) -> tuple[Checkpoints | None, Past | None]:
    """What writes the checkpoints of a fit, and what it goes on from, where asked for.

    Raises
    ------
    ValueError
        If there is no folder for them, the file is no checkpoint, or `resume` has
        nothing to resume from.
    """
    if parameters.checkpoint is None:
        if parameters.resume:
            msg = "resume=True needs `checkpoint`, the path to resume from; got None."
            raise ValueError(msg)
        return None, None
    path = Path(parameters.checkpoint)
    if not path.parent.is_dir() or path.is_dir():
        msg = (
            f"checkpoint={str(path)!r} must be the name of a file in a folder that "
            "exists."
        )
        raise ValueError(msg)
    known = fingerprint(X, parameters, W, H)
    checkpoints = Checkpoints(path, parameters.checkpoint_every, known)
    checkpoints.require_replaceable()
    checkpoints.adopt_existing_files()
    return checkpoints, checkpoints.read(X) if parameters.resume else None


def limit_memory(
    X: Operand,
    parameters: Parameters,
    solver: SolverBase,
    H: Any,
    update_H: bool = True,
) -> None:
    """Keep the fit within `memory_limit`, if there is one, or refuse it.

    Where its arrays of the size of W go is decided here too.
    """
    k = n_components(X, parameters, H)
    start, init = None, parameters.init
    if update_H and X.in_parts:
        if init != CUSTOM:
            init = resolve_init(init, k, X.shape, solver.positive_start)
        start = start_bytes(init, X, k)
    blocks = parameters.blocks if update_H else None
    fit_into(parameters.memory_limit, X, k, solver, parameters.n_init, start, blocks)
