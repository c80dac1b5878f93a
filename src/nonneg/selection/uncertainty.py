"""`bootstrap`: how sure the components of a fit are, by refits on resampled rows."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..base.arrays import Array
from ..base.deadline import OutOfTime, no_limit, now, time_limit
from ..base.declaration import BOOTSTRAP
from ..base.live_bar import parts_callback
from ..fitting.preparation import prepare_X
from .cells import require_one
from .intervals import Intervals, MatchedReplicates
from .loading import loaded, require_no_gaps
from .parameters import checked
from .replicates import Refits, refits


class Resample(NamedTuple):
    """A replicate that has ended; the argument of a `callback`."""

    done: int
    n_resamples: int
    seconds: float


@dataclass(frozen=True, eq=False, repr=False)
class Uncertainty:
    """The result of `bootstrap`.

    Attributes
    ----------
    components : Intervals
    replicates : ndarray of shape (n_resamples, k, n_features), float64
        Components of each replicate in the order of the model's, rows scaled to unit sum.
    cosine : ndarray of shape (n_resamples, k)
        Cosine of each of them with the model's component.
    method : {"bootstrap", "jackknife"}
    confidence_level : float
    """

    components: Intervals
    replicates: NDArray[np.float64]
    cosine: NDArray[np.float64]
    method: str
    confidence_level: float

    def __repr__(self) -> str:
        n, k = self.cosine.shape
        lost = int(np.isnan(self.components.low[:, 0]).sum())
        text = f"{k} components, {n} replicates ({self.method})"
        return text + (f"; {lost} components not found again" if lost else "")

    def plot(
        self, feature_names: Any = None, n_top: int = 10, figure: Any = None
    ) -> Any:
        """Draw the largest entries of each component with their intervals.

        Parameters
        ----------
        feature_names : sequence of str, default=None
        n_top : int, default=10
            Features to draw for each component.
        figure : matplotlib Figure, default=None
            Figure to draw into; None makes one by `matplotlib.pyplot`.

        Returns
        -------
        figure : matplotlib Figure
        """
        from .pictures import plot_uncertainty

        return plot_uncertainty(self, feature_names, n_top, figure)


def bootstrap(
    model: Any,
    X: Any,
    *,
    n_resamples: int = 100,
    groups: Any = None,
    confidence_level: float = 0.95,
    method: str = "bootstrap",
    tol: float = 5e-4,
    max_iter: int = 200,
    random_state: Any = None,
    verbose: Literal[0, "progress"] = 0,
    n_threads: int | None = None,
    max_time: float | None = None,
    callback: Callable[[Resample], bool | None] | None = None,
) -> Uncertainty:
    """Tell how sure the components of a fitted model are.

    The rows of X are drawn again with replacement, as weights [1]_; the model is refitted
    from where it stands, and its components are matched with those of the model.

    Parameters
    ----------
    model : NMF
        A fitted model.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The data that it was fitted to.
    n_resamples : int, default=100
        Number of replicates; of "jackknife" at most.
    groups : array-like of shape (n_samples,) or None, default=None
        Groups of rows that are drawn, or left out, together: patients, plates, texts of
        one author. None takes each row for itself.
    confidence_level : float, default=0.95
        Probability of the intervals.
    method : {"bootstrap", "jackknife"}, default="bootstrap"
        "bootstrap" draws as many groups as there are, and takes quantiles over the
        replicates. "jackknife" leaves one group out at a time, or a random share of the
        groups where there are more than `n_resamples`, and takes normal intervals.
    tol : float, default=5e-4
        When the refit of a replicate stops, as of `NMF`. One that stops early stays near
        the model, and the intervals are too narrow: by 0 to 4 % at the default, by up to 2 %
        at 1e-4 and 7 % at 1e-3.
    max_iter : int, default=200
        Largest number of iterations of a fit.
    random_state : int, RandomState instance or None, default=None
        For the draws. An instance is not advanced.
    verbose : {0, "progress"}, default=0
        "progress" shows a live bar with the time left, in a terminal or notebook.
    n_threads : int or None, default=None
        Threads to use, as of `NMF`. The result doesn't depend on it.
    max_time : float or None, default=None
        Seconds for the fits. Those that are under way by then are given up; the result is by
        those that have ended. If there is none, a TimeoutError.
    callback : callable or None, default=None
        Called after each replicate with a record (done, n_resamples, seconds); if it returns
        True, the result is of the replicates so far.

    Returns
    -------
    uncertainty : Uncertainty
        `uncertainty.components` has `mean`, `sd`, `low`, `high` and `matched`.

    Raises
    ------
    ValueError
        If X does not belong to the model, or a parameter is not what it has to be.
    NotFittedError
        If the model is not fitted.

    Notes
    -----
    A replicate reads the rows that are drawn alone, 63 % of them, in float32 where `tol` is
    1e-5 or more; with an L1 penalty on W, another loss than the Frobenius norm, gaps or
    constraints it is a fit with `sample_weight`. Memory: up to five copies of X in float32.

    Intervals tell how the components vary with the rows that happened to be drawn; they know
    nothing of a wrong number of components. A component whose mean cosine with its partners is below 0.8 is
    another one in each replicate, and has no interval.

    References
    ----------
    .. [1] Efron & Tibshirani, "Bootstrap methods for standard errors, confidence intervals,
       and other measures of statistical accuracy", Statistical Science 1 (1986) 54-75,
       https://doi.org/10.1214/ss/1177013815

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import NMF, bootstrap
    >>> rng = np.random.default_rng(0)
    >>> X = rng.gamma(0.5, size=(200, 3)) @ rng.gamma(0.5, size=(3, 12))
    >>> X *= rng.uniform(0.8, 1.2, X.shape)
    >>> model = NMF(3, solver="hals", init="random", random_state=0).fit(X)
    >>> sure = bootstrap(model, X, n_resamples=20, random_state=0).components
    >>> bool((sure.low <= sure.mean).all() and (sure.mean <= sure.high).all())
    True
    """
    values, begun = checked(BOOTSTRAP, dict(locals())), now()
    check_is_fitted(model, "components_")
    operand = None
    if vars(model).get("missing_values") is None:
        require_no_gaps(X, BOOTSTRAP)
        operand = loaded(prepare_X(X, n_threads), None, BOOTSTRAP)
    shape = X.shape if sp.issparse(X) else np.shape(X)
    shape = shape if operand is None else operand.shape
    H = _components_for(model, shape[1])
    rng = check_random_state(copy.deepcopy(random_state))
    weights = list(_weights(shape[0], groups, n_resamples, method, rng))
    matched = MatchedReplicates(H)
    with (
        parts_callback(verbose, callback, describe_resample) as told,
        time_limit(max_time, begun),
    ):
        begin = partial(refits, model, X, operand, values["tol"], values["max_iter"])
        done = _refit_all(begin, weights, matched, told)
    require_one(range(done), max_time)
    matched.gather(done)
    if method == "bootstrap":
        components = matched.percentiles(confidence_level)
    else:
        share = float(np.mean([np.mean(w == 0) for w in weights[:done]]))
        components = matched.normal(confidence_level, share)
    return Uncertainty(
        components, matched.values, matched.cosine, method, confidence_level
    )


def describe_resample(done: Resample) -> tuple[int, int, float, str]:
    """Return what a progress bar shows: replicates done, of how many, seconds, and a text."""
    text = f"replicate {done.done}/{done.n_resamples}"
    return done.done, done.n_resamples, done.seconds, text


def _refit_all(
    begin: Callable[[], Refits],
    weights: list[NDArray[np.float64]],
    matched: MatchedReplicates,
    callback: Callable[[Resample], bool | None] | None,
) -> int:
    """Refit a model with each of these weights, as long as the limits let it.

    Returns the number of replicates that have ended.
    """
    start, done = time.perf_counter(), 0
    with (
        contextlib.suppress(OutOfTime),
        contextlib.closing(begin().each(weights, matched.put)) as replicates,
    ):
        for _ in replicates:
            done += 1
            told = Resample(done, len(weights), time.perf_counter() - start)
            with no_limit():
                if callback is not None and callback(told):
                    break
    return done


def _weights(
    n: int, groups: Any, n_resamples: int, method: str, rng: np.random.RandomState
) -> Iterator[NDArray[np.float64]]:
    """Yield the weights of the rows in each replicate."""
    if groups is None:
        number, n_groups = np.arange(n), n
    else:
        names, number = np.unique(np.asarray(groups), return_inverse=True)
        n_groups = len(names)
        if np.shape(groups) != (n,):
            msg = (
                f"`groups` has the shape {np.shape(groups)}, and X has {n} rows. Pass one "
                "group for each row."
            )
            raise ValueError(msg)
    if n_groups < 2:
        msg = (
            f"{n_groups} group of rows leaves nothing to draw from. Pass 2 or more groups, "
            "or groups=None to draw rows."
        )
        raise ValueError(msg)
    if method == "bootstrap":
        for _ in range(n_resamples):
            drawn = rng.randint(n_groups, size=n_groups)
            counts = np.bincount(drawn, minlength=n_groups).astype(np.float64)
            yield counts[number]
        return
    parts = min(n_resamples, n_groups)
    shuffled = rng.permutation(n_groups)
    for part in np.array_split(shuffled, parts):
        kept = np.ones(n_groups)
        kept[part] = 0
        yield kept[number]


def _components_for(model: Any, n_features: int) -> Array:
    H: Array = np.asarray(model.components_)
    if H.shape[1] != n_features:
        msg = (
            f"X has {n_features} features, and the model has {H.shape[1]}. Pass the data "
            "that the model was fitted to."
        )
        raise ValueError(msg)
    return H
