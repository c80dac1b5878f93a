"""The steps of a pass over X: named, picklable work on one block of rows.

Each class is the array-API reference of its step; an operand that has a compiled
version for (its kind, the step's name) runs that one instead. A block may be a
dense array or a SciPy sparse matrix; `mask_b` (1 observed, 0 missing, or weights)
comes only from operands whose Gram matrix is not shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..base.interfaces import Array, Rows, Shared, Sums
from . import reference
from .row_methods import Method, RowArrays


def _plain(array: Any) -> Array:
    """Result of a product as a base-class array (sparse matrices may return np.matrix)."""
    return np.asarray(array)


def _masked(X_b: Any, mask_b: Any | None) -> Any:
    return X_b if mask_b is None else X_b * mask_b


@dataclass(frozen=True)
class MatMul:
    """rows["out"] = X_b · shared["B"]."""

    name: ClassVar[str] = "matmul"

    def __call__(
        self, X_b: Any, mask_b: Any | None, rows_b: Rows, shared: Shared
    ) -> Sums:
        """Write the block's rows of X·B."""
        rows_b["out"][...] = _plain(_masked(X_b, mask_b) @ shared["B"])
        return {}


@dataclass(frozen=True)
class RMatMul:
    """Sum "product" = X_bᵀ · rows["A"], of shape (n_features, k)."""

    name: ClassVar[str] = "rmatmul"

    def __call__(
        self,
        X_b: Any,
        mask_b: Any | None,
        rows_b: Rows,
        shared: Shared,  # noqa: ARG002
    ) -> Sums:
        """Return the block's share of XᵀA."""
        return {"product": _plain(_masked(X_b, mask_b).T @ rows_b["A"])}


ROW_ARRAYS = ("start", "solved", "previous", "moved")
WRITTEN = ("out", "solved", "moved", "below")
"""Row arrays that steps write to."""
REPORTED = ("violation", "cross", "decrease", "sweeps", "measures")


@dataclass(frozen=True)
class RowSolve:
    """Fused half-step of one or more models: X is read once for all of them.

    For each block and model r, P_b = X_b·shared["Ht/r"] is the right-hand side of the
    rows. They are solved for as how[r] says, with shared["gram/r"] (k, k) and
    shared["l1/r"] (k,), from rows["start/r"] into rows["solved/r"]; "previous/r" and
    "moved/r" are optional, see `RowArrays`. Their result is what the sums for the
    other half-step are made of.

    Sums of model r: "rhs/r" = Xᵀ·result (n_features, k) and "gram/r" =
    resultᵀ·result in float64 — (k, k), or (n_features, k, k) with a mask —, and
    the numbers of a `SolveReport` from "violation/r" to "measures/r".

    Parameters
    ----------
    how : tuple of Method
        One for each model.
    accumulate : bool
        Whether "rhs" and "gram" are wanted.
    """

    name: ClassVar[str] = "row_solve"
    how: tuple[Method, ...]
    accumulate: bool = True

    def __call__(
        self, X_b: Any, mask_b: Any | None, rows_b: Rows, shared: Shared
    ) -> Sums:
        """Solve for the block's rows of each model and return its sums."""
        observed = _masked(X_b, mask_b)
        sums: Sums = {}
        for r, how in enumerate(self.how):
            Ht, gram = shared[f"Ht/{r}"], shared[f"gram/{r}"]
            if mask_b is not None:
                # shared["gram"] is HHᵀ + Q; the part of Q is kept, HHᵀ is by row
                penalty = gram - reference.gram(Ht)
                gram = np.einsum("ij,jr,js->irs", mask_b, Ht, Ht) + penalty
            rows = row_arrays(rows_b, r)
            report = reference.solve_rows(
                rows, _plain(observed @ Ht), gram, shared[f"l1/{r}"], how
            )
            sums.update({f"{name}/{r}": getattr(report, name) for name in REPORTED})
            if not self.accumulate:
                continue
            A = rows.result
            sums[f"rhs/{r}"] = _plain(observed.T @ A)
            sums[f"gram/{r}"] = (
                reference.gram(A)
                if mask_b is None
                else np.einsum("ij,ir,is->jrs", mask_b, A, A, dtype=np.float64)
            )
        return sums


def row_arrays(rows: Rows, r: int) -> RowArrays:
    """Return the arrays of model r."""
    return RowArrays(*(rows.get(f"{name}/{r}") for name in ROW_ARRAYS))  # type: ignore[arg-type]


@dataclass(frozen=True)
class SquaredResidual:
    """Sum "value" = ‖X_b − rows["W"]·shared["Ht"]ᵀ‖² over observed entries, in float64.

    Evaluated entry by entry, so that it keeps its relative accuracy for a nearly
    exact fit; at most `tile` entries of W·H exist at a time.
    """

    name: ClassVar[str] = "squared_residual"
    tile: int = 1 << 20

    def __call__(
        self, X_b: Any, mask_b: Any | None, rows_b: Rows, shared: Shared
    ) -> Sums:
        """Return the block's share of the squared error."""
        W, Ht = rows_b["W"], shared["Ht"]
        n_rows = max(1, self.tile // max(1, Ht.shape[0]))
        total = 0.0
        for start in range(0, W.shape[0], n_rows):
            rows = slice(start, start + n_rows)
            X_t = X_b[rows]
            X_t = X_t.toarray() if hasattr(X_t, "toarray") else X_t
            residual = X_t - W[rows] @ Ht.T
            if mask_b is not None:
                residual *= np.sqrt(mask_b[rows])
            total += float(np.square(residual, dtype=np.float64).sum())
        return {"value": total}
