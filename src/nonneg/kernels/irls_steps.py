"""Step of a pass that solves for rows by reweighted least squares, for β-divergences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..base.steps import Step
from .beta_steps import TILE, dense
from .row_methods import IrlsReport, RowArrays
from .term_records import TermShared, by_shares

SWEEPS, SETTLED = 16, 0.01
"""Most sweeps over the coordinates of a row's least-squares problem. A row is done after one
that decreases the problem by at most the share SETTLED of what its first one did."""
TRIALS, SHRINK = 6, 0.4
"""A row tries at most so many step sizes, each SHRINK times the one before, from 1 on."""
SUFFICIENT = 1e-4
"""Share of the decrease that the slope promises, which a step must bring."""


@dataclass(frozen=True)
class IrlsUpdate(Step[RowArrays, TermShared, IrlsReport]):
    """A step by reweighted least squares [1]_ in each of a block's rows, extrapolated.

    The rows start from rows.start and end in rows.solved. rows.moved, if there, receives
    max(0, solved + momentum·(solved − previous)).

    At a row's start, its gradient and a matrix of curvature make a weighted least-squares
    problem, which is non-negative. That is swept over a few times. The step to its
    solution is shortened until the row's objective falls; a row of which it never does
    stays as it is.

    Parameters
    ----------
    beta : float
        Between 0 and 2.
    floor : float
        Smallest W·H in negative powers.
    momentum : float
    power : float
        Weights of the problem, see `curvatures`: 0 takes Fisher's information, 1 the second
        derivative of the divergence's convex part.

    References
    ----------
    .. [1] Green, "Iteratively reweighted least squares for maximum likelihood estimation,
       and some robust and resistant alternatives", Journal of the Royal Statistical
       Society B 46 (1984) 149-192, https://doi.org/10.1111/j.2517-6161.1984.tb01288.x
    """

    name = "irls"
    beta: float
    floor: float
    momentum: float = 0.0
    power: float = 0.0

    def __call__(
        self,
        X_b: Any,
        mask_b: Any | None,  # noqa: ARG002  (no operand with gaps comes here)
        rows_b: RowArrays,
        shared: TermShared,
    ) -> IrlsReport:
        """Step in the block's rows and return its sums."""
        Ht = shared.Ht.astype(np.float64, copy=False)
        n_rows = max(1, TILE // max(1, Ht.shape[0], Ht.shape[1] ** 2))
        total = np.zeros(4)
        for first in range(0, rows_b.start.shape[0], n_rows):
            X = dense(X_b[first : first + n_rows]).astype(np.float64)
            rows = rows_b.block(first, first + n_rows)
            l1 = np.broadcast_to(by_shares(shared.l1, rows.linear), rows.start.shape)
            l2 = np.broadcast_to(by_shares(shared.l2, rows.quadratic), rows.start.shape)
            with np.errstate(all="ignore"):  # rows whose numbers overflow stay
                total += self._tile(X, rows, Ht, l1, l2)
            if rows.moved is not None:
                solved = rows.solved
                step = solved.dtype.type(self.momentum) * (solved - rows.previous)
                np.maximum(solved + step, 0, out=rows.moved)
        return IrlsReport(*map(float, total))

    def _tile(
        self, X: Array, rows: RowArrays, Ht: Array, l1: Array, l2: Array
    ) -> Array:
        W = rows.start.astype(np.float64)
        Y = np.maximum(W @ Ht.T, self.floor)
        slopes = (Y - X) * Y ** (self.beta - 2)
        gradient = slopes @ Ht + l1 + l2 * W
        hessians = _hessians(curvatures(X, Y, self.beta, self.power), Ht, l2)
        step = least_squares_step(W, gradient, hessians)
        residual = (np.abs(gradient) * np.maximum(W, W + step)).sum()
        taken = self._shortened(X, Ht, W, step, gradient, rows.solved.dtype, (l1, l2))
        rows.solved[...] = np.maximum(W + taken[:, None] * step, 0)
        ends = self._values(X, rows.solved.astype(np.float64) @ Ht.T)
        size = (Y**self.beta).sum()
        value = ends[0].sum() + ends[1].sum()
        return np.array([value, residual, size, np.count_nonzero(taken < 1)])

    def _shortened(
        self,
        X: Array,
        Ht: Array,
        W: Array,
        step: Array,
        gradient: Array,
        dtype: Any,
        penalty: tuple[Array, Array],
    ) -> Array:
        """Return the share of its step that each row takes; without one the step becomes 0."""
        slope = (gradient * step).sum(axis=1)
        before = self._values(X, W @ Ht.T)
        most = before[0] + before[1] + _penalties(W, *penalty)
        most += np.finfo(dtype).eps * (np.abs(before[0]) + np.abs(before[1]))
        taken, left = np.zeros(len(W)), np.arange(len(W))
        share = 1.0
        for _ in range(TRIALS):
            tried = np.maximum(W[left] + share * step[left], 0)
            values = self._values(X[left], tried @ Ht.T)
            weights = (penalty[0][left], penalty[1][left])
            after = values[0] + values[1] + _penalties(tried, *weights)
            # false where a number is not finite
            good = after <= most[left] + SUFFICIENT * share * slope[left]
            good &= np.isfinite(after) & np.isfinite(tried).all(axis=1)
            taken[left[good]] = share
            left = left[~good]
            if not left.size:
                break
            share *= SHRINK
        step[left] = 0  # what isn't finite times 0 is no 0
        return taken

    def _values(self, X: Array, Y: Array) -> tuple[Array, Array]:
        """Return the two parts of each row's divergence that depend on y.

        y counts as `floor` at least only where its power is negative.
        """
        beta, raised = self.beta, np.maximum(Y, self.floor)
        if beta == 0:
            return (X / raised).sum(axis=1), np.log(raised).sum(axis=1)
        if beta == 1:
            return Y.sum(axis=1), -(X * np.log(raised)).sum(axis=1)
        mixed = X * raised ** (beta - 1)
        return (Y**beta).sum(axis=1) / beta, mixed.sum(axis=1) / (1 - beta)


def curvatures(X: Array, Y: Array, beta: float, power: float) -> Array:
    """Return y^(β−2)·r^power of each entry, where r is (2 − β)·x/y + max(0, β − 1).

    Power 0 is Fisher's information, which expects x to be y. It holds entries at x = 0 and
    y ≈ 0 there although the divergence is flat. Power 1 is the second derivative of the
    divergence or, for β < 1, of its convex part. It knows those entries, but from a y far
    below x takes short steps. With 1/2, between both, steps are neither.
    """
    weights: Array = Y ** (beta - 2)
    if power and beta < 2:  # at 2 all are 1, and y may be 0
        weights *= ((2 - beta) * (X / Y) + max(0.0, beta - 1)) ** power
    return weights


def least_squares_step(W: Array, gradient: Array, hessians: Array) -> Array:
    """Return d that lowers gradient·d + ½ d·hessian·d over W + d ≥ 0 in each row.

    It is the result of at most SWEEPS cyclic sweeps over the coordinates, from 0 on.
    """
    A, slope = W.copy(), gradient.copy()
    alive, enough = np.ones(len(W), dtype=bool), np.zeros(len(W))
    for number in range(SWEEPS):
        decrease = np.zeros(len(W))
        for t in range(W.shape[1]):
            bent = hessians[:, t, t]
            curved = bent > 0
            move = -slope[:, t] / np.where(curved, bent, 1)
            # without curvature there is at most a penalty: the entry becomes 0, or stays
            move = np.where(curved, move, np.where(slope[:, t] > 0, -A[:, t], 0))
            move = np.where(alive, np.maximum(move, -A[:, t]), 0)
            A[:, t] += move
            slope += move[:, None] * hessians[:, t]
            decrease += bent * move * move
        if number == 0:
            enough = SETTLED * decrease
        alive &= decrease > enough
        if not alive.any():
            break
    step: Array = A - W
    return step


def _hessians(weights: Array, Ht: Array, l2: Array) -> Array:
    """Return Σ_j weight_j·h_j·h_jᵀ + diag(l2) of each row, (n_rows, k, k)."""
    k = Ht.shape[1]
    hessians = np.empty((len(weights), k, k))
    for t in range(k):
        hessians[:, t] = weights @ (Ht * Ht[:, t : t + 1])
        hessians[:, t, t] += l2[:, t]
    return hessians


def _penalties(W: Array, l1: Array, l2: Array) -> Array:
    """Return the penalty of each row."""
    penalties: Array = (l1 * W + 0.5 * l2 * W * W).sum(axis=1)
    return penalties
