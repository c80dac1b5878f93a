"""`select_rank`: how many components, by cross-validation of all ranks in the same passes."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp

from ..base.deadline import OutOfTime, now, time_limit
from ..base.declaration import RANK
from ..base.interfaces import LossBase, Operand, SolverBase
from ..base.live_bar import parts_callback
from ..base.parameters import Parameters
from ..base.rules import Rule, is_integer, require
from ..base.threads import resolve_n_threads
from ..fitting.checkpoints.fingerprint import fingerprint
from ..fitting.preparation import prepare_X
from ..losses.beta import make_loss
from ..operands.registration import as_operand, has_own_operand
from .cells import Cells, require_one
from .loading import fits, in_windows, loaded, spelled_gaps
from .many_starts import seeds_of
from .parameters import checked, fit_parameters
from .rank_cells import Cell, Limit, describe_cell, fit_cells, fit_stability, null_name
from .rank_folds import choose_method, make_folds, reads_windows
from .rank_selection import RankSelection, selection_of
from .weighted_folds import Gaps, WeightedFolds


def select_rank(
    X: Any,
    ranks: Iterable[int],
    *,
    method: str = "auto",
    folds: int = 4,
    n_folds: int = 8,
    n_init: int = 1,
    rule: str = "one_se",
    stability: int = 0,
    solver: str | SolverBase = "auto",
    beta_loss: float | str | LossBase = "frobenius",
    alpha_W: float = 0.0,
    alpha_H: float | Literal["same"] = "same",
    l1_ratio: float = 0.0,
    tol: float = 1e-3,
    max_iter: int = 60,
    missing_values: Any = None,
    weights: Any = None,
    sample_weight: Any = None,
    random_state: Any = None,
    verbose: Literal[0, "progress"] = 0,
    n_threads: int | None = None,
    max_time: float | None = None,
    memory_limit: int | str | None = None,
    callback: Callable[[Cell], bool | None] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> RankSelection:
    """Select the number of components by cross-validation.

    Parts of X are held out, models of all ranks are fitted to the rest, and the least rank
    is picked whose error on what it has not seen is as good as the best.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Non-negative data. An X in a store is read into memory, or window by window where
        `memory_limit` leaves no room for that.
    ranks : iterable of int
        Numbers of components to try. They are sorted; repeated ones count once.
    method : {"auto", "speckled", "thinning", "bcv"}, default="auto"
        What is held out:

        - "speckled": single entries, of each row and each column the same share [1]_ [2]_;
        - "thinning": a random part of each count [3]_, for counts that are Poisson
          distributed; counts that vary more make it pick too many components;
        - "bcv": blocks of rows × columns, which share neither with the rest [2]_;
        - "auto": "thinning" for integers and the Kullback-Leibler divergence, else
          "speckled".
    folds : int, default=4
        Number of folds that are used, 2 or more with rule="one_se".
    n_folds : int, default=8
        Number of folds that X is cut into: each holds out 1/n_folds of it. With "bcv" X is
        cut into h × h blocks, h = ⌈sqrt(n_folds)⌉.
    n_init : int, default=1
        Random starts for each fold and rank. The best one by its training error counts.
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
    beta_loss : float, str or LossBase, default="frobenius"
        Loss of all fits, as of `NMF`: a name, β, or an instance.
    alpha_W : float, default=0.0
        Weight of the penalty on W, times n_features.
    alpha_H : float or "same", default="same"
        Weight of the penalty on H, times n_samples; "same" takes that of `alpha_W`.
    l1_ratio : float, default=0.0
        Share of L1 in the penalties: 0 is L2, 1 is L1, between is a mix.
    tol : float, default=1e-3
        When a fit stops, as of `NMF`; the default stops earlier, since errors on held-out
        data settle long before the factors do.
    max_iter : int, default=60
        Largest number of iterations of a fit.
    missing_values : numpy.nan, "unstored", 0 or None, default=None
        Entries of X that are missing, as of `NMF`; with "speckled" alone.
    weights : {array-like, sparse matrix} of shape (n_samples, n_features) or None, default=None
        Weight of each entry in the fits; with "speckled" alone. Each observed entry that is
        held out counts once in its error, whatever its weight.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Weight of each row in the fits; with "speckled" alone.
    random_state : int, RandomState instance or None, default=None
        For what is held out and for the starts, which have streams of their own. An
        instance is not advanced.
    verbose : {0, "progress"}, default=0
        "progress" shows a live bar with the time left, in a terminal or notebook.
    n_threads : int or None, default=None
        Threads to use, as of `NMF`. The result doesn't depend on it.
    max_time : float or None, default=None
        Seconds for the fits. Those that are under way by then are given up; the result is by
        those that have ended. If there is none, a TimeoutError.
    memory_limit : int, str or None, default=None
        Memory that the selection may take; it holds two copies of X beside X. Where these
        don't fit, "speckled" folds that share passes read an X in a store in windows.
    callback : callable or None, default=None
        Called after each fold and rank with a record (fold, rank, error, done, n_cells,
        seconds); if it returns True, the pick is made from what is there.
    checkpoint : str, path-like or None, default=None
        File that the finished fits are kept in.
    resume : bool, default=False
        Whether to take the finished fits of the checkpoint, if it is there.

    Returns
    -------
    selection : RankSelection
        `n_components`, with `reason` and `status`, and the table behind them.

    Raises
    ------
    ValueError
        For an X, ranks or parameter that are not what they have to be, and if no fit at
        all has ended.
    KeyboardInterrupt
        If interrupted; its attribute `result` is the selection by the fits that had ended,
        and these are in the checkpoint.

    See Also
    --------
    NMFCV : An estimator that selects its number of components so.
    consensus : How stable the components of one rank are.

    Notes
    -----
    All ranks and starts of a fold share passes over X, up to 192 components at a time. With
    "speckled" a pass costs what one of a plain fit does, and a Gram matrix for each class of
    rows and columns. The table does not depend on `n_threads`.

    References
    ----------
    .. [1] Wold, "Cross-validatory estimation of the number of components in factor and
       principal components models", Technometrics 20 (1978) 397-405,
       https://doi.org/10.1080/00401706.1978.10489693
    .. [2] Owen & Perry, "Bi-cross-validation of the SVD and the nonnegative matrix
       factorization", Annals of Applied Statistics 3 (2009) 564-594,
       https://doi.org/10.1214/08-AOAS227
    .. [3] Neufeld, Dharamshi, Gao & Witten, "Data thinning for convolution-closed
       distributions", Journal of Machine Learning Research 25 (2024) 57,
       https://doi.org/10.48550/arXiv.2301.07276

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import select_rank
    >>> rng = np.random.default_rng(0)
    >>> X = rng.random((90, 4)) ** 3 @ rng.random((4, 60)) ** 3
    >>> X *= rng.uniform(0.9, 1.1, X.shape)
    >>> selection = select_rank(X, range(2, 8), random_state=0)
    >>> selection.n_components, selection.status
    (4, 'inside')
    """
    values, begun = checked(RANK, dict(locals())), now()
    tried = _checked_ranks(ranks)
    _require_enough_folds(folds, n_folds, rule)
    parameters = fit_parameters(tried[-1], values)
    X, missing_values = spelled_gaps(X, missing_values)
    gaps = Gaps(missing_values, weights, sample_weight)
    loss = make_loss(beta_loss)
    by_windows = reads_windows(method, loss, parameters.solver)
    operand = _prepared(X, gaps, n_threads, memory_limit, by_windows)
    method, why = choose_method(method, operand, loss, gaps)
    # the parts that are held out and the starts must not come from one stream
    partition_seed, *start_seeds = seeds_of(random_state, 1 + max(n_init, stability))
    cut = make_folds(
        method, operand, loss, tried, n_folds, partition_seed, parameters, gaps
    )
    facts = _facts(operand, parameters, method, n_folds, n_init, start_seeds[0])
    facts |= gaps.facts()
    cells = Cells(checkpoint, facts, resume)
    used = min(folds, cut.n_folds)

    def selected() -> RankSelection:
        return selection_of(
            cells, tried, used, rule, cut.name, why, loss.name, stability
        )

    try:
        with (
            parts_callback(verbose, callback, describe_cell) as told,
            contextlib.suppress(OutOfTime),
            time_limit(max_time, begun),
        ):
            limit = Limit(told, time.perf_counter(), used)
            seeds = start_seeds[:n_init]
            ended = fit_cells(cut, parameters, tried, seeds, cells, limit)
            if stability and not ended:
                seeds = [*start_seeds[:stability], partition_seed]
                whole = cut.fit_whole if isinstance(cut, WeightedFolds) else None
                fit_stability(operand, parameters, tried, seeds, cells, limit, whole)
    except KeyboardInterrupt as interrupt:
        with contextlib.suppress(ValueError):  # not a single fit has ended
            vars(interrupt)["result"] = selected()
        raise
    require_one([name for name in cells.parts if name != null_name(0)], max_time)
    return selected()


def _prepared(
    X: Any,
    gaps: Gaps,
    n_threads: int | None,
    memory_limit: int | str | None,
    by_windows: bool,
) -> Operand:
    """Return X in memory, or in windows where these alone are within the limit.

    An X with gaps is checked by the fits, which know of them.
    """
    if gaps.is_empty:
        operand = prepare_X(X, n_threads, memory_limit=memory_limit)
        is_stored = operand.in_parts and not operand.on_workers
        if by_windows and is_stored and not fits(operand, memory_limit):
            return in_windows(operand, memory_limit)
        return loaded(operand, memory_limit, RANK)
    if has_own_operand(X):  # in a store
        stored = as_operand(X, resolve_n_threads(n_threads))
        X = loaded(stored, memory_limit, RANK, with_gaps=True).native()
    if not sp.issparse(X):
        X = np.asarray(X)
        X = X if X.dtype in (np.float32, np.float64) else X.astype(np.float64)
    elif X.dtype not in (np.float32, np.float64):
        X = X.astype(np.float64)
    return as_operand(X, resolve_n_threads(n_threads))


def _facts(
    X: Operand,
    parameters: Parameters,
    method: str,
    n_folds: int,
    n_init: int,
    seed: int,
) -> dict[str, Any]:
    # more ranks and more folds may be added to a checkpoint
    fixed = dataclasses.replace(parameters, random_state=seed, n_components=None)
    # sums over missing entries are NaN, which equals nothing
    of_fit = {
        name: str(value) if value != value else value  # noqa: PLR0124
        for name, value in fingerprint(X, fixed).items()
    }
    return {
        **of_fit,
        "method": method,
        "n_folds": n_folds,
        "n_init": n_init,
        "tol": parameters.tol,
        "max_iter": parameters.max_iter,
    }


def _checked_ranks(ranks: Iterable[int] | int) -> list[int]:
    values: list[Any] = list(ranks) if isinstance(ranks, Iterable) else [ranks]
    if not values or not all(is_integer(value) for value in values):
        msg = (
            f"`ranks` must be integers of at least 1; got {values!r}. Pass "
            "range(2, 11), say."
        )
        raise ValueError(msg)
    return sorted({int(value) for value in values})


def _require_enough_folds(folds: int, n_folds: int, rule: str) -> None:
    least = 2 if rule == "one_se" else 1
    enough = Rule(
        lambda v: is_integer(v, least, n_folds),
        f"an int in the range [{least}, n_folds]",
        "A standard error needs two folds; rule='best' needs one.",
    )
    require("folds", folds, enough, RANK)
