"""Solver "bpp": exact alternating least squares by block principal pivoting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..base.interfaces import Problem
from ..kernels import Exact, Method
from .hals import Hals
from .registry import solvers
from .steps.momentum import ExtrapolatedState


@solvers.register("bpp")
@dataclass(frozen=True)
class BlockPivoting(Hals):
    """Alternating exact least squares by block principal pivoting, extrapolated.

    `Hals` with an exact solve for every row [1]_, whatever the conditioning.

    Parameters
    ----------
    tol : float
        The stopping rule is that of `Hals`.

    Notes
    -----
    An iteration costs 4·nnz·k flops for the products and, for each row, about one
    Cholesky factorization of its passive set.

    References
    ----------
    .. [1] Kim & Park, "Fast nonnegative matrix factorization: an active-set-like method
       and comparisons", SIAM Journal on Scientific Computing 33 (2011) 3261-3281,
       https://doi.org/10.1137/110821172
    """

    name: ClassVar[str] = "bpp"
    warms_up_by_blocks: ClassVar[bool] = False

    def method(
        self,
        problem: Problem,  # noqa: ARG002
        momentum: float,
        state: ExtrapolatedState,  # noqa: ARG002
    ) -> Method:
        """Return the exact solve."""
        return Exact(momentum)
