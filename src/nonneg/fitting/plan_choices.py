"""Automatic values of a plan, each with its reason in words."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..base.interfaces import LossBase, Operand, SolverBase
from ..base.parameters import Parameters
from ..initialization.svd_start import resolve_init
from ..kernels.block_sizes import DENSE_ROWS_UNIT, FACTOR_ROWS
from ..losses.beta import BetaDivergence
from ..operands.low_rank import OVERSAMPLES
from ..operands.units import is_in_single_range
from ..solvers.block_least_squares import WARM_ROWS
from ..solvers.registry import solver_name, solvers
from .memory_plan import blocks_fit
from .plan_checks import AUTO, names_of, require_possible_on_workers

BLOCKS = 40
"""Least number of blocks that solver="auto" takes; see D-BLOCKS-AUTO."""
H_WORK = 4
"""Least number of entries of X for each number of H and block; see D-BLOCKS-H-WORK."""
LEAST_SIDE = 40
"""With compress="auto", X is compressed if its smaller side is at least this multiple of the
directions kept; see D-COMPRESS-SIDE."""

EXTRAPOLATED = 12
"""Least number of components for which solver="auto" extrapolates the steps of `mu`, where
1 < β < 2 and X is float64; where X is float32 or 0 < β < 1 it does so for any; see
D-AUTO-ACCELERATE."""
EXTRAPOLATED_ENTRIES = 50_000
"""Least number of entries for which it does so where β = 0; see D-AUTO-ACCELERATE."""

REWEIGHTED_MOST, REWEIGHTED_WORK = 64, 1e4
"""Most components for which solver="auto" takes `irls` in the place of `mu` or `sn`, and least
product of their number with that of the entries of X; see D-AUTO-IRLS."""
SMALL = 0.01
"""An entry of X is small if it is below this share of the mean."""
MOST_SMALL, SMALL_BY_BETA = 0.1, 0.2
"""Largest share of small entries with which it does so: MOST_SMALL at β = 0, SMALL_BY_BETA·β more
up to 1, and any above; see D-AUTO-IRLS."""
SAMPLE = 1 << 18
"""Most entries that are looked at for that."""

FLAT = 3.0
"""A dense X is flat if its mean square is at most so many times the square of its mean. At β = 1
solver="auto" takes `irls` in the place of `sn` for such an X alone; see D-AUTO-IRLS."""

SINGLE_WORK, SINGLE_WORK_TERMS = 1e7, 1e6
"""Least number of multiply-adds in two products with X and k × k products for each row, for which
a fit of float64 starts in float32: by the squared error, and by other losses, which take longer
for each of them; see D-SINGLE-START."""
MOST_SINGLE = 1 << 30
"""Most bytes of a copy of X in float32 that is made where there is no `memory_limit`."""

BATCH_BYTES = 1 << 20
"""Bytes of W that a transform solves for at a time, where rows are independent."""
WIDE = 1 << 17
"""Least bytes of a wide row."""


class Chosen(NamedTuple):
    """A value with the reason for it."""

    value: Any
    reason: str


def choose_solver(loss: LossBase, X: Operand) -> Chosen:
    """Return the name of the fast solver for a loss; see D-AUTO-POISSON.

    X matters only if it is on workers, where not every solver can go.
    """
    if X.on_workers:
        name = "hals" if "quadratic" in loss.provides else "mu"
        return Chosen(
            name, f"the fast one for the {loss.name} loss where X is on workers"
        )
    if "quadratic" in loss.provides:
        return Chosen("hals", f"the fast one for the {loss.name} loss")
    if "poisson" in loss.provides:
        return Chosen("sn", f"the fast one for the {loss.name} loss")
    return Chosen("mu", f"the one for the {loss.name} loss")


def resolve_auto(
    X: Operand,
    parameters: Parameters,
    loss: LossBase,
    k: int,
    on_disk: bool,
    update_H: bool = True,
) -> tuple[Parameters, dict[str, str]]:
    """Return the parameters with solver="auto" resolved, and reasons by parameter.

    Where X is a store, "auto" may also choose `blocks`. Their number depends on X and k
    alone, not on `memory_limit`. There are no blocks if the limit leaves no room for two of
    them, or if W goes to disk: only in this way can a limit change the numbers of a fit.
    """
    # nobody has to ask for the default
    is_default = parameters.solver == Parameters.solver
    reasons = {"solver": "the default" if is_default else "as asked for"}
    if parameters.blocks is not None:
        reasons["blocks"] = "as asked for"
    is_auto = parameters.solver == AUTO
    if is_auto:
        name, reasons["solver"] = choose_solver(loss, X)
        parameters = parameters.changed(solver=name)
        if name in ("mu", "sn") and update_H and _reweights(loss, X, k, parameters):
            parameters = parameters.changed(solver="irls")
            reasons["solver"] = (
                f"the fast one for the {loss.name} loss and this dense X in memory"
            )
        elif name == "mu" and _extrapolates(loss, X, k):
            parameters = parameters.changed(accelerate=True)
            reasons["solver"] += ", with extrapolated steps"
    if X.on_workers:
        require_possible_on_workers(parameters, loss)
    elif is_auto and parameters.blocks is None:
        blocks, reasons["blocks"] = choose_blocks(parameters, X, k, on_disk)
        if blocks is not None:
            parameters = parameters.changed(blocks=blocks)
    return parameters, reasons


def _reweights(loss: LossBase, X: Operand, k: int, parameters: Parameters) -> bool:
    """Whether `irls` can do what is asked for, and is faster than `mu` or `sn`.

    Where H is fixed this is not asked: a row's result must not depend on the rows beside it.
    """
    is_constrained = parameters.constraints_W or parameters.constraints_H
    if X.kind != "dense" or is_constrained or parameters.accelerate:
        return False
    if not isinstance(loss, BetaDivergence) or not 0 <= loss.beta < 2:
        return False
    if k > REWEIGHTED_MOST or k * X.shape[0] * X.shape[1] < REWEIGHTED_WORK:
        return False
    if loss.beta == 1:
        stats = X.stats()
        if stats.sum_sq / stats.n_entries > FLAT * stats.mean * stats.mean:
            return False
    if loss.beta > 1:
        return True
    return small_share(X) <= MOST_SMALL + SMALL_BY_BETA * loss.beta


def small_share(X: Operand) -> float:
    """Return the share of small entries of a dense X, in rows at equal distances."""
    entries, mean = X.native(), X.stats().mean
    n_rows, n_columns = X.shape
    step = max(1, n_rows * n_columns // SAMPLE)
    looked_at = entries[:: min(step, n_rows)]
    return float(np.mean(looked_at < SMALL * mean)) if looked_at.size else 0.0


def _extrapolates(loss: LossBase, X: Operand, k: int) -> bool:
    """Whether the steps of `mu` pay when they are extrapolated."""
    if X.on_workers or X.window_bytes or not isinstance(loss, BetaDivergence):
        return False
    if loss.beta == 0:
        return X.shape[0] * X.shape[1] >= EXTRAPOLATED_ENTRIES
    if loss.beta == 1 or not 0 < loss.beta < 2:
        return False
    is_cheap = loss.beta < 1 or X.dtype == np.float32
    return is_cheap or k >= EXTRAPOLATED


def choose_blocks(
    parameters: Parameters, X: Operand, k: int, on_disk: bool = False
) -> Chosen:
    """Choose the number of blocks of a warm-up, or None where blocks save no passes.

    There are at least BLOCKS blocks, and the average block is no larger than a full window.
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
    """Return the reason why a fit can't have blocks, or None."""
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


def choose_compression(
    parameters: Parameters, X: Operand, k: int, fits: bool = True
) -> Chosen:
    """Decide whether a fit starts on a compressed X, as `compress` asks.

    With compress="auto" it does so only where the sketch `fits` into `memory_limit`.

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
        if not fits:
            return Chosen(False, "memory_limit leaves no room for the sketch")
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


def choose_precision(parameters: Parameters, X: Operand, k: int, fits: bool) -> Chosen:
    """Decide whether a fit of float64 starts in float32; no reason where that is no question.

    With a `memory_limit` it does so only where the copy of X in float32 `fits` into it.
    """
    kind = solvers.class_of(parameters.solver)
    if kind.accelerates and not parameters.accelerate:
        return Chosen(False, "")  # iterates of such a solver are scikit-learn's
    is_quadratic = "quadratic" in kind.requires
    if not pays_in_single(X, k, is_quadratic):
        return Chosen(False, "")
    if not is_in_single_range(X):
        return Chosen(False, "X is beyond the range of float32")
    if not fits:
        return Chosen(False, "memory_limit leaves no room for a copy in float32")
    if parameters.memory_limit is None and X.single_bytes > MOST_SINGLE:
        return Chosen(False, "a copy in float32 would take more than 1 GB")
    return Chosen(True, "an iteration in float32 takes about half of the time")


def pays_in_single(X: Operand, k: int, is_quadratic: bool = True) -> bool:
    """Whether X may be copied into float32, and iterations are long enough to gain by it."""
    least = SINGLE_WORK if is_quadratic else SINGLE_WORK_TERMS
    work = 2 * k * X.product_entries + 2 * k * k * sum(X.shape)
    return X.single_bytes > 0 and work >= least


def choose_rows_at_once(kind: type[SolverBase], X: Operand, k: int) -> int | None:
    """Choose how many rows of W beside a fixed H are solved for at a time; None: all."""
    if not rows_are_independent(kind, X):
        return None
    unit = row_unit(X)
    fitting = BATCH_BYTES // max(1, k * X.dtype.itemsize)
    return min(max(unit, fitting // unit * unit), X.shape[0])


def rows_are_independent(kind: type[SolverBase], X: Operand) -> bool:
    """Whether parts of X give the same rows of W beside a fixed H as all of X does.

    They do for exact solves, if X can be cut by rows. A solver whose stop depends on all
    rows, or whose start depends on the mean of X, gives other rows for a part of X.
    """
    alike = kind.solves_W_exactly and not kind.positive_start
    can_be_cut = X.in_parts or X.cut_rows(slice(0, 0)) is not None
    return alike and not X.by_columns and not X.on_workers and can_be_cut


def row_unit(X: Operand) -> int:
    """Return the unit for the number of rows of a batch, or of a window: both are multiples.

    The kernels' blocks are multiples too, so that most batches begin where a block begins.
    """
    width = X.shape[1] * X.dtype.itemsize
    return FACTOR_ROWS if X.sparse or width < WIDE else DENSE_ROWS_UNIT


def choose_init(
    init: str | None, k: int, shape: tuple[int, int], positive: bool
) -> Chosen:
    """Choose the start if `init` is None, else keep it; return its name with the reason.

    Raises
    ------
    ValueError
        If X has too few rows or columns for the singular vectors that the start needs.
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
    """Return the number of components, by the parameters, by H, or by the columns of X."""
    if isinstance(parameters.n_components, int):
        return parameters.n_components
    return X.shape[1] if H is None else len(H)
