"""`non_negative_factorization`: a fit as a function."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal

from ..base.arrays import Array
from ..base.constraint import ConstraintBase, takes_any_sign
from ..base.deadline import no_limit, time_limit
from ..base.declaration import FUNCTION
from ..base.interfaces import LossBase, SolverBase
from ..base.observed import Observation
from ..base.parameters import Parameters
from ..base.records import Iteration
from ..base.rules import BOOL, require
from ..fitting.fit_plan import plan
from ..fitting.observation import complete, warn_of_gaps
from ..fitting.preparation import prepare_X, validated
from ..fitting.run import run
from ..kernels.factor_rows import to_caller


def non_negative_factorization(
    X: Any,
    W: Any = None,
    H: Any = None,
    n_components: int | Literal["auto"] | None = None,
    init: str | None = "random",
    update_H: bool = True,
    solver: str | SolverBase = "cd",
    tol: float = 1e-4,
    max_iter: int = 200,
    alpha: float = 0.0,
    l1_ratio: float = 0.0,
    regularization: str | None = None,
    random_state: Any = None,
    verbose: int | Literal["progress"] = 0,
    shuffle: bool = False,
    nls_max_iter: int = 2000,
    sparseness: str | None = None,
    beta: float = 1,
    eta: float = 0.1,
    *,
    beta_loss: float | str | LossBase = "frobenius",
    alpha_W: float = 0.0,
    alpha_H: float | Literal["same"] = "same",
    max_time: float | None = None,
    callback: Callable[[Iteration], bool | None] | None = None,
    n_threads: int | None = None,
    accelerate: bool = False,
    missing_values: float | str | None = None,
    constraints_W: ConstraintBase | Sequence[ConstraintBase] | None = None,
    constraints_H: ConstraintBase | Sequence[ConstraintBase] | None = None,
    sample_weight: Any = None,
    feature_weight: Any = None,
    weights: Any = None,
) -> tuple[Array, Array, int]:
    """Factorize X ≈ W·H with non-negative W and H, or solve for W with H fixed.

    Minimises, with ρ = `l1_ratio`,

        D(X | WH) + a_W·(ρ·‖W‖₁ + ½(1−ρ)·‖W‖²_F) + a_H·(ρ·‖H‖₁ + ½(1−ρ)·‖H‖²_F)

    by turns in W and H, where D is half the squared Frobenius norm of X − WH or another
    β-divergence. The weights a_W and a_H are `alpha` on the factors that
    `regularization` names, or `alpha_W`·n_features and `alpha_H`·n_samples.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Non-negative data. float32 and float64 are kept, other dtypes become float64;
        CSR and CSC are used as they are, other sparse formats become CSR.
    W : array-like of shape (n_samples, n_components), default=None
        Start for init="custom". Converted to the dtype of X where it has another one; a
        value that this can't hold is refused. It is not written to.
    H : array-like of shape (n_components, n_features), default=None
        Start for init="custom"; with `update_H=False` the constant H, whatever `init` is.
    n_components : int, "auto" or None, default=None
        Number of components k. None keeps all features; "auto" takes the number of
        rows of a given H, else it keeps all features.
    init : str or None, default="random"
        How W and H start:

        - "random": absolute values of Gaussian entries, scaled by sqrt(mean of X / k);
        - "nndsvd": non-negative double SVD, with zeros (k ≤ min(X.shape));
        - "nndsvda": "nndsvd" with its zeros filled with the mean of X;
        - "nndsvdar": "nndsvd" with its zeros filled with small random numbers;
        - "nnsvd-lrc": non-negative SVD with low-rank correction;
        - "spa": rows of X as H, by successive projections, and W beside them, for
          separable data (k ≤ min(X.shape));
        - "custom": W and H as given;
        - None: "nndsvd" if k < n_features and k ≤ n_samples, else "random"; for "mu",
          "sn" and "irls" "nndsvda" if k ≤ min(X.shape), else "random".
    update_H : bool, default=True
        False keeps H as it is given and solves for W alone, from zero.
    solver : {"cd", "hals", "bpp", "pg", "mu", "sn", "irls", "auto"} or SolverBase, default="cd"
        How the factors move:

        - "cd": cyclic coordinate descent, with scikit-learn's iterates;
        - "hals": the fast one: coordinate descent in adaptive sweeps, extrapolated;
        - "bpp": "hals" with exact solves by block principal pivoting, for
          components that are nearly dependent;
        - "pg": projected gradient;
        - "mu": multiplicative updates for every `beta_loss`, scikit-learn's iterates;
        - "sn": the fast one for the Kullback-Leibler divergence: damped scalar Newton
          steps, extrapolated;
        - "irls": for 0 ≤ β ≤ 2 and an X in memory, best a dense one: reweighted
          least squares, extrapolated;
        - "auto": the fast one for this loss; `solver_` of `NMF` says which;
        - an instance of a solver, with options of its own.
    tol : float, default=1e-4
        When the solver stops: for "cd" and "pg" at this share of the violation of the
        optimality conditions that the first iteration finds; for "mu" when ten
        iterations decrease sqrt(2·loss) by less than this share of its start; for
        "hals" and "bpp" at this scale-free size of the projected gradient, for "sn"
        when Σ|gradient|·entry is this share of the sum of X, for "irls" of Σ(W·H)^β, see
        the Notes of `NMF`.
        0 means that `max_iter` iterations are done, without a warning.
    max_iter : int, default=200
        Largest number of iterations.
    alpha : float, default=0.0
        Weight of the penalty on the factors that `regularization` names, unscaled.
    l1_ratio : float, default=0.0
        Share of L1 in the penalties: 0 is L2, 1 is L1, between is a mix.
    regularization : {"both", "components", "transformation"} or None, default=None
        What `alpha` penalises: both factors, H or W. With None `alpha` has no effect.
    random_state : int, RandomState instance or None, default=None
        For the random parts of the start and for `shuffle`; an int gives the same
        result each time.
    verbose : int or "progress", default=0
        Above 0, print the stopping measure of each iteration. "progress" shows a live bar
        with objective, residual and time left, in a terminal or notebook, for a fit of more
        than half a second.
    shuffle : bool, default=False
        Whether "cd" visits the components in random order.
    nls_max_iter : int, default=2000
        Largest number of iterations of a subproblem of "pg".
    sparseness : {"data", "components"} or None, default=None
        Which factor "pg" makes sparse: W, H, or neither.
    beta : float, default=1
        Degree of that sparseness; larger is sparser.
    eta : float, default=0.1
        Degree of correctness to keep with `sparseness`; smaller allows a larger error.
    beta_loss : float, str or LossBase, default="frobenius"
        The β-divergence that is minimised: 2 or "frobenius" (½‖X − WH‖²_F), 1 or
        "kullback-leibler" (for counts), 0 or "itakura-saito" (for power spectra; X must
        have no zeros), or any other number. Other than 2 need the solvers "mu", "sn",
        "irls" or "auto". An instance of another loss is minimised by the solvers that can.
    alpha_W : float, default=0.0
        Weight of the penalty on W, times n_features. Can't be combined with `alpha`.
    alpha_H : float or "same", default="same"
        Weight of the penalty on H, times n_samples; "same" takes that of `alpha_W`.
    max_time : float or None, default=None
        Seconds that the whole call may take, the start and the last solve included. What
        runs at their end is cut short: the factors are the best so far, and a fit that is
        cut before its first iteration warns. `transform` leaves rows as they started, and
        warns. Checks of an X in memory are always finished.
    callback : callable or None, default=None
        Called after each iteration with an `Iteration` (n_iter, objective, residual,
        seconds); the fit ends if it returns True.
    n_threads : int or None, default=None
        Threads to use; None takes every core that the process may use, at most
        `NONNEG_NUM_THREADS` or `OMP_NUM_THREADS`. The result doesn't depend on it.
    accelerate : bool, default=False
        Whether "mu" extrapolates its steps, for 0 ≤ `beta_loss` ≤ 2.
    missing_values : numpy.nan, "unstored", 0 or None, default=None
        Entries of X that are missing, and left out of the loss: None: none, NaN is
        refused; numpy.nan: NaN, while zeros are observed, also those that a sparse X does
        not store; "unstored": all that a sparse X does not store, while stored zeros are
        observed; 0: every zero. Penalties by `alpha_W` and `alpha_H` then count for each
        row and column by the share of it that is observed.
    constraints_W : ConstraintBase, list of ConstraintBase or None, default=None
        What is known about W: a constraint of `nonneg.constraints`, such as `Simplex()`, or
        a list of them. The solvers "hals", "bpp", "mu", "sn" and "auto" obey them, and
        `transform` does; constraints that name single rows then need as many as in the fit.
    constraints_H : ConstraintBase, list of ConstraintBase or None, default=None
        What is known about H, such as `Fixed(known)` with an array of the shape of
        `components_` that is NaN where an entry is free. Penalties and constraints together
        are minimised; a penalty that only makes a factor small is refused.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row in the loss, at least 0.
    feature_weight : array-like of shape (n_features,), default=None
        Weight of each column in the loss, at least 0.
    weights : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
        Weight of each entry in the loss, at least 0; 0 leaves it out. What a sparse
        matrix does not store has weight 0; `EntryWeights` gives it another one.

    Returns
    -------
    W : ndarray of shape (n_samples, n_components)
        Non-negative, of the dtype of X.
    H : ndarray of shape (n_components, n_features)
        Non-negative, of the dtype of X; with `update_H=False` equal to the given one.
    n_iter : int
        Iterations done, from one.

    Raises
    ------
    ValueError
        For an X, W, H or parameter that is not what it has to be.
    KeyboardInterrupt
        If interrupted; its attribute `result` is a `FactorizationResult` with the
        best factors so far.

    Warns
    -----
    ConvergenceWarning
        If `max_iter` was reached before convergence and `tol` is not 0.
    RuntimeWarning
        If W or H is given but not used.

    See Also
    --------
    NMF : The estimator; its docstring names the papers behind each solver.

    Notes
    -----
    An iteration of "cd" costs 4·k flops per stored entry of X, which is read once, and
    (n_samples + n_features)·k² multiply-adds.

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import non_negative_factorization
    >>> X = np.array([[1, 1], [2, 1], [3, 1.2], [4, 1], [5, 0.8], [6, 1]])
    >>> W, H, n_iter = non_negative_factorization(
    ...     X, n_components=2, init="random", random_state=0
    ... )
    >>> bool(np.linalg.norm(X - W @ H) < 0.002)
    True
    """
    arguments = dict(locals())
    names = {field.name for field in dataclasses.fields(Parameters)}
    values = {name: value for name, value in arguments.items() if name in names}
    observation = Observation(missing_values, sample_weight, feature_weight, weights)
    with time_limit(max_time):
        with no_limit():  # but the time of the checks counts
            any_sign = takes_any_sign(Parameters(**values))
            operand = prepare_X(
                X, n_threads, observation=observation, any_sign=any_sign
            )
            require("update_H", update_H, BOOL, FUNCTION)
            parameters = validated(Parameters(**values))
            made = plan(operand, parameters, W, H, update_H=bool(update_H))
        result = complete(operand, run(made), made)
    warn_of_gaps(operand, made)
    return to_caller(result.W), result.H, result.n_iter
