"""The base class of the estimators: checks of X, fitted attributes, the way back, tags."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from ..base.interfaces import Array, Operand, SolverBase
from ..base.memory_size import is_limit
from ..base.parameters import Parameters
from ..base.records import FactorizationResult
from ..base.validation import check_X
from ..fitting.preparation import prepare_X, validated
from ..fitting.transform import (
    require_room,
    rows_are_independent,
    solve_by_rows,
    want_on_disk,
    write_W,
)
from ..losses.beta import make_loss
from ..losses.metrics import error_of


class FactorizationEstimator(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Base of estimators that factorize X; they say how, and have the public docstring."""

    _parameters_class: ClassVar[type[Parameters]] = Parameters

    @abstractmethod
    def _factorize(self, X: Operand, W: Any, H: Any) -> FactorizationResult:
        """Fit X; a KeyboardInterrupt carries the result so far as `result`."""

    def fit(
        self,
        X: Any,
        y: Any = None,  # noqa: ARG002
        W: Any = None,
        H: Any = None,
    ) -> Self:
        """Learn the components H of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Non-negative data.
        y : ignored
            Not used; there for scikit-learn's interface.
        W : array-like of shape (n_samples, n_components), default=None
            Start for init="custom", of the dtype of X. It is not written to.
        H : array-like of shape (n_components, n_features), default=None
            Start for init="custom", of the dtype of X. It is not written to.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        self._fit(X, W, H)
        return self

    def fit_transform(
        self,
        X: Any,
        y: Any = None,  # noqa: ARG002
        W: Any = None,
        H: Any = None,
        *,
        out: Any = None,
    ) -> Any:
        """Learn the components H of X and return W, at the cost of `fit` alone.

        Parameters
        ----------
        X, y, W, H : object
            As `fit` takes them.
        out : object with `shape` and slice assignment, default=None
            Where W is written, part by part: an array, a `numpy.memmap`, a zarr array or
            HDF5 data set of shape (n_samples, n_components). None makes a new array.

        Returns
        -------
        W : ndarray of shape (n_samples, n_components), or `out`
            The transformed data, of the dtype of X.
        """
        if out is not None:
            require_room(out, None)
        return write_W(self._fit(X, W, H, out), out)

    def transform(self, X: Any, *, out: Any = None) -> Any:
        """Solve for the W that belongs to X and the fitted components.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Non-negative data.
        out : object with `shape` and slice assignment, default=None
            Where W is written, part by part: an array, a `numpy.memmap`, a zarr array or
            HDF5 data set of shape (n_samples, n_components). None makes a new array.

        Returns
        -------
        W : ndarray of shape (n_samples, n_components), or `out`
            The transformed data, of the dtype of X.

        Notes
        -----
        The Notes of the class say how exact W is, and how often X is read.
        """
        check_is_fitted(self, "components_")
        lazy = self._transform_lazily(X)
        if lazy is not None:
            return write_W(lazy, out)
        operand = self._operand(X, reset=False)
        k = self.components_.shape[0]
        if out is not None:
            require_room(out, (operand.shape[0], k))
        solver, solve = self._row_solver(operand)
        if out is None or not rows_are_independent(solver, operand):
            return write_W(solve(operand), out)
        return solve_by_rows(operand, solve, k, out)

    def _transform_lazily(self, X: Any) -> Any:  # noqa: ARG002
        """Return W as an array that is computed later, or None to compute it now."""
        return None

    @abstractmethod
    def _row_solver(
        self, X: Operand
    ) -> tuple[type[SolverBase], Callable[[Operand], Array]]:
        """Return the class that solves for W beside the fitted H, and the W for some rows."""

    def inverse_transform(self, X: Any) -> Array:
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
        whom = type(self).__name__
        W = check_X(X, whom)
        k = self.components_.shape[0]
        if W.shape[1] != k:
            msg = (
                f"X has {W.shape[1]} columns, but this {whom} has {k} components. Pass "
                "what `transform` returned, of shape (n_samples, n_components)."
            )
            raise ValueError(msg)
        product: Array = W @ self.components_
        return product

    def _fit(self, X: Any, W: Any, H: Any, out: Any = None) -> Array:
        """Fit X and return W where it is: in memory, on disk or on workers."""
        operand = self._operand(X, reset=True, look=False)
        want_on_disk(operand, out)
        try:
            result = self._factorize(operand, W, H)
        except KeyboardInterrupt as interrupt:
            if hasattr(interrupt, "result"):
                self._set_fitted(operand, interrupt.result)
            raise
        self._set_fitted(operand, result)
        return result.W

    def _operand(self, X: Any, reset: bool, look: bool = True) -> Operand:
        """Check X, then its feature names and count, by scikit-learn's means."""
        limit = vars(self).get("memory_limit")
        if limit is not None and not is_limit(limit):
            limit = None  # which is refused with the other parameters
        owner = self._parameters_class.owner
        operand = prepare_X(X, self.n_threads, owner, limit, look)
        # a path or a function has no width; its operand has
        shaped = operand if operand.in_parts else X
        validate_data(self, shaped, reset=reset, skip_check_array=True)
        return operand

    def _parameters(self) -> Any:
        names = {field.name for field in dataclasses.fields(self._parameters_class)}
        values = {name: value for name, value in vars(self).items() if name in names}
        return validated(self._parameters_class(**values))

    def _set_fitted(self, X: Operand, result: FactorizationResult) -> None:
        self._set_components(result.H)
        self.n_iter_ = result.n_iter
        self.reconstruction_err_ = error_of(
            make_loss(self.beta_loss), X, result.W, np.ascontiguousarray(result.H.T)
        )
        self.history_ = result.history.as_dict()
        self.stop_reason_ = str(result.stop_reason)

    def _set_components(self, H: Array) -> None:
        self.components_ = H
        # scikit-learn's tests look at the private one
        self.n_components_ = self._n_components = H.shape[0]

    @property
    def _n_features_out(self) -> int:
        """Number of output features, for `get_feature_names_out`."""
        n_components: int = self.components_.shape[0]
        return n_components

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
