"""The memory of a fit: windows of X that leave room for the factors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from ..base.interfaces import Operand
from ..base.memory_size import bytes_of
from ..kernels.block_sizes import MOST_SLOT_BYTES, SLOT_BYTES
from ..operands.low_rank import SKETCH_COPIES, count_directions
from ..operands.streamed.disk_rows import FactorFolder, folder_for

LEAST_WINDOW = 1 << 20
"""Bytes of a window below which reading costs more than computing."""
SCRATCH = 16 << 20
"""Bytes that don't grow with X: scratch of the kernels, Gram matrices, objects."""
COPIES = {False: 3, True: 5}
"""Windows in memory at a time, by whether rows are sparse. One window is in use, one is being
read, and one is still referred to. Sparse rows need more, for their conversion."""
FIRST_SHARE = 8
"""Before the number of components is known, a window may take 1/FIRST_SHARE of the limit."""
IN_WINDOW = 4
"""Number of arrays that hold the rows of W of a window, where W is on disk."""
ON_DISK = 112 << 20
"""Bytes of memory for mapped pages, where W is on disk. Each stream of a pass maps pages around
those in use, and keeps them until they are given back; see D-MEMORY-ON-DISK."""
BESIDE_ROWS = 64 << 20
"""Most bytes of a window where W is on disk. The rows of W are in memory together with those of
X, and a window of a narrow X has many rows."""
SVD_ARRAYS = 3
"""Arrays of n_samples·(k + 10) numbers that a start from singular vectors holds."""


@dataclass(frozen=True)
class Demand:
    """The arrays that a fit needs in memory.

    Attributes
    ----------
    k : int
        Number of components.
    arrays : int
        Arrays of the size of each factor that the solver holds at most.
    n_models : int
    start : int or None
        Bytes that the start of W takes in memory before W goes to disk; None where W can't
        be on disk.
    blocks : int or None
        Blocks of X that are taken into memory one by one.
    n_rows : int or None
        Rows of W in memory at a time; None: all.
    sketch : int
        Bytes of the compression of X on which the fit starts.
    single : int
        Bytes of X in float32, in which the fit starts, less what the factors then spare.
    row_copy : int
        Bytes of a copy of X by rows.
    """

    k: int
    arrays: int
    n_models: int = 1
    start: int | None = None
    blocks: int | None = None
    n_rows: int | None = None
    sketch: int = 0
    single: int = 0
    row_copy: int = 0


@dataclass(frozen=True)
class MemoryPlan:
    """Memory of a fit, beside an X in memory, and the place of W with its reason."""

    limit: int | None = None
    """Bytes that the fit may take; None: any."""
    expected: int = 0
    """Most bytes that the fit takes."""
    factors: int = 0
    """Bytes among these for arrays of the size of the factors."""
    window_bytes: int = 0
    """Bytes of X that are read at a time; 0 where X is not read in windows."""
    folder: FactorFolder | None = None
    """Folder for arrays of the size of W; None: they are in memory."""
    reason: str = ""
    """Reason for the place of W, in memory or on disk."""
    window_reason: str = ""
    """Reason for the number of bytes that are read at a time."""
    sketch: int = 0
    """Bytes among those expected for the compression of X."""
    single: int = 0
    """Bytes among those expected for X in float32."""
    row_copy: int = 0
    """Bytes among those expected for a copy of X by rows."""


def plan_memory(
    X: Operand,
    demand: Demand,
    limit: int | str | None,
    wanted: FactorFolder | None = None,
) -> MemoryPlan:
    """Choose windows of X, and the place of W, so that a fit stays within the limit.

    Parameters
    ----------
    X : Operand
    demand : Demand
    limit : int, str or None
        Bytes that the fit may take on top of the memory in use before it; None: any.
    wanted : FactorFolder or None
        Folder in which the caller wants arrays of the size of W, if they can be on disk.

    Raises
    ------
    ValueError
        If the factors and the smallest windows exceed the limit.
    OSError
        If there is no room on the disk for arrays that don't fit into memory.
    """
    allowed = math.inf if limit is None else bytes_of(limit)
    need, on_disk, reason = _place_W(X, demand, allowed, wanted)
    if need.least > allowed:
        raise ValueError(_refusal(X, demand, limit, need))
    folder = None
    if on_disk:
        folder = wanted or FactorFolder(folder_for(None))
        rows = demand.arrays * demand.n_models * demand.k * X.shape[0]
        folder.require(rows * X.dtype.itemsize)
    window = _window(X, need, allowed, on_disk)
    return MemoryPlan(
        limit=None if limit is None else bytes_of(limit),
        expected=need.with_windows(min(window, X.stored_bytes) if window else 0),
        factors=need.factors,
        window_bytes=window,
        folder=folder,
        reason=reason,
        window_reason=_why_window(X, window, allowed, on_disk),
        sketch=demand.sketch,
        single=demand.single,
        row_copy=demand.row_copy,
    )


def _place_W(
    X: Operand, demand: Demand, allowed: float, wanted: FactorFolder | None
) -> tuple[Need, bool, str]:
    """Return the bytes of the fit, whether W is on disk, and the reason."""
    need = _in_memory(X, demand)
    fits = need.least <= allowed
    if X.on_workers:
        return need, False, "beside the rows of X"
    if demand.start is None or (wanted is None and fits):
        limited = allowed < math.inf
        return need, False, "within memory_limit" if limited else "no memory_limit"
    on_disk = _on_disk(need, X, demand, demand.start)
    # a small W takes less memory than the pages of a file in use
    if on_disk.least <= allowed or on_disk.least < need.least:
        return on_disk, True, "memory_limit" if wanted is None else "`out` is given"
    return need, False, "pages in use would take more"


def _window(X: Operand, need: Need, allowed: float, on_disk: bool) -> int:
    """Return the bytes of X that are read at a time."""
    window, most = X.window_bytes, X.most_window_bytes
    if on_disk:
        most = min(most, BESIDE_ROWS)
        window = min(window, most)
    if need.copies and allowed < math.inf:
        window = min(most, LEAST_WINDOW + int((allowed - need.least) / need.copies))
    return window


def _why_window(X: Operand, window: int, allowed: float, on_disk: bool) -> str:
    """Return the reason for the bytes of X that are read at a time."""
    if window >= X.stored_bytes:
        return "all of X"
    if on_disk and window == min(X.most_window_bytes, BESIDE_ROWS):
        return "the most beside rows of W on disk"
    if window == X.most_window_bytes:
        return "more would save no time"
    return "what memory_limit leaves" if allowed < math.inf else "as X is set up"


def configured(X: Operand, memory: MemoryPlan) -> Operand:
    """Return X with the windows and the folder of the plan; X itself is not changed."""
    if memory.window_bytes == X.window_bytes and memory.folder is X.factor_folder:
        return X
    return X.configured(window_bytes=memory.window_bytes, factor_folder=memory.folder)


def with_first_windows(limit: int | str | None, X: Operand) -> Operand:
    """Return X with windows for its first pass, before the number of components is known."""
    if limit is None or not X.window_bytes:
        return X
    share = max(LEAST_WINDOW, bytes_of(limit) // FIRST_SHARE)
    return X.configured(window_bytes=min(X.most_window_bytes, share))


def blocks_fit(
    limit: int | str | None, X: Operand, k: int, arrays: int, blocks: int
) -> bool:
    """Whether a fit by blocks of rows, W in memory, is within the limit."""
    return is_within(limit, X, Demand(k, arrays, blocks=blocks))


def is_within(limit: int | str | None, X: Operand, demand: Demand) -> bool:
    """Whether a fit with these arrays, W in memory, is within the limit."""
    return limit is None or _in_memory(X, demand).least <= bytes_of(limit)


def sketch_bytes(X: Operand, k: int) -> int:
    """Return the bytes that the compression of X takes at most."""
    n_numbers = SKETCH_COPIES * sum(X.shape) * count_directions(k, X.shape)
    return n_numbers * X.dtype.itemsize


def single_bytes(X: Operand, demand: Demand) -> int:
    """Return the bytes that X in float32 takes beyond those that the arrays spare then.

    The copy, and one of a copy by rows, is freed before the factors are in float64.
    """
    copies = 2 if demand.row_copy else 1
    return max(0, copies * X.single_bytes - 4 * demand.arrays * demand.k * sum(X.shape))


def row_copy_bytes(X: Operand, both_ways: bool = False) -> int:
    """Return the bytes of a copy of X by rows, 0 where X is stored so.

    With `both_ways` rows of its transpose are gathered too: one of the two is a copy.
    """
    return X.stored_bytes if both_ways or X.by_columns else 0


def start_bytes(init: str, X: Operand, k: int) -> int:
    """Return the bytes that a start takes in memory before W goes to disk."""
    width = {"random": 0, "custom": k}.get(init, SVD_ARRAYS * (k + 10))
    return width * X.shape[0] * X.dtype.itemsize


class Need(NamedTuple):
    """Bytes that a fit takes."""

    factors: int
    others: int
    """Sums and scratch."""
    copies: float
    """Bytes in memory for each byte of a window."""

    def with_windows(self, size: int) -> int:
        """Return the bytes of the fit with windows of this size."""
        return self.factors + self.others + int(self.copies * size)

    @property
    def least(self) -> int:
        """Bytes of the fit with the smallest windows."""
        return self.with_windows(LEAST_WINDOW)


def _in_memory(X: Operand, demand: Demand) -> Need:
    k, n_models = demand.k, demand.n_models
    n_rows = X.shape[0] if demand.n_rows is None else demand.n_rows
    numbers = demand.arrays * n_models * k * (n_rows + X.shape[1])
    if X.on_workers:  # this process has W once, at the start
        numbers = k * (demand.arrays * n_models * X.shape[1] + n_rows)
    factors = numbers * X.dtype.itemsize
    weights = X.weight_bytes
    one = X.shape[1] * (k + 16) * n_models * 8
    sums = min(max(SLOT_BYTES, 2 * one), MOST_SLOT_BYTES + one)
    if not X.in_parts:
        extra = demand.sketch + demand.single + demand.row_copy + weights
        return Need(factors, sums + SCRATCH + extra, 0)
    copies = COPIES[X.sparse]
    # a single block is all of X, which is read in windows as without blocks
    if demand.blocks is not None and demand.blocks > 1:
        sums += copies * X.block_bytes(demand.blocks)
    return Need(factors, sums + SCRATCH + weights, copies)


def _on_disk(in_memory: Need, X: Operand, demand: Demand, start: int) -> Need:
    """Return the bytes of the fit with arrays of the size of W on disk."""
    arrays, k, n_models = demand.arrays, demand.k, demand.n_models
    itemsize = X.dtype.itemsize
    factors = arrays * n_models * k * X.shape[1] * itemsize + max(start, ON_DISK)
    pages = IN_WINDOW * k * n_models * itemsize / bytes_a_row(X)
    return Need(factors, in_memory.others, in_memory.copies + pages)


def _refusal(X: Operand, demand: Demand, limit: int | str | None, need: Need) -> str:
    msg = (
        f"memory_limit={limit!r} is too small: with {demand.k} components and X of shape "
        f"{X.shape} this fit takes {size_text(need.least)} at least, "
        f"{size_text(need.factors)} of it for the factors. Raise it, or pass fewer "
        "components"
    )
    if demand.blocks is not None and demand.blocks > 1:
        msg += f", or more than {demand.blocks} blocks"
    if (demand.start or 0) > ON_DISK:
        msg += ", or init='random', which takes less"
    return msg + "."


def bytes_a_row(X: Operand) -> float:
    """Return the average number of bytes of a stored row of X."""
    size = X.dtype.itemsize + (4 if X.sparse else 0)
    return max(1.0, X.entries * size / max(1, X.shape[0]))


def size_text(size: int) -> str:
    """Return a number of bytes as text for a message."""
    if size < 1e3:
        return f"{size} bytes"
    if size < 1e6:
        return f"{size / 1e3:.0f} kB"
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
