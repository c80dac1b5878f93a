"""Subproblems of "pg": non-negative least squares by projected gradient (Lin 2007)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...base import deadline
from ...base.arrays import Array
from ...base.interfaces import Operand
from ...base.penalty import Penalty
from ...base.steps import OtherFactor, Step, StepRows
from ...kernels import gram, inner

MAX_TRIALS = 20
"""Most step sizes that a line search tries; if none is accepted, A stays where it is."""

BLOCK = 1 << 15
"""Numbers in a block of rows, so few that some blocks fit into a core's cache."""


class Trial(NamedTuple):
    """A candidate of the line search, A + d."""

    slope: float
    """⟨gradient, d⟩."""
    curvature: float
    """⟨d, d·G⟩ in the test for sufficient decrease, G without the penalty's Q."""
    decrease: float
    """Exact decrease of the objective."""
    repeated: bool
    """Whether the candidate equals the previous candidate, bit by bit."""


class Subproblem:
    """Minimise ½⟨A, A·G⟩ − ⟨rhs, A⟩ + penalty over A ≥ 0 by projected gradient [1]_.

    Parameters
    ----------
    A : ndarray of shape (n_rows, k)
        The start, overwritten by the result.
    rhs : ndarray of shape (n_rows, k), same dtype
    gram : ndarray of shape (k, k) or (n_rows, k, k), float64
        G, positive semi-definite: one for all rows, or one for each.
    penalty : Penalty
        Its Q is left out of the test for sufficient decrease, as in scikit-learn. A
        strong L2 penalty could then make the iterates oscillate, so a step must also end
        sufficiently below the higher of the last two objectives [2]_. No objective is
        ever above that of the start.
    Q : ndarray of shape (k, k), optional
        Further quadratic terms, which are part of the test.
    sigma : float
        Constant of the test for sufficient decrease: the smaller, the looser the test.
    beta : float
        Factor from one trial step size to the next.
    step, last_decrease : float
        The first step size to try, and the decrease in the step before. To go on with
        an earlier descent, pass its values.

    Notes
    -----
    An iteration costs n_rows·k² multiply-adds for the gradient and again for each
    trial step. Beside its arguments the object holds one array of the size of A.

    References
    ----------
    .. [1] Lin, "Projected gradient methods for nonnegative matrix factorization",
       Neural Computation 19 (2007) 2756-2779,
       https://doi.org/10.1162/neco.2007.19.10.2756
    .. [2] Grippo, Lampariello & Lucidi, "A nonmonotone line search technique for
       Newton's method", SIAM Journal on Numerical Analysis 23 (1986) 707-716,
       https://doi.org/10.1137/0723046
    """

    def __init__(
        self,
        A: Array,
        rhs: Array,
        gram: NDArray[np.float64],
        penalty: Penalty,
        Q: NDArray[np.float64] | float = 0.0,
        sigma: float = 0.01,
        beta: float = 0.1,
        step: float = 1.0,
        last_decrease: float = 0.0,
    ) -> None:
        self.A = A
        self.rhs = rhs
        self.search_gram = gram + Q
        self.penalty_Q = penalty.Q
        self.gram = (self.search_gram + penalty.Q).astype(A.dtype, copy=False)
        self.l1 = penalty.l1.astype(A.dtype)
        self.sigma = sigma
        self.beta = beta
        self.step = step
        self.last_decrease = last_decrease
        self.largest_step = math.sqrt(float(np.finfo(A.dtype).max))
        self.stalled = False
        self.gradient = np.empty_like(A)

    def _blocks(self) -> Iterator[slice]:
        n_rows, k = self.A.shape
        size = max(1, BLOCK // k)
        return (slice(i, i + size) for i in range(0, n_rows, size))

    def evaluate(self) -> float:
        """Compute the gradient at A; return the squared norm of its projection."""
        for rows in self._blocks():
            deadline.check()
            gradient = self.gradient[rows]
            _times(self.A[rows], _of_rows(self.gram, rows), gradient)
            gradient -= self.rhs[rows]
            gradient += self.l1
        return self.projected()

    def projected(self) -> float:
        """Return the squared norm of the last gradient, projected at A."""
        return sum(
            _projected_square(self.A[rows], self.gradient[rows])
            for rows in self._blocks()
        )

    def descend(self) -> float:
        """Move A along the projected gradient; return the decrease of the objective.

        The step size of the last call is tried first. If it decreases the objective
        sufficiently, larger ones are tried as long as they do so, too; else smaller ones
        are tried until one does.
        """
        before: tuple[float, Trial] | None = None
        shrinking = False
        for number in range(MAX_TRIALS):
            trial = self._try(self.step, before[0] if before else None)
            sufficient = self._is_sufficient(trial)
            if number == 0:
                shrinking = not sufficient
            if shrinking:
                if sufficient:
                    return self._move(self.step, trial)
                if trial.slope == 0 == trial.curvature:
                    # no smaller step moves A in this precision either
                    self.stalled = True
                    break
                self.step *= self.beta
            elif before and (not sufficient or trial.repeated):
                return self._move(*before)
            else:
                before = (self.step, trial)
                if self.step > self.largest_step:
                    return self._move(*before)
                self.step /= self.beta
        return 0.0

    def _try(self, step: float, previous: float | None) -> Trial:
        slope, curvature = 0.0, 0.0
        outer = np.zeros_like(self.penalty_Q)
        repeated = previous is not None
        for rows in self._blocks():
            deadline.check()
            a, gradient = self.A[rows], self.gradient[rows]
            moved = _step(a, gradient, step)
            if previous is not None and repeated:
                repeated = np.array_equal(moved, _step(a, gradient, previous))
            moved -= a
            slope += inner(gradient, moved)
            if self.search_gram.ndim == 3:
                G = self.search_gram[rows]
                curvature += float(np.einsum("ir,irs,is->", moved, G, moved))
            outer += gram(moved)
        if self.search_gram.ndim == 2:
            curvature = float(np.vdot(self.search_gram, outer))
        penalty = float(np.vdot(self.penalty_Q, outer))
        return Trial(slope, curvature, -slope - 0.5 * (curvature + penalty), repeated)

    def _is_sufficient(self, trial: Trial) -> bool:
        """Whether the step passes Lin's test and ends below one of the last objectives."""
        decreases = (1.0 - self.sigma) * trial.slope + 0.5 * trial.curvature < 0
        gained = trial.decrease + max(0.0, self.last_decrease)
        return decreases and gained > -self.sigma * trial.slope

    def _move(self, step: float, trial: Trial) -> float:
        for rows in self._blocks():
            self.A[rows] = _step(self.A[rows], self.gradient[rows], step)
        self.last_decrease = trial.decrease
        return trial.decrease

    def solve(self, tol: float, max_iter: int) -> tuple[int, float]:
        """Descend until the projected gradient's norm is below `tol`.

        Returns
        -------
        n_iter : int
            Number of iterations, counted from one; an optimal start takes one.
        decrease : float
            Exact decrease of the objective over all iterations.
        """
        decrease = 0.0
        for n_iter in range(1, max_iter + 1):
            if math.sqrt(self.evaluate()) < tol:
                return n_iter, decrease
            decrease += self.descend()
            if self.stalled:
                break  # the remaining iterations would not move A either
        return max_iter, decrease

    def products(self) -> tuple[float, float]:
        """Return ⟨rhs − l1, A⟩ and ⟨A, A·(G + Q)⟩ in float64; call `evaluate` before."""
        cross, square = 0.0, 0.0
        for rows in self._blocks():
            linear = self.rhs[rows] - self.l1
            cross += inner(linear, self.A[rows])
            linear += self.gradient[rows]
            square += inner(linear, self.A[rows])
        return cross, square


def _of_rows(G: Array, rows: slice) -> Array:
    return G if G.ndim == 2 else G[rows]


def _times(A: Array, G: Array, out: Array) -> Array:
    """Compute A·G, or each row of A times its own G, into `out`."""
    if G.ndim == 2:
        return np.matmul(A, G, out=out)
    out[...] = np.einsum("ir,irs->is", A, G)
    return out


def _step(A: Array, gradient: Array, step: float) -> Array:
    moved = gradient * -step
    moved += A
    return np.maximum(moved, 0, out=moved)


def _projected_square(A: Array, gradient: Array) -> float:
    projected = gradient * ((gradient < 0) | (A > 0))
    return float(inner(projected, projected))


@dataclass(slots=True, eq=False)
class GramRows(StepRows):
    """The Gram matrix of each row, (n_rows, k, k), to be written."""

    written = ("gram",)
    gram: Array


@dataclass(frozen=True)
class RowGrams(Step[GramRows, OtherFactor, None]):
    """Write rows["gram"] = Σⱼ mᵢⱼ bⱼᵀbⱼ for each row i of a masked or weighted X."""

    name = "row_grams"

    def __call__(
        self,
        X_b: Any,  # noqa: ARG002
        mask_b: Any | None,
        rows_b: GramRows,
        shared: OtherFactor,
    ) -> None:
        """Write the block's Gram matrices."""
        B = shared.Ht.astype(np.float64, copy=False)
        M = np.asarray(mask_b, dtype=np.float64)
        rows_b.gram[...] = np.einsum("ij,jr,js->irs", M, B, B)


def gram_for(X: Operand, B: Array) -> NDArray[np.float64]:
    """Return BᵀB in float64, of shape (n_samples, k, k) if each row of X has its own."""
    if X.shared_gram:
        shared: NDArray[np.float64] = gram(B, X.n_threads)
        return shared
    k = B.shape[1]
    out = np.empty((X.shape[0], k, k))
    X.run_pass(RowGrams(), GramRows(out), OtherFactor(B))
    return out
