"""The steps of a pass over X: named, picklable work on one block of rows.

Each class is the array-API reference of its step; an operand that has a compiled
version for (its kind, the step's name) runs that one instead. A block may be a
dense array or a SciPy sparse matrix; `mask_b` (1 observed, 0 missing, or weights)
comes only from operands whose Gram matrix is not shared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.steps import (
    OtherFactor,
    RowsOfW,
    Step,
    StepRows,
    StepShared,
    StepSums,
    added,
)
from . import reference
from .row_methods import Method, RowArrays, SolveReport


def _plain(array: Any) -> Array:
    """Return a product as a base-class array; sparse matrices may return np.matrix."""
    return np.asarray(array)


def _masked(X_b: Any, mask_b: Any | None) -> Any:
    return X_b if mask_b is None else X_b * mask_b


@dataclass(slots=True, eq=False)
class ProductRows(StepRows):
    """The rows of X·Ht, to be written."""

    written = ("out",)
    out: Array


@dataclass(slots=True, eq=False)
class ProductSum(StepSums):
    """Xᵀ·W, of shape (n_features, k)."""

    multiplied = ("product",)
    product: Array


@dataclass(frozen=True)
class MatMul(Step[ProductRows, OtherFactor, None]):
    """rows.out = X_b · shared.Ht."""

    name = "matmul"
    needs_products_alone = True

    def __call__(
        self, X_b: Any, mask_b: Any | None, rows_b: ProductRows, shared: OtherFactor
    ) -> None:
        """Write the block's rows of the product."""
        rows_b.out[...] = _plain(_masked(X_b, mask_b) @ shared.Ht)


@dataclass(frozen=True)
class RMatMul(Step[RowsOfW, None, ProductSum]):
    """The sum X_bᵀ · rows.W."""

    name = "rmatmul"
    needs_products_alone = True

    def __call__(
        self,
        X_b: Any,
        mask_b: Any | None,
        rows_b: RowsOfW,
        shared: None,  # noqa: ARG002
    ) -> ProductSum:
        """Return the block's share of XᵀW."""
        return ProductSum(_plain(_masked(X_b, mask_b).T @ rows_b.W))


@dataclass(slots=True, eq=False)
class ModelInputs(StepShared):
    """The other factor and the penalty, with which the rows of a model are solved for."""

    multiplied = ("Ht",)
    Ht: Array
    """The other factor, (n_features, k), or its columns that `moving` names."""
    gram: Array
    """Gram matrix of the other factor plus the penalty's Q, (k, k)."""
    l1: Array
    """Linear penalty weights, (k,)."""
    Q: Any = None
    """The penalty's Q, (k, k), for operands whose rows have Gram matrices of their own."""
    moving: Any = None
    """The components whose columns Ht has, int64 in ascending order, where the right-hand sides
    of the others come with the rows as `extra`; None: all. Sums are of these alone."""


@dataclass(slots=True, eq=False)
class ModelSums(StepSums):
    """Report of a model's row solve, and the sums for its other half-step."""

    multiplied = ("rhs",)
    report: SolveReport
    rhs: Any = None
    """Xᵀ·result, of the shape of `ModelInputs.Ht`, if asked for."""
    gram: Any = None
    """resultᵀ·result in float64, (k, k), if asked for."""
    imputed: Any = None
    """Sum of squares of the missing entries that `rhs` has imputed by result·Htᵀ; None: it has
    0 in their place."""


@dataclass(slots=True, eq=False)
class RowSolveRows(StepRows):
    """Rows of each model."""

    models: tuple[RowArrays, ...]


@dataclass(slots=True, eq=False)
class RowSolveInputs(StepShared):
    """Inputs of each model."""

    models: tuple[ModelInputs, ...]


@dataclass(slots=True, eq=False)
class RowSolveSums(StepSums):
    """Sums of each model."""

    models: tuple[ModelSums, ...]


@dataclass(frozen=True)
class RowSolve(Step[RowSolveRows, RowSolveInputs, RowSolveSums]):
    """A half-step of one or more models, for all of which X is read once.

    For each block and model, X_b·Ht is the right-hand side of the rows, which are solved
    for by the model's method. The sums for the other half-step are made of the results.

    Parameters
    ----------
    methods : tuple of Method
        The method of each model.
    accumulate : bool
        Whether `rhs` and `gram` are wanted. With a mask they can't be had: the rows of
        either factor have Gram matrices of their own, and each takes a pass.
    imputes : bool
        Whether `rhs` may have missing entries imputed, see `ModelSums.imputed`.
    """

    name = "row_solve"
    needs_products_alone = True
    methods: tuple[Method, ...]
    accumulate: bool = True
    imputes: bool = False

    def __call__(
        self,
        X_b: Any,
        mask_b: Any | None,
        rows_b: RowSolveRows,
        shared: RowSolveInputs,
    ) -> RowSolveSums:
        """Solve for the block's rows of each model and return its sums."""
        observed = _masked(X_b, mask_b)
        models = zip(self.methods, rows_b.models, shared.models, strict=True)
        return RowSolveSums(
            tuple(
                self._solve(observed, mask_b, method, rows, inputs)
                for method, rows, inputs in models
            )
        )

    def by_classes(
        self,
        X: Any,
        rows: RowSolveRows,
        shared: RowSolveInputs,
        bounds: NDArray[np.int64],
    ) -> RowSolveSums:
        """Solve for rows in classes, see `kernels.solve_by_classes`."""
        total: Any = None
        for a, (start, stop) in enumerate(pairwise(bounds.tolist())):
            if start == stop:
                continue
            models = tuple(replace(m, gram=m.gram[a]) for m in shared.models)
            sums = self(
                X[start:stop], None, rows.block(start, stop), RowSolveInputs(models)
            )
            for of_model, inputs in zip(sums.models, shared.models, strict=True):
                gram_a, of_model.gram = of_model.gram, np.zeros_like(inputs.gram)
                of_model.gram[a] = gram_a
            total = added(total, sums)
        assert isinstance(total, RowSolveSums)
        return total

    def _solve(
        self,
        observed: Any,
        mask_b: Any | None,
        method: Method,
        rows: RowArrays,
        inputs: ModelInputs,
    ) -> ModelSums:
        Ht, gram = inputs.Ht, inputs.gram
        product = _plain(observed @ Ht)
        if mask_b is not None:
            grams = np.einsum("ij,jr,js->irs", mask_b, Ht, Ht)
            report = reference.solve_rows(
                rows, product, grams + inputs.Q, inputs.l1, method
            )
            A = rows.solved
            report.square = float(np.einsum("ir,irs,is->", A, grams, A))
            return ModelSums(report)
        if rows.scale is not None:
            product = product * rows.scale[:, None]
        if inputs.moving is not None:
            some, product = product, rows.extra.copy()
            product[:, inputs.moving] += some
        elif rows.extra is not None:
            product = product + rows.extra
        report = reference.solve_rows(rows, product, gram, inputs.l1, method)
        A = rows.result
        if inputs.moving is not None:
            report.cross = reference.inner(rows.extra, A)
        if not self.accumulate:
            return ModelSums(report)
        multiplied = A if inputs.moving is None else A[:, inputs.moving]
        if rows.scale is not None:
            multiplied = multiplied * rows.scale[:, None]
        return ModelSums(report, _plain(observed.T @ multiplied), reference.gram(A))


@dataclass(frozen=True)
class SquaredError(Step[RowsOfW, OtherFactor, float]):
    """The sum ‖X_b − rows.W·shared.Htᵀ‖² over observed entries, in float64.

    It is computed entry by entry, so that it keeps its relative accuracy for a nearly
    exact fit. At most `tile` entries of W·H exist at a time.
    """

    name = "squared_error"
    tile: int = 1 << 20

    def __call__(
        self, X_b: Any, mask_b: Any | None, rows_b: RowsOfW, shared: OtherFactor
    ) -> float:
        """Return the block's share of the squared error."""
        W, Ht = rows_b.W, shared.Ht
        n_rows = max(1, self.tile // max(1, Ht.shape[0]))
        total = 0.0
        for start in range(0, W.shape[0], n_rows):
            rows = slice(start, start + n_rows)
            X_t = X_b[rows]
            X_t = X_t.toarray() if sp.issparse(X_t) else X_t
            error = X_t - W[rows] @ Ht.T
            if mask_b is not None:
                error *= np.sqrt(mask_b[rows])
            total += float(np.square(error, dtype=np.float64).sum())
        return total


@dataclass(frozen=True)
class ObservedSquare(Step[RowsOfW, OtherFactor, float]):
    """The sum Σ mᵢⱼ·(wᵢ·hⱼ)² over the block, in float64; at most `tile` entries at a time."""

    name = "observed_square"
    tile: int = 1 << 18

    def __call__(
        self,
        X_b: Any,  # noqa: ARG002
        mask_b: Any | None,
        rows_b: RowsOfW,
        shared: OtherFactor,
    ) -> float:
        """Return the block's share of the sum."""
        W, Ht = rows_b.W, shared.Ht
        n_rows = max(1, self.tile // max(1, Ht.shape[0]))
        total = 0.0
        for start in range(0, W.shape[0], n_rows):
            rows = slice(start, start + n_rows)
            square = np.square(W[rows] @ Ht.T, dtype=np.float64)
            if mask_b is not None:
                square *= mask_b[rows]
            total += float(square.sum())
        return total
