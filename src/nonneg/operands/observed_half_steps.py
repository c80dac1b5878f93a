"""Half-steps for the rows of an X of which entries are missing or weighted, least squares."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .. import kernels
from ..base.arrays import Array
from ..base.interfaces import Operand
from ..base.observed import Weights
from ..base.penalty import Penalty
from ..base.steps import OtherFactor, RowsOfW
from ..kernels import Adaptive, Exact, Method, RowArrays, SolveReport
from ..kernels.quadratic_steps import (
    ModelInputs,
    ModelSums,
    RowSolve,
    RowSolveInputs,
    RowSolveRows,
    RowSolveSums,
    SquaredError,
)
from .clean_dense import CleanDense
from .observed_divergence import scale_values
from .sparse import SparseOperand

LEAST_TOGETHER = 65
"""Components from which an exact solve, too, looks for rows that show the same entries
(D-OPERANDS-ALIKE-ROWS)."""


class WeightedRows(Protocol):
    """An operand with weights, as half-steps need it."""

    weights: Weights
    values: Operand
    dtype: Any
    n_threads: int
    shared_gram: bool
    row_scale: Any
    column_scale: Any

    @property
    def T(self) -> Any:
        """The transpose."""

    def product(self, B: Array) -> Array:
        """X times all weights times B."""

    def majorised(
        self,
        start: Any,
        other: Any,
        rhs: Any,
        gram: Any,
        penalty: Penalty,
        imputed: bool = False,
    ) -> tuple[Any, Any, Any]:
        """Right-hand side, Gram matrix and l1 that all rows share."""


def times_rows(A: Array, scale: NDArray[Any] | None, copy: bool = True) -> Array:
    """Return the rows of A times a scale; A itself where there is none."""
    if scale is None:
        return A
    scale = scale[:, None].astype(A.dtype)
    if copy:
        product: Array = np.multiply(A, scale)
        return product
    A *= scale
    return A


def joined(A: Any, B: Any) -> Any:
    """Return the sum of arrays, of which None is 0."""
    if A is None or B is None:
        return B if A is None else A
    return A + B


def solve_for_rows(
    X: WeightedRows, step: RowSolve, rows: Any, shared: Any
) -> RowSolveSums:
    """Solve for the rows of X, by imputation or each on what it shows."""
    exact = all(isinstance(method, Exact) for method in step.methods)
    imputes = X.shared_gram and not (exact and not step.accumulate)
    models = zip(step.methods, rows.models, shared.models, strict=True)
    if X.weights.named is not None and not imputes:
        reports = (_solve_apart(X, *model) for model in models)
        return RowSolveSums(tuple(map(ModelSums, reports)))
    if X.values.by_columns:
        sums = tuple(_solve_by_products(X, *model, step.accumulate) for model in models)
    else:
        sums = _solve_in_one_pass(X, step, rows, shared)
    if not step.accumulate:
        for model, A, inputs in zip(sums, rows.models, shared.models, strict=True):
            _complete_report(X, model.report, A, inputs)
    return RowSolveSums(sums)


def _solve_apart(
    X: WeightedRows, method: Method, rows: RowArrays, inputs: ModelInputs
) -> SolveReport:
    """Solve for the rows of a model, each on what it shows."""
    base = X.weights.rest * (inputs.gram - inputs.Q)
    rhs, named = X.product(inputs.Ht), X.weights.named
    shared = inputs.Ht, base, inputs.Q, inputs.l1, method
    repeated = isinstance(method, Adaptive)
    together = repeated or (isinstance(method, Exact) and len(base) >= LEAST_TOGETHER)
    alike = X.weights.alike if together else None
    report: SolveReport
    if alike is None:
        report = kernels.solve_apart(rows, rhs, named, *shared, X.n_threads)
        return report
    total: SolveReport | None = None
    for numbers in (*alike.groups, alike.others):
        if not numbers.size:
            continue
        part = _taken(rows, numbers)
        if numbers is alike.others:
            report = kernels.solve_apart(
                part, rhs[numbers], alike.named, *shared, X.n_threads
            )
        else:
            one = named[numbers[:1]]
            report = _solve_alike(part, rhs[numbers], one, *shared, X.n_threads)
        rows.solved[numbers] = part.solved
        if rows.moved is not None:
            rows.moved[numbers] = part.moved
        total = report if total is None else total + report
    assert total is not None
    return total


def _taken(rows: RowArrays, numbers: Any) -> RowArrays:
    """Return copies of some rows."""
    arrays = (
        rows.start, rows.solved, rows.previous, rows.moved, rows.linear, rows.quadratic
    )  # fmt: skip
    return RowArrays(*(None if A is None else A[numbers] for A in arrays))


def _solve_alike(
    rows: RowArrays,
    rhs: Array,
    named: Any,
    Ht: Array,
    base: Array,
    Q: Array,
    l1: Array,
    method: Method,
    n_threads: int,
) -> SolveReport:
    """Solve for rows that show the same entries, which `named` has, by one Gram matrix."""
    shares = [
        1.0 if share is None else float(share[0]) if np.ptp(share) == 0 else None
        for share in (rows.linear, rows.quadratic)
    ]
    report: SolveReport
    if None in shares:  # weights of rows differ
        repeated = sp.vstack([named] * len(rhs), format="csr")
        report = kernels.solve_apart(
            rows, rhs, repeated, Ht, base, Q, l1, method, n_threads
        )
        return report
    linear, quadratic = shares
    gram = base.copy()
    for sign in (1, -1):
        counts = sign * named.data > 0
        root = np.sqrt(np.abs(named.data[counts]))
        part = times_rows(Ht[named.indices[counts]], root)
        gram += sign * kernels.gram(part, n_threads)
    np.fill_diagonal(gram, np.maximum(gram.diagonal(), 0))
    report = kernels.solve_rows(
        rows, rhs, gram + quadratic * Q, linear * l1, method, False, n_threads
    )
    report.square = float(np.sum(kernels.gram(rows.solved, n_threads) * gram))
    return report


def named_error(X: Any, raw: Operand, power: float) -> Callable[..., float] | None:
    """Return the squared error as a pass over the entries of a scaled X that are named.

    None where others count, too, or where X does not store those in the same order.
    """
    weights, n = X.weights, X.n_threads
    named, lines = weights.named, (weights.rows, weights.columns)
    if (
        weights.rest != 0
        or not sp.issparse(named)
        or not isinstance(raw, SparseOperand)
    ):
        return None
    if raw.by_columns or (power == 0 and any(line is not None for line in lines)):
        return None
    A = raw.X
    for first, second in ((A.indptr, named.indptr), (A.indices, named.indices)):
        if not np.array_equal(first, second):
            return None
    x = scale_values(raw, X.row_scale, X.column_scale).native().data

    def run(_: SquaredError, rows: RowsOfW, shared: OtherFactor) -> float:
        return float(kernels.named_square(named, rows.W, shared.Ht, n, x))

    return run


def _majorised(
    X: WeightedRows, rows: RowArrays, inputs: ModelInputs, imputed: bool = False
) -> tuple[Any, Any, Any]:
    """Return additions to the right-hand sides, Gram matrix and l1 for all rows."""
    penalty = Penalty(inputs.l1, inputs.Q, rows.linear, rows.quadratic)
    gram = inputs.gram - inputs.Q
    return X.majorised(rows.start, inputs.Ht, None, gram, penalty, imputed)


def _solve_by_products(
    X: WeightedRows,
    method: Method,
    rows: RowArrays,
    inputs: ModelInputs,
    accumulate: bool,
) -> ModelSums:
    """Solve for the rows of a model, for an X that is read by columns."""
    extra, gram, l1 = _majorised(X, rows, inputs)
    rhs = joined(X.product(inputs.Ht), extra)
    report = kernels.solve_rows(rows, rhs, gram, l1, method, False, X.n_threads)
    if not accumulate:
        return ModelSums(report)
    A = rows.result
    return ModelSums(report, X.T.product(A), kernels.gram(A, X.n_threads))


def _solve_in_one_pass(
    X: WeightedRows, step: RowSolve, rows: Any, shared: Any
) -> tuple[ModelSums, ...]:
    """Solve for the rows of all models with one reading of X."""
    inner_rows, inner_inputs = [], []
    scale, values = X.row_scale, X.values
    in_blocks = isinstance(values, CleanDense) and values.imputable
    for A, inputs in zip(rows.models, shared.models, strict=True):
        extra, gram, l1 = _majorised(X, A, inputs, in_blocks)
        rows_scale = None if scale is None else scale.astype(X.dtype)
        inner_rows.append(dataclasses.replace(A, scale=rows_scale, extra=extra))
        B = times_rows(inputs.Ht, X.column_scale)
        inner_inputs.append(ModelInputs(B, gram, l1))
    scaled = RowSolveRows(tuple(inner_rows)), RowSolveInputs(tuple(inner_inputs))
    sums: tuple[ModelSums, ...]
    if in_blocks:
        assert isinstance(values, CleanDense)
        scales = scale, X.column_scale
        sums = kernels.solve_imputed(
            values.X, values.hidden, step, *scaled, scales, X.n_threads
        )
    else:
        sums = values.run_pass(dataclasses.replace(step, imputes=False), *scaled).models
    for model in sums:
        if model.rhs is not None:
            model.rhs = times_rows(model.rhs, X.column_scale, copy=False)
    return sums


def _complete_report(
    X: WeightedRows, report: SolveReport, rows: RowArrays, inputs: ModelInputs
) -> None:
    """Set the terms of the objective, which additions to right-hand sides have changed."""
    if X.weights.named is not None:
        return
    gram = kernels.gram(rows.solved, X.n_threads)
    report.square = float(np.sum(gram * (inputs.gram - inputs.Q)))
    if rows.linear is not None:
        linear = np.asarray(rows.linear @ rows.solved, dtype=np.float64)
        report.cross = float(report.cross + inputs.l1 @ linear)


def majorised_by_rows(
    X: Any, start: Array, other: Array, rhs: Array
) -> tuple[Array, Array]:
    """Return right-hand sides and the Gram matrix that all rows share, without scales.

    `rhs` is the product with `other` by all weights. The objective of each row is divided
    by the weight of the row, and what its entries weigh less than the most is imputed by
    start·otherᵀ. A row without weight stays where it is.
    """
    weights, dtype, n = X.weights, start.dtype, X.n_threads
    beside = times_rows(other, weights.columns)
    gram = np.asarray(other.T.astype(np.float64) @ beside.astype(np.float64))
    if weights.rows is not None:
        weighs = weights.rows > 0
        inverse = np.where(weighs, 1 / np.where(weighs, weights.rows, 1), 0)
        rhs = times_rows(rhs, inverse)
    most = float(weights.most) if weights.named is not None else float(weights.rest)
    if weights.named is not None:
        rhs = rhs + start @ ((most - weights.rest) * gram).astype(dtype)
        rhs -= kernels.named_product(weights.named, start, other, beside, n)
    gram = most * gram
    if weights.rows is not None and not weighs.all():
        rhs = np.where(weighs[:, None], rhs, start @ gram.astype(dtype))
    return rhs, gram
