"""Speckled folds of any loss and of an X with gaps or weights: what is held out has weight 0."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from ..base.deadline import check as check_time
from ..base.parameters import Parameters
from ..estimators.nmf import NMF
from ..fitting.model_group import FittedModel, ModelStart
from ..losses.metrics import beta_divergence
from .folds import Folds, Losses
from .latin import random_classes


@dataclass(frozen=True, eq=False)
class Gaps:
    """The gaps and weights of an X, as `NMF` takes them."""

    missing_values: Any = None
    weights: Any = None
    sample_weight: Any = None

    @property
    def is_empty(self) -> bool:
        """Whether there are none."""
        everything = (self.missing_values, self.weights, self.sample_weight)
        return all(value is None for value in everything)

    def facts(self) -> dict[str, str]:
        """Return what tells these gaps from others, for a checkpoint."""
        return {
            "missing_values": repr(self.missing_values),
            "weights": _digest(self.weights),
            "sample_weight": _digest(self.sample_weight),
        }


class WeightedFolds(Folds):
    """Entries held out by weights of 0, in the classes of a Latin square.

    Each fit is one of `NMF` with weights, so that every loss, solver and kind of gap goes. An
    X of which zeros are observed takes a byte for each entry, beside X.

    Parameters
    ----------
    X : ndarray or sparse matrix
    beta : float or str
        The loss.
    n_folds, seed : int
    gaps : Gaps
    """

    name: ClassVar[str] = "speckled"

    def __init__(self, X: Any, beta: Any, n_folds: int, seed: int, gaps: Gaps) -> None:
        self.n_folds = min(n_folds, *X.shape)
        self._X = X.tocsr() if sp.issparse(X) else X
        self._beta, self._gaps = beta, gaps
        rng = np.random.RandomState(seed)
        self._row_class, self._column_class = (
            _class_of_each(n, self.n_folds, rng) for n in X.shape
        )
        self._observed = self._find_observed()

    def fit(
        self, fold: int, parameters: Parameters, starts: list[ModelStart]
    ) -> list[FittedModel]:
        """Fit each model with weights of 0 on what is held out."""
        seen = self._part(fold, False)
        weights = (
            seen if self._gaps.weights is None else _times(seen, self._gaps.weights)
        )
        return self._fit_each(weights, parameters, starts)

    def fit_whole(
        self, parameters: Parameters, starts: list[ModelStart]
    ) -> list[FittedModel]:
        """Fit each model to everything that is observed."""
        return self._fit_each(self._gaps.weights, parameters, starts)

    def _fit_each(
        self, weights: Any, parameters: Parameters, starts: list[ModelStart]
    ) -> list[FittedModel]:
        models = []
        for start in starts:
            options = {
                name: value
                for name, value in vars(parameters).items()
                if name not in ("sparseness", "n_components", "random_state", "init")
            }
            model = NMF(
                start.k, start.init, random_state=start.seed,
                **(options | {"n_init": 1, "missing_values": self._gaps.missing_values}),
            )  # fmt: skip
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                W = model.fit_transform(
                    self._X, sample_weight=self._gaps.sample_weight, weights=weights
                )
            check_time()
            Ht = np.ascontiguousarray(model.components_.T)
            objective = float(np.nanmin(model.history_["objective"]))
            models.append(FittedModel(W, Ht, objective, objective, model.n_iter_, True))
        return models

    def losses(self, fold: int, model: FittedModel) -> Losses:
        """Return the mean losses over the entries of both parts that are observed."""
        H = np.ascontiguousarray(model.Ht.T)
        train, held_out = (
            beta_divergence(
                self._values(), model.W, H, self._beta, where=self._part(fold, held)
            )
            for held in (False, True)
        )
        return Losses(train, held_out)

    def null(self, fold: int) -> Losses:
        """Return the mean losses of the mean of what the fits see."""
        seen, values = self._part(fold, False), self._values()
        if sp.issparse(seen):
            mean = float(sp.csr_array(values).multiply(seen).sum() / seen.sum())
        else:
            dense = values.toarray() if sp.issparse(values) else values
            mean = float(dense[seen].mean(dtype=np.float64))
        n, m = self._X.shape
        W, Ht = np.full((n, 1), mean), np.ones((m, 1))
        return self.losses(fold, FittedModel(W, Ht, mean, mean, 0, True))

    def _values(self) -> Any:
        """Return X with 0 in the place of what is missing."""
        if sp.issparse(self._X):
            return self._X
        return np.where(np.isnan(self._X), self._X.dtype.type(0), self._X)

    def _find_observed(self) -> Any:
        """Return which entries are observed: a dense array of bool, or a pattern; None: all."""
        missing = self._gaps.missing_values
        observed: Any = None
        if isinstance(missing, str):  # "unstored"
            observed = sp.csr_array(self._X, copy=True).astype(bool)
            observed.data[:] = True
        elif missing is not None and np.isnan(missing):
            if not sp.issparse(self._X):
                observed = ~np.isnan(self._X)
        elif missing is not None:
            observed = self._X != 0
        if self._gaps.weights is not None:
            given_weights = self._gaps.weights
            positive = (
                sp.csr_array(given_weights) > 0
                if sp.issparse(given_weights)
                else np.asarray(given_weights) > 0
            )
            observed = positive if observed is None else _both(observed, positive)
        return observed

    def _part(self, fold: int, held: bool) -> Any:
        """Return the observed entries that a fold holds out, or those that it leaves."""
        if sp.issparse(self._observed):
            rows, columns = self._observed.nonzero()
            is_held = (
                self._row_class[rows] + self._column_class[columns]
            ) % self.n_folds == fold
            chosen = is_held == held
            ones = np.ones(int(chosen.sum()), dtype=bool)
            return sp.csr_array(
                (ones, (rows[chosen], columns[chosen])), shape=self._X.shape
            )
        classes = self._row_class[:, None] + self._column_class[None, :]
        part = (classes % self.n_folds == fold) == held
        return part if self._observed is None else part & self._observed


def _digest(weights: Any) -> str:
    if weights is None:
        return "none"
    if sp.issparse(weights):
        rows = sp.csr_array(weights)
        parts = [rows.data, rows.indices, rows.indptr]
    else:
        parts = [np.asarray(weights, dtype=np.float64)]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()[:16]


def _class_of_each(
    n: int, n_classes: int, rng: np.random.RandomState
) -> NDArray[np.intp]:
    order, ranges = random_classes(n, n_classes, rng)
    classes = np.empty(n, dtype=np.intp)
    for number, part in enumerate(ranges):
        classes[order[part]] = number
    return classes


def _both(first: Any, second: Any) -> Any:
    if sp.issparse(first):
        return sp.csr_array(first.multiply(second)).astype(bool)
    if sp.issparse(second):
        return sp.csr_array(second.multiply(first)).astype(bool)
    return first & second


def _times(part: Any, weights: Any) -> Any:
    if sp.issparse(part):
        return sp.csr_array(part.astype(np.float64).multiply(weights))
    if sp.issparse(weights):
        return sp.csr_array(weights.multiply(part))
    return part * np.asarray(weights, dtype=np.float64)
