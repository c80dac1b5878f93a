"""State of a solver with extrapolation: its arrays, which take turns, and the momentum."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...base.arrays import Array
from ...base.interfaces import SCRATCH, State
from ...kernels import RowArrays
from ...kernels.factor_rows import empty_like
from .recasting import cast_arrays

MOMENTUM = 0.5
GROWTH, CAP_GROWTH, SHRINKAGE = 1.05, 1.01, 1.5
"""The momentum starts at MOMENTUM, grows by GROWTH up to a cap that itself grows by
CAP_GROWTH (D-MOMENTUM), and is divided by SHRINKAGE at a restart."""
RECENT, PAUSE = 20, 10
"""If more than half of the last RECENT iterations were restarts, the next PAUSE iterations
go without momentum."""

SETTLED_WITHIN = 5
"""Number of iterations whose decrease the second stopping rule looks at."""
NEARLY = 0.3
"""Share of `tol` within which the decrease over SETTLED_WITHIN iterations, relative to the
objective that is left, must be for the first stopping rule (D-NEARLY-EXACT)."""
LEAST_DECREASE = {np.dtype(np.float64): 1e-7, np.dtype(np.float32): 1e-6}
"""Share of the objective by which the last SETTLED_WITHIN iterations must decrease it, or else
the fit has converged."""


@dataclass(eq=False)
class ExtrapolatedState(State):
    """The best pair measured (W, Ht), the point to go on from, and the momentum.

    Each factor has three arrays that take turns: the start of the next solve, the plain
    iterate (the result of the last solve, before extrapolation), and the best one. Some
    of them may be the same array.
    """

    start_W: Array
    start_H: Array
    plain_W: Array
    plain_H: Array
    gram_H: NDArray[np.float64] | None = None
    """Gram matrix of `start_H`, for quadratic losses."""
    product: Array | None = None
    """X·start_H, kept before the first iteration, and always where X is read by columns."""
    momentum: float = MOMENTUM
    cap: float = 1.0
    last: float = np.inf
    best: float = np.inf
    pause: int = 0
    quiet: int = 0
    """Iterations in a row whose residual was within `tol`."""
    revivals: int = 0
    """Times that dead components were revived."""
    restarts: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(RECENT, bool))
    """Whether each of the last RECENT iterations was a restart; a ring buffer."""
    decreases: NDArray[np.float64] = field(
        default_factory=lambda: np.array([np.inf] * SETTLED_WITHIN)
    )
    """Decreases of the last SETTLED_WITHIN iterations; a ring buffer."""
    values: NDArray[np.float64] = field(
        default_factory=lambda: np.full(SETTLED_WITHIN, np.inf)
    )
    """Best objectives after the last SETTLED_WITHIN iterations; a ring buffer."""
    spare_W: Array | None = field(default=None, metadata=SCRATCH)
    spare_H: Array | None = field(default=None, metadata=SCRATCH)
    extra_W: Array | None = field(default=None, metadata=SCRATCH)
    extra_H: Array | None = field(default=None, metadata=SCRATCH)
    turns: Any = field(default=None, metadata=SCRATCH)
    """Arrays and momentum as the last call of the core had them."""

    @classmethod
    def from_start(
        cls,
        W: Array,
        Ht: Array,
        gram_H: NDArray[np.float64] | None = None,
        product: Array | None = None,
        value: float | None = None,
    ) -> Self:
        """Return the state at a start; `value` is its objective, if known."""
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
            values=np.array([known] * SETTLED_WITHIN),
        )

    def cast(self, dtype: Any) -> None:
        """Take the factors into another dtype, array after array; unused ones are let go."""
        self.turns = self.spare_W = self.spare_H = self.extra_W = self.extra_H = None
        names = ("W", "Ht", "start_W", "start_H", "plain_W", "plain_H")
        cast_arrays(self, names, dtype)

    def set_best(self, objective: float) -> None:
        """Set the objective of the best pair, measured anew; all others move by as much."""
        shift = objective - self.best if np.isfinite(self.best) else 0.0
        self.best = objective
        self.last += shift
        self.values += shift

    def advance(
        self,
        rows_W: RowArrays,
        rows_H: RowArrays,
        objective: float,
        blind: bool = False,
    ) -> bool:
        """Set where the next iteration starts; return whether this one was a restart.

        If the objective has fallen, the next iteration starts from the extrapolated
        factors. If it rose, it starts from the pair that was measured, with less
        momentum: a restart. The measured pair is the solved H and the W that H
        was solved beside. The state keeps the pair if it is the best one. With `blind`,
        differences of objectives are rounding alone: the iteration is then a plain one,
        which can't raise the objective, and its pair counts as the best.
        """
        W, Ht = rows_W.result, rows_H.solved
        restart = bool(objective > self.last) and not blind
        self.last = objective
        self.restarts[self.n_iter % RECENT] = restart
        best_W, best_H = self.W, self.Ht
        if objective <= self.best or blind:
            self.best, best_W, best_H = objective, W, Ht
        if restart:
            self.cap, self.momentum = self.momentum, self.momentum / SHRINKAGE
            self.go_on("W", W, W, best_W)
            self.go_on("H", Ht, Ht, best_H)
            if np.count_nonzero(self.restarts) > RECENT // 2:
                self.pause = PAUSE
                self.restarts[:] = False
        else:
            self.momentum = min(self.cap, GROWTH * self.momentum)
            self.cap = min(1.0, CAP_GROWTH * self.cap)
            self.go_on("W", W, rows_W.solved, best_W)
            self.go_on("H", rows_H.result, Ht, best_H)
        return restart

    def is_settled(
        self, residual: float, restart: bool, tol: float, measured: bool = True
    ) -> bool:
        """Whether the fit has converged by one of the two stopping rules.

        The first: the residual was at most `tol` in two iterations in a row that were no
        restarts, and the last SETTLED_WITHIN iterations decreased the objective by at most
        NEARLY·tol of what is left of it. The residual says nothing about that: it is
        relative to products with X, which a nearly exact fit leaves far behind. Where
        objectives are not `measured`, but rounding, it decides alone.

        The second: the last SETTLED_WITHIN iterations together decreased the objective by
        less than LEAST_DECREASE of the best one. The rules take the best objective, since
        the last one may be far above it.
        """
        if self.n_iter == 0 and not np.isfinite(self.values[0]):
            # the objective at the start is not known: go by the first one
            self.values[:] = self.best
        slot = self.n_iter % SETTLED_WITHIN
        gained, self.values[slot] = self.values[slot] - self.best, self.best
        if tol == 0:
            return False
        self.quiet = self.quiet + 1 if residual <= tol and not restart else 0
        least = LEAST_DECREASE[self.W.dtype] * self.best
        still = self.decreases.sum() <= least and gained <= least
        slow = not measured or gained <= NEARLY * tol * self.best
        return bool((self.quiet >= 2 and slow) or still)

    def begin_anew(self, W: Array, Ht: Array, objective: float) -> None:
        """Go on from another pair, which counts as the best, with the first momentum."""
        self.go_on("W", W, W, W)
        self.go_on("H", Ht, Ht, Ht)
        self.last = self.best = objective
        self.momentum, self.cap, self.quiet = MOMENTUM, 1.0, 0

    def arrays(self, factor: str) -> RowArrays:
        """Return the arrays of the next solve for "W" or "H"."""
        start, plain, best = self.roles(factor)
        free = self.free(factor)
        # the solve must not write over the best array, nor over an array it reads later
        if start is best or start is plain:
            solved = next(A for A in free if A is not start and A is not plain)
        else:
            solved = start
        if plain is best:
            return RowArrays(start, solved, plain, _other_than(solved, free))
        return RowArrays(start, solved, plain, plain)

    def go_on(self, factor: str, start: Array, plain: Array, best: Array) -> None:
        """Set the three roles for the next iteration, and keep the unused arrays."""
        self.turns = None
        before = (*self.free(factor), self._best(factor))
        unused = [
            A for A in before if A is not start and A is not plain and A is not best
        ]
        spare, extra = (*unused, None, None)[:2]
        if factor == "W":
            self.start_W, self.plain_W, self.W = start, plain, best
            self.spare_W, self.extra_W = spare, extra
        else:
            self.start_H, self.plain_H, self.Ht = start, plain, best
            self.spare_H, self.extra_H = spare, extra

    def turning(self, factor: str) -> tuple[list[Array], list[int]]:
        """Return the three arrays of a factor, and the numbers of its three roles.

        The roles are the start of the next solve, the plain iterate and the best array.
        """
        start, plain, best = self.roles(factor)
        arrays = [best, *self.free(factor)][:3]
        places = {id(A): i for i, A in enumerate(arrays)}
        return arrays, [places[id(start)], places[id(plain)], 0]

    def take_back(self, factor: str, arrays: list[Array], roles: list[int]) -> None:
        """Set the roles of the three arrays of a factor, by their numbers.

        `go_on` does the same for any arrays; this one is done after each call of the core.
        """
        start, plain, best = roles
        spare = extra = None
        for i in (0, 1, 2):
            if i != start and i != plain and i != best:
                spare, extra = arrays[i], spare
        if factor == "W":
            self.start_W, self.plain_W = arrays[start], arrays[plain]
            self.W, self.spare_W, self.extra_W = arrays[best], spare, extra
        else:
            self.start_H, self.plain_H = arrays[start], arrays[plain]
            self.Ht, self.spare_H, self.extra_H = arrays[best], spare, extra

    def other(self, factor: str) -> Array:
        """Return an array of this factor that may be overwritten, so not the best one."""
        return self.free(factor)[0]

    def _best(self, factor: str) -> Array:
        return self.W if factor == "W" else self.Ht

    def roles(self, factor: str) -> tuple[Array, Array, Array]:
        """Return the start of the next solve, the plain iterate and the best array."""
        if factor == "W":
            return self.start_W, self.plain_W, self.W
        return self.start_H, self.plain_H, self.Ht

    def free(self, factor: str) -> list[Array]:
        """Return the distinct arrays of a factor except the best one, at least two."""
        start, plain, best = self.roles(factor)
        free = [] if start is best else [start]
        if plain is not best and plain is not start:
            free.append(plain)
        is_W = factor == "W"
        kept = [self.spare_W, self.extra_W] if is_W else [self.spare_H, self.extra_H]
        for i, A in enumerate(kept):
            if A is None and len(free) < 2:
                A = kept[i] = empty_like(best)
            if A is not None:
                free.append(A)
        if is_W:
            self.spare_W, self.extra_W = kept
        else:
            self.spare_H, self.extra_H = kept
        return free


def _other_than(A: Array, arrays: list[Array]) -> Array:
    return next(B for B in arrays if B is not A)
