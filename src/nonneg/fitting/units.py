"""Units of the numbers inside a fit, powers of two, and the way in and out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..base.interfaces import Penalty
from ..base.records import History
from ..operands.units import times_power


@dataclass(frozen=True)
class Units:
    """The powers of two that the numbers of a fit are multiples of.

    Inside a fit, X is divided by 2^x, H by 2^h and W by 2^(x − h). All 0: nothing is.
    """

    x: int = 0
    h: int = 0

    def __bool__(self) -> bool:
        return bool(self.x or self.h)

    def outside(self, W: Array, Ht: Array) -> tuple[Array, Array]:
        """Return the factors of X for those of a fit."""
        if not self:
            return W, Ht
        return times_power(W, self.x - self.h), times_power(Ht, self.h)

    def inside(self, W: Array, Ht: Array) -> tuple[Array, Array]:
        """Return the factors of a fit for those of X."""
        return times_power(W, self.h - self.x), times_power(Ht, -self.h)

    def penalties(
        self, penalty_W: Penalty, penalty_H: Penalty
    ) -> tuple[Penalty, Penalty]:
        """Return penalties that bear the same proportion to the loss inside the fit."""
        if not self:
            return penalty_W, penalty_H
        factors = (self.x - self.h, self.h)
        inside_W, inside_H = (
            Penalty(
                times_power(penalty.l1, unit - 2 * self.x),
                times_power(penalty.Q, 2 * (unit - self.x)),
            )
            for unit, penalty in zip(factors, (penalty_W, penalty_H), strict=True)
        )
        return inside_W, inside_H

    def objective(self, value: Any) -> Any:
        """Return the objective outside the fit; it is infinite where float64 can't hold it."""
        return times_power(np.float64(value), 2 * self.x)

    def history(self, history: History) -> None:
        """Turn the objectives of a history into those of X."""
        if not self.x:
            return
        history.objective[:] = [float(self.objective(v)) for v in history.objective]
        history.objectives[:] = [self.objective(v) for v in history.objectives]


ORDINARY = Units()
"""Units of data of ordinary size: 1 each."""
