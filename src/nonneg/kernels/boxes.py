"""Boxes that the rows of a factor stay in, with the sums that rows may have."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array

Float = NDArray[np.float64]

STEPS = 100
"""Most steps for the shift of a projection, each exact where no entry meets a bound."""


def as_slice(columns: Array) -> Any:
    """Return columns that follow each other as a slice, which is copied faster."""
    if not columns.size:
        return slice(0, 0)
    first, last = int(columns[0]), int(columns[-1])
    return slice(first, last + 1) if last - first + 1 == len(columns) else columns


class Box(NamedTuple):
    """Bounds of the rows of a factor, and the sum of each row if it has one."""

    lower: Array
    """(k,) or (n_rows, k), of the dtype of the rows."""
    upper: Array
    total: Any = None
    """A number, or one for each row, (n_rows,); None for any sum."""
    at_most: bool = False

    def block(self, rows: Any) -> Box:
        """Return the bounds of some rows."""
        lower, upper = (b[rows] if b.ndim == 2 else b for b in self[:2])
        total = self.total[rows] if np.ndim(self.total) else self.total
        return Box(lower, upper, total, self.at_most)

    def columns(self, kept: Array, rest: Any = 0.0) -> Box:
        """Return the bounds of some components, where the others sum up to `rest`."""
        total = None if self.total is None else self.total - rest
        return Box(self.lower[..., kept], self.upper[..., kept], total, self.at_most)

    @property
    def is_free(self) -> bool:
        """Whether there are no bounds at all."""
        return bool(
            self.total is None
            and np.isneginf(self.lower).all()
            and np.isposinf(self.upper).all()
        )


def projected_gradient(A: Array, gradient: Array, box: Box) -> Array:
    """Return the part of the gradient along which rows may move, downwards, within a box."""
    if box.total is not None:
        gradient = gradient - _multipliers(A, gradient, box)[:, None]
    low, high = box.lower >= A, box.upper <= A
    projected = np.where(low, np.minimum(gradient, 0), gradient)
    projected = np.where(high, np.maximum(projected, 0), projected)
    projected[np.broadcast_to(low & high, projected.shape)] = 0
    return projected


def _multipliers(A: Array, gradient: Array, box: Box) -> Array:
    """Return what the gradient of each row is where entries may move either way."""
    free = (box.lower < A) & (box.upper > A)
    count = free.sum(axis=1)
    mean = np.where(free, gradient, 0).sum(axis=1) / np.maximum(count, 1)
    multiplier = np.where(count > 0, mean, gradient.min(axis=1))
    if not box.at_most:
        return np.asarray(multiplier)
    tight = A.sum(axis=1) >= box.total * (1 - 1e-6)
    return np.where(tight, np.minimum(multiplier, 0), 0)


def within(A: Float, box: Box) -> Float:
    """Return rows that differ from the box, and from their sums, by rounding, within both."""
    low, high = (np.asarray(b, dtype=np.float64) for b in box[:2])
    A = np.clip(A, low, high)
    if box.total is None:
        return A
    low, high = (np.broadcast_to(b, A.shape) for b in (low, high))
    total = np.broadcast_to(np.asarray(box.total, dtype=np.float64), len(A))
    rest = np.arange(len(A))
    for _ in range(A.shape[1]):
        rows = A[rest]
        excess = rows.sum(axis=1) - total[rest]
        if box.at_most:
            excess = np.maximum(excess, 0)
        off = excess != 0
        if not off.any():
            break
        rest, rows, excess = rest[off], rows[off], excess[off]
        below, above = low[rest], high[rest]
        room = np.where(excess[:, None] > 0, rows - below, above - rows)
        room = np.where(np.isfinite(room), room, np.abs(rows) + 1)
        share = room / (1 + room)
        # entries at a bound stay there, as long as others can take the rounding
        inside = (below < rows) & (above > rows)
        entry = np.argmax(np.where(inside, 1 + share, share), axis=1)
        i = np.arange(len(rest))
        ends = below[i, entry], above[i, entry]
        A[rest, entry] = np.clip(rows[i, entry] - excess, *ends)
    return A


def project(A: Array, box: Box) -> Array:
    """Return the nearest rows within a box that have its sums, of the dtype of A."""
    low, high = (np.asarray(b, dtype=np.float64) for b in box[:2])
    rows = A.astype(np.float64)
    clipped = np.clip(rows, low, high)
    if box.total is None:
        return clipped.astype(A.dtype)
    need = box.total - clipped.sum(axis=1)
    moving = np.flatnonzero(need < 0 if box.at_most else need != 0)
    if not moving.size:
        return clipped.astype(A.dtype)
    inside = Box(low, high, box.total, box.at_most).block(moving)
    clipped[moving] = within(_shifted(rows[moving], inside), inside)
    nearest: Array = clipped.astype(A.dtype)
    return nearest


def _shifted(rows: Float, box: Box) -> Float:
    """Return rows shifted by a number each, and clipped, so that they have their sums.

    Newton's steps for the shift, which are exact once the free entries stay the same, within
    brackets that are halved where such a step leaves them.
    """
    low, high = box.lower, box.upper
    total = np.broadcast_to(np.asarray(box.total, dtype=np.float64), len(rows))
    size = np.abs(rows).max(initial=0) + np.abs(total).max()
    for bounds in (low, high):
        size += np.abs(np.where(np.isfinite(bounds), bounds, 0)).max(initial=0)
    down, up = np.full(len(rows), -2 * size), np.full(len(rows), 2 * size)
    shift, left = np.zeros(len(rows)), np.arange(len(rows))
    before = np.zeros(rows.shape, dtype=bool)
    for _ in range(STEPS):
        part = box.block(left)
        now = shift[left]
        moved = rows[left] + now[:, None]
        free = (moved > part.lower) & (moved < part.upper)
        excess = np.clip(moved, part.lower, part.upper).sum(axis=1) - total[left]
        up[left] = np.where(excess > 0, now, up[left])
        down[left] = np.where(excess > 0, down[left], now)
        n_free = free.sum(axis=1)
        step = now - excess / np.maximum(n_free, 1)
        newton = (n_free > 0) & (step > down[left]) & (step < up[left])
        step = np.where(newton, step, 0.5 * (down[left] + up[left]))
        # a step from the same free entries again has only rounding to mend
        done = (free == before[left]).all(axis=1) & newton
        done |= np.abs(excess) <= 4e-16 * size
        shift[left] = np.where(done & ~newton, now, step)
        before[left] = free & newton[:, None]
        left = left[~done]
        if not left.size:
            break
    shifted: Float = np.clip(rows + shift[:, None], low, high)
    return shifted
