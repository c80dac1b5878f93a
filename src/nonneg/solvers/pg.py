"""Solver "pg": alternating non-negative least squares by projected gradient (Lin 2007).

Its iterates are those of scikit-learn 0.18's solver "pg", to rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from ..base.arrays import Array
from ..base.interfaces import Operand, Problem, Progress, SolverBase, State
from ..base.passes import Passes
from ..base.penalty import Penalty
from ..base.validation import warn
from ..kernels import gram, inner
from ..operands.base import matmul, rmatmul
from .registry import solvers
from .steps.projection import Subproblem, gram_for

POSITIVE = {"range": (0.0, math.inf)}
"""Metadata of a number that is never below 0: a checkpoint in which it is, is damaged."""
LIMIT_MESSAGE = "Iteration limit reached in nls subproblem."


def sparseness_terms(
    k: int, sparseness: str | None, beta: float, eta: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the matrices (Q_W, Q_H) that `sparseness` adds to the Gram matrices.

    The factor that is to be sparse is penalised by ½·beta times the squared sum over the
    components of each of its rows, the other one by ½·eta times its squared entries.
    """
    if sparseness is None:
        return np.zeros((k, k)), np.zeros((k, k))
    sparse, other = np.full((k, k), float(beta)), float(eta) * np.eye(k)
    return (sparse, other) if sparseness == "data" else (other, sparse)


@dataclass(eq=False)
class ProjectedGradientState(State):
    """The factors, the tolerances of the subproblems and the norms for the stopping test."""

    initial: float = field(default=0.0, metadata=POSITIVE)
    """Squared norm of both gradients at the start, without any penalty."""
    floor: float = field(default=0.0, metadata=POSITIVE)
    """Squared norm of gradients that are rounding alone; below it they count as zero."""
    projected_W: float = field(default=0.0, metadata=POSITIVE)
    projected_H: float = field(default=0.0, metadata=POSITIVE)
    tol_W: float = field(default=0.0, metadata=POSITIVE)
    tol_H: float = field(default=0.0, metadata=POSITIVE)
    objective: float = float("nan")
    limit_reached: bool = False
    product: Array | None = None
    """X·Ht of the current Ht, kept at the start, and always where H is fixed."""
    gram_H: NDArray[np.float64] | None = None
    """HHᵀ of the current H; for a masked X one for each of its rows."""
    step: float = field(default=1.0, metadata=POSITIVE)
    """Step size that a fit with fixed H tries next."""
    last_decrease: float = 0.0
    """Decrease of the objective in the last step of a fit with fixed H."""
    stalled: bool = False
    """Whether no step size moves W any more, in a fit with fixed H."""


@solvers.register("pg")
@dataclass(frozen=True)
class ProjectedGradient(SolverBase):
    """Alternating non-negative least squares by projected gradient [1]_.

    Parameters
    ----------
    tol : float
        The fit has converged when the norm of both projected gradients is below `tol`
        times the norm of the gradients at the start; with H fixed, when the norm of
        W's projected gradient is below `tol` itself, or below this share of ‖X·Hᵀ‖ where
        that is less, or is rounding.
    max_iter : int
        A fit that has used so many iterations solves for W once more, to the precision
        `tol`.
    nls_max_iter : int
        Most iterations in a subproblem; with H fixed it takes the place of `max_iter`.
    sparseness : {"data", "components"} or None
        Which factor to make sparse: W, H, or neither.
    beta, eta : float
        Weights of `sparseness`, see `sparseness_terms`.

    Notes
    -----
    An iteration is one subproblem in W and one in H. It reads X twice. Beside the
    factors it holds two arrays of the size of the larger factor.

    References
    ----------
    .. [1] Lin, "Projected gradient methods for nonnegative matrix factorization",
       Neural Computation 19 (2007) 2756-2779,
       https://doi.org/10.1162/neco.2007.19.10.2756
    """

    name: ClassVar[str] = "pg"
    requires: ClassVar[frozenset[str]] = frozenset({"quadratic"})
    measure: ClassVar[str] = ""
    arrays: ClassVar[int] = 4
    # a line search begins with a step of 1, and 20 tries reach steps from 1e-20 to 1e20
    ordinary_norms: ClassVar[tuple[float, float] | None] = (1e-6, 1e12)
    tol: float = 1e-4
    max_iter: int = 200
    nls_max_iter: int = 2000
    sparseness: str | None = None
    beta: float = 1.0
    eta: float = 0.1

    def iteration_limit(self, update_H: bool) -> int | None:
        """Return `nls_max_iter` where H is fixed: the fit is then one subproblem."""
        return None if update_H else self.nls_max_iter

    def passes(self, X: Operand, update_H: bool) -> Passes:  # noqa: ARG002
        """Return one pass for each factor."""
        return Passes(2, 2, 1) if update_H else Passes(1, 0, 0)

    def start(self, problem: Problem, W: Array, Ht: Array) -> ProjectedGradientState:
        """Return the state before the first iteration, with the gradients' norms."""
        X = problem.X
        product, gram_H = matmul(X, Ht), gram_for(X, Ht)
        state = ProjectedGradientState(W, Ht, product=product, gram_H=gram_H)
        if not problem.update_H:
            size = math.sqrt(inner(product, product))
            rounding = 4 * float(np.finfo(W.dtype).eps) * math.sqrt(max(X.shape))
            state.tol_W = max(self.tol * min(1.0, size), rounding * size)
            return state
        none = Penalty.elastic(W.shape[1])
        half_W = Subproblem(W, product, gram_H, none)
        state.projected_W = half_W.evaluate()
        state.initial = inner(half_W.gradient, half_W.gradient)
        del half_W  # gives its arrays free before the other half makes its own
        half_H = Subproblem(Ht, rmatmul(X, W), gram_for(X.T, W), none)
        state.projected_H = half_H.evaluate()
        state.initial += inner(half_H.gradient, half_H.gradient)
        state.objective = self._objective(
            problem, state, half_H.rhs, half_H.search_gram
        )
        products = inner(product, product) + inner(half_H.rhs, half_H.rhs)
        eps = float(np.finfo(W.dtype).eps)
        state.floor = (4 * eps) ** 2 * max(X.shape) * products
        state.tol_W = state.tol_H = max(0.001, self.tol) * math.sqrt(state.initial)
        return state

    def iterate(self, problem: Problem, state: ProjectedGradientState) -> Progress:
        """Test for convergence, then solve for W and for H; with H fixed, step once in W."""
        if not problem.update_H:
            return self._step_in_W(problem, state)
        projected = state.projected_W + state.projected_H
        ratio = projected / state.initial if state.initial else 0.0
        decrease = 0.0
        converged = ratio < self.tol**2 or self._is_optimal(problem, state, projected)
        if not converged:
            decrease = self._alternate(problem, state)
        return _progress(state.objective, math.sqrt(ratio), decrease, converged)

    def _is_optimal(
        self, problem: Problem, state: ProjectedGradientState, projected: float
    ) -> bool:
        """Whether only rounding is left of the gradients, so that no step improves.

        The relative test means nothing where the start is optimal already, as a start
        from an SVD is at rank 1. The first gradients are computed without penalties, so
        with penalties they don't count.
        """
        penalties = (problem.penalty_W, problem.penalty_H)
        free = self.sparseness is None and all(p.is_zero for p in penalties)
        known = free or state.n_iter > 0
        return self.tol > 0 and known and projected <= state.floor

    def finish(
        self, problem: Problem, state: ProjectedGradientState
    ) -> tuple[Array, Array]:
        """Solve for W once more if all iterations were used, and return the factors."""
        if not problem.update_H:
            if state.n_iter >= self.nls_max_iter and self.tol > 0:
                self._note_limit(state, ConvergenceWarning)
        elif state.n_iter >= self.max_iter:
            self._solve(state, self._half_W(problem, state), self.tol)
        for A in (state.W, state.Ht):
            A += 0.0  # no negative zeros
        return state.W, state.Ht

    def _step_in_W(self, problem: Problem, state: ProjectedGradientState) -> Progress:
        decrease, converged = 0.0, False
        if not state.stalled:
            half = self._half_W(problem, state, state.step, state.last_decrease)
            state.projected_W = half.evaluate()
            state.objective = problem.loss.from_products(problem.X, *half.products())
            converged = self.tol > 0 and math.sqrt(state.projected_W) < state.tol_W
            if not converged:
                decrease = half.descend()
            state.objective -= decrease
            state.step, state.last_decrease = half.step, half.last_decrease
            state.stalled = half.stalled
        residual = math.sqrt(state.projected_W)
        return _progress(state.objective, residual, decrease, converged)

    def _alternate(self, problem: Problem, state: ProjectedGradientState) -> float:
        """Solve for W, then for H; return the decrease of the objective."""
        half = self._half_W(problem, state)
        state.product = state.gram_H = None
        n_iter, decrease_W = self._solve(state, half, state.tol_W)
        state.projected_W = half.projected()
        if n_iter == 1:
            state.tol_W *= 0.1
        del half  # gives its arrays free before the other half makes its own
        half = self._half_H(problem, state)
        n_iter, decrease_H = self._solve(state, half, state.tol_H)
        state.projected_H = half.projected()
        if n_iter == 1:
            state.tol_H *= 0.1
        _, Q_H = self._terms(state.Ht)
        G = half.search_gram - Q_H
        state.objective = self._objective(problem, state, half.rhs, G)
        return decrease_W + decrease_H

    def _half_W(
        self,
        problem: Problem,
        state: ProjectedGradientState,
        step: float = 1.0,
        last_decrease: float = 0.0,
    ) -> Subproblem:
        X, Ht = problem.X, state.Ht
        product = matmul(X, Ht) if state.product is None else state.product
        G = gram_for(X, Ht) if state.gram_H is None else state.gram_H
        Q, _ = self._terms(Ht)
        return Subproblem(
            state.W,
            product,
            G,
            problem.penalty_W,
            Q,
            step=step,
            last_decrease=last_decrease,
        )

    def _half_H(self, problem: Problem, state: ProjectedGradientState) -> Subproblem:
        W, Ht = state.W, state.Ht
        _, Q = self._terms(Ht)
        G = gram_for(problem.X.T, W)
        return Subproblem(Ht, rmatmul(problem.X, W), G, problem.penalty_H, Q)

    def _terms(self, Ht: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return sparseness_terms(Ht.shape[1], self.sparseness, self.beta, self.eta)

    def _solve(
        self, state: ProjectedGradientState, half: Subproblem, tol: float
    ) -> tuple[int, float]:
        if self.tol > 0:
            tol = max(tol, math.sqrt(state.floor / 2))
        n_iter, decrease = half.solve(tol, self.nls_max_iter)
        if n_iter == self.nls_max_iter:
            self._note_limit(state)
        return n_iter, decrease

    def _note_limit(
        self, state: ProjectedGradientState, category: type[Warning] = UserWarning
    ) -> None:
        """Warn once a fit that a subproblem was not solved to its tolerance."""
        if not state.limit_reached:
            advice = f" Raise `nls_max_iter` ({self.nls_max_iter}) or `tol`."
            warn(LIMIT_MESSAGE + advice, category)
        state.limit_reached = True

    def _objective(
        self,
        problem: Problem,
        state: ProjectedGradientState,
        rhs: Array,
        G: NDArray[np.float64],
    ) -> float:
        """Return the objective from XᵀW and WᵀW, with the terms of `sparseness`."""
        W, Ht = state.W, state.Ht
        Q_W, Q_H = self._terms(Ht)
        gram_W, gram_H = gram(W, problem.X.n_threads), gram(Ht, problem.X.n_threads)
        if G.ndim == 2:
            square = float(np.sum(G * gram_H))
        else:
            square = float(np.einsum("jr,jrs,js->", Ht, G, Ht))
        value = problem.loss.from_products(problem.X, inner(rhs, Ht), square)
        for penalty, Q, A, gram_A in (
            (problem.penalty_W, Q_W, W, gram_W),
            (problem.penalty_H, Q_H, Ht, gram_H),
        ):
            sums = A.sum(axis=0, dtype=np.float64)
            value += Penalty(penalty.l1, penalty.Q + Q).value(sums, gram_A)
        return value


def _progress(
    objective: float, residual: float, decrease: float, converged: bool
) -> Progress:
    return Progress(
        objective=None if math.isnan(objective) else np.array([objective]),
        residual=np.array([residual]),
        decrease=np.array([decrease]),
        converged=np.array([converged]),
    )
