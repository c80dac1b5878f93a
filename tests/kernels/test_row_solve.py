"""Row solves, alone and fused with the products: the compiled core and its reference."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import kernels
from nonneg.kernels import (
    Adaptive,
    Cyclic,
    Exact,
    Multiplicative,
    RowArrays,
    reference,
)
from nonneg.kernels.quadratic_steps import (
    ModelInputs,
    RowSolve,
    RowSolveInputs,
    RowSolveRows,
)
from nonneg.operands.registration import as_operand
from support import oracles
from support.cases import DTYPES, STORAGES
from support.combinations import covering
from support.records import as_dict, solve_models
from support.requirements import needs_core
from support.tolerances import assert_close, scale, tol

pytestmark = pytest.mark.usefixtures("eager_threads")
METHODS = {
    "cyclic": Cyclic(),
    "shuffled": Cyclic((2, 0, 1)),
    "adaptive": Adaptive(8, 0.01, 0.5),
    "one": Adaptive(1, 0.01, 0.0),
    "many": Adaptive(200, 1e-12, 1.0),
    "exact": Exact(0.5),
    "exact-cold": Exact(0.0, sweeps=4),
}
methods = pytest.mark.parametrize("method", METHODS)
dtypes = pytest.mark.parametrize("dtype", DTYPES)


def problem(n_rows, k, dtype, seed=0, density=0.5):
    """Right-hand sides of rows with some zeros, their Gram matrix and a start."""
    rng = np.random.default_rng(seed)
    B = rng.random((3 * k + 2, k))
    gram = B.T @ B
    target = rng.random((n_rows, k)) * (rng.random((n_rows, k)) < density)
    noise = 0.1 * rng.standard_normal((n_rows, k))
    rhs = (target @ gram + noise).astype(dtype)
    start = rng.random((n_rows, k)).astype(dtype)
    previous = rng.random((n_rows, k)).astype(dtype)
    return start, previous, rhs, gram, np.full(k, 0.05)


def solve(module, method, start, previous, rhs, gram, l1, in_place=False, n_threads=1):
    solved = start.copy() if in_place else np.empty_like(start)
    moves = METHODS[method].momentum > 0
    moved = previous.copy() if moves else None
    rows = RowArrays(
        solved if in_place else start, solved, moved if moves else None, moved
    )
    row_method = METHODS[method]
    return rows, module.solve_rows(rows, rhs, gram, l1, row_method, True, n_threads)


def value(A, rhs, gram, l1):
    A, rhs = (np.asarray(M, dtype=np.float64) for M in (A, rhs))
    return np.sum(0.5 * (A @ gram) * A - (rhs - l1) * A)


@methods
@dtypes
@pytest.mark.parametrize(
    ("n_rows", "k"), [(1, 3), (5, 3), (64, 7), (97, 20), (530, 33)]
)
def test_what_a_row_solve_reports(method, dtype, n_rows, k):
    """Everything that is told follows from the rows before and after."""
    if method == "shuffled" and k != 3:
        k = 3
    start, previous, rhs, gram, l1 = problem(n_rows, k, dtype)
    rows, report = solve(kernels, method, start, previous, rhs, gram, l1)
    assert (rows.solved >= 0).all()
    size = float(np.sum(np.abs(rhs) * np.maximum(rows.solved, start)))
    noise = 8 * tol(dtype, n_rows * k) * size  # sums of products of both arrays
    gained = value(start, rhs, gram, l1) - value(rows.solved, rhs, gram, l1)
    assert gained >= -noise
    cross = np.sum(oracles.to_float64(rhs) * oracles.to_float64(rows.solved))
    assert abs(report.cross - cross) <= noise
    for name, A in (("gram_solved", rows.solved), ("gram_result", rows.result)):
        A = oracles.to_float64(A)
        assert_close(getattr(report, name), A.T @ A, np.float64, n_rows)
    row_method = METHODS[method]
    if rows.moved is not None:
        expected = rows.solved + row_method.momentum * (rows.solved - previous)
        assert_close(rows.moved, np.maximum(expected, 0), dtype, 1)
    if isinstance(row_method, Cyclic):
        return
    assert abs(report.decrease - gained) <= noise
    linear = oracles.to_float64(rhs) - l1
    assert_close(report.measures[1], np.square(linear).sum(axis=0), dtype, n_rows)
    if isinstance(row_method, Adaptive):
        assert n_rows <= report.sweeps <= row_method.sweeps * n_rows
        # the first coordinate is the first one visited: its gradient is the start's
        gradient = oracles.to_float64(start) @ gram[0] - linear[:, 0]
        projected = np.where(start[:, 0] > 0, gradient, np.minimum(gradient, 0))
        assert_close(report.measures[0, 0], np.sum(projected**2), dtype, n_rows * k)
    else:
        gradient = oracles.to_float64(start) @ gram - linear
        projected = np.where(start > 0, gradient, np.minimum(gradient, 0))
        expected = np.square(projected).sum(axis=0)
        assert_close(report.measures[0], expected, dtype, n_rows * k)


@pytest.mark.of_the_core
@methods
@dtypes
@pytest.mark.parametrize(("n_rows", "k"), [(5, 3), (70, 12), (530, 40)])
def test_core_and_reference_agree(method, dtype, n_rows, k):
    if method == "shuffled":
        k = 3
    given = problem(n_rows, k, dtype)
    ours, report = solve(kernels, method, *given)
    theirs, expected = solve(reference, method, *given)
    # a row near its threshold may stop a sweep earlier in one of the two
    rtol = 1e-9 if dtype == np.float64 else 2e-3
    for name in ("solved", "moved"):
        A, B = getattr(ours, name), getattr(theirs, name)
        if B is not None:
            np.testing.assert_allclose(A, B, rtol=0, atol=rtol * scale(B))
    np.testing.assert_allclose(report.cross, expected.cross, rtol=rtol)
    if not isinstance(METHODS[method], Exact):
        np.testing.assert_allclose(
            report.sweeps, expected.sweeps, rtol=0.02, atol=min(n_rows, 5)
        )


@methods
@dtypes
def test_in_place_and_threads_change_no_bit(method, dtype):
    start, previous, rhs, gram, l1 = problem(1500, 3, dtype)
    rows, report = solve(kernels, method, start, previous, rhs, gram, l1)
    for in_place, n_threads in ((True, 1), (False, 2), (False, 7)):
        again, other = solve(
            kernels, method, start, previous, rhs, gram, l1, in_place, n_threads
        )
        np.testing.assert_array_equal(again.solved, rows.solved)
        np.testing.assert_array_equal(again.result, rows.result)
        for name, value in as_dict(report).items():
            np.testing.assert_array_equal(value, getattr(other, name))


@needs_core
def test_the_threads_are_there():
    given = problem(1500, 3, np.float64)
    solve(kernels, "adaptive", *given, n_threads=2)
    assert kernels.native._core.pool_size() >= 1


@needs_core
@dtypes
def test_a_row_is_swept_as_if_it_were_alone(dtype):
    """Rows stop by themselves: neighbours in a tile change no bit of them.

    NumPy rounds a row by the shape of its array.
    """
    start, previous, rhs, gram, l1 = problem(333, 9, dtype)
    rows, _ = solve(kernels, "adaptive", start, previous, rhs, gram, l1)
    for i in (0, 17, 332):
        one = slice(i, i + 1)
        alone, _ = solve(
            kernels, "adaptive", start[one], previous[one], rhs[one], gram, l1
        )
        np.testing.assert_array_equal(alone.solved, rows.solved[one])
        np.testing.assert_array_equal(alone.moved, rows.moved[one])


def test_many_sweeps_reach_the_exact_solution():
    start, previous, rhs, gram, l1 = problem(200, 8, np.float64)
    slow, _ = solve(kernels, "many", start, previous, rhs, gram, l1)
    exact, report = solve(kernels, "exact", start, previous, rhs, gram, l1)
    np.testing.assert_allclose(slow.solved, exact.solved, atol=1e-5)
    cold, colder = solve(kernels, "exact-cold", 0 * start, previous, rhs, gram, l1)
    np.testing.assert_allclose(cold.solved, exact.solved, atol=1e-10)
    assert report.sweeps >= 200
    assert colder.sweeps >= 200


@needs_core
@dtypes
@pytest.mark.parametrize("k", [1, 7, 30])
def test_rows_are_exact_whether_or_not_sweeps_converge(k, dtype):
    """Hardly coupled components are solved for by sweeps alone, others by pivoting."""
    rng = np.random.default_rng(k)
    for coupling in (0.001, 3.0):
        B = np.vstack([np.eye(k), coupling * rng.random((4, k))]).astype(dtype)
        gram, l1 = oracles.to_float64(B.T) @ B, np.full(k, 0.05)
        start, rhs = (rng.random((600, k)).astype(dtype) for _ in range(2))
        rhs[::7] = 0
        solved, expected = np.empty_like(start), np.zeros_like(start)
        method = Exact(sweeps=4)
        report = kernels.solve_rows(RowArrays(start, solved), rhs, gram, l1, method)
        kernels.exact_solve(expected, rhs, gram, l1)
        assert_close(solved, expected, dtype, k * k)
        assert not solved[::7].any()
        if k > 1:
            assert (report.sweeps == 0) == (coupling < 1)


@methods
def test_dead_coordinates_stay_and_zero_rows_end_at_zero(method):
    start, previous, rhs, gram, _ = problem(40, 3, np.float64)
    gram[1], gram[:, 1], rhs[:, 1] = 0, 0, 0
    rhs[7] = 0
    rows, report = solve(kernels, method, start, previous, rhs, gram, np.zeros(3))
    assert np.isfinite(rows.solved).all()
    assert np.isfinite(report.cross)
    if not isinstance(METHODS[method], Exact):
        np.testing.assert_array_equal(rows.solved[:, 1], start[:, 1])
    if method in ("many", "exact", "exact-cold"):
        assert np.abs(rows.solved[7, [0, 2]]).max() <= 1e-6


def fused(operand, methods, ks, dtype, accumulate=True, seed=1):
    """A pass for several models of different sizes: arrays, shared arrays and sums."""
    rng = np.random.default_rng(seed)
    n_rows, n_columns = operand.shape
    rows, shared = [], []
    for method, k in zip(methods, ks, strict=True):
        Ht = rng.random((n_columns, k)).astype(dtype)
        G = kernels.gram(Ht) + 0.1 * np.eye(k)
        shared.append({"Ht": Ht, "gram": G, "l1": np.full(k, 0.05)})
        start = rng.random((n_rows, k)).astype(dtype)
        rows.append({"start": start, "solved": np.empty((n_rows, k), dtype)})
        if method.momentum:
            moved = rng.random((n_rows, k)).astype(dtype)
            rows[-1] |= {"moved": moved, "previous": moved}
    before = [{name: A.copy() for name, A in arrays.items()} for arrays in rows]
    sums = solve_models(operand, methods, rows, shared, accumulate)
    return before, rows, shared, sums


@pytest.mark.parametrize(
    ("dtype", "storage", "shape", "names"),
    covering(
        DTYPES,
        list(STORAGES),
        [(1, 4), (37, 50), (700, 90)],
        [["adaptive"], ["exact", "adaptive", "cyclic"]],
    ),
)
def test_a_fused_pass_is_product_solves_and_sums(names, shape, storage, dtype, passes):
    rng = np.random.default_rng(0)
    X = (rng.random(shape) * (rng.random(shape) < 0.4)).astype(dtype)
    operand = as_operand(STORAGES[storage](X))
    methods, ks = [METHODS[name] for name in names], [5, 17, 3][: len(names)]
    before, rows, shared, sums = fused(operand, methods, ks, dtype)
    X = oracles.to_float64(X)
    for r, method in enumerate(methods):
        Ht, k = shared[r]["Ht"], ks[r]
        product = X @ oracles.to_float64(Ht)
        own = RowArrays(
            before[r]["start"],
            np.empty((shape[0], k), dtype),
            before[r].get("previous"),
            before[r].get("moved"),
        )
        report = reference.solve_rows(
            own, product.astype(dtype), shared[r]["gram"], shared[r]["l1"], method
        )
        rtol = 1e-8 if dtype == np.float64 else 5e-3
        solved = rows[r]["solved"]
        assert np.abs(solved - own.solved).max() <= rtol * scale(own.solved)
        np.testing.assert_allclose(sums[r]["cross"], report.cross, rtol=rtol)
        result = oracles.to_float64(rows[r].get("moved", solved))
        assert_close(sums[r]["rhs"], X.T @ result, dtype, shape[0])
        assert_close(sums[r]["gram"], result.T @ result, np.float64, shape[0])


@dtypes
@pytest.mark.parametrize("storage", ["dense-C", "csr-array"])
def test_models_side_by_side_are_models_alone(storage, dtype):
    rng = np.random.default_rng(0)
    X = (rng.random((900, 60)) * (rng.random((900, 60)) < 0.4)).astype(dtype)
    operand = as_operand(STORAGES[storage](X), 2)
    methods = [METHODS[name] for name in ("adaptive", "cyclic", "adaptive", "exact")]
    ks = [6, 3, 19, 8]
    before, rows, shared, sums = fused(operand, methods, ks, dtype)
    for r, method in enumerate(methods):
        own = {name: A.copy() for name, A in before[r].items()}
        if "moved" in own:
            own["previous"] = own["moved"]
        (alone,) = solve_models(operand, [method], [own], [shared[r]])
        # the widths of the packed rows differ, and with them the order of some sums
        rtol = 1e-9 if dtype == np.float64 else 5e-3
        for name in ("solved", "moved"):
            if name in own:
                A, B = rows[r][name], own[name]
                assert np.abs(A - B).max() <= rtol * scale(B)
        for name in ("rhs", "gram", "cross"):
            A, B = sums[r][name], alone[name]
            assert np.abs(A - B).max() <= rtol * scale(B)


@pytest.mark.parametrize("storage", ["dense-C", "csr-array"])
@pytest.mark.parametrize("accumulate", [True, False])
def test_threads_change_no_bit_of_a_fused_pass(storage, accumulate):
    rng = np.random.default_rng(0)
    X = STORAGES[storage](rng.random((3000, 70)) * (rng.random((3000, 70)) < 0.4))
    methods = [METHODS["adaptive"], METHODS["exact"]]
    results = [
        fused(as_operand(X, n), methods, [9, 4], np.float64, accumulate)
        for n in (1, 2, 7)
    ]
    _, expected_rows, _, expected_sums = results[0]
    assert ("rhs" in expected_sums[0]) == accumulate
    for _, rows, _, sums in results[1:]:
        for r in range(len(methods)):
            for name, array in expected_rows[r].items():
                np.testing.assert_array_equal(rows[r][name], array)
            for name, array in expected_sums[r].items():
                np.testing.assert_array_equal(sums[r][name], array)


@dtypes
@pytest.mark.parametrize(
    "A",
    [np.zeros((3, 4)), np.arange(-5.0, 1995).reshape(100, 20), np.ones((1, 70_001))],
    ids=["zeros", "range", "long"],
)
def test_summary(A, dtype):
    A = A.astype(dtype)
    exact = oracles.to_float64(A)
    for array, n in ((A, 1), (A, 7), (A.ravel(), 2), (A[:, ::-1].T[::-1].T, 1)):
        for module in (kernels, reference):
            found = module.summary(array, n)
            assert_close(found.sum, exact.sum(), np.float64, A.size)
            assert_close(found.sum_sq, np.sum(exact**2), np.float64, A.size)
            assert found.smallest == exact.min()
    empty = sp.csr_array((3, 4), dtype=dtype)
    assert as_operand(empty).stats().sum_sq == 0


@needs_core
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [3, 5, 8, 13])
def test_multiplicative_sums_do_not_depend_on_addresses(k, dtype):
    """Arrays next to each other, in any order and alignment, give the same bits."""
    rng = np.random.default_rng(0)
    values = rng.random((2, 1, k)).astype(dtype)
    B = rng.random((k, 9))
    crosses = set()
    for shift in range(4):
        for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)):
            memory = np.zeros(3 * k + shift, dtype)[shift:].reshape(3, 1, k)
            start, rhs, solved = (memory[i] for i in order)
            start[...], rhs[...] = values
            report = kernels.solve_rows(
                RowArrays(start, solved), rhs, B @ B.T, np.zeros(k), Multiplicative(),
                False, 1,
            )  # fmt: skip
            crosses.add(float(report.cross))
    assert len(crosses) == 1


@pytest.mark.parametrize("module", [kernels, reference], ids=["core", "reference"])
@pytest.mark.parametrize("method", ["few", "exact"])
def test_a_penalty_ends_what_has_no_curvature(module, method):
    """A component whose other factor is 0 costs its penalty alone."""
    rng = np.random.default_rng(0)
    B = rng.random((12, 4))
    B[:, 1] = 0
    rhs, gram = rng.random((30, 12)) @ B, B.T @ B
    row_method = Exact() if method == "exact" else Adaptive(8, 0.01)
    start = rng.random((30, 4))
    for l1, expected in ((np.zeros(4), start[:, 1]), (np.full(4, 0.1), 0)):
        rows = RowArrays(start, np.zeros((30, 4)))
        report = module.solve_rows(rows, rhs, gram, l1, row_method, True, 1)
        gained = value(start, rhs, gram, l1) - value(rows.solved, rhs, gram, l1)
        np.testing.assert_allclose(report.decrease, gained, rtol=1e-10)
        if l1.any() or method == "few":
            np.testing.assert_array_equal(rows.solved[:, 1], expected)


@pytest.mark.parametrize("moving", [range(6), range(11, 20), [2, 3, 17]])
@pytest.mark.parametrize("storage", ["dense-C", "csr-array"])
@dtypes
def test_known_components_need_no_products(moving, storage, dtype):
    """Their right-hand sides come with the rows; the sums of the others are as ever."""
    rng = np.random.default_rng(1)
    n, m, k = 70, 23, 20
    X, Ht = rng.random((n, m)).astype(dtype), rng.random((m, k)).astype(dtype)
    fixed = ~np.isin(np.arange(k), moving)
    extra = np.ascontiguousarray(np.where(fixed, X @ Ht, 0).astype(dtype))
    rows = {
        "start": rng.random((n, k)).astype(dtype),
        "solved": np.empty((n, k), dtype),
    }
    options = {"gram": (Ht.T @ Ht).astype(np.float64), "l1": np.zeros(k)}
    operand = as_operand(STORAGES[storage](X), 1)
    (plain,) = solve_models(operand, [Adaptive()], [rows], [{"Ht": Ht} | options])
    expected = rows["solved"].copy()
    moving = np.array(moving)
    others = np.ascontiguousarray(Ht[:, moving])
    shared = {"Ht": others, "moving": moving} | options
    (sums,) = solve_models(operand, [Adaptive()], [rows | {"extra": extra}], [shared])
    assert_close(rows["solved"], expected, dtype, m * k)
    assert_close(sums["gram"], plain["gram"], dtype, n * k)
    assert_close(sums["rhs"], plain["rhs"][:, ~fixed], dtype, n * k)
    beside = np.sum(extra.astype(np.float64) * rows["solved"])
    assert_close(sums["cross"], beside, dtype, n * k)


@dtypes
def test_rows_in_classes_are_those_of_each_class(dtype):
    start, previous, rhs, gram, l1 = problem(70, 5, dtype)
    grams, bounds = np.stack([gram, 3 * gram, 2 * gram]), np.array([0, 30, 30, 70])
    for module, method in itertools.product(
        (kernels, reference), (Adaptive(4, 0.01, 0.5), Exact())
    ):
        solved, moved = np.empty_like(start), np.empty_like(start)
        rows = RowArrays(start, solved, previous, moved)
        done = module.solve_classes(rows, rhs, grams, l1, method, bounds)
        cross = 0
        for a in (0, 2):
            part = slice(bounds[a], bounds[a + 1])
            alone = RowArrays(*np.empty((4, part.stop - part.start, 5), dtype))
            alone.start, alone.previous = start[part], previous[part]
            report = module.solve_rows(alone, rhs[part], grams[a], l1, method, True)
            assert_close(alone.solved, solved[part], dtype, 40)
            assert_close(alone.moved, moved[part], dtype, 40)
            assert_close(report.gram_solved, done.gram_solved[a], dtype, 40)
            assert_close(report.gram_result, done.gram_result[a], dtype, 40)
            cross += report.cross
        np.testing.assert_allclose(done.cross, cross, rtol=1e-12)
        assert not done.gram_result[1].any()


@pytest.mark.parametrize(
    ("in_slots", "storage", "dtype"),
    [
        pytest.param(*case, marks=[] if case[0] else pytest.mark.of_the_core)
        for case in covering([True, False], ["dense-C", "csr-array"], DTYPES)
    ],
)
def test_a_pass_over_rows_in_classes_is_that_of_each_class(in_slots, storage, dtype):
    # classes end within blocks, and where sums of X'W are too large for a slot there are none
    shape = (700, 90) if in_slots else (60, 120_000)
    n = shape[0]
    ks, bounds = (
        (5, 17) if in_slots else (70, 10),
        np.array([0, n // 7, n // 7, n // 2, n]),
    )
    rng = np.random.default_rng(0)
    X = (rng.random(shape) * (rng.random(shape) < 0.05)).astype(dtype)
    methods = Adaptive(4, 0.01, 0.5), Exact()
    models = []
    for k in ks:
        Ht = rng.random((shape[1], k)).astype(dtype)
        G = kernels.gram(Ht) + 0.1 * np.eye(k)
        grams = np.stack([a * G for a in (1, 2, 3, 4)])
        models.append(ModelInputs(Ht, grams, np.full(k, 0.05)))
    start = [rng.random((2, shape[0], k)).astype(dtype) for k in ks]

    def solved(n_threads):
        rows = tuple(
            RowArrays(A, np.empty_like(A), B.copy(), np.empty_like(A)) for A, B in start
        )
        sums = kernels.solve_by_classes(
            as_operand(STORAGES[storage](X), n_threads), RowSolve(methods),
            RowSolveRows(rows), RowSolveInputs(tuple(models)), bounds,
        )  # fmt: skip
        return rows, sums.models

    rows, sums = solved(1)
    for r, method in enumerate(methods):
        product = X @ models[r].Ht
        own = RowArrays(start[r][0], *np.empty((3, *start[r][0].shape), dtype))
        own.previous[...] = start[r][1]
        report = reference.solve_classes(
            own, product, models[r].gram, models[r].l1, method, bounds
        )
        rtol = 1e-8 if dtype == np.float64 else 5e-3
        assert np.abs(rows[r].moved - own.moved).max() <= rtol * scale(own.moved)
        np.testing.assert_allclose(sums[r].report.cross, report.cross, rtol=rtol)
        np.testing.assert_allclose(sums[r].report.measures, report.measures, rtol=1e-2)
        result = oracles.to_float64(rows[r].moved)
        assert_close(sums[r].rhs, X.T @ result, dtype, shape[0])
        for a, (first, last) in enumerate(itertools.pairwise(bounds)):
            part = result[first:last]
            assert_close(sums[r].gram[a], part.T @ part, np.float64, shape[0])
    again, others = solved(2)
    for r in range(2):
        np.testing.assert_array_equal(again[r].moved, rows[r].moved)
        np.testing.assert_array_equal(others[r].gram, sums[r].gram)
        np.testing.assert_array_equal(others[r].rhs, sums[r].rhs)
