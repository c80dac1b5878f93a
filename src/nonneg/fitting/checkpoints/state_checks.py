"""The check that a state from a file is one that its solver could have left there."""

from __future__ import annotations

import dataclasses
import typing
from types import NoneType, UnionType
from typing import Any

import numpy as np

from ...base.factor_rows import FactorRows
from ...base.interfaces import Stored
from ...solvers.composed.staged_state import StagedState

SCALARS = (bool, int, float, str, NoneType, np.random.RandomState)
"""Types of values that are no arrays, as the annotations of states name them."""
ARRAY = "array"


def find_fault(state: Any, shape: tuple[int, int], dtype: Any) -> str | None:
    """Return how a state contradicts its class or X, or None.

    Parameters
    ----------
    state : Stored
        Rebuilt from a file.
    shape : tuple of int
        Of X.
    dtype : dtype
        Of X.
    """
    fault = _find_odd_field(state, "")
    if fault is not None:
        return fault
    n_iter = state.n_iter
    if n_iter < 0:
        return f"it counts {n_iter} iterations"
    if isinstance(state, StagedState):
        dtype = state.kept_dtype(np.dtype(dtype))
    for base in _factor_states(state):
        if not {"W", "Ht"} <= vars(base).keys():
            return f"it has a {type(base).__name__} without factors"
        fault = _find_odd_array(base, shape, dtype)
        if fault is not None:
            return fault
    return None


def _find_odd_field(record: Any, path: str) -> str | None:
    """Return which value is not of a type that its field has, or None."""
    if not isinstance(record, Stored):
        return f"it has a {type(record).__name__} as {path.strip('.') or 'its state'}"
    hints = _hints(type(record))
    stored: Any = record  # a dataclass, as all states are
    for field in dataclasses.fields(stored):
        value, name = vars(record)[field.name], f"{path}{field.name}"
        if field.metadata.get("scratch"):
            continue
        if not _is_of(value, hints.get(field.name, Any)):
            return f"its {name} is a {_describe(value)}"
        if not _is_in_range(value, field.metadata.get("range")):
            return f"its {name} is {value:g}"
        items = value if isinstance(value, list) else [value]
        for i, item in enumerate(items):
            if isinstance(item, Stored):
                place = f"{name}[{i}]" if isinstance(value, list) else name
                fault = _find_odd_field(item, f"{place}.")
                if fault is not None:
                    return fault
    return None


def _is_in_range(value: Any, limits: tuple[float, float] | None) -> bool:
    """Return whether a number is not outside of limits; NaN is not."""
    if limits is None or not isinstance(value, float):
        return True
    return not (value < limits[0] or value > limits[1])


def _hints(cls: type[Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls)
    except NameError:  # of a class that was made inside a function
        return {}


def _is_of(value: Any, hint: Any) -> bool:
    """Return whether a value is of an annotated type; of arrays only the dtype is compared."""
    if hint is Any:
        return True
    origin = typing.get_origin(hint)
    if origin in (typing.Union, UnionType):
        return any(_is_of(value, part) for part in typing.get_args(hint))
    if origin is list:
        (part,) = typing.get_args(hint)
        return isinstance(value, list) and all(_is_of(item, part) for item in value)
    if origin is np.ndarray:
        if not isinstance(value, np.ndarray | FactorRows):
            return False
        (scalar,) = typing.get_args(typing.get_args(hint)[1]) or (Any,)
        return scalar is Any or bool(value.dtype == scalar)
    if hint in SCALARS:
        return isinstance(value, hint) and isinstance(value, bool) == (hint is bool)
    return True


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} array of shape {value.shape}"
    return f"{type(value).__name__}, {value!r}"[:60]


def _factor_states(state: Any) -> list[Any]:
    """Return the states that hold factors: of each model, or of the stage that is running."""
    inner = vars(state).get("models", vars(state).get("base"))
    if inner is None:
        return [state]
    inner = inner if isinstance(inner, list) else [inner]
    if not inner or not all(isinstance(part, Stored) for part in inner):
        return [state]  # which has no factors itself
    return [base for part in inner for base in _factor_states(part)]


def _find_odd_array(state: Any, shape: tuple[int, int], dtype: Any) -> str | None:
    """Return which array of a state has not the shape or dtype of its factors, or None."""
    k = state.Ht.shape[-1] if state.Ht.ndim else 0
    lengths = {"W": shape[0], "Ht": shape[1]}
    for name, n_rows in lengths.items():
        factor = vars(state)[name]
        if factor.shape != (n_rows, k) or factor.dtype != dtype or k < 1:
            return f"its {name} is a {_describe(factor)}; X has shape {shape} and dtype {dtype}"
        if isinstance(factor, np.ndarray) and not np.isfinite(factor).all():
            return f"its {name} is not finite"
    for field in dataclasses.fields(state):
        array = vars(state)[field.name]
        if not isinstance(array, np.ndarray | FactorRows) or field.name in lengths:
            continue
        if isinstance(array, np.ndarray) and array.dtype.kind not in "bf":
            return f"its {field.name} is a {_describe(array)}"
        if not _fits(array.shape, field, lengths, k):
            return f"its {field.name} is a {_describe(array)}, beside factors of {k} columns"
    return None


def _fits(shape: Any, field: Any, lengths: dict[str, int], k: int) -> bool:
    """Return whether an array of a state may have a shape, by what its name and default say."""
    if field.default_factory is not dataclasses.MISSING:  # a ring buffer
        return bool(shape == field.default_factory().shape)
    rows, _, factor = field.name.rpartition("_")
    if rows == "gram":
        return shape[-2:] == (k, k) and len(shape) in (2, 3)
    if factor in ("W", "H"):
        return bool(shape == (lengths["W" if factor == "W" else "Ht"], k))
    if len(shape) == 1:
        return bool(shape == (k,))
    return len(shape) == 2 and shape[1] == k and shape[0] in (*lengths.values(), k, 2)
