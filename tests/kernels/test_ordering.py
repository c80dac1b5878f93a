"""Rows of a CSR in another order, their entries in runs by the classes of their columns."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import kernels
from nonneg.kernels import ordering
from nonneg.kernels.ordering import Orders
from support.requirements import needs_core

N_ROWS, N_COLUMNS = 1100, 37  # more rows than one task has


def matrix(dtype, index, density=0.3):
    rng = np.random.default_rng(0)
    X = rng.gamma(1.0, size=(N_ROWS, N_COLUMNS)) * (
        rng.random((N_ROWS, N_COLUMNS)) < density
    )
    X[5] = 0
    X = sp.csr_array(X.astype(dtype))
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    return X


def orders_of(n_classes, rng):
    """Return random orders, and the columns in theirs."""
    class_of = np.sort(np.arange(N_COLUMNS) % n_classes)[rng.permutation(N_COLUMNS)]
    columns = np.argsort(class_of, kind="stable")
    place = np.empty(N_COLUMNS, dtype=np.intp)
    place[columns] = np.arange(N_COLUMNS)
    return Orders(rng.permutation(N_ROWS), place, class_of, n_classes), columns


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("n_classes", [1, 4, N_COLUMNS])
def test_rows_and_runs_are_those_of_the_orders(dtype, index, n_classes):
    X = matrix(dtype, index)
    orders, columns = orders_of(n_classes, np.random.default_rng(1))
    expected = X.toarray()[orders.rows][:, columns]
    class_of = orders.class_of[columns]
    for call in (kernels.order_runs, ordering.order_runs):
        out = call(X, orders, 2)
        shape = N_ROWS * n_classes, N_COLUMNS
        assert out.values.dtype == dtype
        assert out.indices.dtype == out.pointers.dtype == index
        assert (np.diff(out.pointers) >= 0).all()
        runs = sp.csr_array((out.values, out.indices, out.pointers), shape=shape)
        assert runs.has_sorted_indices
        by_run = runs.toarray().reshape(N_ROWS, n_classes, N_COLUMNS)
        np.testing.assert_array_equal(by_run.sum(axis=1), expected)
        for c in range(n_classes):
            assert not by_run[:, c, class_of != c].any()
        for table, of in ((out.sums, by_run), (out.squares, by_run.astype(float) ** 2)):
            sums = of.sum(axis=2, dtype=np.float64).ravel()
            np.testing.assert_allclose(
                table, sums, rtol=1e-6 if dtype == np.float32 else 1e-12
            )


def test_one_thread_orders_as_many():
    X = matrix(np.float64, np.int32)
    orders, _ = orders_of(3, np.random.default_rng(2))
    for one, many in zip(
        kernels.order_runs(X, orders, 1), kernels.order_runs(X, orders, 4), strict=True
    ):
        np.testing.assert_array_equal(one, many)


@needs_core  # NumPy's reference has errors of its own
@pytest.mark.parametrize(
    ("name", "numbers", "words"),
    [
        ("rows", np.full(N_ROWS, N_ROWS), "no such row"),
        ("rows", np.zeros(N_ROWS, np.intp), "no room"),
        ("place", np.full(N_COLUMNS, -1), "no such column"),
        ("class_of", np.full(N_COLUMNS, 3), "no such class"),
        ("n_classes", 0, "must be a class"),
    ],
)
def test_orders_that_are_none_are_refused(name, numbers, words):
    X = matrix(np.float64, np.int32)
    if words == "no room":
        X = X[np.argsort(-np.diff(X.indptr))]  # the longest row, many times
    orders, _ = orders_of(3, np.random.default_rng(3))
    with pytest.raises(ValueError, match=words):
        kernels.order_runs(X, orders._replace(**{name: numbers}), 1)
