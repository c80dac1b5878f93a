"""Whole states, nested ones too, as one table of arrays and back, to the last bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import states
from .protocols import Stored
from .states import Arrays

CLASS, LENGTH, SAME = "class", "length", "same"
"""What stands behind "/" in the key of a record, of a list, and of an array that stands
under another key already."""


def to_table(record: Any) -> Arrays:
    """A record and those within it as arrays, ready for `np.savez`.

    Parameters
    ----------
    record : dataclass instance
        A `Stored` one; its fields hold what `states.to_arrays` takes, other records, and
        lists of these or None.

    Returns
    -------
    dict of str to ndarray
        No array is copied, and one that several fields share is there once.
    """
    table: Arrays = {}
    _put(record, "", table, {})
    return table


def from_table(table: Mapping[str, Any]) -> Any:
    """The record that `to_table` took apart; fields that shared an array do so again.

    Raises
    ------
    ValueError
        If the table is damaged, or from a version that knew other records.
    """
    return _Builder(table).record("")


def _put(value: Any, at: str, table: Arrays, seen: dict[int, str]) -> None:
    if isinstance(value, list):
        table[f"{at}/{LENGTH}"] = np.array(len(value))
        for i, item in enumerate(value):
            _put(item, f"{at}/{i}", table, seen)
        return
    if not isinstance(value, Stored):
        leaf = dataclasses.make_dataclass("Leaf", ["item"])(value)
        for key, array in states.to_arrays(leaf).items():
            table[at + key.removeprefix("item")] = array
        return
    table[f"{at}/{CLASS}"] = np.array(type(value).__name__)
    for field in dataclasses.fields(value):  # type: ignore[arg-type]
        item, key = getattr(value, field.name), f"{at}/{field.name}"
        if field.metadata.get("scratch"):
            item = None
        if isinstance(item, np.ndarray) and item.ndim > 0:
            if id(item) in seen:
                table[f"{key}/{SAME}"] = np.array(seen[id(item)])
                continue
            seen[id(item)] = key
        _put(item, key, table, seen)


class _Builder:
    """Puts a table together again."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._table = table
        self._arrays: dict[str, Any] = {}
        self._children: dict[str, list[str]] = {}
        for key in table:
            # a leaf's own parts are behind a point
            folder, _, name = key.rpartition("/")
            self._children.setdefault(folder, []).append(name)

    def record(self, at: str) -> Any:
        """The record of this key."""
        name = str(self._leaf(f"{at}/{CLASS}"))
        cls = Stored.known.get(name)
        if cls is None:
            msg = f"it holds a {name}, which this version doesn't know"
            raise ValueError(msg)
        fields = [field.name for field in dataclasses.fields(cls)]
        return cls(**{field: self._value(f"{at}/{field}") for field in fields})

    def _value(self, at: str) -> Any:
        if f"{at}/{CLASS}" in self._table:
            return self.record(at)
        if f"{at}/{LENGTH}" in self._table:
            length = int(self._table[f"{at}/{LENGTH}"])
            return [self._value(f"{at}/{i}") for i in range(length)]
        if f"{at}/{SAME}" in self._table:
            return self._arrays[str(self._table[f"{at}/{SAME}"])]
        value = self._leaf(at)
        if isinstance(value, np.ndarray):
            self._arrays[at] = value
        return value

    def _leaf(self, at: str) -> Any:
        folder, _, name = at.rpartition("/")
        parts = {
            "item" + key[len(name) :]: self._table[f"{folder}/{key}"]
            for key in self._children.get(folder, ())
            if key == name or key.startswith(f"{name}.")
        }
        if not parts:
            msg = f"it has no {at.strip('/') or 'record'!r}"
            raise ValueError(msg)
        if at.endswith((f"/{CLASS}", f"/{LENGTH}")):
            return parts["item"][()]
        leaf: Any = states.from_arrays(_Leaf, parts)
        return leaf.item


@dataclasses.dataclass
class _Leaf:
    item: Any
