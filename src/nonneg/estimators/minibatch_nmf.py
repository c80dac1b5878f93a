"""The estimator `MiniBatchNMF`: parameters, tags and fitted attributes."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np

from ..base.constraint import ConstraintBase
from ..base.interfaces import LossBase, Operand
from ..base.minibatch_parameters import BatchParameters
from ..base.observed import Observation
from ..base.parameters import Parameters
from ..base.records import FactorizationResult, Iteration
from ..fitting.fixed_factor import transform_memory
from ..fitting.minibatch_plan import plan_batches, plan_rows, plan_step
from ..fitting.plan import Plan
from ..fitting.run import run
from ..fitting.stream_run import fit_stream, is_stream, refuse_W, refuse_weights
from .base import FactorizationEstimator


class MiniBatchNMF(FactorizationEstimator):
    """Non-negative matrix factorization X ≈ W·H by mini-batches of rows.

    Minimises D(X, W·H) plus the penalties of `NMF`, D being a β-divergence. A step
    looks at one batch of rows: it updates these rows of W, then H by what this batch
    and, with less weight, the earlier ones say about it [1]_. H moves many times
    in each pass over X, so that large data need few passes; with `partial_fit` the data
    never have to be in memory together.

    Parameters
    ----------
    n_components : int, "auto" or None, default="auto"
        Number of components k. None keeps all features; "auto" takes the number of
        rows of a given H, else it keeps all features.
    init : str or None, default=None
        How W and H start:

        - "random": absolute values of Gaussian entries, scaled by sqrt(mean of X / k);
        - "nndsvd": non-negative double SVD, with zeros (k ≤ min(X.shape)), which stay
          zero unless `exact_statistics`;
        - "nndsvda": "nndsvd" with its zeros filled with the mean of X;
        - "nndsvdar": "nndsvd" with its zeros filled with small random numbers;
        - "nnsvd-lrc": non-negative SVD with low-rank correction;
        - "spa": rows of X as H, by successive projections, and W beside them, for
          separable data (k ≤ min(X.shape));
        - "custom": the W and H given to `fit`, or to the first `partial_fit`;
        - None: "nndsvda" if k ≤ min(n_samples, n_features), else "random".
    batch_size : int, default=1024
        Rows of a mini-batch; the last one of a pass may have fewer.
    beta_loss : float, str or LossBase, default="frobenius"
        β of the divergence: "frobenius" is 2, "kullback-leibler" 1, "itakura-saito" 0.
        For β ≤ 0 X must have no zeros.
    tol : float, default=1e-4
        Converged when a step has changed H by at most this share of its norm. With
        `exact_statistics` the residual of `NMF`'s solver "hals" is compared instead,
        after each pass. 0 turns it off.
    max_no_improvement : int or None, default=10
        Converged after so many steps in a row without a new lowest smoothed cost; None
        turns it off. It has no effect with `exact_statistics`.
    max_iter : int, default=200
        Largest number of passes over X.
    alpha_W : float, default=0.0
        Weight of the penalty on W, times n_features.
    alpha_H : float or "same", default="same"
        Weight of the penalty on H, times the number of rows that the step is about;
        "same" takes that of `alpha_W`.
    l1_ratio : float, default=0.0
        Share of L1 in the penalties: 0 is L2, 1 is L1, between is a mix.
    forget_factor : float, default=0.7
        What is left of a batch's weight one pass later, or with `partial_fit` one batch
        later: 1 forgets nothing, 0 all but the last batch. `exact_statistics` forgets
        nothing.
    fresh_restarts : bool, default=False
        Solve for a batch's rows of W anew in each step, from a constant, in place of
        one update; with `exact_statistics` exactly. Slower, and W at the end is what
        `transform` returns.
    fresh_restarts_max_iter : int, default=30
        Most updates of such a solve, also in `partial_fit`.
    transform_max_iter : int or None, default=None
        Most updates of W in `transform`; None takes `max_iter`.
    random_state : int, RandomState instance or None, default=None
        For the random parts of the start; an int gives the same result each time.
    verbose : int or "progress", default=0
        Above 0, print the cost of each step. "progress" shows a live bar, as in `NMF`.
    max_time : float or None, default=None
        Seconds that the whole call may take, the solve for W at its end included. What runs
        at their end is cut short. Of a stream, seconds after which no step is begun.
    callback : callable or None, default=None
        Called after each step with an `Iteration`, which counts steps; the fit ends if
        it returns True.
    n_threads : int or None, default=None
        Threads to use; None takes every core that the process may use, at most
        `NONNEG_NUM_THREADS` or `OMP_NUM_THREADS`. The result doesn't depend on it.
    checkpoint : str, path-like or None, default=None
        File that `fit` of an array is written to, as in `NMF`; `partial_fit` and a
        stream that is read once write none.
    checkpoint_every : float or int, default=60.0
        Seconds from one checkpoint to the next; an int counts mini-batches.
    resume : bool, default=False
        Whether `fit` goes on from the checkpoint, as in `NMF`.
    missing_values : numpy.nan, "unstored", 0 or None, default=None
        Entries of X that are missing, and left out of the loss: None: none, NaN is
        refused; numpy.nan: NaN, while zeros are observed, also those that a sparse X does
        not store; "unstored": all that a sparse X does not store, while stored zeros are
        observed; 0: every zero. Penalties by `alpha_W` and `alpha_H` then count for each
        row and column by the share of it that is observed.
    constraints_W : ConstraintBase, list of ConstraintBase or None, default=None
        What is known about rows of W, by objects of `nonneg.constraints`: `Bounds`,
        `Simplex`, `Orthogonal`, and in `fit`, where the rows are known, `Fixed` and
        `Target`. `transform` then solves within them. What ties rows together is refused.
    constraints_H : ConstraintBase, list of ConstraintBase or None, default=None
        What is known about H, by objects of `nonneg.constraints`, one or a list of them:
        all but `Unimodal`, `Monotone` and free signs, with multiplicative steps. A penalty
        weighs in a pass over X what it weighs in `NMF`; each `partial_fit` takes its batch
        for all of X.
    exact_statistics : bool, default=False
        For the Frobenius loss: in place of fading batches keep XᵀW and WᵀW exact, by
        correcting them for what a step has changed in its rows [2]_, and solve by
        coordinate sweeps. `fit` then decreases the objective of all of X in every step
        after the first pass, and reaches that of `NMF` in fewer passes; `transform` is
        exact. In `partial_fit`, where rows come once, the sums only grow [3]_.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        H, of the dtype of X.
    n_components_ : int
        Number of components.
    n_iter_ : int
        Passes over X begun by `fit`.
    n_steps_ : int
        Mini-batches processed.
    reconstruction_err_ : float
        sqrt(2·D) at the W and H of `fit`, without penalties; for the Frobenius loss
        that is ‖X − WH‖_F.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X had names that are all texts.
    history_ : dict of ndarray
        One entry per step of `fit` each: "objective" (penalised, that of the batch
        before H moves, scaled to n_samples; with `exact_statistics` that of all of X,
        NaN in the first pass), "residual" (what is compared with `tol`), "sweeps" and
        "seconds" since the start.
    stop_reason_ : str
        "converged", "max_iter", "max_time", "callback" or "interrupted".

    See Also
    --------
    NMF : Fits with all of X in each update.

    Notes
    -----
    A step costs as much as the share of its batch in an iteration of `NMF`'s solver
    "mu", and a few operations on arrays of the size of H; with `exact_statistics` up
    to four coordinate sweeps over H, n_features·k² multiply-adds each. Beside X and W a
    fit holds a few arrays of the size of H, `partial_fit` no more than these.
    Batches are views of X; X in Fortran order or CSC is copied once. For the
    Kullback-Leibler loss and a sparse X each batch has column numbers of its own, so the
    fit keeps those of X twice.

    `transform` does at most `transform_max_iter` multiplicative updates from a constant,
    until one changes W by at most `tol` times its norm; with `exact_statistics` it solves
    exactly. With that or `fresh_restarts` the fitted X gives the W of `fit_transform`
    again.

    An interrupted fit (Ctrl-C) sets the fitted attributes from the factors so far
    before the KeyboardInterrupt goes on; an interrupted `partial_fit` leaves the model
    as it was before.

    References
    ----------
    .. [1] Lefèvre, Bach & Févotte, "Online algorithms for nonnegative matrix
       factorization with the Itakura-Saito divergence", IEEE WASPAA (2011),
       https://doi.org/10.1109/ASPAA.2011.6082314
    .. [2] Yin, Gao & Zhang, "Scalable nonnegative matrix factorization with block-wise
       updates", Machine Learning and Knowledge Discovery in Databases (2014) 337-352,
       https://doi.org/10.1007/978-3-662-44845-8_22
    .. [3] Mairal, Bach, Ponce & Sapiro, "Online learning for matrix factorization and
       sparse coding", Journal of Machine Learning Research 11 (2010) 19-60,
       https://doi.org/10.48550/arXiv.0908.0050

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import MiniBatchNMF
    >>> X = np.array([[1, 1], [2, 1], [3, 1.2], [4, 1], [5, 0.8], [6, 1]])
    >>> model = MiniBatchNMF(
    ...     n_components=2, init="random", batch_size=3, tol=1e-3, random_state=0
    ... )
    >>> W = model.fit_transform(X)
    >>> W.shape, model.components_.shape
    ((6, 2), (2, 2))
    >>> model.reconstruction_err_ < 0.5
    True

    Rows as they come:

    >>> stream = MiniBatchNMF(n_components=2, random_state=0)
    >>> for rows in (X[:3], X[3:]):
    ...     stream = stream.partial_fit(rows)
    >>> stream.transform(X).shape
    (6, 2)
    """

    _parameters_class: ClassVar[type[Parameters]] = BatchParameters

    def __init__(
        self,
        n_components: int | Literal["auto"] | None = "auto",
        *,
        init: str | None = None,
        batch_size: int = 1024,
        beta_loss: float | str | LossBase = "frobenius",
        tol: float = 1e-4,
        max_no_improvement: int | None = 10,
        max_iter: int = 200,
        alpha_W: float = 0.0,
        alpha_H: float | Literal["same"] = "same",
        l1_ratio: float = 0.0,
        forget_factor: float = 0.7,
        fresh_restarts: bool = False,
        fresh_restarts_max_iter: int = 30,
        transform_max_iter: int | None = None,
        random_state: Any = None,
        verbose: int | Literal["progress"] = 0,
        max_time: float | None = None,
        callback: Callable[[Iteration], bool | None] | None = None,
        n_threads: int | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: float = 60.0,
        resume: bool = False,
        missing_values: float | str | None = None,
        constraints_W: ConstraintBase | Sequence[ConstraintBase] | None = None,
        constraints_H: ConstraintBase | Sequence[ConstraintBase] | None = None,
        exact_statistics: bool = False,
    ) -> None:
        self.n_components = n_components
        self.init = init
        self.batch_size = batch_size
        self.beta_loss = beta_loss
        self.tol = tol
        self.max_no_improvement = max_no_improvement
        self.max_iter = max_iter
        self.alpha_W = alpha_W
        self.alpha_H = alpha_H
        self.l1_ratio = l1_ratio
        self.forget_factor = forget_factor
        self.fresh_restarts = fresh_restarts
        self.fresh_restarts_max_iter = fresh_restarts_max_iter
        self.transform_max_iter = transform_max_iter
        self.random_state = random_state
        self.verbose = verbose
        self.max_time = max_time
        self.callback = callback
        self.n_threads = n_threads
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.resume = resume
        self.missing_values = missing_values
        self.constraints_W = constraints_W
        self.constraints_H = constraints_H
        self.exact_statistics = exact_statistics

    def fit(
        self,
        X: Any,
        y: Any = None,
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
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or iterator
            Non-negative data. An iterator of blocks of rows is read once, see Notes.
        y : ignored
            Not used; there for scikit-learn's interface.
        W : array-like of shape (n_samples, n_components), default=None
            Start for init="custom", an iterator takes none.
        H : array-like of shape (n_components, n_features), default=None
            Start for init="custom", which is not written to.
        sample_weight, feature_weight, weights : object, default=None
            Weights of rows, columns and entries, as `NMF.fit` takes them; an iterator
            takes none.

        Returns
        -------
        self : MiniBatchNMF

        Notes
        -----
        Of an iterator no row is seen twice and n_samples is not known. Its blocks are
        cut and joined to batches of `batch_size` rows, each one `partial_fit`: `alpha_H`
        is times the rows of a batch, `forget_factor` is for each batch, and `tol`,
        `max_iter` and `max_no_improvement` stop nothing. `reconstruction_err_` and
        `history_` are not set. Memory: one block, one batch, a few arrays like H.
        """
        if is_stream(X):
            if W is not None:
                refuse_W(type(self).__name__)
            observation = self._observation(sample_weight, feature_weight, weights)
            refuse_weights(observation, type(self).__name__)
            fit_stream(self, X, H)
            return self
        return super().fit(
            X, y, W=W, H=H, sample_weight=sample_weight,
            feature_weight=feature_weight, weights=weights,
        )  # fmt: skip

    def partial_fit(
        self,
        X: Any,
        y: Any = None,  # noqa: ARG002
        W: Any = None,
        H: Any = None,
    ) -> MiniBatchNMF:
        """Take one step with X as the mini-batch, going on from earlier calls or a fit.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
            Non-negative data. From the second call on they are converted to the dtype
            of the components.
        y : ignored
            Not used; there for scikit-learn's interface.
        W : array-like of shape (n_rows, n_components), default=None
            Start for init="custom", in the first call. The rows are solved for anew
            all the same.
        H : array-like of shape (n_components, n_features), default=None
            Start for init="custom", in the first call.

        Returns
        -------
        self : MiniBatchNMF

        Notes
        -----
        The rows of W are solved for by up to `fresh_restarts_max_iter` updates, with
        `exact_statistics` exactly, and are not kept. The memory that the model takes
        does not depend on the number of calls. Sets `components_`, `n_components_` and
        `n_steps_`. A model with `components_` that were set by hand begins at these.
        """
        is_first = "n_features_in_" not in vars(self)
        observation = self._observation(None, None, None)
        operand = self._operand(X, reset=is_first, observation=observation)
        parameters = self._parameters()
        state = self._next_state()
        if state is None and "components_" in vars(self):
            H = self.components_
            W = np.ones((operand.shape[0], np.shape(H)[0]), operand.dtype)
            parameters = dataclasses.replace(
                parameters, init="custom", n_components=len(H)
            )
        state = run(plan_step(operand, parameters, state, W, H)).state
        self._set_components(np.ascontiguousarray(state.Ht.T))
        self._state, self.n_steps_ = state, state.n_iter
        return self

    def _plan_fit(self, X: Operand, W: Any, H: Any, out: Any = None) -> Plan:  # noqa: ARG002
        return plan_batches(X, self._parameters(), W, H)

    def _plan_transform(self, X: Operand, out: Any = None) -> Plan:
        parameters = self._parameters()
        memory = transform_memory(self)
        fixed = memory.fixed_factor(self.components_, X.dtype, X.n_threads)
        return plan_rows(X, parameters, fixed, out)

    def _prepared(self, X: Any, observation: Observation, later: bool = False) -> Any:
        if is_stream(X):
            refuse_W(type(self).__name__)
        return super()._prepared(X, observation, later)

    def _set_fitted(self, X: Operand, result: FactorizationResult, plan: Plan) -> None:
        super()._set_fitted(X, result, plan)
        self.n_steps_ = result.n_iter
        self.n_iter_ = math.ceil(result.n_iter / plan.steps_per_pass)
        self._state = result.state

    def _next_state(self) -> Any:
        """Return the state after earlier steps, with the components as they are now, or None."""
        state = self._state
        if state is None:
            return None
        Ht = np.array(self.components_.T, order="C", dtype=state.Ht.dtype)
        return dataclasses.replace(state, Ht=Ht)
