"""Steps on rows alone, without X: kernels, element by element, and sums by column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from .. import kernels
from ..kernels.methods import RowArrays
from ..kernels.steps import ROW_ARRAYS
from ..protocols import Rows, Shared, Sums


@dataclass(frozen=True)
class Kernel:
    """A kernel on rows alone, as a step without X."""

    name: str

    def __call__(
        self,
        X_b: Any,  # noqa: ARG002
        mask_b: Any | None,  # noqa: ARG002
        rows_b: Rows,
        shared: Shared,
    ) -> Sums:
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
class Elementwise:
    """A universal function of rows, small arrays and numbers, into rows["out"]."""

    name: str

    def __call__(
        self,
        X_b: Any,  # noqa: ARG002
        mask_b: Any | None,  # noqa: ARG002
        rows_b: Rows,
        shared: Shared,
    ) -> Sums:
        """Write the block's rows of the result."""
        n = len(rows_b) + len(shared) - 1
        inputs = [
            rows_b[f"in/{i}"] if f"in/{i}" in rows_b else shared[f"in/{i}"]
            for i in range(n)
        ]
        rows_b["out"][...] = getattr(np, self.name)(*inputs)
        return {}


@dataclass(frozen=True)
class Total:
    """Sums over the rows by column: of the entries, or of those that are not 0."""

    name: str = "total"
    counts: bool = False

    def __call__(
        self,
        X_b: Any,  # noqa: ARG002
        mask_b: Any | None,  # noqa: ARG002
        rows_b: Rows,
        shared: Shared,  # noqa: ARG002
    ) -> Sums:
        """Return the block's share."""
        A = rows_b["in"]
        if self.counts:
            return {"value": np.count_nonzero(A, axis=0)}
        return {"value": A.sum(axis=0, dtype=np.float64)}
