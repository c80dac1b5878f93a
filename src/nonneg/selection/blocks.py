"""Bi-cross-validation: a block of rows and columns is predicted from the rest of both."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from ..base.interfaces import LossBase, Operand
from ..base.parameters import Parameters
from ..fitting.fit_plan import plan
from ..fitting.model_group import FittedModel, ModelStart, fit_models
from ..fitting.run import run
from ..operands.registration import as_operand
from .folds import Folds, Losses, constant_model, mean_loss, require_two


class BlockFolds(Folds):
    """Blocks of rows × columns held out, h × h of them, in a random order [1]_.

    With X = [[A, B], [C, D]] and A held out, D ≈ W·H is fitted; the rows of A get W_A
    beside H from B, its columns H_A beside W from C, and W_A·H_A predicts A.

    References
    ----------
    .. [1] Owen & Perry, "Bi-cross-validation of the SVD and the nonnegative matrix
       factorization", Annals of Applied Statistics 3 (2009) 564-594,
       https://doi.org/10.1214/08-AOAS227
    """

    name: ClassVar[str] = "bcv"

    def __init__(
        self,
        X: Operand,
        loss: LossBase,
        n_folds: int,
        seed: int,
        parameters: Parameters,
    ) -> None:
        self._side = sides(n_folds)
        self.n_folds = n_folds
        self._loss, self._parameters, self._n_threads = loss, parameters, X.n_threads
        native = X.native()
        self._X: Any = native.tocsr() if X.sparse else native
        rng = np.random.RandomState(seed)
        self._rows, self._columns = (
            np.array_split(rng.permutation(n), self._side) for n in X.shape
        )
        self._order = rng.permutation(self._side**2)

    @classmethod
    def require(cls, X: Operand, largest: int, n_folds: int) -> None:
        """Raise ValueError unless the blocks of X are large enough."""
        require_two(X)
        h = sides(n_folds)
        most = min(n - -(-n // h) for n in X.shape)
        if largest >= most:
            msg = (
                f"method='bcv' with {n_folds} folds fits blocks of which the smaller side "
                f"is {most}, and can judge fewer than {most} components; `ranks` goes up "
                f"to {largest}. Pass smaller ranks, more folds, or method='speckled'."
            )
            raise ValueError(msg)

    def fit(
        self, fold: int, parameters: Parameters, starts: list[ModelStart]
    ) -> list[FittedModel]:
        """Fit models to D, side by side where the solver can."""
        return fit_models(self._train(fold), parameters, starts)

    def losses(self, fold: int, model: FittedModel) -> Losses:
        """Return the mean losses on D and on the block."""
        rows, columns = self._cut(fold)
        H = np.ascontiguousarray(model.Ht.T)
        W_A = self._solve(self._block(rows, ~columns), H)
        H_A = self._solve(
            self._block(~rows, columns).T, np.ascontiguousarray(model.W.T)
        )
        predicted = dataclasses.replace(model, W=W_A, Ht=H_A)
        return Losses(
            mean_loss(self._loss, self._train(fold), model),
            mean_loss(self._loss, self._block(rows, columns), predicted),
        )

    def null(self, fold: int) -> Losses:
        """Return the mean losses of the mean of D."""
        train = self._train(fold)
        mean = train.stats().mean
        block = self._block(*self._cut(fold))
        return Losses(
            mean_loss(self._loss, train, constant_model(train, mean)),
            mean_loss(self._loss, block, constant_model(block, mean)),
        )

    def _train(self, fold: int) -> Operand:
        """Return D, without the rows and columns of the block."""
        rows, columns = self._cut(fold)
        return self._block(~rows, ~columns)

    def _cut(self, fold: int) -> tuple[Any, Any]:
        """Return which rows and which columns the block has, as arrays of bool."""
        i, j = divmod(int(self._order[fold]), self._side)
        cut = []
        for n, part in zip(
            self._X.shape, (self._rows[i], self._columns[j]), strict=True
        ):
            inside = np.zeros(n, dtype=bool)
            inside[part] = True
            cut.append(inside)
        return cut[0], cut[1]

    def _block(self, rows: Any, columns: Any) -> Operand:
        part = self._X[rows][:, columns]
        if isinstance(part, np.ndarray):
            part = np.ascontiguousarray(part)
        return as_operand(part, self._n_threads)

    def _solve(self, X: Operand, H: Any) -> Any:
        k = len(H)
        parameters = dataclasses.replace(
            self._parameters, n_components=k, alpha_W=0.0, alpha_H=0.0
        )
        return run(plan(X, parameters, H=H, update_H=False)).W


def sides(n_folds: int) -> int:
    """Return h, for which there are h × h blocks, n_folds of which are used."""
    return max(2, int(np.ceil(np.sqrt(n_folds))))
