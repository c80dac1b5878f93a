"""Composition of several constraints on a factor, and the refusals where they exclude each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...base.arrays import Array
from ...base.constraint import ConstraintBase, Factor, RowSum
from ...kernels.boxes import Box


def joint_bounds(
    parts: Sequence[ConstraintBase],
    constraints: Sequence[ConstraintBase],
    factor: Factor,
) -> tuple[Array, Array]:
    """Return the intersection of all bounds, (k,) or (n_rows, k) each.

    Raises
    ------
    ValueError
        If it is empty; the message names the entry.
    """
    lower: Any = None
    upper: Any = np.full(factor.k, np.inf, factor.dtype)
    known: list[Array] = []
    for part in parts:
        low, high = part.bounds()
        if low is not None and low is high:
            known.append(low)
            continue
        if low is not None:
            lower = low if lower is None else np.maximum(lower, low)
        if high is not None:
            upper = np.minimum(upper, high)
    if lower is None:
        lower = np.zeros(factor.k, factor.dtype)
    for values in known:
        # a known value has to be within the bounds, and agree with another known one
        lower, upper = (
            np.where(np.isnan(values), bound, np.clip(values, lower, upper))
            for bound in (lower, upper)
        )
        differs = ~np.isnan(values) & (lower != values)
        if differs.any():
            raise ValueError(_conflict(constraints, factor, differs, values))
    if not (lower <= upper).all():
        empty = np.broadcast_to(lower > upper, factor.shape)
        raise ValueError(_conflict(constraints, factor, empty, None))
    return (
        np.ascontiguousarray(lower, dtype=factor.dtype),
        np.ascontiguousarray(upper, dtype=factor.dtype),
    )


def _conflict(
    constraints: Sequence[ConstraintBase],
    factor: Factor,
    where: Array,
    values: Array | None,
) -> str:
    i, t = (int(index) for index in np.argwhere(where)[0])
    entry = (i, t) if factor.name == "W" else (t, i)
    names = " and ".join(_name(constraint) for constraint in constraints)
    text = (
        f"The constraints on {factor.name}, {names}, leave no value for entry {entry}"
    )
    if values is not None:
        text += f", which is to be {values[i, t]:g}"
    return (
        f"{text}. Without Bounds entries are at least 0; pass bounds that all "
        "constraints allow."
    )


def one_row_sum(
    parts: Sequence[ConstraintBase],
    constraints: Sequence[ConstraintBase],
    factor: Factor,
) -> RowSum | None:
    """Return the sum of rows, if a constraint gives one; refuse two."""
    having = [i for i, part in enumerate(parts) if part.row_sum() is not None]
    if len(having) > 1:
        first, second = (_name(constraints[i]) for i in having[:2])
        raise ValueError(refusal(first, second, factor))
    return parts[having[0]].row_sum() if having else None


def one_for_columns(
    parts: Sequence[ConstraintBase],
    constraints: Sequence[ConstraintBase],
    factor: Factor,
) -> ConstraintBase | None:
    """Return the constraint on columns as a whole, if there is one; refuse two."""
    having = [
        i
        for i, part in enumerate(parts)
        if part.constrained_columns(factor.k) is not None
    ]
    if len(having) > 1:
        first, second = (_name(constraints[i]) for i in having[:2])
        raise ValueError(refusal(first, second, factor))
    return parts[having[0]] if having else None


def require_room(box: Box, factor: Factor) -> None:
    """Refuse a sum of rows that the bounds don't allow."""
    assert box.total is not None
    low, high = (np.atleast_2d(b).sum(axis=1, dtype=np.float64) for b in box[:2])
    slack = 1e-6 * abs(box.total)
    short = not box.at_most and (high < box.total - slack).any()
    if short or (low > box.total + slack).any():
        msg = (
            f"No row of {factor.name} can have the sum {box.total:g} within its bounds and "
            "known entries. Pass another total, or other bounds."
        )
        raise ValueError(msg)


def _name(constraint: ConstraintBase) -> str:
    return type(constraint).__name__


def require_compatible(
    parts: Sequence[ConstraintBase],
    constraints: Sequence[ConstraintBase],
    factor: Factor,
    fixed: Array,
) -> None:
    """Refuse two constraints that no half-step can obey together.

    Raises
    ------
    ValueError
        The message names the pair.
    """

    def has_sum(part: ConstraintBase) -> bool:
        return part.row_sum() is not None

    def shapes(part: ConstraintBase) -> bool:
        return part.constrained_columns(factor.k) is not None

    def bends(part: ConstraintBase) -> bool:
        return not part.definite

    def names_entries(part: ConstraintBase) -> bool:
        """Whether bounds differ between entries of a component that has a shape."""
        shaped = np.zeros(factor.k, dtype=bool)
        for other in parts:
            if shapes(other):
                shaped[list(other.constrained_columns(factor.k))] = True
        shaped &= ~fixed
        bounds = (b for b in part.bounds() if np.ndim(b) == 2)
        return any(_varies(b[:, shaped]) for b in bounds)

    for first, second in (
        (has_sum, shapes),
        (has_sum, bends),
        (shapes, names_entries),
        (bends, lambda part: part.any_sign),
    ):
        names = [
            next(
                (_name(c) for c, p in zip(constraints, parts, strict=True) if test(p)),
                "",
            )
            for test in (first, second)
        ]
        if all(names):
            raise ValueError(refusal(names[0], names[1], factor))


def _varies(bounds: Array) -> bool:
    """Whether numbers of a column differ; NaN is one of them."""
    filled = np.nan_to_num(bounds, nan=np.inf)
    return bool((filled != filled[:1]).any())


def refusal(first: str, second: str, factor: Factor) -> str:
    """Return the sentence that refuses a pair of constraints."""
    return (
        f"{first} and {second} can't both constrain {factor.name}: no half-step solves for "
        "both. Pass one of them."
    )
