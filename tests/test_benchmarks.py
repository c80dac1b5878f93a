"""The benchmarks' arithmetic on made-up curves, their small inputs and their objective."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
BASE = "scikit-learn cd"


@pytest.fixture(scope="module")
def load() -> Any:
    """Import a benchmark's module by name, as its scripts do among themselves."""
    before = set(sys.modules)
    sys.path.insert(0, str(BENCHMARKS))
    yield __import__
    sys.path.remove(str(BENCHMARKS))
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file and Path(file).parent == BENCHMARKS:
            del sys.modules[name]


@pytest.fixture(scope="module")
def curves(load: Any) -> ModuleType:
    return load("curves")


def run_of(curves: Any, name: str, seed: int, points: list[tuple[float, float]]) -> Any:
    curve = curves.Curve()
    for i, (seconds, objective) in enumerate(points, 1):
        curve.add(seconds, objective, i)
    return curves.Run(name, seed, curve)


def test_time_to_target_is_interpolated_between_points(curves: Any) -> None:
    curve = curves.Curve([1.0, 2.0, 4.0], [10.0, 8.0, 4.0], [1, 2, 3])
    assert curve.time_to(11) == 1.0
    assert curve.time_to(8) == 2.0
    assert curve.time_to(9) == pytest.approx(1.5)
    assert curve.time_to(5) == pytest.approx(3.5)
    assert curve.time_to(3.9) is None


def test_time_to_target_is_that_of_the_first_arrival(curves: Any) -> None:
    rises = curves.Curve([1.0, 2.0, 3.0, 4.0], [10.0, 4.0, 9.0, 3.0], [1, 2, 3, 4])
    assert rises.time_to(7) == pytest.approx(1.5)
    assert rises.best == 3.0


def test_ratio_is_that_of_the_medians_and_the_target_that_of_the_seed(
    curves: Any,
) -> None:
    runs = []
    # the baseline reaches 100·scale after 8, 10 and 30 s, the other after 1, 2 and 20 s
    for seed, (slow, fast, scale) in enumerate([(8, 1, 1), (10, 2, 7), (30, 20, 3)]):
        curve = [(0.5, 200.0 * scale), (slow, 100.0 * scale)]
        runs.append(run_of(curves, BASE, seed, curve))
        # to the best objective at once: no interpolation in its time
        runs.append(run_of(curves, "ours", seed, [(fast, 100.0 * scale)]))
    base, ours = curves.table(runs, BASE)
    # 1.001 times the best is met a thousandth of the way before the last point
    assert base.seconds == pytest.approx(10 - 9.5 / 1000)
    assert ours.seconds == 2
    assert ours.ratio == pytest.approx(base.seconds / 2)
    assert (base.arrived, ours.arrived, ours.seeds) == (3, 3, 3)


def test_who_never_arrives_counts_as_ten_times_the_baseline(curves: Any) -> None:
    runs = [
        run_of(curves, BASE, 0, [(4.0, 100.0)]),
        run_of(curves, "stuck", 0, [(1.0, 150.0), (2.0, 100.2)]),
        run_of(curves, "late", 0, [(41.0, 100.0)]),
    ]
    base, stuck, late = curves.table(runs, BASE)
    assert base.seconds == 4
    for row in (stuck, late):
        assert (row.seconds, row.arrived) == (40, 0)
        assert row.ratio == pytest.approx(0.1)
    assert stuck.excess == pytest.approx(0.002)
    assert stuck.own_limit < 2  # its own limit it does reach


def test_a_baseline_that_never_arrives_counts_as_what_it_ran(curves: Any) -> None:
    runs = [
        run_of(curves, BASE, 0, [(1.0, 150.0), (6.0, 101.0)]),
        run_of(curves, "same", 0, [(0.5, 150.0), (3.0, 101.0)]),
        run_of(curves, "better", 0, [(2.0, 100.0)]),
    ]
    base, same, better = curves.table(runs, BASE)
    assert (base.seconds, base.arrived) == (6, 0)
    # stuck at the same place: no worse than the baseline
    assert (same.seconds, same.arrived, same.ratio) == (6, 0, 1)
    assert (better.seconds, better.arrived, better.ratio) == (2, 1, 3)


def test_the_median_of_repeats_counts(curves: Any) -> None:
    runs = [run_of(curves, BASE, 0, [(t, 100.0)]) for t in (5.0, 1.0, 2.0)]
    assert curves.table(runs, BASE)[0].seconds == 2


def test_a_run_is_flat_when_doubling_its_iterations_gains_nothing(curves: Any) -> None:
    n = np.arange(1, 200)
    slow = curves.Curve(n / 10, 100 + 10 / n, n)
    seen = [
        curves.Curve(slow.seconds[:i], slow.objective[:i], list(n[:i])).is_flat()
        for i in range(1, 199)
    ]
    # 10/(n/2) − 10/n = 10/n is below 5e-4 · 100 from n = 200 on
    assert not any(seen)
    constant = [1.0] * 199
    assert not curves.Curve(list(n[:19]), constant[:19], list(n[:19])).is_flat()
    assert curves.Curve(list(n[:20]), constant[:20], list(n[:20])).is_flat()


def test_a_thinned_curve_keeps_its_ends(curves: Any) -> None:
    n = list(range(1, 5001))
    curve = curves.Curve([float(i) for i in n], [1 / i for i in n], n)
    thin = curve.thinned(100)
    assert 50 < len(thin.seconds) <= 101
    assert (thin.n_iter[0], thin.n_iter[-1]) == (1, 5000)
    assert curve.thinned(5000) is curve


def test_the_gate_needs_both_thresholds(load: Any) -> None:
    fails = load("regression").fails
    assert not fails(1.0, 1.14)
    assert fails(1.0, 1.16)
    assert not fails(0.1, 0.149)  # 49 % but 49 ms
    assert fails(0.1, 0.151)
    assert not fails(1.0, 0.5)


SHAPES = {
    "fashion": (2000, 784, np.float32, False),
    "debian": (4000, None, np.float64, True),
    "low-rank": (2000, 500, np.float32, False),
    "topics": (5000, 3000, np.float64, True),
    "pbmc": (300, 13713, np.float64, True),
    "transform": (2000, 784, np.float32, False),
    "small": (300, 200, np.float64, False),
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_quick_input_is_what_it_promises(load: Any, name: str) -> None:
    inputs = load("inputs")
    if name == "pbmc" and not (BENCHMARKS / "data" / "pbmc3k_counts.npz").exists():
        pytest.skip("the data are not part of a source distribution")
    assert {item.name for item in inputs.INPUTS} == set(SHAPES)
    item = inputs.select(name)[0]
    loaded = item.load(True)
    X = loaded.X
    rows, columns, dtype, sparse = SHAPES[name]
    assert X.shape[0] == rows
    assert columns is None or X.shape[1] == columns
    assert X.dtype == dtype
    assert sp.issparse(X) == sparse
    values = X.data if sparse else X
    assert np.isfinite(values).all()
    assert values.min() >= 0
    assert item.n_components < min(X.shape)
    assert loaded.source
    if sparse:
        assert X.has_canonical_format
        assert X.indices.dtype == np.int32
    W, H = inputs.start(X, item.n_components)
    assert (W.dtype, H.dtype) == (X.dtype, X.dtype)


def test_the_start_is_that_of_a_random_init(load: Any) -> None:
    import nonneg

    X = np.random.default_rng(0).random((9, 7))
    W, H = load("inputs").start(X, 3, seed=5)
    expected = nonneg.initialize(X, 3, init="random", random_state=5)
    np.testing.assert_allclose(W, expected[0], rtol=1e-14)
    np.testing.assert_allclose(H, expected[1], rtol=1e-14)


@pytest.mark.parametrize("sparse", [False, True])
def test_the_objective_is_half_the_squared_error(load: Any, sparse: bool) -> None:
    problems = load("problems")
    rng = np.random.default_rng(1)
    X = rng.random((50, 8)) * (rng.random((50, 8)) < 0.4)
    W, H = rng.random((50, 3)), rng.random((3, 8))
    objective = problems.Objective(sp.csr_matrix(X) if sparse else X, 2)
    expected = 0.5 * math.fsum(np.square(X - W @ H).ravel())
    assert objective(W, H) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(AssertionError, match="negative"):
        objective(W, -H)


def test_scikit_learn_heard_does_what_it_does_unheard(load: Any) -> None:
    contestants, problems, inputs = (
        load(name) for name in ("contestants", "problems", "inputs")
    )
    X = inputs.select("small")[0].load(True).X
    W, H = inputs.start(X, 6)
    objective = problems.Objective(X, 1)
    problem = problems.Problem(X, W, H, "fit", 0, 1, objective)
    curve, W_n, H_n, _ = contestants.run_sklearn_cd(
        problem, problems.Limits(60.0, max_iter=30)
    )
    from sklearn.decomposition import non_negative_factorization as plain

    expected = plain(
        X, W.copy(), H.copy(), n_components=6, init="custom", tol=0, max_iter=30
    )
    np.testing.assert_array_equal(W_n, expected[0])
    np.testing.assert_array_equal(H_n, expected[1])
    assert curve.n_iter[-1] == 30
    assert curve.objective[-1] == pytest.approx(objective(W_n, H_n), rel=1e-12)
    assert np.all(np.diff(curve.seconds) > 0)
