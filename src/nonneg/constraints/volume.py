"""Penalties on components together: their volume, their number, their overlap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from ..base.arrays import Array
from ..base.constraint import (
    ConstraintBase,
    Factor,
    Majoriser,
    register_constraint,
    require_weight,
)
from ..base.rules import is_real

SMALLEST = 1e-6
"""Norm of a component, in the unit of the factor, around which `Group` is round at 0."""


@register_constraint("min_volume")
@dataclass(frozen=True, eq=False)
class MinVolume(ConstraintBase):
    """The penalty ½·weight·(log det(AᵀA + delta·I) − k·log delta) on the columns of A.

    For H it asks for components that span a small volume [1]_: with `Simplex` on W these
    are the end-members of a mixture, also where no sample is pure.

    Parameters
    ----------
    weight : float, default=1.0
        Unscaled, in the units of X².
    delta : float, default=1.0
        Above 0, in the unit of the squared norm of a component. A smaller one tells thin
        components further apart.

    Notes
    -----
    The logarithm is concave in AᵀA, so its tangent is the majoriser: Q = weight·(AᵀA +
    delta·I)⁻¹. As with `Smooth`, the other factor needs a scale.

    References
    ----------
    .. [1] Miao & Qi, "Endmember extraction from highly mixed data using minimum volume
       constrained nonnegative matrix factorization", IEEE Transactions on Geoscience and
       Remote Sensing 45 (2007) 765-777, https://doi.org/10.1109/TGRS.2006.888466

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import NMF
    >>> from nonneg.constraints import MinVolume, Simplex
    >>> X = np.random.default_rng(0).dirichlet(np.ones(2), 20) @ [[1, 0, 2], [0, 3, 1]]
    >>> model = NMF(2, solver="hals", constraints_W=Simplex(),
    ...             constraints_H=MinVolume(0.01)).fit(X)
    >>> model.components_.shape
    (2, 3)
    """

    shrinks: ClassVar[bool] = True
    of_gram: ClassVar[bool] = True
    weight: float = 1.0
    delta: float = 1.0

    @property
    def exact(self) -> bool:
        """False: the majoriser touches the penalty at one factor."""
        return False

    def prepared(self, factor: Factor) -> Self:  # noqa: ARG002
        """Return the constraint, checked."""
        require_weight("MinVolume", "weight", self.weight)
        if not (is_real(self.delta) and self.delta > 0):
            msg = (
                f"MinVolume takes a finite delta above 0; got {self.delta!r}. Pass 1.0."
            )
            raise ValueError(msg)
        return self

    def majoriser(self, A: Array, gram: Array) -> Majoriser:  # noqa: ARG002
        """Return the tangent in AᵀA."""
        k = len(gram)
        return Majoriser(self.weight * np.linalg.inv(gram + self.delta * np.eye(k)))

    def value(self, A: Array, gram: Array) -> float:  # noqa: ARG002
        """Return the penalty."""
        scaled = np.asarray(gram, dtype=np.float64) / self.delta + np.eye(len(gram))
        return 0.5 * self.weight * float(np.linalg.slogdet(scaled)[1])


@register_constraint("group")
@dataclass(frozen=True, eq=False)
class Group(ConstraintBase):
    """The penalty weight·Σₜ ‖aₜ‖ on the norms of components, which makes needless ones small.

    Parameters
    ----------
    weight : float, default=1.0
        Unscaled, in the units of X² by that of the factor.

    Notes
    -----
    As with `Smooth`, the other factor needs a scale.

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import NMF
    >>> from nonneg.constraints import Group, Simplex
    >>> X = np.outer([1.0, 2, 3, 4], [1, 2, 1, 0, 1])
    >>> model = NMF(2, solver="hals", alpha_W=0.01, alpha_H=0.01, max_iter=500,
    ...             constraints_H=Group(1.0)).fit(X)
    >>> norms = np.linalg.norm(model.components_, axis=1)
    >>> bool(norms.min() < 1e-3 * norms.max())
    True
    """

    shrinks: ClassVar[bool] = True
    of_gram: ClassVar[bool] = True
    weight: float = 1.0

    @property
    def exact(self) -> bool:
        """False: the majoriser touches the penalty at one factor."""
        return False

    def prepared(self, factor: Factor) -> Self:  # noqa: ARG002
        """Return the constraint, checked."""
        require_weight("Group", "weight", self.weight)
        return self

    @staticmethod
    def _norms(gram: Array) -> Any:
        return np.sqrt(np.maximum(gram.diagonal(), 0) + SMALLEST**2)

    def majoriser(self, A: Array, gram: Array) -> Majoriser:  # noqa: ARG002
        """Return weight·‖aₜ‖²/(2·norm of now) for each component."""
        return Majoriser(np.diag(self.weight / self._norms(gram)))

    def value(self, A: Array, gram: Array) -> float:  # noqa: ARG002
        """Return the penalty."""
        return self.weight * float(np.sum(self._norms(gram) - SMALLEST))


@register_constraint("orthogonal")
@dataclass(frozen=True, eq=False)
class Orthogonal(ConstraintBase):
    """The penalty weight·Σ aₛ·aₜ over pairs of components, 0 where these don't overlap.

    On rows that are at least 0 it pulls towards components of which at most one is present
    in each row, as in a clustering.

    Parameters
    ----------
    weight : float, default=1.0
        Unscaled, in the units of X².

    Notes
    -----
    A coordinate sweep minimises the penalty exactly beside the other coordinates, but it is
    not convex in a row: the solver "bpp" and `Simplex` on the same factor don't take it. As
    with `Smooth`, the other factor needs a scale.

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import NMF
    >>> from nonneg.constraints import Bounds, Orthogonal
    >>> X = np.kron(np.eye(2), np.ones((3, 4))) + 0.1
    >>> model = NMF(2, solver="hals", constraints_W=Bounds(upper=1),
    ...             constraints_H=Orthogonal(10.0)).fit(X)
    >>> bool((model.components_[0] @ model.components_[1]) < 1e-6)
    True
    """

    shrinks: ClassVar[bool] = True
    of_gram: ClassVar[bool] = True
    convex: ClassVar[bool] = False
    definite: ClassVar[bool] = False
    weight: float = 1.0

    @property
    def row_wise(self) -> bool:
        """True: each row is penalised for itself."""
        return True

    def prepared(self, factor: Factor) -> Self:  # noqa: ARG002
        """Return the constraint, checked."""
        require_weight("Orthogonal", "weight", self.weight)
        return self

    def majoriser(self, A: Array, gram: Array) -> Majoriser:  # noqa: ARG002
        """Return the penalty."""
        return Majoriser(self.weight * (1.0 - np.eye(len(gram))))

    def value(self, A: Array, gram: Array) -> float:  # noqa: ARG002
        """Return the penalty."""
        pairs = np.sum(gram) - np.sum(gram.diagonal())
        return 0.5 * self.weight * float(pairs)
