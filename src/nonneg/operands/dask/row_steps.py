"""Steps on rows alone, without X: functions of rows, sums over rows, and solves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import kernels
from ...base.arrays import Array
from ...base.steps import RowsOfW, Step, StepRows, StepShared
from ...kernels.factor_rows import longest_row
from ...kernels.row_methods import Method, RowArrays, SolveReport


@dataclass(slots=True, eq=False)
class FunctionRows(StepRows):
    """Rows that a function takes, and where its result is written."""

    written = ("out",)
    inputs: tuple[RowsOfW, ...]
    out: Any = None


@dataclass(slots=True, eq=False)
class SmallInput(StepShared):
    """A small array, or a number, that a function takes beside rows."""

    value: Any


@dataclass(slots=True, eq=False)
class SmallInputs(StepShared):
    """All small inputs of a function."""

    inputs: tuple[SmallInput, ...] = ()


@dataclass(frozen=True)
class FunctionStep(Step[FunctionRows, SmallInputs, Any]):
    """A function of rows, small arrays and numbers.

    Parameters
    ----------
    function : callable
        A function of a module, so that it can be sent to a worker by its name.
    are_rows : tuple of bool
        Whether each argument is rows.
    """

    function: Callable[..., Any]
    are_rows: tuple[bool, ...]

    @property
    def name(self) -> str:
        """Name of the function, by which its tasks are known."""
        return self.function.__name__.strip("_")

    def __call__(
        self,
        X_b: Any,  # noqa: ARG002
        mask_b: Any | None,  # noqa: ARG002
        rows_b: FunctionRows,
        shared: SmallInputs,
    ) -> Any:
        """Write the block's rows of the result, or return it to be summed over blocks."""
        rows, small = iter(rows_b.inputs), iter(shared.inputs)
        result = self.function(
            *(
                next(rows).W if is_rows else next(small).value
                for is_rows in self.are_rows
            )
        )
        if rows_b.out is None:
            return result
        rows_b.out[...] = result
        return None


@dataclass(slots=True, eq=False)
class SolvedRows(StepRows):
    """Rows that are solved for, and their right-hand side."""

    rows: RowArrays
    rhs: Array


@dataclass(slots=True, eq=False)
class SolveInputs(StepShared):
    """Gram matrix and penalty for a solve of rows, see `kernels.solve_rows`."""

    gram: Array
    l1: Array


@dataclass(frozen=True)
class SolveStep(Step[SolvedRows, SolveInputs, SolveReport]):
    """A call of `kernels.solve_rows` for each block."""

    name = "solve_rows"
    method: Method
    grams: bool

    def __call__(
        self,
        X_b: Any,  # noqa: ARG002
        mask_b: Any | None,  # noqa: ARG002
        rows_b: SolvedRows,
        shared: SolveInputs,
    ) -> SolveReport:
        """Solve for the block's rows."""
        return kernels.solve_rows(
            rows_b.rows, rows_b.rhs, shared.gram, shared.l1, self.method, self.grams
        )


# Functions of rows whose results are summed up; lists are joined where sums are added


def cross(A: Array, B: Array) -> Array:
    """Return the block's share of AᵀB."""
    product: Array = A.T @ B
    return product


def largest(A: Array) -> list[Array]:
    """Return the entry of each column that is largest in size: a list, one item a block."""
    entries: Array = A[np.abs(A).argmax(axis=0), np.arange(A.shape[1])]
    return [entries]


def longest(A: Array) -> list[tuple[int, Array]]:
    """Return the number and the row of the largest norm: a list, one item a block."""
    return [longest_row(A)]


def zeros(A: Array) -> list[int]:
    """Return the number of entries that are 0: a list, one item a block."""
    return [int(np.count_nonzero(A == 0))]


# Functions of rows


def as_type(A: Array, dtype: str) -> Array:
    """Return the rows in another dtype."""
    return A.astype(dtype)


def product(A: Array, G: Array) -> Array:
    """Return A·G."""
    result: Array = A @ G
    return result


def filled(A: Array, values: Array) -> Array:
    """Return A with `values`, one after another, in the place of its zeros."""
    out = A.copy()
    np.place(out, A == 0, values)
    return out
