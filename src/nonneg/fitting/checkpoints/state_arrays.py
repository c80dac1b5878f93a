"""States of solvers as named arrays and back, without pickle, to the last bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ...base.factor_rows import FactorRows

S = TypeVar("S")
Arrays = dict[str, NDArray[Any]]

_MT19937_WORDS = 624
_PYTHON_SCALARS: dict[str, tuple[type, Any]] = {
    # bool before int: a bool is an int
    "bool": (bool, np.bool_),
    "int": (int, np.int64),
    "float": (float, np.float64),
    "str": (str, np.str_),
}
_PLAIN_KINDS = "biufcU"
"""Kinds of dtype that are stored without pickle."""


def to_arrays(state: Any) -> Arrays:
    """Return the fields of a state as arrays, ready for `np.savez`.

    Parameters
    ----------
    state : dataclass instance
        Its fields hold arrays, numbers, booleans, text, None or a `RandomState` of
        the Mersenne Twister.

    Returns
    -------
    dict of str to ndarray
        An array field keeps its name and is not copied. A scratch field is stored as None.
        Any other field has the key "field.kind": a Python float comes back as a Python
        float, and a NumPy scalar keeps its dtype, since the two promote differently.

    Raises
    ------
    TypeError
        If a field holds anything else.
    """
    arrays: Arrays = {}
    for field in dataclasses.fields(state):
        value = vars(state)[field.name]
        if field.metadata.get("scratch"):
            value = None
        for suffix, array in _encode(field.name, value).items():
            arrays[f"{field.name}.{suffix}" if suffix else field.name] = array
    return arrays


def from_arrays(cls: type[S], arrays: Mapping[str, NDArray[Any]]) -> S:
    """Build the state that `to_arrays` took apart.

    Parameters
    ----------
    cls : type
        The dataclass of the state.
    arrays : mapping of str to ndarray
        A result of `to_arrays`, such as an opened .npz file. Arrays are not copied.

    Raises
    ------
    ValueError
        If the names are not those of the fields of `cls`, or an entry is damaged.
    """
    grouped: dict[str, Arrays] = {}
    for key in arrays:
        name, _, suffix = key.partition(".")
        grouped.setdefault(name, {})[suffix] = arrays[key]
    expected = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if grouped.keys() != expected:
        msg = (
            f"A stored {cls.__name__} must have the fields {sorted(expected)}; got "
            f"{sorted(grouped)}. It was damaged, or stored by another solver or version."
        )
        raise ValueError(msg)
    return cls(**{name: _decode(name, parts) for name, parts in grouped.items()})


def _encode(name: str, value: Any) -> Arrays:
    """Return the arrays of a field by the suffixes of their keys."""
    if value is None:
        return {"none": np.zeros(0)}
    if isinstance(value, FactorRows) and value.in_this_memory:
        return {"": cast(Any, value)}
    if isinstance(value, np.ndarray) and value.dtype.kind in _PLAIN_KINDS:
        return {"": value}
    if isinstance(value, np.generic) and value.dtype.kind in _PLAIN_KINDS:
        return {"scalar": np.asarray(value)}
    for suffix, (python, dtype) in _PYTHON_SCALARS.items():
        if isinstance(value, python):
            return {suffix: np.array(value, dtype=dtype)}
    if isinstance(value, np.random.RandomState):
        return _encode_random_state(name, value)
    msg = (
        f"The state's field {name!r} holds a {type(value).__name__}; a state may hold "
        "arrays, numbers, text, None and a RandomState."
    )
    raise TypeError(msg)


def _encode_random_state(name: str, random_state: np.random.RandomState) -> Arrays:
    # the default form is a dict for every bit generator but the Mersenne Twister
    state = random_state.get_state(legacy=False)
    if state["bit_generator"] != "MT19937":
        msg = (
            f"The state's field {name!r} draws from {state['bit_generator']}; only a "
            "RandomState of MT19937, NumPy's default, can be stored."
        )
        raise TypeError(msg)
    return {
        "key": state["state"]["key"],
        "pos": np.array(state["state"]["pos"], dtype=np.int64),
        "has_gauss": np.array(state["has_gauss"], dtype=np.int64),
        "gauss": np.array(state["gauss"], dtype=np.float64),
    }


def _decode(name: str, parts: Arrays) -> Any:
    """Return the value of a field from its arrays by suffix."""
    if parts.keys() == {"key", "pos", "has_gauss", "gauss"}:
        return _decode_random_state(name, parts)
    if len(parts) == 1:
        ((suffix, array),) = parts.items()
        decoders: dict[str, Callable[[], Any]] = {
            "": lambda: array,
            "none": lambda: None,
            "scalar": lambda: array[()],
        }
        if suffix in decoders:
            return decoders[suffix]()
        python, dtype = _PYTHON_SCALARS.get(suffix, (None, None))
        if python and array.shape == () and array.dtype.kind == np.dtype(dtype).kind:
            return python(array.item())
    msg = f"The stored field {name!r} is damaged: its parts are {sorted(parts)}."
    raise ValueError(msg)


def _decode_random_state(name: str, parts: Arrays) -> np.random.RandomState:
    key, numbers = parts["key"], (parts["pos"], parts["has_gauss"])
    gauss = parts["gauss"]
    # NumPy does not check these: it would read beyond the key, and narrow numbers to int
    if (
        (key.shape, key.dtype.kind) != ((_MT19937_WORDS,), "u")
        or any((n.shape, n.dtype.kind) != ((), "i") for n in numbers)
        or (gauss.shape, gauss.dtype.kind) != ((), "f")
        or not 0 <= numbers[0] <= _MT19937_WORDS
        or not 0 <= numbers[1] <= 1
    ):
        msg = f"The stored random state {name!r} is damaged."
        raise ValueError(msg)
    random_state = np.random.RandomState()
    pos, has_gauss = (int(n) for n in numbers)
    words = key.astype(np.uint32)
    random_state.set_state(("MT19937", words, pos, has_gauss, float(gauss)))
    return random_state
