"""Every kernel in use, compiled or reference, against a formula written out in float64.

The continuous-integration run repeats this file once per instruction set, on the
reference, and under the address and undefined-behaviour sanitizers.
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import kernels
from nonneg.base.steps import OtherFactor, RowsOfW
from nonneg.kernels import Cyclic
from nonneg.kernels.quadratic_steps import MatMul, ProductRows, RMatMul
from nonneg.kernels.row_methods import RowArrays
from nonneg.operands.registration import as_operand
from support.records import solve_models
from support.requirements import needs_core, needs_linux
from support.tolerances import assert_close, tol

pytestmark = pytest.mark.usefixtures("eager_threads")

DTYPES = [np.float32, np.float64]
# around the lanes of every instruction set, and beyond one chunk of vectors
RANKS = [1, 2, 3, 7, 8, 16, 17, 33, 70, 150]
ROWS = [1, 5, 31, 64, 97]


def random_problem(n_rows, k, dtype, seed=0):
    """Factor rows with zeros, right-hand sides, a Gram matrix and a linear penalty."""
    rng = np.random.default_rng(seed)
    B = rng.random((2 * k + 3, k))
    A = np.maximum(rng.standard_normal((n_rows, k)), 0)
    rhs = rng.standard_normal((n_rows, k)) * k
    gram, l1 = B.T @ B, rng.random(k)
    return tuple(np.ascontiguousarray(x, dtype=dtype) for x in (A, rhs, gram, l1))


def sweep_oracle(A, rhs, gram, l1, order):
    """The sweep by its definition, one coordinate at a time, in float64."""
    A, rhs, gram, l1 = (x.astype(np.float64) for x in (A, rhs, gram, l1))
    violation = 0.0
    for t in order:
        gradient = A @ gram[t] - rhs[:, t] + l1[t]
        violation += np.abs(
            np.where(A[:, t] > 0, gradient, np.minimum(gradient, 0))
        ).sum()
        if gram[t, t] > 0:
            A[:, t] = np.maximum(A[:, t] - gradient / gram[t, t], 0)
    return A, violation, np.sum(rhs * A)


def check_sweep(A, rhs, gram, l1, order=None, n_threads=1):
    k = A.shape[1]
    expected, violation, cross = sweep_oracle(A, rhs, gram, l1, order or range(k))
    scale = np.abs(rhs).max(), np.abs(A).max() * np.abs(gram).max() * k
    report = kernels.coordinate_sweep(A, rhs, gram, l1, order, n_threads)
    # a coordinate's error is that of its gradient over its curvature
    smallest = min((g for g in gram.diagonal() if g > 0), default=1.0)
    cancelled = max(scale) / smallest
    assert_close(A, expected, A.dtype, k, cancelled=cancelled)
    assert_close(report.violation, violation, A.dtype, A.size, cancelled=max(scale) * k)
    assert_close(
        report.cross, cross, A.dtype, A.size, cancelled=np.abs(rhs * expected).sum()
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", RANKS)
@pytest.mark.parametrize("n_rows", ROWS)
def test_sweep_follows_its_definition(n_rows, k, dtype):
    check_sweep(*random_problem(n_rows, k, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [3, 17, 33])
def test_sweep_obeys_the_order_of_coordinates(k, dtype):
    order = np.random.default_rng(1).permutation(k).tolist()
    check_sweep(*random_problem(700, k, dtype), order=order, n_threads=3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sweep_leaves_coordinates_without_curvature(dtype):
    A, rhs, gram, l1 = random_problem(50, 9, dtype)
    gram[4] = gram[:, 4] = 0
    before = A[:, 4].copy()
    check_sweep(A, rhs, gram, l1)
    np.testing.assert_array_equal(A[:, 4], before)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sweep_with_subnormal_curvature_stays_finite(dtype):
    A, rhs, gram, l1 = random_problem(40, 5, dtype)
    gram[2] = gram[:, 2] = 0
    gram[2, 2] = np.finfo(dtype).smallest_subnormal
    before = A[:, 2].copy()
    kernels.coordinate_sweep(A, rhs, gram, l1)
    np.testing.assert_array_equal(A[:, 2], before)
    assert np.isfinite(A).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_sweep_at_the_optimum_does_nothing(dtype):
    k = 11
    gram = np.eye(k, dtype=dtype) * 2
    rhs = np.random.default_rng(2).standard_normal((77, k)).astype(dtype)
    A = np.maximum(rhs / 2, 0)
    expected = A.copy()
    report = kernels.coordinate_sweep(A, rhs, gram, np.zeros(k, dtype=dtype))
    np.testing.assert_array_equal(A, expected)
    assert report.violation == 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [2, 13])
def test_sweep_takes_one_gram_per_row(k, dtype):
    A, rhs, gram, l1 = random_problem(29, k, dtype)
    scales = np.arange(1, 30, dtype=dtype)
    expected = np.vstack(
        [
            sweep_oracle(A[i : i + 1], rhs[i : i + 1], gram * scales[i], l1, range(k))[
                0
            ]
            for i in range(29)
        ]
    )
    kernels.coordinate_sweep(A, rhs, gram * scales[:, None, None], l1)
    assert_close(A, expected, dtype, k, cancelled=np.abs(A).max() * k * k)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", RANKS)
@pytest.mark.parametrize("n_rows", [*ROWS, 1500])
def test_gram_is_summed_in_float64(n_rows, k, dtype):
    A = np.random.default_rng(3).random((n_rows, k)).astype(dtype)
    gram = kernels.gram(A)
    assert gram.dtype == np.float64
    assert_close(
        gram, A.astype(np.float64).T @ A.astype(np.float64), np.float64, n_rows
    )
    np.testing.assert_array_equal(gram, gram.T)


# ---- passes over X -------------------------------------------------------------------


def random_X(n, m, density, dtype, seed=4):
    X = sp.random(n, m, density, format="csr", dtype=np.float64, random_state=seed)
    return X.astype(dtype)


def as_storage(X, storage):
    if storage == "dense":
        return X.toarray()
    if storage == "dense with gaps":  # rows of a wider array
        wide = np.full((X.shape[0], X.shape[1] + 5), np.nan, dtype=X.dtype)
        wide[:, : X.shape[1]] = X.toarray()
        return wide[:, : X.shape[1]]
    X = X.copy()
    X.indices, X.indptr = (a.astype(storage) for a in (X.indices, X.indptr))
    return X


STORAGES = ["dense", "dense with gaps", np.int32, np.int64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("k", RANKS)
def test_products(k, storage, dtype):
    n, m = 301, 83
    X = random_X(n, m, 0.2, dtype)
    operand = as_operand(as_storage(X, storage), n_threads=2)
    exact = X.toarray().astype(np.float64)
    rng = np.random.default_rng(5)
    B, A = (rng.standard_normal((size, k)).astype(dtype) for size in (m, n))
    out = np.empty((n, k), dtype=dtype)
    operand.run_pass(MatMul(), ProductRows(out), OtherFactor(B))
    assert_close(out, exact @ B, dtype, m, cancelled=np.abs(exact).sum(1).max() * 4)
    product = operand.run_pass(RMatMul(), RowsOfW(A), None).product
    assert_close(
        product, exact.T @ A, dtype, n, cancelled=np.abs(exact).sum(0).max() * 4
    )


def run_update(operand, W, Ht, order=None, accumulate=True):
    """One fused half-step with a little of both penalties; returns (W, sums)."""
    dtype, k = W.dtype, W.shape[1]
    gram = kernels.gram(Ht) + 0.1 * np.eye(k)
    shared = {"Ht": Ht, "gram": gram.astype(dtype), "l1": np.full(k, 0.05, dtype)}
    W = W.copy()
    rows = {"start": W, "solved": W}
    sums = solve_models(operand, [Cyclic(order)], [rows], [shared], accumulate)
    return W, sums[0], shared


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (300, 41), (1100, 64)])
@pytest.mark.parametrize("k", [1, 6, 17, 40])
def test_fused_update_is_product_sweep_and_sums(k, shape, storage, dtype):
    n, m = shape
    X = random_X(n, m, 0.3, dtype)
    rng = np.random.default_rng(6)
    W, Ht = (rng.random((size, k)).astype(dtype) for size in (n, m))
    operand = as_operand(as_storage(X, storage), n_threads=2)
    moved, sums, shared = run_update(operand, W, Ht)
    exact = X.toarray().astype(np.float64)
    rhs = exact @ Ht.astype(np.float64)
    expected, violation, _ = sweep_oracle(
        W, rhs, shared["gram"], shared["l1"], range(k)
    )
    size = np.abs(W).max() * np.abs(shared["gram"]).max() * k + np.abs(rhs).max()
    smallest = float(shared["gram"].diagonal().min())
    assert_close(moved, expected, dtype, m * k, cancelled=size / smallest)
    assert_close(sums["violation"], violation, dtype, n * m, cancelled=size * k)
    # the sums belong to the rows as they were left
    left = moved.astype(np.float64)
    assert_close(sums["rhs"], exact.T @ left, dtype, n)
    assert_close(sums["gram"], left.T @ left, np.float64, n)
    assert_close(sums["cross"], np.sum(rhs * left), dtype, m, cancelled=1.0)


@pytest.mark.parametrize("storage", STORAGES)
def test_fused_update_without_sums(storage):
    X = random_X(90, 30, 0.3, np.float64)
    operand = as_operand(as_storage(X, storage))
    rng = np.random.default_rng(7)
    W, Ht = rng.random((90, 8)), rng.random((30, 8))
    with_sums, _, _ = run_update(operand, W, Ht)
    without, sums, _ = run_update(operand, W, Ht, accumulate=False)
    np.testing.assert_array_equal(without, with_sums)
    assert "rhs" not in sums


@pytest.mark.parametrize("storage", ["dense", np.int32])
def test_empty_rows_and_columns(storage):
    X = random_X(200, 50, 0.1, np.float64).tolil()
    X[17:120] = 0
    X[:, [0, 3, 49]] = 0
    X = X.tocsr()
    operand = as_operand(as_storage(X, storage), n_threads=2)
    W, sums, _ = run_update(operand, np.ones((200, 4)), np.ones((50, 4)))
    np.testing.assert_array_equal(W[17:120], 0)
    np.testing.assert_array_equal(sums["rhs"][[0, 3, 49]], 0)


@pytest.mark.of_the_core
@pytest.mark.parametrize("storage", ["dense", np.int32, np.int64])
@pytest.mark.parametrize("accumulate", [True, False])
def test_features_too_many_for_accumulators(storage, accumulate):
    # above 48 MB per accumulator, X'W is summed by panels of features instead
    n, m, k = 9, 170_000, 37
    X = random_X(n, m, 0.001, np.float64)
    rng = np.random.default_rng(8)
    W, Ht = rng.random((n, k)), rng.random((m, k))
    operand = as_operand(as_storage(X, storage), n_threads=2)
    moved, sums, _ = run_update(operand, W, Ht, accumulate=accumulate)
    if accumulate:
        assert_close(sums["rhs"], X.T @ moved, np.float64, n)
        assert_close(sums["gram"], moved.T @ moved, np.float64, n)
    product = operand.run_pass(RMatMul(), RowsOfW(W), None).product
    assert_close(product, X.T @ W, np.float64, n)


@pytest.mark.of_the_core
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_large_factor_touched_often_is_read_by_panels(index):
    # more than 4 MB of factor, and blocks with more than two entries per feature
    n, m, k = 300, 9000, 70
    # a full row and an empty one among the others
    parts = [random_X(n - 1, m, 0.02, np.float64), sp.csr_matrix(np.ones((1, m)))]
    X = sp.vstack([*parts, sp.csr_matrix((1, m))]).tocsr()
    rng = np.random.default_rng(13)
    W, Ht = rng.random((n + 1, k)), rng.random((m, k))
    operand = as_operand(as_storage(X, index), n_threads=2)
    out = np.empty((n + 1, k))
    operand.run_pass(MatMul(), ProductRows(out), OtherFactor(Ht))
    assert_close(out, X @ Ht, np.float64, m)
    product = operand.run_pass(RMatMul(), RowsOfW(W), None).product
    assert_close(product, X.T @ W, np.float64, n)
    moved, sums, _ = run_update(operand, W, Ht)
    assert_close(sums["rhs"], X.T @ moved, np.float64, n)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", ["dense", np.int32])
@pytest.mark.parametrize("k", [5, 40])
def test_any_number_of_threads_gives_the_same_bits(k, storage, dtype):
    X = as_storage(random_X(5000, 400, 0.1, dtype), storage)
    rng = np.random.default_rng(9)
    W, Ht = (rng.random((size, k)).astype(dtype) for size in (5000, 400))
    results = []
    for n_threads in (1, 2, 7):
        operand = as_operand(X, n_threads)
        moved, sums, shared = run_update(operand, W, Ht)
        swept = Ht.copy()
        report = kernels.coordinate_sweep(
            swept, sums["rhs"], shared["gram"], shared["l1"], None, n_threads
        )
        out = np.empty((5000, k), dtype=dtype)
        operand.run_pass(MatMul(), ProductRows(out), OtherFactor(Ht))
        product = operand.run_pass(RMatMul(), RowsOfW(W), None).product
        gram = kernels.gram(W, n_threads)
        results.append([moved, *sums.values(), swept, *report, out, product, gram])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [3, 40])
def test_a_single_row_may_have_any_stride(k, dtype):
    # the transpose of a column has the strides of a column
    x = np.random.default_rng(14).random((50, 1)).astype(dtype)
    A = np.random.default_rng(15).random((50, k)).astype(dtype)
    out = np.empty((1, k), dtype=dtype)
    as_operand(x.T).run_pass(MatMul(), ProductRows(out), OtherFactor(A))
    assert_close(out, x.T.astype(np.float64) @ A, dtype, 50)


def test_steps_write_only_what_they_say():
    X = random_X(64, 20, 0.3, np.float64)
    for part in (X.data, X.indices, X.indptr):
        part.flags.writeable = False
    rng = np.random.default_rng(10)
    W, Ht = rng.random((64, 3)), rng.random((20, 3))
    Ht.flags.writeable = False
    run_update(as_operand(X), W, Ht)
    dense = X.toarray()
    dense.flags.writeable = False
    run_update(as_operand(dense), W, Ht)


# ---- the compiled core alone -----------------------------------------------------------


@needs_core
@pytest.mark.parametrize("dtype", DTYPES)
def test_without_blas_the_own_products_agree(dtype):
    """A factor of more than 3 MB is BLAS's, if there is one."""
    n_features, k = 12_000, 70
    X = random_X(60, n_features, 0.5, dtype).toarray()
    rng = np.random.default_rng(11)
    W, Ht = (rng.random((size, k)).astype(dtype) for size in (60, n_features))
    with_blas, sums, _ = run_update(as_operand(X), W, Ht)
    kernels.native._core.unset_blas()
    try:
        own, own_sums, _ = run_update(as_operand(X), W, Ht)
    finally:
        assert kernels.native.connect_blas()
    assert not np.array_equal(own, with_blas)  # it was another product
    size = k * np.abs(W).max() * n_features + np.abs(X).sum(1).max()
    assert_close(own, with_blas, dtype, n_features * k, cancelled=size / 30)
    assert_close(own_sums["rhs"], sums["rhs"], dtype, 60 * k)


FLAGS = {
    "x86-64-v2": {"sse4_2", "popcnt"},
    "x86-64-v3": {"avx2", "fma", "bmi1", "bmi2"},
    "x86-64-v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}


@needs_core
@needs_linux
def test_the_sets_are_those_that_the_system_says_the_processor_has():
    if platform.machine() != "x86_64":
        assert kernels.native.simd_available() == ["generic"]
        return
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = set(next(line for line in lines if line.startswith("flags")).split())
    needed, expected = set(), []
    for name, new in FLAGS.items():
        needed |= new
        expected += [name] if needed <= flags else []
    assert list(kernels.native.simd_available()) == expected[::-1]


@needs_core
def test_every_available_set_can_be_forced_and_others_are_refused():
    command = [sys.executable, "-c"]
    show = "from nonneg.kernels.native import simd_name; print(simd_name())"
    for name in kernels.native.simd_available():
        run = subprocess.run(
            [*command, show],
            env={**os.environ, "NONNEG_SIMD": name},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == name
    run = subprocess.run(
        [*command, "import nonneg"],
        env={**os.environ, "NONNEG_SIMD": "mmx"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "NONNEG_SIMD='mmx' is not available" in run.stderr
    assert "reference" in run.stderr


@needs_core
def test_bindings_refuse_arrays_that_do_not_fit():
    core = kernels.native._core
    A, rhs, gram, l1 = random_problem(6, 3, np.float64)
    inverse, order = 1 / gram.diagonal(), np.arange(3)

    def solve(start=A, rhs=rhs, l1=l1, order=order, moved=None, measures=None):
        options = core.SolveOptions(
            gram=gram,
            inverse_diagonal=inverse,
            l1=l1,
            order=order,
            method=core.RowMethod.ADAPTIVE,
            sweeps=8,
        )
        rows = RowArrays(start, A, A, moved)
        return core.solve64(rows, rhs, options, None, None, measures, 1)

    with pytest.raises(ValueError, match="shape of the factor"):
        solve(rhs=rhs[:5])
    with pytest.raises(ValueError, match="k entries"):
        solve(l1=l1[:2].copy())
    with pytest.raises(ValueError, match="coordinates in"):
        solve(order=order + 1)
    with pytest.raises(ValueError, match="number of rows"):
        solve(moved=A[:4].copy())
    with pytest.raises(ValueError, match="number of columns"):
        solve(start=A[:, :2].copy())
    with pytest.raises(ValueError, match="2 x k"):
        solve(measures=np.empty((3, 2)))
    with pytest.raises(ValueError, match="shapes of X, B and out"):
        core.matmul_dense(np.ones((4, 5)), np.ones((6, 2)), np.ones((4, 2)), 1)
    with pytest.raises(ValueError, match="must be contiguous"):
        core.gram(np.ones((4, 6))[:, ::2], np.ones((3, 3)), 1)
    with pytest.raises(ValueError, match="step must be positive"):
        core.touch(np.zeros(3, np.uint8), 0)
    with pytest.raises(TypeError):
        core.gram(
            np.ones((4, 3), dtype=np.float32), np.ones((3, 3), dtype=np.float32), 1
        )


@needs_core
@pytest.mark.parametrize("n_threads", [1, 2])
def test_ctrl_c_stops_a_long_kernel(n_threads):
    # far more work than the test's patience: only the interrupt can end it in time
    rng = np.random.default_rng(12)
    A, rhs, gram, l1 = random_problem(20_000, 40, np.float64)
    A, rhs = np.tile(A, (20, 1)), np.tile(rhs, (20, 1))
    operand = as_operand(rng.random((4000, 2000)), n_threads)
    W, Ht = rng.random((4000, 60)), rng.random((2000, 60))
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))

    def work_until_interrupted():
        timer.start()
        for _ in range(100_000):
            kernels.coordinate_sweep(A, rhs, gram, l1, None, n_threads)
            run_update(operand, W, Ht)

    try:
        with pytest.raises(KeyboardInterrupt):
            work_until_interrupted()
    finally:
        timer.cancel()
    assert np.isfinite(A).all()


def test_tolerance_grows_with_the_sum():
    assert tol(np.float64, 100) == pytest.approx(10 * tol(np.float64, 1))
