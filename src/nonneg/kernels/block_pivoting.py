"""Reference of the exact row solve, by block principal pivoting on many rows at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

PIVOT = 1e-13
"""A pivot below this share of its diagonal is rounding: the column is dependent."""
SOFT_PIVOT = 1e-10
"""Pivot in the place of that of a dependent coordinate whose gradient still falls, as it
may under L1. The coordinate then moves along its null direction, far enough to drive another
one below 0.
"""
LARGEST = 1e120
"""Largest number of a scaled right-hand side; larger ones are clipped."""
LOOPS = 20
"""After LOOPS + k / 16 exchanges a row is solved by the active-set method."""


class ExactReport(NamedTuple):
    """Numbers that an exact solve has at no extra cost, in float64."""

    cross: float
    """⟨rhs, A⟩ after the solve."""
    n_fallback: int
    """Number of rows that pivoting did not finish and the active-set method solved."""
    n_factorizations: int
    """Number of passive sets that were factored, summed over the rows."""
    gradient: Float
    """Sum of squares of the projected gradient after the solve, by component, (k,)."""


def tolerance(dtype: Any) -> float:
    """Return the share of a row's scale below which a sign does not count."""
    return 1e-8 if np.dtype(dtype).itemsize == 4 else 1e-12


def falling(dtype: Any) -> float:
    """Return the share of a row's scale above which a gradient falls.

    It is more than the rounding of the right-hand side.
    """
    return 2e-6 if np.dtype(dtype).itemsize == 4 else 1e-11


def units(gram: Array) -> Float:
    """Return the powers of two that scale the diagonal into [1, 4), 0 where it is 0."""
    diagonal = np.asarray(gram.diagonal(), dtype=np.float64)
    sound = (diagonal > 1e-300) & (diagonal < 1e300)
    exponent = np.frexp(np.where(sound, diagonal, 1.0))[1]
    return np.where(sound, np.ldexp(1.0, -((exponent - 1) // 2)), 0.0)


def exact_solve(
    A: Array,
    rhs: Array,
    gram: Array,
    l1: Array,
    upper: Array | None = None,
    n_threads: int = 1,  # noqa: ARG001  (signature of the compiled twin)
) -> ExactReport:
    r"""Minimise exactly over each row of A, in place, starting from its passive set.

    Row a of A becomes the minimiser of :math:`½ a G aᵀ - (p - l_1) aᵀ` over
    0 ≤ a ≤ `upper`, where p is the row of `rhs`. The entries of a that are positive at
    the call are the passive set to start from. Arithmetic is in float64 for every dtype.
    Coordinates without curvature become 0, and of dependent coordinates all but one.

    Parameters
    ----------
    A, rhs : ndarray of shape (n_rows, k), float32 or float64
    gram : ndarray of shape (k, k)
        Positive semi-definite, an L2 penalty on its diagonal included.
    l1 : ndarray of shape (k,)
    upper : ndarray of shape (k,), default=None
        Upper bounds, positive; None sets none.

    Returns
    -------
    report : ExactReport

    References
    ----------
    Kim and Park (2011), doi:10.1137/110821172; bounds: Júdice and Pires (1994),
    doi:10.1016/0305-0548(94)90106-6.
    """
    k = A.shape[1]
    gram, l1 = gram.astype(np.float64), l1.astype(np.float64)
    unit = units(gram)
    G = gram * unit * unit[:, None]
    bound = np.full(k, np.inf)
    if upper is not None:
        np.divide(upper, unit, out=bound, where=unit > 0)
    cross, n_fallback, n_factorizations = 0.0, 0, 0
    squares = np.zeros(k)
    for rows in _chunks(A):
        q = np.clip((rhs[rows].astype(np.float64) - l1) * unit, -LARGEST, LARGEST)
        warm = np.where(unit > 0, A[rows] / np.where(unit > 0, unit, 1), 0.0)
        solver = _Rows(G, np.nan_to_num(q), warm, bound, A.dtype)
        solver.run()
        y = solver.y / np.where(unit > 0, unit, np.inf)
        y = np.where(solver.at_zero, np.minimum(y, 0), y)
        y = np.where(solver.at_upper, np.maximum(y, 0), y)
        squares += (y**2).sum(0)
        largest = float(np.finfo(A.dtype).max)
        most = largest if upper is None else np.minimum(upper, largest)
        x = np.nan_to_num(solver.x * unit, nan=0.0, posinf=largest)
        A[rows] = np.clip(x, 0, most)
        with np.errstate(invalid="ignore"):  # an infinite rhs times 0
            cross += float((rhs[rows].astype(np.float64) * A[rows]).sum())
        n_fallback += solver.n_fallback
        n_factorizations += solver.n_factorizations
    return ExactReport(cross, n_fallback, n_factorizations, squares)


def solve_on_sets(
    A: Array,
    rhs: Array,
    gram: Array,
    n_threads: int = 1,  # noqa: ARG001  (signature of the compiled twin)
) -> None:
    """Solve G[F,F]·a[F] = p[F] for each row a of A, in place; a is 0 outside F.

    F are the coordinates at which the row is positive at the call. The solution may have
    any sign.
    """
    unit = units(gram)
    G = gram.astype(np.float64) * unit * unit[:, None]
    for rows in _chunks(A):
        free = (A[rows] > 0) & (unit > 0)
        A[rows] = solve_sets(G, free, rhs[rows] * unit, np.inf) * unit


def _chunks(A: Array) -> Iterator[slice]:
    """Yield slices of rows, so few that one k × k matrix for each takes about 16 MB."""
    n_rows = max(1, (1 << 21) // max(1, A.shape[1] ** 2))
    for start in range(0, A.shape[0], n_rows):
        yield slice(start, start + n_rows)


class _Rows:
    """Block pivoting over a slice of rows, of which those that are done drop out."""

    def __init__(self, G: Float, q: Float, warm: Float, bound: Float, dtype: Any):
        self.G, self.q, self.warm, self.bound = G, q, warm, bound
        self.tol = tolerance(dtype)
        self.least = falling(dtype) * np.abs(q).max(1)
        self.at_upper = warm >= bound
        free = (warm > 0) & ~self.at_upper
        cold = ~(warm > 0).any(1)
        if cold.any():  # start with the positive part of the unconstrained solution
            free[cold] = solve_sets(G, np.ones_like(free[cold]), q[cold], np.inf) > 0
        self.at_zero = ~free & ~self.at_upper
        self.x, self.y = np.zeros_like(q), -q
        self.n_fallback = self.n_factorizations = 0

    def _solve(self, rows: Any) -> None:
        fixed = np.where(self.at_upper[rows], self.bound, 0.0)
        free = ~self.at_upper[rows] & ~self.at_zero[rows]
        rest = self.q[rows] - fixed @ self.G
        self.x[rows] = fixed + solve_sets(self.G, free, rest, self.least[rows])
        self.y[rows] = self.x[rows] @ self.G - self.q[rows]

    def _violated(self, rows: Any) -> Bool:
        x, y, zero, full = (
            part[rows] for part in (self.x, self.y, self.at_zero, self.at_upper)
        )
        scale = np.maximum(np.abs(x).max(1), np.abs(self.q[rows]).max(1))
        slack = self.tol * scale[:, None]
        wrong = (x < -slack) | (x > self.bound + slack)
        wrong = np.where(zero, y < -slack, np.where(full, y > slack, wrong))
        return np.asarray(wrong, dtype=bool)

    def run(self) -> None:
        """Exchange until no sign is wrong; rows that take too long go to the active set."""
        n, k = self.q.shape
        rows = np.arange(n)
        chances, fewest = np.full(n, 3), np.full(n, k + 1)
        for _ in range(LOOPS + k // 16):
            self.n_factorizations += len(rows)
            self._solve(rows)
            wrong = self._violated(rows)
            count = wrong.sum(1)
            rows, wrong, count = rows[count > 0], wrong[count > 0], count[count > 0]
            if not len(rows):
                return
            better = count < fewest[rows]
            fewest[rows] = np.minimum(count, fewest[rows])
            single = ~better & (chances[rows] == 0)
            chances[rows] = np.where(better, 3, np.maximum(chances[rows] - 1, 0))
            # exchanging one coordinate at a time ends, by Murty's theorem
            last = k - 1 - np.argmax(wrong[:, ::-1], axis=1)
            wrong[single] &= np.arange(k) == last[single, None]
            bound, zero = self.at_upper[rows] | self.at_zero[rows], self.x[rows] <= 0
            self.at_zero[rows] = np.where(wrong, ~bound & zero, self.at_zero[rows])
            self.at_upper[rows] = np.where(wrong, ~bound & ~zero, self.at_upper[rows])
        self.n_fallback = len(rows)
        for i in rows:
            self._by_active_set(int(i))

    def _by_active_set(self, i: int) -> None:
        x = active_set(self.G, self.q[i], self.bound, self.tol)
        self.x[i], self.y[i] = x, self.G @ x - self.q[i]
        self.at_zero[i], self.at_upper[i] = x <= 0, x >= self.bound


def active_set(G: Float, q: Float, bound: Float, tol: float) -> Float:
    """Minimise over one row by Lawson and Hanson's method on the Gram matrix.

    It is slower than pivoting, but never goes round in circles. See Bro and de Jong
    (1997), doi:10.1002/(SICI)1099-128X(199709/10)11:5<393::AID-CEM483>3.0.CO;2-L.
    """
    k = len(q)
    x, free = np.zeros(k), np.zeros(k, dtype=bool)
    barred = (G.diagonal() <= 0) | (bound <= 0)
    for _ in range(5 * k + 10):
        y = G @ x - q
        gain = np.where(free | barred, 0.0, np.where(x > 0, y, -y))
        t = int(np.argmax(gain))
        if gain[t] <= tol * max(np.abs(q).max(), x.max()):
            break
        if _enter(G, q, bound, x, free, t):
            barred = (G.diagonal() <= 0) | (bound <= 0)
        else:
            barred[t] = True
    return x


def _enter(G: Float, q: Float, bound: Float, x: Float, free: Bool, t: int) -> bool:
    """Let coordinate t into the set; move x to the set's solution as far as bounds allow.

    Returns whether t could enter.
    """
    start, first = x[t], True
    # t comes last, since it may depend on the others
    passive = [*np.flatnonzero(free), t]
    while passive:
        F = np.array(passive)
        M, rest = G[np.ix_(F, F)], q[F] - (G[F] @ x - G[np.ix_(F, F)] @ x[F])
        z = _eliminate(M[None].copy(), rest[None].copy(), np.zeros(1))[0]
        sound = _eliminate(M[None].copy(), rest[None].copy(), np.full(1, np.inf))[0]
        if first and (z[-1] >= start if start > 0 else z[-1] <= 0):
            return False
        out = (z <= 0) | (z >= bound[F])
        if not out.any():
            if not np.array_equal(sound, z):  # it would move without end
                return False
            x[F], free[F] = z, True
            return True
        goal = np.where(z <= 0, 0.0, bound[F])
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(out & (z != x[F]), (goal - x[F]) / (z - x[F]), 2.0)
        shares[out & (z == x[F])] = 1.0
        share = min(1.0, float(shares.min()))
        moved = x[F] + share * (z - x[F])
        blocking = int(np.argmin(shares))
        moved[blocking] = goal[blocking]
        x[F] = np.clip(moved, 0, bound[F])
        free[F] = (x[F] > 0) & (x[F] < bound[F])
        passive = [f for f in passive if free[f]]
        first = False
    return True


def solve_sets(G: Float, free: Bool, q: Float, least: Any) -> Float:
    """Return G[F,F]⁻¹ q[F] for each row's set F, and zeros outside F.

    A coordinate that depends on those before it is 0; or it moves along its null
    direction, if its right-hand side after elimination is above the row's `least`.
    """
    k = G.shape[0]
    M = G * (free[:, :, None] & free[:, None, :])
    z = np.where(free, q, 0.0)
    diagonal = np.arange(k)
    M[:, diagonal, diagonal] += ~free
    sound: Bool = np.zeros(len(M), dtype=bool)
    try:
        pivots = np.linalg.cholesky(M)[:, diagonal, diagonal] ** 2
    except np.linalg.LinAlgError:
        pass
    else:
        sound[:] = (pivots > PIVOT * M[:, diagonal, diagonal]).all(1)
    x = np.empty_like(z)
    if sound.any():
        x[sound] = np.linalg.solve(M[sound], z[sound, :, None])[:, :, 0]
    if not sound.all():
        x[~sound] = _eliminate(
            M[~sound], z[~sound], np.broadcast_to(least, len(z))[~sound]
        )
    return np.where(free, x, 0.0)


def _eliminate(M: Float, z: Float, least: Float) -> Float:
    """Solve symmetric systems that may have dependent coordinates, for `solve_sets`."""
    k = M.shape[1]
    smallest = PIVOT * M.diagonal(axis1=1, axis2=2)
    inverse = np.zeros_like(z)
    for j in range(k):
        pivot = M[:, j, j]
        np.divide(1, pivot, out=inverse[:, j], where=pivot > smallest[:, j])
        scaled = M[:, j + 1 :, j] * inverse[:, j, None]
        M[:, j + 1 :, j + 1 :] -= scaled[:, :, None] * M[:, None, j, j + 1 :]
        z[:, j + 1 :] -= scaled * z[:, j, None]
    soft = np.where(z > least[:, None], z / SOFT_PIVOT, 0.0)
    x = np.where(inverse > 0, z * inverse, soft)
    for j in reversed(range(k)):
        x[:, j] -= (M[:, j, j + 1 :] * x[:, j + 1 :]).sum(1) * inverse[:, j]
    return x
