"""The estimator `NMF`: parameters, tags and fitted attributes; nothing numerical."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal

from ..base.constraint import ConstraintBase, as_constraints, takes_any_sign
from ..base.interfaces import LossBase, Operand, SolverBase
from ..base.records import FactorizationResult, Iteration
from ..fitting.fit_plan import plan
from ..fitting.fixed_factor import transform_memory
from ..fitting.plan import Plan
from ..fitting.plan_checks import AUTO
from ..least_squares.projected_gradient import measure_sparseness
from ..operands.registration import lazy_transform
from ..solvers.registry import solvers
from .base import FactorizationEstimator


class NMF(FactorizationEstimator):
    """Non-negative matrix factorization: X ≈ W·H with W, H ≥ 0.

    Minimises, with ρ = `l1_ratio`,

        D(X | WH) + a_W·(ρ·‖W‖₁ + ½(1−ρ)·‖W‖²_F) + a_H·(ρ·‖H‖₁ + ½(1−ρ)·‖H‖²_F)

    by turns in W (n_samples, k) and H (k, n_features), where D is half the squared
    Frobenius norm of X − WH or another β-divergence. The weights a_W and a_H are
    `alpha` on the factors that `regularization` names, or `alpha_W`·n_features and
    `alpha_H`·n_samples. Used for dimension reduction, source separation and topic
    extraction.

    Parameters
    ----------
    n_components : int, "auto" or None, default=None
        Number of components k. None keeps all features; "auto" takes the number of
        rows of a given H, else it keeps all features.
    init : str or None, default=None
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
    solver : {"cd", "hals", "bpp", "pg", "mu", "sn", "irls", "auto"} or SolverBase, default="cd"
        How the factors move:

        - "cd": cyclic coordinate descent [1]_, with scikit-learn's iterates;
        - "hals": the fast one: coordinate descent in adaptive sweeps, extrapolated [3]_;
        - "bpp": "hals" with exact solves by block principal pivoting [4]_, for
          components that are nearly dependent;
        - "pg": projected gradient [2]_;
        - "mu": multiplicative updates for every `beta_loss` [5]_, scikit-learn's iterates;
        - "sn": the fast one for the Kullback-Leibler divergence: damped scalar Newton
          steps, extrapolated [6]_;
        - "irls": for 0 ≤ β ≤ 2 and an X in memory, best a dense one: reweighted
          least squares, extrapolated [9]_;
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
    random_state : int, RandomState instance or None, default=None
        For the random parts of the start and for `shuffle`; an int gives the same
        result each time.
    alpha : float, default=0.0
        Weight of the penalty on the factors that `regularization` names, unscaled.
    l1_ratio : float, default=0.0
        Share of L1 in the penalties: 0 is L2, 1 is L1, between is a mix.
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
    regularization : {"both", "components", "transformation"} or None, default="both"
        What `alpha` penalises: both factors, H or W. With None `alpha` has no effect.
    alpha_W : float, default=0.0
        Weight of the penalty on W, times n_features. Can't be combined with `alpha`.
    alpha_H : float or "same", default="same"
        Weight of the penalty on H, times n_samples; "same" takes that of `alpha_W`.
    n_init : int, default=1
        Number of starts, fitted together; the best one is kept. The first is as `init`
        and `random_state` say, the others are random, with seeds drawn from
        `random_state`. "cd", "hals" and "bpp" read X once per iteration for all of them
        (for as many as 48 MB of sums over X allow). Of a small X, after a compressed start,
        and with `blocks`, each start reads X for itself.
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
    compress : bool or "auto", default=False
        Whether "hals" or "bpp" starts on a compressed dense X, k + 20 directions of its
        range, and finishes with five iterations or more on X itself. "auto" does so
        where that was measured to be faster. Objectives are always those of X; NaN in
        `history_` before the finish.
    blocks : int or None, default=None
        With "hals", cut X into this many blocks of rows. In the first two passes H moves
        after each block, by sums over all rows that are kept exact [8]_; then the fit
        goes on as it does without blocks. Before the first pass up to ten sweeps are
        done over the first block, if it has 50 rows for each component or more: put rows
        in no order there. A given start may be left for a worse one.
        Of an X in a store two blocks are in memory at a time. None means no blocks,
        except for solver="auto" and an X in a store where they save passes.
    memory_limit : int, str or None, default=None
        Bytes, or a size such as "2GB", that the fit may take beyond what is in memory
        before it. For an X that is read in parts it bounds what is read at a time; a
        limit that the factors exceed is refused before any work.
    checkpoint : str, path-like or None, default=None
        File that the fit is written to from time to time and at its end, atomically; the
        one before is kept as "<name>.previous". As large as the solver's arrays (up to
        four times W and H). A full disk ends no fit, it warns.
    checkpoint_every : float or int, default=60.0
        Seconds from one checkpoint to the next; an int counts iterations.
    resume : bool, default=False
        Whether to go on from the checkpoint, if there is one. The result is that of a
        fit without interruption, to the last bit. Parameters that only bound what a fit
        takes, such as `max_iter`, `max_time`, `tol` and `n_threads`, may have changed. A
        checkpoint of other data or parameters is refused.
    accelerate : bool, default=False
        Whether "mu" extrapolates its steps [7]_, for 0 ≤ `beta_loss` ≤ 2.
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

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        H, of the dtype of X.
    n_components_ : int
        Number of components.
    n_iter_ : int
        Iterations done by the fit, from one; `transform` leaves it alone.
    reconstruction_err_ : float
        ‖X − WH‖_F of the fit, without penalties; sqrt(2·D) for another `beta_loss`.
    n_features_in_ : int
        Number of features seen in `fit`.
    n_observed_ : int
        Number of entries of X that were observed, with a weight above 0.
    feature_weight_ : ndarray of shape (n_features,) or None
        Weights of the features, as `transform` uses them.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X had names that are all texts.
    history_ : dict of ndarray
        One entry per iteration each: "objective" (penalised, with its ½; NaN where the
        solver does not know it), "residual" (the measure that is compared with `tol`),
        "sweeps" (per row) and "seconds" since the start. With `n_init` > 1 also
        "objectives" (n, n_init), the smallest so far of each start, NaN as above.
    stop_reason_ : str
        "converged", "max_iter", "max_time", "callback" or "interrupted".
    solver_ : str
        The solver that ran.
    comp_sparseness_ : float
        Hoyer sparseness of H, between 0 and 1, NaN for zeros; after solver="pg" only.
    data_sparseness_ : float
        Hoyer sparseness of W; after solver="pg" only.

    See Also
    --------
    non_negative_factorization : A fit as a function, also with H fixed.
    nonneg.anndata.nmf : A fit that writes its factors into an AnnData; `fit` takes one as its
        matrix.

    Notes
    -----
    An iteration of "cd" costs 4·k flops per stored entry of X, which is read once, and
    (n_samples + n_features)·k² multiply-adds. An iteration of "hals" costs a few times
    these multiply-adds more, and far fewer iterations are needed. "hals" and "bpp" stop
    when ‖projected gradient‖ ≤ tol·(‖XHᵀ − l1‖ + ‖XᵀW − l1‖) twice in a row, components
    balanced, and five iterations bring at most 0.3·tol of the objective, or when they
    bring less than 1e-7 of it (float32: 1e-6). "hals", "bpp" and "sn" end with
    an exact solve for W, "irls" with one as exact as `tol` asks for: the last row of
    `history_`. "hals" and "bpp" revive
    components that have become 0, unless there are penalties: with those, that may be the
    optimum.

    "hals" does the first iterations on a large float64 X in memory in float32, with a copy of
    its entries, and goes on in float64, in which it converges; `plan` tells. `history_` then
    begins with objectives of X in float32.

    An X so large or small that its squares are beyond its dtype is fitted in another unit,
    a power of two, for which it is copied; where it is not in memory it is refused.

    `transform` has the penalties of `fit`. "hals" and "bpp" solve for each row exactly,
    so that the fitted X gives the W of `fit_transform` again; what is computed from H is
    kept for the next call. "sn" solves to optimality, so that each row has the same
    objective to 1e-6; so does "irls", for β < 1 to a minimum that may be another one than
    the fit's. "auto" with a β that is neither 1 nor 2 transforms by "mu". "cd" and "pg"
    iterate from zero as in `fit`, with its `tol` (and `nls_max_iter` in place of
    `max_iter` for "pg"), "mu" iterates from a constant; the
    fitted X then gives a W that is close, not equal. From a store, "hals" and "bpp" read
    X once. The other solvers look its entries over first: "cd" reads X twice, "mu" and
    "sn" three times at most, "mu" with a `beta_loss` other than 2 twice and once an
    iteration. With `out`, "hals" and "bpp" hold a few thousand rows of W at a time; for
    the other solvers all of W is in memory first.

    Beside X a fit holds a few arrays of the size of W and H. An interrupted fit (Ctrl-C)
    sets the fitted attributes from the best factors so far before the KeyboardInterrupt
    goes on.

    References
    ----------
    .. [1] Cichocki & Phan, "Fast local algorithms for large scale nonnegative matrix
       and tensor factorizations", IEICE Trans. Fundamentals E92-A (2009) 708-721,
       https://doi.org/10.1587/transfun.E92.A.708
    .. [2] Lin, "Projected gradient methods for nonnegative matrix factorization",
       Neural Computation 19 (2007) 2756-2779,
       https://doi.org/10.1162/neco.2007.19.10.2756
    .. [3] Ang & Gillis, "Accelerating nonnegative matrix factorization algorithms using
       extrapolation", Neural Computation 31 (2019) 417-439,
       https://doi.org/10.1162/neco_a_01157
    .. [4] Kim & Park, "Fast nonnegative matrix factorization: an active-set-like method
       and comparisons", SIAM Journal on Scientific Computing 33 (2011) 3261-3281,
       https://doi.org/10.1137/110821172
    .. [5] Févotte & Idier, "Algorithms for nonnegative matrix factorization with the
       β-divergence", Neural Computation 23 (2011) 2421-2456,
       https://doi.org/10.1162/NECO_a_00168
    .. [6] Hien & Gillis, "Algorithms for nonnegative matrix factorization with the
       Kullback-Leibler divergence", Journal of Scientific Computing 87 (2021) 93,
       https://doi.org/10.1007/s10915-021-01504-0
    .. [7] Hien, Leplat & Gillis, "Block majorization minimization with extrapolation
       and application to β-NMF", https://doi.org/10.48550/arXiv.2401.06646
    .. [8] Yin, Gao & Zhang, "Scalable nonnegative matrix factorization with block-wise
       updates", Machine Learning and Knowledge Discovery in Databases (2014) 337-352,
       https://doi.org/10.1007/978-3-662-44845-8_22
    .. [9] Green, "Iteratively reweighted least squares for maximum likelihood estimation,
       and some robust and resistant alternatives", Journal of the Royal Statistical
       Society B 46 (1984) 149-192, https://doi.org/10.1111/j.2517-6161.1984.tb01288.x

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import NMF
    >>> X = np.array([[1, 1], [2, 1], [3, 1.2], [4, 1], [5, 0.8], [6, 1]])
    >>> model = NMF(n_components=2, init="random", random_state=0)
    >>> W = model.fit_transform(X)
    >>> model.components_.round(5)
    array([[2.09783, 0.3056 ],
           [2.13443, 2.13172]])
    >>> round(model.reconstruction_err_, 8)
    0.00115993
    """

    def __init__(
        self,
        n_components: int | Literal["auto"] | None = None,
        init: str | None = None,
        solver: str | SolverBase = "cd",
        tol: float = 1e-4,
        max_iter: int = 200,
        random_state: Any = None,
        alpha: float = 0.0,
        l1_ratio: float = 0.0,
        verbose: int | Literal["progress"] = 0,
        shuffle: bool = False,
        nls_max_iter: int = 2000,
        sparseness: str | None = None,
        beta: float = 1,
        eta: float = 0.1,
        *,
        beta_loss: float | str | LossBase = "frobenius",
        regularization: str | None = "both",
        alpha_W: float = 0.0,
        alpha_H: float | Literal["same"] = "same",
        n_init: int = 1,
        max_time: float | None = None,
        callback: Callable[[Iteration], bool | None] | None = None,
        n_threads: int | None = None,
        compress: bool | Literal["auto"] = False,
        blocks: int | None = None,
        memory_limit: int | str | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: float = 60.0,
        resume: bool = False,
        accelerate: bool = False,
        missing_values: float | str | None = None,
        constraints_W: ConstraintBase | Sequence[ConstraintBase] | None = None,
        constraints_H: ConstraintBase | Sequence[ConstraintBase] | None = None,
    ) -> None:
        self.n_components = n_components
        self.init = init
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.verbose = verbose
        self.shuffle = shuffle
        self.nls_max_iter = nls_max_iter
        self.sparseness = sparseness
        self.beta = beta
        self.eta = eta
        self.beta_loss = beta_loss
        self.regularization = regularization
        self.alpha_W = alpha_W
        self.alpha_H = alpha_H
        self.n_init = n_init
        self.max_time = max_time
        self.callback = callback
        self.n_threads = n_threads
        self.compress = compress
        self.blocks = blocks
        self.memory_limit = memory_limit
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.resume = resume
        self.accelerate = accelerate
        self.missing_values = missing_values
        self.constraints_W = constraints_W
        self.constraints_H = constraints_H

    def _transform_lazily(self, X: Any) -> Any:
        if as_constraints(self.constraints_W):
            return None
        lazily = lazy_transform(X)
        return None if lazily is None else lazily(self, X, self.components_)

    def _plan_fit(self, X: Operand, W: Any, H: Any, out: Any = None) -> Plan:
        return plan(X, self._parameters(), W, H, out=out)

    def _plan_transform(self, X: Operand, out: Any = None) -> Plan:
        parameters = self._parameters()
        name = self.solver_ if parameters.solver == AUTO else parameters.solver
        memory, H = transform_memory(self), self.components_
        parameters = memory.parameters(parameters, len(H), name)
        fixed = memory.fixed_factor(H, X.dtype, X.n_threads, takes_any_sign(self))
        if not solvers.class_of(parameters.solver).solves_W_exactly:
            out = None  # W is written at the end
        if out is not None:
            return plan(X, parameters, fixed=fixed, out=out)

        def make() -> Plan:
            return plan(X, parameters, fixed=fixed)

        known: Plan = memory.plan(X, parameters, fixed, make)
        return known

    def _set_fitted(self, X: Operand, result: FactorizationResult, plan: Plan) -> None:
        super()._set_fitted(X, result, plan)
        self.solver_ = result.solver
        for name in ("comp_sparseness_", "data_sparseness_"):
            self.__dict__.pop(name, None)
        if result.solver == "pg":
            self.comp_sparseness_ = measure_sparseness(result.H)
            self.data_sparseness_ = measure_sparseness(result.W)
