"""A problem seen batch by batch: its parts, at the scale of the whole."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, cast

from ...base.interfaces import Loss, Operand, Penalty, Problem, State
from ...operands.streamed.row_batches import RowBatch

S = TypeVar("S", bound=State)


def own_state(state: State, cls: type[S]) -> S:
    """The state, if it is of the class that an solver goes on from."""
    if isinstance(state, cls):
        return state
    msg = (
        "The model was fitted with another value of `exact_statistics`, whose sums are "
        "of another kind. Set that one again, or fit a new model."
    )
    raise ValueError(msg)


def on_batch(problem: Problem, batch: RowBatch, X: Operand | None = None) -> Problem:
    """The problem on one batch, or on a form of it, with its share of H's penalty."""
    share = batch.X.shape[0] / problem.X.shape[0]
    return dataclasses.replace(
        problem,
        X=batch.X if X is None else X,
        penalty_H=scaled(problem.penalty_H, share),
    )


def scaled(penalty: Penalty, share: float) -> Penalty:
    """The penalty times a number."""
    if share == 1 or penalty.is_zero:
        return penalty
    return Penalty(share * penalty.l1, share * penalty.Q)


class LossAtScale:
    """A loss whose terms are those for one X, on other operands as well.

    A batch by itself might have another scale, or none, and would get other floors.
    """

    def __init__(self, loss: Loss, X: Operand) -> None:
        self._loss = loss
        self._terms = cast(Any, loss).terms(X)

    def terms(self, X: Operand) -> Any:  # noqa: ARG002
        """The terms at the scale of the X that this was made for."""
        return self._terms

    def __getattr__(self, name: str) -> Any:
        if name == "_loss":  # a copy that is not filled yet
            raise AttributeError(name)
        return getattr(self._loss, name)


def at_scale(loss: Loss, X: Operand) -> Loss:
    """The loss with its terms for X, whatever operand they are asked for."""
    return cast(Loss, LossAtScale(loss, X))
