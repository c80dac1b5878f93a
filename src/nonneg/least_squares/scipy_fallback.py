"""Least squares for one right-hand side at a time, by SciPy's solvers on A itself."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from ..base.arrays import Array
from .normal_equations import NormalEquations

MOST_DENSE = 1 << 24
"""Most entries, zeros included, of a sparse A of which a dense copy may be made."""


class OneByOne:
    """A slow solver for problems whose Gram matrix is too ill-conditioned.

    Parameters
    ----------
    system : NormalEquations
        The problem, whose scaled unknowns are used here as well.
    """

    def __init__(self, system: NormalEquations) -> None:
        A = system.A.toarray() if sp.issparse(system.A) else system.A
        self.upper, self.scales = system.upper, system.scales
        self.root_l2 = np.sqrt(np.minimum(system.l2, 1e300))
        self.penalised = bool(system.l2.any())
        self.A = np.vstack([A, np.diag(self.root_l2)]) if self.penalised else A

    @classmethod
    def of(cls, system: NormalEquations) -> OneByOne | None:
        """Return the solver; None if A is too large, or for an L1 penalty without L2."""
        too_large = sp.issparse(system.A) and np.prod(system.A.shape) > MOST_DENSE
        lone_l1 = system.l1.any() and not system.l2.any()
        return None if too_large or lone_l1 else cls(system)

    def improve(self, x: Array, b: Array, l1: Array) -> bool:
        """Write SciPy's solution into x if it is better; return whether there was one."""
        if self.penalised:  # ½ l2‖x‖² + l1·x is ½‖√l2·x + l1/√l2‖², less a constant
            b = np.concatenate([b, -l1 / self.root_l2])
        other = self._solution(b)
        if other is None:
            return False
        if np.linalg.norm(self.A @ other - b) < np.linalg.norm(self.A @ x - b):
            x[...] = other
        return True

    def _solution(self, b: Array) -> Array | None:
        from scipy.optimize import lsq_linear
        from scipy.optimize import nnls as one_nnls

        if self.upper is not None:
            bounds = (0, np.maximum(self.upper, 1e-300))
            x = lsq_linear(self.A, b, bounds, method="bvls").x
            clipped: Array = np.clip(x, 0, self.upper)
            return clipped
        # first in the caller's units, as SciPy would solve the problem for the caller
        for scales in (self.scales, np.ones_like(self.scales)):
            try:
                with np.errstate(all="ignore"):
                    x, _ = one_nnls(self.A / scales, b)
            except (RuntimeError, ValueError, np.linalg.LinAlgError):
                continue
            if np.isfinite(x).all():
                return np.asarray(x / scales)
        return None
