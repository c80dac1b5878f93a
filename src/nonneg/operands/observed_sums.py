"""Sums over the weighted entries of X, by blocks of rows whose weights stay small."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import scipy.sparse as sp

from ..base.interfaces import Operand
from ..base.observed import Weights
from .base import BlockedOperand

TILE_BYTES = 1 << 20
"""Bytes of the weights of a block of rows of the reference pass."""


class ObservedSums(NamedTuple):
    """Sums of weight·x and weight·x², and the smallest observed entry."""

    sum: float
    sum_sq: float
    smallest: float


def small_blocks(X: Operand) -> Iterator[tuple[int, int, Any]]:
    """Yield blocks of rows whose weights as an array stay small."""
    size = max(1, TILE_BYTES // max(1, 8 * X.shape[1]))
    assert isinstance(X, BlockedOperand)
    for block in X.blocks():
        for start in range(block.start, block.stop, size):
            stop = min(start + size, block.stop)
            yield start, stop, block.X[start - block.start : stop - block.start]


def sum_up(raw: Operand, weights: Weights, binary: bool) -> ObservedSums:
    """Sum up the observed entries of X, in float64."""
    if binary and weights.rows is None and weights.columns is None:
        stats = raw.stats()
        return ObservedSums(stats.sum, stats.sum_sq, stats.smallest)
    total, squares = 0.0, 0.0
    if raw.sparse and not raw.in_parts:
        A = raw.native().tocsr()
        weighted = weights.of_stored(A) * A.data
        total, squares = float(weighted.sum()), float(weighted @ A.data)
        return ObservedSums(total, squares, raw.stats().smallest)
    for start, stop, X in small_blocks(raw):
        M = weights.tile(start, stop)
        part = X.toarray() if sp.issparse(X) else X
        weighted = part * M
        total += float(weighted.sum())
        squares += float((weighted * part).sum())
    return ObservedSums(total, squares, raw.stats().smallest)
