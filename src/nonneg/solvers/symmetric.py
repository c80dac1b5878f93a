"""Descent for X ≈ W·Wᵀ: sweeps beside the last W, and the exact step towards their result."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.interfaces import Operand, Problem, Progress, SolverBase
from ..kernels import Adaptive, RowArrays, gram, inner, solve_rows
from ..operands.base import matmul
from .steps.settling import SettlingState

SWEEPS = Adaptive(sweeps=8)
"""Method by which the direction is solved for (D-SYMMETRIC-METHOD)."""
FRESH = 50
"""Iterations after which X·W is multiplied out anew, where rounding has added up."""


@dataclass(eq=False)
class SymmetricState(SettlingState):
    """W, of which Ht is the same array, with X·W and WᵀW."""

    product: Array = field(kw_only=True)
    gram_W: NDArray[np.float64] = field(kw_only=True)


@dataclass(frozen=True)
class SymmetricDescent(SolverBase):
    """Descent on ½‖X − W·Wᵀ‖² over W ≥ 0 for a symmetric X.

    An iteration sweeps over the rows of U to minimise ½‖X − U·Wᵀ‖², from U = W, as "hals"
    does. As the gradient of the objective is twice that of this least squares problem,
    U − W is a direction of descent, and W goes to the minimum of the objective between W
    and U, which is that of a polynomial of degree four in the length of the step. So the
    objective never rises, and W stays non-negative without a penalty on W − U [1]_.

    Parameters
    ----------
    tol : float
        The fit has converged when the residual ‖projected gradient‖ / ‖X·W‖ is at most
        `tol` in two iterations in a row and five have decreased the objective by at most
        0.3·`tol` of it, or when they have by less than 1e-7 of it (float32: 1e-6). The
        gradient is that of the least squares problem.

    Notes
    -----
    An iteration costs one product of X with k vectors and some 10·n·k² multiply-adds.

    References
    ----------
    .. [1] Kuang, Yun & Park, "SymNMF: nonnegative low-rank approximation of a similarity
       matrix for graph clustering", Journal of Global Optimization 62 (2015) 545-574,
       https://doi.org/10.1007/s10898-014-0247-2
    """

    name: ClassVar[str] = "symmetric"
    requires: ClassVar[frozenset[str]] = frozenset({"quadratic"})
    measure: ClassVar[str] = "residual"
    tol: float = 1e-4

    def start(self, problem: Problem, W: Array, Ht: Array) -> SymmetricState:  # noqa: ARG002
        """Give W its best scale, by one product with X."""
        X, n = problem.X, problem.X.n_threads
        product, gram_W = matmul(X, W), gram(W, n)
        square = float(np.sum(gram_W**2))
        scale = max(0.0, inner(product, W)) / square if square > 0 else 0.0
        root = W.dtype.type(math.sqrt(scale))
        W *= root
        product *= root
        gram_W *= float(root) ** 2
        value = _objective(X, W, product, gram_W)
        return SymmetricState(W, W, product=product, gram_W=gram_W, objective=value)

    def iterate(self, problem: Problem, state: SymmetricState) -> Progress:
        """Do one step, in place."""
        X, n = problem.X, problem.X.n_threads
        W, k = state.W, state.W.shape[1]
        residual = _residual(W, state.product, state.gram_W)
        direction = np.empty_like(W)
        report = solve_rows(
            RowArrays(W, direction), state.product, state.gram_W, np.zeros(k), SWEEPS,
            False, n,
        )  # fmt: skip
        direction -= W
        product = matmul(X, direction)
        step, decrease = _best_step(state, direction, product)
        if step > 0:
            _add(state.W, step, direction)
            np.maximum(W, 0, out=W)
            _add(state.product, step, product)
        if state.n_iter % FRESH == FRESH - 1:
            state.product = matmul(X, W)
        state.gram_W = gram(W, n)
        state.objective = _objective(X, W, state.product, state.gram_W)
        ended = state.is_settled(residual, decrease, self.tol, X.stats().sum_sq)
        return Progress(
            objective=np.array([state.objective]),
            residual=np.array([residual]),
            decrease=np.array([decrease]),
            converged=np.array([ended]),
            sweeps=float(report.sweeps) / max(1, len(W)),
        )

    def finish(self, problem: Problem, state: SymmetricState) -> tuple[Array, Array]:  # noqa: ARG002
        """Return W twice."""
        return state.W, state.W


def _objective(X: Operand, W: Array, product: Array, gram_W: Array) -> float:
    square = X.stats().sum_sq
    return max(0.0, 0.5 * square - inner(product, W) + 0.5 * float(np.sum(gram_W**2)))


def _residual(W: Array, product: Array, gram_W: Array) -> float:
    """Return ‖projected gradient‖ / ‖X·W‖; the gradient is W·WᵀW − X·W."""
    gradient = W @ gram_W.astype(W.dtype)
    gradient -= product
    np.minimum(gradient, 0, out=gradient, where=W <= 0)
    size = inner(product, product)
    return math.sqrt(inner(gradient, gradient) / size) if size > 0 else 0.0


def _best_step(
    state: SymmetricState, direction: Array, product: Array
) -> tuple[float, float]:
    """Return the best length of the step, at most 1, and the decrease that it brings."""
    W, G = state.W, state.gram_W
    C, Q = _cross(W, direction), _cross(direction, direction)
    curvature = float(np.sum(G * Q) + np.sum(C * C.T) + np.sum(C * C))
    # the objective less that at W is Σ a[d]·step^d
    a = np.array(
        [
            0.5 * float(np.sum(Q * Q)),
            2.0 * float(np.sum(C * Q)),
            curvature - inner(product, direction),
            2.0 * (float(np.sum(G * C)) - inner(state.product, direction)),
            0.0,
        ]
    )
    if not (np.isfinite(a).all() and a.any()):
        return 0.0, 0.0
    roots = np.roots(np.polyder(a))
    real = roots.real[np.abs(roots.imag) <= 1e-8 * np.abs(roots)]
    steps = np.append(real[(real > 0) & (real < 1)], 1.0)
    values = np.polyval(a, steps)
    best = int(values.argmin())
    return (
        (float(steps[best]), -float(values[best])) if values[best] < 0 else (0.0, 0.0)
    )


def _cross(A: Array, B: Array) -> NDArray[np.float64]:
    """Return AᵀB in float64."""
    product: NDArray[np.float64] = A.T.astype(np.float64) @ B.astype(np.float64)
    return product


def _add(A: Array, step: float, B: Array) -> None:
    """Add step·B to A; B is spent."""
    B *= A.dtype.type(step)
    A += B
