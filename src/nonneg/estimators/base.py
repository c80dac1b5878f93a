"""The base class of the estimators: checks of X, fitted attributes, the way back, tags."""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from ..base import deadline
from ..base.arrays import Array
from ..base.constraint import takes_any_sign
from ..base.interfaces import Operand, State
from ..base.memory_size import is_limit
from ..base.observed import NOTHING, Observation
from ..base.parameters import Parameters
from ..base.records import FactorizationResult, result_of
from ..base.validation import check_X, is_plain_sparse
from ..fitting.observation import complete, observed_in, warn_of_gaps
from ..fitting.plan import Plan
from ..fitting.preparation import prepare_X, require_sound, validated_values
from ..fitting.run import run
from ..fitting.transform import require_room, transform, write_W
from ..losses.beta import make_loss
from ..losses.metrics import error_of
from .named_transformer import NamedTransformer

ERROR_SECONDS = 0.25
"""Seconds that the pass for the error of a fit may take after its `max_time`."""


class FactorizationEstimator(NamedTransformer):
    """Base of estimators that factorize X; they say how, and have the public docstring."""

    _parameters_class: ClassVar[type[Parameters]] = Parameters
    _state: State | None = None
    """State that later steps go on from; None where a fit keeps nothing of that kind."""

    @abstractmethod
    def _plan_fit(self, X: Operand, W: Any, H: Any, out: Any = None) -> Plan:
        """Plan a fit of X, whose W goes into `out` if that is given."""

    @abstractmethod
    def _plan_transform(self, X: Operand, out: Any = None) -> Plan:
        """Plan a solve for the W that belongs to X and the fitted components."""

    def fit(
        self,
        X: Any,
        y: Any = None,  # noqa: ARG002
        W: Any = None,
        H: Any = None,
        *,
        sample_weight: Any = None,
        feature_weight: Any = None,
        weights: Any = None,
    ) -> Self:
        """Learn the components H of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Non-negative data.
        y : ignored
            Not used; there for scikit-learn's interface.
        W : array-like of shape (n_samples, n_components), default=None
            Start for init="custom", which is not written to.
        H : array-like of shape (n_components, n_features), default=None
            Start for init="custom", which is not written to.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the loss, at least 0. An integer weight is as good as that
            many copies of the row; a row of weight 0 is left out of the fit.
        feature_weight : array-like of shape (n_features,), default=None
            Weight of each column in the loss, at least 0.
        weights : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            Weight of each entry in the loss, at least 0; 0 leaves it out. What a sparse
            matrix does not store has weight 0; `EntryWeights` gives it another one.

        Returns
        -------
        self : object
            The fitted estimator.

        Notes
        -----
        The entry (i, j) has the weight sample_weight[i]·feature_weight[j]·weights[i, j], or
        0 if `missing_values` says that it is missing.
        """
        self._fit(
            X,
            W,
            H,
            observation=self._observation(sample_weight, feature_weight, weights),
        )
        return self

    def fit_transform(
        self,
        X: Any,
        y: Any = None,  # noqa: ARG002
        W: Any = None,
        H: Any = None,
        *,
        sample_weight: Any = None,
        feature_weight: Any = None,
        weights: Any = None,
        out: Any = None,
    ) -> Any:
        """Learn the components H of X and return W, at the cost of `fit` alone.

        Parameters
        ----------
        X, y, W, H, sample_weight, feature_weight, weights : object
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
        observation = self._observation(sample_weight, feature_weight, weights)
        return write_W(self._fit(X, W, H, out, observation), out)

    def transform(self, X: Any, *, weights: Any = None, out: Any = None) -> Any:
        """Solve for the W that belongs to X and the fitted components.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Non-negative data.
        weights : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            Weight of each entry, as `fit` takes it. The `feature_weight` of the fit stays.
        out : object with `shape` and slice assignment, default=None
            Where W is written, part by part: an array, a `numpy.memmap`, a zarr array or
            HDF5 data set of shape (n_samples, n_components). None makes a new array.

        Returns
        -------
        W : ndarray of shape (n_samples, n_components), or `out`
            The transformed data, of the dtype of X. A row without any observed entry is 0.

        Notes
        -----
        Each row is solved for by the entries that it shows. The Notes of the class say how exact W is, and how often X is read.
        """
        if "components_" not in vars(self):  # scikit-learn's look takes longer
            check_is_fitted(self, "components_")
        observation = self._observation(
            None, vars(self).get("feature_weight_"), weights
        )
        lazy = self._transform_lazily(X) if observation.is_trivial else None
        if lazy is not None:
            return write_W(lazy, out)
        with self._time_limit():
            with deadline.no_limit():  # but the time of the checks counts
                operand = self._operand(X, False, observation, later=out is None)
            if out is not None:
                require_room(out, (operand.shape[0], self.components_.shape[0]))
            plan = self._planned(operand, self._plan_transform, out)
            if plan.X is not operand:
                require_sound(operand)
            warn_of_gaps(operand, plan)
            return transform(plan, out)

    def plan(
        self,
        X: Any,
        y: Any = None,  # noqa: ARG002
        W: Any = None,
        H: Any = None,
        *,
        sample_weight: Any = None,
        feature_weight: Any = None,
        weights: Any = None,
        out: Any = None,
    ) -> Plan:
        """Tell how X would be fitted, without fitting it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Non-negative data. It is read once at most.
        y : ignored
            Not used; there for scikit-learn's interface.
        W, H : array-like, default=None
            Starts for init="custom", as `fit` takes them.
        sample_weight, feature_weight, weights : object, default=None
            As `fit` takes them.
        out : object, default=None
            Where W would be written, as `fit_transform` takes it.

        Returns
        -------
        plan : Plan
            What `fit` would do: solver, start, passes over X, memory, and why. Its text,
            `print(plan)`, tells it in a few lines, `plan.as_dict()` as numbers and texts.

        Raises
        ------
        ValueError
            What `fit` would refuse before its first iteration, but for the entries of W, H
            and an X that is read in parts.
        """
        observation = self._observation(sample_weight, feature_weight, weights)
        return self._plan_fit(self._prepared(X, observation), W, H, out)

    def _observation(
        self, sample_weight: Any, feature_weight: Any, weights: Any
    ) -> Observation:
        """Return which entries count, and how much, by the parameter and the arguments."""
        missing_values = vars(self).get("missing_values")
        return Observation(missing_values, sample_weight, feature_weight, weights)

    def _transform_lazily(self, X: Any) -> Any:  # noqa: ARG002
        """Return W as an array that is computed later, or None to compute it now."""
        return None

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

    def _time_limit(self) -> AbstractContextManager[None]:
        """Limit the time of the call inside the block to `max_time`."""
        return deadline.time_limit(vars(self).get("max_time"))

    def _planned(self, X: Operand, make: Callable[..., Plan], *arguments: Any) -> Plan:
        """Make a plan within the time of the call, if that may take a pass over a store."""
        try:
            with nullcontext() if X.in_parts else deadline.no_limit():
                return make(X, *arguments)
        except deadline.OutOfTime:
            raise deadline.nothing_read(vars(self).get("max_time")) from None

    def _fit(
        self,
        X: Any,
        W: Any,
        H: Any,
        out: Any = None,
        observation: Observation = NOTHING,
    ) -> Array:
        """Fit X and return W where it is: in memory, on disk or on workers."""
        with self._time_limit():
            with deadline.no_limit():  # but the time of the checks counts
                operand = self._operand(X, reset=True, observation=observation)
            plan = self._planned(operand, self._plan_fit, W, H, out)
            return self._run(operand, plan)

    def _run(self, operand: Operand, plan: Plan) -> Array:
        """Carry out the plan of a fit, set the fitted attributes and return W."""
        # a copy by rows or a whole map is of use to the fit alone
        last = plan.X if plan.X.in_parts else operand
        try:
            result = run(plan)
        except KeyboardInterrupt as interrupt:
            partial = result_of(interrupt)
            if partial is not None:
                self._set_fitted(last, partial, plan)
            raise
        result = complete(operand, result, plan)
        warn_of_gaps(operand, plan)
        self._set_fitted(last, result, plan)
        return result.W

    def _prepared(
        self, X: Any, observation: Observation, later: bool = False
    ) -> Operand:
        """Check X; the entries of one that is read in parts are left for later."""
        limit = vars(self).get("memory_limit")
        if limit is not None and not is_limit(limit):
            limit = None  # which is refused with the other parameters
        whom = self._parameters_class.owner
        any_sign = takes_any_sign(self)
        return prepare_X(X, self.n_threads, whom, limit, observation, any_sign, later)

    def _operand(
        self, X: Any, reset: bool, observation: Observation, later: bool = False
    ) -> Operand:
        """Check X, then its feature names and count, by scikit-learn's means."""
        operand = self._prepared(X, observation, later)
        if self._takes_plain(X, reset):
            return operand
        # a path or a function has no width; its operand has
        shaped = operand if operand.in_parts else X
        validate_data(self, shaped, reset=reset, skip_check_array=True)
        return operand

    def _takes_plain(self, X: Any, reset: bool) -> bool:
        """Note the width of an X without feature names, or find it as it was.

        All else is left to scikit-learn, whose look at X takes longer than a solve
        for some rows.
        """
        known = vars(self)
        plain = type(X) is np.ndarray or is_plain_sparse(X)
        if not plain or "feature_names_in_" in known:
            return False
        if reset:
            self.n_features_in_ = X.shape[1]
            return True
        return bool(known.get("n_features_in_") == X.shape[1])

    def _parameters(self) -> Any:
        kind: Any = self._parameters_class
        names = _field_names(kind)
        values = {name: value for name, value in vars(self).items() if name in names}
        return validated_values(kind, values)

    def _set_fitted(
        self,
        X: Operand,
        result: FactorizationResult,
        plan: Plan,  # noqa: ARG002
    ) -> None:
        self._set_components(result.H)
        self.n_iter_ = result.n_iter
        self.reconstruction_err_ = self._error(X, result)
        self.n_observed_, self.feature_weight_ = observed_in(X)
        self.history_ = result.history.as_dict()
        self.stop_reason_ = str(result.stop_reason)

    def _error(self, X: Operand, result: FactorizationResult) -> float:
        """Return the error of the factors; NaN where there is no time for a pass over X."""
        loss = make_loss(self.beta_loss)
        if result.loss is not None:
            return loss.error(result.loss)
        left = deadline.seconds_left()
        limit = None if left is None else max(left, ERROR_SECONDS)
        try:
            with deadline.no_limit(), deadline.time_limit(limit):
                Ht = np.ascontiguousarray(result.H.T)
                return error_of(loss, X, result.W, Ht, result.objective)
        except deadline.OutOfTime:
            return math.nan

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
        missing = vars(self).get("missing_values")
        tags.input_tags.allow_nan = isinstance(missing, float) and bool(
            np.isnan(missing)
        )
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


@lru_cache(maxsize=8)
def _field_names(kind: type[Parameters]) -> frozenset[str]:
    return frozenset(field.name for field in dataclasses.fields(kind))
