"""States as arrays: what comes back, and fits that go on where they were stopped."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from nonneg.fitting.checkpoints.files import Past
from nonneg.fitting.checkpoints.state_arrays import from_arrays, to_arrays
from nonneg.fitting.loop import Limits, run
from support.cases import (
    DTYPES,
    MAIN_STORAGES,
    PAIRS,
    STORAGES,
    data,
    factors,
    make_problem,
)


@dataclass
class Everything:
    """A field of each kind that a state may have."""

    array: Any
    flags: Any
    empty: Any
    zero_d: Any
    missing: Any
    switch: Any
    count: Any
    ratio: Any
    label: Any
    single: Any
    double: Any
    stream: Any


def example():
    stream = np.random.RandomState(3)
    stream.normal(size=7)  # leaves a half-used pair of normal numbers
    return Everything(
        array=np.arange(6, dtype=np.float32).reshape(2, 3),
        flags=np.array([True, False]),
        empty=np.zeros((0, 4)),
        zero_d=np.array(2.5),
        missing=None,
        switch=True,
        count=-(2**62),
        ratio=float("nan"),
        label="β",
        single=np.float32(0.1),
        double=np.float64(0.1),
        stream=stream,
    )


def through_file(state: Any) -> Any:
    file = io.BytesIO()
    np.savez(file, **to_arrays(state))
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        return from_arrays(type(state), stored)


def test_every_kind_of_field_comes_back():
    before, after = example(), through_file(example())
    for name, value in vars(before).items():
        restored = getattr(after, name)
        assert type(restored) is type(value), name
        if name == "stream":
            np.testing.assert_array_equal(
                restored.normal(size=700), value.normal(size=700)
            )
        else:
            np.testing.assert_array_equal(restored, value, strict=name != "missing")


def test_arrays_are_not_copied():
    state = example()
    assert to_arrays(state)["array"] is state.array


def test_global_stream_is_stored_as_a_stream_of_its_own():
    state = replace(example(), stream=np.random.mtrand._rand)
    restored = through_file(state).stream
    assert restored is not state.stream
    expected = np.random.RandomState()
    expected.set_state(state.stream.get_state())
    assert restored.random_sample() == expected.random_sample()


@pytest.mark.parametrize(
    "value",
    [
        [1.0],
        {"a": 1},
        object(),
        np.array([None]),
        1j,
        np.random.default_rng(0),
        np.random.RandomState(np.random.PCG64(0)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_fields_are_refused_by_name(value):
    with pytest.raises(TypeError, match="'array'"):
        to_arrays(replace(example(), array=value))


def damaged(**changes: Any) -> dict[str, Any]:
    arrays = to_arrays(example())
    for key, value in changes.items():
        key = key.replace("__", ".")
        if value is None:
            del arrays[key]
        else:
            arrays[key] = value
    return arrays


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"array": None}, "fields"),
        ({"foreign": np.zeros(2)}, "fields"),
        ({"stream__pos": None}, "'stream' is damaged"),
        ({"stream__pos": np.array(625)}, "'stream' is damaged"),
        ({"stream__pos": np.array(-1)}, "'stream' is damaged"),
        ({"stream__key": np.zeros(5, np.uint32)}, "'stream' is damaged"),
        ({"stream__pos": np.array(np.inf)}, "'stream' is damaged"),
        ({"stream__has_gauss": np.array(2**31)}, "'stream' is damaged"),
        ({"stream__has_gauss": np.array(-1)}, "'stream' is damaged"),
        ({"stream__gauss": np.array("x")}, "'stream' is damaged"),
        ({"stream__key": np.full(624, np.nan)}, "'stream' is damaged"),
        ({"count__int": np.zeros(2)}, "'count' is damaged"),
        ({"count__int": np.array(np.inf)}, "'count' is damaged"),
        ({"switch__bool": np.array("")}, "'switch' is damaged"),
        ({"array__int": np.array(1)}, "'array' is damaged"),
        ({"ratio__float": None, "ratio__complex": np.array(1)}, "'ratio' is damaged"),
    ],
)
def test_damaged_states_are_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        from_arrays(Everything, damaged(**changes))


def assert_same_state(actual: Any, expected: Any) -> None:
    """All that is stored of two states is equal, bit by bit."""
    arrays, wanted = to_arrays(actual), to_arrays(expected)
    assert arrays.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name, strict=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", MAIN_STORAGES)
@pytest.mark.parametrize("update_H", [True, False])
@pytest.mark.parametrize(("loss", "case"), PAIRS, ids=str)
def test_a_restored_fit_goes_on_bit_by_bit(loss, case, update_H, storage, dtype):
    X = STORAGES[storage](data(dtype=dtype))
    problem = make_problem(
        X, loss=loss, l1=0.01, l2=0.02, update_H=update_H, random_state=5
    )
    solver = case.make(tol=0.0)

    def begin() -> Any:
        return solver.start(problem, *factors(X.shape, dtype=dtype))

    if (
        solver.iteration_limit(problem.update_H) == 1
    ):  # one solve, and nothing to go on with
        whole = run(solver, problem, Past(begin()), Limits(max_iter=1, tol=0.0)).state
        assert_same_state(through_file(whole), whole)
        return
    whole = run(solver, problem, Past(begin()), Limits(max_iter=9, tol=0.0)).state
    half = run(solver, problem, Past(begin()), Limits(max_iter=5, tol=0.0)).state
    resumed = through_file(half)
    # the restored state starts from its case objects alone
    del half
    second = run(solver, problem, Past(resumed), Limits(max_iter=9, tol=0.0)).state
    assert second.n_iter == whole.n_iter == 9
    assert_same_state(second, whole)
