"""X in memory, where entries of it are held out or its columns are read."""

from __future__ import annotations

from ..base.interfaces import Operand
from ..base.memory_size import bytes_of
from ..fitting.memory_plan import size_text

COPIES = 2
"""Copies of X that cross-validation holds beside an X in memory: a permuted or thinned one, and
one that is being made."""


def loaded(X: Operand, memory_limit: int | str | None, whom: str) -> Operand:
    """Return X in memory; an X in a store is read, if the limit leaves room for it.

    Raises
    ------
    ValueError
        If X is on workers, or too large.
    """
    if X.on_workers:
        msg = (
            f"X is on the workers of a cluster, and {whom} holds entries out of an X in "
            "memory. Pass some of its rows, computed: X[:100_000].compute(), say."
        )
        raise ValueError(msg)
    copies = COPIES + X.in_parts
    if memory_limit is not None and copies * X.stored_bytes > bytes_of(memory_limit):
        msg = (
            f"memory_limit={memory_limit!r} is too small: {whom} holds {copies} copies of X "
            f"in memory, {size_text(copies * X.stored_bytes)}. Raise it, or pass fewer "
            "rows of X."
        )
        raise ValueError(msg)
    if not X.in_parts:
        return X
    mapped = X.in_memory()
    if mapped is not None:
        return mapped
    read = X.cut_rows(slice(0, X.shape[0]))
    assert read is not None
    return read
