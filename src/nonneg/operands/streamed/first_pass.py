"""Results of the first pass over an X that is read in parts, and the cut of its sums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...base.arrays import Array
from ...kernels.block_sizes import SUMMARY_ENTRIES
from ...kernels.row_methods import Summary
from ..sparse import BLOCK_ROWS


class Survey(NamedTuple):
    """Results of a pass over all entries."""

    summary: Summary
    longest: int
    """Number of stored entries of the longest row."""
    entries: int
    """Number of stored entries of all rows."""


@dataclass(eq=False)
class FirstPass:
    """Results of passes over all entries, shared by operands of the same store."""

    survey: Survey | None = None
    density: float | None = None
    """Share of the entries that are not 0."""


class Lines:
    """Entries cut into lines as for an X in memory, so that sums have the same bits."""

    def __init__(self, n_columns: int, sparse: bool) -> None:
        self._sparse = sparse
        self._waiting: list[Array] = []
        self.rows = max(1, SUMMARY_ENTRIES // max(1, n_columns))
        """A part must have a multiple of so many rows, except for the last part."""
        if sparse:  # the stored entries of all rows are summed up as one row
            self.rows = BLOCK_ROWS

    def of(self, entries: Array) -> Iterator[Array]:
        """Yield the lines that are complete with `entries`."""
        if not self._sparse:
            for start in range(0, len(entries), self.rows):
                yield entries[start : start + self.rows]
            return
        entries = np.concatenate([*self._waiting, entries])
        n_lines = entries.size // SUMMARY_ENTRIES
        for i in range(n_lines):
            yield entries[i * SUMMARY_ENTRIES : (i + 1) * SUMMARY_ENTRIES].reshape(
                1, -1
            )
        self._waiting = [entries[n_lines * SUMMARY_ENTRIES :].copy()]

    def rest(self) -> Iterator[Array]:
        """Yield the entries that are left at the end."""
        for entries in self._waiting:
            if entries.size:
                yield entries.reshape(1, -1)


def longest_row(entries: Array, indptr: Array | None) -> int:
    """Return the number of stored entries of the longest row; if dense, its length."""
    if indptr is None:
        return int(entries.shape[1])
    return int(np.diff(indptr).max(initial=0))


def require_finite(
    summary: Summary, rows: Array, first: int, indptr: Array | None
) -> None:
    """Raise ValueError if the summary of entries shows one that is negative or not finite."""
    if not (summary.smallest >= 0 and np.isfinite(summary.sum)):
        require_numbers(rows, first, indptr)


def require_numbers(rows: Array, first: int, indptr: Array | None) -> None:
    """Raise ValueError, naming the row, for an entry that is negative or not finite.

    Parameters
    ----------
    rows : ndarray
        Entries, of sparse rows the stored ones.
    first : int
        Number of the first row.
    indptr : ndarray or None
        Where sparse rows begin and end.
    """
    bad = ~np.isfinite(rows) | (rows < 0)
    if not bad.any():
        return
    position = int(np.argmax(bad.reshape(-1)))
    value = rows.reshape(-1)[position]
    if indptr is None:
        row = first + position // rows.shape[1]
    else:
        row = first + int(np.searchsorted(indptr, position, "right")) - 1
    what = "Input X contains NaN" if np.isnan(value) else "Input X contains infinity"
    if value < 0:
        what = "Negative values in data passed to NMF (input X)"
    way_out = ""
    if np.isnan(value):
        way_out = (
            " Pass missing_values=numpy.nan to leave the missing ones out of a fit."
        )
    msg = (
        f"{what}: row {row:,}, counted from 0, holds {value:g}. Entries must be finite and "
        f"not negative.{way_out}"
    )
    raise ValueError(msg)
