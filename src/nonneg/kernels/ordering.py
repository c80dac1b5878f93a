"""The NumPy reference of rows in another order, their entries in runs by classes of columns."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..base.arrays import Array
from .csr_format import assemble_csr

Integers = NDArray[np.integer[Any]]


class Orders(NamedTuple):
    """Orders of rows and of columns, and classes of the columns.

    The columns of one class are neighbours in their order, class 0 the first.
    """

    rows: Integers
    """The row that comes at each place, each row once."""
    place: Integers
    """The place of each column."""
    class_of: Integers
    """The class of each column."""
    n_classes: int


class RunEntries(NamedTuple):
    """Rows in their order, each in a run for each class of columns.

    The entries of a run are in the order that they had. `pointers` leads from run to run,
    n_rows·n_classes of them; each has its sum and its sum of squares, in float64.
    """

    values: Array
    indices: Array
    pointers: Array
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]


def order_runs(X: Any, orders: Orders, n_threads: int = 1) -> RunEntries:  # noqa: ARG001
    """Put the rows of a CSR into an order, and the entries of each into runs.

    Its rows have rising indices; so have those of the result where the order of the columns
    keeps that of each class.
    """
    (n, m), F = X.shape, orders.n_classes
    place_of_row = np.empty(n, dtype=np.int64)
    place_of_row[orders.rows] = np.arange(n)
    # each entry goes to a run, in one stable count
    runs = np.repeat(place_of_row * F, np.diff(X.indptr))
    runs += orders.class_of[X.indices]
    ordered = sp.coo_array(
        (X.data, (runs, orders.place[X.indices])), shape=(n * F, m)
    ).tocsr()
    ones = np.ones(m)
    values = ordered.data.astype(np.float64)
    sums, squares = (
        assemble_csr(numbers, ordered.indices, ordered.indptr, (n * F, m)) @ ones
        for numbers in (values, values * values)
    )
    index = X.indices.dtype
    return RunEntries(
        ordered.data,
        ordered.indices.astype(index, copy=False),
        ordered.indptr.astype(index, copy=False),
        sums,
        squares,
    )
