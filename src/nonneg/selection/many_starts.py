"""Consensus of many random starts: components that most runs agree on, and how stable they are."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from ..analysis.report import component_shares
from ..base.arrays import Array
from ..base.deadline import now, time_limit
from ..base.declaration import CONSENSUS
from ..base.interfaces import LossBase, Operand, SolverBase
from ..base.live_bar import parts_callback
from ..base.parameters import Parameters
from ..estimators.given_components import model_of_components
from ..fitting.checkpoints.fingerprint import fingerprint
from ..fitting.preparation import prepare_X
from .cells import Cells, require_one
from .loading import require_no_gaps
from .parameters import checked, fit_parameters
from .run_groups import Group, Runs, collected, describe_group, run_groups
from .spectra import SpectraConsensus, spectra_consensus
from .stability import cophenetic_correlation, dispersion


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Consensus:
    """Components that many runs agree on, in the order of their shares.

    Attributes
    ----------
    components_ : ndarray of shape (k, n_features)
        Median spectra, of the dtype of X; after a refit of H, its rows.
    W : ndarray of shape (n_samples, k)
        The exact solution beside `components_`.
    model : NMF
        A fitted model with these components: for `transform`, `save` and pictures.
    silhouette : ndarray of shape (k,)
        Mean silhouette of the runs' members of each component, by cosine distances: near 1
        where all runs have the same one, near 0 where it is like another one.
    share_of_runs : ndarray of shape (k,)
        Share of the runs that have the component, with a cosine of 0.9 or more.
    cosine : ndarray of shape (k,)
        Mean cosine between the members and their median.
    density : ndarray of shape (n_runs, k)
        Mean distance of each run's components to their nearest neighbours.
    kept : ndarray of shape (n_runs, k), bool
        Whether a component of a run counts.
    cluster : ndarray of shape (n_runs, k)
        The component that each run's component belongs to, −1 for those that don't count.
    spectra : ndarray of shape (n_runs, k, n_features)
        Components of each run, as fitted: float32 where the runs were, see Notes.
    objective : ndarray of shape (n_runs,)
        Penalised objective of each run, as the iterations ended.
    labels : ndarray of shape (n_runs, n_samples)
        The component of its run that each sample has most of, of the sum of W·H.
    dispersion : float
        Dispersion of the partitions by `labels`: 1 where all runs agree.
    cophenetic : float
        Cophenetic correlation of the partitions, on at most 1,000 samples.
    """

    components_: Array
    W: Array
    model: Any
    silhouette: NDArray[np.float64]
    share_of_runs: NDArray[np.float64]
    cosine: NDArray[np.float64]
    density: NDArray[np.float64]
    kept: NDArray[np.bool_]
    cluster: NDArray[np.intp]
    spectra: Array
    objective: NDArray[np.float64]
    labels: NDArray[Any]
    dispersion: float
    cophenetic: float

    def __str__(self) -> str:
        n_runs, k = self.kept.shape
        dropped = 100 * (1 - self.kept.mean())
        return (
            f"{k} components agreed on by {n_runs} runs; {dropped:.1f} % of the runs' "
            f"components dropped; silhouettes {self.silhouette.min():.2f} to "
            f"{self.silhouette.max():.2f}, dispersion {self.dispersion:.3f}, cophenetic "
            f"correlation {self.cophenetic:.3f}"
        )

    __repr__ = __str__

    def plot(self, figure: Any = None) -> Any:
        """Draw distances between spectra, their densities, and the silhouettes.

        Parameters
        ----------
        figure : matplotlib Figure, default=None
            Figure to draw into; None makes one by `matplotlib.pyplot`.

        Returns
        -------
        figure : matplotlib Figure
        """
        from .pictures import plot_consensus

        return plot_consensus(self, figure)


def consensus(
    X: Any,
    n_components: int,
    *,
    n_runs: int = 100,
    density_threshold: float = 0.5,
    neighbors: float = 0.3,
    method: str = "matching",
    refit_H: bool = False,
    solver: str | SolverBase = "auto",
    beta_loss: float | str | LossBase = "frobenius",
    alpha_W: float = 0.0,
    alpha_H: float | Literal["same"] = "same",
    l1_ratio: float = 0.0,
    tol: float = 5e-4,
    max_iter: int = 200,
    random_state: Any = None,
    verbose: Literal[0, "progress"] = 0,
    n_threads: int | None = None,
    max_time: float | None = None,
    memory_limit: int | str | None = None,
    callback: Callable[[Group], bool | None] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> Consensus:
    """Fit X from many random starts, and find the components that the runs agree on.

    The components of all runs, at norm 1, are matched with one another; those far from all
    others are dropped; each component is the median of its cluster [1]_. W is then solved
    for exactly beside them.

    Parameters
    ----------
    X : {array-like, sparse matrix, store} of shape (n_samples, n_features)
        Non-negative data, as `NMF.fit` takes it, but for Dask arrays.
    n_components : int
        Number of components k.
    n_runs : int, default=100
        Number of random starts.
    density_threshold : float, default=0.5
        Components are dropped whose mean Euclidean distance to their nearest neighbours,
        all at norm 1, is this or more; 2 drops none.
    neighbors : float, default=0.3
        Number of the nearest neighbours, as a share of n_runs.
    method : {"matching", "kmeans"}, default="matching"
        How to cluster: "matching" puts one component of each run into each cluster;
        "kmeans" is that of [1]_, see `nonneg.selection.spectra_consensus`.
    refit_H : bool, default=False
        Whether H is then solved for once more beside W, as in [1]_, and W beside that H.
    solver : str or SolverBase, default="auto"
        Solver of the runs, as of `NMF`. "cd", "hals" and "bpp" read X once for several runs.
    beta_loss : float, str or LossBase, default="frobenius"
        Loss of all fits, as of `NMF`: a name, β, or an instance.
    alpha_W : float, default=0.0
        Weight of the penalty on W, times n_features.
    alpha_H : float or "same", default="same"
        Weight of the penalty on H, times n_samples; "same" takes that of `alpha_W`.
    l1_ratio : float, default=0.0
        Share of L1 in the penalties: 0 is L2, 1 is L1, between is a mix.
    tol : float, default=5e-4
        When a fit stops, as of `NMF`; the default stops earlier, where most components of
        "hals" are within a cosine of 0.999 of their limits.
    max_iter : int, default=200
        Largest number of iterations of a fit.
    random_state : int, RandomState instance or None, default=None
        For the seeds of the starts; an int gives the same result each time. An instance is
        not advanced.
    verbose : {0, "progress"}, default=0
        "progress" shows a live bar with the time left, in a terminal or notebook.
    n_threads : int or None, default=None
        Threads to use, as of `NMF`. The result doesn't depend on it.
    max_time : float or None, default=None
        Seconds for the fits. Those that are under way by then are given up; the result is by
        those that have ended. If there is none, a TimeoutError.
    memory_limit : int, str or None, default=None
        Memory of each group of runs, as of `NMF`.
    callback : callable or None, default=None
        Called after each group of runs with a record (runs, n_runs, seconds); if it returns
        True, the consensus is of the runs so far.
    checkpoint : str, path-like or None, default=None
        File that the finished fits are kept in.
    resume : bool, default=False
        Whether to take the finished fits of the checkpoint, if it is there.

    Returns
    -------
    consensus : Consensus

    Raises
    ------
    ValueError
        For an X or parameter that is not what it has to be, and where nothing of a
        component is left after dropping.
    KeyboardInterrupt
        If interrupted; its attribute `result` has the `spectra`, `objective` and `labels`
        of the runs so far, which are in the checkpoint as well.

    See Also
    --------
    match_components : Match the components of two models.

    Notes
    -----
    Where the solver is "hals" and X has three or more entries for each number of a sketch of
    k + 20 directions, the runs converge on the sketch first, and then on X itself: they
    take half the time, and end in better minima. With `memory_limit` they don't.

    Runs of least squares ("hals", "cd" or "bpp" with the Frobenius norm), in groups, and of
    Kullback-Leibler ("sn"), alone, are on a copy of X in float32, and several of them at a
    time: they end further from their limits than float32 rounds. With a `tol` below 1e-5,
    `memory_limit`, a store or numbers near the ends of the range of float32 they are in the
    dtype of X. Medians, W and a refit of H are in any case.

    Memory: a copy of X in float32 (for "sn" of a sparse X two), n_runs·k·n_features numbers
    for the spectra, (n_runs·k)² for their distances and n_runs·n_samples bytes for the labels;
    nothing of n_samples × n_samples. The result does not depend on `n_threads`.

    References
    ----------
    .. [1] Kotliar et al., "Identifying gene expression programs of cell-type identity and
       cellular activity with single-cell RNA-Seq", eLife 8 (2019) e43803,
       https://doi.org/10.7554/eLife.43803

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import consensus
    >>> rng = np.random.default_rng(0)
    >>> X = rng.random((60, 3)) ** 4 @ rng.random((3, 20)) ** 4
    >>> found = consensus(X, 3, n_runs=10, random_state=0)
    >>> found.components_.shape, bool(found.silhouette.min() > 0.9)
    ((3, 20), True)
    """
    values, begun = checked(CONSENSUS, dict(locals())), now()
    require_no_gaps(X, CONSENSUS)
    parameters = fit_parameters(n_components, values)
    operand = prepare_X(X, n_threads, memory_limit=memory_limit)
    _require_in_reach(operand)
    seeds = seeds_of(random_state, n_runs + 1)
    cells = Cells(checkpoint, _facts(operand, parameters, n_runs, seeds), resume)
    try:
        with (
            parts_callback(verbose, callback, describe_group) as told,
            time_limit(max_time, begun),
        ):
            run_groups(operand, parameters, seeds, cells, told)
    except KeyboardInterrupt as interrupt:
        if cells.parts:
            vars(interrupt)["result"] = collected(cells, n_runs)
        raise
    require_one(cells.parts, max_time)
    runs = collected(cells, n_runs)
    agreed = spectra_consensus(
        runs.spectra, density_threshold=density_threshold, neighbors=neighbors,
        method=method, random_state=seeds[0],
    )  # fmt: skip
    model, W = model_of_components(operand, parameters, agreed.components, refit_H)
    return _result(agreed, runs, model, W, seeds[0])


def seeds_of(random_state: Any, n: int) -> list[int]:
    """Return n seeds by `random_state`; an instance is copied, not advanced."""
    rng = check_random_state(copy.deepcopy(random_state))
    return [int(seed) for seed in rng.randint(2**31 - 1, size=n)]


def _require_in_reach(X: Operand) -> None:
    if X.on_workers:
        msg = (
            "X is on the workers of a cluster, where consensus can't fit many models side "
            "by side. Pass X in memory, or as a store that is read in parts (h5py, zarr, a "
            "memory map)."
        )
        raise ValueError(msg)


def _facts(
    X: Operand, parameters: Parameters, n_runs: int, seeds: list[int]
) -> dict[str, Any]:
    fixed = dataclasses.replace(parameters, random_state=seeds[0])
    return {**fingerprint(X, fixed), "n_runs": n_runs, "max_iter": parameters.max_iter,
            "tol": parameters.tol}  # fmt: skip


def _result(
    agreed: SpectraConsensus, runs: Runs, model: Any, W: Array, seed: int
) -> Consensus:
    """Order the components by share, and bring all measures into that order."""
    order = np.argsort(-component_shares(W, model.components_), kind="stable")
    model.components_ = np.ascontiguousarray(model.components_[order])
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    cluster = np.where(agreed.cluster < 0, -1, place[agreed.cluster])
    return Consensus(
        components_=model.components_,
        W=np.ascontiguousarray(W[:, order]),
        model=model,
        silhouette=agreed.silhouette[order],
        share_of_runs=agreed.share_of_runs[order],
        cosine=agreed.cosine[order],
        density=agreed.density,
        kept=agreed.kept,
        cluster=cluster,
        spectra=runs.spectra,
        objective=runs.objective,
        labels=runs.labels,
        dispersion=dispersion(runs.labels, len(order)),
        cophenetic=cophenetic_correlation(runs.labels, np.random.RandomState(seed)),
    )
