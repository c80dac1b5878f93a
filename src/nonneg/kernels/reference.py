"""Array-API reference of every kernel: the test oracle, and the fallback without `_core`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class SweepReport(NamedTuple):
    """What a coordinate sweep knows at no extra cost, in float64."""

    violation: float
    """Sum of |projected gradient|, each entry taken just before its update."""
    cross: float
    """⟨rhs, A⟩ after the sweep."""


def coordinate_sweep(
    A: Array,
    rhs: Array,
    gram: Array,
    l1: Array,
    order: Sequence[int] | None = None,
    n_threads: int = 1,  # noqa: ARG001  (signature of the compiled twin)
) -> SweepReport:
    r"""One cyclic pass of exact coordinate minimisation over each row of A, in place.

    Row a of A moves towards the minimiser of :math:`½ a G aᵀ - (p - l_1) aᵀ`, a ≥ 0,
    where p is its row of `rhs`. `gram` is one (k, k) matrix for all rows, or
    (n_rows, k, k). Coordinates without curvature stay where they are.
    """
    per_row = gram.ndim == 3
    violation = 0.0
    for t in range(A.shape[1]) if order is None else order:
        column = A[:, t]
        if per_row:
            gradient = np.einsum("ir,ir->i", A, gram[:, t])
            curvature = gram[:, t, t]
        else:
            gradient = A @ gram[t]
            curvature = gram[t, t]
        gradient += l1[t] - rhs[:, t]
        projected = np.where(column > 0, gradient, np.minimum(gradient, 0))
        violation += float(np.abs(projected).sum(dtype=np.float64))
        # a subnormal curvature is too flat to step along: the step would overflow
        flat = curvature <= np.finfo(A.dtype).tiny
        moved = np.maximum(column - gradient / np.where(flat, 1, curvature), 0)
        A[:, t] = np.where(flat, column, moved)
    return SweepReport(violation, inner(rhs, A))


def inner(A: Array, B: Array) -> float:
    """⟨A, B⟩ summed in float64, by blocks of rows."""
    total = 0.0
    for start in range(0, A.shape[0], 4096):
        block = slice(start, start + 4096)
        product = np.multiply(A[block], B[block], dtype=np.float64)
        total += float(product.sum())
    return total


def gram(A: Array, n_threads: int = 1) -> NDArray[np.float64]:  # noqa: ARG001
    """AᵀA in float64, whatever the dtype of A, by blocks of rows."""
    k = A.shape[1]
    total = np.zeros((k, k))
    for start in range(0, A.shape[0], 4096):
        block = A[start : start + 4096].astype(np.float64, copy=False)
        total += block.T @ block
    return total
