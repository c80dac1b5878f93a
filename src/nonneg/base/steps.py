"""Steps of a pass over X, and the records of arrays that they read, write and return.

A step gets three things: a block of X, the block's rows of some arrays (`StepRows`), and
what all blocks share (`StepShared`). It returns sums (`StepSums`, a number or an array),
which an operand adds up over the blocks in a fixed order. Each record is a dataclass, whose
fields are arrays, numbers, None, or tuples with one record for each of several models. Class
attributes name the fields that a step writes to, and those that are products with X.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

import numpy as np

from .arrays import Array

READ, WRITTEN, UPDATED, MULTIPLIED = "read", "written", "updated", "multiplied"
"""Uses of an array by a step, see `ArrayRecord`."""


@cache
def uses_of(record: Any) -> tuple[tuple[str, str], ...]:
    """Names of the fields of a class of records, each with how a step uses it."""
    uses = dict.fromkeys(record.written, WRITTEN)
    uses |= dict.fromkeys(record.updated, UPDATED)
    uses |= dict.fromkeys(record.multiplied, MULTIPLIED)
    names = [f.name for f in fields(record)]
    unknown = uses.keys() - set(names)
    if unknown:
        msg = f"{record.__name__} declares a use of {sorted(unknown)}, which are no fields."
        raise TypeError(msg)
    return tuple((name, uses.get(name, READ)) for name in names)


class ArrayRecord:
    """Base of the dataclasses of arrays that steps get and return."""

    __slots__ = ()
    written: ClassVar[tuple[str, ...]] = ()
    """Fields that a step overwrites, whatever was in them."""
    updated: ClassVar[tuple[str, ...]] = ()
    """Fields that a step reads and overwrites."""
    multiplied: ClassVar[tuple[str, ...]] = ()
    """Fields that are factors which X is multiplied by, or, among sums, products of Xᵀ."""

    def _items(self) -> Iterator[tuple[str, Any, str]]:
        for name, use in uses_of(cast(Any, type(self))):
            yield name, getattr(self, name), use

    def uses(self) -> Iterator[tuple[Any, str]]:
        """Each array, or number, with how a step uses it; records within this one too."""
        for _, value, use in self._items():
            if isinstance(value, tuple):
                for record in value:
                    yield from record.uses()
            elif isinstance(value, ArrayRecord):
                yield from value.uses()
            elif value is not None:
                yield value, use

    def changed(self, change: Callable[[Any, str], Any]) -> Self:
        """The record with `change(array, use)` in place of each array."""

        def one(value: Any, use: str) -> Any:
            if isinstance(value, tuple):
                return tuple(record.changed(change) for record in value)
            if isinstance(value, ArrayRecord):
                return value.changed(change)
            return None if value is None else change(value, use)

        return type(self)(
            **{name: one(value, use) for name, value, use in self._items()}
        )

    def with_products(self, product: Callable[[Any], Any]) -> Self:
        """The record with `product(array)` in place of each `multiplied` array."""
        return self.changed(lambda A, use: product(A) if use == MULTIPLIED else A)


class StepRows(ArrayRecord):
    """Base of row-aligned arrays: each has a row for each row of X."""

    __slots__ = ()

    def block(self, start: int, stop: int) -> Self:
        """The rows start:stop of each array."""
        return self.changed(lambda A, _: A[start:stop])


class StepShared(ArrayRecord):
    """Base of read-only arrays that every block sees whole."""

    __slots__ = ()

    @property
    def n_bytes(self) -> int:
        """Bytes of all arrays."""
        return sum(A.nbytes for A, _ in self.uses() if isinstance(A, np.ndarray))


class StepSums(ArrayRecord):
    """Base of sums over the blocks; their sizes do not depend on n_samples."""

    __slots__ = ()

    def __add__(self, other: Self) -> Self:
        pairs = zip(self._items(), other._items(), strict=True)
        return type(self)(**{name: added(a, b) for (name, a, _), (_, b, _) in pairs})


def added(first: Any, second: Any) -> Any:
    """Sum of what two blocks return: of records field by field; None where both are."""
    if first is None or second is None:
        return second if first is None else first
    if isinstance(first, tuple):
        return tuple(added(a, b) for a, b in zip(first, second, strict=True))
    return first + second


@dataclass(slots=True, eq=False)
class RowsOfW(StepRows):
    """The factor that belongs to the rows of X, to be read."""

    W: Array


@dataclass(slots=True, eq=False)
class OtherFactor(StepShared):
    """The other factor (n_features, k), which X is multiplied by."""

    multiplied = ("Ht",)
    Ht: Array


RowsT = TypeVar("RowsT", bound=StepRows)
SharedT = TypeVar("SharedT")
SumsT = TypeVar("SumsT")


class Step(Generic[RowsT, SharedT, SumsT]):
    """Base of steps: named, picklable descriptions of the work on one block of rows.

    A step is a frozen dataclass of parameters, never a closure: an operand may run it
    through the compiled core, ship it to another process or keep it on a device. Calling
    it is the array-API reference of its work.
    """

    needs_products_alone: ClassVar[bool] = False
    """Whether X is only multiplied: by the `multiplied` shared arrays, and Xᵀ by rows, for
    the `multiplied` sums. An operand may then compute these products in its own way."""

    @property
    def name(self) -> str:
        """Name under which a compiled version of the step is looked up."""
        return type(self).__name__

    def __call__(
        self, X_b: Any, mask_b: Any | None, rows_b: RowsT, shared: SharedT
    ) -> SumsT:
        """Do the work on one block; return what is to be summed over blocks."""
        raise NotImplementedError
