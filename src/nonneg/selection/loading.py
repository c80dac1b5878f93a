"""X in memory, where entries of it are held out or its columns are read."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.interfaces import Operand
from ..base.memory_size import bytes_of
from ..base.missing import UNSTORED, spell_missing
from ..fitting.memory_plan import LEAST_WINDOW, size_text
from ..fitting.preparation import validate_entries

WINDOW_SHARE = 10
"""A window may take 1/WINDOW_SHARE of the limit: some are in memory at a time, and copies of one
in another order."""
COPIES = 2
"""Copies of X that cross-validation holds beside an X in memory: a permuted or thinned one, and
one that is being made."""


def loaded(
    X: Operand, memory_limit: int | str | None, whom: str, with_gaps: bool = False
) -> Operand:
    """Return X in memory; an X in a store is read, if the limit leaves room for it.

    Raises
    ------
    ValueError
        If X is on workers, or too large, or, unless it is one `with_gaps`, has entries in
        its store that are negative or not finite.
    """
    if X.on_workers:
        msg = (
            f"X is on the workers of a cluster, and {whom} holds entries out of an X in "
            "memory. Pass some of its rows, computed: X[:100_000].compute(), say."
        )
        raise ValueError(msg)
    if not fits(X, memory_limit):
        size = size_text((COPIES + X.in_parts) * X.stored_bytes)
        msg = (
            f"memory_limit={memory_limit!r} is too small: {whom} holds "
            f"{COPIES + X.in_parts} copies of X in memory, {size}. Raise it, or pass fewer "
            "rows of X, or X in a store with method='speckled', the Frobenius norm and "
            "solver='hals', which reads windows of it."
        )
        raise ValueError(msg)
    if not X.in_parts:
        return X
    if not with_gaps:
        validate_entries(X)
    mapped = X.in_memory()
    if mapped is not None:
        return mapped
    read = X.cut_rows(slice(0, X.shape[0]))
    assert read is not None
    return read


def fits(X: Operand, memory_limit: int | str | None) -> bool:
    """Whether the copies of X that cross-validation holds are within the limit."""
    copies = COPIES + X.in_parts
    return memory_limit is None or copies * X.stored_bytes <= bytes_of(memory_limit)


def in_windows(X: Operand, memory_limit: int | str | None) -> Operand:
    """Return X in a store, read in windows that are far below the limit."""
    assert memory_limit is not None
    window = max(LEAST_WINDOW, bytes_of(memory_limit) // WINDOW_SHARE)
    X = X.configured(window_bytes=window)
    validate_entries(X)
    return X


def is_nan(missing_values: Any) -> bool:
    """Whether NaN is what marks a missing entry."""
    return isinstance(missing_values, float) and bool(np.isnan(missing_values))


def spelled_gaps(X: Any, missing_values: Any) -> tuple[Any, Any]:
    """Return X and the mark of its gaps, where X has gaps by its own meaning.

    A masked array has them in any case, a frame where NaN or "unstored" is asked for.
    """
    spelled = spell_missing(X)
    if isinstance(X, np.ma.MaskedArray):
        if missing_values == 0:
            spelled.X[spelled.X == 0] = np.nan
        return spelled.X, np.nan
    asked = is_nan(missing_values) or missing_values == UNSTORED
    if spelled.missing_values is None or not asked:
        return X, missing_values
    return spelled.X, spelled.missing_values


def require_no_gaps(X: Any, whom: str) -> None:
    """Raise ValueError if X is a masked array with masked entries."""
    if isinstance(X, np.ma.MaskedArray) and np.ma.getmaskarray(X).any():
        msg = (
            f"X is a masked array with masked entries, and {whom} takes none that are "
            "missing. Pass X filled, e.g. by NMFImputer, or without their rows."
        )
        raise ValueError(msg)
