"""Solver "hals": adaptive coordinate sweeps with extrapolation and restart, the fast one."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..kernels import Adaptive, RowArrays, SolveReport, gram
from ..operands import matmul, rmatmul
from ..protocols import Array, Problem, Progress, State
from . import scaling, updaters
from .halves import gram_square
from .passes import HalfStep, HalfSums, Iteration, drive, half_step, solve_half

MOMENTUM = 0.5
GROWTH, CAP_GROWTH, SHRINKAGE = 1.1, 1.05, 1.5
"""β starts at MOMENTUM, grows by GROWTH up to a cap that itself grows by CAP_GROWTH, and
is divided by SHRINKAGE at a restart."""
WINDOW, PAUSE = 20, 10
"""If more than half of the last WINDOW iterations were restarts, PAUSE go without β."""
RESET_FLOAT32 = 50
"""float32: iterations after which one goes without β."""
LEAST_DECREASE = {np.dtype(np.float64): 1e-7, np.dtype(np.float32): 1e-6}
FLOOR = {np.dtype(np.float64): 1e-11, np.dtype(np.float32): 1e-5}
"""Share of ½‖X‖² below which the objective from products is no guide any more."""
SETTLED_WITHIN = 5
"""Iterations whose decrease the second stopping rule looks at."""


@dataclass(eq=False)
class HalsState(State):
    """The best pair measured (W, Ht), the point to go on from, and the momentum.

    Of each factor there are three arrays in turn: the start of the next solve, the
    plain iterate before it, and the best one; some of them may be the same.
    """

    start_W: Array
    start_H: Array
    plain_W: Array
    plain_H: Array
    spare_W: Array
    spare_H: Array
    extra_W: Array
    extra_H: Array
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

    def arrays(self, factor: str) -> RowArrays:
        """Arrays of the next solve for "W" or "H"."""
        start, plain = (
            getattr(self, f"{role}_{factor}") for role in ("start", "plain")
        )
        best = self._best(factor) if np.isfinite(self.best) else None
        return _targets(start, plain, best, self._pool(factor))

    def go_on(self, factor: str, start: Array, plain: Array, best: Array) -> None:
        """Set the roles for the next iteration, and keep the other arrays at hand."""
        pool = self._pool(factor)
        unused = [A for A in pool if not _is_in(A, (start, plain, best))]
        spare, extra = (*unused, start, start)[:2]
        roles = {"start": start, "plain": plain, "spare": spare, "extra": extra}
        for role, A in roles.items():
            setattr(self, f"{role}_{factor}", A)
        setattr(self, "W" if factor == "W" else "Ht", best)

    def _best(self, factor: str) -> Array:
        return self.W if factor == "W" else self.Ht

    def _pool(self, factor: str) -> tuple[Array, ...]:
        """Return the distinct arrays of a factor but the best one, then that."""
        found: list[Array] = []
        for role in ("start", "plain", "spare", "extra"):
            A = getattr(self, f"{role}_{factor}")
            if not _is_in(A, (*found, self._best(factor))):
                found.append(A)
        return (*found, self._best(factor))


def _is_in(A: Array, arrays: tuple[Array | None, ...]) -> bool:
    return any(A is B for B in arrays)


def _targets(
    start: Array, plain: Array, best: Array | None, pool: tuple[Array, ...]
) -> RowArrays:
    """Where a solve may write: not over the best array, nor over what it reads later."""
    free = [A for A in pool if A is not best]
    if _is_in(start, (best, plain)):
        solved = next(A for A in free if not _is_in(A, (start, plain)))
    else:
        solved = start
    moved = plain if plain is not best else next(A for A in free if A is not solved)
    return RowArrays(start, solved, plain, moved)


@updaters.register("hals")
@dataclass(frozen=True)
class Hals:
    """Hierarchical alternating least squares with adaptive sweeps and extrapolation.

    Each half-step gives every row up to `sweeps` coordinate sweeps, until they have
    become small beside its first one [1]_. Then the factor is extrapolated [2]_. If
    the objective rises, the fit goes on from the pair that was measured, with less
    momentum; the best pair measured is what it returns.

    Parameters
    ----------
    tol : float
        Converged when the residual ‖projected gradient‖ / (‖XHᵀ − l1‖ + ‖XᵀW − l1‖),
        both halves together and with the components' scales balanced, is at most `tol`
        in two iterations in a row that are no restarts; or when five iterations have
        decreased the objective by less than 1e-7 of it (float32: 1e-6).
    sweeps : int
        Most sweeps for a row in a half-step.
    settled : float
        A row is done after a sweep whose squared step is at most this share of that of
        its first sweep.

    Notes
    -----
    An iteration costs 4·nnz·k flops for the products, read from X once, and
    (n_samples + n_features)·k² multiply-adds a sweep and for each Gram matrix. Memory:
    three arrays of the size of each factor; by columns one more of the size of W.

    References
    ----------
    .. [1] Gillis & Glineur, "Accelerated multiplicative updates and hierarchical ALS
       algorithms for nonnegative matrix factorization", Neural Computation 24 (2012)
       1085-1105, https://doi.org/10.1162/NECO_a_00256
    .. [2] Ang & Gillis, "Accelerating nonnegative matrix factorization algorithms using
       extrapolation", Neural Computation 31 (2019) 417-439,
       https://doi.org/10.1162/neco_a_01157
    """

    name: ClassVar[str] = "hals"
    requires: ClassVar[frozenset[str]] = frozenset({"quadratic"})
    measure: ClassVar[str] = "residual"
    tol: float = 1e-4
    sweeps: int = 8
    settled: float = 0.01

    def start(self, problem: Problem, W: Array, Ht: Array) -> HalsState:
        """Scale the factors; one product with X, which the first iteration goes on with."""
        X = problem.X
        product = matmul(X, Ht)
        gram_H, gram_W = gram(Ht, X.n_threads), gram(W, X.n_threads)
        scale = scaling.best_scale(W, product, gram_H, gram_W, problem.penalty_W)
        d = scaling.balance(
            W,
            Ht,
            gram_W.diagonal() * scale**2,
            gram_H.diagonal(),
            problem.penalty_W,
            problem.penalty_H,
        )
        W *= (scale * d).astype(W.dtype)
        Ht /= d.astype(Ht.dtype)
        product /= d.astype(product.dtype)
        return HalsState(
            W=W,
            Ht=Ht,
            start_W=W,
            start_H=Ht,
            plain_W=W,
            plain_H=Ht,
            spare_W=np.empty_like(W),
            spare_H=np.empty_like(Ht),
            extra_W=np.empty_like(W),
            extra_H=np.empty_like(Ht),
            gram_H=gram(Ht, X.n_threads),
            product=product,
        )

    def iterate(self, problem: Problem, state: HalsState) -> Progress:
        """One half-step in W and one in H, with extrapolation."""
        return drive(problem.X, self.iteration(problem, state))

    def iteration(self, problem: Problem, state: HalsState) -> Iteration:
        """Return the iteration as half-steps that can share a pass."""
        momentum = 0.0 if self._pauses(problem, state) else state.momentum
        how = Adaptive(self.sweeps, self.settled, momentum)
        rows_W, rows_H = state.arrays("W"), state.arrays("H")
        pair = yield from _solve_pair(problem, state, rows_W, rows_H, how)
        return self._conclude(problem, state, pair)

    def finish(
        self,
        problem: Problem,  # noqa: ARG002
        state: HalsState,
    ) -> tuple[Array, Array]:
        """Return the best pair measured."""
        return state.W, state.Ht

    def _pauses(self, problem: Problem, state: HalsState) -> bool:
        """Whether the iteration goes without momentum."""
        if state.pause > 0:
            state.pause -= 1
            return True
        tiny = FLOOR[problem.X.dtype] * 0.5 * problem.X.stats().sum_sq
        if state.last < tiny:
            return True  # the objective's differences are rounding
        reset = problem.X.dtype == np.float32 and state.n_iter % RESET_FLOAT32 == 0
        return bool(reset and state.n_iter > 0)

    def _conclude(self, problem: Problem, state: HalsState, pair: Pair) -> Progress:
        """Keep the pair if it is the best one; go on from it, or beyond it."""
        W, Ht = pair.rows_W.result, pair.rows_H.solved
        restart = bool(pair.objective > state.last)
        state.last = pair.objective
        state.restarts = np.append(state.restarts, restart)[-WINDOW:]
        best_W, best_H = state.W, state.Ht
        if pair.objective <= state.best:
            state.best, best_W, best_H = pair.objective, W, Ht
        residual = pair.residual()
        if restart:
            state.cap, state.momentum = state.momentum, state.momentum / SHRINKAGE
            state.go_on("W", W, W, best_W)
            state.go_on("H", Ht, Ht, best_H)
            state.gram_H = pair.gram_Hn
            if problem.X.by_columns and problem.X.shared_gram:
                state.product = matmul(problem.X, Ht)
            else:
                state.product = None
            if np.count_nonzero(state.restarts) > WINDOW // 2:
                state.pause, state.restarts = PAUSE, state.restarts[:0]
        else:
            state.momentum = min(state.cap, GROWTH * state.momentum)
            state.cap = min(1.0, CAP_GROWTH * state.cap)
            state.go_on("W", W, pair.rows_W.solved, best_W)
            state.go_on("H", pair.rows_H.result, Ht, best_H)
            state.gram_H = pair.gram_Hx
            state.product = pair.product
        return Progress(
            objective=np.array([pair.objective]),
            residual=np.array([residual]),
            decrease=np.array([pair.decrease]),
            converged=np.array(
                [self._converged(problem, state, pair, residual, restart)]
            ),
            sweeps=pair.sweeps,
        )

    def _converged(
        self,
        problem: Problem,
        state: HalsState,
        pair: Pair,
        residual: float,
        restart: bool,
    ) -> bool:
        state.decreases = np.append(state.decreases, pair.decrease)[-SETTLED_WITHIN:]
        if self.tol == 0:
            return False
        if residual <= self.tol and not restart:
            state.quiet += 1
        else:
            state.quiet = 0
        least = LEAST_DECREASE[problem.X.dtype] * pair.objective
        still = (
            state.decreases.size == SETTLED_WITHIN and state.decreases.sum() <= least
        )
        return state.quiet >= 2 or bool(still)


@dataclass(frozen=True, eq=False, repr=False)
class Pair:
    """Both factors after an iteration and what is known of them."""

    rows_W: RowArrays
    rows_H: RowArrays
    report_W: SolveReport
    report_H: SolveReport
    gram_W: Array
    gram_Hn: Array
    gram_Hx: Array
    product: Array | None
    objective: float

    @property
    def decrease(self) -> float:
        """Exact decrease of both half-steps, from the extrapolated point."""
        return float(self.report_W.decrease + self.report_H.decrease)

    @property
    def sweeps(self) -> float:
        """Sweeps per row, on average."""
        n_rows = self.rows_W.solved.shape[0] + self.rows_H.solved.shape[0]
        return float((self.report_W.sweeps + self.report_H.sweeps) / n_rows)

    def residual(self) -> float:
        """‖projected gradient‖ over ‖XHᵀ − l1‖ + ‖XᵀW − l1‖, components balanced.

        Multiplying a column of W by d and dividing that of H by d divides the gradient
        of W by d; d² = ‖h‖/‖w‖ balances them.
        """
        square_W, square_H = self.gram_W.diagonal(), self.gram_Hn.diagonal()
        alive = (square_W > 0) & (square_H > 0)
        d = np.ones_like(square_W)
        d[alive] = np.sqrt(square_H[alive] / square_W[alive])
        projected_W, linear_W = self.report_W.measures / d
        projected_H, linear_H = self.report_H.measures * d
        gradient = np.sqrt(projected_W.sum() + projected_H.sum())
        size = np.sqrt(linear_W.sum()) + np.sqrt(linear_H.sum())
        return float(gradient / size) if size > 0 else 0.0


def _solve_pair(
    problem: Problem,
    state: HalsState,
    rows_W: RowArrays,
    rows_H: RowArrays,
    how: Adaptive,
) -> Generator[HalfStep, HalfSums, Pair]:
    """Solve for W, then for H, and measure the objective of the pair."""
    X, n = problem.X, problem.X.n_threads
    by_columns = X.by_columns and X.shared_gram
    if state.product is None:
        sums = yield half_step(
            rows_W, state.start_H, state.gram_H, problem.penalty_W, how
        )
        report_W, gram_W, rhs = sums.report, sums.gram, sums.rhs
    else:
        report_W = solve_half(
            rows_W, state.product, state.gram_H, problem.penalty_W, how, n, True
        )
        gram_W = report_W.gram_result
        rhs = None if by_columns else rmatmul(X, rows_W.result)
    product = None
    if by_columns:
        sums = yield half_step(
            rows_H, rows_W.result, gram_W, problem.penalty_H, how, by_columns=True
        )
        report_H, product, gram_Hx = sums.report, sums.rhs, sums.gram
        gram_Hn = gram(rows_H.solved, n)
    else:
        report_H = solve_half(rows_H, rhs, gram_W, problem.penalty_H, how, n, True)
        gram_Hn, gram_Hx = report_H.gram_solved, report_H.gram_result
    square = gram_square(rows_H.solved, gram_W, gram_Hn)
    loss = problem.loss.from_products(X, float(report_H.cross), square)
    if gram_W.ndim == 3:
        gram_W = gram(rows_W.result, n)
    objective = loss + sum(
        penalty.value(scaling.column_sums(A), G) if not penalty.is_zero else 0.0
        for penalty, A, G in (
            (problem.penalty_W, rows_W.result, gram_W),
            (problem.penalty_H, rows_H.solved, gram_Hn),
        )
    )
    return Pair(
        rows_W, rows_H, report_W, report_H, gram_W, gram_Hn, gram_Hx, product, objective
    )
