"""`SymmetricNMF`: X ≈ W·Wᵀ for similarities and graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ..base import validation
from ..base.arrays import Array
from ..base.factor_checks import check_factor
from ..base.interfaces import Operand, Problem
from ..base.penalty import Penalty
from ..base.records import Iteration
from ..base.symmetry import require_symmetric
from ..base.threads import resolve_n_threads, single_threaded_blas
from ..fitting.loop import Outcome
from ..fitting.starts_run import run_starts
from ..initialization.svd_start import initial_factors
from ..kernels import Exact, RowArrays, gram, solve_rows
from ..losses.frobenius import Frobenius
from ..losses.metrics import error_of
from ..operands.base import matmul
from ..operands.registration import as_operand
from ..operands.units import in_unit, times_power, unit_of
from ..solvers.symmetric import SymmetricDescent
from .named_transformer import NamedTransformer
from .plain_fit import checked_limits, checked_matrix, set_course

INITS = ("random", "nndsvd", "nndsvda", "nndsvdar", "custom")


class SymmetricNMF(NamedTransformer):
    """Symmetric non-negative matrix factorization X ≈ W·Wᵀ of similarities or a graph.

    It minimises ½‖X − W·Wᵀ‖²_F over W ≥ 0, the objective of [1]_. X has a similarity for
    each pair of samples, as a kernel matrix, a matrix of correlations or the adjacency
    matrix of an undirected graph. Row i of W tells how much sample i belongs to each
    component, so that its largest entry is a cluster. (In the literature W is called H.)

    Parameters
    ----------
    n_components : int, default=10
        Number of components k.
    init : {"random", "nndsvd", "nndsvda", "nndsvdar", "custom"} or None, default=None
        How W starts:

        - "random": absolute values of Gaussian entries, at their best scale;
        - "nndsvd", "nndsvda", "nndsvdar": the mean of both factors of that start of `NMF`,
          for X ≥ 0;
        - "custom": W as given to `fit`;
        - None: "random".
    tol : float, default=1e-4
        Converged when ‖projected gradient‖ ≤ tol·‖X·W‖ twice in a row and five iterations
        bring at most 0.3·tol of the objective, or when they bring less than 1e-7 of it
        (float32: 1e-6). The gradient is W·WᵀW − X·W, half of that of the objective. 0 turns
        it off.
    max_iter : int, default=500
        Largest number of iterations.
    random_state : int, RandomState instance or None, default=None
        For the starts; an int gives the same result each time.
    verbose : int or "progress", default=0
        Above 0, print the residual of each iteration; "progress" shows a live bar in a
        terminal or notebook, for each start.
    n_init : int, default=1
        Number of starts, fitted one after the other; the one with the smallest objective is
        kept. All but the first are random.
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
    embedding_ : ndarray of shape (n_samples, n_components)
        W, of the dtype of X.
    components_ : ndarray of shape (n_components, n_samples)
        Wᵀ, so that X ≈ `embedding_ @ components_`.
    labels_ : ndarray of shape (n_samples,)
        The component to which each sample belongs most.
    n_components_ : int
        Number of components.
    n_iter_ : int
        Iterations of the fit that was kept.
    reconstruction_err_ : float
        ‖X − W·Wᵀ‖_F.
    history_ : dict of ndarray
        One entry per iteration each: "objective", which never rises, "residual" (the
        measure that is compared with `tol`, before the step), "sweeps" (per row) and
        "seconds".
    stop_reason_ : str
        "converged", "max_iter", "max_time", "callback" or "interrupted".
    n_features_in_ : int
        Number of columns of X, which is that of samples.
    feature_names_in_ : ndarray of shape (n_samples,)
        Names of the columns, if X had names that are all texts.

    See Also
    --------
    NMF : A factorization X ≈ W·H of samples with features.

    Notes
    -----
    An iteration reads X once and costs 2·k flops per stored entry of X, and some
    10·n_samples·k² multiply-adds: coordinate sweeps towards the U that is best beside W,
    then the exact minimum of the objective between W and U, a polynomial of degree four.
    Beside X it holds five arrays of the size of W. Entries of X may be negative. X has to
    be in memory.

    References
    ----------
    .. [1] Kuang, Yun & Park, "SymNMF: nonnegative low-rank approximation of a similarity
       matrix for graph clustering", Journal of Global Optimization 62 (2015) 545-574,
       https://doi.org/10.1007/s10898-014-0247-2
    .. [2] Vandaele, Gillis, Lei, Zhong & Dhillon, "Efficient and non-convex coordinate
       descent for symmetric nonnegative matrix factorization", IEEE Transactions on Signal
       Processing 64 (2016) 5571-5584, https://doi.org/10.48550/arXiv.1509.01404

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import SymmetricNMF
    >>> X = np.kron(np.eye(2), np.ones((2, 2)))
    >>> model = SymmetricNMF(2, random_state=0).fit(X)
    >>> bool(model.labels_[0] == model.labels_[1] != model.labels_[2])
    True
    >>> round(model.reconstruction_err_, 3)
    0.0
    """

    def __init__(
        self,
        n_components: int = 10,
        *,
        init: str | None = None,
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
        self.init = init
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.verbose = verbose
        self.n_init = n_init
        self.max_time = max_time
        self.callback = callback
        self.n_threads = n_threads

    def fit(self, X: Any, y: Any = None, W: Any = None) -> Self:  # noqa: ARG002
        """Learn W of X ≈ W·Wᵀ.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_samples)
            Symmetric matrix of similarities.
        y : ignored
            Not used; there for scikit-learn's interface.
        W : array-like of shape (n_samples, n_components), default=None
            Start for init="custom", which is not written to.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        limits = checked_limits(self, INITS)
        operand = self._checked(X)
        exponent = unit_of(operand)
        scaled = in_unit(operand, exponent)
        k = self.n_components
        problem = Problem(scaled, Frobenius(), Penalty.elastic(k), Penalty.elastic(k))
        solver = SymmetricDescent(self.tol)
        starts = (
            lambda start=start: solver.start(problem, start, start)
            for start in self._starts(scaled, W, exponent)
        )
        outcome = run_starts(solver, problem, starts, limits)
        self._set_fitted(operand, outcome, exponent)
        if outcome.interrupt is not None:
            raise outcome.interrupt
        return self

    def fit_transform(self, X: Any, y: Any = None, W: Any = None) -> Array:  # noqa: ARG002
        """Learn W of X ≈ W·Wᵀ and return it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_samples)
            Symmetric matrix of similarities.
        y : ignored
            Not used; there for scikit-learn's interface.
        W : array-like of shape (n_samples, n_components), default=None
            Start for init="custom", which is not written to.

        Returns
        -------
        W : ndarray of shape (n_samples, n_components)
            The embedding, of the dtype of X.
        """
        embedding: Array = self.fit(X, W=W).embedding_
        return embedding

    def fit_predict(self, X: Any, y: Any = None, W: Any = None) -> NDArray[np.intp]:  # noqa: ARG002
        """Learn W of X ≈ W·Wᵀ and return the component that is largest for each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_samples)
            Symmetric matrix of similarities.
        y : ignored
            Not used; there for scikit-learn's interface.
        W : array-like of shape (n_samples, n_components), default=None
            Start for init="custom", which is not written to.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Numbers of components.
        """
        labels: NDArray[np.intp] = self.fit(X, W=W).labels_
        return labels

    def transform(self, X: Any) -> Array:
        """Solve for the rows of W that belong to other samples, beside the fitted W.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_new, n_samples)
            Similarities between other samples and those of the fit.

        Returns
        -------
        W_new : ndarray of shape (n_new, n_components)
            The non-negative minimum of ½‖X − W_new·Wᵀ‖², exact, of the dtype of X.
        """
        check_is_fitted(self, "embedding_")
        checked = checked_matrix(X, type(self).__name__)
        validate_data(self, X, reset=False, skip_check_array=True)
        operand = as_operand(checked, resolve_n_threads(self.n_threads))
        other = np.ascontiguousarray(self.embedding_, dtype=operand.dtype)
        k, n = other.shape[1], operand.n_threads
        with single_threaded_blas():
            W = np.zeros((operand.shape[0], k), operand.dtype)
            rhs, G = matmul(operand, other), gram(other, n)
            method = Exact(sweeps=16)
            solve_rows(RowArrays(W, W), rhs, G, np.zeros(k), method, False, n)
        return W

    def _checked(self, X: Any) -> Operand:
        """Check X and its names; return its operand."""
        checked = checked_matrix(X, type(self).__name__)
        validate_data(self, X, reset=True, skip_check_array=True)
        require_symmetric(checked, type(self).__name__)
        return as_operand(checked, resolve_n_threads(self.n_threads))

    def _starts(self, X: Operand, W: Any, exponent: int) -> Iterator[Array]:
        """Yield the start of each fit, of any scale."""
        k, whom = self.n_components, f"{type(self).__name__} (input W)"
        rng = check_random_state(self.random_state)
        init = self.init or "random"
        if W is not None and init != "custom":
            validation.warn(
                "When init!='custom', provided W is ignored. Set init='custom' to use it "
                "as initialization.",
                RuntimeWarning,
            )
        if init == "custom":
            if W is None:
                msg = (
                    "init='custom' needs W, of shape (n_samples, n_components); got None. "
                    "Pass it to fit, or another init."
                )
                raise ValueError(msg)
            checked = check_factor(W, (X.shape[0], k), whom, X.dtype)
            yield times_power(np.array(checked, order="C"), -exponent // 2)
        elif init != "random":
            validation.require_non_negative(X.stats().smallest, f"init={init!r}")
            left, right = initial_factors(X, k, init, None, rng)
            yield (left + right) / 2
        else:
            yield _half_normal(rng, X, k)
        for _ in range(1, self.n_init):
            yield _half_normal(rng, X, k)

    def _set_fitted(self, X: Operand, outcome: Outcome, exponent: int) -> None:
        W = times_power(outcome.state.W, exponent // 2)
        self.embedding_ = W
        self.components_ = np.ascontiguousarray(W.T)
        self.labels_ = W.argmax(axis=1)
        self.n_components_ = W.shape[1]
        self.reconstruction_err_ = error_of(Frobenius(), X, W, W)
        set_course(self, outcome)
        self.history_["objective"] = times_power(
            self.history_["objective"], 2 * exponent
        )

    @property
    def _n_features_out(self) -> int:
        """Number of output features, for `get_feature_names_out`."""
        return int(self.n_components_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.pairwise = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _half_normal(rng: np.random.RandomState, X: Operand, k: int) -> Array:
    return np.abs(rng.standard_normal((X.shape[0], k))).astype(X.dtype, copy=False)
