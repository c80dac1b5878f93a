"""`JointNMF`: several data sets with shared components, or shared samples, factorized together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..base import validation
from ..base.arrays import Array
from ..base.interfaces import Operand
from ..base.records import Iteration
from ..base.rules import Rule, is_real, one_of, require
from ..base.threads import resolve_n_threads, single_threaded_blas
from ..fitting.loop import Limits, Outcome
from ..fitting.starts_run import run_starts
from ..kernels import Exact
from ..losses.frobenius import Frobenius
from ..losses.metrics import error_of
from ..operands.registration import as_operand
from ..operands.units import unit_of
from ..solvers.joint import JointDescent, JointProblem, solve_W_of
from .plain_fit import checked_limits, checked_matrix, set_course

SHARED = one_of(("H", "W"), "Pass what the data sets have in common.", none=False)
SPECIFIC = Rule(
    lambda v: is_real(v) or (isinstance(v, float) and v == math.inf),
    "a float in the range [0.0, inf]",
    "Pass numpy.inf for no specific parts.",
)


class JointNMF(BaseEstimator):  # type: ignore[misc]
    """Joint factorization of several data sets that share a factor.

    With shared="H" the data sets have the same features, such as the genes of cells from
    several donors: Xᵢ ≈ Wᵢ·(H + Vᵢ). H is what they share, Vᵢ what is specific to one of
    them, as in integrative NMF [1]_ and LIGER [2]_. With shared="W" they are views of the
    same samples: Xᵢ ≈ (W + Vᵢ)·Hᵢ. The objective is
    Σ cᵢ·(½‖Xᵢ − Wᵢ(H + Vᵢ)‖² + ½·specific·‖WᵢVᵢ‖²), or that of the transposes.

    Parameters
    ----------
    n_components : int, default=10
        Number of components k.
    shared : {"H", "W"}, default="H"
        The factor that the data sets share: components over the same features, or the
        amounts of the same samples.
    specific : float, default=5.0
        Weight of the penalty on specific parts; they are large where it is small.
        numpy.inf leaves them out: with weights of 1 that is `NMF` of the data sets below, or
        beside, each other.
    dataset_weights : {"equal"} or array-like of shape (n_datasets,) or None, default=None
        Weight cᵢ of each data set, above 0. None: ones; "equal": such that cᵢ·‖Xᵢ‖² is the
        same for all.
    tol : float, default=1e-4
        Converged when ‖projected gradient‖ ≤ tol·‖right-hand sides‖ twice in a row and five
        iterations bring at most 0.3·tol of the objective, or when they bring less than 1e-7
        of it (float32: 1e-6). 0 turns it off.
    max_iter : int, default=500
        Largest number of iterations.
    random_state : int, RandomState instance or None, default=None
        For the starts; an int gives the same result each time.
    verbose : int or "progress", default=0
        Above 0, print the residual of each iteration; "progress" shows a live bar in a
        terminal or notebook, for each start.
    n_init : int, default=1
        Number of random starts, fitted one after the other; the best one is kept.
    max_time : float or None, default=None
        Seconds that the iterations of all starts may take.
    callback : callable or None, default=None
        Called after each iteration with an `Iteration` (n_iter, objective, residual,
        seconds); the fit ends if it returns True.
    n_threads : int or None, default=None
        Threads to use; None takes every core that the process may use, at most
        `NONNEG_NUM_THREADS` or `OMP_NUM_THREADS`. The result doesn't depend on it.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features), or list of ndarray
        H; with shared="W" the Hᵢ of each data set.
    embeddings_ : list of ndarray of shape (n_samples_i, n_components), or ndarray
        The Wᵢ of each data set; with shared="W" the W of all.
    specific_ : list of ndarray
        The Vᵢ of each data set, in the shape of the shared factor; zeros without.
    dataset_weights_ : ndarray of shape (n_datasets,)
        Weights cᵢ.
    n_iter_ : int
        Iterations of the fit that was kept.
    reconstruction_errs_ : ndarray of shape (n_datasets,)
        ‖Xᵢ − Wᵢ(H + Vᵢ)‖_F of each data set.
    reconstruction_err_ : float
        The root of the sum of their squares.
    history_ : dict of ndarray
        One entry per iteration each: "objective", which never rises, "residual", "sweeps"
        and "seconds".
    stop_reason_ : str
        "converged", "max_iter", "max_time", "callback" or "interrupted".

    See Also
    --------
    NMF : The factorization of one data set.

    Notes
    -----
    An iteration takes two products with each data set, 4·k flops per stored entry. Beside
    them it holds the factors twice. Data sets are dense or sparse, in memory, of one dtype:
    float64 if one of them is.

    References
    ----------
    .. [1] Yang & Michailidis, "A non-negative matrix factorization method for detecting
       modules in heterogeneous omics multi-modal data", Bioinformatics 32 (2016) 1-8,
       https://doi.org/10.1093/bioinformatics/btv544
    .. [2] Welch, Kozareva, Ferreira, Vanderburg, Martin & Macosko, "Single-cell multi-omic
       integration compares and contrasts features of brain cell identity", Cell 177 (2019)
       1873-1887, https://doi.org/10.1016/j.cell.2019.05.006

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import JointNMF
    >>> rng = np.random.default_rng(0)
    >>> H = rng.random((2, 6))
    >>> datasets = [rng.random((n, 2)) @ H for n in (8, 5)]
    >>> model = JointNMF(2, random_state=0).fit(datasets)
    >>> [W.shape for W in model.embeddings_]
    [(8, 2), (5, 2)]
    """

    def __init__(
        self,
        n_components: int = 10,
        *,
        shared: Literal["H", "W"] = "H",
        specific: float = 5.0,
        dataset_weights: Any = None,
        tol: float = 1e-4,
        max_iter: int = 500,
        random_state: Any = None,
        verbose: int | Literal["progress"] = 0,
        n_init: int = 1,
        max_time: float | None = None,
        callback: Callable[[Iteration], bool | None] | None = None,
        n_threads: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.shared = shared
        self.specific = specific
        self.dataset_weights = dataset_weights
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.verbose = verbose
        self.n_init = n_init
        self.max_time = max_time
        self.callback = callback
        self.n_threads = n_threads

    def fit(self, X: Sequence[Any], y: Any = None) -> Self:  # noqa: ARG002
        """Factorize the data sets.

        Parameters
        ----------
        X : list of {array-like, sparse matrix} of shape (n_samples_i, n_features_i)
            Non-negative data sets, with as many features each, or, with shared="W", as many
            samples.
        y : ignored
            Not used; there for scikit-learn's interface.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        limits = checked_limits(self, ())
        require("shared", self.shared, SHARED, "JointNMF")
        require("specific", self.specific, SPECIFIC, "JointNMF")
        operands = self._operands(X)
        weights = self._weights(operands)
        problem = JointProblem(operands, weights, float(self.specific))
        solver = JointDescent(self.tol)
        rng = check_random_state(self.random_state)
        starts = (
            lambda start=start: solver.begin(problem, *start)
            for start in self._starts(operands, rng)
        )
        outcome = run_starts(solver, problem, starts, limits)
        self._set_fitted(problem, outcome)
        if outcome.interrupt is not None:
            raise outcome.interrupt
        return self

    def fit_transform(self, X: Sequence[Any], y: Any = None) -> Any:  # noqa: ARG002
        """Factorize the data sets and return their W.

        Parameters
        ----------
        X : list of {array-like, sparse matrix} of shape (n_samples_i, n_features_i)
            Data sets as `fit` takes them.
        y : ignored
            Not used; there for scikit-learn's interface.

        Returns
        -------
        embeddings : list of ndarray of shape (n_samples_i, n_components), or ndarray
            The Wᵢ; with shared="W" the W of all.
        """
        return self.fit(X).embeddings_

    def transform(self, X: Any, dataset: int | None = None) -> Any:
        """Solve for the W of other samples beside the fitted components.

        Parameters
        ----------
        X : list of {array-like, sparse matrix}, or a single one
            Other samples of each data set, or, with `dataset`, of one of them. With
            shared="W" all views of them.
        dataset : int or None, default=None
            Number of the data set that X belongs to; only with shared="H".

        Returns
        -------
        embeddings : list of ndarray of shape (n_new_i, n_components), or ndarray
            The Wᵢ, exact; a single one with `dataset`. With shared="W" the W of all, to
            `tol`.
        """
        check_is_fitted(self, "components_")
        if self.shared == "W":
            return self._transform_views(X, dataset)
        if dataset is None:
            self._require_number(X)
            return [self.transform(X_i, i) for i, X_i in enumerate(X)]
        n_datasets = len(self.specific_)
        if not 0 <= dataset < n_datasets:
            msg = (
                f"dataset={dataset} is none of the {n_datasets} data sets of the fit. Pass a "
                f"number from 0 to {n_datasets - 1}."
            )
            raise ValueError(msg)
        (operand,) = self._operands([X])
        components: Any = self.components_
        H, V = (
            np.ascontiguousarray(A.T, dtype=operand.dtype)
            for A in (components, self.specific_[dataset])
        )
        self._require_width(operand, len(H))
        problem = JointProblem((operand,), np.ones(1), float(self.specific))
        W = np.zeros((operand.shape[0], H.shape[1]), operand.dtype)
        with single_threaded_blas():
            solve_W_of(problem, operand, W, H, V, Exact(sweeps=16))
        return W

    def _transform_views(self, X: Any, dataset: int | None) -> Array:
        """Solve for the shared rows and the specific ones of other samples, to `tol`."""
        if dataset is not None:
            msg = (
                "dataset is for shared='H'; samples with shared='W' have all views. Pass a "
                "list of them."
            )
            raise ValueError(msg)
        self._require_number(X)
        operands = self._operands(X)
        fixed = [
            np.ascontiguousarray(H.T, dtype=operands[0].dtype) for H in self.components_
        ]
        for operand, H in zip(operands, fixed, strict=True):
            self._require_width(operand.T, len(H))
        problem = JointProblem(
            operands, self.dataset_weights_, float(self.specific), update_W=False
        )
        solver, k = JointDescent(self.tol), fixed[0].shape[1]
        start = np.zeros((operands[0].shape[1], k), operands[0].dtype)
        limits = Limits(max(self.max_iter, 1), self.tol)
        outcome = run_starts(
            solver, problem, [lambda: solver.begin(problem, fixed, start)], limits
        )
        shared: Array = outcome.state.Ht
        return shared

    def _require_number(self, X: Any) -> None:
        n_datasets = len(self.specific_)
        if not isinstance(X, list | tuple) or len(X) != n_datasets:
            msg = (
                f"X must be a list of {n_datasets} data sets, as many as in the fit. Pass "
                "one for each, or dataset= with a single one where shared='H'."
            )
            raise ValueError(msg)

    @staticmethod
    def _require_width(X: Operand, n_features: int) -> None:
        if X.shape[1] != n_features:
            msg = (
                f"X has {X.shape[1]} features, but JointNMF is expecting {n_features} "
                "features as input. Pass those of the fit."
            )
            raise ValueError(msg)

    def _operands(self, X: Any) -> tuple[Operand, ...]:
        """Check the data sets; return them with the shared factor's rows as columns."""
        if not isinstance(X, list | tuple) or not X:
            msg = (
                "JointNMF takes a list of data sets, each an array or a sparse matrix; got "
                f"{type(X).__name__}. Pass e.g. [X1, X2]."
            )
            raise TypeError(msg)
        n_threads = resolve_n_threads(self.n_threads)
        checked = []
        for i, X_i in enumerate(X):
            A = checked_matrix(X_i, "JointNMF", f"X[{i}]")
            validation.check_non_negative(A, f"JointNMF (input X[{i}])")
            checked.append(A)
        dtype = np.result_type(*(A.dtype for A in checked))
        operands = [as_operand(A.astype(dtype, copy=False), n_threads) for A in checked]
        axis = 1 if self.shared == "H" else 0
        sizes = [A.shape[axis] for A in checked]
        if len(set(sizes)) > 1:
            what = "features" if axis else "samples"
            msg = (
                f"With shared={self.shared!r} all data sets need the same {what}; got "
                f"{sizes}. Align them, or share the other factor."
            )
            raise ValueError(msg)
        for i, operand in enumerate(operands):
            if unit_of(operand):
                msg = (
                    f"The entries of X[{i}] are so large or small that their squares are "
                    f"beyond {dtype}. Multiply the data sets by a number."
                )
                raise ValueError(msg)
        return tuple(X_i.T for X_i in operands) if axis == 0 else tuple(operands)

    def _weights(self, operands: tuple[Operand, ...]) -> Any:
        """Return the weight of each data set."""
        stated, n = self.dataset_weights, len(operands)
        if stated is None:
            return np.ones(n)
        if isinstance(stated, str) and stated == "equal":
            squares = np.array([X.stats().sum_sq for X in operands])
            present = squares > 0
            mean = squares[present].mean() if present.any() else 1.0
            return np.where(present, mean / np.where(present, squares, 1), 1.0)
        weights = np.asarray(stated, dtype=np.float64)
        if weights.shape != (n,) or not (np.isfinite(weights) & (weights > 0)).all():
            msg = (
                f"dataset_weights must be None, 'equal' or {n} numbers above 0, one for each "
                f"data set; got {stated!r}."
            )
            raise ValueError(msg)
        return weights

    def _starts(
        self, operands: tuple[Operand, ...], rng: np.random.RandomState
    ) -> Iterator[tuple[list[Array], Array]]:
        """Yield half-normal factors with a product of about the mean of the data sets."""
        k, dtype = self.n_components, operands[0].dtype
        entries = sum(X.shape[0] * X.shape[1] for X in operands)
        mean = sum(X.stats().sum for X in operands) / entries
        level = math.sqrt(mean / k)
        for _ in range(self.n_init):
            factors = [
                (level * np.abs(rng.standard_normal((n, k)))).astype(dtype)
                for n in (operands[0].shape[1], *(X.shape[0] for X in operands))
            ]
            yield factors[1:], factors[0]

    def _set_fitted(self, problem: JointProblem, outcome: Outcome) -> None:
        state, by_rows = outcome.state, self.shared == "H"
        shared, specific, apart = state.Ht, state.Vt_of, state.W_of
        self.components_ = shared.T.copy() if by_rows else [A.T.copy() for A in apart]
        self.embeddings_ = apart if by_rows else shared
        self.specific_ = [V.T.copy() if by_rows else V for V in specific]
        self.n_components_ = shared.shape[1]
        self.dataset_weights_ = problem.weights
        set_course(self, outcome)
        self.reconstruction_errs_ = np.array(
            [
                error_of(Frobenius(), X, W, shared + V)
                for X, W, V in zip(problem.operands, apart, specific, strict=True)
            ]
        )
        self.reconstruction_err_ = float(np.linalg.norm(self.reconstruction_errs_))
