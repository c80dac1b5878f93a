"""Calls of the compiled core `_core` for arrays and for steps of a pass."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cython_blas

from .. import _core
from ..base import deadline
from ..base.arrays import Array
from ..base.steps import OtherFactor, RowsOfW
from . import block_pivoting, reference
from .block_pivoting import ExactReport
from .block_sizes import SUMMARY_ENTRIES
from .native_options import as_contiguous, options_of_classes, solve_options
from .quadratic_steps import (
    MatMul,
    ModelSums,
    ProductRows,
    ProductSum,
    RMatMul,
    RowSolve,
    RowSolveInputs,
    RowSolveRows,
    RowSolveSums,
    SquaredError,
)
from .row_methods import (
    Cyclic,
    Method,
    RowArrays,
    SolveReport,
    Summary,
    SweepReport,
)


def connect_blas() -> bool:
    """Let the core call SciPy's BLAS, if it is found; return whether it was."""
    capsules = getattr(cython_blas, "__pyx_capi__", {})
    if not {"sgemm", "dgemm"} <= capsules.keys():
        return False
    return bool(_core.set_blas(capsules["sgemm"], capsules["dgemm"]))


has_blas = connect_blas()
_core.set_check(deadline.check)


def simd_available() -> list[str]:
    """Return the compiled instruction sets that this processor runs, the best one first."""
    return list(_core.available_sets())


def simd_name() -> str:
    """Return the name of the instruction set in use."""
    return str(_core.chosen_set())


def _obey_environment() -> None:
    wanted = os.environ.get("NONNEG_SIMD", "")
    if wanted and not _core.choose_set(wanted):
        allowed = ", ".join([*simd_available(), "reference"])
        msg = (
            f"NONNEG_SIMD={wanted!r} is not available on this machine; "
            f"unset it, or choose one of: {allowed}."
        )
        raise ImportError(msg)


_obey_environment()


def coordinate_sweep(
    A: Array,
    rhs: Array,
    gram: Array,
    l1: Array,
    order: Sequence[int] | None = None,
    n_threads: int = 1,
) -> SweepReport:
    """Compiled twin of `reference.coordinate_sweep`."""
    if gram.ndim == 3 or not A.flags.c_contiguous:
        return reference.coordinate_sweep(A, rhs, gram, l1, order)
    method = Cyclic(None if order is None else tuple(order))
    report = solve_rows(RowArrays(A, A), rhs, gram, l1, method, n_threads=n_threads)
    return SweepReport(report.violation, report.cross)


IN_PARTS = {"dense-parts": "dense_parts", "csr-parts": "csr_parts"}
"""Suffixes of the bindings for kinds of X that are read in parts."""


def solve_rows(
    rows: RowArrays,
    rhs: Array,
    gram: Array,
    l1: Array,
    method: Method,
    grams: bool = False,
    n_threads: int = 1,
) -> SolveReport:
    """Compiled twin of `reference.solve_rows`."""
    if gram.ndim == 3:
        return reference.solve_rows(rows, rhs, gram, l1, method, grams)
    dtype, k = rows.solved.dtype, rows.solved.shape[1]
    solve = _core.solve32 if dtype == np.float32 else _core.solve64
    gram_solved, gram_result = (
        (np.empty((k, k)), np.empty((k, k))) if grams else (None, None)
    )
    measures = np.empty((2, k))
    report = solve(
        rows=rows,
        P=as_contiguous(rhs, dtype),
        options=solve_options(gram, l1, dtype, method),
        gram_solved=gram_solved,
        gram_result=gram_result,
        measures=measures,
        n_threads=n_threads,
    )
    return SolveReport(*report, measures, gram_solved, gram_result)


def solve_classes(
    rows: RowArrays,
    rhs: Array,
    grams: Array,
    l1: Array,
    method: Method,
    bounds: NDArray[np.int64],
    n_threads: int = 1,
    solved: bool = True,
) -> SolveReport:
    """Compiled twin of `reference.solve_classes`."""
    dtype, k = rows.solved.dtype, rows.solved.shape[1]
    solve = _core.solve_classes32 if dtype == np.float32 else _core.solve_classes64
    grams_solved, grams_result = (np.empty((len(grams), k, k)) for _ in range(2))
    measures = np.zeros((2, k))
    report = solve(
        rows=rows,
        P=rhs if rhs.strides[1] == rhs.itemsize else as_contiguous(rhs, dtype),
        options=options_of_classes(grams, l1, dtype, method),
        bounds=bounds,
        grams_solved=grams_solved.reshape(-1, k) if solved else None,
        grams_result=grams_result.reshape(-1, k),
        measures=measures,
        n_threads=n_threads,
    )
    return SolveReport(
        *report, measures, grams_solved if solved else None, grams_result
    )


def exact_solve(
    A: Array,
    rhs: Array,
    gram: Array,
    l1: Array,
    upper: Array | None = None,
    n_threads: int = 1,
) -> ExactReport:
    """Compiled twin of `block_pivoting.exact_solve`."""
    if not A.flags.c_contiguous:
        return block_pivoting.exact_solve(A, rhs, gram, l1, upper)
    squares = np.zeros(A.shape[1])
    report = _core.exact_solve(
        A=A,
        P=as_contiguous(rhs, A.dtype),
        gram=as_contiguous(gram, np.float64).ravel(),
        l1=as_contiguous(l1, np.float64),
        upper=None if upper is None else as_contiguous(upper, np.float64),
        gradient=squares,
        fixed=False,
        n_threads=n_threads,
    )
    return ExactReport(*report, squares)


def solve_on_sets(A: Array, rhs: Array, gram: Array, n_threads: int = 1) -> None:
    """Compiled twin of `block_pivoting.solve_on_sets`."""
    k = A.shape[1]
    gram = as_contiguous(gram, np.float64).ravel()
    _core.exact_solve(
        A=A,
        P=as_contiguous(rhs, A.dtype),
        gram=gram,
        l1=np.zeros(k),
        upper=None,
        gradient=np.zeros(k),  # unused
        fixed=True,
        n_threads=n_threads,
    )


def summary(A: Array, n_threads: int = 1) -> Summary:
    """Compiled twin of `reference.summary`."""
    if A.ndim == 1:  # in rows, for the threads
        size = SUMMARY_ENTRIES
        whole = A.size // size * size
        first = Summary(*_core.summary(A[:whole].reshape(-1, size), n_threads))
        return first.joined(Summary(*_core.summary(A[whole:].reshape(1, -1), 1)))
    return Summary(*_core.summary(A, n_threads))


def touch(pages: Array, step: int) -> None:
    """Compiled twin of `reference.touch`, which waits for a disk without the GIL."""
    _core.touch(pages, step)


def gram(A: Array, n_threads: int = 1) -> NDArray[np.float64]:
    """Compiled twin of `reference.gram`."""
    out = np.empty((A.shape[1], A.shape[1]))
    _core.gram(as_contiguous(A, A.dtype), out, n_threads)
    return out


def times(A: Array, G: Array, n_threads: int = 1) -> Array:
    """Compiled twin of `reference.times`."""
    A = as_contiguous(A, A.dtype)
    out = np.empty_like(A)
    _core.matmul_dense(A, as_contiguous(G, A.dtype), out, n_threads)
    return out


def binding(name: str) -> Any:
    """Return the function of the core with this name, which ends with a kind of X."""
    return vars(_core)[name]


def csr_arrays(X: Any) -> tuple[str, tuple[Array, Array, Array, int]]:
    """Return the suffix of the bindings for a CSR, and its arrays and number of columns."""
    suffix = "csr32" if X.indices.dtype == np.int32 else "csr64"
    indptr = X.indptr.astype(X.indices.dtype, copy=False)
    return suffix, (X.data, X.indices, indptr, X.shape[1])


def source_of(operand: Any) -> tuple[str, Any]:
    """Return the suffix of the bindings for X, and X as they take it."""
    if operand.kind in IN_PARTS:
        return IN_PARTS[operand.kind], operand  # the core asks it for its windows
    X = operand.X
    if operand.kind == "dense":
        # an X read by columns has no contiguous rows, but then callers pass its transpose
        return "dense", X if X.strides[1] == X.itemsize else as_contiguous(X, X.dtype)
    return csr_arrays(X if X.format == "csr" else X.tocsr())


def _matmul(
    operand: Any,
    step: MatMul,  # noqa: ARG001
    rows: ProductRows,
    shared: OtherFactor,
) -> None:
    suffix, X = source_of(operand)
    call = binding(f"matmul_{suffix}")
    call(X, as_contiguous(shared.Ht, operand.dtype), rows.out, operand.n_threads)


def _rmatmul(
    operand: Any,
    step: RMatMul,  # noqa: ARG001
    rows: RowsOfW,
    shared: None,  # noqa: ARG001
) -> ProductSum:
    suffix, X = source_of(operand)
    A = as_contiguous(rows.W, operand.dtype)
    out = np.empty((operand.shape[1], A.shape[1]), dtype=operand.dtype)
    binding(f"rmatmul_{suffix}")(X, A, out, operand.n_threads)
    return ProductSum(out)


def _squared_error(
    operand: Any,
    step: SquaredError,  # noqa: ARG001
    rows: RowsOfW,
    shared: OtherFactor,
) -> float:
    suffix, X = source_of(operand)
    W, Ht = (as_contiguous(A, operand.dtype) for A in (rows.W, shared.Ht))
    call = binding(f"squared_error_{suffix}")
    return float(call(X, W, Ht, operand.n_threads))


class FusedArrays(NamedTuple):
    """The arrays of a model in a half-step, as the core takes them, and of its results."""

    model: _core.ModelArrays
    measures: Array
    rhs: Array | None
    gram: Array | None

    def sums(self, report: _core.Report) -> ModelSums:
        """Return the sums that the half-step has left in the arrays."""
        return ModelSums(SolveReport(*report, self.measures), self.rhs, self.gram)


def fused_arrays(
    dtype: Any,
    n_columns: int,
    step: RowSolve,
    rows: RowSolveRows,
    shared: RowSolveInputs,
) -> list[FusedArrays]:
    """Return the arrays of each model of a half-step; with a Gram matrix a class, or one."""
    models = []
    for method, A, inputs in zip(step.methods, rows.models, shared.models, strict=True):
        k = A.solved.shape[1]
        measures = np.empty((2, k))
        rhs = gram = None
        if step.accumulate:
            rhs = np.empty((n_columns, inputs.Ht.shape[1]), dtype=dtype)
            gram = np.empty(inputs.gram.shape)
        options: Any
        if inputs.gram.ndim == 3:
            options = options_of_classes(inputs.gram, inputs.l1, dtype, method)
        else:
            options = solve_options(inputs.gram, inputs.l1, dtype, method)
        Ht = as_contiguous(inputs.Ht, dtype)
        model = _core.ModelArrays(
            rows=A, Ht=Ht, options=options, rhs=rhs,
            gram=None if gram is None else gram.reshape(-1, k),
            measures=measures, moving=inputs.moving,
        )  # fmt: skip
        models.append(FusedArrays(model, measures, rhs, gram))
    return models


def row_solve(
    operand: Any,
    step: RowSolve,
    rows: RowSolveRows,
    shared: RowSolveInputs,
    bounds: NDArray[np.int64] | None = None,
) -> RowSolveSums:
    """Compiled twin of `RowSolve`, and with the bounds of classes that of `by_classes`."""
    dtype, n_columns = operand.dtype, operand.shape[1]
    arrays = fused_arrays(dtype, n_columns, step, rows, shared)
    suffix, X = source_of(operand)
    update = binding(f"update{8 * dtype.itemsize}_{suffix}")
    models = [part.model for part in arrays]
    looks = operand.unchecked and suffix == "dense" and not step.accumulate
    entries = np.empty((1, 3)) if looks else None
    reports: list[_core.Report] = update(
        X, models, n_columns, operand.n_threads, bounds, entries
    )
    if entries is not None:
        operand.note(Summary(*entries[0].tolist()))
    sums = (part.sums(report) for part, report in zip(arrays, reports, strict=True))
    return RowSolveSums(tuple(sums))


KINDS = ("dense", "csr", *IN_PARTS)
PASSES: dict[tuple[str, str], Callable[..., Any]] = {
    (kind, name): run
    for kind in KINDS
    for name, run in (
        ("matmul", _matmul),
        ("rmatmul", _rmatmul),
        ("row_solve", row_solve),
        ("squared_error", _squared_error),
    )
}
"""Compiled steps by kind of operand and name of step."""
