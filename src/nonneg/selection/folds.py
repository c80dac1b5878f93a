"""Folds of cross-validation: what a model is fitted to, and its loss on what it has not seen."""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import numpy as np

from ..base.interfaces import LossBase, Operand
from ..base.parameters import Parameters
from ..fitting.model_group import FittedModel, ModelStart


class Losses(NamedTuple):
    """Mean losses of a model per entry, on what it was fitted to and on what was held out."""

    train: float
    held_out: float


class Folds:
    """Base of the ways to hold data out.

    Parameters
    ----------
    X : Operand of shape (n_samples, n_features)
    loss : LossBase
    n_folds : int
        Number of parts that the data are cut into.
    seed : int
        Seed of the partition.
    """

    name: ClassVar[str]
    n_folds: int

    @classmethod
    def require(cls, X: Operand, largest: int, n_folds: int) -> None:
        """Raise ValueError unless such an X can be cut so, for up to `largest` components."""

    def fit(
        self, fold: int, parameters: Parameters, starts: list[ModelStart]
    ) -> list[FittedModel]:
        """Fit models to what a fold leaves, side by side where the solver can."""
        raise NotImplementedError

    def losses(self, fold: int, model: FittedModel) -> Losses:
        """Return the mean losses of a model that was fitted to the fold."""
        raise NotImplementedError

    def null(self, fold: int) -> Losses:
        """Return the mean losses of the constant that fits the fold's data best."""
        raise NotImplementedError


def mean_loss(
    loss: LossBase, X: Operand, model: FittedModel, scale: float = 1.0
) -> float:
    """Return the loss of X at scale·W·H per entry."""
    W = model.W if scale == 1 else model.W * model.W.dtype.type(scale)
    return loss.value(X, W, model.Ht) / (X.shape[0] * X.shape[1])


def constant_model(X: Operand, value: float) -> FittedModel:
    """Return the model of one component whose entries all are `value`."""
    W = np.full((X.shape[0], 1), value, dtype=X.dtype)
    Ht = np.ones((X.shape[1], 1), dtype=X.dtype)
    return FittedModel(W, Ht, math.nan, math.nan, 0, True)


def require_two(X: Operand) -> None:
    """Raise ValueError unless X has two rows and two columns."""
    for name, n in zip(("n_samples", "n_features"), X.shape, strict=True):
        if n < 2:
            msg = (
                f"X has {name}={n}, and cross-validation needs 2 at least: what is held "
                "out is predicted from the rest of its row and column."
            )
            raise ValueError(msg)
