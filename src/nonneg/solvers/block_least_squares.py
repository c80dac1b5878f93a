"""Least squares by batches of rows: H moves after each batch, by exact sums over all rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.interfaces import LossBase, Operand, Problem, Progress, SolverBase, State
from ..base.passes import Passes
from ..kernels import Adaptive, Exact, Method, RowArrays, SolveReport, gram
from ..kernels.quadratic_steps import ModelSums
from ..operands.base import matmul, rmatmul
from ..operands.streamed.row_batches import RowBatch, RowBatches
from .steps.batch_problem import own_state, scaled
from .steps.half_steps import (
    HalfStepProgram,
    half_step,
    run_half_steps,
    solve_half_of,
)
from .steps.momentum import NEARLY
from .steps.quadratic_iteration import IterationStart, Pair, penalties, solve_W

REFRESH = 20
"""Passes after which XᵀW and WᵀW are computed anew, as rounding adds up in them."""
WARM_UP, WARM_SHARE, WARM_ROWS = 10, 0.01, 50
"""At most WARM_UP iterations on the first batch alone come before the first pass; they end
when one gains at most WARM_SHARE of the total gain. A batch of fewer than WARM_ROWS rows a
component gets none, as H would learn these few rows by heart (D-BLOCKS-WARM-UP)."""
LEAST_DECREASE = {np.dtype(np.float64): 2e-8, np.dtype(np.float32): 2e-7}
"""Share of the objective by which a pass must decrease it for the fit to go on."""


@dataclass(eq=False)
class BlockLeastSquaresState(State):
    """The factors, XᵀW and WᵀW over the rows seen so far, and this pass's measures."""

    rhs: NDArray[np.float64]
    gram_W: NDArray[np.float64]
    gram_H: NDArray[np.float64]
    measures: NDArray[np.float64]
    """`SolveReport.measures`, summed over the rows of this pass."""
    seen: int = 0
    """Number of rows that the sums are made of."""
    steps: int = 0
    """Number of batches done."""
    residual: float = np.nan
    """Residual of the last pass."""
    last: float = np.inf
    """Objective at the end of the last pass."""
    quiet: int = 0
    """Number of passes in a row whose residual was at most `tol`."""


@dataclass(frozen=True, eq=False)
class BlockLeastSquares(SolverBase):
    """Coordinate descent that updates H after each batch of rows [1]_.

    The rows of W of a batch are solved for beside the current H. Then XᵀW and WᵀW, which
    are sums over all rows, are corrected by what these rows have changed in them:
    X_bᵀ(W_b − W_b before), and the difference of the Gram matrices. H is solved for by
    the corrected sums. Once all rows have been seen, each step decreases the objective
    of all of X. Before that, a feature without any entry so far keeps its row of Hᵀ:
    a row of zeros could not serve the rows of X that have the feature. With `stream` the
    rows of each step are new ones, and the sums only grow [2]_.

    Parameters
    ----------
    batches : sequence of RowBatch
        The batches of the problem's X. Each step takes the next one, and after the last
        the first again.
    tol : float
        The fit has converged when the residual of "hals", summed up over a pass, is at
        most `tol` in two passes in a row and the last of them has decreased the objective
        by at most 0.3·`tol` of it, or when a pass has decreased the objective by
        less than 2e-8 of it (float32: 2e-7). With 0 it never has.
    sweeps : int
        Most sweeps for a row in a step, see `Adaptive`.
    settled : float
        Share of the first sweep's squared step at which a row is done, see `Adaptive`.
    exact_rows : bool
        Solve for the rows of W exactly in each step.
    stream : bool
        Whether the rows of each step are new ones, seen once.
    by_pass : bool
        Whether an iteration is a pass over all batches, in place of one step. If so, the
        first batch, where it is large enough, is iterated on several times before the
        first pass, so that the other batches meet an H that is of some use.

    Notes
    -----
    A pass reads X once, one batch at a time, and costs 4·nnz·k flops for the products
    and, for each batch, n_features·k² multiply-adds a sweep. Nothing is kept of a batch
    but its rows of W.

    References
    ----------
    .. [1] Yin, Gao & Zhang, "Scalable nonnegative matrix factorization with block-wise
       updates", Machine Learning and Knowledge Discovery in Databases (2014) 337-352,
       https://doi.org/10.1007/978-3-662-44845-8_22
    .. [2] Mairal, Bach, Ponce & Sapiro, "Online learning for matrix factorization and
       sparse coding", Journal of Machine Learning Research 11 (2010) 19-60,
       https://doi.org/10.48550/arXiv.0908.0050
    """

    name: ClassVar[str] = "incremental"
    requires: ClassVar[frozenset[str]] = frozenset({"quadratic"})
    measure: ClassVar[str] = "residual"
    tells_objective: ClassVar[bool] = True
    arrays: ClassVar[int] = 6
    batches: Sequence[RowBatch]
    tol: float = 1e-4
    sweeps: int = 4
    settled: float = 0.01
    exact_rows: bool = False
    stream: bool = False
    by_pass: bool = False

    def require(self, loss: LossBase, X: Operand) -> None:  # noqa: ARG002
        """Refuse an X with missing entries: rows of W would not share their Gram."""
        if not X.shared_gram:
            msg = (
                "Exact statistics need an X without missing entries or weights. Pass "
                "exact_statistics=False."
            )
            raise ValueError(msg)

    def passes(self, X: Operand, update_H: bool) -> Passes:  # noqa: ARG002
        """Return two passes over a batch, or over X; the end is a solve for W."""
        return Passes(0, 2, 1)

    def start(self, problem: Problem, W: Array, Ht: Array) -> BlockLeastSquaresState:
        """Return the state before the first step, when no row of X has been seen."""
        k = Ht.shape[1]
        gram_H = gram(Ht, problem.X.n_threads)
        sums = np.zeros(Ht.shape), np.zeros((k, k))
        return BlockLeastSquaresState(W, Ht, *sums, gram_H, np.zeros((2, k)))

    def resume(
        self, problem: Problem, state: State, W: Array
    ) -> BlockLeastSquaresState:
        """Return a state that goes on from `state` with other rows of W.

        `state` itself is not changed.
        """
        state = own_state(state, BlockLeastSquaresState)
        gram_H = gram(state.Ht, problem.X.n_threads)
        return dataclasses.replace(state, W=W, gram_H=gram_H)

    def release(self) -> None:
        """Let go of what was read or copied for the batches."""
        if isinstance(self.batches, RowBatches):
            self.batches.release()

    def iterate(self, problem: Problem, state: BlockLeastSquaresState) -> Progress:
        """Do one step, for the rows of the next batch and then H; by pass, all steps."""
        if self.by_pass and state.steps == 0:
            self._warm_up(problem, state)
        progress = self._step(problem, state)
        while self.by_pass and state.steps % len(self.batches):
            progress = self._step(problem, state)
        return progress

    def _step(self, problem: Problem, state: BlockLeastSquaresState) -> Progress:
        batch = self.batches[state.steps % len(self.batches)]
        progress = run_half_steps(batch.X, self._iteration(problem, state, batch))
        state.steps += 1
        return progress

    def _warm_up(self, problem: Problem, state: BlockLeastSquaresState) -> None:
        """Iterate on the first batch alone; its rows don't count as seen after it."""
        batch, total = self.batches[0], 0.0
        n_rows = batch.rows.stop - batch.rows.start
        if len(self.batches) == 1 or n_rows < WARM_ROWS * state.Ht.shape[1]:
            return
        for _ in range(WARM_UP):
            progress = run_half_steps(batch.X, self._iteration(problem, state, batch))
            for sums in (state.rhs, state.gram_W, state.measures):
                sums[...] = 0
            state.seen = 0
            assert progress.decrease is not None
            total += float(progress.decrease[0])
            if progress.decrease[0] <= WARM_SHARE * total:
                return

    def polish(
        self, problem: Problem, state: BlockLeastSquaresState
    ) -> Progress | None:
        """Solve for W exactly beside the final H, as `transform` does."""
        start = IterationStart(state.Ht, state.gram_H, None)
        return run_half_steps(problem.X, _polishing(problem, state, start))

    def finish(
        self,
        problem: Problem,  # noqa: ARG002
        state: BlockLeastSquaresState,
    ) -> tuple[Array, Array]:
        """Return the factors as they are."""
        return state.W, state.Ht

    def _iteration(
        self, problem: Problem, state: BlockLeastSquaresState, batch: RowBatch
    ) -> HalfStepProgram:
        rows = state.W[batch.rows]
        old = rows.copy()
        sums = yield half_step(
            RowArrays(old, rows),
            state.Ht,
            state.gram_H,
            problem.penalty_W,
            self._method_W(),
            accumulate=False,
        )
        report_H = self._move_H(problem, state, batch, rows, old)
        return self._measure_step(problem, state, sums, report_H)

    def _method_W(self) -> Method:
        if self.exact_rows:
            return Exact(sweeps=16 if self.stream else 0)
        return Adaptive(self.sweeps, self.settled)

    def _move_H(
        self,
        problem: Problem,
        state: BlockLeastSquaresState,
        batch: RowBatch,
        rows: Array,
        old: Array,
    ) -> SolveReport:
        """Correct the sums by the batch's change and sweep over H.

        No array of the state but W is written in place, so that an interrupt leaves the H
        of the step before.
        """
        n_threads, n_samples = problem.X.n_threads, problem.X.shape[0]
        first = self.stream or state.steps < len(self.batches)
        seen = state.seen + (rows.shape[0] if first else 0)
        gram_W = state.gram_W + gram(rows, n_threads)
        if first:
            change = rows
        else:
            gram_W -= gram(old, n_threads)
            change = np.subtract(rows, old, out=old)
        rhs = state.rhs + rmatmul(batch.X, change)
        Ht = np.empty_like(state.Ht)
        report = solve_half_of(
            batch.X,
            RowArrays(state.Ht, Ht),
            rows,
            rhs,
            gram_W,
            scaled(problem.penalty_H, seen / n_samples),
            Adaptive(self.sweeps, self.settled),
            grams=True,
            by_columns=True,
        )
        gram_H = report.gram_solved
        if seen < n_samples and not self.stream:
            unseen = ~rhs.any(axis=1)
            if unseen.any():
                Ht[unseen] = state.Ht[unseen]
                gram_H = gram(Ht, n_threads)
        state.rhs, state.gram_W, state.seen = rhs, gram_W, seen
        state.Ht, state.gram_H = Ht, gram_H
        return report

    def _measure_step(
        self,
        problem: Problem,
        state: BlockLeastSquaresState,
        sums: ModelSums,
        report_H: SolveReport,
    ) -> Progress:
        """Report the objective of X, if all rows were seen; after a pass the residual."""
        number, p = state.steps + 1, len(self.batches)
        report_W = sums.report
        complete = not self.stream and number >= p
        objective = np.nan
        if complete:
            square = float(np.sum(state.gram_W * state.gram_H))
            objective = problem.loss.from_products(problem.X, report_H.cross, square)
            grams = state.gram_W, state.gram_H
            objective += penalties(problem, state.W, state.Ht, *grams)
        state.measures = state.measures + report_W.measures
        converged = False
        if complete and number % p == 0:
            converged = self._at_end_of_pass(problem, state, report_H, objective)
        swept = float(report_W.sweeps + report_H.sweeps)
        batch = self.batches[state.steps % p]
        return Progress(
            objective=np.array([objective]),
            residual=np.array([state.residual]),
            decrease=np.array([float(report_W.decrease + report_H.decrease)]),
            converged=np.array([converged]),
            sweeps=swept / sum(batch.X.shape),
        )

    def _at_end_of_pass(
        self,
        problem: Problem,
        state: BlockLeastSquaresState,
        report_H: SolveReport,
        objective: float,
    ) -> bool:
        """Compute the residual of the pass; return whether the fit has converged."""
        rows_W, rows_H = RowArrays(state.W, state.W), RowArrays(state.Ht, state.Ht)
        report_W = SolveReport(0.0, 0.0, measures=state.measures)
        grams = state.gram_W, state.gram_H, state.gram_H
        pair = Pair(rows_W, rows_H, report_W, report_H, *grams, None, objective)
        state.residual = pair.residual()
        state.measures = np.zeros_like(state.measures)
        gained, state.last = state.last - objective, objective
        state.quiet = state.quiet + 1 if state.residual <= self.tol else 0
        if (state.steps + 1) % (REFRESH * len(self.batches)) == 0:
            state.rhs = rmatmul(problem.X, state.W).astype(np.float64)
            state.gram_W = gram(state.W, problem.X.n_threads)
        if self.tol == 0:
            return False
        still = bool(gained <= LEAST_DECREASE[problem.X.dtype] * abs(objective))
        slow = bool(gained <= NEARLY * self.tol * abs(objective))
        return (state.quiet >= 2 and slow) or still


def _polishing(
    problem: Problem, state: BlockLeastSquaresState, start: IterationStart
) -> HalfStepProgram:
    product = matmul(problem.X, start.Ht) if problem.X.by_columns else None
    start = start._replace(product=product)
    report, objective = yield from solve_W(problem, state.W, start, Exact())
    return Progress(
        objective=np.array([objective]),
        residual=np.array([np.nan]),
        decrease=np.array([float(report.decrease)]),
        converged=np.array([True]),
        sweeps=float(report.sweeps) / state.W.shape[0],
    )
