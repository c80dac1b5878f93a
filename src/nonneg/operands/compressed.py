"""A dense X replaced by a product Q·B of low rank: products cost no pass over X."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from .. import kernels
from ..kernels.steps import REPORTED, row_arrays
from ..orthogonal import lower_factor, orthonormal
from ..protocols import Array, Operand, Rows, Shared, Stats, Step, Sums
from . import Block, BlockedOperand, matmul, rmatmul

OVERSAMPLES = 20
POWER_ITERATIONS = 2


class CompressedOperand(BlockedOperand):
    """X ≈ Q·B with Q (n_samples, l) orthonormal, B (l, n_features) [1]_.

    Parameters
    ----------
    Q, Bt : ndarray of shape (n_samples, l) and (n_features, l)
    stats : Stats
        Of X itself, so that the loss is that of X up to ⟨X − QB, WH⟩.
    n_threads : int

    Notes
    -----
    A pass costs 4·(n_samples + n_features)·l·k flops in place of
    4·n_samples·n_features·k.

    References
    ----------
    .. [1] Erichson, Mendible, Wihlborn & Kutz, "Randomized nonnegative matrix
       factorization", Pattern Recognition Letters 104 (2018) 1-7,
       https://doi.org/10.1016/j.patrec.2018.01.007
    """

    kind: ClassVar[str] = "compressed"

    def __init__(self, Q: Array, Bt: Array, stats: Stats, n_threads: int = 1) -> None:
        self.Q = Q
        self.Bt = Bt
        self._stats = stats
        self.n_threads = n_threads
        self.shape = (Q.shape[0], Bt.shape[0])
        self.dtype = Q.dtype

    @property
    def T(self) -> CompressedOperand:
        """The transpose, without a copy."""
        return CompressedOperand(self.Bt, self.Q, self._stats, self.n_threads)

    def stats(self) -> Stats:
        """Sums over X itself."""
        return self._stats

    def blocks(self) -> Iterator[Block]:
        """Cut X into blocks of 512 rows."""
        for start in range(0, self.shape[0], 512):
            stop = min(start + 512, self.shape[0])
            yield Block(start, stop, self.Q[start:stop] @ self.Bt.T, None)

    def run_pass(self, step: Step, rows: Rows, shared: Shared) -> Sums:
        """Run the step by its products with Q and B, others block by block."""
        if step.name == "matmul":
            rows["out"][...] = self._product(shared["B"])
            return {}
        if step.name == "rmatmul":
            return {"product": self._transposed(rows["A"])}
        if step.name == "row_solve":
            return self._row_solve(step, rows, shared)
        return super().run_pass(step, rows, shared)

    def _product(self, B: Array) -> Array:
        return np.asarray(self.Q @ (self.Bt.T @ B))

    def _transposed(self, A: Array) -> Array:
        return np.asarray(self.Bt @ (self.Q.T @ A))

    def _row_solve(self, step: Any, rows: Rows, shared: Shared) -> Sums:
        sums: Sums = {}
        for r, how in enumerate(step.how):
            arrays = row_arrays(rows, r)
            report = kernels.solve_rows(
                arrays,
                self._product(shared[f"Ht/{r}"]),
                shared[f"gram/{r}"],
                shared[f"l1/{r}"],
                how,
                step.accumulate,
                self.n_threads,
            )
            sums.update({f"{name}/{r}": getattr(report, name) for name in REPORTED})
            if step.accumulate:
                sums[f"rhs/{r}"] = self._transposed(arrays.result)
                sums[f"gram/{r}"] = report.gram_result
        return sums


def compressed(X: Operand, k: int, random_state: Any) -> CompressedOperand:
    """Compress X to k + `OVERSAMPLES` directions of its range, found by random products.

    Parameters
    ----------
    X : Operand
    k : int
        Number of components that are to be fitted.
    random_state : RandomState

    Notes
    -----
    Six products with X of k + 20 columns each; two power iterations.
    """
    n_directions = min(k + OVERSAMPLES, *X.shape)
    Y = random_state.normal(size=(X.shape[1], n_directions)).astype(X.dtype)
    for _ in range(POWER_ITERATIONS):
        Y = lower_factor(matmul(X, Y))
        Y = lower_factor(rmatmul(X, Y))
    Q, _ = orthonormal(matmul(X, Y))
    Q = np.ascontiguousarray(Q)
    return CompressedOperand(Q, rmatmul(X, Q), X.stats(), X.n_threads)
