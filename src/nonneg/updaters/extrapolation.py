"""State of an extrapolated alternation: the arrays that take turns, and the momentum."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..kernels import RowArrays
from ..protocols import SCRATCH, Array, State

MOMENTUM = 0.5
GROWTH, CAP_GROWTH, SHRINKAGE = 1.1, 1.05, 1.5
"""β starts at MOMENTUM, grows by GROWTH up to a cap that itself grows by CAP_GROWTH, and
is divided by SHRINKAGE at a restart."""
WINDOW, PAUSE = 20, 10
"""If more than half of the last WINDOW iterations were restarts, PAUSE go without β."""


@dataclass(eq=False)
class ExtrapolatedState(State):
    """The best pair measured (W, Ht), the point to go on from, and the momentum.

    Of each factor there are three arrays in turn: the start of the next solve, the
    plain iterate before it, and the best one; some of them may be the same.
    """

    start_W: Array
    start_H: Array
    plain_W: Array
    plain_H: Array
    gram_H: NDArray[np.float64]
    """Gram matrix of `start_H`."""
    product: Array | None
    """X·start_H: before the first iteration, and always where X is read by columns."""
    momentum: float = MOMENTUM
    cap: float = 1.0
    last: float = np.inf
    best: float = np.inf
    pause: int = 0
    quiet: int = 0
    """Iterations in a row whose residual was within `tol`."""
    restarts: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    decreases: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    spare_W: Array | None = field(default=None, metadata=SCRATCH)
    spare_H: Array | None = field(default=None, metadata=SCRATCH)
    extra_W: Array | None = field(default=None, metadata=SCRATCH)
    extra_H: Array | None = field(default=None, metadata=SCRATCH)

    @classmethod
    def at(
        cls,
        W: Array,
        Ht: Array,
        gram_H: NDArray[np.float64],
        product: Array | None,
        value: float | None,
    ) -> ExtrapolatedState:
        """State at a start with this objective, if it is known."""
        known = value if value is not None and np.isfinite(value) else np.inf
        return cls(
            W=W,
            Ht=Ht,
            start_W=W,
            start_H=Ht,
            plain_W=W,
            plain_H=Ht,
            gram_H=gram_H,
            product=product,
            last=known,
            best=known,
        )

    def other(self, factor: str) -> Array:
        """An array of this factor that is not the best one, to be overwritten."""
        return self._pool(factor)[0]

    def arrays(self, factor: str) -> RowArrays:
        """Arrays of the next solve for "W" or "H"."""
        start, plain = (
            getattr(self, f"{role}_{factor}") for role in ("start", "plain")
        )
        return _targets(start, plain, self._best(factor), self._pool(factor))

    def go_on(self, factor: str, start: Array, plain: Array, best: Array) -> None:
        """Set the roles for the next iteration, and keep the other arrays at hand."""
        pool = self._pool(factor)
        unused = [A for A in pool if not _is_in(A, (start, plain, best))]
        spare, extra = (*unused, None, None)[:2]
        roles: dict[str, Array | None]
        roles = {"start": start, "plain": plain, "spare": spare, "extra": extra}
        for role, A in roles.items():
            setattr(self, f"{role}_{factor}", A)
        setattr(self, "W" if factor == "W" else "Ht", best)

    def _best(self, factor: str) -> Array:
        return self.W if factor == "W" else self.Ht

    def _pool(self, factor: str) -> tuple[Array, ...]:
        """Return the distinct arrays of a factor, at least three, the best one last."""
        best = self._best(factor)
        found: list[Array] = []
        for role in ("start", "plain", "spare", "extra"):
            A = getattr(self, f"{role}_{factor}")
            if A is not None and not _is_in(A, (*found, best)):
                found.append(A)
        for role in ("spare", "extra"):
            if len(found) < 2 and getattr(self, f"{role}_{factor}") is None:
                found.append(np.empty_like(best))
                setattr(self, f"{role}_{factor}", found[-1])
        return (*found, best)


def _is_in(A: Array, arrays: tuple[Array, ...]) -> bool:
    return any(A is B for B in arrays)


def _targets(
    start: Array, plain: Array, best: Array, pool: tuple[Array, ...]
) -> RowArrays:
    """Where a solve may write: not over the best array, nor over what it reads later."""
    free = [A for A in pool if A is not best]
    if _is_in(start, (best, plain)):
        solved = next(A for A in free if not _is_in(A, (start, plain)))
    else:
        solved = start
    moved = plain if plain is not best else next(A for A in free if A is not solved)
    return RowArrays(start, solved, plain, moved)
