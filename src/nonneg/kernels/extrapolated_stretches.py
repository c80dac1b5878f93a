"""Several iterations of adaptive sweeps with extrapolation in one call of the core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..base.arrays import Array
from ..base.interfaces import Operand
from .native import binding, source_of
from .native_beta import floor_and_unit, newton_source
from .row_methods import Adaptive, Exact, SolveReport

MomentumRule = _core.MomentumRule


@dataclass(eq=False)
class Turning:
    """The three arrays of a factor and the roles that they take in turn.

    `roles` has the numbers of the start of the next solve, of the plain iterate and of the best
    array, then those that the last solve wrote to, before and after extrapolation.
    """

    arrays: list[Array]
    roles: NDArray[np.int64]

    @classmethod
    def of(cls, arrays: list[Array], roles: list[int]) -> Turning:
        """Return the arrays of a factor, and the numbers of its first three roles."""
        return cls(arrays, np.array([*roles, 0, 0]))

    def has(self, start: Array, plain: Array, best: Array) -> bool:
        """Whether these are the arrays of the first three roles."""
        s, p, b = self.roles.tolist()[:3]
        arrays = self.arrays
        return arrays[s] is start and arrays[p] is plain and arrays[b] is best

    def __getitem__(self, role: int) -> Array:
        return self.arrays[int(self.roles[role])]


class Momentum(NamedTuple):
    """Momentum, its cap, objectives, and what is remembered of the last iterations.

    `numbers` are momentum, cap, last and best objective, iterations of a pause that are left,
    quiet iterations and the number of iterations; all arrays are written to.
    """

    numbers: NDArray[np.float64]
    restarts: NDArray[np.bool_]
    decreases: NDArray[np.float64]
    values: NDArray[np.float64]


class Extrapolated(NamedTuple):
    """Reports of iterations, with the sums of the last one.

    `pending` says that one more iteration than `reports` has was solved for, whose objective
    the caller has to judge: `W`, `H`, `grams` and `measures` are its sums.
    """

    reports: NDArray[np.float64]
    """Objective, residual, decrease and sweeps a row, of shape (n, 4)."""
    converged: bool
    pending: bool
    W: SolveReport
    H: SolveReport
    grams: NDArray[np.float64]
    """Gram matrices of the W that H was solved beside, of that H and of the next start."""


def extrapolate(
    X: Operand,
    factors: tuple[Turning, Turning],
    gram_H: NDArray[np.float64],
    product: Array | None,
    momentum: Momentum,
    rule: _core.MomentumRule,
    method: Adaptive,
    judged: tuple[float, float, float],
    most: int,
) -> Extrapolated:
    """Do at most so many iterations, in place.

    Parameters
    ----------
    X : Operand of shape (n_samples, n_features)
        Dense or sparse, in memory.
    factors : Turning of W and of Ht
    gram_H : ndarray of shape (k, k)
        Of the start of H; overwritten by that of the next start.
    product : ndarray of shape (n_samples, k) or None
        X times the start of H. Where X is read by columns it is overwritten by that of the
        next start; else the first iteration takes it, if there is one.
    momentum : Momentum
    rule : MomentumRule
    method : Adaptive
        Its momentum is not used.
    judged : tuple of float
        ½‖X‖², the objective below which it is summed entry by entry, and that below which the
        caller has to judge it.
    most : int
    """
    k = len(gram_H)
    reports, grams, measures = (
        np.empty((most, 4)),
        np.empty((3 * k, k)),
        np.empty((4, k)),
    )
    suffix, source = source_of(X.T if X.by_columns else X)
    W, H = factors
    call = binding(f"extrapolate{8 * X.dtype.itemsize}_{suffix}")
    end: tuple[int, bool, bool, _core.Report, _core.Report] = call(
        X=source,
        by_columns=X.by_columns,
        W=W.arrays,
        roles_W=W.roles,
        H=H.arrays,
        roles_H=H.roles,
        gram_H=gram_H,
        product=product,
        state=momentum.numbers,
        restarts=momentum.restarts.view(np.uint8),
        decreases=momentum.decreases,
        values=momentum.values,
        rule=rule,
        sweeps=method.sweeps,
        settled=method.settled,
        half_square=judged[0],
        doubtful=judged[1],
        least=judged[2],
        reports=reports,
        grams=grams,
        measures=measures,
        n_threads=X.n_threads,
    )
    done, converged, pending, report_W, report_H = end
    return Extrapolated(
        reports[:done],
        converged,
        pending,
        SolveReport(*report_W, measures[:2]),
        SolveReport(*report_H, measures[2:]),
        grams.reshape(3, k, k),
    )


def balance(
    W: Array, Ht: Array, product: Array, n_threads: int
) -> tuple[NDArray[np.float64], float, float]:
    """Give W its best scale beside H and both factors columns of equal norms, in place.

    `product` is X·Ht, and goes with Ht. Returns the Gram matrix of Ht, ⟨X, WH⟩ and ‖WH‖².
    """
    gram_H = np.empty((W.shape[1], W.shape[1]))
    call = _core.balance32 if W.dtype == np.float32 else _core.balance64
    return gram_H, *call(W, Ht, product, gram_H, n_threads)


class Polished(NamedTuple):
    """Report of an iteration without momentum and an exact solve for W.

    `moves_H` says that the iteration did not raise the objective, so that its H is taken.
    """

    moves_H: bool
    objective: float
    residual: float
    report: SolveReport


def polish(
    X: Operand,
    best: tuple[Array, Array],
    other: tuple[Array, Array],
    methods: tuple[Adaptive, Exact],
    known: tuple[float, float],
) -> Polished:
    """Do an iteration without momentum, then solve for W exactly.

    Parameters
    ----------
    X : Operand of shape (n_samples, n_features)
        Dense or sparse, in memory.
    best : W and Ht
        The best pair, which stays.
    other : W and Ht
        Receive that W and, if it moves, the H it belongs to.
    methods : Adaptive and Exact
    known : tuple of float
        ½‖X‖², and the objective of the best pair.
    """
    suffix, source = source_of(X.T if X.by_columns else X)
    adaptive, exact = methods
    moves_H, objective, residual, report = binding(
        f"polish{8 * X.dtype.itemsize}_{suffix}"
    )(
        X=source,
        by_columns=X.by_columns,
        best_W=best[0],
        best_H=best[1],
        W=other[0],
        H=other[1],
        sweeps=adaptive.sweeps,
        settled=adaptive.settled,
        exact_sweeps=exact.sweeps,
        exact_settled=exact.settled,
        half_square=known[0],
        best=known[1],
        n_threads=X.n_threads,
    )
    return Polished(moves_H, objective, residual, SolveReport(*report))


def revive(
    X: Operand, W: Array, Ht: Array, dead: list[int], starts: Array, rounds: int
) -> float:
    """Revive dead components in place; return the decrease of ½‖X − W·H‖².

    Parameters
    ----------
    X : Operand of shape (n_samples, n_features)
        Dense or sparse, in memory.
    W, Ht : ndarray of shape (n_samples, k) and (n_features, k), C-contiguous
    dead : list of int
        The components.
    starts : ndarray of shape (len(dead), n_features)
        The row of H that each begins with.
    rounds : int
        Solves for the column of W and back.
    """
    suffix, source = source_of(X.T if X.by_columns else X)
    call = binding(f"revive{8 * X.dtype.itemsize}_{suffix}")
    return float(call(source, X.by_columns, W, Ht, dead, starts, rounds, X.n_threads))


class NewtonRule(NamedTuple):
    """Rule of the sweeps of iterations, and of the objectives that are left to the caller.

    `floor` is the smallest W·H that is divided by; the first `warm_up` iterations of a fit go
    without momentum, `total` is the sum of X, and `least` the objective that has to be exceeded.
    """

    floor: float
    sweeps: int
    warm_up: int
    total: float
    least: float


class NewtonStretch(NamedTuple):
    """Reports of iterations of Newton sweeps.

    `pending` says that one more iteration than `reports` has was solved for, whose objective
    the caller has to judge: `value` and `violation` are of the last one.
    """

    reports: NDArray[np.float64]
    """Objective, residual and decrease, of shape (n, 3)."""
    converged: bool
    pending: bool
    value: float
    violation: float


def newton_stretch(
    X: tuple[Operand, Operand],
    factors: tuple[Turning, Turning],
    momentum: Momentum,
    rule: _core.MomentumRule,
    sweeps: NewtonRule,
    most: int,
) -> NewtonStretch | None:
    """Do at most so many iterations, in place, or return None if the core can't.

    Parameters
    ----------
    X : Operand of shape (n_samples, n_features) and of its transpose
        Dense or sparse, in memory; where they are sparse, by rows.
    factors : Turning of W and of Ht
    momentum : Momentum
    rule : MomentumRule
    sweeps : NewtonRule
    most : int
    """
    (suffix, source), (suffix_t, source_t) = (newton_source(part) for part in X)
    if suffix != suffix_t:
        return None
    reports = np.empty((most, 3))
    W, H = factors
    floor, unit = floor_and_unit(X[0], sweeps.floor)
    call = binding(f"newton_stretch{8 * X[0].dtype.itemsize}_{suffix}")
    done, *end = call(
        X=source,
        Xt=source_t,
        W=W.arrays,
        roles_W=W.roles,
        H=H.arrays,
        roles_H=H.roles,
        state=momentum.numbers,
        restarts=momentum.restarts.view(np.uint8),
        decreases=momentum.decreases,
        values=momentum.values,
        rule=rule,
        **sweeps._asdict() | {"floor": floor, "unit": unit},
        reports=reports,
        n_threads=X[0].n_threads,
    )
    return NewtonStretch(reports[:done], *end)
