"""Penalties on differences between neighbouring rows of a factor, by a graph of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from ..base.arrays import Array
from ..base.constraint import (
    ConstraintBase,
    Factor,
    Majoriser,
    register_constraint,
    require_weight,
)
from ..base.rules import is_integer

SYMMETRIC = 1e-10
"""Share of the largest entry by which a graph may differ from its transpose."""


class _NeighbourPenalty(ConstraintBase):
    """Base of the penalties ½·weight·tr(AᵀLA) with the Laplacian L of a graph of rows."""

    shrinks: ClassVar[bool] = True

    @property
    def exact(self) -> bool:
        """False: the majoriser touches the penalty at one factor."""
        return False

    def _laplacian(self, graph: Any, weight: Any, factor: Factor) -> Any:
        """Return the penalty of a graph, which is what a fit goes by."""
        owner = type(self).__name__
        require_weight(owner, "weight", weight)
        graph = sp.csr_matrix(graph).astype(np.float64)
        if graph.shape != (factor.n_rows, factor.n_rows):
            msg = (
                f"{owner} has a graph of shape {graph.shape}, but {factor.name} has "
                f"{factor.n_rows} {'rows' if factor.name == 'W' else 'columns'}. Pass one "
                "node for each."
            )
            raise ValueError(msg)
        return _Laplacian(weight, *_laplacian(graph, owner))


@dataclass(frozen=True, eq=False)
class _Laplacian(_NeighbourPenalty):
    """The penalty of a Laplacian.

    The majoriser has, in place of L, a bound of its largest eigenvalue times the identity,
    and a right-hand side: one sparse product an iteration.
    """

    weight: float
    laplacian: Any
    bound: float

    def majoriser(self, A: Array, gram: Array) -> Majoriser:
        """Return weight·(bound·‖a‖²/2 − (bound·A − L·A)·a)."""
        most = self.weight * self.bound
        rhs = most * A - self.weight * np.asarray(self.laplacian @ A)
        return Majoriser(most * np.eye(len(gram)), rhs)

    def value(self, A: Array, gram: Array) -> float:  # noqa: ARG002
        """Return ½·weight·tr(AᵀLA)."""
        A = A.astype(np.float64)
        return 0.5 * self.weight * float(np.sum(A * (self.laplacian @ A)))


def _laplacian(graph: Any, owner: str) -> tuple[Any, float]:
    """Return the Laplacian of a graph and a bound of its largest eigenvalue."""
    graph = graph - sp.diags(graph.diagonal())
    data = graph.data
    asymmetry = abs(graph - graph.T).max() if graph.nnz else 0.0
    largest = abs(data).max() if data.size else 0.0
    sound = np.isfinite(data).all() and (data >= 0).all()
    if not sound or asymmetry > SYMMETRIC * largest:
        msg = (
            f"{owner} takes a symmetric graph of finite weights of at least 0. Pass "
            "(graph + graph.T) / 2 of a graph that is not symmetric."
        )
        raise ValueError(msg)
    degrees = np.asarray(graph.sum(axis=1)).ravel()
    laplacian = sp.csr_matrix(sp.diags(degrees) - graph)
    return laplacian, 2.0 * float(degrees.max(initial=0.0))


@register_constraint("smooth")
@dataclass(frozen=True, eq=False)
class Smooth(_NeighbourPenalty):
    """The penalty ½·weight·Σ ‖aᵢ − aᵢ₊₁‖² over neighbours in order.

    For H the neighbours are features, such as wavelengths or months; for W they are
    samples, such as times.

    Parameters
    ----------
    weight : float, default=1.0
        Unscaled, in the units of X².
    cyclic : bool, default=False
        Whether the last one is a neighbour of the first.

    Notes
    -----
    The penalty falls as the factor shrinks, so the other factor needs a scale: `Simplex`,
    upper `Bounds`, `Fixed`, `Target`, `alpha_W` or `alpha_H`; without any the fit is refused.

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import NMF
    >>> from nonneg.constraints import Simplex, Smooth
    >>> t = np.linspace(0, 3, 30)
    >>> X = np.outer([1, 2, 3], np.sin(t)) + np.outer([3, 1, 2], 1 + np.cos(t))
    >>> noisy = X + np.random.default_rng(0).normal(0, 0.1, X.shape).clip(0)
    >>> rough = NMF(2, solver="hals", constraints_W=Simplex()).fit(noisy)
    >>> model = NMF(
    ...     2, solver="hals", constraints_W=Simplex(), constraints_H=Smooth(10.0)
    ... ).fit(noisy)
    >>> def roughness(H):
    ...     return float(np.square(np.diff(H)).sum())
    >>> roughness(model.components_) < roughness(rough.components_)
    True
    """

    weight: float = 1.0
    cyclic: bool = False

    def prepared(self, factor: Factor) -> Any:
        """Return the penalty of a chain, or of a circle."""
        n = factor.n_rows
        steps = [1, -1, n - 1, 1 - n] if self.cyclic and n > 2 else [1, -1]
        ones = [np.ones(n - abs(step)) for step in steps]
        graph = sp.diags(ones, steps, shape=(n, n)) if n > 1 else sp.csr_matrix((1, 1))
        return self._laplacian(graph, self.weight, factor)


@register_constraint("graph")
@dataclass(frozen=True, eq=False)
class Graph(_NeighbourPenalty):
    """The penalty ½·weight·Σ gᵢⱼ·‖aᵢ − aⱼ‖²/2 over the edges of a graph [1]_.

    Parameters
    ----------
    graph : {array-like, sparse matrix} of shape (n, n)
        Symmetric weights of at least 0 between the rows of W, or the columns of H. Or of
        shape (n, d) with `n_neighbors`: a position for each, such as coordinates of spots.
    weight : float, default=1.0
        Unscaled, in the units of X².
    n_neighbors : int or None, default=None
        Link each position with so many nearest ones, by weights of 1. None takes `graph` as
        a graph.

    Notes
    -----
    As with `Smooth`, the other factor needs a scale.

    References
    ----------
    .. [1] Cai, He, Han & Huang, "Graph regularized nonnegative matrix factorization for
       data representation", IEEE Transactions on Pattern Analysis and Machine Intelligence
       33 (2011) 1548-1560, https://doi.org/10.1109/TPAMI.2010.231

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import NMF
    >>> from nonneg.constraints import Graph
    >>> X = np.random.default_rng(0).random((6, 8))
    >>> places = np.arange(6.0)[:, None]
    >>> model = NMF(2, solver="hals", alpha_H=0.01,
    ...             constraints_W=Graph(places, 5.0, n_neighbors=2))
    >>> model.fit_transform(X).shape
    (6, 2)
    """

    graph: Any
    weight: float = 1.0
    n_neighbors: int | None = None

    def prepared(self, factor: Factor) -> Any:
        """Return the penalty of the graph."""
        graph = self.graph
        if self.n_neighbors is not None:
            graph = _neighbour_graph(graph, self.n_neighbors)
        return self._laplacian(graph, self.weight, factor)


def _neighbour_graph(places: Any, n_neighbors: Any) -> Any:
    """Return the graph in which each place is linked with its nearest ones."""
    from sklearn.neighbors import kneighbors_graph

    places = np.asarray(places, dtype=np.float64)
    if places.ndim != 2 or not is_integer(n_neighbors, 1, len(places) - 1):
        msg = (
            f"Graph with n_neighbors takes positions of shape (n, d) and 1 <= n_neighbors < "
            f"n; got shape {places.shape}, n_neighbors={n_neighbors!r}."
        )
        raise ValueError(msg)
    links = kneighbors_graph(places, n_neighbors)
    return links.maximum(links.T)
