"""Objectives in float64, by NumPy and SciPy alone, in blocks: everyone's are these."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import scipy.sparse as sp
from threadpoolctl import ThreadpoolController

BLOCK_BYTES = 1 << 24
"""Bytes of X in float64 that the squared error looks at in one piece."""
PIECE_BYTES = 1 << 20
"""Bytes of an array in float64 of which the divergence holds a few at a time per
thread: those of a piece stay in the second-level cache."""
LEAST_PRODUCT = float(np.finfo(np.float32).eps)
"""Entries of WH below this count as this in the logarithm, as in scikit-learn: an entry
of X that a model explains by zero costs much, but not infinitely much."""


class Objective:
    """A function of W and H for one X; made by `objective_of`."""

    beta: float

    def __init__(self, X: Any, threads: int) -> None:
        self.X = X
        self.threads = threads

    def __call__(self, W: Any, H: Any) -> float:
        """Objective of these factors; they are checked to be finite and non-negative."""
        for name, factor in (("W", W), ("H", H)):
            if not (np.isfinite(factor).all() and (factor >= 0).all()):
                msg = f"{name} has entries that are negative or not finite"
                raise AssertionError(msg)
        Ht = np.ascontiguousarray(H.T, dtype=np.float64)
        return self._value(np.ascontiguousarray(W, dtype=np.float64), Ht)

    def _value(self, W: Any, Ht: Any) -> float:
        raise NotImplementedError

    def _sum(self, part: Callable[[slice], float], pieces: Iterable[slice]) -> float:
        """Sum of the parts, always in the same order; the threads share them."""
        with ThreadPoolExecutor(self.threads) as pool:
            return sum(pool.map(part, pieces))


def _pieces(n: int, size: int) -> list[slice]:
    return [slice(i, min(i + size, n)) for i in range(0, n, size)]


class SquaredError(Objective):
    """½‖X − WH‖²."""

    beta = 2

    def __init__(self, X: Any, threads: int) -> None:
        super().__init__(X, threads)
        rows, columns = X.shape
        width = X.nnz / rows if sp.issparse(X) else columns
        self.blocks = _pieces(rows, max(1, int(BLOCK_BYTES / (8 * max(1.0, width)))))
        self.square = sum(self._square(rows_b) for rows_b in self.blocks)

    def _square(self, rows: slice) -> float:
        block = self.X[rows]
        values = block.data if sp.issparse(block) else block.ravel()
        values = values.astype(np.float64, copy=False)
        return float(values @ values)

    def _cross(self, rows: slice, W: Any, Ht: Any) -> float:
        block = self.X[rows].astype(np.float64, copy=False)
        return float(np.vdot(block @ Ht, W[rows]))

    def _value(self, W: Any, Ht: Any) -> float:
        if sp.issparse(self.X):  # SciPy's products use one thread each
            cross = self._sum(lambda rows: self._cross(rows, W, Ht), self.blocks)
        else:
            cross = sum(self._cross(rows, W, Ht) for rows in self.blocks)
        together = float(np.vdot(W.T @ W, Ht.T @ Ht))
        return 0.5 * (self.square - 2 * cross + together)


class KullbackLeibler(Objective):
    """Σ x·log(x / (WH)) − x + WH; where x is zero, WH alone.

    Of a sparse X only the stored entries are looked at: for a piece of them their rows
    of W and of Hᵀ are gathered.
    """

    beta = 1

    def __init__(self, X: Any, threads: int) -> None:
        super().__init__(X, threads)
        self.pools = ThreadpoolController()
        if sp.issparse(X):
            places = X.tocoo()
            self.rows, self.columns = places.row, places.col
            self.data = places.data
            values = self.data
        else:
            values = X.reshape(-1)
        pieces = _pieces(len(values), PIECE_BYTES // 8)
        self.constant = self._sum(lambda piece: self._own(values[piece]), pieces)

    @staticmethod
    def _own(values: Any) -> float:
        """Σ x·log x − x, what does not depend on the factors."""
        x = values[values > 0].astype(np.float64)
        return float(x @ np.log(x) - x.sum())

    def _of_entries(self, piece: slice, W: Any, Ht: Any) -> float:
        """Σ x·log(WH) over these stored entries."""
        gathered = W.take(self.rows[piece], axis=0)
        others = Ht.take(self.columns[piece], axis=0)
        products = np.einsum("ij,ij->i", gathered, others)
        np.maximum(products, LEAST_PRODUCT, out=products)
        return float(self.data[piece] @ np.log(products, out=products))

    def _of_rows(self, rows: slice, W: Any, Ht: Any) -> float:
        """Σ x·log(WH) over these rows of a dense X."""
        products = W[rows] @ Ht.T
        np.maximum(products, LEAST_PRODUCT, out=products)
        np.log(products, out=products)
        return float(np.vdot(self.X[rows].astype(np.float64, copy=False), products))

    def _value(self, W: Any, Ht: Any) -> float:
        if sp.issparse(self.X):
            width, part, n = W.shape[1], self._of_entries, len(self.data)
        else:
            (n, width), part = self.X.shape, self._of_rows
        pieces = _pieces(n, max(1, PIECE_BYTES // (8 * width)))
        with self.pools.limit(limits=1, user_api="blas"):  # the pieces are in parallel
            logarithms = self._sum(lambda piece: part(piece, W, Ht), pieces)
        return self.constant - logarithms + float(W.sum(axis=0) @ Ht.sum(axis=0))


class DenseBeta(Objective):
    """The β-divergence of a dense X without zeros, β neither 1 nor 2; 0 is Itakura-Saito's."""

    def __init__(self, X: Any, threads: int, beta: float) -> None:
        super().__init__(X, threads)
        self.beta = beta
        self.pools = ThreadpoolController()

    def _of_rows(self, rows: slice, W: Any, Ht: Any) -> float:
        products, x = W[rows] @ Ht.T, self.X[rows].astype(np.float64, copy=False)
        np.maximum(products, LEAST_PRODUCT, out=products)
        beta = self.beta
        if beta == 0:
            ratio = x / products
            return float(ratio.sum() - np.log(ratio).sum() - ratio.size)
        power = products ** (beta - 1)
        terms = x**beta + (beta - 1) * products * power - beta * x * power
        return float(terms.sum() / (beta * (beta - 1)))

    def _value(self, W: Any, Ht: Any) -> float:
        pieces = _pieces(len(W), max(1, PIECE_BYTES // (8 * self.X.shape[1])))
        with self.pools.limit(limits=1, user_api="blas"):  # the pieces are in parallel
            return self._sum(lambda piece: self._of_rows(piece, W, Ht), pieces)


OBJECTIVES: dict[float, type[Objective]] = {2: SquaredError, 1: KullbackLeibler}


def objective_of(X: Any, beta: float, threads: int) -> Objective:
    """The objective of this loss for X; a β other than 1 and 2 takes a dense X."""
    if beta in OBJECTIVES:
        return OBJECTIVES[beta](X, threads)
    return DenseBeta(X, threads, beta)
