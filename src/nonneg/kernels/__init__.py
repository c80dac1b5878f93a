"""Kernels: each name is a function of the compiled core or of the reference.

`NONNEG_SIMD=reference` forces the reference. Without `_core` the reference is used, with a
warning. `native_pass` looks for the compiled version of a step; where it returns None, the
operand runs the step's own reference block by block.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.factor_rows import FactorRows
from ..base.steps import Step
from . import (
    beta_terms,
    block_pivoting,
    bounded_rows,
    drawing,
    observed_rows,
    ordering,
    reference,
    shaped_columns,
)
from .block_pivoting import ExactReport
from .quadratic_steps import RowSolve, RowSolveInputs, RowSolveRows, RowSolveSums
from .row_methods import (
    Adaptive,
    Cyclic,
    Exact,
    Method,
    Multiplicative,
    RowArrays,
    SolveReport,
    SweepReport,
)

NativePass = Callable[..., Any]

native: Any = None
"""The module `kernels.native`, or None where the reference is in use."""
stretches: Any = None
"""The module `kernels.stretches`: several iterations in one call of the core, or None."""
_native_beta: Any = None
_native_observed: Any = None
_native_bounded: Any = None
_native_drawing: Any = None

if os.environ.get("NONNEG_SIMD") != "reference":
    try:
        importlib.import_module("nonneg._core")
        native = importlib.import_module(".native", __name__)
        _native_beta = importlib.import_module(".native_beta", __name__)
        importlib.import_module(".native_irls", __name__)  # registers its pass
        stretches = importlib.import_module(".stretches", __name__)
        _native_observed = importlib.import_module(".native_observed", __name__)
        _native_bounded = importlib.import_module(".native_bounded", __name__)
        _native_drawing = importlib.import_module(".native_drawing", __name__)
    except ModuleNotFoundError as error:
        if error.name != "nonneg._core":
            raise
        warnings.warn(
            "nonneg's compiled core is missing: results are the same, but slower. "
            "Reinstall nonneg with a C++ compiler at hand to build it.",
            RuntimeWarning,
            stacklevel=2,
        )


clean_product = (_native_observed or observed_rows).clean_product
clean_summary = (_native_observed or observed_rows).clean_summary
extremes = (_native_observed or observed_rows).extremes
gap_columns = (_native_observed or observed_rows).gap_columns
clean_rows = (_native_observed or observed_rows).clean_rows
named_product = (_native_observed or observed_rows).named_product
named_square = (_native_observed or observed_rows).named_square
nearest_monotone = shaped_columns.nearest_monotone
nearest_unimodal = shaped_columns.nearest_unimodal
solve_within = (_native_bounded or bounded_rows).solve_within
solve_imputed = (_native_observed or observed_rows).solve_imputed
solve_apart = (_native_observed or observed_rows).solve_apart
coordinate_sweep = (native or reference).coordinate_sweep
exact_solve = (native or block_pivoting).exact_solve
solve_on_sets = (native or block_pivoting).solve_on_sets
draw_columns = (_native_drawing or drawing).draw_columns
draw_rows = (_native_drawing or drawing).draw_rows
order_runs = (_native_drawing or ordering).order_runs
gather_scaled = (_native_beta or reference).gather_scaled
move_scaled = (_native_beta or reference).move_scaled
multiplied = (_native_beta or beta_terms).multiplied
summary = (native or reference).summary
touch = (native or reference).touch
_column_sums = (_native_beta or reference).column_sums
_gram = (native or reference).gram
_times = (native or reference).times
_solve_rows = (native or reference).solve_rows
solve_classes = (native or reference).solve_classes


def column_sums(A: Any, n_threads: int = 1) -> NDArray[np.float64]:
    """Return the sums of the columns in float64."""
    if isinstance(A, FactorRows):
        return A.column_sums(n_threads)
    sums: NDArray[np.float64] = _column_sums(A, n_threads)
    return sums


def gram(A: Any, n_threads: int = 1) -> NDArray[np.float64]:
    """Return AᵀA in float64."""
    if isinstance(A, FactorRows):
        return A.gram(n_threads)
    product: NDArray[np.float64] = _gram(A, n_threads)
    return product


def times(A: Any, G: Array, n_threads: int = 1) -> Any:
    """Return A·G for a small matrix G of the dtype of A."""
    return A.times(G) if isinstance(A, FactorRows) else _times(A, G, n_threads)


def inner(A: Any, B: Any) -> float:
    """Return ⟨A, B⟩ summed in float64."""
    return A.inner(B) if isinstance(A, FactorRows) else reference.inner(A, B)


def solve_rows(
    rows: RowArrays,
    rhs: Any,
    gram: Array,
    l1: Array,
    method: Method,
    grams: bool = False,
    n_threads: int = 1,
) -> SolveReport:
    """Solve for the rows of a factor by a method; see `coordinate_sweep`."""
    solve = _solve_rows
    if isinstance(rows.solved, FactorRows):
        solve = rows.solved.solve_rows
    report: SolveReport = solve(rows, rhs, gram, l1, method, grams, n_threads)
    return report


def solve_by_classes(
    operand: Any,
    step: RowSolve,
    rows: RowSolveRows,
    shared: RowSolveInputs,
    bounds: NDArray[np.int64],
) -> RowSolveSums:
    """Do a half-step on rows in classes, each of which has a Gram matrix of its own.

    Parameters
    ----------
    operand : Operand of kind "dense" or "csr"
        X, (n_rows, n_columns).
    step : RowSolve
        With `accumulate`.
    rows : RowSolveRows
    shared : RowSolveInputs
        The Gram matrices of each model are those of each class, (n, k, k).
    bounds : ndarray of int64, of shape (n + 1,)
        Class a has the rows bounds[a]:bounds[a + 1], of which there may be none.

    Returns
    -------
    sums : RowSolveSums
        `gram` of each model is that of the result for each class, (n, k, k).
    """
    if native is None:
        return step.by_classes(operand.native(), rows, shared, bounds)
    sums: RowSolveSums = native.row_solve(operand, step, rows, shared, bounds)
    return sums


def native_pass(kind: str, step: Step[Any, Any, Any]) -> NativePass | None:
    """Return the compiled version of `step` for operands of this kind, or None."""
    if native is None:
        return None
    compiled: NativePass | None = native.PASSES.get((kind, step.name))
    return compiled


__all__ = [
    "Adaptive",
    "Cyclic",
    "Exact",
    "ExactReport",
    "Method",
    "Multiplicative",
    "RowArrays",
    "SolveReport",
    "SweepReport",
    "clean_product",
    "clean_rows",
    "clean_summary",
    "column_sums",
    "coordinate_sweep",
    "draw_columns",
    "draw_rows",
    "exact_solve",
    "extremes",
    "gap_columns",
    "gather_scaled",
    "gram",
    "inner",
    "move_scaled",
    "multiplied",
    "named_product",
    "named_square",
    "native_pass",
    "nearest_monotone",
    "nearest_unimodal",
    "order_runs",
    "solve_apart",
    "solve_by_classes",
    "solve_classes",
    "solve_imputed",
    "solve_on_sets",
    "solve_rows",
    "solve_within",
    "stretches",
    "summary",
    "times",
    "touch",
]
