"""`NMFImputer`: missing entries of X are filled with those of a factorization of the others."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.impute import MissingIndicator
from sklearn.utils.validation import check_is_fitted, validate_data

from ..base.arrays import Array
from ..base.interfaces import LossBase, SolverBase
from ..base.missing import check_with_gaps
from ..base.rules import BOOL, Rule, is_real, require
from ..kernels.weighted_values import product_entries
from .nmf import NMF

BLOCK = 1 << 20
"""Entries of X that are filled at a time."""


def _is_nan(value: Any) -> bool:
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


MISSING = Rule(
    lambda v: _is_nan(v) or (is_real(v) and v == 0),
    "numpy.nan or 0",
    "What a sparse X does not store can't be filled without making it dense: fit NMF with "
    "missing_values='unstored' and ask its inverse_transform for the rows that are wanted.",
)


class NMFImputer(
    OneToOneFeatureMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Fill missing entries of non-negative data with those of a factorization W·H.

    `fit` factorizes what is observed of X. `transform` solves for each row of W by what
    the row shows, and puts W·H where an entry is missing; the observed ones stay as they
    are. A row without any observed entry becomes 0, with a warning.

    Parameters
    ----------
    n_components : int, default=10
        Number of components k. With many more than the data bear out, and no penalty,
        what is filled in follows the noise.
    missing_values : {numpy.nan, 0}, default=numpy.nan
        What stands for a missing entry. With NaN the zeros of X are observed, also those
        that a sparse X does not store. Masked arrays and NA of frames are missing as well.
    init, solver, beta_loss, tol, max_iter, random_state : object
        Parameters of the factorization, as `NMF` has them.
    alpha_W, alpha_H, l1_ratio, n_init, n_threads : object
        Parameters of the factorization, as `NMF` has them; solver="auto" takes the fast
        one for the loss. Rows that show fewer entries than there are components need an
        `alpha_W` above 0.
    add_indicator : bool, default=False
        Whether a column is added for each feature with missing entries in `fit`, 1 where
        the entry was missing.

    Attributes
    ----------
    model_ : NMF
        The fitted factorization.
    components_ : ndarray of shape (n_components, n_features)
        H of the factorization.
    indicator_ : sklearn.impute.MissingIndicator or None
        Maker of the added columns.
    n_iter_ : int
        Iterations of the fit.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X had names that are all texts.

    See Also
    --------
    NMF : The factorization; its `transform` gives W of incomplete rows.

    Notes
    -----
    The cost is that of `NMF`, and 2·k flops for each missing entry. Beside the copy of X
    that is returned, a million entries of W·H exist at a time.

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import NMFImputer
    >>> X = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, np.nan], [3.0, 6.0, 9.0]])
    >>> NMFImputer(1, random_state=0).fit_transform(X).round(3)
    array([[1., 2., 3.],
           [2., 4., 6.],
           [3., 6., 9.]])
    """

    def __init__(
        self,
        n_components: int = 10,
        *,
        missing_values: float = np.nan,
        init: str | None = None,
        solver: str | SolverBase = "auto",
        beta_loss: float | str | LossBase = "frobenius",
        tol: float = 1e-4,
        max_iter: int = 200,
        random_state: Any = None,
        alpha_W: float = 0.0,
        alpha_H: float | Literal["same"] = "same",
        l1_ratio: float = 0.0,
        n_init: int = 1,
        n_threads: int | None = None,
        add_indicator: bool = False,
    ) -> None:
        self.n_components = n_components
        self.missing_values = missing_values
        self.init = init
        self.solver = solver
        self.beta_loss = beta_loss
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.alpha_W = alpha_W
        self.alpha_H = alpha_H
        self.l1_ratio = l1_ratio
        self.n_init = n_init
        self.n_threads = n_threads
        self.add_indicator = add_indicator

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002
        """Factorize what is observed of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Non-negative data with missing entries.
        y : ignored
            Not used; there for scikit-learn's interface.

        Returns
        -------
        self : object
            The fitted imputer.
        """
        self._fit(X)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:  # noqa: ARG002
        """Factorize what is observed of X and fill the rest, at the cost of `fit` alone.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Non-negative data with missing entries.
        y : ignored
            Not used; there for scikit-learn's interface.

        Returns
        -------
        X_filled : {ndarray, sparse matrix} of shape (n_samples, n_features_out)
            A copy of X without missing entries, sparse if X is.
        """
        return self._filled(*self._fit(X))

    def transform(self, X: Any) -> Any:
        """Fill the missing entries of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Non-negative data with missing entries.

        Returns
        -------
        X_filled : {ndarray, sparse matrix} of shape (n_samples, n_features_out)
            A copy of X without missing entries, sparse if X is.
        """
        check_is_fitted(self, "model_")
        checked = self._checked(X, reset=False)
        return self._filled(checked, self.model_.transform(checked))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of the columns of a filled X.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the features; None takes those seen in `fit`, or x0, x1, …

        Returns
        -------
        names : ndarray of str
            The names of the features, then those of the columns that are added.
        """
        check_is_fitted(self, "model_")
        names: NDArray[Any] = super().get_feature_names_out(input_features)
        if self.indicator_ is None:
            return names
        return np.concatenate([names, self.indicator_.get_feature_names_out(names)])

    def _fit(self, X: Any) -> tuple[Any, Array]:
        """Fit; return X as it was checked, and W."""
        whom = type(self).__name__
        require("missing_values", self.missing_values, MISSING, whom)
        require("add_indicator", self.add_indicator, BOOL, whom)
        checked = self._checked(X, reset=True)
        parameters = self.get_params(deep=False)
        del parameters["add_indicator"]
        model = NMF(**parameters)
        W = model.fit_transform(checked)
        self.model_, self.components_ = model, model.components_
        self.n_iter_ = model.n_iter_
        self.indicator_ = None
        if self.add_indicator:
            self.indicator_ = MissingIndicator(
                missing_values=self.missing_values, error_on_new=False
            ).fit(checked)
        return checked, W

    def _checked(self, X: Any, reset: bool) -> Any:
        """Return X as an array or sparse matrix, with NaN where an entry is missing."""
        checked = check_with_gaps(X, type(self).__name__)
        validate_data(self, X, reset=reset, skip_check_array=True)
        if sp.issparse(checked) and not _is_nan(self.missing_values):
            msg = (
                "missing_values=0 would fill all that a sparse X does not store. Pass "
                "X.toarray() if it is to be filled, or missing_values=numpy.nan."
            )
            raise ValueError(msg)
        return checked

    def _filled(self, X: Any, W: Array) -> Any:
        """Return a copy of X with W·H where an entry is missing."""
        Ht = np.ascontiguousarray(self.components_.T)
        filled = X.copy()
        if sp.issparse(X):
            entries = np.flatnonzero(np.isnan(X.data))
            places = X.tocoo().coords
            i, j = (np.asarray(index)[entries] for index in places)
            filled.data[entries] = product_entries(W, Ht, i, j)
        else:
            n_rows = max(1, BLOCK // X.shape[1])
            for start in range(0, X.shape[0], n_rows):
                rows = slice(start, start + n_rows)
                part = X[rows]
                i, j = np.nonzero(np.isnan(part) if self._by_nan else part == 0)
                filled[rows][i, j] = product_entries(W[rows], Ht, i, j)
        if self.indicator_ is None:
            return filled
        added = self.indicator_.transform(X)
        if sp.issparse(filled):
            return sp.hstack([filled, added], format=filled.format)
        return np.hstack([filled, added.astype(filled.dtype)])

    @property
    def _by_nan(self) -> bool:
        """Whether NaN stands for a missing entry."""
        return _is_nan(self.missing_values)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._by_nan
        tags.input_tags.allow_nan = self._by_nan
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
