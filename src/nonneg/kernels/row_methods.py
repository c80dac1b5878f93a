"""How the rows of a factor can be solved for, and the arrays and sums that it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeAlias

from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Cyclic:
    """One cyclic coordinate sweep.

    Parameters
    ----------
    order : tuple of int or None
        Order of the coordinates; None is 0, 1, …, k-1.
    """

    momentum: ClassVar[float] = 0.0
    order: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Adaptive:
    """Several coordinate sweeps a row, then extrapolation.

    Parameters
    ----------
    sweeps : int
        Most sweeps for a row.
    settled : float
        A row is done after a sweep whose squared step is at most this share of that of
        the row's first sweep [1]_.
    momentum : float
        β of max(0, A + β·(A − previous A)), the point where the other factor goes on.

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
    """The exact minimum, by block principal pivoting, then extrapolation.

    Parameters
    ----------
    momentum : float
        As in `Adaptive`.
    sweeps : int
        Adaptive sweeps beforehand, for rows that start far from their passive sets.
    settled : float
        As in `Adaptive`, for these sweeps.
    """

    momentum: float = 0.0
    sweeps: int = 0
    settled: float = 0.001


@dataclass(frozen=True)
class Multiplicative:
    """One multiplicative step: a·p/(a·G + l1), of rows that are not negative."""

    momentum: ClassVar[float] = 0.0


Method: TypeAlias = Cyclic | Adaptive | Exact | Multiplicative


class RowArrays(NamedTuple):
    """The rows of a factor before and after a solve, each of shape (n_rows, k).

    `start` is read, `solved` written. `moved`, if any, receives the extrapolation from
    `previous` beyond `solved`. `start` and `solved` may be one array, and `moved` may be
    `start` or `previous`.
    """

    start: Array
    solved: Array
    previous: Array | None = None
    moved: Array | None = None

    @property
    def result(self) -> Array:
        """The rows that the other half-step sees."""
        return self.solved if self.moved is None else self.moved


class SweepReport(NamedTuple):
    """What a coordinate sweep knows at no extra cost, in float64."""

    violation: float
    """Sum of |projected gradient|, each entry taken just before its update."""
    cross: float
    """⟨rhs, A⟩ after the sweep."""


class SolveReport(NamedTuple):
    """What a row solve knows at no extra cost, in float64."""

    violation: float
    """As in `SweepReport`, of a cyclic sweep; else 0."""
    cross: float
    """⟨rhs, A⟩ of the solved rows."""
    decrease: float = 0.0
    """Decrease of the objective from the start to the solved rows; cyclic: 0."""
    sweeps: float = 0.0
    """Sweeps, or passive sets tried, summed over the rows."""
    measures: Any = None
    """Sums of squares by component, (2, k): of the projected gradient, each entry taken
    before its first update, and of the right-hand side less l1; cyclic: not set."""
    gram_solved: Any = None
    """AᵀA of the solved rows (k, k), if asked for."""
    gram_result: Any = None
    """The same of the result."""


class Summary(NamedTuple):
    """Sum, sum of squares and smallest of the entries of an array, in float64."""

    sum: float
    sum_sq: float
    smallest: float

    def joined(self, other: Summary) -> Summary:
        """Of both arrays together."""
        return Summary(
            self.sum + other.sum,
            self.sum_sq + other.sum_sq,
            min(self.smallest, other.smallest),
        )


class NewtonReport(NamedTuple):
    """What a half-step knows at its end, in float64."""

    value: float
    """The divergence at (solved, Ht)."""
    residual: float
    """Σ |gradient|·entry, each just before its first step."""
    sweeps: float
    """Summed over the rows."""
    unfinished: float
    """Rows that were not done when the sweeps ended."""
