"""The stopping rule of solvers whose objective never rises, without momentum."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...base.interfaces import State
from .momentum import LEAST_DECREASE, NEARLY, SETTLED_WITHIN

EXACT = {np.dtype(np.float64): 1e-11, np.dtype(np.float32): 1e-8}
"""Share of ½‖X‖² below which a fit counts as exact, and the residual alone ends it."""


@dataclass(eq=False)
class SettlingState(State):
    """Base of states whose fit ends by the residual and the last decreases."""

    objective: float = field(default=np.inf, kw_only=True)
    decreases: NDArray[np.float64] = field(
        default_factory=lambda: np.full(SETTLED_WITHIN, np.inf), kw_only=True
    )
    """Decreases of the last SETTLED_WITHIN iterations; a ring buffer."""
    quiet: int = field(default=0, kw_only=True)
    """Iterations in a row whose residual was at most `tol`."""

    def is_settled(
        self, residual: float, decrease: float, tol: float, square: float
    ) -> bool:
        """Note an iteration; return whether the fit has converged.

        It has after two iterations in a row with a residual of at most `tol`, if the last
        SETTLED_WITHIN ones have decreased the objective by at most NEARLY·tol of it or the
        fit is exact beside `square`, ‖X‖²; and where they have by less than LEAST_DECREASE
        of it.
        """
        self.decreases[self.n_iter % SETTLED_WITHIN] = decrease
        if tol == 0:
            return False
        dtype, gained = self.W.dtype, float(self.decreases.sum())
        self.quiet = self.quiet + 1 if residual <= tol else 0
        is_exact = self.objective <= EXACT[dtype] * 0.5 * square
        slow = is_exact or gained <= NEARLY * tol * self.objective
        still = gained <= LEAST_DECREASE[dtype] * self.objective
        return (self.quiet >= 2 and slow) or still
