"""Speckled folds: single entries held out, by Latin squares of classes of rows and columns."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from ..base.interfaces import LossBase, Operand
from ..base.parameters import Parameters
from ..fitting.model_group import FittedModel, ModelStart, fit_models
from ..fitting.plan_choices import pays_in_single
from ..operands.units import is_in_single_range
from ..solvers.composed.single_start import LEAST
from .folded_hals import FoldedHals
from .folded_operand import FoldedOperand
from .folds import Folds, Losses, require_two
from .latin import LatinPartition
from .windows import WindowedPartition


class SpeckledFolds(Folds):
    """Entries held out, of each row and each column the same share [1]_ [2]_.

    There are at most as many folds as rows and as columns. A fit doesn't see the entries that
    are held out; it predicts them by W·H, where other entries of their rows and columns were
    seen.

    References
    ----------
    .. [1] Wold, "Cross-validatory estimation of the number of components in factor and
       principal components models", Technometrics 20 (1978) 397-405,
       https://doi.org/10.1080/00401706.1978.10489693
    .. [2] Owen & Perry, "Bi-cross-validation of the SVD and the nonnegative matrix
       factorization", Annals of Applied Statistics 3 (2009) 564-594,
       https://doi.org/10.1214/08-AOAS227
    """

    name: ClassVar[str] = "speckled"

    def __init__(self, X: Operand, loss: LossBase, n_folds: int, seed: int) -> None:
        self.n_folds, self._loss = min(n_folds, *X.shape), loss
        kind = WindowedPartition if X.in_parts else LatinPartition
        self._partition = kind(X, self.n_folds, np.random.RandomState(seed))
        self._single: LatinPartition | None = None
        if not X.in_parts and X.single_bytes and is_in_single_range(X):
            self._single = self._partition.in_single()

    @classmethod
    def require(cls, X: Operand, largest: int, n_folds: int) -> None:  # noqa: ARG003
        """Raise ValueError unless X has two rows and two columns."""
        require_two(X)

    def fit(
        self, fold: int, parameters: Parameters, starts: list[ModelStart]
    ) -> list[FittedModel]:
        """Fit models side by side, by the solver that knows the classes.

        Large float64 data are fitted in float32, unless what is left of it is too little for
        that.
        """
        by_classes = dataclasses.replace(
            parameters, solver=FoldedHals(tol=parameters.tol)
        )
        single, largest = self._single, max(start.k for start in starts)
        if single is not None and pays_in_single(single.X, largest):
            self._partition.release()
            X = FoldedOperand(single, fold)
            models = fit_models(X, by_classes, starts)
            least = LEAST * 0.5 * X.stats().sum_sq
            if all(model.loss > least for model in models):
                return [_in_double(model) for model in models]
            single.release()
        return fit_models(FoldedOperand(self._partition, fold), by_classes, starts)

    def losses(self, fold: int, model: FittedModel) -> Losses:
        """Return the mean losses on both parts; the held-out one takes a product with X."""
        folded = FoldedOperand(self._partition, fold)
        held = self._held_entries(fold)
        square = folded.held_out_square(model.W, model.Ht)
        return Losses(model.loss / folded.stats().n_entries, 0.5 * square / held)

    def null(self, fold: int) -> Losses:
        """Return the mean losses of the mean of what is not held out."""
        p = self._partition
        stats = FoldedOperand(p, fold).stats()
        held = self._held_entries(fold)
        total, squares = (p.held_sum(table, fold) for table in (p.sums, p.squares))
        mean = stats.mean
        inside = stats.sum_sq - 2 * mean * stats.sum + mean**2 * stats.n_entries
        outside = squares - 2 * mean * total + mean**2 * held
        return Losses(0.5 * inside / stats.n_entries, 0.5 * outside / held)

    def _held_entries(self, fold: int) -> float:
        return self._partition.held_sum(self._partition.sizes, fold)


def _in_double(model: FittedModel) -> FittedModel:
    """Return the model with factors in float64, as X has it."""
    W, Ht = (A.astype(np.float64) for A in (model.W, model.Ht))
    return dataclasses.replace(model, W=W, Ht=Ht)
