"""A factor that is drawn towards a given one."""

from __future__ import annotations

import dataclasses
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


@register_constraint("target")
@dataclass(frozen=True, eq=False)
class Target(ConstraintBase):
    """The penalty ½·weight·‖A − target‖², which draws a factor A towards a given one.

    It guides a fit by what is known roughly: seed words of topics, spectra of a library. A
    large weight gives `Fixed`.

    Parameters
    ----------
    target : array-like of shape (n_samples, n_components) or (n_components, n_features)
        In the shape of W or of `components_`; NaN where an entry has no target. In a
        component that has targets for some entries, the others move more slowly.
    weight : float, default=1.0
        Unscaled, in the units of X².

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import NMF
    >>> from nonneg.constraints import Target
    >>> X = np.array([[1.0, 2, 3], [2, 1, 1], [3, 3, 4], [4, 2, 2]])
    >>> seeds = np.array([[2.0, 1, 1], [0, 1, 2]])
    >>> model = NMF(2, solver="hals", constraints_H=Target(seeds, 1e6)).fit(X)
    >>> bool(np.allclose(model.components_, seeds, atol=1e-3))
    True
    """

    separable: ClassVar[bool] = True
    row_arrays: ClassVar[tuple[str, ...]] = ("target",)
    target: Any
    weight: float = 1.0

    @property
    def exact(self) -> bool:
        """Whether components have a target for all of their entries, or for none."""
        missing = np.isnan(np.asarray(self.target, dtype=np.float64))
        return bool((missing.all(axis=0) == missing.any(axis=0)).all())

    def prepared(self, factor: Factor) -> Self:
        """Return the constraint with its target in rows, checked."""
        require_weight("Target", "weight", self.weight)
        target = factor.in_rows(self.target, "Target")
        if np.isinf(target).any():
            msg = (
                "Target has infinite entries. Pass finite numbers, and NaN where an entry "
                "has no target."
            )
            raise ValueError(msg)
        return dataclasses.replace(self, target=target.astype(factor.dtype))

    def expected(self) -> Any:
        """Return the target."""
        return self.target

    def majoriser(self, A: Array, gram: Array) -> Majoriser:  # noqa: ARG002
        """Return the penalty; entries without a target stay where they are in it."""
        missing = np.isnan(self.target)
        drawn = ~missing.all(axis=0)
        goal = np.where(missing, np.where(drawn, A, 0), self.target)
        return Majoriser(self.weight * np.diag(drawn), self.weight * goal)

    def value(self, A: Array, gram: Array) -> float:  # noqa: ARG002
        """Return the penalty."""
        error = np.nan_to_num(A.astype(np.float64) - self.target)
        return 0.5 * self.weight * float(np.sum(error * error))

    def _ties(self, k: int) -> bool:
        known = ~np.isnan(np.asarray(self.target, dtype=np.float64))
        axis = 0 if known.shape[1] == k else 1
        return bool(self.weight > 0 and known.any(axis=axis).all())

    def keeps_from_growing(self, k: int) -> bool:
        """Whether each component has a target."""
        return self._ties(k)

    def keeps_from_shrinking(self, k: int) -> bool:
        """Whether each component has a target."""
        return self._ties(k)
