"""Non-negative least squares for many right-hand sides, dense or sparse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..base import validation
from ..base.arrays import Array
from ..base.rules import WEIGHT, Rule, is_bool, require, show
from ..base.threads import resolve_n_threads, single_threaded_blas
from ..stores.anndata_store import whole_matrix
from .normal_equations import (
    EPS,
    Fit,
    NormalEquations,
    diagonal_times,
    largest_in_columns,
    power_of_two,
    times_diagonal,
)
from .scipy_fallback import OneByOne

WHOM = "nnls"
BLOCK_ENTRIES = 1 << 21
"""Most entries in a block of right-hand sides: 16 MB."""
MOST_COLUMNS = 1024
"""Most right-hand sides in a block."""
SMALL_WORK = 1 << 20
"""Multiply-adds below which BLAS is not held to one thread: it starts no others for them."""
WELL_CONDITIONED = 1e4
"""Condition of the Gram matrix below which the error of its solutions is below 1e-11."""

_FLAG = Rule(is_bool, "a bool", "Pass True or False.")


@dataclass(frozen=True, eq=False)
class NNLSResult:
    """Facts about a solution of `nnls`.

    Parameters
    ----------
    residual_norms : ndarray of shape (r,), or float for one right-hand side b
        ‖√weights·(A x - b)‖.
    kkt_residual : float
        Largest entry of the projected gradient, over the norms of its column of A and of
        its right-hand side: 0 at the exact optimum, about 1e-16 after rounding, for
        any scaling of A and B.
    passive : ndarray of bool, of the shape of X
        Entries strictly between their bounds.
    n_fallback : int
        Right-hand sides that were solved once more by a slower method, because
        the Gram matrix of A is too ill-conditioned for them.
    """

    residual_norms: Any
    kkt_residual: float
    passive: NDArray[np.bool_]
    n_fallback: int


@overload
def nnls(
    A: Any,
    B: Any,
    *,
    l1: float = ...,
    l2: float = ...,
    upper_bound: Any = ...,
    weights: Any = ...,
    X0: Any = ...,
    return_info: Literal[False] = ...,
    n_threads: int | None = ...,
) -> Array: ...


@overload
def nnls(
    A: Any,
    B: Any,
    *,
    l1: float = ...,
    l2: float = ...,
    upper_bound: Any = ...,
    weights: Any = ...,
    X0: Any = ...,
    return_info: Literal[True],
    n_threads: int | None = ...,
) -> tuple[Array, NNLSResult]: ...


def nnls(
    A: Any,
    B: Any,
    *,
    l1: float = 0.0,
    l2: float = 0.0,
    upper_bound: Any = None,
    weights: Any = None,
    X0: Any = None,
    return_info: bool = False,
    n_threads: int | None = None,
) -> Array | tuple[Array, NNLSResult]:
    """Solve min ‖A·X − B‖ over X ≥ 0 exactly, each column of B on its own.

    Minimises, for each column b of B,

        ½ Σᵢ weightsᵢ·(A x − b)ᵢ² + l1·Σⱼ xⱼ + ½ l2·Σⱼ xⱼ²   over 0 ≤ x ≤ upper_bound

    by block principal pivoting [1]_ [2]_ on the Gram matrix of A, which is computed once
    for all. Where A is not well conditioned, the solutions are refined with A itself.

    Parameters
    ----------
    A : {array-like, sparse matrix} of shape (m, n)
        Coefficients of any sign. A sparse A is not densified.
    B : {array-like, sparse matrix} of shape (m,) or (m, r)
        Right-hand sides of any sign, dense or sparse whatever A is.
    l1, l2 : float, default=0.0
        Weights of the penalties, unscaled.
    upper_bound : float or array-like of shape (n,), default=None
        Upper bounds on the unknowns, ≥ 0 and possibly infinite; None for none.
    weights : array-like of shape (m,), default=None
        A weight ≥ 0 for each row of A and B; None is one for all.
    X0 : array-like of shape (n,) or (n, r), default=None
        Start, e.g. the solution of a similar problem; only which entries are
        positive counts. It changes the time that is taken, not the solution.
    return_info : bool, default=False
        Whether an `NNLSResult` is returned too.
    n_threads : int or None, default=None
        Threads to use; None takes every core that the process may use, at most
        `NONNEG_NUM_THREADS` or `OMP_NUM_THREADS`. The result doesn't depend on it.

    Returns
    -------
    X : ndarray of shape (n,) or (n, r)
        float32 if A and B are both float32, else float64. Where several X are optimal
        (dependent columns of A), one of them.
    info : NNLSResult
        Only with `return_info=True`.

    Raises
    ------
    ValueError
        For an argument of a wrong shape or value: NaN, infinite or complex entries,
        negative weights, penalties or bounds.

    See Also
    --------
    scipy.optimize.nnls : One right-hand side, dense A, no penalties.

    Notes
    -----
    The cost is m·n² for the Gram matrix and m·n·r for AᵀB (less where A or B is sparse),
    each three times as much where A is refined with, and about three factorizations
    of the passive columns' Gram matrix per right-hand side. Memory beyond A and
    B is X, n² numbers, one scaled copy of A, and blocks of 16 MB.

    References
    ----------
    .. [1] Kim & Park, "Fast nonnegative matrix factorization: an active-set-like method
       and comparisons", SIAM J. Sci. Comput. 33 (2011) 3261-3281,
       https://doi.org/10.1137/110821172
    .. [2] Júdice & Pires, "A block principal pivoting algorithm for large-scale
       strictly monotone linear complementarity problems", Computers & Operations
       Research 21 (1994) 587-596, https://doi.org/10.1016/0305-0548(94)90106-6

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import nnls
    >>> A = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    >>> nnls(A, [2.0, 1.0, -1.0])
    array([1.5, 0. ])
    >>> B = np.array([[2.0, 1.0], [1.0, 3.0], [-1.0, 2.0]])
    >>> X, info = nnls(A, B, return_info=True)
    >>> X.round(6)
    array([[1.5, 1. ],
           [0. , 2. ]])
    >>> info.residual_norms.round(3)
    array([1.225, 0.   ])
    """
    require("l1", l1, WEIGHT, WHOM)
    require("l2", l2, WEIGHT, WHOM)
    require("return_info", return_info, _FLAG, WHOM)
    n_threads = resolve_n_threads(n_threads)
    A, B = whole_matrix(A, "A", WHOM), whole_matrix(B, "B", WHOM)
    A = validation.check_X(A, WHOM, "A")
    B, is_vector = _right_hand_sides(B, A.shape[0])
    m, n = A.shape
    upper = _bounds(upper_bound, n)
    root_weights = None if weights is None else np.sqrt(_weights(weights, m))
    start = None if X0 is None else _start(X0, (n, B.shape[1]), is_vector)
    dtype = np.result_type(A.dtype, B.dtype)
    # to look up every BLAS of the process takes longer than a small problem
    small = m * n * (n + B.shape[1]) < SMALL_WORK
    with nullcontext() if small else single_threaded_blas():
        system = NormalEquations(
            A, float(l1), float(l2), upper, root_weights, n_threads
        )
        X, info = _solve_blocks(system, B, start, dtype, want_info=bool(return_info))
    if is_vector:
        X = X[:, 0]
        info = NNLSResult(
            float(info.residual_norms[0]) if return_info else None,
            info.kkt_residual,
            info.passive[:, 0],
            info.n_fallback,
        )
    return (X, info) if return_info else X


# ---- arguments -----------------------------------------------------------------------


def _right_hand_sides(B: Any, m: int) -> tuple[Any, bool]:
    """Return B as a checked (m, r) matrix, CSC where sparse, and whether it was a vector."""
    if not sp.issparse(B) and not hasattr(B, "iloc"):
        B = np.asarray(B) if isinstance(B, list | tuple) else B
    is_vector = len(getattr(B, "shape", ())) == 1
    if is_vector:
        B = B.reshape(-1, 1) if hasattr(B, "reshape") else np.reshape(B, (-1, 1))
    B = validation.check_X(B, WHOM, "B")
    if B.shape[0] != m:
        msg = (
            f"A has {m} rows but B has {B.shape[0]}; pass one row of B, or one entry of "
            "a vector b, for each row of A."
        )
        raise ValueError(msg)
    return (B.tocsc() if sp.issparse(B) else B), is_vector


def _vector(values: Any, length: int, name: str, of: str, infinite: bool) -> Array:
    """Return a checked float64 array of shape (length,) with entries ≥ 0."""
    try:
        numbers = np.asarray(values)
        if numbers.dtype.kind not in "biuf":
            numbers = numbers.astype(np.float64, casting="safe")
        array = numbers.astype(np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.shape != (length,):
        msg = (
            f"`{name}` must be {length} real numbers, one for each {of} of A; got "
            f"{show(values)}."
        )
        raise ValueError(msg)
    if np.isnan(array).any() or (array < 0).any():
        msg = (
            f"`{name}` must not have negative or NaN entries; the smallest is "
            f"{np.min(array):g}."
        )
        raise ValueError(msg)
    if not infinite and np.isinf(array).any():
        msg = f"`{name}` must be finite; it has infinite entries."
        raise ValueError(msg)
    return array


def _bounds(upper_bound: Any, n: int) -> Array | None:
    if upper_bound is None:
        return None
    if np.ndim(upper_bound) == 0 and not isinstance(upper_bound, str):
        upper_bound = np.full(n, upper_bound)
    upper = _vector(upper_bound, n, "upper_bound", "column", infinite=True)
    return None if np.isinf(upper).all() else upper


def _weights(weights: Any, m: int) -> Array:
    return _vector(weights, m, "weights", "row", infinite=False)


def _start(X0: Any, shape: tuple[int, int], is_vector: bool) -> Array:
    start = np.asarray(X0)
    if is_vector and start.ndim == 1:
        start = start[:, None]
    start = validation.check_matrix(start, "X0", WHOM)
    if start.shape != shape:
        msg = (
            f"X0 has shape {np.shape(X0)}; pass an array of the shape that X will "
            f"have, ({shape[0]}, {shape[1]}), or leave it out."
        )
        raise ValueError(msg)
    if (start < 0).any():
        msg = f"X0 must not have negative entries; the smallest is {start.min():g}."
        raise ValueError(msg)
    return start


# ---- blocks of right-hand sides -----------------------------------------------------


def _blocks(m: int, r: int) -> Iterator[slice]:
    width = int(np.clip(BLOCK_ENTRIES // m, 16, MOST_COLUMNS))
    for first in range(0, r, width):
        yield slice(first, min(first + width, r))


def _solve_blocks(
    system: NormalEquations, B: Any, start: Array | None, dtype: Any, want_info: bool
) -> tuple[Array, NNLSResult]:
    n, r = system.gram.shape[0], B.shape[1]
    X = np.empty((n, r), dtype=dtype)
    norms = np.zeros(r if want_info else 0)
    passive = np.zeros((n, r if want_info else 0), dtype=bool)
    worst, n_fallback = 0.0, 0
    for block in _blocks(*B.shape):
        part = _Block(system, B[:, block])
        x = np.zeros((block.stop - block.start, n))
        if start is not None:
            x[...] = start[:, block].T > 0
        x, fit, fallbacks = part.solve(x, want_info)
        n_fallback += fallbacks
        with np.errstate(over="ignore", under="ignore"):
            out = x * system.scales / part.scales[:, None]
            X[:, block] = np.minimum(out, np.finfo(dtype).max).T
        if want_info and fit is not None:
            norms[block] = fit.residual_norms / part.scales
            worst = max(worst, float(fit.optimality.max()))
            free = x > 0 if system.upper is None else (x > 0) & (x < system.upper)
            passive[:, block] = free.T
    if passive.shape[1] == 0:
        passive = np.zeros((n, r), dtype=bool)
        norms = np.zeros(r)
    return X, NNLSResult(norms, worst, passive, n_fallback)


class _Block:
    """A block of right-hand sides: solved, refined with A, and solved anew if need be."""

    def __init__(self, system: NormalEquations, B: Any) -> None:
        self.system = system
        if system.root_weights is not None:
            B = diagonal_times(system.root_weights, B)
        sizes = largest_in_columns(B)
        extreme = (sizes > 1e100) | ((sizes < 1e-100) & (sizes > 0))
        self.scales = np.ones(B.shape[1])
        if extreme.any() and system.upper is None:
            self.scales = power_of_two(sizes)
            B = times_diagonal(B, self.scales)
        self.B = B.astype(np.float64, copy=False)
        self.l1 = system.l1 * self.scales[:, None]

    def solve(self, X: Array, want_info: bool) -> tuple[Array, Fit | None, int]:
        """Solve from the passive sets of X; return also how many were solved anew."""
        system = self.system
        unfinished = system.solve(X, system.transposed_times(self.B) - self.l1)
        sound = unfinished == 0 and system.condition <= WELL_CONDITIONED
        if sound and not want_info:
            return X, None, 0
        fit = system.fit(X, self.B, self.l1)
        if sound:
            return X, fit, 0
        for _ in range(2):
            refined = system.refined(X, fit.gradient)
            other = system.fit(refined, self.B, self.l1)
            enough = np.maximum(fit.optimality, self._tolerance())
            better = (other.optimality <= enough)[:, None]
            X = np.where(better, refined, X)
            fit = _merged(better, other, fit)
        return self._solve_anew(X, fit)

    def _tolerance(self) -> float:
        """Return the tolerance of the optimality, that of SciPy: 10·max(m, n) roundings."""
        return float(10 * max(self.system.A.shape) * EPS)

    def _solve_anew(self, X: Array, fit: Fit) -> tuple[Array, Fit, int]:
        """Replace rows that are not optimal by solutions from A itself, if better."""
        doubtful = np.flatnonzero(~(fit.optimality <= self._tolerance()))
        solver = OneByOne.of(self.system) if len(doubtful) else None
        if solver is None:
            return X, fit, 0
        X, n_solved = X.copy(), 0
        for j in doubtful:
            b = self.B[:, j]
            b = b.toarray().ravel() if sp.issparse(b) else b
            n_solved += solver.improve(X[j], b, self.l1[j])
        return X, self.system.fit(X, self.B, self.l1), n_solved


def _merged(better: Array, new: Fit, old: Fit) -> Fit:
    flat = better[:, 0]
    return Fit(
        np.where(flat, new.residual_norms, old.residual_norms),
        np.where(better, new.gradient, old.gradient),
        np.where(flat, new.optimality, old.optimality),
    )
