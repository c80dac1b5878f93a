"""The NumPy reference of rows that are drawn from a sparse matrix, each times a number."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array


class DrawnEntries(NamedTuple):
    """Arrays that receive the entries of a CSR or CSC: values, their indices and the pointers.

    The values have the dtype of the matrix that is drawn from, the others that of its indices.
    """

    values: Array
    indices: Array
    pointers: Array


def draw_rows(X: Any, rows: NDArray[np.int64], scale: Array, out: DrawnEntries) -> None:
    """Write the rows of a CSR that `rows` numbers, row i times scale[i]."""
    part = X[rows]
    np.multiply(part.data, np.repeat(scale, np.diff(part.indptr)), out=out.values)
    out.indices[:], out.pointers[:] = part.indices, part.indptr


def draw_columns(
    X: Any, place: NDArray[np.int64], scale: Array, out: DrawnEntries
) -> None:
    """Write the columns j of a CSR with place[j] >= 0, their places in rising order, times scale[j].

    The result is a CSR whose columns are the places: of the transpose of a CSC it is rows that
    are drawn.
    """
    columns = np.flatnonzero(place >= 0)
    part = X.tocsc()[:, columns].tocsr()
    part.sort_indices()
    np.multiply(part.data, scale[columns[part.indices]], out=out.values)
    out.indices[:], out.pointers[:] = place[columns[part.indices]], part.indptr
