"""Steps on rows alone, without X: kernels, element by element, and sums by column."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ... import kernels
from ...base.interfaces import Rows, Shared, Sums
from ...kernels.quadratic_steps import ROW_ARRAYS
from ...kernels.row_methods import RowArrays


class RowStep:
    """Base of steps that look at rows alone."""

    def __call__(
        self,
        X_b: Any,  # noqa: ARG002
        mask_b: Any | None,  # noqa: ARG002
        rows_b: Rows,
        shared: Shared,
    ) -> Sums:
        """Do the work on one block."""
        return self.on(rows_b, shared)

    @abstractmethod
    def on(self, rows_b: Rows, shared: Shared) -> Sums:
        """Do the work on these rows; return what is to be summed over blocks."""


@dataclass(frozen=True)
class Kernel(RowStep):
    """A kernel on rows alone, as a step without X."""

    name: str

    def on(self, rows_b: Rows, shared: Shared) -> Sums:
        """Return the block's share of the kernel's result."""
        if self.name != "solve_rows":
            return {"value": getattr(kernels, self.name)(*rows_b.values())}
        rows = RowArrays(*(rows_b.get(name) for name in ROW_ARRAYS))  # type: ignore[arg-type]
        how, grams = cast(Any, shared["how"]), bool(shared["grams"])
        report = kernels.solve_rows(
            rows, rows_b["rhs"], shared["gram"], shared["l1"], how, grams
        )
        return {k: v for k, v in report._asdict().items() if v is not None}


@dataclass(frozen=True)
class Elementwise(RowStep):
    """A universal function of rows, small arrays and numbers, into rows["out"]."""

    name: str

    def on(self, rows_b: Rows, shared: Shared) -> Sums:
        """Write the block's rows of the result."""
        n = len(rows_b) + len(shared) - 1
        inputs = [
            rows_b[f"in/{i}"] if f"in/{i}" in rows_b else shared[f"in/{i}"]
            for i in range(n)
        ]
        rows_b["out"][...] = getattr(np, self.name)(*inputs)
        return {}


@dataclass(frozen=True)
class Total(RowStep):
    """Sums over the rows by column: of the entries, or of those that are not 0."""

    name: str = "total"
    counts: bool = False

    def on(self, rows_b: Rows, shared: Shared) -> Sums:  # noqa: ARG002
        """Return the block's share."""
        A = rows_b["in"]
        if self.counts:
            return {"value": np.count_nonzero(A, axis=0)}
        return {"value": A.sum(axis=0, dtype=np.float64)}


@dataclass(frozen=True)
class Cross(RowStep):
    """Sum "value" = rows["A"]ᵀ·rows["B"]."""

    name: str = "cross"

    def on(self, rows_b: Rows, shared: Shared) -> Sums:  # noqa: ARG002
        """Return the block's share."""
        return {"value": rows_b["A"].T @ rows_b["B"]}


@dataclass(frozen=True)
class Contraction(RowStep):
    """Sum over the rows of an `einsum` whose result lacks their index."""

    subscripts: str
    dtype: str | None = None
    name: str = "contraction"

    def on(self, rows_b: Rows, shared: Shared) -> Sums:  # noqa: ARG002
        """Return the block's share."""
        inputs = [rows_b[f"in/{i}"] for i in range(len(rows_b))]
        return {
            "value": np.einsum(self.subscripts, *inputs, dtype=cast(Any, self.dtype))
        }


@dataclass(frozen=True)
class Largest(RowStep):
    """The entry of each column that is largest in size: a list, one item a block."""

    name: str = "largest"

    def on(self, rows_b: Rows, shared: Shared) -> Sums:  # noqa: ARG002
        """Return the block's entries."""
        A = rows_b["in"]
        entries = A[np.abs(A).argmax(axis=0), np.arange(A.shape[1])]
        return {"value": cast(Any, [entries])}  # lists are joined where sums are added


@dataclass(frozen=True)
class Counts(RowStep):
    """How many entries are not 0: a list, one item a block."""

    name: str = "counts"

    def on(self, rows_b: Rows, shared: Shared) -> Sums:  # noqa: ARG002
        """Return the block's number."""
        return {"value": cast(Any, [int(np.count_nonzero(rows_b["in"]))])}


@dataclass(frozen=True)
class TakeColumns(RowStep):
    """rows["out"] = rows["in"][:, shared["columns"]]."""

    name: str = "take_columns"

    def on(self, rows_b: Rows, shared: Shared) -> Sums:
        """Write the block's rows."""
        rows_b["out"][...] = rows_b["in"][:, shared["columns"]]
        return {}


@dataclass(frozen=True)
class SetColumns(RowStep):
    """rows["out"][:, shared["columns"]] = rows["in"]."""

    name: str = "set_columns"

    def on(self, rows_b: Rows, shared: Shared) -> Sums:
        """Write the block's rows."""
        rows_b["out"][:, shared["columns"]] = rows_b["in"]
        return {}


@dataclass(frozen=True)
class Fill(RowStep):
    """Put rows["values"], one after another, into rows["out"] where rows["mask"] is."""

    name: str = "fill"

    def on(self, rows_b: Rows, shared: Shared) -> Sums:  # noqa: ARG002
        """Write the block's rows."""
        np.place(rows_b["out"], rows_b["mask"], rows_b["values"])
        return {}
