"""Calls of the compiled core for the steps of β-divergences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..base.arrays import Array
from .beta_terms import BetaTerms, Terms
from .beta_terms import multiplied as reference_multiplied
from .native import KINDS, PASSES, binding, source_of
from .native_options import as_contiguous
from .reference import inner
from .row_methods import NewtonReport, RowArrays
from .term_records import NewtonTermSums, TermRows, TermShared, TermSums, by_shares

LEAST_INVERTED = 1e-36
"""About the smallest number whose inverse in float32 has all its digits."""


def beta_options(
    terms: BetaTerms, least: float, move: bool, dtype: Any, *vectors: Any
) -> _core.BetaOptions:
    """Return a multiplicative update as the bindings take it."""
    column_sums, l1, l2 = (as_contiguous(vector, dtype) for vector in vectors)
    return _core.BetaOptions(
        beta=terms.beta,
        floor=terms.floor,
        least=least,
        rise=terms.rise,
        fall=terms.fall,
        column_sums=column_sums,
        l1=l1,
        l2=l2,
        move=move,
    )


def multiplied(
    A: Array,
    numerator: Array,
    denominator: Array,
    l1: Array,
    l2: Array,
    terms: Terms,
    least: float = 0.0,
    n_threads: int = 1,
) -> Array:
    """Compiled twin of `beta_terms.multiplied`, for β-divergences."""
    if not isinstance(terms, BetaTerms) or l1.ndim == 2 or l2.ndim == 2:
        return reference_multiplied(A, numerator, denominator, l1, l2, terms, least)
    dtype, k = A.dtype, A.shape[1]
    below, shared = None, denominator
    if denominator.ndim == 2:
        below, shared = as_contiguous(denominator, dtype), np.zeros(k)
    out = np.empty_like(A, order="C")
    multiply = _core.multiply32 if dtype == np.float32 else _core.multiply64
    options = beta_options(terms, least, True, dtype, shared, l1, l2)
    A, numerator = as_contiguous(A, dtype), as_contiguous(numerator, dtype)
    multiply(A, numerator, below, out, options, n_threads)
    return out


def column_sums(A: Array, n_threads: int = 1) -> NDArray[np.float64]:
    """Compiled twin of `reference.column_sums`."""
    sums = np.empty(A.shape[1])
    _core.column_sums(as_contiguous(A, A.dtype), sums, n_threads)
    return sums


def gather_scaled(
    base: Array, features: Array, scale: Array, out: Array, n_threads: int = 1
) -> NDArray[np.float64]:
    """Compiled twin of `reference.gather_scaled`."""
    sums = np.empty(out.shape[1])
    features = as_contiguous(features, np.int64)
    _core.gather_scaled(
        base, features, as_contiguous(scale, out.dtype), out, sums, n_threads
    )
    return sums


def move_scaled(
    base: Array,
    features: Array,
    before: Array,
    numerator: Array,
    kept: Array,
    inverse: Array,
    over_scale: Array,
    least: float,
    n_threads: int = 1,
) -> NDArray[np.float64]:
    """Compiled twin of `reference.move_scaled`."""
    sums = np.empty((4, base.shape[1]))
    kept, inverse, over_scale = (
        as_contiguous(v, base.dtype) for v in (kept, inverse, over_scale)
    )
    _core.move_scaled(
        base, as_contiguous(features, np.int64), before, numerator, kept, inverse, over_scale,
        least, sums.ravel(), n_threads,
    )  # fmt: skip
    return sums


def _beta_update(
    operand: Any,
    step: Any,
    rows: TermRows,
    shared: TermShared,
    source: Any = None,
) -> TermSums:
    dtype, n_columns = operand.dtype, operand.shape[1]
    start, Ht = as_contiguous(rows.start, dtype), as_contiguous(shared.Ht, dtype)
    flat = step.terms.is_flat
    numerator = second = None
    if step.accumulate:
        numerator = np.empty((n_columns, Ht.shape[1]), dtype=dtype)
        if not flat or step.bends:
            second = np.empty((n_columns, Ht.shape[1]), dtype=dtype)
    none = np.zeros(Ht.shape[1])
    weights = (none if v is None else v for v in (shared.l1, shared.l2))
    options = beta_options(
        step.terms, step.least, step.move, dtype, shared.column_sums, *weights
    )
    suffix, X = source_of(operand)
    X = X if source is None else source
    after = None if shared.after is None else as_contiguous(shared.after, dtype)
    half_step = binding(f"beta{8 * dtype.itemsize}_{suffix}")
    value = half_step(
        X=X,
        start=start,
        Ht=Ht,
        after=after,
        solved=rows.solved,
        below=rows.below,
        numerator=numerator,
        denominator=second,
        options=options,
        wants_value=step.value,
        n_threads=operand.n_threads,
    )
    sums = TermSums(numerator)
    if step.bends:
        sums.bends = second
    else:
        sums.denominator = second
    A = rows.solved if step.move and rows.solved is not None else start
    if flat and (step.accumulate or step.value):
        own_sums = column_sums(A, operand.n_threads)
        if step.accumulate:
            sums.denominator = own_sums
    if step.value:
        if flat and operand.sparse:
            # the sum over W·H, of which the kernel looks at the stored entries alone
            other = shared.column_sums
            if after is not None:
                other = column_sums(after, operand.n_threads)
            value += float(own_sums @ other)
        sums.value = value
    return sums


def floor_and_unit(operand: Any, floor: float) -> tuple[float, float]:
    """Return the least y of Newton sweeps, and a power of two of about 1 over the mean of X."""
    mean, most = operand.stats().mean, 1000 if operand.dtype == np.float64 else 100
    size = math.frexp(mean)[1] if math.isfinite(mean) else 0
    unit = 2.0 ** -max(-most, min(most, size))
    # 1/y begins from a reciprocal in float32, of y·unit
    return max(floor, LEAST_INVERTED / unit), unit


def newton_source(operand: Any) -> tuple[str, Any]:
    """Return the suffix of the bindings of Newton sweeps, and X as they take it."""
    # a dense X may have any strides here
    return ("dense", operand.X) if operand.kind == "dense" else source_of(operand)


def _newton_options(
    operand: Any, step: Any, rows: RowArrays, shared: TermShared
) -> _core.NewtonOptions:
    """Return Newton sweeps as the bindings take them."""
    dtype = operand.dtype
    column_sums, l1, l2 = (
        as_contiguous(v, dtype) for v in (shared.column_sums, shared.l1, shared.l2)
    )
    floor, unit = floor_and_unit(operand, step.floor)
    linear, bent = None, rows.quadratic
    if rows.sums is not None or rows.linear is not None:
        sums = shared.column_sums if rows.sums is None else rows.sums
        by_rows = np.broadcast_to(
            sums + by_shares(shared.l1, rows.linear), rows.solved.shape
        )
        linear = as_contiguous(by_rows, dtype)
    if bent is not None:
        bent = as_contiguous(bent, np.float64)
    return _core.NewtonOptions(
        floor=floor,
        unit=unit,
        momentum=step.momentum,
        tolerance=step.tolerance,
        column_sums=column_sums,
        l1=l1,
        l2=l2,
        sweeps=step.sweeps,
        rescale=step.rescale,
        wants_value=step.value,
        linear=linear,
        bent=bent,
    )


def _newton_on(
    operand: Any, step: Any, X: Any, suffix: str, rows: RowArrays, shared: TermShared
) -> NewtonReport:
    """Do Newton sweeps over some rows; X is as the bindings take it."""
    call = binding(f"newton{8 * operand.dtype.itemsize}_{suffix}")
    Ht, options = shared.Ht, _newton_options(operand, step, rows, shared)
    Ht = as_contiguous(Ht, operand.dtype)
    return NewtonReport(*call(X, rows, Ht, options, operand.n_threads))


def _newton(
    operand: Any, step: Any, rows: RowArrays, shared: TermShared
) -> NewtonReport:
    suffix, X = newton_source(operand)
    report = _newton_on(operand, step, X, suffix, rows, shared)
    if step.value:
        if rows.sums is not None:
            report.value += inner(rows.sums, rows.solved)
        else:
            sums, others = (
                column_sums(A, operand.n_threads) for A in (rows.solved, shared.Ht)
            )
            # added up in the order of `_core.newton_stretch`
            report.value += float((sums * others).sum())
    return report


class _Solving:
    """An X in parts, whose rows of W are solved for before a window is given out."""

    def __init__(
        self, operand: Any, step: Any, rows: RowArrays, shared: TermShared
    ) -> None:
        self._operand, self._step, self._shared = operand, step, shared
        self._rows = rows
        self.n_rows, self.entries = operand.n_rows, operand.entries
        self.longest = operand.longest
        self.report = NewtonReport(0.0, 0.0, 0.0, 0.0)

    def next(self, n_tasks: int, block: int) -> Any:
        """Return the operand's next window, with its rows solved for."""
        X = self._operand
        window = X.next(n_tasks, block)
        suffix = "csr32" if X.sparse else "dense"
        for *_, first, X_w in window or ():
            n_rows = len(X_w[2]) - 1 if X.sparse else len(X_w)
            rows = self._rows.block(first, first + n_rows)
            self.report += _newton_on(X, self._step, X_w, suffix, rows, self._shared)
        return window


def _newton_sums(
    operand: Any, step: Any, rows: RowArrays, shared: TermShared
) -> NewtonTermSums:
    after = TermRows(rows.solved)
    if operand.in_parts:
        source = _Solving(operand, step.newton, rows, shared)
        terms = _beta_update(operand, step.sums, after, shared, source)
        return NewtonTermSums(source.report, terms)
    report = _newton(operand, step.newton, rows, shared)
    return NewtonTermSums(report, _beta_update(operand, step.sums, after, shared))


PASSES.update(
    {
        (kind, name): run
        for kind in KINDS
        for name, run in (
            ("beta_update", _beta_update),
            ("newton", _newton),
            ("newton_sums", _newton_sums),
        )
    }
)
