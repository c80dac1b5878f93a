"""Thinning of counts: each count is split at random, and each part predicts the others."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..base.interfaces import LossBase, Operand
from ..base.parameters import Parameters
from ..fitting.model_group import FittedModel, ModelStart, fit_models
from ..operands.registration import as_operand
from .folds import Folds, Losses, constant_model, mean_loss


class ThinnedFolds(Folds):
    """Counts split into independent parts by the multinomial distribution [1]_.

    If a count is Poisson distributed, its parts are independent and again Poisson; a model
    of all parts but one, scaled by 1/(n_folds − 1), predicts the one left out. Counts that
    vary more than Poisson's have parts that are correlated, and too many components are
    then chosen.

    References
    ----------
    .. [1] Neufeld, Dharamshi, Gao & Witten, "Data thinning for convolution-closed
       distributions", Journal of Machine Learning Research 25 (2024) 57,
       https://doi.org/10.48550/arXiv.2301.07276
    """

    name: ClassVar[str] = "thinning"

    def __init__(self, X: Operand, loss: LossBase, n_folds: int, seed: int) -> None:
        self.n_folds, self._loss, self._n_threads = n_folds, loss, X.n_threads
        self._sparse = X.sparse
        native = X.native()
        rows = native.tocsr() if X.sparse else sp.csr_array(native)
        self._rows = rows
        self._parts = split_counts(rows.data, n_folds, seed)

    @classmethod
    def require(cls, X: Operand, largest: int, n_folds: int) -> None:  # noqa: ARG003
        """Raise ValueError unless X has integral entries."""
        if not is_integral(X):
            msg = (
                "method='thinning' splits counts, and X has entries that are no integers. "
                "Pass counts, or method='speckled', which takes any X."
            )
            raise ValueError(msg)

    def fit(
        self, fold: int, parameters: Parameters, starts: list[ModelStart]
    ) -> list[FittedModel]:
        """Fit models to the sum of all parts but one, side by side where the solver can.

        Solvers of the Kullback-Leibler divergence can't: reading X is 1 to 3 % of their work,
        which is all that a shared pass would save (D-FOLD-KL).
        """
        return fit_models(self._train(fold), parameters, starts)

    def losses(self, fold: int, model: FittedModel) -> Losses:
        """Return the mean losses on the mean of the other parts and on this one."""
        scale = 1 / (self.n_folds - 1)
        others = self._operand(self._other_counts(fold) * self._rows.dtype.type(scale))
        return Losses(
            mean_loss(self._loss, others, model, scale),
            mean_loss(self._loss, self._part(fold), model, scale),
        )

    def null(self, fold: int) -> Losses:
        """Return the mean losses of the mean count."""
        train = self._train(fold)
        return self.losses(fold, constant_model(train, train.stats().mean))

    def _train(self, fold: int) -> Operand:
        return self._operand(self._other_counts(fold))

    def _other_counts(self, fold: int) -> NDArray[Any]:
        rest: NDArray[Any] = self._rows.data - self._parts[fold].astype(
            self._rows.dtype
        )
        return rest

    def _part(self, fold: int) -> Operand:
        return self._operand(self._parts[fold].astype(self._rows.dtype))

    def _operand(self, data: NDArray[Any]) -> Operand:
        rows = self._rows
        part: Any = sp.csr_array((data, rows.indices, rows.indptr), shape=rows.shape)
        if not self._sparse:
            return as_operand(part.toarray(), self._n_threads)
        part = part.copy()
        part.eliminate_zeros()
        return as_operand(part, self._n_threads)


def is_integral(X: Operand) -> bool:
    """Whether all entries of an X in memory are integers."""
    native = X.native()
    if native is None:
        return False
    data = native.data if X.sparse else np.asarray(native)
    return bool(np.all(data == np.floor(data)))


def split_counts(
    counts: NDArray[Any], n_parts: int, seed: int
) -> NDArray[np.integer[Any]]:
    """Return integers (n_parts, n) that add up to `counts`, multinomial by equal shares."""
    largest = int(counts.max(initial=0))
    dtype = np.min_scalar_type(max(1, largest))
    left = counts.astype(np.int64)
    parts = np.empty((n_parts, counts.size), dtype=dtype)
    rng = np.random.Generator(np.random.Philox(seed))
    for part in range(n_parts - 1):
        taken = rng.binomial(left, 1 / (n_parts - part))
        parts[part] = taken
        left -= taken
    parts[-1] = left
    return parts
