"""Half-steps of solver "pg" as public functions, and Hoyer's measure of sparseness."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..base import validation
from ..base.arrays import Array
from ..base.factor_checks import to_dtype_of_X
from ..base.inherited_parameters import INHERITED
from ..base.interfaces import Operand
from ..base.penalty import Penalty
from ..base.rules import NON_NEGATIVE, Rule, is_real, positive_integer, require
from ..base.threads import resolve_n_threads, single_threaded_blas
from ..losses.metrics import require_shapes
from ..operands.base import rmatmul
from ..operands.registration import as_operand
from ..solvers.pg import LIMIT_MESSAGE, sparseness_terms
from ..solvers.steps.projection import Subproblem, gram_for
from ..stores.anndata_store import whole_matrix

Solution = tuple[NDArray[Any], NDArray[Any], int]
"""(factor, gradient, n_iter)."""

_SHRINKS = "a float in the range (0.0, 1.0)"

_RULES = {p.name: p.rule for p in INHERITED if isinstance(p.rule, Rule)} | {
    "tol": Rule(is_real, NON_NEGATIVE, "Pass 0 to do all iterations."),
    "max_iter": positive_integer("Pass the most iterations to do."),
    "sigma": Rule(
        lambda v: is_real(v, 0.0, 1.0) and 0 < v < 1, _SHRINKS, "Usual is 0.01."
    ),
    "beta": Rule(
        lambda v: is_real(v, 0.0, 1.0) and 0 < v < 1, _SHRINKS, "Usual is 0.1."
    ),
    "factor": Rule(
        lambda v: isinstance(v, str) and v in ("W", "H"),
        "a str among {'W', 'H'}",
        "It names the factor to solve for.",
    ),
}
"""Rules of the parameters: those of `NMF`, but for these five."""
_WEIGHT = Rule(is_real, NON_NEGATIVE, "It weighs a term of `sparseness`.")


def nls_subproblem(
    V: Any,
    W: Any,
    H: Any,
    tol: float,
    max_iter: int,
    alpha: float = 0.0,
    l1_ratio: float = 0.0,
    sigma: float = 0.01,
    beta: float = 0.1,
) -> Solution:
    """Solve a non-negative least squares problem by projected gradient [1]_.

    Minimises, with ρ = `l1_ratio`,

        ½‖V − W·H‖²_F + alpha·(ρ·‖H‖₁ + ½(1−ρ)·‖H‖²_F)  over H ≥ 0.

    Parameters
    ----------
    V : {array-like, sparse matrix} of shape (n_samples, n_features)
        The constant to approximate. It isn't made dense.
    W : array-like of shape (n_samples, k)
        The other constant. It is converted to the dtype of V.
    H : array-like of shape (k, n_features)
        The start, with entries >= 0; zeros are allowed. It is not written to.
    tol : float
        Stops when the norm of the projected gradient is below it.
    max_iter : int
        Largest number of iterations, at least 1.
    alpha : float, default=0.0
        Weight of the penalty on H.
    l1_ratio : float, default=0.0
        Share of L1 in it: 0 is L2, 1 is L1.
    sigma : float, default=0.01
        Constant of the test for sufficient decrease, in (0, 1). Smaller makes the
        test looser: shorter searches, but more iterations.
    beta : float, default=0.1
        Factor from one trial step size to the next, in (0, 1). Larger finds better
        steps in longer searches.

    Returns
    -------
    H : ndarray of shape (k, n_features)
        The solution, float32 if V is, else float64.
    grad : ndarray of shape (k, n_features)
        Gradient at H; where `max_iter` was reached, at the H of the step before.
    n_iter : int
        Iterations done, from one; an optimal start takes one.

    Raises
    ------
    ValueError
        If a shape, an entry or a parameter is not what it has to be.

    Warns
    -----
    UserWarning
        If `max_iter` was reached.

    Notes
    -----
    V is read once, for WᵀV. Then an iteration costs n_features·k² multiply-adds for
    the gradient and again for each trial step, of which there are at most 20. The
    result doesn't depend on the number of threads.

    References
    ----------
    .. [1] Lin, "Projected gradient methods for nonnegative matrix factorization",
       Neural Computation 19 (2007) 2756-2779,
       https://doi.org/10.1162/neco.2007.19.10.2756

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import nls_subproblem
    >>> W = np.array([[1.0, 0.0], [1.0, 1.0]])
    >>> H, grad, n_iter = nls_subproblem([[2.0], [1.0]], W, [[0], [0]], 1e-9, 100)
    >>> H.round(6)
    array([[1.5],
           [0. ]])
    """
    values = {
        "tol": tol,
        "max_iter": max_iter,
        "alpha": alpha,
        "l1_ratio": l1_ratio,
        "sigma": sigma,
        "beta": beta,
    }
    for name, value in values.items():
        require(name, value, _RULES[name], "nls_subproblem")
    X, W, H = _prepared(V, W, H, "V", "nls_subproblem")
    k = H.shape[0]
    penalty = Penalty.elastic(k, alpha * l1_ratio, alpha * (1.0 - l1_ratio))
    solution = _solve(X, W, H.T, penalty, 0.0, tol, int(max_iter), sigma, beta)
    _warn_at_limit(solution[2], "max_iter", max_iter)
    return _transposed(solution)


def projected_gradient_update(
    X: Any,
    W: Any,
    H: Any,
    tol: float,
    nls_max_iter: int,
    alpha: float,
    l1_ratio: float,
    sparseness: str | None,
    beta: float,
    eta: float,
    *,
    factor: Literal["W", "H"],
) -> Solution:
    """Solve for one factor with the other fixed: one half of an iteration of "pg" [1]_.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    W : array-like of shape (n_samples, k)
    H : array-like of shape (k, n_features)
        The fixed factor, and the start of the other one, whose entries must be >= 0.
        Both are converted to the dtype of X. Neither is written to.
    tol : float
        Stops when the norm of the projected gradient is below it.
    nls_max_iter : int
        Largest number of iterations, at least 1.
    alpha : float
        Weight of the penalty on the factor.
    l1_ratio : float
        Share of L1 in it: 0 is L2, 1 is L1.
    sparseness : {"data", "components"} or None
        Which factor of a factorization is to be sparse: W, H, or neither.
    beta : float
        Weight of the squared sums over the components of the sparse factor; larger is
        sparser. Not used without `sparseness`.
    eta : float
        Weight of the squared entries of the other factor.
    factor : {"W", "H"}
        The factor to solve for.

    Returns
    -------
    factor : ndarray, of the shape of W or of H
        The solution, float32 if X is, else float64.
    grad : ndarray of the same shape
        Gradient at it, with the penalties; where `nls_max_iter` was reached, at the
        factor of the step before.
    n_iter : int
        Iterations done, from one.

    Raises
    ------
    ValueError
        If a shape, an entry or a parameter is not what it has to be.

    Warns
    -----
    UserWarning
        If `nls_max_iter` was reached.

    See Also
    --------
    nls_subproblem : One factor for any V, with the constants of the line search.

    References
    ----------
    .. [1] Lin, "Projected gradient methods for nonnegative matrix factorization",
       Neural Computation 19 (2007) 2756-2779,
       https://doi.org/10.1162/neco.2007.19.10.2756

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import projected_gradient_update
    >>> X, H = np.array([[2.0, 4.0]]), np.array([[1.0, 2.0]])
    >>> W, grad, n_iter = projected_gradient_update(
    ...     X, [[0.0]], H, 1e-9, 100, 0.0, 0.0, None, 1.0, 0.1, factor="W"
    ... )
    >>> W.round(6)
    array([[2.]])
    """
    owner = "projected_gradient_update"
    values: dict[str, Any] = {"tol": tol, "alpha": alpha, "l1_ratio": l1_ratio}
    values |= {"sparseness": sparseness, "factor": factor}
    for name, value in values.items():
        require(name, value, _RULES[name], owner)
    require("nls_max_iter", nls_max_iter, _RULES["max_iter"], owner)
    for name, value in (("beta", beta), ("eta", eta)):
        require(name, value, _WEIGHT, owner)
    operand, W, H = _prepared(X, W, H, "X", owner, start=factor)
    k = H.shape[0]
    penalty = Penalty.elastic(k, alpha * l1_ratio, alpha * (1.0 - l1_ratio))
    Q_W, Q_H = sparseness_terms(k, sparseness, beta, eta)
    limit = int(nls_max_iter)
    if factor == "W":
        solution = _solve(operand.T, H.T, W, penalty, Q_W, tol, limit)
    else:
        solution = _transposed(_solve(operand, W, H.T, penalty, Q_H, tol, limit))
    _warn_at_limit(solution[2], "nls_max_iter", limit)
    return solution


def hoyer_sparseness(A: Any) -> float:
    """Hoyer's measure of sparseness [1]_: (√n − ‖a‖₁/‖a‖₂) / (√n − 1).

    Parameters
    ----------
    A : {array-like, sparse matrix} of any shape
        Its n entries are taken as one vector a.

    Returns
    -------
    sparseness : float
        0 if all entries have the same magnitude, 1 if only one is not zero; NaN if
        all are zero or there is only one entry, where the measure isn't defined.

    Warns
    -----
    RuntimeWarning
        If it is NaN.

    References
    ----------
    .. [1] Hoyer, "Non-negative matrix factorization with sparseness constraints",
       Journal of Machine Learning Research 5 (2004) 1457-1469,
       https://www.jmlr.org/papers/v5/hoyer04a.html

    Examples
    --------
    >>> from nonneg import hoyer_sparseness
    >>> hoyer_sparseness([[0.0, 3.0], [0.0, 0.0]])
    1.0
    """
    sparseness = measure_sparseness(A)
    if math.isnan(sparseness):
        validation.warn(
            "The sparseness of a single entry, of zeros alone or of NaN is not defined; it "
            "is NaN. Pass two entries or more, one of them not zero.",
            RuntimeWarning,
        )
    return sparseness


def measure_sparseness(A: Any) -> float:
    """Return Hoyer's measure of sparseness, NaN where it isn't defined."""
    n_entries = int(np.prod(A.shape)) if sp.issparse(A) else np.size(A)
    values = A.data if sp.issparse(A) else A
    values = np.abs(np.asarray(values, dtype=np.float64)).ravel()
    # scaled, so that no square overflows
    largest = values.max(initial=0.0)
    if n_entries < 2 or largest == 0:
        return float("nan")
    values /= largest
    root = np.sqrt(n_entries)
    return float((root - values.sum() / np.sqrt(values @ values)) / (root - 1.0))


def _solve(
    X: Operand,
    W: Array,
    start: Array,
    penalty: Penalty,
    Q: NDArray[np.float64] | float,
    tol: float,
    max_iter: int,
    sigma: float = 0.01,
    beta: float = 0.1,
) -> Solution:
    """Solve X ≈ W·Aᵀ for A of shape (n_features, k), beginning with a copy of `start`."""
    A = np.array(start, order="C", copy=True)
    W = np.ascontiguousarray(W)
    with single_threaded_blas():
        rhs, G = rmatmul(X, W), gram_for(X.T, W)
        problem = Subproblem(A, rhs, G, penalty, Q, float(sigma), float(beta))
        n_iter, _ = problem.solve(float(tol), max_iter)
    A += 0.0  # no negative zeros
    return A, problem.gradient, n_iter


def _transposed(solution: Solution) -> Solution:
    A, gradient, n_iter = solution
    return np.ascontiguousarray(A.T), np.ascontiguousarray(gradient.T), n_iter


def _warn_at_limit(n_iter: int, name: str, limit: int) -> None:
    if n_iter == limit:
        advice = f" Raise `{name}` ({limit}) or `tol`."
        validation.warn(LIMIT_MESSAGE + advice, UserWarning)


def _prepared(
    X: Any, W: Any, H: Any, name: str, owner: str, start: str = "H"
) -> tuple[Operand, Array, Array]:
    """Return the operand of X and both factors, checked against each other."""
    X = validation.check_X(whole_matrix(X, name, owner), owner, name)
    W, H = (_converted(A, X.dtype, key, owner) for key, A in (("W", W), ("H", H)))
    require_shapes(X, W, H, name)
    validation.check_non_negative(W if start == "W" else H, f"{owner} (input {start})")
    return as_operand(X, resolve_n_threads(None)), W, H


def _converted(A: Any, dtype: np.dtype[Any], name: str, owner: str) -> Array:
    """Return A as a checked array of `dtype`."""
    return to_dtype_of_X(validation.check_matrix(A, name, owner), dtype, name)
