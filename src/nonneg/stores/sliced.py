"""X as any object whose row slices are arrays or sparse matrices."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..base.arrays import Array
from ..base.gate import admit_sparse
from ..kernels.csr_format import canonical
from .base import StoreBase, register_store, to_factor_dtype

SAMPLE_ROWS = 1000
"""Rows from whose entries the number of entries of all rows is estimated."""


NEEDED = ("shape", "dtype", "__getitem__")
"""Attributes of every object with row slices."""
ELSEWHERE = (
    "__dataframe__",
    "__array_namespace__",
    "__dask_graph__",
    "iloc",
    "todense",
)
"""Attributes of objects that other code reads: data frames and arrays of other libraries."""


def _has_row_slices(X: Any) -> bool:
    """Return whether X has row slices and is none of the types that other code reads."""
    known = (np.ndarray, list, tuple, str, bytes, dict)
    if isinstance(X, known) or sp.issparse(X) or hasattr(type(X), "__array__"):
        return False
    if any(hasattr(X, name) for name in ELSEWHERE):
        return False
    if not all(hasattr(X, name) for name in NEEDED):
        return False
    return isinstance(X.shape, tuple) and len(X.shape) == 2


@register_store(_has_row_slices, after_others=True)
class SlicedStore(StoreBase):
    """Any object with `shape`, `dtype` and row slices that are arrays or sparse matrices."""

    def __init__(self, X: Any) -> None:
        self._X = X
        self.shape = self.read_shape()
        self.dtype = to_factor_dtype(X.dtype)
        self.sparse = sp.issparse(X[0:0])
        chunks = getattr(X, "chunks", None)
        rows = chunks[0] if isinstance(chunks, tuple) and chunks else None
        self.chunk_rows = int(rows) if isinstance(rows, int | np.integer) else None

    def read_shape(self) -> tuple[int, int]:
        """Return the shape that the object says now."""
        n_rows, n_columns = self._X.shape
        return int(n_rows), int(n_columns)

    def entries(self, start: int, stop: int) -> int:
        """Return the number of entries; of sparse rows, an estimate from the first rows."""
        return math.ceil((stop - start) * self._entries_per_row)

    @cached_property
    def _entries_per_row(self) -> float:
        n_rows, n_columns = self.shape
        if not self.sparse:
            return n_columns
        n_sampled = min(n_rows, SAMPLE_ROWS)
        return float(self._X[:n_sampled].nnz) / max(1, n_sampled)

    def read(self, start: int, stop: int, out: Array | None = None) -> Any:
        """Return rows start:stop."""
        rows = self._X[start:stop]
        if self.sparse:
            return to_csr_block(rows, self.dtype)
        if out is None:
            return np.ascontiguousarray(rows, dtype=self.dtype)
        out[...] = rows
        return out


def to_csr_block(rows: Any, dtype: Any) -> Any:
    """Return sparse rows as the kernels take them: CSR, sorted, each entry once."""
    block = sp.csr_array(admit_sparse(rows, "A block of X"))
    if block.dtype != dtype:
        block = block.astype(dtype)
    return canonical(block)
