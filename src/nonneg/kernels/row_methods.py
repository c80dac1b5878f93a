"""Methods by which the rows of a factor are solved for, their arrays and reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeAlias

from ..base.steps import StepRows, StepSums


@dataclass(frozen=True)
class Cyclic:
    """A cyclic coordinate sweep.

    Parameters
    ----------
    order : tuple of int or None
        Order of the coordinates; None is 0, 1, …, k-1.
    """

    momentum: ClassVar[float] = 0.0
    order: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Adaptive:
    """Several coordinate sweeps over each row, then extrapolation.

    Parameters
    ----------
    sweeps : int
        Most sweeps for a row.
    settled : float
        A row is done after a sweep whose squared step is at most this share of the
        squared step of the row's first sweep [1]_.
    momentum : float
        The factor m in max(0, A + m·(A − previous A)), the extrapolated rows beside which
        the other factor is solved for.

    References
    ----------
    .. [1] Gillis & Glineur, "Accelerated multiplicative updates and hierarchical ALS
       algorithms for nonnegative matrix factorization", Neural Computation 24 (2012)
       1085-1105, https://doi.org/10.1162/NECO_a_00256
    """

    sweeps: int = 8
    settled: float = 0.01
    momentum: float = 0.0


@dataclass(frozen=True)
class Exact:
    """The exact minimum, by sweeps or block principal pivoting, then extrapolation.

    A row is swept as long as its steps shrink by half from sweep to sweep; most rows reach
    their minimum so where the components are nearly orthogonal. The others are solved for by
    pivoting.

    Parameters
    ----------
    momentum : float
        The weight of the extrapolation, see `Adaptive`.
    sweeps : int
        Most sweeps of rows whose steps shrink more slowly, before pivoting; for rows that
        start far from their passive sets.
    settled : float
        Share at which such a row is done with these sweeps, see `Adaptive`.
    """

    momentum: float = 0.0
    sweeps: int = 0
    settled: float = 0.001


@dataclass(frozen=True)
class Multiplicative:
    """A multiplicative update, a·p/(a·G + l1), of rows that are not negative."""

    momentum: ClassVar[float] = 0.0


Method: TypeAlias = Cyclic | Adaptive | Exact | Multiplicative


@dataclass(slots=True, eq=False)
class RowArrays(StepRows):
    """The rows of a factor before and after a solve, each of shape (n_rows, k).

    `start` is read and `solved` is written. `moved`, if any, receives the extrapolation
    from `previous` beyond `solved`. `start` and `solved` may be one array, and `moved` may
    be `start` or `previous`.
    """

    written = ("solved", "moved")
    start: Any
    solved: Any
    previous: Any = None
    moved: Any = None
    linear: Any = None
    quadratic: Any = None
    """Shares by which the rows are penalised, (n_rows,), see `Penalty`; None: alike."""
    sums: Any = None
    """Sums of the other factor over what each row shows, (n_rows, k), for Newton sweeps; None:
    its column sums."""
    scale: Any = None
    """Numbers, (n_rows,), that the rows of X are multiplied by in a half-step; None: ones."""
    extra: Any = None
    """Rows, (n_rows, k), that are added to the right-hand sides of a half-step."""

    @property
    def result(self) -> Any:
        """The rows beside which the other half-step is done: `moved`, else `solved`."""
        return self.solved if self.moved is None else self.moved


class SweepReport(NamedTuple):
    """Numbers that a coordinate sweep has at no extra cost, in float64."""

    violation: float
    """Sum of |projected gradient|, each entry taken just before its update."""
    cross: float
    """⟨rhs, A⟩ after the sweep."""


@dataclass(slots=True, eq=False)
class SolveReport(StepSums):
    """Numbers that a row solve has at no extra cost, in float64."""

    violation: float
    """`SweepReport.violation` for a cyclic sweep; 0 for other methods."""
    cross: float
    """⟨rhs, A⟩ of the solved rows; ⟨extra, A⟩ of the result in a pass with some components."""
    decrease: float = 0.0
    """Decrease of the objective from the start to the solved rows; 0 for a cyclic sweep."""
    sweeps: float = 0.0
    """Number of sweeps, or of passive sets tried, summed over the rows."""
    measures: Any = None
    """Sums of squares by component, (2, k): of the projected gradient, each entry taken
    before its first update, and of the right-hand side less l1. Not set by a cyclic sweep."""
    gram_solved: Any = None
    """AᵀA of the solved rows, (k, k), if asked for."""
    gram_result: Any = None
    """AᵀA of `RowArrays.result`, (k, k), if asked for."""
    square: Any = None
    """Σ a·G·aᵀ of the solved rows without the penalty's Q, where each row has its own G."""


class Summary(NamedTuple):
    """Sum, sum of squares and smallest of the entries of an array, in float64."""

    sum: float
    sum_sq: float
    smallest: float

    def joined(self, other: Summary) -> Summary:
        """Return the summary of both arrays together."""
        return Summary(
            self.sum + other.sum,
            self.sum_sq + other.sum_sq,
            min(self.smallest, other.smallest),
        )


@dataclass(slots=True, eq=False)
class NewtonReport(StepSums):
    """Numbers that a half-step by Newton sweeps has at its end, in float64."""

    value: float
    """The divergence at (solved, Ht)."""
    residual: float
    """Σ |gradient|·entry, each term taken just before the entry's first step."""
    sweeps: float
    """Number of sweeps, summed over the rows."""
    unfinished: float
    """Number of rows that were not done when the sweeps ended."""


@dataclass(slots=True, eq=False)
class IrlsReport(StepSums):
    """Numbers that a half-step by reweighted least squares has at its end, in float64."""

    value: float
    """The divergence at (solved, Ht) without the terms that depend on X alone."""
    residual: float
    """Σ |gradient|·entry, of the gradient at the start and the larger of both entries."""
    size: float
    """Σ y^β at the start, which the residual is small beside when the rows are solved for."""
    shortened: float
    """Number of rows whose first step was not taken."""
