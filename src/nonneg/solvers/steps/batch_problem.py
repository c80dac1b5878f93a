"""A problem restricted to one batch of rows, with penalties and loss at the whole's scale."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, cast

from ...base.interfaces import Loss, Operand, Penalty, Problem, State
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
        penalty_H=scaled(problem.penalty_H, share),
    )


def scaled(penalty: Penalty, share: float) -> Penalty:
    """Return the penalty times `share`."""
    if share == 1 or penalty.is_zero:
        return penalty
    return Penalty(share * penalty.l1, share * penalty.Q)


class LossAtScale:
    """A loss with the terms for one X, whatever operand it is used on.

    The floors of the terms depend on the scale of X, and a batch's own scale differs from
    that of all of X, or is 0.
    """

    def __init__(self, loss: Loss, X: Operand) -> None:
        self._loss = loss
        self._terms = cast(Any, loss).terms(X)

    def terms(self, X: Operand) -> Any:  # noqa: ARG002
        """Return the terms at the scale of the X that this loss was made for."""
        return self._terms

    def __getattr__(self, name: str) -> Any:
        if name == "_loss":  # copying asks for attributes before `_loss` is set
            raise AttributeError(name)
        return getattr(self._loss, name)


def at_scale(loss: Loss, X: Operand) -> Loss:
    """Return the loss with its terms for X, whatever operand it is used on."""
    return cast(Loss, LossAtScale(loss, X))
