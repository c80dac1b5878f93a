"""`NMFCV`: an NMF that selects its number of components by cross-validation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, Literal, Self

from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from ..base.declaration import RANK, parameters_of
from ..base.interfaces import LossBase, SolverBase
from ..base.missing import check_with_gaps
from ..estimators.nmf import NMF
from ..fitting.preparation import prepare_X
from ..operands.registration import has_own_operand, is_operand
from .loading import is_nan, spelled_gaps
from .parameters import OF_FITS, SELECTION_PARAMETERS, checked
from .rank import select_rank
from .rank_cells import Cell
from .weighted_folds import Gaps

MOST_RANKS = 10
"""Largest of the ranks that are tried by default."""


class NMFCV(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """NMF whose number of components is selected by cross-validation.

    `select_rank` picks the number, by errors on data that its fits have not seen; then an
    `NMF` with so many components is fitted to all of X.

    Parameters
    ----------
    ranks : iterable of int or None, default=None
        Numbers of components to try; None tries 1 to 10, and no more than X has rows or
        columns.
    method : {"auto", "speckled", "thinning", "bcv"}, default="auto"
        What is held out: single entries, parts of counts or blocks, as for `select_rank`.
    folds : int, default=4
        Number of folds that are used, 2 or more with rule="one_se".
    n_folds : int, default=8
        Number of folds that X is cut into: each holds out 1/n_folds of it. With "bcv" X is
        cut into h × h blocks, h = ⌈sqrt(n_folds)⌉.
    n_init : int, default=1
        Number of starts, for each fold and rank and for the last fit.
    rule : {"one_se", "best"}, default="one_se"
        "best" picks the rank with the smallest mean error, "one_se" the least rank whose
        error differs from it by at most one standard error of the difference, fold by fold.
    stability : int, default=0
        Number of random starts on all of X for each rank, by which the table gets the
        columns `silhouette_min` and `dispersion`; 0: none. They don't change the pick.
    solver : str or SolverBase, default="auto"
        Solver of all fits, a name or an instance, as of `NMF`. With "speckled", "hals" and
        "auto" share passes for the Frobenius norm; other solvers and losses fit model by
        model, as do gaps and weights.
    init : str or None, default=None
        Start of the last fit, as of `NMF`. The fits on folds start at random.
    beta_loss : float, str or LossBase, default="frobenius"
        Loss of all fits, as of `NMF`: a name, β, or an instance.
    alpha_W : float, default=0.0
        Weight of the penalty on W, times n_features.
    alpha_H : float or "same", default="same"
        Weight of the penalty on H, times n_samples; "same" takes that of `alpha_W`.
    l1_ratio : float, default=0.0
        Share of L1 in the penalties: 0 is L2, 1 is L1, between is a mix.
    tol : float, default=1e-4
        When the last fit stops, as of `NMF`.
    max_iter : int, default=200
        Largest number of iterations of the last fit.
    cv_tol : float, default=1e-3
        When the fits on folds stop.
    cv_max_iter : int, default=60
        Largest number of iterations of the fits on folds.
    missing_values : numpy.nan, "unstored", 0 or None, default=None
        Entries of X that are missing, as of `NMF`; with "speckled" alone.
    random_state : int, RandomState instance or None, default=None
        For what is held out and for all starts.
    verbose : {0, "progress"}, default=0
        "progress" shows a live bar with the time left, in a terminal or notebook.
    n_threads : int or None, default=None
        Threads to use, as of `NMF`. The result doesn't depend on it.
    max_time : float or None, default=None
        Seconds for the selection, by the fits that have ended by then; the last fit is
        beyond them. If none has, a TimeoutError.
    memory_limit : int, str or None, default=None
        Memory of the selection, and of the last fit.
    callback : callable or None, default=None
        Called after each fold and rank with a record (fold, rank, error, done, n_cells,
        seconds); if it returns True, the pick is made from what is there.
    checkpoint : str, path-like or None, default=None
        File that the finished fits are kept in.
    resume : bool, default=False
        Whether to take the finished fits of the checkpoint, if it is there.

    Attributes
    ----------
    n_components_ : int
        The number of components.
    selection_ : RankSelection
        The selection, with its reason; `selection_.plot()` draws it.
    cv_results_ : dict of str to ndarray
        Its table, and "split0_error" and so on: the held-out errors of each fold.
    estimator_ : NMF
        The model of all of X.
    components_ : ndarray of shape (n_components, n_features)
        Its components.
    reconstruction_err_ : float
    n_iter_ : int
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X has names of features.

    See Also
    --------
    select_rank : The selection alone.
    NMF : The model.

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import NMFCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.random((90, 4)) ** 3 @ rng.random((4, 60)) ** 3
    >>> X *= rng.uniform(0.9, 1.1, X.shape)
    >>> model = NMFCV(range(2, 8), random_state=0).fit(X)
    >>> model.n_components_, model.transform(X).shape
    (4, (90, 4))
    """

    def __init__(
        self,
        ranks: Iterable[int] | None = None,
        *,
        method: str = "auto",
        folds: int = 4,
        n_folds: int = 8,
        n_init: int = 1,
        rule: str = "one_se",
        stability: int = 0,
        solver: str | SolverBase = "auto",
        init: str | None = None,
        beta_loss: float | str | LossBase = "frobenius",
        alpha_W: float = 0.0,
        alpha_H: float | Literal["same"] = "same",
        l1_ratio: float = 0.0,
        tol: float = 1e-4,
        max_iter: int = 200,
        cv_tol: float = 1e-3,
        cv_max_iter: int = 60,
        missing_values: Any = None,
        random_state: Any = None,
        verbose: Literal[0, "progress"] = 0,
        n_threads: int | None = None,
        max_time: float | None = None,
        memory_limit: int | str | None = None,
        callback: Callable[[Cell], bool | None] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
    ) -> None:
        self.ranks = ranks
        self.method = method
        self.folds = folds
        self.n_folds = n_folds
        self.n_init = n_init
        self.rule = rule
        self.stability = stability
        self.solver = solver
        self.init = init
        self.beta_loss = beta_loss
        self.alpha_W = alpha_W
        self.alpha_H = alpha_H
        self.l1_ratio = l1_ratio
        self.tol = tol
        self.max_iter = max_iter
        self.cv_tol = cv_tol
        self.cv_max_iter = cv_max_iter
        self.missing_values = missing_values
        self.random_state = random_state
        self.verbose = verbose
        self.n_threads = n_threads
        self.max_time = max_time
        self.memory_limit = memory_limit
        self.callback = callback
        self.checkpoint = checkpoint
        self.resume = resume

    def fit(
        self,
        X: Any,
        y: Any = None,  # noqa: ARG002
        *,
        sample_weight: Any = None,
        weights: Any = None,
    ) -> Self:
        """Select the number of components, and fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Non-negative data. The selection reads an X in a store into memory, or window by
            window where `memory_limit` leaves no room for that.
        y : ignored
            Not used; there for scikit-learn's interface.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in all fits; with "speckled" alone.
        weights : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            Weight of each entry in all fits, as of `select_rank`; with "speckled" alone.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        self._fit(X, sample_weight, weights)
        return self

    def fit_transform(
        self,
        X: Any,
        y: Any = None,  # noqa: ARG002
        *,
        sample_weight: Any = None,
        weights: Any = None,
    ) -> Any:
        """Select the number of components, fit the model, and return its W.

        Parameters
        ----------
        X, y, sample_weight, weights : object
            As `fit` takes them.

        Returns
        -------
        W : ndarray of shape (n_samples, n_components)
            The transformed data, of the dtype of X.
        """
        return self._fit(X, sample_weight, weights)

    def transform(self, X: Any) -> Any:
        """Solve for the W that belongs to X and the fitted components.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Non-negative data.

        Returns
        -------
        W : ndarray of shape (n_samples, n_components)
            The transformed data, of the dtype of X.
        """
        check_is_fitted(self, "components_")
        return self.estimator_.transform(X)

    def inverse_transform(self, X: Any) -> Any:
        """Return W·H for transformed data W.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_components)
            Transformed data W.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            Data of the original shape.
        """
        check_is_fitted(self, "components_")
        return self.estimator_.inverse_transform(X)

    def _fit(self, X: Any, sample_weight: Any, weights: Any) -> Any:
        values = checked(NMFCV.__name__, vars(self))
        of_selection = {
            p.name: values[p.name]
            for p in parameters_of(RANK, SELECTION_PARAMETERS)
            if p.name in values
        } | {"tol": self.cv_tol, "max_iter": self.cv_max_iter}
        of_fit = {
            name: values[name] for name in ("n_init", "verbose", *sorted(OF_FITS))
        }
        of_fit["max_time"] = None
        weighting = {"sample_weight": sample_weight, "weights": weights}
        data, missing_values = spelled_gaps(X, self.missing_values)
        gaps = Gaps(missing_values, weights, sample_weight)
        if gaps.is_empty:
            data = prepare_X(data, self.n_threads, NMFCV.__name__, self.memory_limit)
        elif not has_own_operand(data):
            data = check_with_gaps(data, NMFCV.__name__)
        ranks = self.ranks
        if ranks is None:
            ranks = range(1, min(MOST_RANKS, *data.shape) + 1)
        of_selection["missing_values"] = missing_values
        selection = select_rank(data, ranks, **of_selection, **weighting)
        of_fit["missing_values"] = self.missing_values
        model = NMF(selection.n_components, self.init, **of_fit)
        W = model.fit_transform(X, **weighting)
        in_parts = is_operand(data) and data.in_parts
        validate_data(self, data if in_parts else X, reset=True, skip_check_array=True)
        self.selection_, self.estimator_ = selection, model
        self.cv_results_ = dict(selection.table) | {
            f"split{fold}_error": errors for fold, errors in enumerate(selection.errors)
        }
        self.components_ = model.components_
        self.n_components_ = selection.n_components
        self.n_iter_ = model.n_iter_
        self.reconstruction_err_ = model.reconstruction_err_
        return W

    @property
    def _n_features_out(self) -> int:
        """Number of output features, for `get_feature_names_out`."""
        n_components: int = self.components_.shape[0]
        return n_components

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        tags.input_tags.allow_nan = is_nan(self.missing_values)
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
