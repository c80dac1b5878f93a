"""Constraints on single entries: known values and bounds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from ..base.arrays import Array
from ..base.constraint import ConstraintBase, Factor, register_constraint


@register_constraint("fixed")
@dataclass(frozen=True, eq=False)
class Fixed(ConstraintBase):
    """Entries of a factor that are known [1]_; the fit solves for the others.

    A component of which all entries are known takes no part in the sweeps of its factor:
    the rest is solved for beside what it leaves over, and products with X are made for the
    rest alone.

    Parameters
    ----------
    values : array-like of shape (n_samples, n_components) or (n_components, n_features)
        Known values in the shape of W or of `components_`; NaN where an entry is free. They
        come out of the fit bit by bit, in the dtype of X.

    Raises
    ------
    ValueError
        At the fit, if the shape is not that of the factor, or a value is infinite.

    References
    ----------
    .. [1] Kim, He & Park, "Algorithms for nonnegative matrix and tensor factorizations: a
       unified view based on block coordinate descent framework", Journal of Global
       Optimization 58 (2014) 285-319, https://doi.org/10.1007/s10898-013-0035-4

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import NMF
    >>> from nonneg.constraints import Fixed
    >>> X = np.array([[1.0, 2, 3], [2, 1, 1], [3, 3, 4], [4, 2, 2]])
    >>> known = np.array([[2.0, 1, 1], [np.nan, np.nan, np.nan]])
    >>> model = NMF(2, solver="hals", constraints_H=Fixed(known)).fit(X)
    >>> model.components_[0]
    array([2., 1., 1.])
    """

    separable: ClassVar[bool] = True
    row_arrays: ClassVar[tuple[str, ...]] = ("values",)
    values: Any

    def prepared(self, factor: Factor) -> Self:
        """Return the constraint with its values in rows, checked."""
        values = factor.in_rows(self.values, "Fixed")
        if np.isinf(values).any():
            msg = (
                "Fixed has infinite values. Pass finite numbers, and NaN where an entry "
                "is free."
            )
            raise ValueError(msg)
        return dataclasses.replace(self, values=values.astype(factor.dtype))

    def bounds(self) -> tuple[Any, Any]:
        """Return the known values as both bounds, NaN elsewhere."""
        return self.values, self.values

    def expected(self) -> Any:
        """Return the known values."""
        return self.values

    def _known(self) -> Array:
        known: Array = np.nan_to_num(np.asarray(self.values, dtype=np.float64)) != 0
        return known

    def _ties(self, k: int) -> bool:
        known = self._known()
        axis = 0 if known.shape[1] == k else 1
        return bool(known.any(axis=axis).all())

    def keeps_from_shrinking(self, k: int) -> bool:
        """Whether each component has a known entry that is not 0."""
        return self._ties(k)

    def keeps_from_growing(self, k: int) -> bool:
        """Whether each component has a known entry that is not 0."""
        return self._ties(k)

    @property
    def any_sign(self) -> bool:
        """Whether a known value is negative."""
        return bool((np.asarray(self.values, dtype=np.float64) < 0).any())

    def n_components(self, factor_name: str) -> int | None:
        """Return the number of components that the array has, if it is one."""
        values = np.asarray(self.values)
        if values.ndim != 2:
            return None
        return int(values.shape[1 if factor_name == "W" else 0])


@register_constraint("bounds")
@dataclass(frozen=True, eq=False)
class Bounds(ConstraintBase):
    """Bounds of the entries of a factor.

    Parameters
    ----------
    lower : float or array-like, default=0.0
        Smallest value: a number, one for each component, of shape (n_components,), or an
        array of the shape of W or of `components_`. -inf leaves the sign free, which with
        least squares is semi-NMF [1]_; X may then have any sign.
    upper : float or array-like, default=inf
        Largest value, likewise.

    References
    ----------
    .. [1] Ding, Li & Jordan, "Convex and semi-nonnegative matrix factorizations", IEEE
       Transactions on Pattern Analysis and Machine Intelligence 32 (2010) 45-55,
       https://doi.org/10.1109/TPAMI.2008.277

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import NMF
    >>> from nonneg.constraints import Bounds
    >>> X = np.array([[1.0, -2, 3], [2, -1, 1], [3, -3, 4], [4, -2, 2]])
    >>> model = NMF(2, solver="hals", constraints_H=Bounds(lower=-np.inf)).fit(X)
    >>> bool((model.components_[:, 1] < 0).any())
    True
    """

    separable: ClassVar[bool] = True
    row_arrays: ClassVar[tuple[str, ...]] = ("lower", "upper")
    lower: Any = 0.0
    upper: Any = np.inf

    def prepared(self, factor: Factor) -> Self:
        """Return the constraint with its bounds in rows, checked."""
        lower, upper = (
            self._in_rows(value, factor) for value in (self.lower, self.upper)
        )
        if np.isnan(lower).any() or np.isnan(upper).any():
            msg = "Bounds has NaN. Pass numbers; -inf and inf set no bound."
            raise ValueError(msg)
        if (
            not (lower <= upper).all()
            or np.isposinf(lower).any()
            or np.isneginf(upper).any()
        ):
            msg = (
                f"Bounds of {factor.name} leave no value: a lower bound is above the upper "
                "one, or infinite on the wrong side. Pass lower <= upper."
            )
            raise ValueError(msg)
        return dataclasses.replace(
            self, lower=lower.astype(factor.dtype), upper=upper.astype(factor.dtype)
        )

    @staticmethod
    def _in_rows(value: Any, factor: Factor) -> Array:
        bound: Array = np.asarray(value, dtype=np.float64)
        if bound.ndim == 0:
            return np.full(factor.k, float(bound))
        if bound.shape == (factor.k,):
            return bound
        return factor.in_rows(bound, "Bounds")

    def bounds(self) -> tuple[Any, Any]:
        """Return both bounds."""
        return self.lower, self.upper

    @property
    def row_wise(self) -> bool:
        """Whether the bounds are those of components, the same in each row."""
        return np.ndim(self.lower) < 2 and np.ndim(self.upper) < 2

    def keeps_from_growing(self, k: int) -> bool:  # noqa: ARG002
        """Whether all entries have finite upper and lower bounds."""
        return bool(np.isfinite(self.upper).all() and np.isfinite(self.lower).all())

    def keeps_from_shrinking(self, k: int) -> bool:  # noqa: ARG002
        """Whether all entries have lower bounds above 0."""
        return bool((np.asarray(self.lower) > 0).all())

    @property
    def any_sign(self) -> bool:
        """Whether a lower bound is below 0."""
        return bool((np.asarray(self.lower, dtype=np.float64) < 0).any())
