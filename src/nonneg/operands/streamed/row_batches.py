"""X cut into batches of rows, each an operand of its own that shares the memory of X."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ...base.interfaces import Operand
from ...kernels.csr_format import known_canonical
from ..registration import as_operand

FEW = 0.6
"""Share of the features up to which a batch is worth to be looked at on its own."""


class Narrow(NamedTuple):
    """A sparse batch on the features that it has entries of."""

    features: NDArray[np.intp]
    """Their numbers in X, in order."""
    X: Operand
    """The batch with these columns, and one without entries after them."""


@dataclass(frozen=True, eq=False)
class RowBatch:
    """Consecutive rows of X."""

    rows: slice
    X: Operand

    def release(self) -> None:
        """Let go of what was read for this batch and those beside it; X may be asked again."""

    @cached_property
    def narrow(self) -> Narrow | None:
        """The batch on its own features, unless they are most of all.

        It shares the entries with X; their column numbers are new.
        """
        X = self.X.native()
        if not (sp.issparse(X) and X.format == "csr" and self.X.shared_gram):
            return None
        n_rows, n_features = X.shape
        present = np.zeros(n_features, dtype=bool)
        present[X.indices] = True
        features = np.flatnonzero(present)
        if features.size > FEW * n_features:
            return None
        number = np.zeros(n_features, dtype=X.indices.dtype)
        number[features] = np.arange(features.size)
        shape = (n_rows, features.size + 1)
        part = known_canonical(X.data, number[X.indices], X.indptr, shape)
        return Narrow(features, as_operand(part, self.X.n_threads))


def stored_by_rows(X: Operand) -> Operand:
    """X with contiguous rows: itself, or a copy where it is stored by columns."""
    native = X.native()
    if native is None or not X.by_columns:
        return X
    rows = native.tocsr() if sp.issparse(native) else np.ascontiguousarray(native)
    return as_operand(rows, X.n_threads)


def row_batches(X: Operand, size: int) -> list[RowBatch]:
    """Cut X, which is stored by rows, into batches of `size` rows; the last is smaller.

    Raises
    ------
    ValueError
        If X is of a kind that can't be cut.
    """
    n_rows = X.shape[0]
    if size >= n_rows:
        return [RowBatch(slice(0, n_rows), X)]
    ranges = [
        slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size)
    ]
    if X.in_parts:
        from .batch_loader import loaded_batches  # which needs this module

        return loaded_batches(X, ranges)  # type: ignore[arg-type]
    native = X.native()
    if native is None:
        msg = (
            f"X, which is {X.kind}, can't be cut into batches of {size} rows. Pass a "
            "NumPy array or a SciPy sparse matrix, or batches of it to `partial_fit`."
        )
        raise ValueError(msg)
    cut = _rows_of_csr if sp.issparse(native) else _rows_of_array
    return [
        RowBatch(rows, as_operand(cut(native, rows), X.n_threads)) for rows in ranges
    ]


def _rows_of_array(X: Any, rows: slice) -> Any:
    return X[rows]


def _rows_of_csr(X: Any, rows: slice) -> Any:
    """The rows as views of the entries of X, with row pointers of their own.

    SciPy's own slices are copies, and its constructor looks 64-bit indices over.
    """
    first, last = X.indptr[rows.start], X.indptr[rows.stop]
    return known_canonical(
        X.data[first:last],
        X.indices[first:last],
        X.indptr[rows.start : rows.stop + 1] - first,
        (rows.stop - rows.start, X.shape[1]),
    )
