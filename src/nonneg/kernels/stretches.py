"""Several iterations of a solver in one call of the core."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..base.arrays import Array
from ..base.interfaces import Operand, Penalty
from .extrapolated_stretches import (
    Extrapolated,
    Momentum,
    MomentumRule,
    NewtonRule,
    NewtonStretch,
    Polished,
    Turning,
    balance,
    extrapolate,
    newton_stretch,
    polish,
    revive,
)
from .mu_stretches import Moving, ProductUpdates, RowUpdates, TermUpdates
from .native import binding, source_of
from .native_options import as_contiguous, solve_options
from .row_methods import Cyclic, RowArrays

__all__ = [
    "Alternations",
    "Extrapolated",
    "Momentum",
    "MomentumRule",
    "Moving",
    "NewtonRule",
    "NewtonStretch",
    "Polished",
    "ProductUpdates",
    "RowSweeps",
    "RowUpdates",
    "StopRule",
    "TermUpdates",
    "Turning",
    "alternate",
    "balance",
    "extrapolate",
    "is_in_memory",
    "newton_stretch",
    "polish",
    "revive",
]


class Alternations(NamedTuple):
    """Reports of n iterations of coordinate descent, one after the other."""

    violation: NDArray[np.float64]
    cross: NDArray[np.float64]
    """⟨X, WH⟩, of shape (n,)."""
    gram_W: NDArray[np.float64]
    """WᵀW of shape (n, k, k), and HHᵀ in `gram_H`."""
    gram_H: NDArray[np.float64]
    sums: NDArray[np.float64] | None
    """Column sums of W and of Ht, (n, 2, k), if they were wanted."""


class StopRule(NamedTuple):
    """The iterations end at a violation of `tol` times the first one, or of `rounding`."""

    first_violation: float
    tol: float
    rounding: float


def alternate(
    X: Operand,
    factors: tuple[Array, Array],
    penalties: tuple[Penalty, Penalty],
    gram_H: NDArray[np.float64],
    product: Array | None,
    rule: StopRule,
    most: int,
) -> Alternations:
    """Sweep over W, then over H, `most` times at most, in place.

    Parameters
    ----------
    X : Operand of shape (n_samples, n_features)
        Dense or sparse, in memory.
    factors : ndarray of shape (n_samples, k) and of shape (n_features, k)
        W and Ht of the dtype of X, C-contiguous.
    penalties : Penalty of W and of H
    gram_H : ndarray of shape (k, k)
        HHᵀ; overwritten by that of the last H.
    product : ndarray of shape (n_samples, k) or None
        X·Ht, where X is read by columns; overwritten by that of the last H.
    rule : StopRule
    most : int
    """
    W, Ht = factors
    k = W.shape[1]
    measures, grams = np.empty((most, 2)), np.empty((most, 2, k, k))
    wants_sums = not all(penalty.is_zero for penalty in penalties)
    sums = np.empty((most, 2, k)) if wants_sums else None
    swept_W, swept_H = (
        _core.SweptArrays(
            rows=A, Q=as_contiguous(p.Q, np.float64), l1=as_contiguous(p.l1, X.dtype)
        )
        for A, p in zip(factors, penalties, strict=True)
    )
    by_columns = product is not None
    gram_W = np.empty((k, k))
    suffix, source = source_of(X.T if by_columns else X)
    n_iter = binding(f"alternate{8 * X.dtype.itemsize}_{suffix}")(
        X=source,
        inner=swept_H if by_columns else swept_W,
        outer=swept_W if by_columns else swept_H,
        outer_first=by_columns,
        gram_inner=gram_H if by_columns else gram_W,
        gram_outer=gram_W if by_columns else gram_H,
        rhs=np.empty_like(Ht) if product is None else product,
        **rule._asdict(),
        measures=measures,
        grams=grams,
        sums=sums,
        n_threads=X.n_threads,
    )
    violation, cross = measures[:n_iter].T
    gram_W, gram_H = grams[:n_iter].swapaxes(0, 1)
    return Alternations(
        violation, cross, gram_W, gram_H, None if sums is None else sums[:n_iter]
    )


class RowSweeps:
    """Sweeps over a factor beside a fixed one, by X·Ht and HHᵀ that are known.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, k), C-contiguous
        The factor, which moves in place.
    product : ndarray of shape (n_rows, k)
    gram : ndarray of shape (k, k)
    penalty : Penalty
    n_threads : int
    """

    def __init__(
        self, rows: Array, product: Array, gram: Array, penalty: Penalty, n_threads: int
    ) -> None:
        dtype = rows.dtype
        self._rows, self._n_threads = RowArrays(rows, rows), n_threads
        self._product = as_contiguous(product, dtype)
        self._repeat = _core.repeat32 if dtype == np.float32 else _core.repeat64
        self._options = solve_options(gram + penalty.Q, penalty.l1, dtype, Cyclic())

    def sweep(self, rule: StopRule, most: int) -> NDArray[np.float64]:
        """Sweep over each row, `most` times at most; return the violations."""
        violations = np.empty(most)
        done = self._repeat(
            self._rows, self._product, self._options, *rule, violations, self._n_threads
        )
        return violations[:done]


def is_in_memory(X: Operand, *factors: Any) -> bool:
    """Whether the core takes this X and these factors in a call for several iterations."""
    return (
        X.kind in ("dense", "csr")
        and X.shared_gram
        and all(type(A) is np.ndarray and A.flags.c_contiguous for A in factors)
    )
