"""What "auto" stands for, and which solvers, losses and data go together."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..base.interfaces import LossBase, Operand, SolverBase
from ..base.parameters import Parameters
from ..operands.low_rank import OVERSAMPLES
from ..solvers.block_least_squares import WARM_ROWS
from ..solvers.registry import solvers
from .memory_plan import stays_in_memory

AUTO = "auto"
BLOCKS = 40
"""Blocks that "auto" takes at least; figures in `solvers.composed.block_warmup`. Tf-idf of 64,000 package
descriptions, k = 30, has not enough entries for them: passes to 1 and 0.1 % without 4 15 and
4 12, with two passes by 4 blocks 5 never and 5 23, by 16 4 19 and 4 15."""
H_WORK = 4
"""Entries of X for each number of H and block at least. 2,000,000 x 30,000 with 50 entries a
row, two threads of an AMD EPYC (Zen 4): with 40 blocks a pass takes 1.09 s in place of 1.31
for k = 20 (there are 4.2), 2.07 in place of 1.94 for k = 40 (2.1)."""
LEAST_SIDE = 40
"""Smaller side of X, in multiples of the directions kept, from which compress="auto"
compresses. "hals", two threads of a Sapphire Rapids Xeon, seconds to 0.1 % above the best
objective, without and with: rank 50 plus 10 % noise, 20,000 × 5,000, k = 50 (71 times),
float32: over 4.0, 1.8; Fashion-MNIST, 70,000 × 784, k = 32 (15 times): 1.9, 1.8 to 2.2."""


def choose_solver(loss: LossBase) -> str:
    """Name of the fast solver for this loss, whatever X is.

    For the Kullback-Leibler divergence "sn" against "mu" with and without acceleration,
    one start each, objectives after 15 s on two threads of a Sapphire Rapids Xeon, in
    millions: counts of package descriptions, k = 30, 7.79 after 5 s, 7.93, 7.90; PBMC 3k,
    k = 20, 4.755 after 5 s, 4.778, 4.767; dense, a spectrogram, k = 40, 12 s, 2.994,
    3.210, 3.174.
    """
    if "quadratic" in loss.provides:
        return "hals"
    return "sn" if "poisson" in loss.provides else "mu"


def choose_blocks(parameters: Parameters, X: Operand, k: int) -> int | None:
    """Blocks for "hals" where X is read from a store and they save passes.

    As many as make a block no larger than a window on average, BLOCKS at least. None where
    blocks would have few rows, or H so many numbers beside X that moving it after each
    block takes longer than what that saves; where one is more than twice a window; where
    the arrays of the size of W go on disk; and for several starts, which share passes
    without.
    """
    if parameters.blocks is not None or not X.window_bytes:
        return parameters.blocks
    alone = parameters.n_init == 1 and parameters.compress is not True
    # a good start would be given up; a checkpoint may be resumed within another limit
    alone = alone and parameters.init != "custom" and parameters.checkpoint is None
    kind = solvers.class_of(parameters.solver)
    if not kind.warms_up_by_blocks or not alone or not X.shared_gram:
        return None
    n_rows, n_columns = X.shape
    window = X.window_bytes
    blocks = max(BLOCKS, math.ceil(X.stored_bytes / window))
    a_block = n_rows / blocks, X.stored_entries / blocks
    if a_block[0] < WARM_ROWS * k or a_block[1] < H_WORK * n_columns * k:
        return None
    if X.block_bytes(blocks) > 2 * window:
        return None
    arrays, limit = kind.arrays, parameters.memory_limit
    return blocks if stays_in_memory(limit, X, k, arrays, blocks) else None


def compresses(parameters: Parameters, X: Operand, k: int) -> bool:
    """Whether a fit starts on a compressed X.

    Raises
    ------
    ValueError
        If compression is asked for where it is impossible.
    """
    if parameters.compress is False or parameters.blocks is not None:
        return False
    kind = solvers.class_of(parameters.solver)
    possible = X.kind == "dense" and kind.compressible
    if parameters.compress == "auto":
        return possible and min(X.shape) >= LEAST_SIDE * (k + OVERSAMPLES)
    if X.kind != "dense":
        msg = (
            f"compress=True needs dense data in memory; X is {X.kind}. Pass "
            "compress=False: a sparse matrix would become a dense one, and slower."
        )
        raise ValueError(msg)
    if not possible:
        msg = (
            f"compress=True works with solver={_names(lambda kind: kind.compressible)}; got solver="
            f"{parameters.solver!r}. Pass one of these, or compress=False."
        )
        raise ValueError(msg)
    return True


def require_blocks(parameters: Parameters) -> None:
    """Refuse blocks where H can't move after each of them."""
    if parameters.blocks is None:
        return
    if not solvers.class_of(parameters.solver).warms_up_by_blocks:
        able = _names(lambda kind: kind.warms_up_by_blocks)
        msg = (
            f"blocks={parameters.blocks} works with solver={able}; got solver="
            f"{parameters.solver!r}. Pass that solver, or blocks=None."
        )
        raise ValueError(msg)
    if parameters.compress is True:
        msg = (
            f"compress=True and blocks={parameters.blocks} don't go together. Pass "
            "compress=False or blocks=None."
        )
        raise ValueError(msg)


def as_readable(solver: str | SolverBase, X: Operand) -> Operand:
    """X as the solver can use it: a map of a file whole where its parts won't do.

    Raises
    ------
    ValueError
        If the solver needs an X in memory, and it is not.
    """
    if not X.in_parts or solvers.class_of(solver).by_parts:
        return X
    in_memory = X.in_memory()
    if in_memory is not None:
        return in_memory
    msg = (
        f"solver={solver!r} needs X in memory; this X is read from a store in parts. Pass "
        f"solver={_names(lambda kind: kind.by_parts)}, or X as an array."
    )
    raise ValueError(msg)


def require_possible(parameters: Parameters, loss: LossBase, X: Operand) -> None:
    """Refuse a solver that can't minimise the loss, and an X that has none."""
    require_pair(parameters, loss)
    require_blocks(parameters)
    loss.require(X)


def require_pair(parameters: Parameters, loss: LossBase) -> None:
    """Refuse a solver that can't minimise the loss, whatever X is."""
    if parameters.solver == AUTO:
        return
    kind = solvers.class_of(parameters.solver)
    if parameters.accelerate and not kind.accelerates:
        msg = (
            f"accelerate=True is an option of solver={_names(lambda kind: kind.accelerates)}; got solver="
            f"{parameters.solver!r}. Pass that solver, or accelerate=False."
        )
        raise ValueError(msg)
    if not kind.requires <= loss.provides:
        able = _names(lambda kind: kind.requires <= loss.provides)
        msg = (
            f"Invalid beta_loss parameter: solver {parameters.solver!r} does not handle "
            f"beta_loss = {parameters.beta_loss!r}. "
            + (f"Pass solver={able}." if able else "No solver here does.")
        )
        raise ValueError(msg)


def _names(can: Callable[[type[SolverBase]], bool]) -> str:
    """Names of the solvers that can do something, as a sentence has them."""
    return " or ".join(repr(name) for name in solvers if can(solvers[name]))
