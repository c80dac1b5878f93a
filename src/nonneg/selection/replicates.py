"""Refits of a model on weighted rows, for least squares several of them in the same passes.

Weights of rows don't change what a row of W is beside a fixed H. They enter where H moves:
the right-hand side is Xᵀ(r∘W), and the Gram matrix Wᵀ(r∘W).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from ..base.arrays import Array
from ..base.interfaces import Operand
from ..base.penalties import scaled_penalties
from ..base.threads import single_threaded_blas
from ..fitting.run import WEIGHTS
from ..kernels import Adaptive, Exact, RowArrays, column_sums, gram
from ..losses.beta import make_loss
from ..operands.base import matmul, rmatmul
from ..solvers.steps.half_steps import solve_half
from ..solvers.steps.momentum import SETTLED_WITHIN, ExtrapolatedState
from ..solvers.steps.quadratic_iteration import Pair

Weights = list[NDArray[np.float64]]


@dataclasses.dataclass(eq=False)
class _Replicate:
    """The weights of a replicate, its state, and whether it still moves."""

    weights: NDArray[np.float64]
    square: float
    """Σ r_i·‖x_i‖²."""
    state: ExtrapolatedState
    active: bool = True
    rows_W: Any = None
    report_W: Any = None


def refit_groups(
    model: Any, X: Any, operand: Operand, weights: Weights, tol: float, max_iter: int
) -> list[Array]:
    """Return the components (k, n_features) of the refit for each vector of weights.

    Parameters
    ----------
    model : NMF
        The fitted model that the refits start from.
    X : object
        Data as the caller gave them.
    operand : Operand
        The same data in memory.
    weights : list of ndarray of shape (n_samples,)
        Weights of the rows, which may be 0.
    tol : float
        A refit has ended when its residual is at most this.
    max_iter : int
    """
    loss = make_loss(model.beta_loss)
    if "quadratic" in loss.provides:
        with single_threaded_blas():
            return _Replicates(model, operand, weights).refit(tol, max_iter)
    refitted = clone(model)
    H = model.components_.astype(operand.dtype, copy=False)
    W = np.maximum(model.transform(X), np.finfo(operand.dtype).tiny)
    refitted.set_params(
        init="custom", n_components=len(H), tol=tol, max_iter=max_iter, n_init=1,
        callback=None, checkpoint=None, resume=False, compress=False,
    )  # fmt: skip
    H = np.where(H > 0, H, H.max(axis=1, keepdims=True) * 1e-6).astype(H.dtype)
    fitted = []
    for r in weights:
        refitted.fit(X, W=W, H=H, sample_weight=r)
        fitted.append(refitted.components_)
    return fitted


class _Replicates:
    """Replicates of one model that read X together, each with extrapolation of its own."""

    def __init__(self, model: Any, X: Operand, weights: Weights) -> None:
        self.X, self.n_threads = X, X.n_threads
        H = np.ascontiguousarray(model.components_, dtype=X.dtype)
        values = {name: vars(model)[name] for name in WEIGHTS}
        penalties = scaled_penalties(len(H), X.shape, **values)
        self.penalty_W, self.penalty_H = penalties
        Ht = np.ascontiguousarray(H.T)
        gram_H = gram(Ht, X.n_threads)
        W = np.zeros((X.shape[0], len(H)), dtype=X.dtype)
        exact = Exact(sweeps=16)
        rows = RowArrays(W, W)
        solve_half(rows, matmul(X, Ht), gram_H, self.penalty_W, exact, X.n_threads)
        squares = _row_squares(X)
        self.all = [
            _Replicate(r, float(r @ squares), _state(W.copy(), Ht.copy(), gram_H))
            for r in weights
        ]

    def refit(self, tol: float, max_iter: int) -> list[Array]:
        """Iterate until all have ended; return their components."""
        for _ in range(max_iter):
            active = [one for one in self.all if one.active]
            if not active:
                break
            for one, product in zip(active, self._products(active), strict=True):
                self._move_W(one, product)
            for one, rhs in zip(active, self._right_sides(active), strict=True):
                self._move_H(one, rhs, tol)
        return [np.ascontiguousarray(one.state.Ht.T) for one in self.all]

    def _products(self, active: list[_Replicate]) -> list[Array]:
        """Return X·Ht of all, by one product."""
        together = np.hstack([one.state.start_H for one in active])
        return _split(matmul(self.X, np.ascontiguousarray(together)), len(active))

    def _right_sides(self, active: list[_Replicate]) -> list[Array]:
        """Return Xᵀ(r∘W) of all, by one product."""
        weighted = [
            one.rows_W.result * one.weights[:, None].astype(self.X.dtype)
            for one in active
        ]
        together = np.ascontiguousarray(np.hstack(weighted))
        return _split(rmatmul(self.X, together), len(active))

    def _move_W(self, one: _Replicate, product: Array) -> None:
        one.rows_W = one.state.arrays("W")
        assert one.state.gram_H is not None
        one.report_W = solve_half(
            one.rows_W, product, one.state.gram_H, self.penalty_W,
            Adaptive(momentum=one.state.momentum), self.n_threads, True,
        )  # fmt: skip

    def _move_H(self, one: _Replicate, rhs: Array, tol: float) -> None:
        """Solve for H beside W; set where the next iteration starts, or whether to end."""
        state = one.state
        A, rows_H = one.rows_W.result, state.arrays("H")
        root = np.sqrt(one.weights)[:, None].astype(A.dtype)
        gram_W = gram(np.ascontiguousarray(A * root), self.n_threads)
        report = solve_half(
            rows_H, rhs, gram_W, self.penalty_H, Adaptive(momentum=state.momentum),
            self.n_threads, True,
        )  # fmt: skip
        square = float(np.sum(gram_W * report.gram_solved))
        objective = 0.5 * (one.square + square) - float(report.cross)
        objective += self.penalty_H.value(
            column_sums(rows_H.solved), report.gram_solved
        )
        objective += self.penalty_W.value(one.weights @ A, gram_W)
        pair = Pair(
            one.rows_W, rows_H, one.report_W, report, gram_W, report.gram_solved,
            report.gram_result, None, objective,
        )  # fmt: skip
        state.decreases[state.n_iter % SETTLED_WITHIN] = pair.decrease
        restart = state.advance(one.rows_W, rows_H, objective)
        state.gram_H = pair.gram_Hn if restart else pair.gram_Hx
        one.active = not state.is_settled(pair.residual(), restart, tol)
        state.n_iter += 1


def _state(W: Array, Ht: Array, gram_H: Array) -> ExtrapolatedState:
    return ExtrapolatedState.from_start(W, Ht, gram_H)


def _row_squares(X: Operand) -> NDArray[np.float64]:
    """Return the sum of squares of each row of an X in memory."""
    native = X.native()
    if X.sparse:
        squares = native.multiply(native)
        return np.asarray(squares.sum(axis=1), dtype=np.float64).ravel()
    dense: NDArray[np.float64] = np.einsum("ij,ij->i", native, native, dtype=np.float64)
    return dense


def _split(wide: Array, parts: int) -> list[Array]:
    return [np.ascontiguousarray(part) for part in np.hsplit(wide, parts)]
