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

SWEEPS = 8
"""Sweeps over the coordinates of a row's least-squares problem."""
TRIALS, SHRINK = 6, 0.4
"""A row tries at most so many step sizes, each SHRINK times the one before, from 1 on."""
SUFFICIENT = 1e-4
"""Share of the decrease that the slope promises, which a step must bring."""


@dataclass(frozen=True)
class IrlsUpdate(Step[RowArrays, TermShared, IrlsReport]):
    """A step by reweighted least squares [1]_ in each of a block's rows, extrapolated.

    The rows start from rows.start and end in rows.solved. rows.moved, if there, receives
    max(0, solved + momentum·(solved − previous)).

    The weights of a row's entries are y^(β−2) at its start: its gradient and Fisher's
    information then are those of a weighted least-squares problem, which is non-negative.
    That is swept over SWEEPS times. The step to its solution is shortened until the row's
    objective falls; a row of which it never does stays as it is.

    Parameters
    ----------
    beta : float
        Between 0 and 2.
    floor : float
        Smallest W·H; what is below counts as this.
    momentum : float

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
        weights = Y ** (self.beta - 2)
        gradient = ((Y - X) * weights) @ Ht + l1 + l2 * W
        step = least_squares_step(W, gradient, _hessians(weights, Ht, l2))
        before = self._values(X, Y)
        taken = self._shortened(X, Ht, W, step, gradient, before, rows, (l1, l2))
        rows.solved[...] = np.maximum(W + taken[:, None] * step, 0)
        solved = rows.solved.astype(np.float64)
        values = self._values(X, np.maximum(solved @ Ht.T, self.floor))
        return np.array(
            [
                values[0].sum() + values[1].sum(),
                (np.abs(gradient) * np.maximum(W, solved)).sum(),
                (Y**self.beta).sum(),
                np.count_nonzero(taken < 1),
            ]
        )

    def _shortened(
        self,
        X: Array,
        Ht: Array,
        W: Array,
        step: Array,
        gradient: Array,
        before: tuple[Array, Array],
        rows: RowArrays,
        penalty: tuple[Array, Array],
    ) -> Array:
        """Return the share of its step that each row takes, 0 where none is good enough."""
        slope = (gradient * step).sum(axis=1)
        slack = np.finfo(rows.solved.dtype).eps * (abs(before[0]) + abs(before[1]))
        most = before[0] + before[1] + _penalties(W, *penalty) + slack
        taken, left = np.zeros(len(W)), np.arange(len(W))
        share = 1.0
        for _ in range(TRIALS):
            tried = np.maximum(W[left] + share * step[left], 0)
            values = self._values(X[left], np.maximum(tried @ Ht.T, self.floor))
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
        """Return the two parts of each row's divergence that depend on y."""
        beta = self.beta
        if beta == 0:
            return (X / Y).sum(axis=1), np.log(Y).sum(axis=1)
        if beta == 1:
            return Y.sum(axis=1), -(X * np.log(Y)).sum(axis=1)
        power = Y ** (beta - 1)
        return (
            (Y * power).sum(axis=1) / beta,
            (X * power).sum(axis=1) / (1 - beta),
        )


def least_squares_step(W: Array, gradient: Array, hessians: Array) -> Array:
    """Return d that lowers gradient·d + ½ d·hessian·d over W + d ≥ 0 in each row.

    It is the result of SWEEPS cyclic sweeps over the coordinates, from 0 on.
    """
    A, slope = W.copy(), gradient.copy()
    for _ in range(SWEEPS):
        for t in range(W.shape[1]):
            bent = hessians[:, t, t]
            curved = bent > 0
            move = -slope[:, t] / np.where(curved, bent, 1)
            # without curvature there is at most a penalty: the entry becomes 0, or stays
            move = np.where(curved, move, np.where(slope[:, t] > 0, -A[:, t], 0))
            move = np.maximum(move, -A[:, t])
            A[:, t] += move
            slope += move[:, None] * hessians[:, t]
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
