"""A solver: one projected gradient step of fixed length for W, then one for H."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import nonneg.plugins as nn


@dataclass
class Moved(nn.StepRows):
    updated = ("W",)  # read and written to
    W: np.ndarray


@dataclass
class Beside(nn.StepShared):
    Ht: np.ndarray
    l1: np.ndarray
    Q: np.ndarray


@dataclass(frozen=True)
class LandweberStep(nn.Step):
    """W ← max(0, W − gradient / length), a block of rows at a time."""

    name = "landweber_step"
    length: float

    def __call__(self, X_b, mask_b, rows_b, shared):
        W, Ht = rows_b.W, shared.Ht
        WH = W @ Ht.T if mask_b is None else (W @ Ht.T) * mask_b
        observed = X_b if mask_b is None else X_b * mask_b
        gradient = WH @ Ht - observed @ Ht + shared.l1 + W @ shared.Q
        moved = np.maximum(W - gradient / self.length, 0)
        change = float(np.sum((moved - W) ** 2, dtype=np.float64))
        W[...] = moved
        return change  # added up over the blocks


@nn.solvers.register("landweber")
@dataclass(frozen=True)
class Landweber(nn.SolverBase):
    """Alternating projected Landweber iterations; converged when they are short."""

    name = "landweber"
    requires = frozenset({"quadratic"})
    measure = "change"
    tol: float = 1e-4

    def start(self, problem, W, Ht):
        return nn.State(W, Ht)

    def iterate(self, problem, state):
        change = self.half(problem.X, state.W, state.Ht, problem.penalty_W)
        if problem.update_H:
            change += self.half(problem.X.T, state.Ht, state.W, problem.penalty_H)
        residual = np.sqrt(
            [change / (np.sum(state.W**2) + np.sum(state.Ht**2) + 1e-300)]
        )
        return nn.Progress(
            self.objective(problem, state), residual, None, residual <= self.tol
        )

    def half(self, X, A, B, penalty):
        # the largest curvature, over observed entries or all of them
        length = max(float(np.linalg.norm(nn.gram(B) + penalty.Q, 2)), 1e-300)
        l1, Q = penalty.l1.astype(A.dtype), penalty.Q.astype(A.dtype)
        return X.run_pass(LandweberStep(length), Moved(A), Beside(B, l1, Q))

    def objective(self, problem, state):
        pairs = [(problem.penalty_W, state.W), (problem.penalty_H, state.Ht)]
        penalties = [p.value(A.sum(0, dtype=np.float64), nn.gram(A)) for p, A in pairs]
        loss = problem.loss.value(problem.X, state.W, state.Ht)
        return np.array([loss + sum(penalties)])
