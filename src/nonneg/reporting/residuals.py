"""Squares of X and of X − W·H, summed by rows and by columns, in one pass over X."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..base.interfaces import Operand

Vector = NDArray[np.float64]

WINDOW_ROWS = 1024
"""Rows of a window are a multiple of this many."""
BLOCK_ENTRIES = 1 << 20
"""Entries of W·H that exist at a time, 8 MB."""


class Residuals(NamedTuple):
    """Norms of the rows and columns of X, and of X − W·H."""

    row_error: Vector
    row_norm: Vector
    column_error: Vector
    column_norm: Vector

    @property
    def relative(self) -> float:
        """‖X − WH‖_F divided by ‖X‖_F; 0 for an X of zeros."""
        norm = float(np.linalg.norm(self.row_norm))
        return float(np.linalg.norm(self.row_error)) / norm if norm else 0.0


def measure_residuals(X: Any, W: Any, H: Any, missing: Any = None) -> Residuals:
    """Return the norms of rows and columns of X − W·H, in float64.

    Parameters
    ----------
    X : Operand or Dask array of shape (n_samples, n_features)
    W : ndarray of shape (n_samples, k)
    H : ndarray of shape (k, n_features)
    missing : object, default=None
        The `missing_values` of the fit: such entries of X count for nothing.

    Returns
    -------
    residuals : Residuals

    Notes
    -----
    X is read once, in 2·k flops an entry; of a sparse X, 4·k flops a stored entry, by the
    expanded square, which is exact to about 1e-8 of the norm of a row.
    """
    W, H = np.asarray(W, np.float64), np.asarray(H, np.float64)
    rows = np.zeros((2, len(W)))
    columns = np.zeros((2, H.shape[1]))
    gram = H @ H.T
    used = np.zeros_like(gram)
    has_sparse = False
    start = 0
    for block in _iterate_rows(X):
        part = slice(start, start + block.shape[0])
        start = part.stop
        if sp.issparse(block) and missing == "unstored":
            _add_stored(block, W[part], H, rows[:, part], columns)
        elif sp.issparse(block) and missing is None:
            has_sparse = True
            used += W[part].T @ W[part]
            _add_sparse(block, W[part], H, gram, rows[:, part], columns)
        else:
            _add_dense(block, W[part], H, rows[:, part], columns, missing)
    if has_sparse:
        columns[0] += np.einsum("tj,tj->j", H, used @ H)
    rows, columns = np.sqrt(np.maximum(rows, 0)), np.sqrt(np.maximum(columns, 0))
    return Residuals(rows[0], rows[1], columns[0], columns[1])


def _iterate_rows(X: Any) -> Iterator[Any]:
    """Yield all rows of X in blocks, in order."""
    if not isinstance(X, Operand):  # a Dask array
        size = max(1, BLOCK_ENTRIES // max(1, X.shape[1]))
        for start in range(0, X.shape[0], size):
            yield X[start : start + size].compute()
        return
    for window in X.windows(WINDOW_ROWS):
        held: Any = window.in_memory()
        for block in held.stored_by_rows().blocks():
            yield block.X


def _add_dense(
    block: Any, W: Vector, H: Vector, rows: Vector, columns: Vector, missing: Any
) -> None:
    size = max(1, BLOCK_ENTRIES // max(1, H.shape[1]))
    for start in range(0, len(W), size):
        part = slice(start, start + size)
        X = block[part]
        X = np.asarray(X.toarray() if sp.issparse(X) else X, np.float64)
        E = X - W[part] @ H
        if missing is not None:
            observed = ~np.isnan(X) if missing != 0 else (X != 0)
            X, E = (np.where(observed, A, 0.0) for A in (X, E))
        for number, A in enumerate((E, X)):
            rows[number, part] = np.einsum("ij,ij->i", A, A)
            columns[number] += np.einsum("ij,ij->j", A, A)


def _add_sparse(
    block: Any, W: Vector, H: Vector, gram: Vector, rows: Vector, columns: Vector
) -> None:
    """Add what the stored entries give; the squares of W·H by columns are added later."""
    X = sp.csr_array(block, dtype=np.float64)
    squares = X.multiply(X)
    rows[1] = squares.sum(axis=1)
    columns[1] += squares.sum(axis=0)
    cross_rows = np.einsum("it,it->i", W, np.asarray(X @ H.T))
    cross_columns = np.einsum("tj,tj->j", H, np.asarray(X.T @ W).T)
    rows[0] = rows[1] - 2 * cross_rows + np.einsum("it,it->i", W @ gram, W)
    columns[0] += squares.sum(axis=0) - 2 * cross_columns


def _add_stored(
    block: Any, W: Vector, H: Vector, rows: Vector, columns: Vector
) -> None:
    """Add the stored entries alone; the others are missing."""
    X = sp.coo_array(block, dtype=np.float64)
    known = ~np.isnan(X.data)
    i, j, x = (values[known] for values in (*X.coords, X.data))
    size = max(1, BLOCK_ENTRIES // len(H))
    for start in range(0, len(x), size):
        part = slice(start, start + size)
        e = x[part] - np.einsum("et,te->e", W[i[part]], H[:, j[part]])
        for number, a in enumerate((e, x[part])):
            np.add.at(rows[number], i[part], a * a)
            np.add.at(columns[number], j[part], a * a)
