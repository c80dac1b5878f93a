"""Taking the arrays of a state into another dtype."""

from __future__ import annotations

from collections.abc import Iterable

from numpy.typing import DTypeLike

from ...base.interfaces import State


def cast_arrays(state: State, names: Iterable[str], dtype: DTypeLike) -> None:
    """Take these arrays of a state into another dtype, one after the other.

    Names of the same array stay so; None stays None.
    """
    fields, left = vars(state), list(names)
    while left:
        array = fields[left[0]]
        same = [name for name in left if fields[name] is array]
        if array is not None:
            fields.update(dict.fromkeys(same, array.astype(dtype)))
        left = [name for name in left if name not in same]
