"""X in float32, for fits that end further from their limits than float32 rounds."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from ..base.arrays import Array
from ..base.interfaces import Operand
from ..operands.registration import as_operand
from ..operands.units import is_in_single_range, is_ordinary

LEAST_TOL = 1e-5
"""Smallest `tol` that fits in float32 reach; with a smaller one they are in the dtype of X
(D-BOOTSTRAP-FLOAT32, D-CONSENSUS-FLOAT32)."""


def fits_single(X: Operand, tol: float, H: Array | None = None) -> bool:
    """Whether X may be fitted in float32, by least squares or Kullback-Leibler, up to this `tol`.

    X, its squares and those of the components H, if there are any, have to be far within the
    range of float32.
    """
    squares = [] if H is None else np.einsum("tj,tj->t", H, H, dtype=np.float64)
    has_room = all(is_ordinary(s, np.float32) for s in squares if s > 0)
    return tol >= LEAST_TOL and has_room and is_in_single_range(X)


def copied(X: Operand, dtype: DTypeLike, n_threads: int) -> Operand:
    """Return an X in memory of this dtype and with contiguous rows, for so many threads.

    What is so already is shared.
    """
    rows = X.stored_by_rows().native()
    return as_operand(rows.astype(dtype, copy=False), n_threads)
