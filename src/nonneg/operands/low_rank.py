"""A dense X replaced by a product Q·B of low rank: products cost no pass over X."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from ..base.arrays import Array
from ..base.interfaces import Operand, Stats
from ..base.steps import RowsT, SharedT, Step, StepShared, StepSums, SumsT
from ..kernels.orthogonal import lower_factor, orthonormal
from .base import Block, BlockedOperand, matmul, rmatmul
from .dense import DenseOperand

OVERSAMPLES = 20
POWER_ITERATIONS = 2
SKETCH_PASSES = 2 * POWER_ITERATIONS + 2
"""Products with X that a compression takes."""
SKETCH_COPIES = 2
"""Most arrays of the size of Q and B that a compression holds at a time."""


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
    is_sketch = True

    def __init__(self, Q: Array, Bt: Array, stats: Stats, n_threads: int = 1) -> None:
        self.Q = DenseOperand(Q, n_threads)
        self.Bt = DenseOperand(Bt, n_threads)
        self._stats = stats
        self.n_threads = n_threads
        self.shape = (Q.shape[0], Bt.shape[0])
        self.dtype = Q.dtype

    @property
    def T(self) -> CompressedOperand:
        """The transpose, without a copy."""
        return CompressedOperand(self.Bt.X, self.Q.X, self._stats, self.n_threads)

    @property
    def product_entries(self) -> float:
        """Number of entries of Q and B."""
        return float(self.Q.entries + self.Bt.entries)

    def stats(self) -> Stats:
        """Sums over X itself."""
        return self._stats

    def blocks(self) -> Iterator[Block]:
        """Cut X into blocks of 512 rows."""
        for start in range(0, self.shape[0], 512):
            stop = min(start + 512, self.shape[0])
            yield Block(start, stop, self.Q.X[start:stop] @ self.Bt.X.T, None)

    def run_pass(
        self, step: Step[RowsT, SharedT, SumsT], rows: RowsT, shared: SharedT
    ) -> SumsT:
        """Run a step that needs products alone on Q in place of X, others block by block."""
        if not step.needs_products_alone:
            return super().run_pass(step, rows, shared)
        # X·Ht = Q·(B·Ht), and Xᵀ·A = Bᵀ·(Qᵀ·A)
        if isinstance(shared, StepShared):
            shared = shared.with_products(lambda Ht: rmatmul(self.Bt, Ht))
        sums = self.Q.run_pass(step, rows, shared)
        if isinstance(sums, StepSums):
            sums = sums.with_products(lambda product: matmul(self.Bt, product))
        return sums


def count_directions(k: int, shape: tuple[int, int]) -> int:
    """Return how many directions of the range of X a compression keeps."""
    return min(k + OVERSAMPLES, *shape)


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
    `SKETCH_PASSES` products with X of k + 20 columns each; two power iterations.
    """
    n_directions = count_directions(k, X.shape)
    Y = random_state.normal(size=(X.shape[1], n_directions)).astype(X.dtype)
    for _ in range(POWER_ITERATIONS):
        Y = lower_factor(matmul(X, Y))
        Y = lower_factor(rmatmul(X, Y))
    Q, _ = orthonormal(matmul(X, Y))
    Q = np.ascontiguousarray(Q)
    return CompressedOperand(Q, rmatmul(X, Q), X.stats(), X.n_threads)
