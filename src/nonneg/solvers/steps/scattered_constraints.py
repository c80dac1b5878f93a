"""Constraints of rows on the workers of a cluster: each block obeys its share of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ...base.arrays import Array
from ...base.interfaces import Operand
from ...base.penalty import Penalty
from ...base.steps import RowsOfW, Step, StepRows, StepShared, StepSums
from ...kernels import Method, RowArrays, SolveReport
from ...kernels import gram as gram_of
from ...kernels.factor_rows import column_totals
from ...operands.base import matmul, rmatmul
from ...operands.registration import as_operand
from .factor_constraints import FactorConstraints

BOX = -1
"""Number of the box among the parts of a `Stencil`."""


@dataclass(frozen=True, eq=False)
class Stencil:
    """The constraints of a factor without the arrays that have a row for each of its rows.

    Attributes
    ----------
    side : FactorConstraints
        Of the parts those with penalties, as the box has all bounds.
    places : tuple of (int, str)
        Numbers of parts, BOX or others, and names of their fields: the places of the arrays.
    """

    side: FactorConstraints
    places: tuple[tuple[int, str], ...]

    @classmethod
    def of(cls, side: FactorConstraints) -> tuple[Self, list[Array]]:
        """Return the stencil of constraints, and the arrays for its places."""
        penalised = [part for part in side.parts if not side.says_bounds_alone(part)]
        fields = {(BOX, "lower"): side.box.lower, (BOX, "upper"): side.box.upper}
        for i, part in enumerate(penalised):
            fields |= {(i, name): vars(part)[name] for name in part.row_arrays}
        held = {place: A for place, A in fields.items() if np.ndim(A) == 2}
        places, arrays = list(held), list(held.values())
        side = dataclasses.replace(side, parts=tuple(penalised))
        stencil = cls(side, tuple(places))
        return cls(stencil.filled([None] * len(arrays)), stencil.places), arrays

    def filled(self, arrays: Sequence[Any]) -> FactorConstraints:
        """Return the constraints with arrays in the places."""
        box: Any = self.side.box
        parts: list[Any] = list(self.side.parts)
        for (number, name), array in zip(self.places, arrays, strict=True):
            if number == BOX:
                box = box._replace(**{name: array})
            else:
                parts[number] = dataclasses.replace(parts[number], **{name: array})
        return dataclasses.replace(self.side, box=box, parts=tuple(parts))


@dataclass(slots=True, eq=False)
class RowsWithin(StepRows):
    """Rows that are solved for, and those of the arrays of their constraints."""

    rows: RowArrays
    arrays: tuple[RowsOfW, ...]


@dataclass(slots=True, eq=False)
class InputsWithin(StepShared):
    """The other factor, its Gram matrix, and that of the rows at their start."""

    multiplied = ("Ht",)
    Ht: Array
    gram: Array
    l1: Array
    own_gram: Any = None


@dataclass(slots=True, eq=False)
class SumsWithin(StepSums):
    """Report of the solves, and the sums for the other half-step."""

    multiplied = ("rhs",)
    report: SolveReport
    rhs: Array
    gram: Array


@dataclass(frozen=True)
class SolveWithin(Step[RowsWithin, InputsWithin, SumsWithin]):
    """A half-step within constraints, for which X is read once."""

    name = "solve_within"
    stencil: Stencil
    method: Method

    def __call__(
        self,
        X_b: Any,
        mask_b: Any | None,  # noqa: ARG002
        rows_b: RowsWithin,
        shared: InputsWithin,
    ) -> SumsWithin:
        """Solve for the block's rows and return its sums."""
        X, rows = as_operand(X_b, 1), rows_b.rows
        side = self.stencil.filled([one.W for one in rows_b.arrays])
        product = matmul(X, shared.Ht)
        report = side.solve(
            rows, product, shared.gram, shared.l1, self.method, shared.own_gram
        )
        A = rows.result
        return SumsWithin(report, rmatmul(X, A), gram_of(A))


@dataclass(slots=True, eq=False)
class RowsToValue(StepRows):
    """Rows of a factor, and those of the arrays of its constraints."""

    A: Array
    arrays: tuple[RowsOfW, ...]


@dataclass(frozen=True)
class ValueOfRows(Step[RowsToValue, None, float]):
    """The sum of the penalties that are those of single rows."""

    name = "value_of_rows"
    stencil: Stencil

    def __call__(
        self,
        X_b: Any,  # noqa: ARG002
        mask_b: Any | None,  # noqa: ARG002
        rows_b: RowsToValue,
        shared: None,  # noqa: ARG002
    ) -> float:
        """Return the block's share of it."""
        side, A = self.stencil.filled([one.W for one in rows_b.arrays]), rows_b.A
        G = gram_of(A)
        return sum(part.value(A, G) for part in side.parts if not part.of_gram)


@dataclass(frozen=True, eq=False)
class ScatteredConstraints:
    """The constraints of a factor on workers, with their arrays where its rows are."""

    X: Operand
    stencil: Stencil
    arrays: tuple[RowsOfW, ...]

    @classmethod
    def of(cls, X: Operand, side: FactorConstraints) -> Self:
        """Send the arrays of the constraints to where the blocks of X are."""
        stencil, arrays = Stencil.of(side)
        return cls(X, stencil, tuple(RowsOfW(X.to_rows_of_X(A)) for A in arrays))

    @property
    def has_penalty(self) -> bool:
        """Whether there are penalties."""
        return self.stencil.side.has_penalty

    def solve(
        self,
        rows: RowArrays,
        Ht: Array,
        gram_H: Array,
        penalty: Penalty,
        method: Method,
    ) -> SumsWithin:
        """Solve for the rows beside Ht by one pass, which makes the sums for Ht as well."""
        own_gram = gram_of(rows.start) if self.stencil.side.has_penalty else None
        inputs = InputsWithin(Ht, gram_H + penalty.Q, penalty.l1, own_gram)
        step = SolveWithin(self.stencil, method)
        sums: SumsWithin = self.X.run_pass(step, RowsWithin(rows, self.arrays), inputs)
        return sums

    def value(self, A: Any, gram: Array) -> float:
        """Return the sum of the penalties."""
        parts = self.stencil.side.parts
        value = sum(part.value(A, gram) for part in parts if part.of_gram)
        if all(part.of_gram for part in parts):
            return float(value)
        step = ValueOfRows(self.stencil)
        rows = RowsToValue(A, self.arrays)
        return float(value + self.X.run_pass(step, rows, None))

    def start(self, A: Any, positive: bool = False) -> Any:
        """Return the rows that fulfil the constraints and are near A."""
        level = float(column_totals(A).sum()) / (len(A) * A.shape[1])
        arrays = [one.W for one in self.arrays]
        return A.map(_started, A, level if positive else -1.0, self.stencil, *arrays)


def _started(A: Array, level: float, stencil: Stencil, *arrays: Array) -> Array:
    return stencil.filled(arrays).start(A, level >= 0, level)
