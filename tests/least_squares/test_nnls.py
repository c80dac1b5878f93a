"""`nonneg.nnls` against SciPy's solvers, and the conditions that a solution meets."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear
from scipy.optimize import nnls as scipy_nnls

import nonneg
from nonneg import nnls
from nonneg.least_squares.solve import NNLSResult
from support import oracles
from support.children import printed_by

STORAGES = {
    "dense": np.ascontiguousarray,
    "fortran": np.asfortranarray,
    "csr": sp.csr_array,
    "csc": sp.csc_array,
    "coo-matrix": sp.coo_matrix,
}
storages_A = pytest.mark.parametrize("store_A", STORAGES.values(), ids=STORAGES)
storages_B = pytest.mark.parametrize("store_B", STORAGES.values(), ids=STORAGES)


def problem(m=60, n=9, r=17, seed=0, density=1.0):
    """A and B of any sign; about half of a solution's entries are 0."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, n)) * (rng.random((m, n)) < density)
    X = rng.random((n, r)) * (rng.random((n, r)) < 0.5)
    return A, A @ X + 0.3 * rng.standard_normal((m, r)) * (rng.random((m, r)) < density)


def with_condition(m, n, condition, seed=0):
    rng = np.random.default_rng(seed)
    U, _ = np.linalg.qr(rng.standard_normal((m, n)))
    V, _ = np.linalg.qr(rng.standard_normal((n, n)))
    return U * np.geomspace(1, 1 / condition, n) @ V.T


def oracle(A, B, l1=0.0, l2=0.0, upper=None, weights=None):
    """One column at a time by SciPy, penalties and weights as further rows of A."""
    root = np.ones(len(A)) if weights is None else np.sqrt(weights)
    A, B = A * root[:, None], B * root[:, None]
    if l2:
        n = A.shape[1]
        A = np.vstack([A, np.sqrt(l2) * np.eye(n)])
        B = np.vstack([B, np.full((n, B.shape[1]), -l1 / np.sqrt(l2))])
    if upper is None:
        return np.array([oracles.nnls(A, b)[0] for b in B.T]).T
    bounds = (0, np.broadcast_to(upper, A.shape[1]))
    return np.array([lsq_linear(A, b, bounds, method="bvls").x for b in B.T]).T


def residuals(A, X, B):
    return np.linalg.norm(A @ X - B, axis=0)


# ---- against SciPy -------------------------------------------------------------------


@storages_A
@storages_B
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_storage(store_A, store_B, dtype):
    A, B = problem(density=0.5)
    A, B = A.astype(dtype), B.astype(dtype)
    X = nnls(store_A(A), store_B(B))
    assert X.dtype == dtype
    assert X.shape == (9, 17)
    expected = oracle(A.astype(float), B.astype(float))
    bound = 1e-12 if dtype == np.float64 else 1e-6
    np.testing.assert_allclose(X, expected, rtol=bound, atol=bound)


OPTIONS = {
    "plain": {},
    "l2": {"l2": 0.7},
    "l1-l2": {"l1": 0.4, "l2": 0.3},
    "bound": {"upper": 0.4},
    "bounds": {"upper": np.linspace(0.05, 1.2, 9)},
    "weights": {"weights": np.linspace(0, 2, 60)},
    "all": {"l1": 0.1, "l2": 0.2, "upper": 0.5, "weights": np.linspace(1, 0, 60)},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("store", [np.asarray, sp.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("vector", [True, False], ids=["b", "B"])
def test_penalties_bounds_and_weights(store, options, vector):
    A, B = problem(density=0.6)
    expected = oracle(A, B, **options)
    ours = {"upper_bound" if k == "upper" else k: v for k, v in options.items()}
    if vector:
        X, info = nnls(store(A), B[:, 0], return_info=True, **ours)
        expected = expected[:, 0]
        assert isinstance(info.residual_norms, float)
    else:
        X, info = nnls(store(A), store(B), return_info=True, **ours)
    np.testing.assert_allclose(X, expected, rtol=1e-10, atol=1e-11)
    assert info.kkt_residual < 1e-13
    assert info.passive.shape == X.shape
    upper = ours.get("upper_bound", np.inf)
    upper = np.broadcast_to(upper, 9)[:, None] if X.ndim == 2 else upper
    np.testing.assert_array_equal(info.passive, (X > 0) & (upper > X))
    root = np.sqrt(ours.get("weights", np.ones(60)))
    target = B[:, 0] if vector else B
    found = np.linalg.norm((A @ X - target).T * root, axis=-1)
    np.testing.assert_allclose(info.residual_norms, found, rtol=1e-10)


def test_l1_alone_meets_its_conditions():
    A, B = problem()
    X, info = nnls(A, B, l1=1.5, return_info=True)
    gradient = A.T @ (A @ X - B) + 1.5
    assert np.abs(gradient[X > 0]).max() < 1e-11
    assert gradient[X == 0].min() > -1e-11
    assert info.kkt_residual < 1e-14
    assert (X > 0).sum() < (nnls(A, B) > 0).sum()


@pytest.mark.parametrize("condition", [1e1, 1e2, 1e3])
@pytest.mark.parametrize("seed", range(3))
def test_well_posed_problems_agree_with_scipy(condition, seed):
    A = with_condition(80, 15, condition, seed)
    rng = np.random.default_rng(seed)
    B = A @ np.maximum(rng.standard_normal((15, 40)), 0)
    B += 0.05 * rng.standard_normal(B.shape)
    expected, X = oracle(A, B), nnls(A, B)
    scale = np.abs(expected).max(axis=0)
    assert (np.abs(X - expected).max(axis=0) <= 1e-10 * scale).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("condition", [1e5, 1e7, 1e10, 1e14])
def test_ill_conditioned_problems_are_as_good_as_scipys(condition, seed):
    A = with_condition(50, 12, condition, seed)
    B = np.random.default_rng(seed).standard_normal((50, 30))
    X, info = nnls(A, B, return_info=True)
    assert 0 <= info.n_fallback <= 30
    for j, b in enumerate(B.T):
        try:
            x, least = scipy_nnls(A, b)
        except (RuntimeError, np.linalg.LinAlgError):  # SciPy gives up
            continue
        # what the rounding of x leaves of A·x
        rounding = 8 * np.finfo(float).eps * (np.abs(A) @ x).max()
        assert np.linalg.norm(A @ X[:, j] - b) <= least + rounding


@pytest.mark.parametrize("n", [8, 12, 20])
def test_hilbert_matrix(n):
    A = 1 / (np.arange(n)[:, None] + np.arange(n) + 1.0)
    B = np.random.default_rng(3).standard_normal((n, 40))
    found = residuals(A, nnls(A, B), B)
    assert (found <= residuals(A, oracle(A, B), B) * (1 + 1e-13)).all()


# ---- shapes and degenerate problems -------------------------------------------------


@pytest.mark.parametrize("store", [np.asarray, sp.csc_array], ids=["dense", "csc"])
@pytest.mark.parametrize("kind", ["wide", "repeated", "zero column", "rank 3", "zero"])
def test_dependent_columns(kind, store):
    rng = np.random.default_rng(1)
    A = rng.standard_normal((5, 14) if kind == "wide" else (40, 10))
    if kind == "repeated":
        A[:, 5:] = A[:, :5]
    elif kind == "zero column":
        A[:, [0, 7]] = 0
    elif kind == "rank 3":
        A = A[:, :3] @ rng.standard_normal((3, 10))
    elif kind == "zero":
        A[:] = 0
    B = rng.standard_normal((len(A), 25))
    X, info = nnls(store(A), B, return_info=True)
    assert np.isfinite(X).all()
    assert (X >= 0).all()
    found, least = residuals(A, X, B), residuals(A, oracle(A, B), B)
    assert (found <= least + 1e-12).all()
    assert (X[np.abs(A).max(axis=0) == 0] == 0).all()
    assert info.kkt_residual < 1e-12


def test_opposite_columns_stay_bounded():
    a = np.random.default_rng(2).standard_normal((30, 1))
    for dtype in (np.float64, np.float32):
        A = np.hstack([a, -a]).astype(dtype)
        X = nnls(A, np.hstack([a, -2 * a, 0 * a]).astype(dtype))
        assert X.max() < 3
        np.testing.assert_allclose(A @ X, a @ [[1, -2, 0]], atol=1e-5)


def test_zero_right_hand_sides_give_zero():
    A, B = problem()
    B[:, [2, 5]] = 0
    X, info = nnls(A, B, return_info=True)
    assert not X[:, [2, 5]].any()
    assert not info.residual_norms[[2, 5]].any()
    assert not nnls(A, np.zeros(60)).any()


def test_negative_data_give_zero():
    A, _ = problem()
    assert not nnls(np.abs(A), -np.ones(60)).any()


@pytest.mark.parametrize("power", [-300, -160, -150, -80, 80, 150, 300])
@pytest.mark.parametrize("columns", [[3], slice(None)], ids=["one", "all"])
@pytest.mark.parametrize("store", [np.asarray, sp.csr_array], ids=["dense", "csr"])
def test_extreme_scales_of_columns(store, columns, power):
    A, B = problem()
    expected = oracle(A, B)
    A[:, columns] *= 10.0**power
    X, info = nnls(store(A), B, return_info=True)
    X[columns] *= 10.0**power
    np.testing.assert_allclose(X, expected, rtol=1e-12, atol=1e-13)
    assert info.kkt_residual < 1e-14


@pytest.mark.parametrize("power", [-300, -160, -150])
def test_a_penalty_beside_which_the_columns_are_tiny(power):
    A, B = problem()
    A *= 10.0**power
    X, info = nnls(A, B, l2=1e-3, return_info=True)
    expected = np.maximum(A.T @ B, 0) / 1e-3
    np.testing.assert_allclose(X, expected, rtol=1e-12, atol=0)
    assert info.kkt_residual < 1e-14


@pytest.mark.parametrize("store", [np.asarray, sp.csr_array], ids=["dense", "csr"])
def test_extreme_scales_of_right_hand_sides(store):
    A, B = problem(r=4)
    scales = np.array([1e-150, 1e150, 1.0, 1e-300])
    X, info = nnls(store(A), store(B * scales), return_info=True)
    expected = oracle(A, B)
    np.testing.assert_allclose(X / scales, expected, rtol=1e-12, atol=1e-13)
    norms = residuals(A, expected, B) * scales
    np.testing.assert_allclose(info.residual_norms, norms, rtol=1e-12)


def test_more_unknowns_than_a_vector_of_lanes_holds():
    rng = np.random.default_rng(4)
    A, B = rng.standard_normal((400, 150)), rng.standard_normal((400, 3))
    np.testing.assert_allclose(nnls(A, B), oracle(A, B), rtol=1e-10, atol=1e-12)


def test_unknowns_beyond_the_compiled_solve(monkeypatch):
    monkeypatch.setattr("nonneg.least_squares.normal_equations.LARGEST_COMPILED", 5)
    A, B = problem()
    np.testing.assert_allclose(nnls(A, B), oracle(A, B), rtol=1e-11, atol=1e-12)
    A = with_condition(60, 9, 1e4)
    np.testing.assert_allclose(nnls(A, B), oracle(A, B), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("store", [np.asarray, sp.csr_array], ids=["dense", "csr"])
def test_many_right_hand_sides_are_solved_one_by_one(store):
    A, B = problem(r=2600)
    whole = nnls(store(A), store(B), n_threads=1)
    np.testing.assert_array_equal(whole, nnls(store(A), store(B), n_threads=3))
    some = [0, 1023, 1024, 2599]
    np.testing.assert_allclose(whole[:, some], oracle(A, B[:, some]), atol=1e-12)


def test_a_start_does_not_change_the_solution():
    A, B = problem()
    X = nnls(A, B)
    for start in (X, np.ones_like(X), np.zeros_like(X), (X > 0).astype(int)):
        np.testing.assert_allclose(nnls(A, B, X0=start), X, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(nnls(A, B[:, 0], X0=X[:, 0]), X[:, 0], rtol=1e-12)


def test_lists_integers_and_mixed_types():
    A, b = [[1, 0], [1, 1], [0, 1]], [2, 1, -1]
    expected = [1.5, 0]
    np.testing.assert_allclose(nnls(A, b), expected)
    np.testing.assert_allclose(nnls(np.array(A, dtype=np.float32), b), expected)
    assert nnls(np.array(A, dtype=np.float32), b).dtype == np.float64


def test_arguments_are_not_written_to():
    A, B = problem()
    weights, upper, start = np.ones(60), np.ones(9), np.ones((9, 17))
    given = [A, B, weights, upper, start]
    for array in given:
        array.flags.writeable = False
    nnls(A, B, weights=weights, upper_bound=upper, X0=start)
    S, T = sp.csr_array(problem()[0]), sp.csc_array(problem()[1])
    for matrix in (S, T):
        for part in (matrix.data, matrix.indices, matrix.indptr):
            part.flags.writeable = False
    nnls(S, T, weights=weights, upper_bound=upper)


def test_a_bound_of_zero_holds_an_unknown_at_zero():
    A, B = problem()
    upper = np.full(9, np.inf)
    upper[4] = 0
    X = nnls(A, B, upper_bound=upper)
    assert not X[4].any()
    rest = np.delete(np.arange(9), 4)
    np.testing.assert_allclose(X[rest], oracle(A[:, rest], B), rtol=1e-11, atol=1e-13)


def test_memory_of_sparse_data_stays_small():
    # dense, A would take 800 MB and B 3.2 GB
    code = (
        "import sys, resource, numpy as np, scipy.sparse as sp, nonneg\n"
        "rng = np.random.default_rng(0)\n"
        "def random(n, nnz):\n"
        "    places = rng.integers(0, 1_000_000, nnz), rng.integers(0, n, nnz)\n"
        "    return sp.csr_array((rng.random(nnz), places), (1_000_000, n))\n"
        "A, B = random(100, 10_000), random(400, 4_000)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "X = nonneg.nnls(A, B)\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print((after - before) // 1024)\n"
    )
    (grown,) = printed_by(code)
    assert int(grown) < 300


# ---- properties ----------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(
    m=st.integers(1, 12),
    n=st.integers(1, 10),
    r=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
    whole=st.booleans(),
    l1=st.sampled_from([0.0, 0.3]),
    l2=st.sampled_from([0.0, 0.2]),
    bounded=st.booleans(),
)
def test_no_feasible_point_is_better(m, n, r, seed, whole, l1, l2, bounded):
    rng = np.random.default_rng(seed)
    A, B = rng.standard_normal((m, n)), rng.standard_normal((m, r))
    if whole:  # ties, dependent and empty columns
        A, B = np.round(A), np.round(B)
    upper = rng.random(n) if bounded else np.full(n, np.inf)
    X, info = nnls(A, B, l1=l1, l2=l2, upper_bound=upper, return_info=True)
    assert (X >= 0).all()
    assert (upper[:, None] >= X).all()
    assert info.kkt_residual < 1e-9

    def objective(X):
        fit = 0.5 * np.square(A @ X - B).sum(axis=0)
        return fit + (l1 * X + 0.5 * l2 * X**2).sum(axis=0)

    for size in (1e-3, 1.0):
        step = size * rng.standard_normal(X.shape)
        other = np.clip(X + step, 0, upper[:, None])
        assert (objective(X) <= objective(other) + 1e-11).all()


@settings(max_examples=60, deadline=None)
@given(
    m=st.integers(1, 12),
    n=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from([0, 3, 8]),
)
def test_never_worse_than_scipy(m, n, seed, spread):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, n)) * 10.0 ** rng.uniform(-spread, spread, n)
    B = rng.standard_normal((m, 4))
    found, least = residuals(A, nnls(A, B), B), residuals(A, oracle(A, B), B)
    assert (found <= least + 1e-12).all()


# ---- bad input -----------------------------------------------------------------------

BAD = {
    "rows": ({"B": np.ones(4)}, "A has 3 rows but B has 4"),
    "scalar B": ({"B": 1.0}, "B"),
    "cube B": ({"B": np.ones((3, 1, 1))}, "B has shape"),
    "nan A": ({"A": [[np.nan, 1]] * 3}, "A contains NaN"),
    "inf B": ({"B": [1, 2, np.inf]}, "B contains infinity"),
    "complex A": ({"A": np.ones((3, 2)) * 1j}, "Complex data"),
    "complex B": ({"B": np.ones(3) * 1j}, "Complex data"),
    "text": ({"A": [["a", "b"]] * 3}, "numeric"),
    "1-d A": ({"A": np.ones(3)}, "Expected 2D array"),
    "empty A": ({"A": np.ones((3, 0))}, "minimum of 1"),
    "negative l1": ({"l1": -1.0}, "'l1' parameter of nnls"),
    "nan l2": ({"l2": np.nan}, "'l2' parameter of nnls"),
    "bool l2": ({"l2": True}, "'l2' parameter of nnls"),
    "negative bound": ({"upper_bound": -1.0}, "`upper_bound` must not have negative"),
    "nan bound": ({"upper_bound": [np.nan, 1]}, "`upper_bound` must not have"),
    "bounds' length": ({"upper_bound": [1, 2, 3]}, "`upper_bound` must be 2 real"),
    "text bound": ({"upper_bound": "big"}, "`upper_bound` must be 2 real"),
    "complex weights": ({"weights": [1j, 1, 1]}, "`weights` must be 3 real"),
    "weights' length": ({"weights": [1, 2]}, "`weights` must be 3 real"),
    "negative weights": ({"weights": [1, -2, 1]}, "`weights` must not have negative"),
    "infinite weights": ({"weights": [1, np.inf, 1]}, "`weights` must be finite"),
    "start's shape": ({"X0": np.ones((3, 1))}, "X0 has shape"),
    "negative start": ({"X0": [-1.0, 1.0]}, "X0 must not have negative"),
    "nan start": ({"X0": [np.nan, 1.0]}, "X0 contains NaN"),
    "info": ({"return_info": 1}, "'return_info' parameter"),
    "threads": ({"n_threads": 0}, "`n_threads` must be a positive"),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused(changes, message):
    arguments = {"A": np.ones((3, 2)), "B": np.ones(3), **changes}
    with pytest.raises(ValueError, match=message):
        nnls(arguments.pop("A"), arguments.pop("B"), **arguments)


def test_the_public_name_is_the_function():
    # importing the package's modules must not put one in its place
    code = (
        "import nonneg, nonneg.estimators, nonneg.least_squares;"
        "print(callable(nonneg.nnls))"
    )
    assert printed_by(code) == ["True"]
    assert "nnls" in nonneg.__all__
    assert isinstance(nnls(np.eye(2), [1, 2], return_info=True)[1], NNLSResult)
