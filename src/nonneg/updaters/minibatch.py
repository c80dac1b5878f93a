"""Mini-batches: multiplicative steps by one batch of rows, earlier ones fading out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, cast

import numpy as np

from ..kernels import gram, inner
from ..kernels.terms import multiplied
from ..operands.batches import RowBatch
from ..protocols import Array, Loss, Operand, Penalty, Problem, Progress, State
from .mu import _least
from .pairs import penalties
from .settling import relative_change, settled_rows
from .terms import TermSums, by_products, sums_for, terms_of, update_rows

CLOSE = {np.dtype(np.float64): 1e-7, np.dtype(np.float32): 1e-2}
"""Share of ½‖X‖² below which a batch's loss is not taken from products at hand."""


@dataclass(eq=False)
class MiniBatchState(State):
    """The factors, what earlier batches say about H, and the smoothed cost."""

    numerator: Array
    """Sum over the batches of their negative terms times H^p, (n_features, k)."""
    denominator: Array
    """Of their positive terms and L1, (n_features, k), or (k,) where all rows agree."""
    curvature: Array | None = None
    """Of L2 penalties that are not part of the denominator, likewise."""
    smoothed: float = math.nan
    lowest: float = math.inf
    stale: int = 0
    """Steps since the smoothed cost was at its lowest."""


@dataclass(frozen=True, eq=False)
class MiniBatch:
    """One step: the rows of W of one batch, then H by all batches so far [1]_ [2]_.

    The batches' terms for H are summed up, those of earlier steps times `rho` for each
    step since; H minimises the majoriser that the sums belong to. The same iterates, to
    rounding, as scikit-learn's `MiniBatchNMF`, except that an L2 penalty on a
    β-divergence with β < 2 is minimised exactly.

    Parameters
    ----------
    batches : sequence of RowBatch
        Of the problem's X; a step takes the next one, after the last the first.
    rho : float
        What is left of a batch's share in the sums after one step.
    tol : float
        Converged when a step has changed H by at most this share of its norm; 0 never.
    max_no_improvement : int or None
        Converged after so many steps without a new lowest smoothed cost.
    fresh : bool
        Solve for the rows from a constant start in each step, instead of one step from
        where they were.
    fresh_max_iter, final_max_iter : int
        Most multiplicative steps of such a solve, and of that for all of W at the end.
    n_steps : int
        Of the whole fit, for the printed lines.
    verbose : bool
        Whether to print the cost of each step.

    Notes
    -----
    A step costs as much as the share of its batch in an iteration of "mu", and a few
    operations on arrays of the size of H.

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

    def start(self, problem: Problem, W: Array, Ht: Array) -> MiniBatchState:
        """State before the first step: H weighs as much as a batch of that terms."""
        flat = terms_of(problem).is_flat
        ones = np.ones(Ht.shape[1]) if flat else np.ones_like(Ht)
        return MiniBatchState(W, Ht, Ht.copy(), ones)

    def resume(
        self,
        problem: Problem,  # noqa: ARG002
        state: State,
        W: Array,
    ) -> MiniBatchState:
        """What earlier steps have left, with other rows; `state` is left as it is."""
        return dataclasses.replace(own_state(state, MiniBatchState), W=W)

    def iterate(self, problem: Problem, state: MiniBatchState) -> Progress:
        """One step, by the next batch."""
        batch = self.batches[state.n_iter % len(self.batches)]
        own, rows = on_batch(problem, batch), state.W[batch.rows]
        n_rows, n_samples, before = rows.shape[0], problem.X.shape[0], state.Ht
        least_W, least_H = _least(problem, rows.shape[1])
        sums = self._move_rows(own, rows, before, least_W)
        cost = self._objective(own, sums, rows, before) / n_rows
        self._move_H(own, state, sums, least_H)
        change = relative_change(state.Ht, before)
        # rows of zeros say nothing about H, nor about whether it is still moving
        moving = change if batch.X.stats().sum_sq > 0 else math.inf
        converged = self._converged(state, cost, moving, n_rows / (n_samples + 1))
        return Progress(
            objective=np.array([cost * n_samples]),
            residual=np.array([change]),
            decrease=None,
            converged=np.array([converged]),
        )

    def polish(self, problem: Problem, state: MiniBatchState) -> None:
        """With fresh starts W is what `transform` would return."""
        if self.fresh:
            state.W = settled_rows(problem, state.Ht, self.tol, self.final_max_iter)

    def finish(
        self,
        problem: Problem,  # noqa: ARG002
        state: MiniBatchState,
    ) -> tuple[Array, Array]:
        """Return the factors as they are."""
        return state.W, state.Ht

    def _move_rows(
        self, problem: Problem, rows: Array, Ht: Array, least: float
    ) -> TermSums:
        """Update the batch's rows in place; its sums for H, mostly with the loss."""
        X, loss = problem.X, problem.loss
        value = not by_products(loss, X)
        if not self.fresh:
            return update_rows(
                loss, X, (rows, rows), Ht, problem.penalty_W, value=value, least=least
            )
        solved = settled_rows(problem, Ht, self.tol, self.fresh_max_iter)
        solved[solved < least] = 0
        rows[...] = solved
        return sums_for(loss, X, rows, Ht, value)

    @staticmethod
    def _objective(problem: Problem, sums: TermSums, rows: Array, Ht: Array) -> float:
        """The batch's loss and penalties, before H moves."""
        value, X, loss = sums.value, problem.X, problem.loss
        if value is None:
            cross, square = inner(sums.numerator, Ht), inner(sums.denominator, Ht)
            value = loss.from_products(X, cross, square)
            if value < CLOSE[X.dtype] * 0.5 * X.stats().sum_sq:
                value = loss.value(X, rows, Ht)
        if problem.penalty_W.is_zero and problem.penalty_H.is_zero:
            return value
        n = X.n_threads
        return value + penalties(problem, rows, Ht, gram(rows, n), gram(Ht, n))

    def _move_H(
        self, problem: Problem, state: MiniBatchState, sums: TermSums, least: float
    ) -> None:
        """Add the batch to the sums and minimise over H.

        With p = rise + fall, the stationary H solves denominator·H^p +
        curvature·H^(1 + fall) = numerator, entry by entry. The state's arrays are not
        written to, so that an interrupt leaves the state of the step before.
        """
        terms, Ht, rho = terms_of(problem), state.Ht, self.rho
        power = terms.rise + terms.fall
        l1, l2 = problem.penalty_H.l1, problem.penalty_H.Q.diagonal()
        with np.errstate(over="ignore", under="ignore"):
            numerator = sums.numerator  # ours, made by this step
            numerator *= Ht if power == 1 else Ht**power
            numerator += rho * state.numerator
            denominator = sums.denominator + l1.astype(sums.denominator.dtype)
            curvature = state.curvature
            if l2.any() and terms.rise >= 1:
                denominator = denominator + l2.astype(Ht.dtype) * Ht
            elif l2.any():
                weight = l2 if terms.rise == 0 else l2 * Ht**terms.rise
                curvature = weight if curvature is None else rho * curvature + weight
            denominator = denominator + rho * state.denominator
            if curvature is None:
                moved = _root_of_quotient(numerator, denominator, power)
                if least > 0:
                    moved[moved < least] = 0
            else:
                ones, none = np.ones_like(Ht), np.zeros(Ht.shape[1])
                moved = multiplied(
                    ones, numerator, denominator, none, curvature, terms, least
                )
        state.numerator, state.denominator = numerator, denominator
        state.curvature, state.Ht = curvature, moved

    def _converged(
        self, state: MiniBatchState, cost: float, change: float, weight: float
    ) -> bool:
        """scikit-learn's rules; the first step is not looked at."""
        line = f"Minibatch step {state.n_iter + 1}/{self.n_steps}: mean batch cost: "
        if state.n_iter == 0:
            self._say(f"{line}{cost}")
            return False
        if math.isnan(state.smoothed):
            state.smoothed = cost
        else:
            weight = min(weight, 1.0)
            state.smoothed = state.smoothed * (1 - weight) + cost * weight
        self._say(f"{line}{cost}, ewa cost: {state.smoothed}")
        at = f"at step {state.n_iter + 1}/{self.n_steps}"
        if 0 < self.tol >= change:
            self._say(f"Converged (small change of H) {at}")
            return True
        if state.smoothed < state.lowest:
            state.stale, state.lowest = 0, state.smoothed
        else:
            state.stale += 1
        if self.max_no_improvement is None or state.stale < self.max_no_improvement:
            return False
        self._say(f"Converged (the smoothed cost has not improved) {at}")
        return True

    def _say(self, line: str) -> None:
        if self.verbose:
            print(line)  # noqa: T201


def _root_of_quotient(numerator: Array, denominator: Array, power: float) -> Array:
    """(numerator / denominator)^(1/power); 0 where there is nothing below."""
    below = denominator.astype(numerator.dtype, copy=False)
    if below.min() > 0:
        quotient = numerator / below
    else:
        above = np.where(below > 0, numerator, 0)
        quotient = above / np.where(below > 0, below, 1).astype(below.dtype)
    if power != 1:
        quotient **= 1 / power
    out: Array = quotient
    return out


S = TypeVar("S", bound=State)


def own_state(state: State, cls: type[S]) -> S:
    """The state, if it is of the class that an updater goes on from."""
    if isinstance(state, cls):
        return state
    msg = (
        "The model was fitted with another value of `exact_statistics`, whose sums are "
        "of another kind. Set that one again, or fit a new model."
    )
    raise ValueError(msg)


def on_batch(problem: Problem, batch: RowBatch) -> Problem:
    """The problem on one batch, with its share of the penalty on H."""
    share = batch.X.shape[0] / problem.X.shape[0]
    return dataclasses.replace(
        problem, X=batch.X, penalty_H=scaled(problem.penalty_H, share)
    )


def scaled(penalty: Penalty, share: float) -> Penalty:
    """The penalty times a number."""
    if share == 1 or penalty.is_zero:
        return penalty
    return Penalty(share * penalty.l1, share * penalty.Q)


class LossAtScale:
    """A loss whose terms are those for one X, on other operands as well.

    A batch by itself might have another scale, or none, and would get other floors.
    """

    def __init__(self, loss: Loss, X: Operand) -> None:
        self._loss = loss
        self._terms = cast(Any, loss).terms(X)

    def terms(self, X: Operand) -> Any:  # noqa: ARG002
        """The terms at the scale of the X that this was made for."""
        return self._terms

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loss, name)


def at_scale(loss: Loss, X: Operand) -> Loss:
    """The loss with its terms for X, whatever operand they are asked for."""
    return cast(Loss, LossAtScale(loss, X))
