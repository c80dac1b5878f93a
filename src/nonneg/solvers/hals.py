"""Solver "hals": coordinate sweeps with extrapolation and restart, the fast one."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.interfaces import Operand, Problem, Progress, SolverBase
from ..base.passes import Passes
from ..base.records import Stretch
from ..kernels import Adaptive, Exact, Method, RowArrays, SolveReport, gram
from ..kernels.factor_rows import (
    column_squares,
    copy_rows,
    divide_columns,
    scale_columns,
)
from ..operands.base import matmul, square_of
from ..operands.units import unit_of
from .registry import solvers
from .steps import balancing, extrapolated_stretch
from .steps.half_steps import HalfStepProgram, run_half_steps
from .steps.momentum import SETTLED_WITHIN, ExtrapolatedState
from .steps.quadratic_iteration import (
    IterationStart,
    Pair,
    factor_penalties,
    solve_pair,
    solve_W,
    start_value,
)
from .steps.revival import can_revive, dead_components, revived
from .steps.sweep_costs import cost_ratio, most_sweeps

COLD = Exact(sweeps=16)
"""Method for rows that start from zero."""
WARM = {np.dtype(np.float64): Exact(sweeps=4), np.dtype(np.float32): Exact(sweeps=8)}
"""Method for rows at the end of a fit that start from its last W (D-CORE-EXACT-SWEEPS)."""
RESET_FLOAT32 = 50
"""In float32 every so many iterations one goes without momentum."""
FLOOR = {np.dtype(np.float64): 1e-11, np.dtype(np.float32): 1e-5}
"""Share of ½‖X‖² below which differences of objectives from products are rounding."""
DOUBTFUL = {np.dtype(np.float64): 0.0, np.dtype(np.float32): 1e-4}
"""Share of ½‖X‖² below which the objective is computed entry by entry, by one more pass: with
columns of unequal sizes, products in float32 err by 1e-6 of ½‖X‖² (D-HALS-ENTRIES)."""
EXACT = {np.dtype(np.float64): 1e-11, np.dtype(np.float32): 1e-8}
"""Share of ½‖X‖² below which a fit counts as exact, and the residual alone ends it."""
MOST_REVIVALS = 10
"""Most times that a fit revives dead components."""


@solvers.register("hals")
@dataclass(frozen=True)
class Hals(SolverBase):
    """Hierarchical alternating least squares with adaptive sweeps and extrapolation.

    Each half-step gives every row up to `sweeps` coordinate sweeps, fewer once a sweep
    moves the row little beside its first one [1]_. Then the factor is extrapolated
    [2]_. If the objective rises, the fit goes on from the pair of factors that was
    measured, with less momentum. The fit returns the best pair measured.

    Parameters
    ----------
    tol : float
        The fit has converged when the residual ‖projected gradient‖ / (‖XHᵀ − l1‖ +
        ‖XᵀW − l1‖), over both half-steps and with balanced components, is at most `tol`
        in two iterations in a row that are no restarts, and five iterations have
        decreased the objective by at most 0.3·`tol` of it; or when they have by less than
        1e-7 of it (float32: 1e-6).
    sweeps : int or None
        Most sweeps for a row in a half-step; None takes 2 to 16, the more the more a product
        with X costs beside a sweep [1]_.
    settled : float
        A row is done after a sweep whose squared step is at most this share of the
        squared step of its first sweep.

    Notes
    -----
    An iteration costs 4·nnz·k flops for the products, read from X once, and
    (n_samples + n_features)·k² multiply-adds for each sweep and each Gram matrix.
    Memory: three arrays of the size of each factor, and one more of the size of W
    where X is read by columns.

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
    arrays: ClassVar[int] = 6
    by_parts: ClassVar[bool] = True
    rows_on_disk: ClassVar[bool] = True
    rows_on_workers: ClassVar[bool] = True
    solves_W_exactly: ClassVar[bool] = True
    tells_objective: ClassVar[bool] = True
    reads_once_for_W: ClassVar[bool] = True
    shares_passes: ClassVar[bool] = True
    compressible: ClassVar[bool] = True
    advances: ClassVar[bool] = True
    recasts: ClassVar[bool] = True
    warms_up_by_blocks: ClassVar[bool] = True
    weight_power: ClassVar[float | None] = 0.5
    imputes: ClassVar[bool] = True
    tol: float = 1e-4
    sweeps: int | None = None
    settled: float = 0.01

    def iteration_limit(self, update_H: bool) -> int | None:
        """Limit the fit to one iteration, an exact solve, where H is fixed."""
        return None if update_H else 1

    def passes(self, X: Operand, update_H: bool) -> Passes:
        """Return one pass an iteration; the end is a plain iteration and a solve for W.

        The first iteration uses the product of the start. Where X is read by rows it makes a
        product of its own with X, which models can't share.
        """
        apart = int(X.shared_gram and not X.by_columns)
        return Passes(1, 1, 2, apart=apart) if update_H else Passes(0, 1, 0)

    def start(self, problem: Problem, W: Array, Ht: Array) -> ExtrapolatedState:
        """Scale the factors by one product with X, which the first iteration uses again."""
        X = problem.X
        product = None
        if problem.update_H:
            product = matmul(X, Ht)
            known = extrapolated_stretch.balanced(problem, W, Ht, product)
            if known is not None:
                return ExtrapolatedState.from_start(W, Ht, known[0], product, known[1])
            _scale(problem, W, Ht, product)
        gram_H = gram(Ht, X.n_threads) if problem.gram_H is None else problem.gram_H
        value = None
        if problem.update_H:
            value = start_value(problem, W, Ht, product, gram_H)
        if not X.shared_gram:
            product = None  # each iteration makes its own products
        return ExtrapolatedState.from_start(W, Ht, gram_H, product, value)

    def go_on(
        self, problem: Problem, W: Array, Ht: Array, gram_H: Array, objective: float
    ) -> ExtrapolatedState:
        """Return the state at factors that another solver has reached.

        Costs no pass over X, unless X is read by columns.
        """
        X = problem.X
        product = matmul(X, Ht) if X.by_columns and X.shared_gram else None
        return ExtrapolatedState.from_start(W, Ht, gram_H, product, objective)

    def recast(self, problem: Problem, state: ExtrapolatedState) -> None:
        """Go on in the dtype of X; costs a product where X is read by columns."""
        X = problem.X
        state.cast(X.dtype)
        state.gram_H = gram(state.start_H, X.n_threads)
        state.product = matmul(X, state.start_H) if X.by_columns else None
        state.quiet = 0  # residuals of the new dtype have to be within `tol`

    def iterate(self, problem: Problem, state: ExtrapolatedState) -> Progress:
        """Do one half-step in W and one in H, with extrapolation."""
        return run_half_steps(problem.X, self.iteration(problem, state))

    def iteration(self, problem: Problem, state: ExtrapolatedState) -> HalfStepProgram:
        """Return the iteration as half-steps that can share a pass."""
        if not problem.update_H:
            start = _take_start(state)
            report, objective = yield from solve_W(problem, state.W, start, COLD)
            return _certified(report, objective, state.W.shape[0], residual=0.0)
        momentum = 0.0 if self.pauses(problem, state) else state.momentum
        rows_W, rows_H = state.arrays("W"), state.arrays("H")
        pair = yield from solve_pair(
            problem,
            _take_start(state),
            rows_W,
            rows_H,
            self.method(problem, momentum, state),
        )
        return self._accept_pair(problem, state, pair)

    def advance(
        self, problem: Problem, state: ExtrapolatedState, most: int
    ) -> Stretch | None:
        """Do at most so many iterations in one call of the core."""
        method = self.method(problem, 0.0, state)
        if not (problem.update_H and isinstance(method, Adaptive)):
            return None
        X = problem.X
        half = 0.5 * X.stats().sum_sq
        doubtful, exact = DOUBTFUL[X.dtype] * half, EXACT[X.dtype] * half
        judged = half, doubtful, max(doubtful, exact) if unit_of(X) else exact
        rule = self.tol, RESET_FLOAT32 if X.dtype == np.float32 else 0

        def accept(pair: Pair) -> Progress:
            return self._accept_pair(problem, state, pair)

        return extrapolated_stretch.advance(
            problem, state, method, rule, judged, accept, most
        )

    def polish(self, problem: Problem, state: ExtrapolatedState) -> Progress | None:
        """Do one plain iteration from the best pair, then solve for W exactly."""
        if not problem.update_H:
            return None
        method, done = self.method(problem, 0.0, state), None
        if isinstance(method, Adaptive):
            methods = method, _last_method(problem)
            done = extrapolated_stretch.polish(problem, state, methods)
        if done is None:
            return run_half_steps(problem.X, self._polishing(problem, state))
        n_rows = state.W.shape[0]
        return _certified(done.report, done.objective, n_rows, done.residual)

    def best_objective(
        self,
        problem: Problem,  # noqa: ARG002
        state: ExtrapolatedState,
    ) -> float | None:
        """Return the objective of the best pair measured."""
        return state.best

    def finish(
        self,
        problem: Problem,  # noqa: ARG002
        state: ExtrapolatedState,
    ) -> tuple[Array, Array]:
        """Return the best pair measured."""
        return state.W, state.Ht

    def method(
        self, problem: Problem, momentum: float, state: ExtrapolatedState
    ) -> Method:
        """Return the method of the half-steps of an iteration."""
        sweeps = self.sweeps or most_sweeps(problem.X, state.Ht.shape[1])
        return Adaptive(sweeps, self.settled, momentum)

    def sweeps_for(self, X: Operand, k: int) -> tuple[int, str] | None:
        """Return the most sweeps for a row in a half-step, and the reason."""
        if self.sweeps:
            return self.sweeps, "as asked for"
        ratio = cost_ratio(X, k)
        return most_sweeps(X, k), (
            "at most for a row in a half-step: the rest of an iteration costs about "
            f"{ratio - 1:.2g} sweeps"
        )

    def _polishing(self, problem: Problem, state: ExtrapolatedState) -> HalfStepProgram:
        W, Ht, n = state.W, state.Ht, problem.X.n_threads
        product = matmul(problem.X, Ht) if problem.X.by_columns else None
        start = IterationStart(
            Ht, gram(Ht, n), product if problem.X.shared_gram else None
        )
        # the best pair stays as it is until the new one is complete
        rows_W, rows_H = (
            RowArrays(A, other)
            for A, other in ((W, state.other("W")), (Ht, state.other("H")))
        )
        pair = yield from solve_pair(
            problem, start, rows_W, rows_H, self.method(problem, 0.0, state)
        )
        if pair.objective <= state.best:
            W, Ht, product = rows_W.solved, rows_H.solved, pair.product
            start = IterationStart(Ht, pair.gram_Hn, product)
        solved = W if W is not state.W else state.other("W")
        copy_rows(solved, W)
        last = _last_method(problem)
        report, objective = yield from solve_W(problem, solved, start, last)
        if np.isfinite(objective):
            # above the best objective by rounding at most; `transform` finds this W again
            state.W, state.Ht, state.best = solved, Ht, objective
        return _certified(report, objective, solved.shape[0], pair.residual())

    def pauses(self, problem: Problem, state: ExtrapolatedState) -> bool:
        """Whether this iteration goes without momentum; count a pause down."""
        if state.pause > 0:
            state.pause -= 1
            return True
        if is_blind(problem, state.last):
            return True
        reset = problem.X.dtype == np.float32 and state.n_iter % RESET_FLOAT32 == 0
        return bool(reset and state.n_iter > 0)

    def _accept_pair(
        self, problem: Problem, state: ExtrapolatedState, pair: Pair
    ) -> Progress:
        """Keep the pair if it is the best one, and set where the next iteration starts."""
        pair = _measured(problem, pair)
        blind = is_blind(problem, pair.objective)
        residual = pair.residual()
        state.decreases[state.n_iter % SETTLED_WITHIN] = pair.decrease
        restart = state.advance(pair.rows_W, pair.rows_H, pair.objective, blind)
        if restart:
            state.gram_H = pair.gram_Hn
            state.product = (
                matmul(problem.X, state.start_H) if pair.product is not None else None
            )
        else:
            state.gram_H, state.product = pair.gram_Hx, pair.product
        converged = state.is_settled(residual, restart, self.tol, not blind)
        objective = pair.objective
        if _dead(pair).any() and not blind and _revive(problem, state):
            objective, converged = state.best, False
        return Progress(
            objective=np.array([objective]),
            residual=np.array([residual]),
            decrease=np.array([pair.decrease]),
            converged=np.array([converged]),
            sweeps=pair.sweeps,
        )


def _last_method(problem: Problem) -> Exact:
    """Return the method of the solve for W at the end of a fit."""
    return WARM[problem.X.dtype] if problem.X.shared_gram else Exact()


def _dead(pair: Pair) -> NDArray[np.bool_]:
    return dead_components(pair.gram_W.diagonal(), pair.gram_Hn.diagonal())


def _revive(problem: Problem, state: ExtrapolatedState) -> bool:
    """Revive dead components of the best pair and go on from it; return whether any were."""
    dead = dead_components(column_squares(state.W), column_squares(state.Ht))
    is_spent = state.revivals >= MOST_REVIVALS
    if is_spent or not dead.any() or not can_revive(problem):
        return False
    state.revivals += 1
    W, Ht, decrease = revived(problem, state.W, state.Ht, dead)
    if not decrease > 0:
        return False
    state.begin_anew(W, Ht, state.best - decrease)
    state.gram_H = gram(Ht, problem.X.n_threads)
    state.product = matmul(problem.X, Ht) if problem.X.by_columns else None
    return True


def is_blind(problem: Problem, objective: float) -> bool:
    """Whether differences between objectives of this size are rounding alone."""
    X = problem.X
    share = FLOOR[X.dtype] if X.is_sketch else EXACT[X.dtype]
    return bool(objective < share * 0.5 * X.stats().sum_sq)


def _measured(problem: Problem, pair: Pair) -> Pair:
    """Return the pair with its objective entry by entry where products leave no digit."""
    X = problem.X
    doubtful = DOUBTFUL[X.dtype] * 0.5 * X.stats().sum_sq
    if X.is_sketch or not pair.objective < doubtful:
        return pair
    W, Ht = pair.rows_W.result, pair.rows_H.solved
    loss = problem.loss.value_by_entries(X, W, Ht)
    objective = loss + factor_penalties(problem, W, Ht)
    return dataclasses.replace(pair, objective=objective)


def _take_start(state: ExtrapolatedState) -> IterationStart:
    """Return the start of the iteration; the state lets go of the product."""
    assert state.gram_H is not None
    start = IterationStart(state.start_H, state.gram_H, state.product)
    state.product = None
    return start


def _scale(problem: Problem, W: Array, Ht: Array, product: Array) -> None:
    """Give W its best scale and balance the components, in W, Ht and product = X·Ht."""
    n = problem.X.n_threads
    gram_H, gram_W = gram(Ht, n), gram(W, n)
    penalties = (problem.penalty_W, problem.penalty_H)
    square = square_of(problem.X, W, Ht, gram_W, gram_H)
    scale = balancing.best_scale(W, product, square, gram_W, problem.penalty_W)
    squares = (gram_W.diagonal(), gram_H.diagonal())
    d = balancing.balance(W, Ht, *squares, *penalties, scale)
    scale_columns(W, (scale * d).astype(W.dtype))
    Ht /= d.astype(Ht.dtype)
    divide_columns(product, d.astype(product.dtype))


def _certified(
    report: SolveReport, objective: float, n_rows: int, residual: float
) -> Progress:
    """Return the progress of an exact solve for W."""
    return Progress(
        objective=np.array([objective]),
        residual=np.array([residual]),
        decrease=np.array([float(report.decrease)]),
        converged=np.array([True]),
        sweeps=float(report.sweeps) / n_rows,
    )
