"""Shapes of components: one peak, or a rise or fall throughout."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from ..base.arrays import Array
from ..base.constraint import ConstraintBase, Factor, register_constraint
from ..base.rules import is_bool, is_integer
from ..kernels import nearest_monotone, nearest_unimodal


class _ShapedColumns(ConstraintBase):
    """Base of constraints on the shape of some components."""

    components: Sequence[int] | None

    def prepared(self, factor: Factor) -> Self:
        """Return the constraint with the numbers of its components, checked."""
        named = range(factor.k) if self.components is None else self.components
        if isinstance(named, int) or not all(
            is_integer(t, 0, factor.k - 1) for t in named
        ):
            msg = (
                f"{type(self).__name__} takes numbers of components from 0 to "
                f"{factor.k - 1}; got {self.components!r}. Pass a list of them, or None."
            )
            raise ValueError(msg)
        columns = tuple(sorted({int(t) for t in named}))
        record: Any = self
        prepared: Self = dataclasses.replace(record, components=columns)
        return prepared

    def constrained_columns(self, k: int) -> Any:
        """Return the numbers of the components."""
        return range(k) if self.components is None else self.components


@register_constraint("unimodal")
@dataclass(frozen=True, eq=False)
class Unimodal(_ShapedColumns):
    """Components that rise to one peak and fall after it, as elution profiles do [1]_.

    Each column is replaced by the nearest one with a peak [2]_: two isotonic fits for
    each place of it, by one pass from either side.

    Parameters
    ----------
    components : list of int or None, default=None
        Numbers of the components, from 0; None takes all.

    Notes
    -----
    The set is not convex. A sweep goes component by component, each of which is solved for
    exactly beside the others; the factor is not extrapolated. A column costs O(n).

    References
    ----------
    .. [1] de Juan & Tauler, "Multivariate curve resolution: 50 years addressing the mixture
       analysis problem – a review", Analytica Chimica Acta 1145 (2021) 59-78,
       https://doi.org/10.1016/j.aca.2020.10.051
    .. [2] Bro & Sidiropoulos, "Least squares algorithms under unimodality and
       non-negativity constraints", Journal of Chemometrics 12 (1998) 223-247.

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import NMF
    >>> from nonneg.constraints import Unimodal
    >>> t = np.linspace(0, 1, 30)[:, None]
    >>> peaks = np.exp(-50 * (t - [0.4, 0.6]) ** 2)
    >>> X = peaks @ [[1.0, 2, 0], [2, 0, 1]] + 0.02
    >>> W = NMF(2, solver="hals", constraints_W=Unimodal()).fit_transform(X)
    >>> rises = np.sign(np.diff(W, axis=0))
    >>> bool((np.diff(rises[rises[:, 0] != 0, 0]) <= 0).all())
    True
    """

    convex: ClassVar[bool] = False
    components: Sequence[int] | None = None

    def nearest_column(self, column: Array) -> Array:
        """Return the nearest column with one peak that is at least 0."""
        return nearest_unimodal(column)


@register_constraint("monotone")
@dataclass(frozen=True, eq=False)
class Monotone(_ShapedColumns):
    """Components that rise throughout, or fall.

    Parameters
    ----------
    increasing : bool, default=True
        Whether they rise.
    components : list of int or None, default=None
        Numbers of the components, from 0; None takes all.

    Notes
    -----
    A column is replaced by its isotonic fit, which costs O(n).

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import NMF
    >>> from nonneg.constraints import Monotone
    >>> t = np.linspace(0, 1, 20)
    >>> X = np.outer(1 - np.exp(-3 * t), [1.0, 2, 3]) + np.outer(t, [2.0, 0, 1])
    >>> W = NMF(2, solver="hals", constraints_W=Monotone()).fit_transform(X)
    >>> bool((np.diff(W, axis=0) >= 0).all())
    True
    """

    increasing: bool = True
    components: Sequence[int] | None = None

    def prepared(self, factor: Factor) -> Self:
        """Return the constraint with the numbers of its components, checked."""
        if not is_bool(self.increasing):
            msg = f"Monotone takes increasing=True or False; got {self.increasing!r}."
            raise ValueError(msg)
        return super().prepared(factor)

    def nearest_column(self, column: Array) -> Array:
        """Return the nearest column that rises, or falls, and is at least 0."""
        return nearest_monotone(column, self.increasing)
