"""Rows of least Kullback-Leibler divergence within a box: Newton steps by each row's Hessian."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..base.arrays import Array
from .bounded_rows import BoxRows
from .boxes import Box, projected_gradient, within

Float = NDArray[np.float64]

STEPS = 100
"""Most Newton steps for a row; some ten are enough but for rows that are nearly singular."""
HALVINGS = 40
"""Most halvings of a step."""
SUFFICIENT = 1e-4
"""Share of the decrease that the slope promises which a step has to bring."""
ROUNDING = 1e-15
"""Share of a row's sum that differences of its objective are rounded by."""
PROXIMAL = 1e-9
"""Share of a Hessian's largest entry that is added to its diagonal, around the row of now: so
directions in which the row is flat, or falls evenly, have an end."""
TILE = 1 << 20
"""Most numbers of an array that a tile of rows takes."""
PADDED = 0.5
"""Share of the columns up to which the longest row of a tile is gathered, not made dense."""


class RowProblems(NamedTuple):
    """Rows a of which linear·a + ½ a Q aᵀ − Σ x·log(h·a) is to be least."""

    x: Float
    """(n, p), at least 0: p entries of each row."""
    h: Float
    """(p, k), or (n, p, k) where each row has its own."""
    linear: Float
    """(n, k)."""
    Q: Float | None
    """(k, k) or (n, k, k), positive semi-definite; None for 0."""
    floor: float
    """Smallest h·a that is divided by."""

    def of(self, rows: Any) -> RowProblems:
        """Return the problems of some rows."""
        h = self.h[rows] if self.h.ndim == 3 else self.h
        Q = self.Q[rows] if self.Q is not None and self.Q.ndim == 3 else self.Q
        return self._replace(x=self.x[rows], h=h, linear=self.linear[rows], Q=Q)

    def product(self, A: Float) -> Float:
        """Return h·a for each row, (n, p)."""
        if self.h.ndim == 2:
            return np.asarray(A @ self.h.T)
        return np.asarray((self.h @ A[:, :, None])[:, :, 0])

    def weighted_sums(self, weights: Float) -> Float:
        """Return Σ weight·h for each row, (n, k)."""
        if self.h.ndim == 2:
            return np.asarray(weights @ self.h)
        return np.asarray((weights[:, None, :] @ self.h)[:, 0, :])

    def bent(self, A: Float) -> Float:
        """Return a·Q for each row, (n, k)."""
        if self.Q is None:
            return np.zeros_like(A)
        if self.Q.ndim == 2:
            return A @ self.Q
        return np.asarray((A[:, None, :] @ self.Q)[:, 0, :])

    def hessians(self, Y: Float) -> Float:
        """Return Σ x/y²·hᵀh + Q, (n, k, k)."""
        weights = self.x / Y**2
        turned = np.swapaxes(self.h, -1, -2)
        sums: Float = (turned * weights[:, None, :]) @ self.h
        return sums if self.Q is None else sums + self.Q


def solve_by_newton(
    problems: RowProblems, start: Float, box: Box, tolerance: float
) -> tuple[Float, NDArray[np.bool_]]:
    """Return the rows within a box that minimise, and which of them are not finished.

    Each step minimises the objective's quadratic around the row within the box, with the
    sum that the box gives, and is halved until the objective falls.

    Parameters
    ----------
    problems : RowProblems
    start : ndarray of shape (n, k)
        Rows within the box.
    box : Box
    tolerance : float
        A row is finished when its step promises to lower the objective by at most this
        share of the row's sum of x; that step is taken.
    """
    A = start.copy()
    total = problems.x.sum(axis=1)
    left = np.arange(len(A))
    part, inside = problems, box
    for _ in range(STEPS):
        A[left], done = _step(part, A[left], inside, total[left], tolerance)
        if done.any():
            left = left[~done]
            part, inside = part.of(~done), inside.block(~done)
        if not left.size:
            break
    unfinished = np.zeros(len(A), dtype=bool)
    unfinished[left] = True
    return A, unfinished


def _step(
    problems: RowProblems, A: Float, box: Box, total: Float, tolerance: float
) -> tuple[Float, NDArray[np.bool_]]:
    """Return the rows after a step, and which of them are done."""
    Y = np.maximum(problems.product(A), problems.floor)
    gradient = gradient_of(problems, A, Y)
    G = problems.hessians(Y)
    k = A.shape[1]
    # of a row of zeros, about what the sum of its x asks for
    rise = np.abs(problems.linear).max(axis=1, initial=0)
    size = np.abs(A).max(axis=1, initial=0)
    size = np.where(size > 0, size, total / np.where(rise > 0, rise, 1))
    size = np.where(size > 0, size, 1.0)
    steep = np.abs(gradient).max(axis=1, initial=0) / size
    curved = G.diagonal(axis1=1, axis2=2).max(axis=1, initial=0)
    diagonal = np.arange(k)
    G[:, diagonal, diagonal] += (PROXIMAL * np.maximum(curved, steep))[:, None] + 1e-290
    p = (G @ A[:, :, None])[:, :, 0] - gradient
    solver = BoxRows(G, p, A, box, np.float64)
    solver.run()
    step = within(solver.x, box) - A
    slope = (gradient * step).sum(axis=1)
    noise = ROUNDING * total
    shares, falls = _shares(problems, A, Y, step, slope, noise)
    moved = A + shares[:, None] * step
    # rounding may bring a share of a step below a bound, and a whole one has to end at it
    moved = np.where(shares[:, None] == 1, A + step, moved)
    low, high = (np.asarray(b, dtype=np.float64) for b in box[:2])
    return np.clip(moved, low, high), (-slope <= tolerance * total + noise) | ~falls


def _shares(
    problems: RowProblems, A: Float, Y: Float, step: Float, slope: Float, noise: Float
) -> tuple[Float, NDArray[np.bool_]]:
    """Return the share of each step that lowers the objective enough; 0 where none does."""
    straight = (problems.linear * step).sum(axis=1)
    bent = problems.bent(step)
    straight += (bent * A).sum(axis=1)
    curvature = (bent * step).sum(axis=1)
    there = problems.product(step)
    shares = np.ones(len(A))
    left = np.arange(len(A))
    for _ in range(HALVINGS):
        part, t = problems.of(left), shares[left]
        after = np.maximum(Y[left] + t[:, None] * there[left], part.floor)
        logs = (part.x * np.log(after / Y[left])).sum(axis=1)
        change = t * straight[left] + 0.5 * t * t * curvature[left] - logs
        good = change <= SUFFICIENT * t * slope[left] + noise[left]
        left = left[~good]
        if not left.size:
            break
        shares[left] *= 0.5
    shares[left] = 0.0
    return shares, shares > 0


def gradient_of(problems: RowProblems, A: Float, Y: Float) -> Float:
    """Return the gradient at the rows, where Y is h·a, floored."""
    pull = problems.weighted_sums(problems.x / Y)
    return problems.linear + problems.bent(A) - pull


def violation_of(problems: RowProblems, A: Float, box: Box) -> float:
    """Return Σ |projected gradient|·|entry|."""
    Y = np.maximum(problems.product(A), problems.floor)
    left = projected_gradient(A, gradient_of(problems, A, Y), box)
    return float(np.sum(np.abs(left) * np.abs(A)))


def gathered_tiles(
    X: Any, mask: Any | None, Ht: Float
) -> Iterator[tuple[Any, Float, Float, Float | None]]:
    """Yield (rows, x, h, weights) of tiles of a block of X.

    Of sparse rows the stored entries alone are gathered, where these are few; rows of like
    length share a tile. With a mask x is dense, and `weights` are its rows.
    """
    n, (m, k) = X.shape[0], Ht.shape
    if mask is None and sp.issparse(X):
        X = X.tocsr()
        lengths = np.diff(X.indptr)
        order = np.argsort(lengths, kind="stable")
        few = order[lengths[order] <= PADDED * m]
        yield from _padded(X, Ht, few, lengths)
        rest = np.sort(order[len(few) :])
    else:
        rest = np.arange(n)
    size = max(1, TILE // max(1, max(m, k) * k))
    for first in range(0, len(rest), size):
        rows = rest[first : first + size]
        x = X[rows]
        x = np.asarray(x.toarray() if sp.issparse(x) else x, dtype=np.float64)
        if mask is None:
            yield rows, x, Ht, None
        else:
            yield rows, x, Ht, np.asarray(mask[rows], dtype=np.float64)


def _padded(
    X: Any, Ht: Float, rows: Array, lengths: Array
) -> Iterator[tuple[Any, Float, Float, None]]:
    """Yield tiles of sparse rows in order of their lengths, filled up by entries of 0."""
    k = Ht.shape[1]
    first = 0
    while first < len(rows):
        size = max(1, TILE // max(1, max(int(lengths[rows[first]]), k) * k))
        some = rows[first : first + size]
        longest = max(1, int(lengths[some].max()))
        places = X.indptr[some][:, None] + np.arange(longest)
        real = np.arange(longest) < lengths[some][:, None]
        places = np.where(real, places, 0)
        x = np.where(real, X.data[places] if X.nnz else 0.0, 0.0)
        columns = np.where(real, X.indices[places] if X.nnz else 0, 0)
        yield some, x.astype(np.float64), Ht[columns], None
        first += size
