"""States of fits, nested ones too, as a table of arrays and back, to the last bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...base.factor_rows import FactorRows
from ...base.interfaces import Stored
from . import state_arrays
from .state_arrays import Arrays

CLASS, LENGTH, SAME = "class", "length", "same"
"""Ends of keys, behind "/": the class of a record, the length of a list, and the other key of
an array that is in the table already."""
ELSEWHERE, FORM = "elsewhere", "form"
"""Ends of keys for rows that are not in this memory: the names that they were saved by, and
their dtype and number of columns."""

Save = Callable[[Any], Sequence[str]]
"""Saves rows that are not in this memory, and returns the names to find them by."""
Load = Callable[[Sequence[str], int, Any], Any]
"""Loads rows by their names, number of columns and dtype."""


def is_elsewhere(value: Any) -> bool:
    """Whether the value is an array of rows that are not in this memory."""
    return isinstance(value, FactorRows) and not value.in_this_memory


def names_elsewhere(table: Mapping[str, Any]) -> list[str]:
    """Return the names of all rows that a table refers to."""
    keys = [key for key in table if key.endswith(f"/{ELSEWHERE}")]
    return [str(name) for key in keys for name in table[key]]


def to_table(record: Any, save: Save | None = None) -> Arrays:
    """Return a record and the records within it as arrays, ready for `np.savez`.

    Parameters
    ----------
    record : dataclass instance
        A `Stored` record. Its fields hold values that `state_arrays.to_arrays` takes, other
        records, and lists of both.
    save : callable, default=None
        Saves rows that are not in this memory.

    Returns
    -------
    dict of str to ndarray
        No array is copied. An array that several fields share is stored once.
    """
    table: Arrays = {}
    _put(record, "", table, {}, save)
    return table


def from_table(table: Mapping[str, Any], load: Load | None = None) -> Any:
    """Rebuild the record of a table; fields that shared an array share it again.

    Parameters
    ----------
    table : mapping of str to ndarray
        A table made by `to_table`.
    load : callable, default=None
        Loads rows that the `save` of `to_table` has saved.

    Raises
    ------
    ValueError
        If the table is damaged, or from a version that knew other records.
    """
    return _Builder(table, load).record("")


def _put(
    value: Any, path: str, table: Arrays, seen: dict[int, str], save: Save | None
) -> None:
    if isinstance(value, list):
        table[f"{path}/{LENGTH}"] = np.array(len(value))
        for i, item in enumerate(value):
            _put(item, f"{path}/{i}", table, seen, save)
        return
    if save is not None and is_elsewhere(value):
        table[f"{path}/{ELSEWHERE}"] = np.array(list(save(value)))
        table[f"{path}/{FORM}"] = np.array([value.dtype.name, str(value.shape[1])])
        return
    if not isinstance(value, Stored):
        for key, array in state_arrays.to_arrays(_Leaf(value)).items():
            table[path + key.removeprefix("item")] = array
        return
    table[f"{path}/{CLASS}"] = np.array(value.key())
    for field in dataclasses.fields(value):  # type: ignore[arg-type]
        item, key = vars(value)[field.name], f"{path}/{field.name}"
        if field.metadata.get("scratch"):
            item = None
        if isinstance(item, np.ndarray | FactorRows) and item.ndim > 0:
            if id(item) in seen:
                table[f"{key}/{SAME}"] = np.array(seen[id(item)])
                continue
            seen[id(item)] = key
        _put(item, key, table, seen, save)


class _Builder:
    """Rebuilds the record of a table."""

    def __init__(self, table: Mapping[str, Any], load: Load | None) -> None:
        self._table, self._load = table, load
        self._arrays: dict[str, Any] = {}
        self._children: dict[str, list[str]] = {}
        for key in table:
            # a point separates the parts of a leaf
            folder, _, name = key.rpartition("/")
            self._children.setdefault(folder, []).append(name)

    def record(self, path: str) -> Any:
        """Rebuild the record whose keys begin with a path."""
        key = str(self._leaf(f"{path}/{CLASS}"))
        cls = Stored.known.get(key)
        if cls is None:
            msg = f"it holds a {key}, which this version doesn't know"
            raise ValueError(msg)
        fields = [field.name for field in dataclasses.fields(cls)]
        return cls(**{field: self._value(f"{path}/{field}") for field in fields})

    def _value(self, path: str) -> Any:
        if f"{path}/{CLASS}" in self._table:
            return self.record(path)
        if f"{path}/{LENGTH}" in self._table:
            length = int(self._table[f"{path}/{LENGTH}"])
            return [self._value(f"{path}/{i}") for i in range(length)]
        if f"{path}/{SAME}" in self._table:
            return self._arrays[str(self._table[f"{path}/{SAME}"])]
        if f"{path}/{ELSEWHERE}" in self._table:
            if self._load is None:
                msg = "it holds rows that are elsewhere"
                raise ValueError(msg)
            dtype, k = self._table[f"{path}/{FORM}"].tolist()
            names = self._table[f"{path}/{ELSEWHERE}"].tolist()
            self._arrays[path] = self._load(names, int(k), np.dtype(dtype))
            return self._arrays[path]
        value = self._leaf(path)
        if isinstance(value, np.ndarray | FactorRows):
            self._arrays[path] = value
        return value

    def _leaf(self, path: str) -> Any:
        folder, _, name = path.rpartition("/")
        parts = {
            "item" + key[len(name) :]: self._table[f"{folder}/{key}"]
            for key in self._children.get(folder, ())
            if key == name or key.startswith(f"{name}.")
        }
        if not parts:
            msg = f"it has no {path.strip('/') or 'record'!r}"
            raise ValueError(msg)
        if path.endswith((f"/{CLASS}", f"/{LENGTH}")):
            return parts["item"][()]
        leaf: Any = state_arrays.from_arrays(_Leaf, parts)
        return leaf.item


@dataclasses.dataclass
class _Leaf:
    item: Any
