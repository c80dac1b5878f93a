"""Refits of a model on weighted rows, for least squares several of them in the same passes.

A weight r of a row is a factor √r of the row of X and of that of W, which a pass over X
multiplies by as it goes.
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
from ..kernels.quadratic_steps import (
    ModelInputs,
    ModelSums,
    RowSolve,
    RowSolveInputs,
    RowSolveRows,
)
from ..losses.beta import make_loss
from ..operands.base import matmul
from ..solvers.steps.half_steps import solve_half
from ..solvers.steps.momentum import SETTLED_WITHIN, ExtrapolatedState
from ..solvers.steps.quadratic_iteration import Pair

Weights = list[NDArray[np.float64]]


@dataclasses.dataclass(eq=False)
class _Replicate:
    """The weights of a replicate, its state, and whether it still moves.

    W in the state is that of X with its rows times √r.
    """

    root: Array
    """√r, (n_samples,)."""
    square: float
    """Σ r_i·‖x_i‖²."""
    state: ExtrapolatedState
    active: bool = True


def refit_groups(
    model: Any,
    X: Any,
    operand: Operand | None,
    weights: Weights,
    tol: float,
    max_iter: int,
) -> list[Array]:
    """Return the components (k, n_features) of the refit for each vector of weights.

    Parameters
    ----------
    model : NMF
        The fitted model that the refits start from.
    X : object
        Data as the caller gave them.
    operand : Operand or None
        The same data in memory; None for a model of data with missing entries, whose
        replicates are fits of their own.
    weights : list of ndarray of shape (n_samples,)
        Weights of the rows, which may be 0.
    tol : float
        A refit has ended when its residual is at most this.
    max_iter : int
    """
    loss = make_loss(model.beta_loss)
    if operand is not None and "quadratic" in loss.provides:
        with single_threaded_blas():
            return _Replicates(model, operand, weights).refit(tol, max_iter)
    refitted = clone(model)
    W = model.transform(X)
    W = np.maximum(W, np.finfo(W.dtype).tiny)
    H = model.components_.astype(W.dtype, copy=False)
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
        self.X, self.n_threads = X.stored_by_rows(), X.n_threads
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
        self.all = []
        for r in weights:
            root = np.sqrt(r).astype(X.dtype)
            state = _state(W * root[:, None], Ht.copy(), gram_H)
            self.all.append(_Replicate(root, float(r @ squares), state))

    def refit(self, tol: float, max_iter: int) -> list[Array]:
        """Iterate until all have ended; return their components."""
        for _ in range(max_iter):
            active = [one for one in self.all if one.active]
            if not active:
                break
            rows = [self._rows_W(one) for one in active]
            sums = self._solve_W(active, rows)
            for one, rows_W, of_one in zip(active, rows, sums, strict=True):
                self._move_H(one, rows_W, of_one, tol)
        return [np.ascontiguousarray(one.state.Ht.T) for one in self.all]

    def _rows_W(self, one: _Replicate) -> RowArrays:
        """Return the rows of W, with √r for the rows of X and for the L1 penalty of each."""
        rows, l1 = one.state.arrays("W"), self.penalty_W.l1
        extra = None
        if np.any(l1):
            extra = -np.outer(one.root, l1).astype(self.X.dtype)
        return dataclasses.replace(rows, scale=one.root, extra=extra)

    def _solve_W(
        self, active: list[_Replicate], rows: list[RowArrays]
    ) -> tuple[ModelSums, ...]:
        """Solve for W of all in one pass, which leaves XᵀRW and WᵀRW of each."""
        penalty = self.penalty_W
        none = np.zeros_like(penalty.l1)  # it is in the rows
        methods, inputs = [], []
        for one in active:
            state = one.state
            assert state.gram_H is not None
            methods.append(Adaptive(momentum=state.momentum))
            curvature = state.gram_H + penalty.Q
            inputs.append(ModelInputs(state.start_H, curvature, none, penalty.Q))
        step = RowSolve(tuple(methods))
        rows_of_all = RowSolveRows(tuple(rows))
        return self.X.run_pass(step, rows_of_all, RowSolveInputs(tuple(inputs))).models

    def _move_H(
        self, one: _Replicate, rows_W: RowArrays, sums: ModelSums, tol: float
    ) -> None:
        """Solve for H beside W; set where the next iteration starts, or whether to end."""
        state, gram_W = one.state, sums.gram
        rows_H = state.arrays("H")
        report = solve_half(
            rows_H, sums.rhs, gram_W, self.penalty_H, Adaptive(momentum=state.momentum),
            self.n_threads, True,
        )  # fmt: skip
        square = float(np.sum(gram_W * report.gram_solved))
        objective = 0.5 * (one.square + square) - float(report.cross)
        objective += self.penalty_H.value(
            column_sums(rows_H.solved), report.gram_solved
        )
        objective += self.penalty_W.value(one.root @ rows_W.result, gram_W)
        pair = Pair(
            rows_W, rows_H, sums.report, report, gram_W, report.gram_solved,
            report.gram_result, None, objective,
        )  # fmt: skip
        state.decreases[state.n_iter % SETTLED_WITHIN] = pair.decrease
        restart = state.advance(rows_W, rows_H, objective)
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
