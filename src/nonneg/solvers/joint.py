"""Block descent for several data sets: Xᵢ ≈ Wᵢ·(H + Vᵢ) with a shared H and small Vᵢ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.interfaces import Operand, Progress, SolverBase
from ..kernels import Adaptive, Method, RowArrays, SolveReport, gram, inner, solve_rows
from ..operands.base import matmul, rmatmul
from .steps.quadratic_iteration import balanced_residual
from .steps.settling import SettlingState

SWEEPS = Adaptive(sweeps=8)
"""Method by which each block of rows is solved for."""
ROUNDS = 2
"""Rounds over H and the Vᵢ beside the same Wᵢ, which cost no product with X."""

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class JointProblem:
    """The data sets, their weights in the objective, and the weight of what is specific."""

    operands: tuple[Operand, ...]
    weights: Float
    specific: float
    """λ; infinite where there are no Vᵢ."""
    update_W: bool = True

    @property
    def has_specific(self) -> bool:
        """Whether each data set has a Vᵢ."""
        return math.isfinite(self.specific)

    @property
    def n_threads(self) -> int:
        """Threads of a half-step."""
        return self.operands[0].n_threads

    @property
    def square(self) -> float:
        """Σ cᵢ·‖Xᵢ‖²."""
        squares = [X.stats().sum_sq for X in self.operands]
        return float(np.dot(self.weights, squares))


@dataclass(eq=False)
class JointState(SettlingState):
    """Ht, with the factors of each data set; W is the first of these."""

    W_of: list[Array] = field(kw_only=True)
    Vt_of: list[Array] = field(kw_only=True)


@dataclass(frozen=True)
class JointDescent(SolverBase):
    """Block coordinate descent on Σ cᵢ·(½‖Xᵢ − Wᵢ(H + Vᵢ)‖² + ½λ‖WᵢVᵢ‖²).

    Each block is a least squares problem by rows: Wᵢ beside H + Vᵢ, then, in rounds, H beside
    all Wᵢ and each Vᵢ. All are solved by coordinate sweeps, so the objective never rises.

    Parameters
    ----------
    tol : float
        The fit has converged when the residual ‖projected gradient‖ / ‖right-hand sides‖,
        over all blocks and with balanced components, is at most `tol` in two iterations in a
        row and five have decreased the objective by at most 0.3·`tol` of it, or when they
        have by less than 1e-7 of it (float32: 1e-6).

    Notes
    -----
    An iteration takes two products with each data set.
    """

    name: ClassVar[str] = "joint"
    requires: ClassVar[frozenset[str]] = frozenset({"quadratic"})
    measure: ClassVar[str] = "residual"
    tol: float = 1e-4

    def begin(
        self, problem: JointProblem, W_of: Sequence[Array], Ht: Array
    ) -> JointState:
        """Return the state at a start without specific parts; the arrays are written to."""
        Vt_of = [np.zeros_like(Ht) for _ in problem.operands]
        return JointState(W_of[0], Ht, W_of=list(W_of), Vt_of=Vt_of)

    def iterate(self, problem: Any, state: JointState) -> Progress:
        """Solve for each block once, H and Vᵢ in rounds."""
        n, c, Ht, k = problem.n_threads, problem.weights, state.Ht, state.Ht.shape[1]
        measures_W, sweeps = np.zeros((2, k)), 0.0
        if problem.update_W:
            for i, (X, W) in enumerate(zip(problem.operands, state.W_of, strict=True)):
                report = solve_W_of(problem, X, W, Ht, state.Vt_of[i])
                measures_W += c[i] ** 2 * report.measures
                sweeps += report.sweeps / len(W)
        grams = [gram(W, n) for W in state.W_of]
        sides = [
            rmatmul(X, W) for X, W in zip(problem.operands, state.W_of, strict=True)
        ]
        measures_H = np.zeros((2, k))
        for round_ in range(ROUNDS if problem.has_specific else 1):
            measured = _solve_shared(problem, state, grams, sides)
            measured += _solve_specific(problem, state, grams, sides)
            if round_ == 0:
                measures_H = measured
        before, state.objective = (
            state.objective,
            _objective(problem, state, grams, sides),
        )
        decrease = before - state.objective
        if not problem.update_W:
            measures_W = np.zeros((2, k))
        square_H = sum(
            (gram(V, n).diagonal() for V in state.Vt_of), gram(Ht, n).diagonal()
        )
        square_W = sum((G.diagonal() for G in grams), np.zeros(k))
        residual = balanced_residual(measures_W, measures_H, square_W, square_H)
        ended = state.is_settled(residual, decrease, self.tol, problem.square)
        return Progress(
            objective=np.array([state.objective]),
            residual=np.array([residual]),
            decrease=np.array([decrease]),
            converged=np.array([ended]),
            sweeps=sweeps / len(state.W_of),
        )


def solve_W_of(
    problem: JointProblem, X: Operand, W: Array, Ht: Array, Vt: Array,
    method: Method = SWEEPS,
) -> SolveReport:  # fmt: skip
    """Solve for the rows of Wᵢ in place, beside H + Vᵢ."""
    n, B = problem.n_threads, Ht + Vt
    G = gram(B, n)
    if problem.has_specific:
        G = G + problem.specific * gram(Vt, n)
    rows = RowArrays(W, W)
    report: SolveReport = solve_rows(
        rows, matmul(X, B), G, np.zeros(G.shape[0]), method, False, n
    )  # fmt: skip
    return report


def _solve_shared(
    problem: JointProblem, state: JointState, grams: list[Float], sides: list[Array]
) -> Float:
    """Solve for H in place; return its measures."""
    Ht, c = state.Ht, problem.weights
    G = sum((c_i * G_i for c_i, G_i in zip(c, grams, strict=True)), 0 * grams[0])
    rhs = np.zeros_like(Ht)
    for c_i, G_i, side, Vt in zip(c, grams, sides, state.Vt_of, strict=True):
        left = side - Vt @ G_i.astype(Ht.dtype) if problem.has_specific else side
        rhs += Ht.dtype.type(c_i) * left
    return _solved(Ht, rhs, G, problem.n_threads)


def _solve_specific(
    problem: JointProblem, state: JointState, grams: list[Float], sides: list[Array]
) -> Float:
    """Solve for each Vᵢ in place; return their measures."""
    total = np.zeros((2, state.Ht.shape[1]))
    if not problem.has_specific:
        return total
    for c_i, G, side, Vt in zip(
        problem.weights, grams, sides, state.Vt_of, strict=True
    ):
        rhs = side - state.Ht @ G.astype(Vt.dtype)
        measures = _solved(Vt, rhs, (1 + problem.specific) * G, problem.n_threads)
        total += c_i**2 * measures
    return total


def _solved(A: Array, rhs: Array, G: Float, n_threads: int) -> Float:
    report = solve_rows(
        RowArrays(A, A), rhs, G, np.zeros(len(G)), SWEEPS, False, n_threads
    )
    return np.asarray(report.measures)


def _objective(
    problem: JointProblem, state: JointState, grams: list[Float], sides: list[Array]
) -> float:
    total, n = 0.5 * problem.square, problem.n_threads
    for c_i, G, side, Vt in zip(
        problem.weights, grams, sides, state.Vt_of, strict=True
    ):
        B = state.Ht + Vt
        value = 0.5 * float(np.sum(G * gram(B, n))) - inner(side, B)
        if problem.has_specific:
            value += 0.5 * problem.specific * float(np.sum(G * gram(Vt, n)))
        total += float(c_i) * value
    return max(total, 0.0)
