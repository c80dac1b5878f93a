"""The benchmarks' arithmetic on made-up curves, their small inputs and objectives."""

from __future__ import annotations

import importlib
import math
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from support.paths import ROOT

BENCHMARKS = ROOT / "benchmarks"
BASE = "scikit-learn cd"


@pytest.fixture(scope="module")
def load() -> Any:
    """Import a benchmark's module by name, as its scripts do among themselves."""
    before = set(sys.modules)
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module
    sys.path.remove(str(BENCHMARKS))
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file and BENCHMARKS in Path(file).parents:
            del sys.modules[name]


@pytest.fixture(scope="module")
def curves(load: Any) -> ModuleType:
    return load("harness.curves")


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
    "kl-debian": (4000, None, np.float64, True),
    "kl-pbmc": (300, 13713, np.float64, True),
    "kl-spectrogram": (1250, 513, np.float32, False),
    "synopses": (4000, None, np.float64, True),
    "kl-synopses": (4000, None, np.float64, True),
    "kl-speech": (1250, 513, np.float32, False),
    "is-speech": (1250, 513, np.float32, False),
}
# the counts are not part of a source distribution
READY = [
    name
    for name in SHAPES
    if "pbmc" not in name or (BENCHMARKS / "data" / "pbmc3k_counts.npz").exists()
]


@pytest.mark.parametrize("name", READY)
def test_the_quick_input_is_what_it_promises(load: Any, name: str) -> None:
    inputs = load("harness.inputs")
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
    if name == "is-speech":
        assert values.min() > 0
    if name in ("kl-debian", "kl-pbmc", "kl-synopses"):
        np.testing.assert_array_equal(values, np.rint(values))
        assert values.min() >= 1
    W, H = inputs.start(X, item.n_components)
    assert (W.dtype, H.dtype) == (X.dtype, X.dtype)
    # multiplicative updates can't leave a zero
    assert min(W.min(), H.min()) > 0


def test_the_stand_in_counts_are_those_of_the_stand_in_weights(load: Any) -> None:
    matrices = load("harness.matrices")
    X = matrices.random_counts(300, 200, 20)
    np.testing.assert_array_equal(X.data, np.rint(X.data))
    weights = matrices.random_documents(300, 200, 20)
    np.testing.assert_array_equal(X.indices, weights.indices)


def test_the_music_is_that_of_its_seed_and_has_its_harmonics(load: Any) -> None:
    audio = load("harness.audio")
    X = audio.spectrogram(60, seed=3)
    np.testing.assert_array_equal(X, audio.spectrogram(60, seed=3))
    assert not np.array_equal(X, audio.spectrogram(60, seed=4))
    # a sine of bin 40 is a peak of half the window's sum, and of one in its neighbours
    t = np.arange(audio.WINDOW * 4)
    tone = np.sin(2 * np.pi * 40 / audio.WINDOW * t).astype(np.float32)
    frame = audio.magnitudes(tone)[3]
    np.testing.assert_allclose(frame[38:43], [0, 128, 256, 128, 0], atol=1e-2)


def test_the_quick_inputs_are_some_of_all(load: Any) -> None:
    inputs = load("harness.inputs")
    every, quick = inputs.select(None), inputs.select(None, quick=True)
    assert {item.name for item in every} == set(SHAPES)
    assert {item.name for item in every} - {item.name for item in quick} == {
        "kl-debian",
        "kl-synopses",
        "kl-speech",
        "is-speech",
    }
    assert all(0 < item.cap(True) <= item.cap(False) for item in every)
    # one that is named runs, quick or not
    assert [item.name for item in inputs.select("kl-debian", True)] == ["kl-debian"]


def test_the_start_is_that_of_a_random_init(load: Any) -> None:
    import nonneg

    X = np.random.default_rng(0).random((9, 7))
    W, H = load("harness.inputs").start(X, 3, seed=5)
    expected = nonneg.initialize(X, 3, init="random", random_state=5)
    np.testing.assert_allclose(W, expected[0], rtol=1e-14)
    np.testing.assert_allclose(H, expected[1], rtol=1e-14)


@pytest.mark.parametrize("sparse", [False, True])
def test_the_objective_is_half_the_squared_error(load: Any, sparse: bool) -> None:
    objectives = load("harness.objectives")
    rng = np.random.default_rng(1)
    X = rng.random((50, 8)) * (rng.random((50, 8)) < 0.4)
    W, H = rng.random((50, 3)), rng.random((3, 8))
    objective = objectives.objective_of(sp.csr_matrix(X) if sparse else X, 2, 2)
    expected = 0.5 * math.fsum(np.square(X - W @ H).ravel())
    assert objective(W, H) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(AssertionError, match="negative"):
        objective(W, -H)


STORAGES = {
    "dense": np.asarray,
    "Fortran": np.asfortranarray,
    "CSR": sp.csr_matrix,
    "CSC": sp.csc_array,
}


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("piece_bytes", [64, 1 << 20])
def test_the_divergence_is_that_of_scikit_learn(
    load: Any,
    monkeypatch: pytest.MonkeyPatch,
    storage: str,
    dtype: str,
    piece_bytes: int,
) -> None:
    from sklearn.decomposition._nmf import _beta_divergence

    objectives = load("harness.objectives")
    monkeypatch.setattr(objectives, "PIECE_BYTES", piece_bytes)  # many pieces, or one
    rng = np.random.default_rng(2)
    dense = rng.poisson(1.0, (50, 8)) * rng.choice([1e-3, 1.0, 1e3], (50, 8))
    dense[7], dense[:, 2] = 0, 0
    X = STORAGES[storage](dense.astype(dtype))
    W, H = (rng.random(size).astype(dtype) for size in ((50, 3), (3, 8)))
    W[4], H[:, 5] = 0, 0  # what is not explained at all counts, finitely
    objective = objectives.objective_of(X, 1, 2)
    # given as an array: scikit-learn's takes the entries of a CSC matrix in two orders
    exact = [A.astype(np.float64) for A in (dense.astype(dtype), W, H)]
    assert objective(W, H) == pytest.approx(_beta_divergence(*exact, 1), rel=1e-12)
    assert (objective.beta, objective(W, H)) == (1, objective(W, H))
    with pytest.raises(AssertionError, match="not finite"):
        objective(W, H + np.inf)


@pytest.mark.parametrize("beta", [0, 0.5, 1.5, 3])
def test_other_divergences_are_those_of_scikit_learn(load: Any, beta: float) -> None:
    from sklearn.decomposition._nmf import _beta_divergence

    rng = np.random.default_rng(7)
    X, W, H = (0.1 + rng.random(size) for size in ((50, 8), (50, 3), (3, 8)))
    objective = load("harness.objectives").objective_of(X, beta, 2)
    assert objective.beta == beta
    expected = _beta_divergence(X, W, H, beta)
    assert objective(W, H) == pytest.approx(expected, rel=1e-12)


def test_random_problems_follow_from_their_number_and_keep_to_their_bounds(
    load: Any,
) -> None:
    problems = load("harness.random_problems")
    drawn = [problems.draw(3, number) for number in range(60)]
    assert drawn == [problems.draw(3, number) for number in range(60)]
    assert {one.storage for one in drawn} == {"dense", "csr", "csc"}
    assert {one.beta for one in drawn} == set(problems.LOSSES)
    assert len({one.k for one in drawn}) > 20
    for one in sorted(drawn, key=lambda one: one.rows * one.per_row)[:30]:
        X = problems.matrix(one)
        assert (X.shape, X.dtype) == ((one.rows, one.columns), one.dtype)
        assert (X.format if sp.issparse(X) else "dense") == one.storage
        values = X.data if sp.issparse(X) else X
        assert np.isfinite(values).all()
        assert values.min() >= 0
        assert one.beta in (1, 2) or values.min() > 0
        assert one.rows * one.per_row * one.k <= problems.MOST_WORK
        if sp.issparse(X):
            assert 0.5 < X.nnz / (one.rows * one.per_row) < 2.5


def test_the_map_compares_at_a_level_that_auto_reaches(
    load: Any, curves: ModuleType
) -> None:
    compared = load("map").compared
    times = [1.0, 2.0, 3.0]
    runs = {
        "auto": curves.Curve(times, [20.0, 10.0, 10.0], [1, 2, 3]),
        "hals": curves.Curve(times, [11.0, 10.0, 10.0], [1, 2, 3]),
        "cd": curves.Curve([10.0, 20.0], [30.0, 11.0], [1, 2]),
        "scikit-learn": curves.Curve([10.0, 20.0], [10.0, 10.0], [1, 2]),
    }
    level = compared(runs, 10.0, 0.1)
    assert (level["fastest"], level["own"]) == ("hals", pytest.approx(1.9))
    assert (level["peer"], level["peer arrived"]) == (pytest.approx(10 / 1.9), True)
    # who comes to rest elsewhere is compared there
    elsewhere = compared(runs, 5.0, 0.1)
    assert elsewhere == level
    # auto's own time counts as the fastest where nobody is faster
    runs["hals"] = runs["cd"]
    assert compared(runs, 10.0, 0.1)["own"] == 1


def test_the_divergence_of_an_exact_product_is_zero(load: Any) -> None:
    rng = np.random.default_rng(3)
    W, H = rng.random((40, 3)), rng.random((3, 30))
    X = W @ H
    objective = load("harness.objectives").objective_of(X, 1, 1)
    assert abs(objective(W, H)) < 1e-12 * X.sum()
    # x·log(x / 2x) − x + 2x
    assert objective(2 * W, H) == pytest.approx((1 - math.log(2)) * X.sum(), rel=1e-12)


def test_explicit_zeros_count_as_zeros(load: Any) -> None:
    objectives = load("harness.objectives")
    X = sp.csr_matrix(np.array([[1.0, 2.0], [3.0, 4.0]]))
    X.data[1] = 0
    W, H = np.array([[1.0], [2.0]]), np.array([[3.0, 0.5]])
    value, expected = (objectives.objective_of(A, 1, 1)(W, H) for A in (X, X.toarray()))
    assert value == pytest.approx(expected, rel=1e-14)


def problem_on(load: Any, X: Any, k: int, beta: float) -> Any:
    W, H = load("harness.inputs").start(X, k)
    objective = load("harness.objectives").objective_of(X, beta, 1)
    return load("harness.problems").Problem(X, W, H, "fit", 0, 1, objective)


@pytest.mark.parametrize("beta", [2, 1])
@pytest.mark.parametrize("sparse", [False, True])
def test_scikit_learn_heard_does_what_it_does_unheard(
    load: Any, beta: int, sparse: bool
) -> None:
    contestants, problems = load("harness.contestants"), load("harness.problems")
    rng = np.random.default_rng(4)
    X = rng.poisson(rng.random((60, 4)) @ rng.random((4, 40))).astype(np.float64)
    X = sp.csr_matrix(X) if sparse else X
    problem = problem_on(load, X, 4, beta)
    known = contestants.FIELDS[beta]
    limits = problems.Limits(60.0, max_iter=30, gain=-1)
    curve, W, H, _ = known.baseline.run(problem, limits)
    from sklearn.decomposition import non_negative_factorization as plain

    expected = plain(
        X,
        problem.W.copy(),
        problem.H.copy(),
        n_components=4,
        init="custom",
        solver=known.solver,
        beta_loss=contestants.LOSS_NAMES[beta],
        tol=0,
        max_iter=30,
    )
    # scikit-learn sets what is tiny to zero after what is heard
    np.testing.assert_allclose(W, expected[0], rtol=1e-14)
    np.testing.assert_allclose(H, expected[1], rtol=1e-14, atol=1e-15)
    assert curve.n_iter[-1] == 30
    assert curve.objective[-1] == pytest.approx(problem.objective(W, H), rel=1e-12)
    assert np.all(np.diff(curve.seconds) > 0)
    assert np.all(np.diff(curve.objective) < 0)


def test_scikit_learns_mini_batches_lower_the_divergence(load: Any) -> None:
    X = np.random.default_rng(5).poisson(2.0, (50, 12)).astype(np.float64)
    problem = problem_on(load, X, 3, 1)
    limits = load("harness.problems").Limits(60.0, max_iter=8)
    curve, W, H, _ = load("harness.contestants").run_mini_batch(problem, limits)
    assert curve.n_iter == [1, 2, 4, 8]
    assert curve.objective[-1] == pytest.approx(problem.objective(W, H), rel=1e-12)
    assert curve.objective[-1] < problem.objective(problem.W, problem.H)


def test_what_nonneg_lacks_is_left_out(load: Any) -> None:
    contestants = load("harness.contestants")
    assert contestants.available("hals", 2)
    assert not contestants.available("no such solver", 2)
    assert not contestants.available("hals", 1)
    names = [one.name for one in contestants.ours(2, ("hals", "no such solver", ""))]
    assert names == ["nonneg hals"]
    options = contestants.options_of("mu accelerated", 1)
    assert options == {
        "solver": "mu",
        "accelerate": True,
        "beta_loss": "kullback-leibler",
    }
    assert contestants.options_of("hals", 2) == {"solver": "hals"}


@pytest.mark.parametrize("beta", [2, 1])
def test_nonneg_ends_below_its_start(load: Any, beta: int) -> None:
    contestants, problems = load("harness.contestants"), load("harness.problems")
    field = contestants.ours(beta)
    assert field
    X = np.random.default_rng(6).poisson(2.0, (80, 30)).astype(np.float64)
    problem = problem_on(load, X, 3, beta)
    first = problem.objective(problem.W, problem.H)
    for one in field:
        limits = problems.Limits(60.0, max_iter=40)
        curve, W, H, reported = one.run(problem, limits)
        assert curve.objective[-1] == problem.objective(W, H) < first
        assert reported == pytest.approx(curve.objective[-1], rel=1e-6)
        assert curve.n_iter == sorted(curve.n_iter)


class AsIfOurs:
    """The next version's estimator in a nutshell: scikit-learn's under our names."""

    def __init__(self, n_components: int, *, n_threads: int = 1, **options: Any):
        from sklearn.decomposition import NMF

        self.model = NMF(n_components, **options)

    def fit_transform(self, X: Any, W: Any, H: Any) -> Any:
        W = self.model.fit_transform(X, W=W.copy(), H=H.copy())
        self.components_ = self.model.components_
        return W


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
def test_iterations_are_compared_where_the_factors_agree(
    load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = load("mu_iterations")
    monkeypatch.setattr(bench.nonneg, "NMF", AsIfOurs)
    X = sp.csr_matrix(np.random.default_rng(7).poisson(1.0, (40, 20)).astype(float))
    row = bench.compare(X, 3, 4, 2, 1)
    assert set(row) == {"nonneg", "scikit-learn", "difference"}
    assert row["difference"] == 0
    monkeypatch.setattr(bench, "BOUNDS", {"float64": -1.0})
    with pytest.raises(AssertionError, match="differ"):
        bench.compare(X, 3, 4, 1, 1)


@pytest.mark.parametrize("script", ["mu_iterations", "minibatch"])
def test_a_comparison_without_a_partner_says_so(
    load: Any, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    bench = load(script)
    monkeypatch.setattr(load("harness.contestants"), "available", lambda *_: False)
    monkeypatch.setattr(bench, "available", lambda *_: False, raising=False)
    monkeypatch.setattr(bench.nonneg, "MiniBatchNMF", None, raising=False)
    with pytest.raises(SystemExit, match="there is nothing to compare"):
        bench.main([])


def test_the_soonest_that_is_no_worse_counts(load: Any) -> None:
    bench = load("minibatch")
    assert [bench.doublings(n) for n in (1, 6, 8)] == [[1], [1, 2, 4, 6], [1, 2, 4, 8]]
    theirs = bench.Entry("scikit-learn", 4, 12.0, 100.0)
    ours = [
        bench.Entry("nonneg", 1, 0.5, 101.0),
        bench.Entry("nonneg", 2, 1.0, 100.0 + 1e-9),
        bench.Entry("nonneg", 4, 2.0, 99.0),
    ]
    assert bench.soonest(theirs, ours) is ours[1]
    assert "12.0x (wanted 10x: yes)" in bench.verdict(theirs, ours)
    assert bench.soonest(theirs, ours[:1]) is None
    assert "wanted 10x: no" in bench.verdict(theirs, ours[:1])


def test_mini_batches_of_one_kind_are_as_good_as_themselves(load: Any) -> None:
    bench = load("minibatch")
    X = np.random.default_rng(8).poisson(2.0, (60, 20)).astype(np.float64)
    fit = bench.fitter(bench.Peer, X, 3, 16, n_threads=2)  # it has no such parameter
    objective = load("harness.objectives").objective_of(X, 1, 1)
    runs = [("scikit-learn", 4, fit), ("nonneg", 1, fit), ("nonneg", 4, fit)]
    theirs, *ours = bench.measure(runs, objective, 2)
    assert ours[1].objective == theirs.objective < ours[0].objective
    assert bench.soonest(theirs, ours) is not None


def test_passes_to_a_target(load: Any, capsys: pytest.CaptureFixture[str]) -> None:
    bench = load("passes")
    course = bench.Course(
        "x", np.array([np.nan, 5.0, 3.0, 1.0]), np.arange(1, 5) / 2, np.arange(4.0)
    )
    assert course.arrival(3.5) == (1.5, 2.0)
    assert course.arrival(0.5) == (np.inf, np.inf)
    assert "never" in bench.shown(course, 0.5)
    bench.main(
        ["--inputs", "low-rank", "--quick", "--passes", "3", "--batch-sizes", "500"]
    )
    out = capsys.readouterr().out
    assert "batches of 500" in out
    assert "hals, 16 blocks" in out
    assert "ends 0.00 % above" in out


def test_out_of_core_in_small(load: Any, capsys: pytest.CaptureFixture[str]) -> None:
    bench = load("out_of_core")
    bench.main(["--quick", "--threads", "1"])
    out = capsys.readouterr().out
    assert all(f"{name}:" in out for name in ("cached", "cold", "speed", "memory"))
    assert bench.verdict({"cached": 1.2})[0].endswith("no)")
    assert bench.verdict({"cached": 1.1})[0].endswith("yes)")


def test_dask_scaling_in_small(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dask = pytest.importorskip("dask")
    bench = load("dask_scaling")
    with dask.config.set(scheduler="sync"):
        X = bench.dask_array(40, 10, 3, 4)
        assert X.numblocks == (4, 1)
        assert bench.iteration(X, 3, 2) > 0
        rows = np.concatenate([bench.block(b, 10, 10, 3) for b in range(4)])
        np.testing.assert_array_equal(X.compute(), rows)
    args = bench.parsed(["--quick"])
    monkeypatch.setattr(
        bench, "latency", lambda n_blocks, k, n: 0.01 + 0.002 * n_blocks
    )
    monkeypatch.setattr(bench, "traffic", lambda *_: 1e-9)
    found = bench.model(args, {"in memory, 1 threads": 2e-3})
    assert found["milliseconds a task"] == pytest.approx(1.0)
    assert found["milliseconds to start and end"] == pytest.approx(10.0)
    assert found["1e9 rows, 100 workers: compute"] == pytest.approx(10.0)
    times = {
        "in memory, 2 threads": 1.0, "strong, 1 workers": 2.2, "strong, 2 workers": 1.2,
        "weak, 1 workers": 1.1, "weak, 2 workers": 1.2,
    }  # fmt: skip
    assert all("yes)" in line for line in bench.verdict(times)[:2])
    times["strong, 2 workers"] = 1.5
    assert all("no)" in line for line in bench.verdict(times)[:2])


def test_disk_rows_in_small(load: Any, capsys: pytest.CaptureFixture[str]) -> None:
    load("disk_rows").main(["--quick", "--threads", "1"])
    lines = capsys.readouterr().out.splitlines()[1:]
    assert ["(out)" in line for line in lines] == [True, False]
    assert all("on disk" in line and "MB" in line for line in lines)


def test_gaps_on_small_inputs(load, capsys):
    bench, ratings = load("gaps"), load("harness.ratings")
    X = ratings.made(300, 200, 5000)
    assert X.nnz == 5000
    assert set(np.unique(X.data)) <= {1, 2, 3, 4, 5}
    train, where, triples = bench.fold(X, 0.2)
    assert train.nnz + where.nnz == X.nnz
    assert (train + where * 1.0).nnz == X.nnz
    rows, columns = triples["test_rows"], triples["test_columns"]
    assert all(
        X[i, j] == v
        for i, j, v in zip(rows[:9], columns, triples["test_values"], strict=False)
    )
    assert abs(bench.hidden((300, 200), 0.1).mean() - 0.1) < 0.01
    model = bench.nonneg.NMF(2)
    model.history_ = {
        "objective": np.array([3.0, 1.0005, 1.0]),
        "seconds": np.array([1.0, 2.0, 3.0]),
    }
    assert bench.to_near(model) == 2.0
    bench.main(["--quick", "--rows", "transform", "--repeats", "1", "--threads", "1"])
    assert "20 % NaN" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_constraints_on_small_inputs(load):
    bench = load("constraints")
    bench.ITERATIONS, bench.REPEATS = 8, 1
    bench.mixtures = lambda n, m, k, mixtures=bench.mixtures: mixtures(120, 30, k)
    rows = bench.costs(True, 1)
    assert [row["most"] for row in rows] == [0.8] * 4 + [1, 1.3, 4.0]
    assert all(row["seconds"] > 0 and row["beside"] > 0 for row in rows)
    X, H = bench.demo_of_pymcr()

    def fit(max_iter=40, tol=1e-6):
        model = bench.NMF(
            2, "custom", "hals", tol, max_iter, constraints_W=bench.Simplex()
        )
        return model.fit(X, W=np.full((len(X), 2), 0.5), H=H)

    seconds, loss = bench.to_loss(fit, 1.01 * 0.5 * fit().reconstruction_err_ ** 2)
    assert 0 < seconds < np.inf
    assert loss == pytest.approx(0.5 * fit().reconstruction_err_ ** 2)
    assert bench.to_loss(fit, 0.5 * loss)[0] == np.inf
