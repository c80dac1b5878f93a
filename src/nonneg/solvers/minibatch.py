"""Multiplicative updates by one batch of rows at a time, while earlier batches fade."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from ..base.arrays import Array
from ..base.interfaces import Operand, Problem, Progress, SolverBase, State
from ..base.passes import Passes
from ..kernels import column_sums, gram, inner
from ..kernels.beta_terms import multiplied, quotient
from ..kernels.term_records import TermSums
from ..operands.streamed.row_batches import Narrow, RowBatch
from .fixed_h_mu import relative_change, settled_rows
from .steps.batch_constraints import BatchConstraints
from .steps.batch_problem import on_batch, own_state, penalty_on_H
from .steps.batch_stopping import is_settled
from .steps.column_scaled import ScaledFactor, whole
from .steps.mu_steps import (
    by_products,
    least_entries,
    sums_for,
    terms_of,
    update_rows,
)
from .steps.quadratic_iteration import factor_penalties

CLOSE = {np.dtype(np.float64): 1e-7, np.dtype(np.float32): 1e-2}
"""Share of ½‖X‖² below which products are too inexact for a batch's loss."""
LEAST_SCALE = 1e-6
"""Smallest scale of a component of H; below it the scales are multiplied into H."""


@dataclass(eq=False)
class MiniBatchState(State):
    """The factors, the sums over earlier batches, and the smoothed cost.

    With p = rise + fall, H solves denominator·H^p + curvature·H^(1 + fall) = numerator.
    """

    denominator: Array
    """Sum over the batches of their positive terms and L1, (n_features, k), or (k,) where
    all rows agree."""
    numerator: Array | None = None
    """Sum over the batches of their negative terms times H^p; None where p = 1, since H
    and the denominator then give it."""
    curvature: Array | None = None
    """Sum over the batches of L2 penalties that are not part of the denominator."""
    scale: Array | None = None
    """Scale of each component: if set, Hᵀ is Ht·diag(scale)."""
    total: Array | None = None
    """Column sums of Hᵀ, where `scale` is set."""
    squares: Array | None = None
    """Column sums of the squares of Hᵀ, where `scale` is set."""
    rise: float = math.nan
    """Power `rise` of the loss whose terms are summed up, see `BetaTerms`."""
    fall: float = math.nan
    """Power `fall` of that loss."""
    smoothed: float = math.nan
    """Moving average of the cost per row."""
    lowest: float = math.inf
    """Smallest smoothed cost so far."""
    stale: int = 0
    """Number of steps since the smoothed cost was lowest."""


@dataclass(frozen=True, eq=False)
class MiniBatch(SolverBase):
    """A solver whose step updates one batch's rows of W, then H by all batches [1]_ [2]_.

    The batches' terms for H are summed up; at each step the sums so far are multiplied by
    `rho`. H minimises the majoriser that the sums belong to. The iterates are those of
    scikit-learn's `MiniBatchNMF`, to rounding, except that an L2 penalty on a
    β-divergence with β < 2 is minimised exactly.

    Parameters
    ----------
    batches : sequence of RowBatch
        The batches of the problem's X. Each step takes the next one, and after the last
        the first again.
    rho : float
        Factor of the sums over earlier batches at each step.
    tol : float
        The fit has converged when a step has changed H by at most this share of its norm;
        with 0 this rule never holds.
    max_no_improvement : int or None
        The fit has converged after so many steps without a new lowest smoothed cost.
    fresh : bool
        Whether each step solves for the batch's rows from a constant start, instead of
        updating them once from their last values.
    fresh_max_iter, final_max_iter : int
        Most multiplicative updates of such a solve for a batch's rows, and of the solve
        for all of W at the end.
    n_steps : int
        Number of steps of the whole fit, for the printed lines.
    verbose : bool
        Whether to print the cost of each step.
    sides : BatchConstraints or None
        Constraints on W and H. The majoriser is a sum over entries, and is minimised within
        them; each batch adds its share of the penalties on H.

    Notes
    -----
    A step costs its batch's share of an iteration of "mu", and a few operations on arrays
    of the size of H. For a sparse X, β = 1 and no L2 penalty on H, these operations
    touch only the rows of Hᵀ whose features occur in the batch.

    References
    ----------
    .. [1] Lefèvre, Bach & Févotte, "Online algorithms for nonnegative matrix
       factorization with the Itakura-Saito divergence", IEEE WASPAA (2011),
       https://doi.org/10.1109/ASPAA.2011.6082314
    .. [2] Févotte & Idier, "Algorithms for nonnegative matrix factorization with the
       β-divergence", Neural Computation 23 (2011) 2421-2456,
       https://doi.org/10.1162/NECO_a_00168
    """

    name: ClassVar[str] = "mini-batch"
    requires: ClassVar[frozenset[str]] = frozenset({"terms"})
    measure: ClassVar[str] = ""
    positive_start: ClassVar[bool] = True
    batches: Sequence[RowBatch]
    rho: float
    tol: float = 1e-4
    max_no_improvement: int | None = 10
    fresh: bool = False
    fresh_max_iter: int = 30
    final_max_iter: int = 200
    n_steps: int = 0
    verbose: bool = False
    sides: BatchConstraints | None = None

    def passes(self, X: Operand, update_H: bool) -> Passes:  # noqa: ARG002
        """Return one pass over a batch."""
        return Passes(0, 1, int(self.fresh))

    def start(self, problem: Problem, W: Array, Ht: Array) -> MiniBatchState:
        """Return the state before the first step; H counts as a batch with terms of 1."""
        terms = terms_of(problem)
        ones = np.ones(Ht.shape[1]) if terms.is_flat else np.ones_like(Ht)
        plain = terms.rise + terms.fall == 1
        return MiniBatchState(
            W, Ht, ones, None if plain else Ht.copy(),
            rise=terms.rise, fall=terms.fall,
        )  # fmt: skip

    def resume(
        self,
        problem: Problem,
        state: State,
        W: Array,
    ) -> MiniBatchState:
        """Return a state that goes on from `state` with other rows of W.

        `state` itself is not changed.
        """
        earlier, terms = own_state(state, MiniBatchState), terms_of(problem)
        if (earlier.rise, earlier.fall) != (terms.rise, terms.fall):
            msg = (
                "The model was fitted with another value of `beta_loss`, whose sums are "
                "of another kind. Set that one again, or fit a new model."
            )
            raise ValueError(msg)
        return dataclasses.replace(earlier, W=W, Ht=earlier.Ht.copy())

    def iterate(self, problem: Problem, state: MiniBatchState) -> Progress:
        """Do one step, by the next batch."""
        batch = self.batches[state.n_iter % len(self.batches)]
        n_rows, n_samples = batch.X.shape[0], problem.X.shape[0]
        narrow = batch.narrow if self._can_be_narrow(problem, state) else None
        if narrow is None:
            cost, change = self._step(problem, state, batch)
        else:
            cost, change = self._narrow_step(problem, state, batch, narrow)
        cost /= n_rows
        # a batch of zeros does not move H, and says nothing about convergence
        moving = change if batch.X.stats().sum_sq > 0 else math.inf
        converged = is_settled(self, state, cost, moving, n_rows / (n_samples + 1))
        return Progress(
            objective=np.array([cost * n_samples]),
            residual=np.array([change]),
            decrease=None,
            converged=np.array([converged]),
        )

    def polish(self, problem: Problem, state: MiniBatchState) -> None:
        """Solve for W as `transform` does, if the steps solve for rows from fresh starts."""
        Ht = _whole(problem, state)
        if self.sides is not None and not self.sides.free_W:
            last = self.final_max_iter, self.tol
            state.W = self.sides.final_rows(problem, state.W, Ht, *last)
        elif self.fresh:
            level = problem.X.stats().level(Ht.shape[1])
            state.W = settled_rows(problem, Ht, level, self.tol, self.final_max_iter)

    def finish(self, problem: Problem, state: MiniBatchState) -> tuple[Array, Array]:
        """Return the factors as they are."""
        return state.W, _whole(problem, state)

    def _can_be_narrow(self, problem: Problem, state: MiniBatchState) -> bool:
        """Whether a step scales all rows of Hᵀ without entries in its batch alike."""
        return (
            self.rho > 0
            and self.sides is None
            and terms_of(problem).is_flat
            and not problem.penalty_H.Q.any()
            and state.curvature is None
            and state.denominator.ndim == 1
            and bool(state.denominator.min() > 0)
        )

    def _step(
        self, problem: Problem, state: MiniBatchState, batch: RowBatch
    ) -> tuple[float, float]:
        """Update the batch's rows and all of H.

        Returns the batch's objective before H moved, and the relative change of H.
        """
        batch_problem, rows = on_batch(problem, batch), state.W[batch.rows]
        before = _whole(problem, state)
        least_W, least_H = least_entries(problem)
        level = batch.X.stats().level(before.shape[1])
        sums = self._move_rows(batch_problem, rows, before, level, least_W, batch.rows)
        cost = self._objective(batch_problem, sums, rows, before)
        share = len(rows) / problem.X.shape[0]
        if self.sides is not None:
            cost += self.sides.value(batch.rows, rows, before, share)
        self._move_H(batch_problem, state, sums, least_H, share)
        return cost, relative_change(state.Ht, before)

    def _narrow_step(
        self,
        problem: Problem,
        state: MiniBatchState,
        batch: RowBatch,
        narrow: Narrow,
    ) -> tuple[float, float]:
        """Update the batch's rows, and H by the rows of the batch's features alone.

        This step suits losses whose positive terms are alike for all rows. Returns the
        batch's objective before H moved, and the relative change of H.
        """
        batch_problem = on_batch(problem, batch, narrow.X)
        rows = state.W[batch.rows]
        least_W, least_H = least_entries(problem)
        H = self._scaled(problem, state)
        Ht = H.gather(narrow)
        level = batch.X.stats().level(Ht.shape[1])
        sums = self._move_rows(batch_problem, rows, Ht, level, least_W)
        cost = cast(float, sums.value) + float(batch_problem.penalty_H.l1 @ H.total)
        if not batch_problem.penalty_W.is_zero:
            n = batch_problem.X.n_threads
            cost += batch_problem.penalty_W.value(column_sums(rows, n), gram(rows, n))
        kept = self.rho * state.denominator
        denominator = kept + sums.denominator + batch_problem.penalty_H.l1
        above, scale = sums.numerator[:-1], H.scale
        known = state.scale, state.total, state.squares
        try:
            change = H.move(narrow, Ht[:-1], above, kept, denominator, least_H)
            state.scale, state.total, state.squares, state.denominator = (
                H.scale, H.total, H.squares, denominator,
            )  # fmt: skip
        except BaseException:
            # an interrupt leaves the H of the step before
            H.put_back(narrow, Ht[:-1], scale)
            state.scale, state.total, state.squares = known
            raise
        return cost, change

    def _scaled(self, problem: Problem, state: MiniBatchState) -> ScaledFactor:
        """Return H as an array times a scale, made anew in each pass to limit rounding."""
        scale, begins = state.scale, state.n_iter % len(self.batches) == 0
        if scale is None or begins or scale.min() < LEAST_SCALE:
            return ScaledFactor.of(_whole(problem, state), problem.X.n_threads)
        assert state.total is not None
        assert state.squares is not None
        return ScaledFactor(state.Ht, scale, state.total, state.squares)

    def _move_rows(
        self,
        problem: Problem,
        rows: Array,
        Ht: Array,
        level: float,
        least: float,
        places: slice | None = None,
    ) -> TermSums:
        """Update the batch's rows in place; return the sums for H.

        The sums hold the loss, unless products with X give it.
        """
        X, loss = problem.X, problem.loss
        value = not by_products(loss, X)
        if self.sides is not None and places is not None and not self.sides.free_W:
            start, most = rows, 1
            if self.fresh:
                start = self.sides.started(places, np.full_like(rows, level))
                most = self.fresh_max_iter
            rows[...] = self.sides.moved_rows(
                problem, places, start, Ht, most, self.tol
            )
            return sums_for(loss, X, rows, Ht, value)
        if not self.fresh:
            return update_rows(
                loss, X, (rows, rows), Ht, problem.penalty_W, value=value, least=least
            )
        solved = settled_rows(problem, Ht, level, self.tol, self.fresh_max_iter)
        solved[solved < least] = 0
        rows[...] = solved
        return sums_for(loss, X, rows, Ht, value)

    @staticmethod
    def _objective(problem: Problem, sums: TermSums, rows: Array, Ht: Array) -> float:
        """Return the batch's loss and penalties, before H moves."""
        value, X, loss = sums.value, problem.X, problem.loss
        if value is None:
            cross, square = inner(sums.numerator, Ht), inner(sums.denominator, Ht)
            value = loss.from_products(X, cross, square)
            if value < CLOSE[X.dtype] * 0.5 * X.stats().sum_sq:
                value = loss.value(X, rows, Ht)
        return float(value) + factor_penalties(problem, rows, Ht)

    def _move_H(
        self,
        problem: Problem,
        state: MiniBatchState,
        sums: TermSums,
        least: float,
        share: float,
    ) -> None:
        """Add the batch to the sums and minimise over H.

        The new H solves denominator·H^p + curvature·H^(1 + fall) = numerator, entry by
        entry. This method writes to none of the state's arrays, so that an interrupt
        leaves the state of the step before.
        """
        terms, Ht = terms_of(problem), state.Ht
        power, dtype = terms.rise + terms.fall, Ht.dtype
        l1, l2 = (a.astype(dtype) for a in penalty_on_H(problem))
        kept = (self.rho * state.denominator).astype(dtype, copy=False)
        curvature = state.curvature
        numerator = sums.numerator  # made by this step, so it may be written to
        with np.errstate(over="ignore", under="ignore"):
            if curvature is not None:
                curvature = self.rho * curvature
            if state.numerator is not None:
                numerator *= Ht**power
                numerator += self.rho * state.numerator
            else:
                numerator += kept
                numerator *= Ht
                if curvature is not None:
                    numerator += curvature * Ht ** (1 + terms.fall)
            denominator = kept + (sums.denominator.astype(dtype, copy=False) + l1)
            if l2.any() and terms.rise >= 1:
                denominator = denominator + l2 * Ht
            elif l2.any():
                weight = l2 if terms.rise == 0 else l2 * Ht**terms.rise
                curvature = weight if curvature is None else curvature + weight
            within = None
            if self.sides is not None:
                within = self.sides.moved_H(
                    terms, Ht, numerator, denominator, curvature, share
                )
            if within is not None:
                moved = within
            elif curvature is None:
                moved = quotient(numerator, denominator, power)
                if least > 0:
                    moved[moved < least] = 0
            else:
                ones, none = np.ones_like(Ht), np.zeros(Ht.shape[1])
                moved = multiplied(
                    ones, numerator, denominator, none, curvature, terms, least
                )
        state.denominator, state.curvature = denominator, curvature
        if self.sides is not None and within is None:
            moved = np.clip(moved, self.sides.H.box.lower, self.sides.H.box.upper)
        state.Ht = moved
        if power != 1:
            state.numerator = numerator


def _whole(problem: Problem, state: MiniBatchState) -> Array:
    """Multiply the scale into the state's Ht, if there is one; return Ht."""
    if state.scale is not None:
        # in one assignment, as an interrupt must not leave the scale to be applied twice
        state.Ht, state.scale = (
            whole(state.Ht, state.scale, least_entries(problem)[1]),
            None,
        )
    return state.Ht
