"""Reference of the solves for rows within bounds, whose sums may be given as well."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from .box_active_set import active_set
from .boxes import Box, projected_gradient, within
from .reference import VANISHING, inner
from .row_methods import Adaptive, Method, RowArrays, SolveReport

Float = NDArray[np.float64]

RIDGE = 1e-13
"""Share of the largest diagonal entry that is added to the Gram matrix of an exact solve, so
that dependent components have one solution."""
LOOPS = 12
"""After LOOPS + k/4 exchanges of many entries a row is solved by the active-set method."""
CHUNK = 1 << 20
"""Most entries of the matrices that are factored at a time."""


def tolerance(dtype: Any) -> float:
    """Return the share of a row's scale below which a sign does not count."""
    return 1e-8 if np.dtype(dtype).itemsize == 4 else 1e-12


def swept(box: Box, method: Method) -> Adaptive | None:
    """Return the method if rows are swept, None if they are solved for exactly."""
    sweeps = isinstance(method, Adaptive) and box.total is None and not box.is_free
    return method if sweeps and isinstance(method, Adaptive) else None


def solve_within(
    rows: RowArrays,
    rhs: Array,
    gram: Array,
    l1: Array,
    box: Box,
    method: Method,
    n_threads: int = 1,  # noqa: ARG001  (signature of the compiled twin)
) -> SolveReport:
    """Minimise ½ a G aᵀ − (p − l1)·a over the rows a of a factor within a box.

    An adaptive method sweeps; any other, and rows with a sum, are solved exactly.
    `rows.start` has to be within the box. Extrapolation is left to the caller.
    """
    sweeps = swept(box, method)
    if sweeps is not None:
        return _sweeps(rows, rhs, gram, l1, box, sweeps)
    return _exactly(rows, rhs, gram, l1, box)


def _sweeps(
    rows: RowArrays, rhs: Array, gram: Array, l1: Array, box: Box, method: Adaptive
) -> SolveReport:
    A = rows.start.copy()
    n_rows, k = A.shape
    gram, l1 = gram.astype(A.dtype, copy=False), l1.astype(A.dtype, copy=False)
    lower, upper = (np.broadcast_to(b, A.shape) for b in (box.lower, box.upper))
    measures, decrease, n_sweeps = np.zeros((2, k)), 0.0, 0.0
    vanishing, tiny = VANISHING[A.dtype], np.finfo(A.dtype).tiny
    first, alive = np.zeros(n_rows), np.ones(n_rows, dtype=bool)
    linear = rhs - l1
    measures[1] = np.square(linear, dtype=np.float64).sum(axis=0)
    for number in range(method.sweeps):
        n_sweeps += np.count_nonzero(alive)
        squares = np.zeros(n_rows)
        for t in range(k):
            a, low, high = A[:, t], lower[:, t], upper[:, t]
            gradient, curvature = A @ gram[t] - linear[:, t], gram[t, t]
            if number == 0:
                projected = np.where(a > low, gradient, np.minimum(gradient, 0))
                projected = np.where(a < high, projected, np.maximum(projected, 0))
                projected[low == high] = 0
                measures[0, t] = np.square(projected, dtype=np.float64).sum()
            if curvature > tiny:
                moved = a - gradient / curvature
            else:  # only a penalty can pull, all the way to 0; else the entry stays
                moved = np.where(gradient > 0, 0, a)
            # what falls below this share of itself is zero but for rounding
            moved[(a > 0) & (np.abs(moved) <= vanishing * a)] = 0
            moved = np.minimum(np.maximum(moved, low), high)
            step = np.where(alive, moved - a, 0)
            A[:, t] = np.where(alive, moved, a)
            squares += step * step
            gain = step * (gradient + 0.5 * curvature * step)
            decrease -= float(gain.sum(dtype=np.float64))
        first, alive = (
            (squares, squares > 0)
            if number == 0
            else (first, alive & (squares > method.settled * first))
        )
        if not alive.any():
            break
    rows.solved[...] = A
    return SolveReport(0.0, inner(rhs, A), decrease, n_sweeps, measures)


def _exactly(
    rows: RowArrays, rhs: Array, gram: Array, l1: Array, box: Box
) -> SolveReport:
    k = gram.shape[0]
    G = np.asarray(gram, dtype=np.float64)
    measures, decrease, tried = np.zeros((2, k)), 0.0, 0.0
    size = max(1, CHUNK // max(1, k * k))
    cross = 0.0
    for first in range(0, rows.start.shape[0], size):
        block = slice(first, first + size)
        start = rows.start[block].astype(np.float64)
        p = rhs[block].astype(np.float64) - l1
        inside = box.block(block)
        gradient = start @ G - p
        projected = projected_gradient(start, gradient, inside)
        measures[0] += np.square(projected).sum(axis=0)
        measures[1] += np.square(p).sum(axis=0)
        solver = BoxRows(G, p, start, inside, rows.solved.dtype)
        solver.run()
        solved = within(solver.x, inside).astype(rows.solved.dtype)
        rows.solved[block] = solved
        step = solved.astype(np.float64) - start
        decrease -= float(np.sum(step * (gradient + 0.5 * (step @ G))))
        cross += inner(rhs[block], solved)
        tried += solver.n_factorizations
    return SolveReport(0.0, cross, decrease, tried, measures)


class BoxRows:
    """Block pivoting [1]_ over rows within a box; rows that are done drop out.

    Entries at a bound move off it where their gradient asks for it, and free entries beyond
    a bound move onto it, many at a time. The multiplier of a row's sum is solved for together
    with the free entries, by one more right-hand side. G is (k, k), or (n, k, k) where each
    row has its own.

    References
    ----------
    .. [1] Júdice & Pires, "A block principal pivoting algorithm for large-scale strictly
       monotone linear complementarity problems", Computers & Operations Research 21 (1994)
       587-596, https://doi.org/10.1016/0305-0548(94)90106-6
    """

    def __init__(self, G: Float, p: Float, start: Float, box: Box, dtype: Any) -> None:
        largest = G.diagonal(axis1=-2, axis2=-1).max(axis=-1, initial=1e-300)
        self.G = G + RIDGE * largest[..., None, None] * np.eye(G.shape[-1])
        self.p, self.box = p, box
        total = 0.0 if box.total is None else box.total
        self.total = np.broadcast_to(np.asarray(total, dtype=np.float64), len(p))
        low, high = (
            np.broadcast_to(np.asarray(b, dtype=np.float64), p.shape) for b in box[:2]
        )
        self.low, self.high = low, high
        self.tol = tolerance(dtype)
        self.at_low = start <= low
        self.at_high = (start >= high) & ~self.at_low
        cold = (self.at_low | self.at_high | (low == high)).all(axis=1)
        self.at_low[cold] &= (low == high)[cold]
        self.at_high[cold] = False
        self.tight = np.full(len(p), box.total is not None)
        if box.total is not None and box.at_most:
            self.tight = start.sum(axis=1) >= box.total * (1 - 1e-9)
        self.x = start.copy()
        self.multiplier = np.zeros(len(p))
        self.y = np.zeros_like(p)
        self.n_factorizations = 0

    def run(self) -> None:
        """Exchange until no sign is wrong; rows that take too long go to the active set."""
        if self.box.is_free:
            if self.G.ndim == 2:
                self.x = np.linalg.solve(self.G, self.p.T).T
            else:
                self.x = np.linalg.solve(self.G, self.p[:, :, None])[:, :, 0]
            self.n_factorizations += 1
            return
        n, k = self.p.shape
        rows = np.arange(n)
        fewest, chances = np.full(n, k + 2), np.full(n, 3)
        for _ in range(LOOPS + k // 4):
            self.n_factorizations += len(rows)
            self._solve(rows)
            wrong, untight = self._violated(rows)
            count = wrong.sum(axis=1) + untight
            kept = count > 0
            rows, wrong, untight, count = (
                a[kept] for a in (rows, wrong, untight, count)
            )
            if not len(rows):
                return
            better = count < fewest[rows]
            fewest[rows] = np.minimum(fewest[rows], count)
            single = ~better & (chances[rows] == 0)
            chances[rows] = np.where(better, 3, np.maximum(chances[rows] - 1, 0))
            # exchanging the last one alone ends, by Murty's theorem
            last = k - 1 - np.argmax(wrong[:, ::-1], axis=1)
            wrong[single] &= np.arange(k) == last[single, None]
            untight[single & wrong.any(axis=1)] = False
            self._exchange(rows, wrong, untight)
        for i in rows:
            self._by_active_set(int(i))

    def _solve(self, rows: Any) -> None:
        low, high = self.low[rows], self.high[rows]
        bound = np.where(
            self.at_low[rows], low, np.where(self.at_high[rows], high, 0.0)
        )
        held = self.at_low[rows] | self.at_high[rows]
        bound[~held] = 0.0
        rest = np.where(held, 0.0, self.p[rows] - self._times(bound, rows))
        G = self.G if self.G.ndim == 2 else self.G[rows]
        M = G * (~held[:, :, None] & ~held[:, None, :])
        diagonal = np.arange(self.G.shape[-1])
        M[:, diagonal, diagonal] += held
        tight = self.tight[rows]
        if self.box.total is None or not tight.any():
            x = np.linalg.solve(M, rest[:, :, None])[:, :, 0]
            self.multiplier[rows] = 0.0
        else:
            both = np.linalg.solve(M, np.stack([rest, (~held).astype(float)], axis=2))
            left = self.total[rows] - bound.sum(axis=1) - both[:, :, 0].sum(axis=1)
            slope = both[:, :, 1].sum(axis=1)
            multiplier = np.where(
                tight & (slope > 0), left / np.where(slope > 0, slope, 1), 0
            )
            self.multiplier[rows] = multiplier
            x = both[:, :, 0] + multiplier[:, None] * both[:, :, 1]
        self.x[rows] = np.where(held, bound, x)
        self.y[rows] = self._times(self.x[rows], rows) - self.p[rows]

    def _times(self, x: Float, rows: Any) -> Float:
        if self.G.ndim == 2:
            return np.asarray(x @ self.G)
        return np.asarray((x[:, None, :] @ self.G[rows])[:, 0, :])

    def _violated(self, rows: Any) -> tuple[Any, Any]:
        """Return which entries, and which sums, are on the wrong side."""
        x, low, high = self.x[rows], self.low[rows], self.high[rows]
        total = self.total[rows]
        y = self.y[rows] - self.multiplier[rows, None]
        tight = self.tight[rows]
        slack = self.tol * np.abs(x).max(axis=1)[:, None] + 1e-300
        steep = self.tol * (np.abs(self.p[rows]).max(axis=1)[:, None] + 1e-300)
        at_low, at_high = self.at_low[rows], self.at_high[rows]
        wrong = (x < low - slack) | (x > high + slack)
        wrong = np.where(at_low, y < -steep, np.where(at_high, y > steep, wrong))
        wrong &= low < high
        untight = np.zeros(len(x), dtype=bool)
        if self.box.total is None:
            return wrong, untight
        if self.box.at_most:
            above = x.sum(axis=1) > total + slack[:, 0]
            untight = np.where(tight, self.multiplier[rows] > steep[:, 0], above)
        # a row without free entries has no multiplier: free the steepest one
        stuck = tight & (at_low | at_high).all(axis=1)
        stuck &= np.abs(x.sum(axis=1) - total) > slack[:, 0]
        if stuck.any():
            upwards = x.sum(axis=1) < total
            can = np.where(upwards[:, None], x < high, x > low) & (low < high)
            order = np.where(upwards[:, None], y, -y)
            entry = np.argmin(np.where(can, order, np.inf), axis=1)
            wrong[stuck] = np.arange(x.shape[1]) == entry[stuck, None]
        return wrong, untight

    def _exchange(self, rows: Any, wrong: Any, untight: Any) -> None:
        x, low = self.x[rows], self.low[rows]
        at_low, at_high = self.at_low[rows], self.at_high[rows]
        held = at_low | at_high
        below = x < low
        self.at_low[rows] = np.where(wrong, ~held & below, at_low)
        self.at_high[rows] = np.where(wrong, ~held & ~below, at_high)
        self.tight[rows] ^= untight

    def _by_active_set(self, i: int) -> None:
        """Solve for a row by a primal active set, which goes down until it is done."""
        low, high = self.low[i], self.high[i]
        total = None if self.box.total is None else float(self.total[i])
        box = Box(low, high, total, self.box.at_most)
        G = self.G if self.G.ndim == 2 else self.G[i]
        self.x[i] = active_set(G, self.p[i], low, high, box, self.tol)
