"""Refits of a model on weighted rows; those of least squares on the drawn rows alone."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from ..base import deadline
from ..base.arrays import Array
from ..base.constraint import as_constraints
from ..base.interfaces import Operand, Penalty, Problem
from ..base.penalties import scaled_penalties
from ..base.records import StopReason
from ..base.threads import single_threaded_blas
from ..fitting import loop
from ..fitting.checkpoints.files import Past
from ..fitting.run import WEIGHTS
from ..kernels import Exact, RowArrays, gram
from ..losses.beta import make_loss
from ..operands.base import matmul
from ..operands.registration import as_operand
from ..solvers.hals import Hals
from ..solvers.steps.half_steps import solve_half
from ..solvers.steps.momentum import ExtrapolatedState
from .drawn_rows import DrawnRows
from .side_by_side import in_order
from .single_precision import copied, fits_single

A = TypeVar("A")
Weights: TypeAlias = NDArray[np.float64]
Refit: TypeAlias = Callable[[Weights], Array]
"""Returns the components (k, n_features) of the refit by weights of the rows (n_samples,)."""
WORKERS = 4
"""Most replicates at a time, of which each has a copy of the rows that are drawn."""
WIDE, FAR, LONG, FARTHER = 1.2, 2.5e5, 10.0, 1e6
"""Columns of a sparse X for each of its rows, and bytes of H, from which drawn rows are stored by
columns: entries of a row find rows of Hᵀ far apart, those of a column rows of W that are in the
cache. A column has so many entries on average, or H so many bytes (D-BOOTSTRAP-COLUMNS)."""
LARGE = 1e8
"""Stored entries of X times k from which a pass keeps all threads busy by itself."""


class Refits(NamedTuple):
    """The refit of a model, and how many may run at a time."""

    refit: Refit
    workers: int = 1

    def each(
        self, weights: Iterable[Weights], take: Callable[[int, Array], A]
    ) -> Generator[A, None, None]:
        """Yield in order what `take` makes of the number and the components of each replicate.

        It is called on the threads of the refits.
        """

        def taken(numbered: tuple[int, Weights]) -> A:
            r, of_rows = numbered
            return take(r, self.refit(of_rows))

        return in_order(taken, enumerate(weights), self.workers)


def refits(
    model: Any, X: Any, operand: Operand | None, tol: float, max_iter: int
) -> Refits:
    """Return the refits of a model from where it stands.

    Parameters
    ----------
    model : NMF
        The fitted model.
    X : object
        Data as the caller gave them.
    operand : Operand or None
        The same data in memory; None for a model of data with missing entries.
    tol : float
        A refit has ended when its residual is at most this.
    max_iter : int
    """
    known = vars(model)
    is_constrained = any(as_constraints(known.get(f"constraints_{f}")) for f in "WH")
    is_quadratic = "quadratic" in make_loss(model.beta_loss).provides
    if operand is not None and is_quadratic and not is_constrained:
        values = {name: vars(model)[name] for name in WEIGHTS}
        penalties = scaled_penalties(len(model.components_), operand.shape, **values)
        # a row times √r would have its L1 penalty times √r as well
        if not np.any(penalties[0].l1):
            H = model.components_
            is_large = operand.entries * len(H) >= LARGE
            # iterations on a small X are too short for several threads
            workers = 1 if is_large else min(operand.n_threads, WORKERS)
            n_threads = max(1, operand.n_threads // workers)
            refit = _OfDrawnRows(H, operand, penalties, (tol, max_iter), n_threads)
            return Refits(refit, workers)
    return Refits(_weighted_fits(model, X, tol, max_iter))


def _weighted_fits(model: Any, X: Any, tol: float, max_iter: int) -> Refit:
    """Return refits by `sample_weight`, for any loss and penalty, and X with gaps."""
    refitted = clone(model)
    W = model.transform(X)
    deadline.check()
    W = np.maximum(W, np.finfo(W.dtype).tiny)
    H = model.components_.astype(W.dtype, copy=False)
    refitted.set_params(
        init="custom", n_components=len(H), tol=tol, max_iter=max_iter, n_init=1,
        callback=None, checkpoint=None, resume=False, compress=False,
    )  # fmt: skip
    H = np.where(H > 0, H, H.max(axis=1, keepdims=True) * 1e-6).astype(H.dtype)

    def refit(r: Weights) -> Array:
        components: Array = refitted.fit(X, W=W, H=H, sample_weight=r).components_
        deadline.check()
        return components

    return refit


class _OfDrawnRows:
    """Least-squares refits on the rows that are drawn, each times the root of its weight.

    A bootstrap draws 63 % of the rows, and sampling moves the components by far more than
    float32 rounds them.
    """

    def __init__(
        self,
        H: Array,
        X: Operand,
        penalties: tuple[Penalty, Penalty],
        limits: tuple[float, int],
        n_threads: int,
    ) -> None:
        X, (tol, max_iter) = X.stored_by_rows(), limits
        single = fits_single(X, tol, H)
        dtype = np.dtype(np.float32) if single else X.dtype
        copy = copied(X, dtype, X.n_threads)
        self._penalties = penalties
        self._n_threads = n_threads
        self._limits = loop.Limits(max_iter, tol)
        self._Ht = np.ascontiguousarray(H.T, dtype=dtype)
        self._draw = DrawnRows(copy, _gains_by_columns(X, self._Ht.nbytes))
        with single_threaded_blas():
            self._gram_H = gram(self._Ht, X.n_threads)
            self._W = np.zeros((X.shape[0], len(H)), dtype=dtype)
            self._product = matmul(copy, self._Ht)
            rows = RowArrays(self._W, self._W)
            solve_half(rows, self._product, self._gram_H, penalties[0], Exact(sweeps=16),
                       X.n_threads)  # fmt: skip

    def __call__(self, r: Weights) -> Array:
        drawn = np.flatnonzero(r)
        root = np.sqrt(r[drawn]).astype(self._W.dtype)
        X = as_operand(self._draw(drawn, root), self._n_threads)
        problem = Problem(X, make_loss("frobenius"), *self._penalties)
        solver = Hals(tol=self._limits.tol)
        with single_threaded_blas():
            W = self._W[drawn] * root[:, None]
            product = self._product[drawn] * root[:, None] if X.by_columns else None
            state = ExtrapolatedState.from_start(
                W, self._Ht.copy(), self._gram_H, product
            )
            outcome = loop.run(solver, problem, Past(state), self._limits)
        if outcome.interrupt is not None:
            raise outcome.interrupt
        if outcome.stop_reason is StopReason.MAX_TIME:
            raise deadline.OutOfTime
        components: Array = np.ascontiguousarray(outcome.state.Ht.T)
        return components


def _gains_by_columns(X: Operand, bytes_of_H: int) -> bool:
    """Whether iterations on drawn rows of X are faster where these are stored by columns."""
    n_rows, n_columns = X.shape
    is_wide = n_columns >= WIDE * n_rows and bytes_of_H >= FAR
    is_long = X.entries >= LONG * n_columns or bytes_of_H >= FARTHER
    return X.sparse and is_wide and is_long
