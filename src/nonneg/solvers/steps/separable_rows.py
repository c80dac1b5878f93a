"""Rows of a factor that minimise a majoriser which is a sum over entries, within constraints."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...base.arrays import Array
from ...kernels.boxes import Box, within

Float = NDArray[np.float64]

STEPS = 100
"""Most steps for the multiplier of the sum of a row, by Newton or by halves."""
WIDENINGS = 60
"""Most doublings of the interval that holds it."""
NEAR = 1e-14
"""Share of the sum to which it is met."""


class Separable(NamedTuple):
    """A majoriser Σ above·a^(rise+1)/… − below, entry by entry, of which this is the derivative.

    At an entry a that was a₀: linear + bend·a − pull·a₀/a for a flat loss, and linear +
    bend·a for the quadratic one. All arrays are (n_rows, k), in float64.
    """

    linear: Float
    bend: Float
    pull: Float
    """Times a₀ already; 0 for the quadratic loss."""

    def minimiser(self, multiplier: Any = 0.0) -> Float:
        """Return the entries at which the derivative is the multiplier, infinite for none."""
        b = self.linear - multiplier
        bent = self.bend > 0
        c = np.where(bent, self.bend, 1.0)
        root = np.sqrt(b * b + 4 * c * self.pull)
        # the positive root of c·a² + b·a = pull, without cancellation
        below = np.where(b > 0, b + root, 1.0)
        curved = np.where(b > 0, 2 * self.pull / below, (root - b) / (2 * c))
        with np.errstate(divide="ignore", invalid="ignore"):
            flat = self.pull / b
        flat = np.where(b > 0, flat, np.where((self.pull > 0) | (b < 0), np.inf, 0.0))
        return np.where(bent, curved, flat)


def minimise_within(majoriser: Separable, box: Box, dtype: Any) -> Array:
    """Return the rows that minimise a majoriser within a box, of a dtype."""
    low, high = (np.asarray(b, dtype=np.float64) for b in box[:2])
    largest = float(np.finfo(dtype).max)
    rows = np.minimum(np.clip(majoriser.minimiser(), low, high), largest)
    if box.total is None:
        return rows.astype(dtype)
    moving = np.ones(len(rows), dtype=bool)
    if box.at_most:
        moving = rows.sum(axis=1) > box.total
    if moving.any():
        some = Separable(*(part[moving] for part in majoriser))
        rows[moving] = _with_sum(some, box.block(moving))
    return within(rows.astype(dtype).astype(np.float64), box).astype(dtype)


def _with_sum(majoriser: Separable, box: Box) -> Float:
    """Return the rows with the sum of the box, by Newton steps for their multipliers."""
    linear, bend, _ = majoriser
    total = np.broadcast_to(np.asarray(box.total, dtype=np.float64), len(linear))
    low, high = (np.asarray(b, dtype=np.float64) for b in box[:2])
    box = Box(low, high, total)
    multiplier = _multipliers(majoriser, box)
    rows = _rows_at(majoriser, box, multiplier)
    # what is left goes to the entry that costs least: nothing else pulls there
    left = np.maximum(total - rows.sum(axis=1), 0)
    best = np.argmin(np.where(rows < high, linear + bend * rows, np.inf), axis=1)
    i = np.arange(len(rows))
    rows[i, best] += np.where(left > 1e-9 * total, left, 0)
    return rows


def _rows_at(majoriser: Separable, box: Box, multiplier: Float) -> Float:
    rows = majoriser.minimiser(multiplier[:, None])
    return np.asarray(np.clip(rows, box.lower, box.upper))


def _multipliers(majoriser: Separable, box: Box) -> Float:
    """Return the multipliers at which rows have their sums, or the last ones below (D-ROW-SUMS)."""
    down, up = _interval(majoriser, box)
    result, multiplier = down.copy(), down
    going = np.arange(len(down))
    for _ in range(STEPS):
        linear, bend, pull = majoriser
        low, high, total, _ = box
        rows = _rows_at(majoriser, box, multiplier)
        sums = rows.sum(axis=1)
        excess = sums - total
        beyond = excess > 0
        down, up = np.where(beyond, down, multiplier), np.where(beyond, multiplier, up)
        middle = 0.5 * (down + up)
        near = np.abs(excess) <= NEAR * total
        result[going] = np.where(near, multiplier, down)
        on = ~near & (middle > down) & (middle < up)
        if not on.any():
            break
        free = (rows > low) & (rows < high) & np.isfinite(rows)
        steep = np.sqrt((linear - multiplier[:, None]) ** 2 + 4 * bend * pull)
        free &= steep > 0
        slope = np.where(free, rows, 0) / np.where(free, steep, 1)
        slope = slope.sum(axis=1)
        step = -excess / np.where(slope > 0, slope, 1)
        # where entries are pull/b, the inverse of their sum is nearly straight
        step = multiplier + np.where(bend.any(axis=1), step, step * sums / total)
        inside = (slope > 0) & (step > down) & (step < up)
        multiplier = np.where(inside, step, middle)[on]
        # rows that have their sums stay where they are
        majoriser, box = Separable(*(part[on] for part in majoriser)), box.block(on)
        down, up, going = down[on], up[on], going[on]
    return result


def _interval(majoriser: Separable, box: Box) -> tuple[Float, Float]:
    """Return multipliers at which rows have at most, and at least, their sums."""
    linear, bend, pull = majoriser
    size, k = box.total[:, None], linear.shape[1]
    # no entry is above the total there, and one is; then all are at most its k-th part
    up = np.min(linear + bend * size - pull / size, axis=1)
    down = np.min(linear + bend * size / k - k * pull / size, axis=1)
    width = np.maximum(up - down, 1e-12 * (1 + np.abs(up)))
    for _ in range(WIDENINGS):
        short = _rows_at(majoriser, box, up).sum(axis=1) < box.total
        beyond = _rows_at(majoriser, box, down).sum(axis=1) > box.total
        if not (short.any() or beyond.any()):
            break
        up, down = np.where(short, up + width, up), np.where(beyond, down - width, down)
        width = np.where(short | beyond, 2 * width, width)
    return down, up
