"""Automatic values of a plan, each with its reason in words."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

from ..base.interfaces import LossBase, Operand, SolverBase
from ..base.parameters import Parameters
from ..initialization.svd_start import resolve_init
from ..kernels.block_sizes import DENSE_ROWS_UNIT, FACTOR_ROWS
from ..operands.low_rank import OVERSAMPLES
from ..solvers.block_least_squares import WARM_ROWS
from ..solvers.registry import solver_name, solvers
from .memory_plan import blocks_fit
from .plan_checks import AUTO, names_of

BLOCKS = 40
"""Blocks that solver="auto" takes at least; see D-BLOCKS-AUTO."""
H_WORK = 4
"""Least number of entries of X for each number of H and block; see D-BLOCKS-H-WORK."""
LEAST_SIDE = 40
"""Smaller side of X, in multiples of the directions kept, from which compress="auto"
compresses; see D-COMPRESS-SIDE."""


BATCH_BYTES = 1 << 20
"""Bytes of W that a transform solves for at a time, where rows are independent."""
WIDE = 1 << 17
"""Bytes from which a row is wide."""


class Chosen(NamedTuple):
    """A value with the reason for it."""

    value: Any
    reason: str


def choose_solver(loss: LossBase) -> Chosen:
    """Return the name of the fast solver for a loss, whatever X is; see D-AUTO-POISSON."""
    if "quadratic" in loss.provides:
        return Chosen("hals", f"the fast one for the {loss.name} loss")
    if "poisson" in loss.provides:
        return Chosen("sn", f"the fast one for the {loss.name} loss")
    return Chosen("mu", f"the one for the {loss.name} loss")


def resolve_auto(
    X: Operand, parameters: Parameters, loss: LossBase, k: int, on_disk: bool
) -> tuple[Parameters, dict[str, str]]:
    """Return the parameters with solver="auto" resolved, and reasons by parameter.

    Where X is a store, "auto" may also choose `blocks`. These depend on X and k alone, not
    on `memory_limit`, unless it leaves no room for two blocks or W goes on disk: then there
    are none. This is the only way in which a limit can change the numbers of a fit.
    """
    asked = parameters.solver
    parameters = X.resolve_for_operand(parameters)
    reasons = {"solver": "as asked for"}
    if parameters.blocks is not None:
        reasons["blocks"] = "as asked for"
    if parameters.solver != AUTO:
        if asked == AUTO:
            reasons["solver"] = f"the fast one for an X of kind {X.kind!r}"
        return parameters, reasons
    name, reasons["solver"] = choose_solver(loss)
    parameters = dataclasses.replace(parameters, solver=name)
    if parameters.blocks is None:
        blocks, reasons["blocks"] = choose_blocks(parameters, X, k, on_disk)
        parameters = dataclasses.replace(parameters, blocks=blocks)
    return parameters, reasons


def choose_blocks(
    parameters: Parameters, X: Operand, k: int, on_disk: bool = False
) -> Chosen:
    """Choose the number of blocks of a warm-up where X is a store and they save passes.

    As many as make a block no larger than a full window on average, BLOCKS at least.
    """
    obstacle = _obstacle_to_blocks(parameters, X)
    if obstacle is not None:
        return Chosen(None, obstacle)
    n_rows, n_columns = X.shape
    window = X.most_window_bytes
    blocks = max(BLOCKS, math.ceil(X.stored_bytes / window))
    if n_rows / blocks < WARM_ROWS * k:
        return Chosen(
            None, f"{blocks} blocks would have too few rows for {k} components"
        )
    if X.stored_entries / blocks < H_WORK * n_columns * k:
        return Chosen(None, "moving H after each block would take longer than it saves")
    if X.block_bytes(blocks) > 2 * window:
        return Chosen(None, "the rows are so uneven that a block would be too large")
    if on_disk:
        return Chosen(None, "the arrays of the size of W are on disk")
    arrays = solvers.class_of(parameters.solver).arrays
    if not blocks_fit(parameters.memory_limit, X, k, arrays, blocks):
        return Chosen(None, "memory_limit leaves no room for blocks")
    return Chosen(blocks, "H moves after each block, which saves passes over a store")


def _obstacle_to_blocks(parameters: Parameters, X: Operand) -> str | None:
    """Return the reason that keeps a fit from any number of blocks, or None."""
    for obstacle, reason in (
        (not X.window_bytes, "X is not read from a store"),
        (not solvers.class_of(parameters.solver).warms_up_by_blocks,
         f"solver {solver_name(parameters.solver)!r} has no warm-up by blocks"),
        (parameters.n_init > 1, "several starts share passes without blocks"),
        (parameters.compress is True, "the fit starts on a compressed X"),
        (parameters.init == "custom", "a given start would be given up"),
        (parameters.checkpoint is not None,
         "a checkpoint may be resumed within another memory_limit"),
        (not X.shared_gram, "X has missing entries or weights"),
    ):  # fmt: skip
        if obstacle:
            return reason
    return None


def choose_compression(parameters: Parameters, X: Operand, k: int) -> Chosen:
    """Decide whether a fit starts on a compressed X, as `compress` asks.

    Raises
    ------
    ValueError
        If compression is asked for where it is impossible.
    """
    if parameters.blocks is not None:
        return Chosen(False, "the fit begins by blocks")
    is_dense = X.kind == "dense"
    possible = is_dense and solvers.class_of(parameters.solver).compressible
    if parameters.compress == "auto":
        least = LEAST_SIDE * (k + OVERSAMPLES)
        if not possible:
            return Chosen(False, "it takes dense data in memory and a solver that can")
        if min(X.shape) < least:
            return Chosen(False, f"X has fewer than {least} rows or columns")
        return Chosen(True, "dense data, large on both sides")
    if not is_dense:
        msg = (
            f"compress=True needs dense data in memory; X is {X.kind}. Pass "
            "compress=False: a sparse matrix would become a dense one, and slower."
        )
        raise ValueError(msg)
    if not possible:
        able = names_of(lambda kind: kind.compressible)
        msg = (
            f"compress=True works with solver={able}; got solver="
            f"{parameters.solver!r}. Pass one of these, or compress=False."
        )
        raise ValueError(msg)
    return Chosen(True, "as asked for")


def choose_rows_at_once(kind: type[SolverBase], X: Operand, k: int) -> int | None:
    """Choose how many rows of W beside a fixed H are solved for at a time; None: all."""
    if not rows_are_independent(kind, X):
        return None
    unit = row_unit(X)
    fitting = BATCH_BYTES // max(1, k * X.dtype.itemsize)
    return min(max(unit, fitting // unit * unit), X.shape[0])


def rows_are_independent(kind: type[SolverBase], X: Operand) -> bool:
    """Whether rows of W beside a fixed H can be solved for apart, X being cut.

    So it is for exact solves. A solver that stops by all rows together, or starts by the
    mean of X, gives other rows for a part of X.
    """
    alike = kind.solves_W_exactly and not kind.positive_start
    can_be_cut = X.in_parts or X.cut_rows(slice(0, 0)) is not None
    return alike and not X.by_columns and not X.on_workers and can_be_cut


def row_unit(X: Operand) -> int:
    """Number that the rows of a batch, or of a window, are a multiple of.

    The kernels' blocks are such multiples, so that batches begin where blocks do as a rule.
    """
    width = X.shape[1] * X.dtype.itemsize
    return FACTOR_ROWS if X.sparse or width < WIDE else DENSE_ROWS_UNIT


def choose_init(
    init: str | None, k: int, shape: tuple[int, int], positive: bool
) -> Chosen:
    """Name of the start that None stands for, or the one asked for.

    Raises
    ------
    ValueError
        If X has too few rows or columns for the singular vectors that it needs.
    """
    name = resolve_init(init, k, shape, positive)
    if init is not None:
        return Chosen(name, "as asked for")
    if name == "random":
        return Chosen(
            name, f"X of shape {shape} has too few singular vectors for k = {k}"
        )
    if positive:
        return Chosen(
            name, "singular vectors without zeros, which the solver can't leave"
        )
    return Chosen(name, "k is below the number of features, and not above that of rows")


def count_components(X: Operand, parameters: Parameters, H: Any) -> int:
    """Return the number of components of a fit; H is what gives it, or None."""
    if isinstance(parameters.n_components, int):
        return parameters.n_components
    return X.shape[1] if H is None else len(H)
