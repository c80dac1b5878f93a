"""Records of steps: their blocks, their sums, and what they declare."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import numpy as np
import pytest

from nonneg.base.steps import StepRows, StepSums, added
from nonneg.kernels.quadratic_steps import (
    ModelInputs,
    ModelSums,
    RowSolveInputs,
    RowSolveRows,
    RowSolveSums,
)
from nonneg.kernels.row_methods import RowArrays, SolveReport


def rows(n=10):
    models = (RowArrays(np.arange(n), np.zeros(n)), RowArrays(np.ones(n), np.ones(n)))
    return RowSolveRows(models)


def test_a_block_cuts_the_rows_of_all_models():
    part = rows().block(2, 5)
    np.testing.assert_array_equal(part.models[0].start, [2, 3, 4])
    assert [len(A) for A, _ in part.uses()] == [3] * 4
    assert part.models[0].moved is None


def test_a_block_is_a_view_that_can_be_written_to():
    whole = rows()
    whole.block(2, 5).models[0].solved[...] = 7
    np.testing.assert_array_equal(whole.models[0].solved[2:5], 7)


def test_uses_are_those_that_the_record_declares():
    assert [use for _, use in rows().uses()] == ["read", "written"] * 2


def sums(value, rhs=None):
    report = SolveReport(value, 2 * value, measures=np.full((2, 3), value))
    return RowSolveSums((ModelSums(report, rhs),))


def test_sums_are_added_field_by_field():
    total = added(added(None, sums(1.0, np.ones(4))), sums(2.0, np.ones(4)))
    (model,) = total.models
    assert (model.report.violation, model.report.cross) == (3.0, 6.0)
    np.testing.assert_array_equal(model.report.measures, np.full((2, 3), 3.0))
    np.testing.assert_array_equal(model.rhs, np.full(4, 2.0))
    assert model.gram is None
    assert added(None, None) is None
    assert added(1.5, 2) == 3.5


def test_products_alone_are_replaced():
    shared = RowSolveInputs((ModelInputs(np.ones(2), np.ones((1, 1)), np.ones(1)),))
    changed = shared.with_products(lambda A: A + 1).models[0]
    np.testing.assert_array_equal(changed.Ht, [2, 2])
    np.testing.assert_array_equal(changed.gram, [[1]])
    assert sums(1.0, np.ones(2)).with_products(np.sum).models[0].rhs == 2


def test_records_travel():
    whole = pickle.loads(pickle.dumps(rows()))
    np.testing.assert_array_equal(whole.models[0].start, np.arange(10))


@dataclass
class Mistaken(StepRows):
    written = ("B",)
    A: np.ndarray


def test_a_use_of_what_is_no_field_is_refused():
    with pytest.raises(TypeError, match=r"Mistaken declares a use of .*B"):
        Mistaken(np.ones(3)).block(0, 1)


@dataclass
class Two(StepSums):
    a: float
    b: float


def test_a_record_of_one_s_own_is_added_up():
    total = Two(1, 2) + Two(3, 4)
    assert (total.a, total.b) == (4, 6)
