"""The active-set method for a row within a box: slower than pivoting, but it always ends."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .boxes import Box, project

Float = NDArray[np.float64]


def active_set(
    G: Float, p: Float, low: Float, high: Float, box: Box, tol: float
) -> Float:
    """Minimise over one row by a primal active-set method, from a point within the box."""
    x = feasible_row(low, high, box)
    k = len(p)
    held = np.where(x <= low, -1, np.where(x >= high, 1, 0))
    tight = box.total is not None and (not box.at_most or x.sum() >= box.total)
    for _ in range(50 * k + 100):
        free = np.flatnonzero(held == 0)
        gradient = G @ x - p
        step, multiplier = np.zeros(k), 0.0
        if free.size:
            inverse = np.linalg.solve(
                G[np.ix_(free, free)],
                np.stack([-gradient[free], np.ones(free.size)], axis=1),
            )
            if tight:
                multiplier = -inverse[:, 0].sum() / inverse[:, 1].sum()
            step[free] = inverse[:, 0] + multiplier * inverse[:, 1]
        share, entry = 1.0, -1
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(step < 0, (low - x) / step, (high - x) / step)
        room[(step == 0) | (held != 0)] = np.inf
        if room.min(initial=np.inf) < 1:
            entry = int(np.argmin(room))
            share = max(0.0, float(room[entry]))
        rise, hits = step.sum(), False
        if box.total is not None and not tight and rise > 0:
            left = (box.total - x.sum()) / rise
            if left < share:
                share, entry, hits = max(0.0, left), -1, True
        x = np.clip(x + share * step, low, high)
        if hits:
            tight = True
            continue
        if entry >= 0:
            held[entry] = -1 if step[entry] < 0 else 1
            x[entry] = low[entry] if step[entry] < 0 else high[entry]
            continue
        y = G @ x - p
        if tight and not free.size:
            multiplier = _multiplier_of_held(y, held, low, high)
        y = y - multiplier
        wrong = np.where(held < 0, -y, np.where(held > 0, y, 0.0))
        wrong[low == high] = 0
        steep = tol * (np.abs(p).max() + 1e-300)
        if tight and box.at_most and multiplier > steep:
            tight = False
            continue
        if wrong.max(initial=0) <= steep:
            break
        if tight and not free.size:  # two entries have to move together
            up, down = np.where(held < 0, y, np.inf), np.where(held > 0, y, -np.inf)
            held[int(np.argmin(up))] = held[int(np.argmax(down))] = 0
        held[int(np.argmax(wrong))] = 0
    return x


def _multiplier_of_held(y: Float, held: Any, low: Float, high: Float) -> float:
    """Return a multiplier of the sum for a row without free entries, the best one."""
    movable = low < high
    up, down = y[(held < 0) & movable], y[(held > 0) & movable]
    least = up.min(initial=np.inf)
    most = down.max(initial=-np.inf)
    if np.isfinite(least) and np.isfinite(most):
        return float(0.5 * (least + most))
    return float(least if np.isfinite(least) else most if np.isfinite(most) else 0.0)


def feasible_row(low: Float, high: Float, box: Box) -> Float:
    """Return a row within its bounds that has its sum."""
    x: Float = np.clip(np.zeros_like(low), low, high)
    if box.total is None:
        return x
    rows: Float = project(x[None], Box(low, high, box.total, box.at_most))
    return np.asarray(rows[0])
