"""The exact row solve in use, compiled or reference, against independent solvers.

The continuous-integration run repeats this file once per instruction set and on the
reference.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from nonneg import kernels
from nonneg.kernels import block_pivoting
from support.oracles import nnls
from support.requirements import needs_core

DTYPES = [np.float64, np.float32]
# around the lanes of every instruction set, the panels, and beyond one vector
RANKS = [1, 2, 3, 4, 5, 8, 9, 16, 17, 33, 70]
TWINS = [kernels.exact_solve]
if kernels.native is not None:
    TWINS.append(block_pivoting.exact_solve)
twins = pytest.mark.parametrize(
    "solve", TWINS, ids=lambda f: f.__module__.rpartition(".")[2]
)


def problem(n_rows, k, seed=0, m=None):
    """B, its Gram matrix, and data whose solution has about half of its entries at 0."""
    rng = np.random.default_rng(seed)
    B = rng.random((m or 2 * k + 3, k)) + 0.1 * rng.standard_normal((m or 2 * k + 3, k))
    X = rng.random((n_rows, k)) * (rng.random((n_rows, k)) < 0.5) @ B.T
    X += 0.3 * rng.standard_normal(X.shape)
    return B, B.T @ B, X


def objective(A, rhs, gram, l1):
    A = A.astype(np.float64)
    return ((A @ gram) / 2 * A - (rhs - l1) * A).sum(1)


def projected_gradient(A, rhs, gram, l1, upper=None):
    y = A @ gram - (rhs - l1)
    y = np.where(A > 0, y, np.minimum(y, 0))
    return y if upper is None else np.where(upper <= A, np.maximum(y, 0), y)


@twins
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", RANKS)
@pytest.mark.parametrize("start", ["cold", "warm", "solution", "full"])
def test_rows_are_scipys_solutions(solve, start, k, dtype):
    n = 37
    B, G, X = problem(n, k)
    expected = np.array([nnls(B, x)[0] for x in X])
    rhs = (X @ B).astype(dtype)
    rng = np.random.default_rng(1)
    A = {
        "cold": np.zeros((n, k)),
        "warm": rng.random((n, k)) * (rng.random((n, k)) < 0.5),
        "solution": expected,
        "full": np.ones((n, k)),
    }[start].astype(dtype)
    report = solve(A, rhs, G, np.zeros(k))
    bound = np.linalg.cond(G) * np.finfo(dtype).eps * 8
    np.testing.assert_allclose(A, expected, rtol=0, atol=bound * np.abs(expected).max())
    assert report.n_fallback == 0
    assert report.n_factorizations <= n * (k + 4)
    np.testing.assert_allclose(report.cross, np.sum(rhs.astype(float) * A), rtol=1e-12)
    assert np.sqrt(report.gradient).max() <= 1e-8 * np.abs(rhs).max() * n


@twins
@pytest.mark.parametrize("k", [1, 3, 8, 20])
def test_penalties_are_scipys_on_the_augmented_system(solve, k):
    B, G, X = problem(23, k)
    l1, l2 = np.linspace(0.1, 0.5, k), np.linspace(0.3, 0.2, k)
    # ½l2‖a‖² + l1·a = ½‖√l2 a + l1/√l2‖² + constant
    augmented = np.vstack([B, np.diag(np.sqrt(l2))])
    expected = [nnls(augmented, np.append(x, -l1 / np.sqrt(l2)))[0] for x in X]
    A = np.zeros((23, k))
    solve(A, X @ B, G + np.diag(l2), l1)
    np.testing.assert_allclose(A, expected, rtol=1e-9, atol=1e-10)


@twins
@pytest.mark.parametrize("start", ["cold", "warm"])
@pytest.mark.parametrize("k", [1, 2, 5, 17, 40])
def test_upper_bounds(solve, k, start):
    n = 19
    B, G, X = problem(n, k)
    upper = np.random.default_rng(2).random(k) * 0.6 + 0.05
    upper[::4] = np.inf
    finite = np.where(np.isinf(upper), 1e3, upper)
    A = np.zeros((n, k)) if start == "cold" else np.tile(finite, (n, 1))
    rhs = X @ B
    report = solve(A, rhs, G, np.zeros(k), upper)
    assert report.n_fallback == 0
    assert (upper >= A).all()
    residual = projected_gradient(A, rhs, G, 0, upper)
    assert np.abs(residual).max() <= 1e-10 * np.abs(rhs).max()
    for x, a in zip(X[:5], A[:5], strict=True):
        other = lsq_linear(B, x, (0, upper), tol=1e-14).x
        np.testing.assert_allclose(a, other, rtol=1e-5, atol=1e-5)


@twins
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(3))
def test_dependent_columns_give_a_minimiser(solve, seed, dtype):
    rng = np.random.default_rng(seed)
    B = rng.standard_normal((30, 6)) @ rng.standard_normal((6, 14))
    B[:, 3], B[:, 7] = B[:, 2], 0
    X = np.abs(rng.standard_normal((60, 14))) @ B.T + rng.standard_normal((60, 30))
    G, rhs = B.T @ B, (X @ B).astype(dtype)
    A = rng.random((60, 14)).astype(dtype)
    solve(A, rhs, G, np.zeros(14))
    assert np.isfinite(A).all()
    assert (A >= 0).all()
    assert (A[:, 7] == 0).all()
    found = np.linalg.norm(X - A @ B.T, axis=1)
    least = np.array([nnls(B, x)[1] for x in X])
    # along a null direction the rounding of rhs counts in full
    slack = np.finfo(dtype).eps * 100 * np.square(X).sum(1)
    assert (found**2 <= least**2 + slack).all()


@twins
@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize(("m", "k"), [(1, 3), (5, 14), (20, 40), (30, 60)])
def test_more_coordinates_than_equations(solve, m, k, bounded):
    # pivoting goes round on most of these rows
    rng = np.random.default_rng(6)
    B, X = rng.random((m, k)), rng.standard_normal((25, m)) + 2
    upper = np.full(k, 3.0 / k) if bounded else None
    rhs, G, A = X @ B, B.T @ B, np.zeros((25, k))
    report = solve(A, rhs, G, np.zeros(k), upper)
    assert report.n_factorizations < 25 * (k + 20)
    residual = projected_gradient(A, rhs, G, 0, upper)
    assert np.abs(residual).max() <= 1e-9 * np.abs(rhs).max()
    if bounded:
        assert (upper >= A).all()
    else:
        least = [nnls(B, x)[1] for x in X]
        found = np.linalg.norm(X - A @ B.T, axis=1)
        np.testing.assert_allclose(found, least, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("k", [1, 4, 11, 30])
def test_active_sets_end_where_pivoting_does(k, bounded):
    _, G, X = problem(12, k)
    q = X @ problem(12, k)[0]
    bound = np.full(k, 0.4 if bounded else np.inf)
    A = np.zeros((12, k))
    kernels.exact_solve(A, q, G, np.zeros(k), bound if bounded else None)
    for a, p in zip(A, q, strict=True):
        x = block_pivoting.active_set(G, p, bound, 1e-12)
        np.testing.assert_allclose(x, a, rtol=1e-8, atol=1e-10)


@twins
def test_coordinates_without_curvature_become_zero(solve):
    _, G, X = problem(9, 4)
    G[2] = G[:, 2] = 0
    for curvature in (0.0, 1e-310, np.finfo(np.float64).smallest_subnormal):
        G[2, 2] = curvature
        A = np.ones((9, 4))
        solve(A, X[:, :4].copy(), G, np.zeros(4))
        assert (A[:, 2] == 0).all()
        assert np.isfinite(A).all()
    A = np.ones((9, 4))
    report = solve(A, X[:, :4].copy(), np.zeros((4, 4)), np.zeros(4))
    assert not A.any()
    assert report.n_fallback == 0


@twins
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e38])
def test_right_hand_sides_that_overflowed_leave_no_nan(solve, bad, dtype):
    _, G, X = problem(20, 5)
    A, rhs = np.ones((20, 5), dtype=dtype), X[:, :5].astype(dtype)
    rhs[3, 2] = rhs[4] = bad
    solve(A, rhs, G, np.zeros(5))
    assert not np.isnan(A).any()
    assert (A >= 0).all()


@twins
def test_scales_of_columns_do_not_matter(solve):
    B, G, X = problem(15, 8)
    scales = 2.0 ** np.array([-400, 350, 0, 3, -7, 100, -100, 1])
    plain, scaled = np.zeros((15, 8)), np.zeros((15, 8))
    solve(plain, X @ B, G, np.zeros(8))
    solve(scaled, (X @ B) * scales, G * scales * scales[:, None], np.zeros(8))
    np.testing.assert_allclose(scaled * scales, plain, rtol=1e-12)


@twins
@pytest.mark.parametrize("k", [4, 8, 12, 20])
def test_hilbert_matrix_is_nearly_as_good_as_scipys(solve, k):
    B = 1 / (np.arange(k)[:, None] + np.arange(k) + 1.0)
    X = np.random.default_rng(3).standard_normal((40, k))
    A = np.zeros((40, k))
    solve(A, X @ B, B.T @ B, np.zeros(k))
    found = np.linalg.norm(X - A @ B.T, axis=1)
    least = np.array([nnls(B, x)[1] for x in X])
    # the Gram matrix squares a condition of up to 1e16: nothing is left of the signs
    assert (found <= least * (1 + (1e-12 if k <= 8 else 1e-3))).all()


@twins
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_do_not_depend_on_each_other(solve, dtype):
    n, k = 1100, 13
    B, G, X = problem(n, k)
    rng = np.random.default_rng(4)
    start = (rng.random((n, k)) * (rng.random((n, k)) < 0.4)).astype(dtype)
    rhs, l1 = (X @ B).astype(dtype), np.full(k, 0.05)
    whole = start.copy()
    solve(whole, rhs, G, l1)
    order = rng.permutation(n)
    permuted = start[order]
    solve(permuted, rhs[order], G, l1)
    if solve is block_pivoting.exact_solve:  # products of NumPy are not bit-stable
        np.testing.assert_allclose(permuted, whole[order], rtol=1e-5, atol=1e-6)
        return
    np.testing.assert_array_equal(permuted, whole[order])
    for size in (1, 3, 70):
        part = start[:size].copy()
        solve(part, rhs[:size], G, l1)
        np.testing.assert_array_equal(part, whole[:size])


@pytest.mark.parametrize("k", [1, 2, 3, 8, 13])
def test_a_factor_used_again_gives_the_same_bits(k):
    _, G, _ = problem(1, k)
    A = np.random.default_rng(6).random((100, k)) + 0.1
    rhs, whole = A @ G, np.ones((100, k))
    kernels.exact_solve(whole, rhs, G, np.zeros(k))
    np.testing.assert_allclose(whole, A, rtol=1e-9 * np.linalg.cond(G))
    for i in range(5, 100, 31):
        alone = np.ones((1, k))
        kernels.exact_solve(alone, rhs[i : i + 1], G, np.zeros(k))
        np.testing.assert_array_equal(alone[0], whole[i])


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_of_any_size_of_set_share_lanes(dtype):
    n, k = 1200, 17
    _, G, _ = problem(1, k)
    rng = np.random.default_rng(7)
    A = rng.random((n, k)) * (rng.random((n, k)) < rng.random((n, 1)))
    rhs = (A @ G).astype(dtype)
    solved, start = np.zeros((n, k), dtype), A.astype(dtype)
    kernels.exact_solve(solved, rhs, G, np.zeros(k))
    bound = 64 * np.linalg.cond(G) * np.finfo(dtype).eps
    np.testing.assert_allclose(solved, A, atol=bound)
    kernels.exact_solve(start, rhs, G, np.zeros(k))
    np.testing.assert_allclose(start, A, atol=bound)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [3, 24])
def test_any_number_of_threads_gives_the_same_bits(k, dtype):
    B, G, X = problem(3000, k)
    rhs, found = (X @ B).astype(dtype), []
    for n_threads in (1, 2, 7):
        A = np.zeros((3000, k), dtype=dtype)
        report = kernels.exact_solve(A, rhs, G, np.zeros(k), None, n_threads)
        found.append((A, *report))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [1, 6, 19])
def test_solve_on_sets_ignores_signs(k, dtype):
    _, G, _ = problem(1, k)
    rng = np.random.default_rng(5)
    A = np.maximum(rng.standard_normal((41, k)), 0).astype(dtype)
    A[7] = 0
    rhs, free = rng.standard_normal((41, k)).astype(dtype), A > 0
    kernels.solve_on_sets(A, rhs, G, 2)
    bound = np.linalg.cond(G) * np.finfo(dtype).eps * 8
    for a, p, F in zip(A, rhs, free, strict=True):
        expected = np.linalg.solve(G[F][:, F], p[F])
        np.testing.assert_allclose(a[F], expected, rtol=bound, atol=bound)
        assert (a[~F] == 0).all()


def test_warm_rows_cost_one_factorization():
    B, G, X = problem(500, 20)
    A = np.zeros((500, 20))
    kernels.exact_solve(A, X @ B, G, np.zeros(20))
    before = A.copy()
    report = kernels.exact_solve(A, X @ B, G, np.zeros(20))
    assert report.n_factorizations <= 500
    np.testing.assert_array_equal(A, before)


@settings(max_examples=80, deadline=None)
@given(
    k=st.integers(1, 12),
    m=st.integers(1, 15),
    n=st.integers(1, 20),
    seed=st.integers(0, 2**32 - 1),
    whole=st.booleans(),
)
def test_no_feasible_point_is_lower(k, m, n, seed, whole):
    rng = np.random.default_rng(seed)
    B, X = rng.standard_normal((m, k)), rng.standard_normal((n, m))
    if whole:  # ties, dependent and empty columns
        B, X = np.round(B), np.round(X)
    G, rhs, l1 = B.T @ B, X @ B, rng.random(k) * 0.1
    A = np.maximum(rng.standard_normal((n, k)), 0)
    kernels.exact_solve(A, rhs, G, l1)
    here = objective(A, rhs, G, l1)
    slack = 1e-9 * (1 + np.abs(here))
    for size in (1e-3, 1.0):
        other = np.maximum(A + size * rng.standard_normal(A.shape), 0)
        assert (here <= objective(other, rhs, G, l1) + slack).all()


@needs_core
def test_bindings_refuse_arrays_that_do_not_fit():
    core = kernels.native._core
    A, rhs, g, l1 = np.ones((4, 3)), np.ones((4, 3)), np.eye(3).ravel(), np.zeros(3)
    with pytest.raises(ValueError, match="number of rows"):
        core.exact_solve(A, rhs[:3], g, l1, None, l1.copy(), False, 1)
    with pytest.raises(ValueError, match="k entries"):
        core.exact_solve(A, rhs, g[:4], l1, None, l1.copy(), False, 1)
    with pytest.raises(ValueError, match="k entries"):
        core.exact_solve(A, rhs, g, l1, l1[:2], l1.copy(), False, 1)
