"""Consensus of the spectra of many runs: outliers dropped, clusters, their medians."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.rules import Rule, is_real, one_of, require
from ..base.validation import check_non_negative
from .matching import unit_rows
from .stability import (
    MATCHED,
    Vector,
    cluster_runs,
    mean_nearest_distance,
    silhouettes,
)

METHODS = ("matching", "kmeans")
WHOM = "spectra_consensus"
THRESHOLD = Rule(
    lambda v: is_real(v) and v > 0,
    "a float in the range (0.0, inf)",
    "Distances are at most 1.42; pass 2 to drop nothing.",
)
NEIGHBORS = Rule(
    lambda v: is_real(v, 0.0, 1.0) and v > 0,
    "a float in the range (0.0, 1.0]",
    "Pass the share of the runs that count as nearest neighbours.",
)


@dataclass(frozen=True, eq=False, repr=False)
class SpectraConsensus:
    """Clusters of the components of several runs.

    Attributes
    ----------
    components : ndarray of shape (k, n_features), float64
        Medians of the clusters, rows scaled to unit sum.
    cluster : ndarray of shape (n_runs, k), int
        The cluster of each component of each run; −1 for those dropped.
    density : ndarray of shape (n_runs, k), float64
        Mean Euclidean distance of each component, at norm 1, to its nearest neighbours.
    kept : ndarray of shape (n_runs, k), bool
        Whether a component is close enough to its neighbours to count.
    silhouette : ndarray of shape (k,), float64
        Mean silhouette of each cluster by cosine distances, from −1 to 1.
    cosine : ndarray of shape (k,), float64
        Mean cosine between the members of each cluster and their median.
    share_of_runs : ndarray of shape (k,), float64
        Share of the runs with a member that has a cosine of 0.9 or more with the median.
    """

    components: Vector
    cluster: NDArray[np.intp]
    density: Vector
    kept: NDArray[np.bool_]
    silhouette: Vector
    cosine: Vector
    share_of_runs: Vector


def spectra_consensus(
    spectra: Any,
    *,
    density_threshold: float = 0.5,
    neighbors: float = 0.3,
    method: str = "matching",
    random_state: Any = 1,
) -> SpectraConsensus:
    """Cluster the components of several runs, and take the median of each cluster.

    The components are scaled to norm 1. Those far from their nearest neighbours are
    dropped [1]_: no other run has found them.

    Parameters
    ----------
    spectra : array-like of shape (n_runs, k, n_features)
        Components of each run.
    density_threshold : float, default=0.5
        Components are dropped whose mean Euclidean distance to their nearest neighbours is
        this or more. Distances between rows of norm 1 are at most √2, so that 2 drops none.
    neighbors : float, default=0.3
        Number of the nearest neighbours, as a share of n_runs.
    method : {"matching", "kmeans"}, default="matching"
        How to cluster. "matching" puts one component of each run into each cluster, by
        linear assignments. "kmeans" is scikit-learn's `KMeans` with ten starts, over the
        components that are kept [1]_; it may put two components of a run into one cluster.
    random_state : int, RandomState instance or None, default=1
        For "kmeans".

    Returns
    -------
    consensus : SpectraConsensus
        Clusters in no particular order.

    Raises
    ------
    ValueError
        If nothing, or nothing of a cluster, is left after dropping.

    Notes
    -----
    Costs (n_runs·k)²·n_features multiply-adds and two arrays of (n_runs·k)² numbers.

    References
    ----------
    .. [1] Kotliar et al., "Identifying gene expression programs of cell-type identity and
       cellular activity with single-cell RNA-Seq", eLife 8 (2019) e43803,
       https://doi.org/10.7554/eLife.43803
    """
    require("method", method, one_of(METHODS, "See the docstring.", False), WHOM)
    require("density_threshold", density_threshold, THRESHOLD, WHOM)
    require("neighbors", neighbors, NEIGHBORS, WHOM)
    runs = _checked(spectra)
    n_runs, k, n_features = runs.shape
    units = unit_rows(runs.reshape(n_runs * k, n_features))
    density = np.zeros(n_runs * k)
    if n_runs > 1:
        n_nearest = min(max(1, int(neighbors * n_runs)), n_runs * k - 1)
        density = mean_nearest_distance(units, n_nearest)
    kept = density < density_threshold
    if kept.sum() < k:
        raise ValueError(_nothing_left(density, density_threshold, k))
    if method == "matching":
        cluster = cluster_runs(units.reshape(runs.shape)).labels.ravel()
    else:
        cluster = _kmeans(units, kept, k, random_state)
    cluster = np.where(kept, cluster, -1)
    counts = np.bincount(cluster[kept], minlength=k)
    if not counts.all():
        raise ValueError(_nothing_left(density, density_threshold, k))
    return _summary(units, cluster, density, kept, (n_runs, k))


def _summary(
    units: Array, cluster: Array, density: Vector, kept: Array, shape: tuple[int, int]
) -> SpectraConsensus:
    n_runs, k = shape
    medians = np.stack([np.median(units[cluster == t], axis=0) for t in range(k)])
    unit_medians = unit_rows(medians)
    values = silhouettes(units[kept], cluster[kept])
    labels = cluster[kept]
    cosines = np.sum(units[kept] * unit_medians[labels], axis=1)
    runs = np.repeat(np.arange(n_runs), k)[kept]
    has = np.zeros((n_runs, k), dtype=bool)
    close = cosines >= MATCHED
    has[runs[close], labels[close]] = True
    sizes = np.bincount(labels, minlength=k)
    sums = medians.sum(axis=1, keepdims=True)
    return SpectraConsensus(
        components=np.divide(medians, sums, out=medians, where=sums > 0),
        cluster=cluster.reshape(shape),
        density=density.reshape(shape),
        kept=kept.reshape(shape),
        silhouette=np.bincount(labels, values, minlength=k) / sizes,
        cosine=np.bincount(labels, cosines, minlength=k) / sizes,
        share_of_runs=has.mean(axis=0),
    )


def _kmeans(units: Array, kept: Array, k: int, random_state: Any) -> NDArray[np.intp]:
    from sklearn.cluster import KMeans

    labels = np.full(len(units), -1, dtype=np.intp)
    means = KMeans(k, n_init=10, random_state=random_state).fit(units[kept])
    labels[kept] = means.labels_
    return labels


def _checked(spectra: Any) -> Vector:
    runs = np.asarray(spectra, dtype=np.float64)
    if runs.ndim != 3 or 0 in runs.shape:
        msg = (
            f"`spectra` has the shape {runs.shape}. Pass an array of shape (n_runs, k, "
            "n_features): the `components_` of each run, by `np.stack`."
        )
        raise ValueError(msg)
    if not np.isfinite(runs).all():
        msg = "`spectra` has entries that are NaN or infinite. Leave such runs out."
        raise ValueError(msg)
    check_non_negative(runs, f"{WHOM} (input spectra)")
    return runs


def _nothing_left(density: Vector, threshold: float, k: int) -> str:
    kept = int((density < threshold).sum())
    quartiles = ", ".join(f"{q:.2f}" for q in np.quantile(density, (0.25, 0.5, 0.75)))
    return (
        f"density_threshold={threshold:g} leaves {kept} of {density.size} components, too "
        f"few for {k} clusters with a member each: the mean distances to the nearest "
        f"neighbours have the quartiles {quartiles}. Raise density_threshold, or pass "
        "fewer components, which are more stable."
    )
