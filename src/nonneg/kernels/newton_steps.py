"""Steps of a pass that do scalar Newton sweeps for the Kullback-Leibler divergence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..base.steps import Step
from .beta_steps import TILE, TermsUpdate, dense
from .row_methods import NewtonReport, RowArrays
from .term_records import NewtonTermSums, TermRows, TermShared, by_shares

UNDAMPED = 0.683802
"""Largest λ = |d|·max h/y of a step d downwards that is not damped, the root of
λ² = −log(1 − λ) − λ.

Along the step the second derivative grows by 1/(1 − λ)² at most. So an undamped step up to
this λ does not raise the objective, nor does the damped step d/(1 + λ) for any λ."""


@dataclass(frozen=True)
class NewtonUpdate(Step[RowArrays, TermShared, NewtonReport]):
    """Cyclic damped scalar Newton sweeps [1]_ [2]_ over a block's rows, extrapolated.

    The rows start from rows.start and end in rows.solved. rows.moved, if there, receives
    max(0, solved + momentum·(solved − previous)).

    Parameters
    ----------
    floor : float
        Smallest W·H that is divided by.
    sweeps : int
        Most sweeps over a row's entries.
    tolerance : float
        A row is done when a bound on the distance of its objective from its minimum is
        at most this share of the sum of its row of X.
        If it is above 0, the compiled core does two sweeps over a row, then Newton steps
        by the row's k×k Hessian, each a non-negative quadratic problem and a line search;
        they count as sweeps. The reference goes on by sweeps to the same solution.
    momentum : float
    rescale : bool
        Bring each row to its best scale first.
    value : bool
        Whether the sum `value` is wanted.

    References
    ----------
    .. [1] Hsieh & Dhillon, "Fast coordinate descent methods with variable selection for
       non-negative matrix factorization", KDD (2011) 1064-1072,
       https://doi.org/10.1145/2020408.2020577
    .. [2] Hien & Gillis, "Algorithms for nonnegative matrix factorization with the
       Kullback-Leibler divergence", Journal of Scientific Computing 87 (2021) 93,
       https://doi.org/10.1007/s10915-021-01504-0
    """

    name = "newton"
    floor: float
    sweeps: int = 1
    tolerance: float = 0.0
    momentum: float = 0.0
    rescale: bool = False
    value: bool = True

    def __call__(
        self, X_b: Any, mask_b: Any | None, rows_b: RowArrays, shared: TermShared
    ) -> NewtonReport:
        """Solve for the block's rows and return its sums."""
        Ht = shared.Ht.astype(np.float64, copy=False)
        n_rows = max(1, TILE // max(1, Ht.shape[0]))
        total = np.zeros(4)
        for first in range(0, rows_b.start.shape[0], n_rows):
            part = slice(first, first + n_rows)
            X = dense(X_b[part]).astype(np.float64)
            M = None if mask_b is None else np.asarray(mask_b[part], dtype=np.float64)
            linear = shared.column_sums if M is None else M @ Ht
            rows = rows_b.block(first, first + n_rows)
            if rows.sums is not None:
                linear = rows.sums
            beside = linear if rows.sums is not None else None
            weights = (
                linear + by_shares(shared.l1, rows.linear),
                by_shares(shared.l2, rows.quadratic),
            )
            total += self._tile(X, M, rows, Ht, *weights, beside)
            if rows.moved is not None:
                solved = rows.solved
                step = solved.dtype.type(self.momentum) * (solved - rows.previous)
                np.maximum(solved + step, 0, out=rows.moved)
        return NewtonReport(*map(float, total))

    def _tile(
        self,
        X: Array,
        M: Array | None,
        rows: RowArrays,
        Ht: Array,
        linear: Array,
        l2: Array,
        beside: Array | None,
    ) -> Array:
        raw, X = X, X if M is None else X * M
        W = rows.start.astype(np.float64)
        linear, l2 = (np.broadcast_to(A, W.shape) for A in (linear, l2))
        total = X.sum(axis=1)
        self._scale(W, total, linear, l2)
        Y = W @ Ht.T
        alive, residual, n_sweeps = np.ones(len(W), dtype=bool), 0.0, 0.0
        for number in range(self.sweeps):
            n_sweeps += np.count_nonzero(alive)
            violation, worst = self._sweep(W, X, Y, Ht, linear, l2, alive)
            if number == 0:
                residual = float(violation.sum())
            alive &= violation + total * worst > self.tolerance * total
            if not alive.any():
                break
        rows.solved[...] = W
        value = 0.0
        if self.value:
            present = X > 0
            Y = np.maximum(W @ Ht.T, self.floor)
            ratio = np.where(present, raw, 1) / np.where(present, Y, 1)
            logs = X * np.log(ratio) - X
            if beside is None:
                whole = W @ Ht.T if M is None else M * (W @ Ht.T)
            else:
                whole = W * beside
            value = float(logs.sum() + whole.sum())
        return np.array([value, residual, n_sweeps, np.count_nonzero(alive)])

    def _scale(self, W: Array, total: Array, linear: Array, l2: Array) -> None:
        """Give rows of zeros a start, and with `rescale` each other row its best scale."""
        k = W.shape[1]
        weight, bent = (W * linear).sum(axis=1), (W * W * l2).sum(axis=1)
        empty = weight <= 0
        share = _positive_root(l2, linear, total[:, None] / k)
        level = np.where(linear > 0, share, 0)
        if self.rescale:
            W *= np.where(empty, 1, _positive_root(bent, weight, total))[:, None]
        W[empty] = level[empty]

    def _sweep(
        self,
        W: Array,
        X: Array,
        Y: Array,
        Ht: Array,
        linear: Array,
        l2: Array,
        alive: Array,
    ) -> tuple[Array, Array]:
        violation, worst, bent = np.zeros((3, len(W)))
        total = X.sum(axis=1)
        for t in range(W.shape[1]):
            Z = Ht[:, t] / np.maximum(Y, self.floor)
            Q = X * Z
            w = W[:, t].copy()
            gradient = linear[:, t] + l2[:, t] * w - Q.sum(axis=1)
            curvature = l2[:, t] + (Q * Z).sum(axis=1)
            curved = curvature > 0
            step = -gradient / np.where(curved, curvature, 1)
            # take the tangent of 1/Σ x·h/y, which is concave, in place of the sum's
            longer = Q.sum(axis=1) / np.where(linear[:, t] > 0, linear[:, t], 1)
            step *= np.where(l2[:, t] == 0, longer, 1)
            # without curvature the objective is linear: the entry becomes 0, or stays
            step = np.where(curved, step, np.where(gradient > 0, -w, 0))
            step = np.maximum(step, -w)
            size = np.where(X > 0, Z, 0).max(axis=1, initial=0) * np.maximum(-step, 0)
            step = np.where(size > UNDAMPED, step / (1 + size), step)
            W[:, t] = np.where(alive, np.maximum(w + step, 0), w)
            violation += np.abs(gradient) * np.maximum(w, W[:, t])
            # at the best row linear·w and l2·w² are at most the sum of the row of X
            root = np.sqrt(l2[:, t] * total)
            bends = root > linear[:, t]
            most = np.where(bends, root, linear[:, t])
            down = (gradient < 0) & (most > 0)
            share = np.where(down, -gradient / np.where(down, most, 1), 0)
            worst = np.where(bends, worst, np.maximum(worst, share))
            bent += np.where(bends, share, 0)
            Y += (W[:, t] - w)[:, None] * Ht[:, t]
        return violation, worst + bent


def _positive_root(bent: Array, flat: Array, total: Array) -> Array:
    """Return the s > 0 with bent·s² + flat·s = total; 0 where there is none."""
    below = flat + np.sqrt(flat * flat + 4 * bent * total)
    root: Array = 2 * total / np.where(below > 0, below, 1)
    return root


@dataclass(frozen=True)
class NewtonSums(Step[RowArrays, TermShared, NewtonTermSums]):
    """Newton sweeps over the block's rows, then the other factor's sums at the result.

    X is read once for both.
    """

    name = "newton_sums"
    newton: NewtonUpdate
    sums: TermsUpdate

    def __call__(
        self, X_b: Any, mask_b: Any | None, rows_b: RowArrays, shared: TermShared
    ) -> NewtonTermSums:
        """Solve for the block's rows and return both steps' sums."""
        newton = self.newton(X_b, mask_b, rows_b, shared)
        terms = self.sums(X_b, mask_b, TermRows(rows_b.solved), shared)
        return NewtonTermSums(newton, terms)
