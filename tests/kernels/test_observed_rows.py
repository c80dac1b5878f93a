"""The kernels for missing and weighted entries: compiled against the reference, and oracles."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import nnls

from nonneg import kernels
from nonneg.kernels import Adaptive, Cyclic, Exact, RowArrays, observed_rows
from nonneg.kernels.quadratic_steps import (
    ModelInputs,
    RowSolve,
    RowSolveInputs,
    RowSolveRows,
)
from support.combinations import covering
from support.tolerances import tol

DTYPES = (np.float32, np.float64)


def named_entries(shape, dtype, *, signed, index=np.int32, seed=0):
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(shape) < 0.4, rng.random(shape) + 0.1, 0)
    if signed:
        values = -np.sign(values)
    named = sp.csr_array(values.astype(dtype))
    named.indices, named.indptr = (
        A.astype(index) for A in (named.indices, named.indptr)
    )
    return named


def factors(shape, k, dtype, seed=1):
    rng = np.random.default_rng(seed)
    return (rng.random((n, k)).astype(dtype) for n in shape)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("k", [1, 3, 17, 40])
def test_named_products(dtype, index, k):
    shape = (70, 45)
    named = named_entries(shape, dtype, signed=True, index=index)
    A, B = factors(shape, k, dtype)
    products = named.toarray() * (A @ B.T)
    product = kernels.named_product(named, A, B, B)
    np.testing.assert_allclose(product, products @ B, rtol=tol(dtype, 45 * k))
    C = B[:, : (k + 1) // 2]
    other = kernels.named_product(named, A, B, C)
    np.testing.assert_allclose(other, products @ C, rtol=tol(dtype, 45 * k))
    square = kernels.named_square(named, A, B)
    expected = np.sum(named.toarray() * (A @ B.T).astype(float) ** 2)
    assert square == pytest.approx(expected, rel=tol(dtype, 45 * k))
    x = np.random.default_rng(7).random(named.nnz).astype(dtype)
    errors = named.toarray()
    errors[named.nonzero()] = x
    errors = named.toarray() * (errors - A @ B.T).astype(float) ** 2
    error = kernels.named_square(named, A, B, values=x)
    size = tol(dtype, 45 * k) * np.abs(errors).sum()
    assert error == pytest.approx(errors.sum(), abs=size)
    dense = kernels.named_product(named.toarray(), A, B, B)
    np.testing.assert_allclose(dense, product, rtol=tol(dtype, 45 * k))


@pytest.mark.of_the_core
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", [Cyclic(), Adaptive(4, 0.0, 0.3)], ids=repr)
def test_rows_of_no_one_and_many_entries(dtype, method):
    """Rows of more entries than components go another way than those of fewer."""
    k, shape = 100, (12, 300)
    entries = np.array([0, 1, 2, 15, 16, 17, 99, 100, 101, 200, 0, 3])
    rng = np.random.default_rng(5)
    named = np.zeros(shape)
    for i, n in enumerate(entries):
        named[i, rng.choice(300, n, replace=False)] = rng.choice([1.0, 0.3, 2.5], n)
    start, Ht = factors(shape, k, dtype)
    start[:, ::7] = 0
    rhs = ((named * rng.random(shape)) @ Ht).astype(dtype)
    named = sp.csr_array(named.astype(dtype))
    results = []
    for solve in (kernels.solve_apart, observed_rows.solve_apart):
        arrays = {name: np.empty_like(start) for name in ("solved", "moved")}
        rows = RowArrays(start.copy(), previous=start, **arrays)
        report = solve(
            rows,
            rhs,
            named,
            Ht,
            np.zeros((k, k)),
            0.2 * np.eye(k),
            np.full(k, 0.1),
            method,
        )
        results.append((rows.solved, report))
    (ours, report), (reference, expected) = results
    bound = tol(dtype, 300 * k, factor=50)  # sweeps add to the products
    np.testing.assert_allclose(ours, reference, rtol=bound, atol=bound)
    for name in ("violation", "cross", "square", "decrease", "sweeps"):
        assert getattr(report, name) == pytest.approx(
            getattr(expected, name), rel=100 * bound, abs=100 * bound
        )


def test_clean_rows_hides_nan():
    hidden = named_entries((30, 20), np.float64, signed=True)
    X = np.random.default_rng(2).random((30, 20))
    X[hidden.toarray() != 0] = np.nan
    out = np.empty((13, 20))
    kernels.clean_rows(X[7:20], hidden, 7, out)
    np.testing.assert_array_equal(out, np.nan_to_num(X[7:20]))


@pytest.mark.of_the_core
@pytest.mark.parametrize(
    ("dtype", "rest", "k", "method"),
    covering(
        DTYPES,
        [0, 1],
        [1, 4, 19, 67, 101],
        [Cyclic(), Adaptive(5, 0.01, 0.3), Exact(0.2, sweeps=3)],
    ),
)
def test_rows_apart_are_those_of_the_reference(dtype, rest, k, method):
    shape = (40, 60)
    named = named_entries(shape, dtype, signed=rest == 1)
    start, Ht = factors(shape, k, dtype)
    rng = np.random.default_rng(3)
    X = rng.random(shape)
    weights = rest + named.toarray()
    rhs = ((weights * X) @ Ht).astype(dtype)
    problem = (
        named, Ht, rest * (Ht.T @ Ht).astype(float), 0.1 * np.eye(k), np.full(k, 0.2)
    )  # fmt: skip
    shares = {"linear": rng.random(40), "quadratic": rng.random(40)}
    reports, results = [], []
    for solve in (kernels.solve_apart, observed_rows.solve_apart):
        arrays = {name: np.empty_like(start) for name in ("solved", "moved")}
        rows = RowArrays(start.copy(), previous=start, **arrays, **shares)
        reports.append(solve(rows, rhs, *problem, method))
        results.append(rows)
    bound = tol(
        dtype, 60 * k, factor=50
    )  # sweeps and factorizations add to the products
    for name in ("solved", *(["moved"] if not isinstance(method, Cyclic) else [])):
        ours, reference = (getattr(rows, name) for rows in results)
        np.testing.assert_allclose(ours, reference, rtol=bound, atol=bound)
    ours, reference = reports
    for name in ("violation", "cross", "square", "decrease"):
        assert getattr(ours, name) == pytest.approx(
            getattr(reference, name), rel=100 * bound, abs=100 * bound
        )
    if not isinstance(method, Cyclic):
        np.testing.assert_allclose(ours.measures, reference.measures, rtol=100 * bound)


@pytest.mark.parametrize("k", [1, 5, 20, 66])
def test_exact_rows_apart_are_those_of_scipy(k):
    """Rows that show fewer entries than components are among them."""
    shape = (60, 25)
    named = named_entries(shape, np.float64, signed=False)
    _, Ht = factors(shape, k, np.float64)
    X = np.random.default_rng(4).random(shape)
    weights = named.toarray()
    W = np.zeros((60, k))
    kernels.solve_apart(
        RowArrays(W, W), (weights * X) @ Ht, named, Ht, np.zeros((k, k)),
        np.zeros((k, k)), np.zeros(k), Exact(sweeps=16),
    )  # fmt: skip
    assert W.min() >= 0
    for row, w, x in zip(W, weights, X, strict=True):
        root = np.sqrt(w)
        _, norm = nnls(root[:, None] * Ht, root * x)
        error = np.linalg.norm(root * (x - Ht @ row))
        assert error == pytest.approx(norm, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_gaps_are_where_numpy_finds_them(dtype, zeros, order):
    gap = 0 if zeros else np.nan
    X = np.random.default_rng(5).random((23, 40)).astype(dtype)
    X[named_entries(X.shape, dtype, signed=True).toarray() != 0] = gap
    X[4], X[7] = gap, 1
    X = np.asarray(X, order=order)
    indptr, indices = kernels.gap_columns(X, zeros)
    rows, columns = np.nonzero(X == 0 if zeros else np.isnan(X))
    np.testing.assert_array_equal(indices, columns)
    np.testing.assert_array_equal(np.repeat(np.arange(23), np.diff(indptr)), rows)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_clean_product(dtype, index):
    shape = (70, 45)
    hidden = named_entries(shape, dtype, signed=True, index=index)
    X, (_, B) = np.random.default_rng(6).random(shape), factors(shape, 7, dtype)
    X = np.where(hidden.toarray() != 0, np.nan, X).astype(dtype)
    product = kernels.clean_product(X, hidden, B)
    np.testing.assert_allclose(product, np.nan_to_num(X) @ B, rtol=tol(dtype, 45))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("imputes", [False, True])
def test_imputed_half_steps_are_those_of_x_with_the_entries(
    dtype, index, scaled, imputes
):
    """Two models of different sizes, beside the plain half-step on an X that is filled."""
    shape, sizes = (300, 75), (5, 18)
    rng = np.random.default_rng(7)
    hidden = named_entries(shape, dtype, signed=True, index=index)
    gaps = hidden.toarray() != 0
    X = rng.random(shape).astype(dtype)
    r, c = (rng.random(n) if scaled else np.ones(n) for n in shape)
    if scaled:
        r[3] = c[5] = 0
    method = Adaptive(3, 0.01, 0.5)
    rows, inputs, expected = [], [], []
    for k in sizes:
        A, B = factors(shape, k, dtype, seed=k)
        A, B = (A * r[:, None]).astype(dtype), (B * c[:, None]).astype(dtype)
        G = (B.T @ B).astype(float)
        l1 = np.full(k, 0.1)
        filled = np.where(gaps, A @ B.T, r[:, None] * X * c)
        oracle = RowArrays(A, np.empty_like(A), A, np.empty_like(A))
        report = kernels.solve_rows(oracle, (filled @ B).astype(dtype), G, l1, method)
        after = oracle.result @ B.T if imputes else np.zeros(shape)
        rhs = np.where(gaps, after, r[:, None] * X * c).T @ oracle.result
        expected.append((oracle, report, rhs, float(np.sum(after[gaps] ** 2.0))))
        scale = r.astype(dtype) if scaled else None
        rows.append(RowArrays(A, np.empty_like(A), A, np.empty_like(A), scale=scale))
        inputs.append(ModelInputs((B * c[:, None]).astype(dtype), G, l1))
    step = RowSolve((method, method), True, imputes)
    sums = kernels.solve_imputed(
        np.where(gaps, np.nan, X).astype(dtype), hidden, step,
        RowSolveRows(tuple(rows)), RowSolveInputs(tuple(inputs)),
        (r, c) if scaled else (None, None),
    )  # fmt: skip
    bound = tol(dtype, 75 * 18, factor=50)  # sweeps add to the products
    for model, A, (oracle, report, rhs, square) in zip(
        sums, rows, expected, strict=True
    ):
        np.testing.assert_allclose(A.solved, oracle.solved, rtol=bound, atol=bound)
        np.testing.assert_allclose(A.moved, oracle.moved, rtol=bound, atol=bound)
        ours = model.rhs * (c[:, None] if scaled else 1)
        np.testing.assert_allclose(ours, rhs, rtol=bound, atol=bound * rhs.max())
        gram = oracle.result.T.astype(float) @ oracle.result
        np.testing.assert_allclose(model.gram, gram, rtol=bound)
        assert model.report.decrease == pytest.approx(report.decrease, rel=100 * bound)
        assert model.imputed == (pytest.approx(square, rel=bound) if imputes else None)
