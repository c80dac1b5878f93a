"""W written where it is wanted: rows that don't depend on each other are solved in turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..base.interfaces import Array, Operand, SolverBase
from ..kernels.block_sizes import DENSE_ROWS_UNIT, FACTOR_ROWS
from ..kernels.factor_rows import to_caller
from ..operands.streamed.disk_rows import (
    DiskRows,
    FactorFolder,
    folder_for,
    release_map,
)
from ..operands.streamed.operand import StreamedOperand
from ..operands.streamed.row_batches import row_batches

OUT_ROWS = 1 << 14
"""Rows that are written at a time of a W that is in memory."""
BATCH_BYTES = 1 << 20
"""Bytes of W that are solved for at a time."""
WIDE = 1 << 17
"""Bytes from which a row is wide."""


def require_room(out: Any, shape: tuple[int, int] | None) -> None:
    """Raise ValueError unless `out` may take W of this shape, or of some."""
    given = tuple(getattr(out, "shape", ()))
    if len(given) == 2 and hasattr(out, "__setitem__") and shape in (None, given):
        return
    wanted = "(n_samples, n_components)" if shape is None else str(shape)
    msg = (
        f"out must be an array of shape {wanted} that rows can be assigned to; got a "
        f"{type(out).__name__} of shape {given}."
    )
    raise ValueError(msg)


def write_W(W: Any, out: Any) -> Any:
    """W as the caller gets it, or `out` with its rows in it."""
    if out is None:
        return to_caller(W)
    if not isinstance(W, DiskRows):
        W = to_caller(W)
    require_room(out, W.shape)
    for start in range(0, W.shape[0], OUT_ROWS):
        stop = min(start + OUT_ROWS, W.shape[0])
        out[start:stop] = W[start:stop]
        if isinstance(W, DiskRows):
            W.release(start, stop)
            release_map(out)
    return out


def want_on_disk(X: Operand, out: Any) -> None:
    """Ask that a fit of an X in parts into `out` keeps its arrays of the size of W on disk."""
    if isinstance(X, StreamedOperand):
        X.wanted_folder = None if out is None else FactorFolder(folder_for(out))


def rows_are_independent(solver: type[SolverBase], X: Operand) -> bool:
    """Whether rows of W beside a fixed H can be solved for apart, X being cut.

    So it is for exact solves. A solver that stops by all rows together, or starts by the
    mean of X, gives other rows for a part of X.
    """
    alike = solver.solves_W_exactly and not solver.positive_start
    can_be_cut = X.in_parts or X.cut_rows(slice(0, 0)) is not None
    return alike and not X.by_columns and can_be_cut


def solve_by_rows(
    X: Operand, solve: Callable[[Operand], Array], k: int, out: Any
) -> Any:
    """Write solve(rows) for all rows of X into `out`, batch by batch.

    Parameters
    ----------
    X : Operand of shape (n_samples, n_features)
        Stored by rows, and checked.
    solve : callable
        The W that belongs to some rows, an operand.
    k : int
        Number of components.
    out : object of shape (n_samples, k) with slice assignment

    Returns
    -------
    out

    Notes
    -----
    In memory are, beside an X that is there, two windows of X, a few batches of
    BATCH_BYTES, and what `solve` holds.
    """
    width = X.shape[1] * X.dtype.itemsize
    unit = FACTOR_ROWS if X.sparse or width < WIDE else DENSE_ROWS_UNIT
    fitting = BATCH_BYTES // max(1, k * X.dtype.itemsize)
    size = max(unit, fitting // unit * unit)
    row = 0
    for part in X.windows(unit):
        for batch in row_batches(part, size):
            W = solve(batch.X)
            out[row : row + len(W)] = W
            row += len(W)
    return out
