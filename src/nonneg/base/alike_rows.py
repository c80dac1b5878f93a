"""Rows of a matrix of weights that are alike, so that they share a Gram matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
LEAST_ALIKE = 256
"""Rows from which a group of them is solved for together (D-OPERANDS-ALIKE-ROWS)."""
SAMPLE = 512
"""Rows of which a quarter must be like another one, or else no groups are looked for."""
ENTRIES = 1 << 20
"""Most entries that are looked at together."""


class AlikeRows(NamedTuple):
    """Groups of rows that are alike, and the other rows."""

    groups: tuple[Rows, ...]
    others: Rows
    named: Any
    """The other rows, as CSR."""


def alike_rows(named: Any) -> AlikeRows | None:
    """Return groups of rows of a CSR that store the same entries; None where there are few."""
    n_rows = named.shape[0]
    if n_rows < LEAST_ALIKE:
        return None
    sample = named[np.unique(np.linspace(0, n_rows - 1, SAMPLE).astype(np.int64))]
    repeats = np.unique(_hashes(sample), return_counts=True)[1]
    if repeats[repeats > 1].sum() < sample.shape[0] / 4:
        return None
    _, labels, counts = np.unique(
        _hashes(named), return_inverse=True, return_counts=True
    )
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(counts)
    groups = []
    for label in np.flatnonzero(counts >= LEAST_ALIKE):
        rows = order[ends[label] - counts[label] : ends[label]]
        rows = rows[_same_as_first(named, rows)]
        if rows.size >= LEAST_ALIKE:
            groups.append(rows)
    if not groups:
        return None
    is_other = np.ones(n_rows, dtype=bool)
    is_other[np.concatenate(groups)] = False
    others = np.flatnonzero(is_other)
    return AlikeRows(tuple(groups), others, named[others])


def _cuts(indptr: Any) -> Iterator[slice]:
    """Cut rows so that parts of them have few entries, or are one row."""
    first, last = 0, len(indptr) - 1
    while first < last:
        stop = int(np.searchsorted(indptr, indptr[first] + ENTRIES, "right")) - 1
        stop = min(max(stop, first + 1), last)
        yield slice(first, stop)
        first = stop


def _mixed(numbers: Any) -> NDArray[np.uint64]:
    mixed: NDArray[np.uint64] = (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(
        0x9E3779B97F4A7C15
    )
    for shift, odd in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(odd)
    return mixed


def _arrays(named: Any) -> tuple[Any, ...]:
    """Return the arrays by which the entries of a CSR differ."""
    weights_differ = named.nnz and not (named.data == named.data[0]).all()
    return (named.indices, named.data) if weights_differ else (named.indices,)


def _hashes(named: Any) -> NDArray[np.uint64]:
    """Return a number for each row, which is the same for the same entries."""
    hashes = np.empty(named.shape[0], dtype=np.uint64)
    bits = np.dtype(f"u{named.data.itemsize}")
    columns = _mixed(np.arange(named.shape[1]))
    weighted = len(_arrays(named)) > 1
    for rows in _cuts(named.indptr):
        indptr = named.indptr[rows.start : rows.stop + 1]
        part = slice(indptr[0], indptr[-1])
        sums = np.zeros(int(indptr[-1] - indptr[0]) + 1, np.uint64)
        numbers = columns[named.indices[part]]
        if weighted:
            numbers = _mixed(numbers ^ named.data[part].view(bits))
        np.cumsum(numbers, out=sums[1:])
        hashes[rows] = np.diff(sums[indptr - indptr[0]])
    return hashes


def _same_as_first(named: Any, rows: Rows) -> NDArray[np.bool_]:
    """Return which rows store the same entries as the first one, in its order."""
    starts, counts = named.indptr[rows], np.diff(named.indptr)[rows]
    count = int(counts[0])
    same = np.asarray(counts == count)
    size = max(1, ENTRIES // max(1, count))
    first = slice(int(starts[0]), int(starts[0]) + count)
    for begin in range(0, len(rows), size):
        part = slice(begin, begin + size)
        places = np.where(same[part], starts[part], starts[0])[:, None]
        places = places + np.arange(count, dtype=places.dtype)
        for entries in _arrays(named):
            same[part] &= (entries[places] == entries[first]).all(axis=1)
    return same
