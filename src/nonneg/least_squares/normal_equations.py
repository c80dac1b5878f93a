"""The normal equations of a least-squares problem: scaled, weighted, solved, refined.

All arithmetic is in float64 and in scaled unknowns: the columns of A are brought to size
one by powers of two, so that neither AᵀA nor Aᵀb can overflow, and no rounding is added.
The solutions are rows here: with X (r, n) and B (m, r), the error is B - A·Xᵀ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .. import kernels
from ..base.arrays import Array
from ..kernels import block_pivoting
from ..operands.base import matmul, rmatmul
from ..operands.registration import as_operand

Float = NDArray[np.float64]

EPS = float(np.finfo(np.float64).eps)
LARGEST_COMPILED = 1000
"""Unknowns above which the NumPy solve runs, as the compiled one takes 64·n² bytes a
thread."""


def power_of_two(sizes: Array) -> Float:
    """Return the powers of two that bring the sizes into [½, 1); 1 for a size of 0."""
    exponents = np.frexp(np.where(sizes > 0, sizes, 0.5))[1]
    powers: Float = np.ldexp(1.0, -np.clip(exponents, -1020, 1020))
    return powers


def largest_in_columns(M: Any) -> Float:
    """Return the largest |entry| of each column of a dense or sparse M, without a copy."""
    if M.shape[0] == 0:
        return np.zeros(M.shape[1])
    top, low = M.max(axis=0), M.min(axis=0)
    if sp.issparse(top):
        top, low = top.toarray(), low.toarray()
    sizes: Float = np.maximum(np.ravel(top), -np.ravel(low)).astype(np.float64)
    return sizes


def times_diagonal(M: Any, columns: Float) -> Any:
    """Return M·diag(columns) in float64, dense or sparse as M is."""
    if not sp.issparse(M):
        return np.multiply(M, columns, dtype=np.float64)
    M = M.tocsr().astype(np.float64)  # a copy, unless it is a float64 CSR already
    values = M.data * columns[M.indices]
    return sp.csr_array((values, M.indices, M.indptr), shape=M.shape)


def diagonal_times(rows: Float, M: Any) -> Any:
    """Return diag(rows)·M in float64, dense or sparse as M is."""
    if not sp.issparse(M):
        return np.multiply(M, rows[:, None], dtype=np.float64)
    return sp.csr_array(sp.diags_array(rows) @ M.astype(np.float64))


@dataclass(frozen=True, eq=False)
class Fit:
    """Measures of how well rows of X solve their problems, in scaled unknowns."""

    residual_norms: Float
    """‖b - A x‖, (r,)."""
    gradient: Float
    """Gradient of the penalised objective, (r, n)."""
    optimality: Float
    """Largest |projected gradient| over ‖a‖·‖b‖, (r,)."""


class NormalEquations:
    """The problem min ½‖A x − b‖² + l1·Σx + ½ l2·‖x‖² over 0 ≤ x ≤ upper, for one A.

    Parameters
    ----------
    A : {ndarray, sparse matrix} of shape (m, n)
    l1, l2 : float
    upper : ndarray of shape (n,) or None
        Upper bounds of x; None sets none.
    root_weights : ndarray of shape (m,) or None
        Numbers by which the rows of A and b are multiplied.
    n_threads : int

    Attributes
    ----------
    scales : ndarray of shape (n,)
        Powers of two; the unknowns are x / scales.
    gram : ndarray of shape (n, n)
        AᵀA of the scaled columns, l2 on its diagonal.
    """

    def __init__(
        self,
        A: Any,
        l1: float,
        l2: float,
        upper: Float | None,
        root_weights: Float | None,
        n_threads: int,
    ) -> None:
        if root_weights is not None:
            A = diagonal_times(root_weights, A)
        sizes = largest_in_columns(A)
        # where a column is tiny beside √l2, l2·scales² would be infinite
        tiny = (sizes > 0) & (sizes < 1e-150 * math.sqrt(l2))
        sizes[tiny] = math.sqrt(l2)
        self.scales = power_of_two(sizes)
        self.A = times_diagonal(A, self.scales)
        self.root_weights, self.n_threads = root_weights, n_threads
        self.operand = as_operand(self.A, n_threads)
        with np.errstate(over="ignore"):  # an infinite weight holds its x at 0
            self.l1 = l1 * self.scales
            self.l2 = l2 * self.scales * self.scales  # a square may be infinite
            self.upper = None if upper is None else upper / self.scales
        if sp.issparse(self.A):
            plain = (self.A.T @ self.A).toarray()
        else:
            plain = kernels.gram(self.A, n_threads)
        self.gram = plain + np.diag(self.l2)
        self.norms = np.sqrt(plain.diagonal())

    @cached_property
    def condition(self) -> float:
        """Condition number of the Gram matrix with its diagonal scaled to one."""
        size = np.sqrt(self.gram.diagonal())
        sound = (size > 0) & np.isfinite(size)
        if not sound.any():
            return 1.0
        G = self.gram[sound][:, sound] / size[sound] / size[sound, None]
        values = np.linalg.eigvalsh(G)
        return float(values[-1] / max(values[0], EPS**2))

    def transposed_times(self, M: Any) -> Float:
        """Return MᵀA of shape (r, n) for a dense or sparse M (m, r)."""
        product: Float
        if not sp.issparse(self.A):
            product = rmatmul(as_operand(M, self.n_threads), self.A)
            return product
        if sp.issparse(M):
            product = (M.T @ self.A).toarray()
        else:
            product = np.ascontiguousarray(rmatmul(self.operand, M).T)
        return product

    def minus_product(self, B: Any, X: Float) -> Float:
        """Return B - A·Xᵀ of shape (m, r), dense."""
        product: Float = matmul(self.operand, np.ascontiguousarray(X.T))
        if sp.issparse(B):
            return np.asarray(B - product)
        np.subtract(B, product, out=product)
        return product

    def solve(self, X: Float, rhs: Float) -> int:
        """Minimise over each row of X, in place; return how many rows did not finish."""
        compiled = X.shape[1] <= LARGEST_COMPILED
        solve = kernels.exact_solve if compiled else block_pivoting.exact_solve
        zero = np.zeros(X.shape[1])
        report = solve(X, rhs, self.gram, zero, self.upper, self.n_threads)
        return int(report.n_fallback)

    def fit(self, X: Float, B: Any, l1: Float) -> Fit:
        """Measure the rows of X by A itself, not by the Gram matrix."""
        R = self.minus_product(B, X)
        norms = np.sqrt(np.einsum("ij,ij->j", R, R))
        with np.errstate(invalid="ignore"):  # an infinite l2 times 0
            pull = np.nan_to_num(self.l2 * X, nan=0.0)
        gradient = l1 + pull - self.transposed_times(R)
        projected = self.projected(X, gradient)
        fitted = np.einsum("ij,ij->i", X @ self.gram, X)
        size = np.sqrt(norms**2 + np.maximum(fitted, 0))  # about ‖b‖
        scale = np.maximum(self.norms, self.norms.max() * EPS) * size[:, None]
        scale += l1 + pull
        ratios = np.divide(
            np.abs(projected), scale, out=np.zeros_like(scale), where=scale > 0
        )
        return Fit(norms, gradient, ratios.max(axis=1))

    def projected(self, X: Float, gradient: Float) -> Float:
        """Return the gradient without the parts that point beyond the bounds."""
        projected: Float = np.where(X > 0, gradient, np.minimum(gradient, 0))
        if self.upper is not None:
            full = self.upper <= X
            projected = np.where(full, np.maximum(projected, 0), projected)
        return projected

    def refined(self, X: Float, gradient: Float) -> Float:
        """Return X after a Newton step on its free entries.

        The step corrects the error that the normal equations have made.
        """
        free = X > 0
        if self.upper is not None:
            free &= self.upper > X
        step = free.astype(np.float64)
        if X.shape[1] <= LARGEST_COMPILED:
            kernels.solve_on_sets(step, -gradient, self.gram, self.n_threads)
        else:
            block_pivoting.solve_on_sets(step, -gradient, self.gram)
        upper = np.inf if self.upper is None else self.upper
        refined: Float = np.clip(X + step, 0, upper)
        return refined
