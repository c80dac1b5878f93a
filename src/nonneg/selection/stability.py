"""Measures of how alike the components, and the uses of components, of several runs are.

None of them needs an array of n_samples × n_samples: runs are compared by their components,
and their labels by contingency tables of k × k.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import cophenet, is_valid_linkage, linkage
from scipy.spatial.distance import pdist
from sklearn.metrics import silhouette_samples

from ..base.arrays import Array
from ..fitting.model_group import FittedModel
from .matching import match_units

MATCHED = 0.9
"""Cosine from which on a run is said to have a component."""
ROUNDS = 10
"""Most rounds in which the centres of the clusters are computed anew."""
COPHENETIC_ROWS = 1000
"""Most rows of X between which the cophenetic correlation is computed."""

Vector = NDArray[np.float64]


class Clusters(NamedTuple):
    """Clusters that have one component of each run."""

    order: NDArray[np.intp]
    """Shape (n_runs, k): `spectra[r, order[r, t]]` is run r's member of cluster t."""
    cosine: Vector
    """Shape (n_runs, k): cosine of that member with the centre of the cluster."""

    @property
    def labels(self) -> NDArray[np.intp]:
        """Cluster of each component of each run, (n_runs, k)."""
        labels = np.empty_like(self.order)
        np.put_along_axis(labels, self.order, np.arange(labels.shape[1])[None], axis=1)
        return labels


def cluster_runs(units: Array) -> Clusters:
    """Match the components of all runs with one another.

    The centres start as the components of the run that is most like the others, and become
    the means of their members until no member changes.

    Parameters
    ----------
    units : ndarray of shape (n_runs, k, n_features)
        Components with rows of norm 1.
    """
    n_runs = len(units)
    centres = units[_central_run(units)]
    order = np.empty(units.shape[:2], dtype=np.intp)
    cosine = np.empty(units.shape[:2])
    for _ in range(ROUNDS):
        before = order.copy()
        for r in range(n_runs):
            order[r], cosine[r] = match_units(centres, units[r])
        if np.array_equal(order, before):
            break
        members = units[np.arange(n_runs)[:, None], order]
        centres = members.mean(axis=0)
        norms = np.linalg.norm(centres, axis=1, keepdims=True)
        centres = np.divide(centres, norms, out=centres, where=norms > 0)
    return Clusters(order, cosine)


def _central_run(units: Array) -> int:
    """Return the run with the largest sum of cosines, of some twenty that are tried."""
    tried = np.unique(np.linspace(0, len(units) - 1, 20).astype(int))
    sums = [
        sum(match_units(units[r], other).cosine.sum() for other in units) for r in tried
    ]
    return int(tried[np.argmax(sums)])


def silhouettes(units: Array, labels: NDArray[Any]) -> Vector:
    """Return the silhouette of each unit vector by cosine distances, in [-1, 1].

    A single cluster has no other one to compare with; its silhouettes are 1 by convention.

    Parameters
    ----------
    units : ndarray of shape (n, n_features)
        Rows of norm 1.
    labels : ndarray of shape (n,), int
    """
    n_clusters = len(np.unique(labels))
    if n_clusters == 1:
        return np.ones(len(units))
    if n_clusters == len(units):  # one run: no member has another one in its cluster
        return np.zeros(len(units))
    distances = cosine_distances(units)
    values: Vector = silhouette_samples(distances, labels, metric="precomputed")
    return values


def cosine_distances(units: Array) -> Vector:
    """Return 1 − cosine between all rows of norm 1, with zeros on the diagonal."""
    distances: Vector = np.clip(1.0 - units @ units.T, 0.0, 2.0)
    np.fill_diagonal(distances, 0.0)
    return distances


def dispersion(labels: NDArray[Any], n_labels: int) -> float:
    """Return the dispersion of the consensus matrix of several partitions [1]_.

    With C the (n_samples, n_samples) matrix of the shares of runs that put two samples
    together, this is the mean of (2C − 1)², diagonal included: 1 if all runs agree, 0 if
    each pair is together in half of the runs. C itself is not computed.

    Parameters
    ----------
    labels : ndarray of shape (n_runs, n_samples), int
        The label of each sample in each run, from 0 to n_labels − 1.
    n_labels : int

    Notes
    -----
    Σ C² is the sum over pairs of runs of the squared entries of their contingency table
    (k, k), divided by n_runs². Costs n_runs²·n_samples/2.

    References
    ----------
    .. [1] Kim & Park, "Sparse non-negative matrix factorizations via alternating
       non-negativity-constrained least squares for microarray data analysis",
       Bioinformatics 23 (2007) 1495-1502, https://doi.org/10.1093/bioinformatics/btm134
    """
    n_runs, n = labels.shape
    squares, counts = 0.0, 0.0
    for r in range(n_runs):
        first = labels[r].astype(np.int64) * n_labels
        own_counts = np.bincount(labels[r], minlength=n_labels).astype(np.float64)
        counts += float(own_counts @ own_counts)
        squares += float(own_counts @ own_counts)
        for s in range(r):
            table = np.bincount(first + labels[s]).astype(np.float64)
            squares += 2.0 * float(table @ table)
    return float(4 * squares / (n_runs * n) ** 2 - 4 * counts / (n_runs * n**2) + 1)


def cophenetic_correlation(
    labels: NDArray[Any], random_state: np.random.RandomState
) -> float:
    """Return the cophenetic correlation of the consensus matrix [1]_, on some rows.

    It is computed between at most 1,000 samples, drawn at random where there are more. It
    is 1 where all runs agree.

    Parameters
    ----------
    labels : ndarray of shape (n_runs, n_samples), int
    random_state : RandomState

    References
    ----------
    .. [1] Brunet, Tamayo, Golub & Mesirov, "Metagenes and molecular pattern discovery
       using matrix factorization", PNAS 101 (2004) 4164-4169,
       https://doi.org/10.1073/pnas.0308531101
    """
    n = labels.shape[1]
    if n > COPHENETIC_ROWS:
        rows = np.sort(random_state.choice(n, COPHENETIC_ROWS, replace=False))
        labels = labels[:, rows]
    if labels.shape[1] < 3:
        return 1.0
    # the number of runs that part two samples: means of equal whole numbers are not rounded
    distances = np.rint(len(labels) * pdist(labels.T, metric="hamming"))
    if np.ptp(distances) == 0:  # all samples alike: nothing to correlate
        return 1.0
    return float(cophenet(_linked(distances), distances)[0])


def _linked(distances: Vector) -> Vector:
    """Return the average linkage by whole numbers, of which many are equal.

    SciPy goes from neighbour to nearest neighbour, and where means that are equal differ by
    rounding, it may join a cluster twice.
    """
    linked: Vector = linkage(distances, method="average")
    if not is_valid_linkage(linked):
        apart = np.random.RandomState(0).uniform(0, 1e-6, distances.shape)
        linked = linkage(distances + apart, method="average")
    return linked


def amari_distance(units: Array) -> float:
    """Return the mean dissimilarity between the components of all pairs of runs [1]_.

    For two runs with the matrix C of cosines it is 1 − ½(mean of the largest of each row +
    mean of the largest of each column): 0 where they have the same components.

    Parameters
    ----------
    units : ndarray of shape (n_runs, k, n_features)
        Components with rows of norm 1.

    References
    ----------
    .. [1] Wu et al., "Stability-driven nonnegative matrix factorization to interpret
       spatial gene expression and build local gene networks", PNAS 113 (2016) 4290-4295,
       https://doi.org/10.1073/pnas.1521171113
    """
    n_runs = len(units)
    values = [
        1 - 0.5 * (C.max(axis=0).mean() + C.max(axis=1).mean())
        for r in range(n_runs)
        for C in (units[r] @ units[s].T for s in range(r))
    ]
    return float(np.mean(values)) if values else 0.0


def mean_nearest_distance(units: Array, n_nearest: int) -> Vector:
    """Return the mean Euclidean distance of each row to its nearest others.

    Parameters
    ----------
    units : ndarray of shape (n, n_features)
        Rows of norm 1.
    n_nearest : int
        Number of other rows that count, from 1 to n − 1.
    """
    distances = np.sqrt(2.0 * cosine_distances(units))
    nearest = np.partition(distances, n_nearest, axis=1)[:, : n_nearest + 1]
    means: Vector = nearest.sum(axis=1) / n_nearest  # the distance to itself is 0
    return means


def labels_of(model: FittedModel) -> NDArray[Any]:
    """Return the component with the largest share of each row of W·H."""
    k = model.Ht.shape[1]
    sums = model.Ht.sum(axis=0, dtype=np.float64)
    dtype = np.min_scalar_type(k)
    labels = np.empty(model.W.shape[0], dtype=dtype)
    size = max(1, (1 << 20) // k)
    for start in range(0, len(labels), size):
        part = np.asarray(model.W[start : start + size]) * sums
        labels[start : start + size] = part.argmax(axis=1)
    return labels
