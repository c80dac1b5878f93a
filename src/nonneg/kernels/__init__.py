"""Kernels: one name each, either the compiled core's or the reference's.

`NONNEG_SIMD=reference` forces the reference; without `_core` it is used with one
warning. Passes over X are looked up by `native_pass`; None means that the
operand runs the step's own reference block by block.
"""

from __future__ import annotations

import functools
import importlib
import os
import warnings
from collections.abc import Callable
from typing import Any

from ..base.interfaces import Rows, Shared, Step, Sums
from . import beta_terms, block_pivoting, reference
from .block_pivoting import ExactReport
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

NativePass = Callable[[Any, Step, Rows, Shared], Sums]

native: Any = None
"""The module `kernels.native`, or None where the reference is in use."""
_native_beta: Any = None

if os.environ.get("NONNEG_SIMD") != "reference":
    try:
        importlib.import_module("nonneg._core")
        native = importlib.import_module(".native", __name__)
        _native_beta = importlib.import_module(".native_beta", __name__)
    except ModuleNotFoundError as error:
        if error.name != "nonneg._core":
            raise
        warnings.warn(
            "nonneg's compiled core is missing: results are the same, but slower. "
            "Reinstall nonneg with a C++ compiler at hand to build it.",
            RuntimeWarning,
            stacklevel=2,
        )


def _own(kernel: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel, or what an array that is not in this memory has for it.

    Such an array has a method `by_blocks(kernel, *args)`.
    """

    @functools.wraps(function)
    def call(first: Any, *args: Any, **more: Any) -> Any:
        A = first.solved if isinstance(first, RowArrays) else first
        own = getattr(A, "by_blocks", None)
        return (
            function(first, *args, **more) if own is None else own(kernel, first, *args)
        )

    return call


coordinate_sweep = (native or reference).coordinate_sweep
exact_solve = (native or block_pivoting).exact_solve
solve_on_sets = (native or block_pivoting).solve_on_sets
column_sums = _own("column_sums", (_native_beta or reference).column_sums)
gather_scaled = (_native_beta or reference).gather_scaled
gram = _own("gram", (native or reference).gram)
inner = _own("inner", reference.inner)
move_scaled = (_native_beta or reference).move_scaled
multiplied = (_native_beta or beta_terms).multiplied
solve_rows = _own("solve_rows", (native or reference).solve_rows)
summary = (native or reference).summary
touch = (native or reference).touch


def native_pass(kind: str, step: Step) -> NativePass | None:
    """Compiled version of `step` for operands of this kind, or None."""
    if native is None:
        return None
    found: NativePass | None = native.PASSES.get((kind, step.name))
    return found


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
    "column_sums",
    "coordinate_sweep",
    "exact_solve",
    "gather_scaled",
    "gram",
    "inner",
    "move_scaled",
    "multiplied",
    "native_pass",
    "solve_on_sets",
    "solve_rows",
    "summary",
    "touch",
]
