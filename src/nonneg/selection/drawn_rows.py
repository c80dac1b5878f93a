"""Rows that are drawn from X in memory, each times a number, in memory that is used again."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..base.arrays import Array
from ..base.interfaces import Operand
from ..kernels import draw_columns, draw_rows
from ..kernels.csr_format import known_canonical
from ..kernels.drawing import DrawnEntries

SPARE = 1.05
"""Numbers that new memory is for, beside those that are asked for: draws differ in size."""


class _Room(threading.local):
    """Memory of a thread for one draw after another, of which the last one alone is sound.

    New arrays of some MB are pages that the system has to clear (D-BOOTSTRAP-DRAW).
    """

    def __init__(self) -> None:
        self._arrays: dict[str, Array] = {}

    def of(self, name: str, size: int, dtype: DTypeLike) -> Array:
        """Return an array of so many numbers, which may hold any."""
        array = self._arrays.get(name)
        if array is None or array.size < size:
            array = self._arrays[name] = np.empty(int(SPARE * size) + 1, dtype)
        return array[:size]


class DrawnRows:
    """Draws from an X in memory that is stored by rows; by columns if a draw is to be so."""

    def __init__(self, X: Operand, by_columns: bool = False) -> None:
        self._X: Any = X.native()
        self._sparse = X.sparse
        self._by_columns = by_columns
        if self._sparse:
            self._counts = np.diff(self._X.indptr)
            if by_columns:
                self._X = self._X.tocsc().T  # a CSR of the columns
                self._X.has_canonical_format = True
        self._room = _Room()

    def __call__(self, rows: NDArray[np.int64], scale: Array) -> Any:
        """Return X[rows], row i times scale[i], in memory of the next draw by this thread.

        Parameters
        ----------
        rows : array of shape (n_drawn,)
            In rising order, none of them twice.
        scale : array of shape (n_drawn,)
            In the dtype of X.
        """
        if self._sparse:
            return self._sparse_rows(rows, scale)
        X = self._X
        shape = len(rows), X.shape[1]
        drawn = self._room.of("values", shape[0] * shape[1], X.dtype).reshape(shape)
        np.take(X, rows, axis=0, out=drawn, mode="clip")  # else in a copy first
        drawn *= scale[:, None]
        return drawn

    def _sparse_rows(self, rows: NDArray[np.int64], scale: Array) -> Any:
        X = self._X
        n_entries = int(self._counts[rows].sum(dtype=np.int64))
        shape = (X.shape[0], len(rows)) if self._by_columns else (len(rows), X.shape[1])
        out = DrawnEntries(
            self._room.of("values", n_entries, X.dtype),
            self._room.of("indices", n_entries, X.indices.dtype),
            np.zeros(shape[0] + 1, X.indices.dtype),
        )
        if not self._by_columns:
            draw_rows(X, rows, scale, out)
            return known_canonical(*out, shape)
        place, root = np.full(X.shape[1], -1), np.zeros(X.shape[1], X.dtype)
        place[rows], root[rows] = np.arange(len(rows)), scale
        draw_columns(X, place, root, out)
        drawn = known_canonical(*out, shape).T
        drawn.has_sorted_indices = drawn.has_canonical_format = True
        return drawn
