"""A problem restricted to one batch of rows, with penalties and loss at the whole's scale."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from ...base.arrays import Array
from ...base.interfaces import LossBase, Operand, Problem, State
from ...base.penalty import Penalty
from ...kernels.term_records import by_shares
from ...operands.streamed.row_batches import RowBatch

S = TypeVar("S", bound=State)


def own_state(state: State, cls: type[S]) -> S:
    """Return the state, if it is of the class that the solver can go on from."""
    if isinstance(state, cls):
        return state
    msg = (
        "The model was fitted with another value of `exact_statistics`, whose sums are "
        "of another kind. Set that one again, or fit a new model."
    )
    raise ValueError(msg)


def on_batch(problem: Problem, batch: RowBatch, X: Operand | None = None) -> Problem:
    """Return the problem on one batch, with its share of the penalty on H.

    `X` takes the place of the batch's own operand, if given.
    """
    share = batch.X.shape[0] / problem.X.shape[0]
    return dataclasses.replace(
        problem,
        X=batch.X if X is None else X,
        penalty_W=_of_rows(problem.penalty_W, batch.rows),
        penalty_H=scaled(problem.penalty_H, share),
    )


def _of_rows(penalty: Penalty, rows: slice) -> Penalty:
    """Return the penalty on some of the rows."""
    if penalty.linear is None and penalty.quadratic is None:
        return penalty
    shares = (
        None if share is None else share[rows]
        for share in (penalty.linear, penalty.quadratic)
    )
    return Penalty(penalty.l1, penalty.Q, *shares)


def scaled(penalty: Penalty, share: float) -> Penalty:
    """Return the penalty times `share`."""
    if share == 1 or penalty.is_zero:
        return penalty
    return dataclasses.replace(penalty, l1=share * penalty.l1, Q=share * penalty.Q)


def penalty_on_H(problem: Problem) -> tuple[Array, Array]:
    """Return the weights of l1 and l2, (k,) or those of each row of Hᵀ."""
    penalty = problem.penalty_H
    return (
        by_shares(penalty.l1, penalty.linear),
        by_shares(penalty.Q.diagonal(), penalty.quadratic),
    )


class LossAtScale(LossBase):
    """A loss with the terms for one X, whatever operand it is used on.

    The floors of the terms depend on the scale of X, and a batch's own scale differs from
    that of all of X, or is 0.
    """

    def __init__(self, loss: LossBase, X: Operand) -> None:
        self._loss = loss
        self._terms = loss.terms(X)
        self.name, self.provides = loss.name, loss.provides

    def terms(self, X: Operand) -> Any:  # noqa: ARG002
        """Return the terms at the scale of the X that this loss was made for."""
        return self._terms

    def require(self, X: Operand) -> None:
        """Raise ValueError for an X that the loss can't be used with."""
        self._loss.require(X)

    def value(self, X: Operand, W: Array, Ht: Array) -> float:
        """Return the loss at W·H."""
        return self._loss.value(X, W, Ht)

    def error(self, value: float) -> float:
        """Return the `reconstruction_err_` that belongs to a loss value."""
        return self._loss.error(value)

    def from_products(self, X: Operand, cross: float, square: float) -> float:
        """Return the loss from ⟨X, WH⟩ and ‖WH‖²."""
        return self._loss.from_products(X, cross, square)
