"""The kernels for missing and weighted entries: compiled against the reference, and oracles."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import nnls

from nonneg import kernels
from nonneg.kernels import Adaptive, Cyclic, Exact, RowArrays, observed_rows
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
    dense = kernels.named_product(named.toarray(), A, B, B)
    np.testing.assert_allclose(dense, product, rtol=tol(dtype, 45 * k))


def test_clean_rows_hides_nan():
    hidden = named_entries((30, 20), np.float64, signed=True)
    X = np.random.default_rng(2).random((30, 20))
    X[hidden.toarray() != 0] = np.nan
    out = np.empty((13, 20))
    kernels.clean_rows(X[7:20], hidden, 7, out)
    np.testing.assert_array_equal(out, np.nan_to_num(X[7:20]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rest", [0, 1])
@pytest.mark.parametrize("k", [1, 4, 19])
@pytest.mark.parametrize(
    "method", [Cyclic(), Adaptive(5, 0.01, 0.3), Exact(0.2, sweeps=3)], ids=repr
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


@pytest.mark.parametrize("k", [1, 5, 20])
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
