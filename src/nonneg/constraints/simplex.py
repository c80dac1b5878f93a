"""Rows of a factor that sum up to a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from ..base.constraint import ConstraintBase, Factor, RowSum, register_constraint
from ..base.rules import is_bool, is_real


@register_constraint("simplex")
@dataclass(frozen=True, eq=False)
class Simplex(ConstraintBase):
    """Rows of W, or columns of H, whose entries sum up to a number, exactly.

    Known as closure, as the abundance sum constraint of unmixing [1]_, as proportions of
    topics, and from archetypes. Each row is solved for exactly: the entries and the
    multiplier of the sum together.

    Parameters
    ----------
    total : float, default=1.0
        The sum, above 0.
    at_most : bool, default=False
        Whether rows may sum up to less.

    References
    ----------
    .. [1] Heinz & Chang, "Fully constrained least squares linear spectral mixture analysis
       method for material quantification in hyperspectral imagery", IEEE Transactions on
       Geoscience and Remote Sensing 39 (2001) 529-545, https://doi.org/10.1109/36.911111

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import NMF
    >>> from nonneg.constraints import Simplex
    >>> X = np.array([[1.0, 2, 3], [2, 1, 1], [3, 3, 4], [4, 2, 2]])
    >>> W = NMF(2, solver="hals", constraints_W=Simplex()).fit_transform(X)
    >>> bool(np.allclose(W.sum(axis=1), 1))
    True
    """

    separable: ClassVar[bool] = True
    total: float = 1.0
    at_most: bool = False

    def prepared(self, factor: Factor) -> Self:  # noqa: ARG002
        """Return the constraint, checked."""
        if not (is_real(self.total) and self.total > 0 and is_bool(self.at_most)):
            msg = (
                f"Simplex takes a finite total above 0 and at_most=True or False; got total="
                f"{self.total!r}, at_most={self.at_most!r}. Pass Simplex() for rows that sum "
                "up to 1."
            )
            raise ValueError(msg)
        return self

    def row_sum(self) -> RowSum:
        """Return the sum."""
        return RowSum(float(self.total), bool(self.at_most))

    @property
    def row_wise(self) -> bool:
        """True."""
        return True

    def keeps_from_growing(self, k: int) -> bool:  # noqa: ARG002
        """Return True: entries are at most the sum."""
        return True

    def keeps_from_shrinking(self, k: int) -> bool:  # noqa: ARG002
        """Whether rows have the sum itself."""
        return not self.at_most
