"""Steps run on plain dictionaries of arrays, for tests that compare them name by name."""

from __future__ import annotations

import dataclasses

from nonneg.kernels.quadratic_steps import (
    ModelInputs,
    RowSolve,
    RowSolveInputs,
    RowSolveRows,
)
from nonneg.kernels.row_methods import RowArrays


def as_dict(record):
    """The fields of a record that are there."""
    pairs = ((f.name, getattr(record, f.name)) for f in dataclasses.fields(record))
    return {name: value for name, value in pairs if value is not None}


def solve_models(operand, methods, rows, shared, accumulate=True):
    """One fused half-step; rows, shared and the sums are a dictionary for each model."""
    sums = operand.run_pass(
        RowSolve(tuple(methods), accumulate),
        RowSolveRows(tuple(RowArrays(**arrays) for arrays in rows)),
        RowSolveInputs(tuple(ModelInputs(**arrays) for arrays in shared)),
    )
    found = []
    for model in sums.models:
        parts = as_dict(model)
        found.append(as_dict(parts.pop("report")) | parts)
    return found
