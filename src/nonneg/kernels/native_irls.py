"""Call of the compiled core for half-steps by reweighted least squares."""

from __future__ import annotations

from typing import Any

from .. import _core
from .native import PASSES
from .native_options import as_contiguous
from .row_methods import IrlsReport, RowArrays
from .term_records import TermShared


def _irls(operand: Any, step: Any, rows: RowArrays, shared: TermShared) -> IrlsReport:
    dtype = operand.dtype
    Ht, l1, l2 = (as_contiguous(A, dtype) for A in (shared.Ht, shared.l1, shared.l2))
    report = _core.irls(
        X=operand.X,  # of any strides
        rows=rows,
        Ht=Ht,
        beta=step.beta,
        floor=step.floor,
        power=step.power,
        momentum=step.momentum,
        l1=l1,
        l2=l2,
        n_threads=operand.n_threads,
    )
    return IrlsReport(*report)


PASSES["dense", "irls"] = _irls
