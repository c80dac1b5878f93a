"""What a fit may take in memory: windows of X that leave room for the factors."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..base.interfaces import Operand, SolverBase
from ..base.memory_size import bytes_of
from ..kernels.block_sizes import MOST_SLOT_BYTES, SLOT_BYTES
from ..operands.streamed.disk_rows import FactorFolder, folder_for
from ..operands.streamed.operand import StreamedOperand

LEAST_WINDOW = 1 << 20
"""Bytes of a window below which reading costs more than computing."""
SCRATCH = 16 << 20
"""Bytes for what does not grow with X: scratch of the kernels, Gram matrices, objects."""
COPIES = {False: 3, True: 5}
"""Windows in memory at a time: one in use, one being read, one that somebody still holds;
sparse rows are converted."""
FIRST_SHARE = 8
"""Before the number of components is known, a window may take 1/FIRST_SHARE of the limit."""
IN_WINDOW = 4
"""Arrays of rows of W that a pass is at, where they are on disk."""
ON_DISK = 112 << 20
"""Bytes for pages that are mapped around those in use, for each of the streams of a pass,
and between two times that they are given back. Peaks of "hals", 8 columns of float32, k = 8,
within 170 MB: 2, 8 and 24 million rows 65, 109 and 79 MB."""
BESIDE_ROWS = 64 << 20
"""Bytes of a window at most where W is on disk: its rows are in memory with those of X, and a
narrow X has many."""
SVD_ARRAYS = 3
"""Arrays of n_samples·(k + 10) numbers that a start from singular vectors holds."""


def fit_into(
    limit: int | str | None,
    X: Operand,
    k: int,
    solver: SolverBase,
    n_models: int = 1,
    start: int | None = None,
    blocks: int | None = None,
) -> None:
    """Choose the windows of an X that is read in parts so that a fit takes no more memory.

    Where the arrays of the size of W don't fit, they go on disk.

    Parameters
    ----------
    limit : int, str or None
        Bytes beyond those that are taken before the fit; None: any.
    X : Operand
    k : int
        Number of components.
    solver : SolverBase
        Its `arrays` says how many arrays of the size of each factor it holds at most.
    n_models : int
    start : int or None
        Bytes that the start of W takes in memory, where W is then put on disk; None: W
        stays in memory.
    blocks : int or None
        Blocks of X that are taken into memory one by one.

    Raises
    ------
    ValueError
        If the factors and the smallest windows exceed the limit.
    OSError
        If there is no room on the disk for arrays that don't fit into memory.
    """
    movable = start is not None and isinstance(X, StreamedOperand)
    movable = movable and solver.rows_on_disk
    wanted = None
    if isinstance(X, StreamedOperand):
        wanted = X.wanted_folder if movable else None
        X.factor_folder = None
    if limit is None and wanted is None:
        return
    allowed = math.inf if limit is None else bytes_of(limit)
    n_arrays = solver.arrays
    plain = need = _in_memory(X, k, n_arrays, n_models, blocks)
    if movable and (wanted is not None or plain.least > allowed):
        there = _with_disk(plain, X, k, n_arrays, n_models, start or 0)
        # what is small takes less memory than pages in use do
        if there.least <= allowed or there.least < plain.least:
            need = there
    if need.least > allowed:
        msg = (
            f"memory_limit={limit!r} is too small: with {k} components and X of shape "
            f"{X.shape} this fit takes {_shown(need.least)} at least, "
            f"{_shown(need.factors)} of it for the factors. Raise it, or pass fewer "
            "components"
        )
        if blocks is not None:
            msg += f", or more than {blocks} blocks"
        if (start or 0) > ON_DISK:
            msg += ", or init='random', which takes less"
        msg += "."
        raise ValueError(msg)
    most = X.most_window_bytes
    if need is not plain:
        most = min(most, BESIDE_ROWS)
        X.window_bytes = min(X.window_bytes, most)
        folder = wanted or FactorFolder(folder_for(None))
        folder.require(n_arrays * n_models * k * X.shape[0] * X.dtype.itemsize)
        X.factor_folder = folder
    if need.copies and allowed < math.inf:
        window = LEAST_WINDOW + int((allowed - need.least) / need.copies)
        X.window_bytes = min(most, window)


def stays_in_memory(
    limit: int | str | None, X: Operand, k: int, arrays: int, blocks: int
) -> bool:
    """Whether a fit by blocks of rows, W in memory, is within the limit."""
    if isinstance(X, StreamedOperand) and X.wanted_folder is not None:
        return False
    need = _in_memory(X, k, arrays, 1, blocks)
    return limit is None or need.least <= bytes_of(limit)


class Need(NamedTuple):
    """Bytes that a fit takes."""

    factors: int
    others: int
    """Sums and scratch."""
    copies: float
    """What is in memory for each byte of a window."""

    @property
    def least(self) -> int:
        """With the smallest windows."""
        return self.factors + self.others + int(self.copies * LEAST_WINDOW)


def _in_memory(
    X: Operand, k: int, n_arrays: int, n_models: int, blocks: int | None
) -> Need:
    factors = n_arrays * n_models * k * sum(X.shape) * X.dtype.itemsize
    one = X.shape[1] * (k + 16) * n_models * 8
    sums = min(max(SLOT_BYTES, 2 * one), MOST_SLOT_BYTES + one)
    if not X.in_parts:
        return Need(factors, sums + SCRATCH, 0)
    copies = COPIES[X.sparse]
    if blocks is not None:
        sums += copies * X.block_bytes(blocks)
    return Need(factors, sums + SCRATCH, copies)


def _with_disk(
    plain: Need, X: Operand, k: int, n_arrays: int, n_models: int, start: int
) -> Need:
    """The same with the arrays of the size of W on disk."""
    itemsize = X.dtype.itemsize
    factors = n_arrays * n_models * k * X.shape[1] * itemsize + max(start, ON_DISK)
    pages = IN_WINDOW * k * n_models * itemsize / bytes_a_row(X)
    return Need(factors, plain.others, plain.copies + pages)


def begin_within(limit: int | str | None, X: Operand) -> None:
    """Choose windows for the first pass over an X that is read in parts."""
    if limit is not None and X.in_parts:
        share = max(LEAST_WINDOW, bytes_of(limit) // FIRST_SHARE)
        X.window_bytes = min(X.most_window_bytes, share)


def start_bytes(init: str, X: Operand, k: int) -> int:
    """Bytes that a start holds in memory, W being on disk afterwards."""
    width = {"random": 0, "custom": k}.get(init, SVD_ARRAYS * (k + 10))
    return width * X.shape[0] * X.dtype.itemsize


def bytes_a_row(X: Operand) -> float:
    """Bytes of a row of X as it is stored, on average."""
    size = X.dtype.itemsize + (4 if X.sparse else 0)
    return max(1.0, X.entries * size / max(1, X.shape[0]))


def _shown(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
