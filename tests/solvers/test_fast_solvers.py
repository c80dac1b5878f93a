"""What "hals" and "bpp" promise beyond what every solver does."""

from __future__ import annotations

import dataclasses
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import nnls as scipy_nnls
from sklearn.exceptions import ConvergenceWarning

from nonneg import NMF, non_negative_factorization
from nonneg.base.interfaces import Penalty
from nonneg.fitting import plan_choices
from nonneg.operands.dense import DenseOperand
from nonneg.operands.registration import as_operand
from nonneg.solvers.hals import Hals
from nonneg.solvers.registry import make_solver, solvers
from nonneg.solvers.steps import balancing
from nonneg.solvers.steps.sweep_costs import most_sweeps
from support import oracles
from support.cases import DTYPES, MAIN_STORAGES, STORAGES, data, factors, make_problem
from support.combinations import covering
from support.properties import fit
from support.tolerances import scale

FAST = ["hals", "bpp"]
fast = pytest.mark.parametrize("solver", FAST)
storages = pytest.mark.parametrize("storage", MAIN_STORAGES)
dtypes = pytest.mark.parametrize("dtype", DTYPES)
SAME = {np.float64: 1e-6, np.float32: 1e-3}


def low_rank(n_samples=120, n_features=70, k=5, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    W, H = rng.random((n_samples, k)), rng.random((k, n_features))
    return W @ H + noise * rng.random((n_samples, n_features))


def kkt_residual(X, W, H, l1=0.0, l2=0.0):
    """‖projected gradient‖ over ‖XHᵀ − l1‖ + ‖XᵀW − l1‖, components balanced."""
    X, W, H = (np.asarray(A, dtype=np.float64) for A in (X, W, H))
    alive = W.any(axis=0) & H.any(axis=1)
    W, H = W[:, alive], H[alive]
    d = np.sqrt(np.linalg.norm(H, axis=1) / np.linalg.norm(W, axis=0))
    gradients, sizes = [], []
    for A, B, Y, unit in ((W, H.T, X, 1 / d), (H.T, W, X.T, d)):
        gradient = (A @ (B.T @ B) + l2 * A - Y @ B + l1) * unit
        gradients.append(np.where(A > 0, gradient, np.minimum(gradient, 0)))
        sizes.append(np.linalg.norm((Y @ B - l1) * unit))
    norms = [np.linalg.norm(gradient) for gradient in gradients]
    return np.hypot(*norms) / sum(sizes)


# ---- stopping ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("solver", "storage", "dtype", "weight"),
    covering(FAST, MAIN_STORAGES, DTYPES, [0.0, 0.3]),
)
def test_converged_means_stationary(solver, storage, dtype, weight):
    X = low_rank().astype(dtype)
    model = NMF(
        5, init="random", solver=solver, random_state=0, max_iter=2000, tol=1e-4,
        alpha=weight, l1_ratio=0.5,
    )  # fmt: skip
    W = model.fit_transform(STORAGES[storage](X))
    assert model.stop_reason_ == "converged"
    # the solver's case measure is taken along its sweeps
    residual = kkt_residual(X, W, model.components_, weight / 2, weight / 2)
    assert residual <= 4e-4


@fast
def test_at_the_default_tol_the_fit_is_as_good_as_scikit_learn_s(solver):
    from sklearn.decomposition import NMF as Peer

    for seed in range(4):
        X = low_rank(noise=0.3, seed=seed)
        options = {"init": "random", "random_state": seed, "max_iter": 10_000}
        ours = NMF(5, solver=solver, **options).fit(X)
        theirs = Peer(5, **options).fit(X)
        assert ours.reconstruction_err_ <= 1.002 * theirs.reconstruction_err_
        assert ours.n_iter_ < theirs.n_iter_


@fast
def test_a_warm_start_stops_at_once(solver):
    X = low_rank()
    options = {"n_components": 5, "solver": solver, "max_iter": 5000, "tol": 1e-5}
    W, H, _ = non_negative_factorization(X, random_state=0, **options)
    W2, H2, n_iter = non_negative_factorization(X, W, H, init="custom", **options)
    assert n_iter <= 8
    errors = [np.linalg.norm(X - A @ B) for A, B in ((W, H), (W2, H2))]
    assert errors[1] <= errors[0] * (1 + 1e-9)


@fast
def test_an_optimal_start_is_kept(solver):
    rng = np.random.default_rng(0)
    W, H = rng.random((30, 3)), rng.random((3, 20))
    W2, H2, _ = non_negative_factorization(
        W @ H, W, H, 3, init="custom", solver=solver, max_iter=20, tol=0
    )
    np.testing.assert_allclose(W2 @ H2, W @ H, rtol=1e-6)


@fast
@pytest.mark.parametrize("unit", [1e-3, 1e4])
def test_the_residual_does_not_see_scales(solver, unit):
    """Components of W in other units, those of H in their inverse: the same fit."""
    X = low_rank()
    W, Ht = factors(X.shape, 5)
    runs = []
    for d in (np.ones(5), unit ** np.linspace(-1, 1, 5)):
        model = NMF(5, init="custom", solver=solver, max_iter=15, tol=0)
        model.fit(X, W=W * d, H=(Ht / d).T)
        runs.append(model.history_)
    for name in ("objective", "residual"):
        np.testing.assert_allclose(runs[0][name], runs[1][name], rtol=1e-6)


@fast
def test_every_iteration_leaves_a_row_and_the_finish_one_more(solver):
    model = NMF(5, init="random", solver=solver, random_state=0, max_iter=12, tol=0)
    model.fit(low_rank())
    history = model.history_
    assert model.n_iter_ == 12
    assert {column.shape for column in history.values()} == {(13,)}
    assert np.all(np.diff(history["seconds"]) > 0)
    best = history["objective"].min()
    # the last solve is the best but for rounding
    np.testing.assert_allclose(history["objective"][-1], best, rtol=1e-12)
    np.testing.assert_allclose(0.5 * model.reconstruction_err_**2, best, rtol=1e-9)
    if solver == "hals":
        assert np.all((history["sweeps"][:-1] >= 1) & (history["sweeps"][:-1] <= 16))


@fast
def test_stopping_by_callback_and_by_time_keeps_the_best(solver):
    X = low_rank()
    stopped = NMF(
        5, init="random", solver=solver, random_state=0, tol=0, max_iter=1000,
        callback=lambda iteration: iteration.n_iter == 7,
    ).fit(X)  # fmt: skip
    assert (stopped.n_iter_, stopped.stop_reason_) == (7, "callback")
    timed = NMF(
        5, init="random", solver=solver, random_state=0, tol=0, max_iter=10**6,
        max_time=0.05,
    ).fit(X)  # fmt: skip
    assert timed.stop_reason_ == "max_time"
    for model in (stopped, timed):
        assert np.nanmin(model.history_["objective"]) >= (
            0.5 * model.reconstruction_err_**2 * (1 - 1e-9)
        )


@fast
def test_unconverged_fits_are_told_of(solver):
    with pytest.warns(ConvergenceWarning, match="number of iterations 3"):
        NMF(5, init="random", solver=solver, random_state=0, max_iter=3).fit(low_rank())


@fast
def test_a_nearly_exact_float32_fit(solver):
    """Differences of objectives are rounding there; the factors must not suffer."""
    rng = np.random.default_rng(0)
    X = (rng.random((200, 4)) @ rng.random((4, 80))).astype(np.float32)
    model = NMF(4, init="random", solver=solver, random_state=0, max_iter=1000, tol=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        W = model.fit_transform(X)
    error = np.linalg.norm(X - W @ model.components_) / np.linalg.norm(X)
    assert error <= 1.5e-4


@fast
@storages
def test_penalties_by_component(solver, storage):
    """Each component may have its case l1 and l2; ties between components count too."""
    X = low_rank()
    rng = np.random.default_rng(3)
    terms = [
        Penalty(rng.random(5), np.diag(rng.random(5)) + 0.2),
        Penalty(5 * rng.random(5), np.diag(rng.random(5))),
    ]
    problem = dataclasses.replace(
        make_problem(STORAGES[storage](X), 5), penalty_W=terms[0], penalty_H=terms[1]
    )
    W, Ht, outcome = fit(
        make_solver(solver, tol=1e-6), problem, *factors(X.shape, 5), n_iter=5000
    )
    assert outcome.stop_reason == "converged"
    objective = oracles.objective(X, W, Ht, *terms)
    np.testing.assert_allclose(min(outcome.history.objective), objective, rtol=1e-10)
    for Y, A, B, term in ((X, W, Ht, terms[0]), (X.T, Ht, W, terms[1])):
        gradient = oracles.gradient_W(Y, A, B, term)
        projected = np.where(A > 0, gradient, np.minimum(gradient, 0))
        assert np.linalg.norm(projected) <= 1e-4 * np.linalg.norm(Y @ B)


# ---- transform -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("solver", "storage", "dtype", "weight"),
    covering(FAST, MAIN_STORAGES, DTYPES, [0.0, 0.2]),
)
def test_transform_agrees_with_fit(solver, storage, dtype, weight):
    X = STORAGES[storage](low_rank().astype(dtype))
    model = NMF(
        5, init="random", solver=solver, random_state=0, max_iter=30, tol=0,
        alpha_W=weight / 70, l1_ratio=0.5,
    )  # fmt: skip
    W = model.fit_transform(X)
    again = model.transform(X)
    assert again.dtype == dtype
    np.testing.assert_allclose(again, W, rtol=0, atol=SAME[dtype] * scale(W))


@pytest.mark.parametrize("solver", [*FAST, "auto"])
@storages
def test_transform_is_exact(solver, storage):
    X = low_rank()
    model = NMF(5, init="random", solver=solver, random_state=0, max_iter=20, tol=0)
    model.fit(X)
    new = low_rank(seed=1) * (np.random.default_rng(2).random((120, 70)) < 0.5)
    W = model.transform(STORAGES[storage](new))
    expected = [scipy_nnls(model.components_.T, x)[0] for x in new]
    np.testing.assert_allclose(W, expected, rtol=0, atol=1e-9 * scale(expected))


def test_transform_sees_components_changed_in_place():
    X = low_rank()
    model = NMF(3, init="random", solver="hals", random_state=0, max_iter=20, tol=0)
    model.fit(X)
    before = model.transform(X)
    model.components_[1] *= 2
    np.testing.assert_allclose(model.transform(X)[:, 1], before[:, 1] / 2, rtol=1e-9)
    model.components_ = model.components_[:2]
    assert model.transform(X).shape == (120, 2)


# ---- several models ------------------------------------------------------------------


def single_runs(X, n_init, **options):
    seeds = np.random.RandomState(0).randint(2**31 - 1, size=n_init)
    for r, seed in enumerate(seeds):
        model = NMF(4, random_state=int(seed) if r else 0, **options)
        model.W_ = model.fit_transform(X)
        yield model


@pytest.mark.parametrize("solver", ["cd", "hals", "bpp", "pg"])
@storages
def test_many_starts_equal_single_runs(solver, storage):
    X = STORAGES[storage](low_rank(k=8))
    options = {"init": "random", "solver": solver, "max_iter": 20, "tol": 0}
    options |= {"nls_max_iter": 50}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the inner limit of "pg"
        together = NMF(4, n_init=5, random_state=0, **options)
        W = together.fit_transform(X)
        models = list(single_runs(X, 5, **options))
    best = min(models, key=lambda model: model.history_["objective"][:20].min())
    np.testing.assert_allclose(W, best.W_, rtol=0, atol=1e-8 * scale(W))
    H = together.components_
    np.testing.assert_allclose(H, best.components_, rtol=0, atol=1e-8 * scale(H))
    objectives = together.history_["objectives"]
    assert objectives.shape[1] == 5
    for r, model in enumerate(models):
        least = np.minimum.accumulate(model.history_["objective"][:20])
        np.testing.assert_allclose(objectives[:20, r], least, rtol=1e-8)


def test_converged_starts_drop_out():
    X = low_rank()
    options = {"init": "random", "solver": "hals", "max_iter": 3000, "tol": 1e-3}
    together = NMF(4, n_init=4, random_state=0, **options).fit(X)
    counts = [model.n_iter_ for model in single_runs(X, 4, **options)]
    assert len(set(counts)) > 1
    assert together.n_iter_ == max(counts)
    assert together.stop_reason_ == "converged"
    objectives = together.history_["objectives"]
    for r, count in enumerate(counts):
        assert np.ptp(objectives[count - 1 : max(counts), r]) == 0


def test_the_first_start_may_be_given():
    X = low_rank()
    W, Ht = factors(X.shape, 4)
    options = {"init": "custom", "solver": "hals", "max_iter": 5, "tol": 0}
    alone = NMF(4, **options).fit(X, W=W, H=Ht.T)
    several = NMF(4, n_init=3, random_state=0, **options).fit(X, W=W, H=Ht.T)
    np.testing.assert_allclose(
        several.history_["objectives"][4, 0], alone.history_["objective"][:5].min()
    )


class CountingOperand(DenseOperand):
    """Counts the passes over X."""

    def __init__(self, X, n_threads=1, passes=None):
        super().__init__(X, n_threads)
        self.passes = [] if passes is None else passes

    @property
    def T(self):
        return CountingOperand(self.X.T, self.n_threads, self.passes)

    def run_pass(self, step, rows, shared):
        self.passes.append(step.name)
        return super().run_pass(step, rows, shared)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("solver", ["cd", "hals", "bpp"])
@pytest.mark.parametrize("n_init", [1, 3])
def test_x_is_read_once_an_iteration(monkeypatch, solver, order, n_init):
    from nonneg.base.parameters import Parameters
    from nonneg.fitting.fit_plan import plan
    from nonneg.fitting.preparation import validated
    from nonneg.fitting.run import run

    # the core would read X in one call for an iteration
    monkeypatch.setattr(solvers.class_of(solver), "advances", False)

    def passes(n_iter):
        X = CountingOperand(np.asarray(low_rank(), order=order))
        parameters = Parameters(
            4, "random", solver, tol=0, max_iter=n_iter, random_state=0, n_init=n_init,
            callback=lambda _: None,  # iteration by iteration
        )  # fmt: skip
        run(plan(X, validated(parameters)))
        return Counter(X.passes)

    more = passes(9) - passes(4)
    assert more.pop("row_solve") == 5
    # read by columns, a restart of a model needs its product with X anew
    assert order == "F" or not more
    assert sum(more.values()) <= 5 * n_init


# ---- compressed start ----------------------------------------------------------------


@fast
@dtypes
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_compressed_start_ends_as_well(solver, dtype, order):
    X = np.asarray(low_rank(300, 200, 6).astype(dtype), order=order)
    options = {"init": "random", "solver": solver, "random_state": 0, "max_iter": 500}
    plain = NMF(6, **options).fit(X)
    model = NMF(6, compress=True, **options).fit(X)
    assert model.reconstruction_err_ <= 1.002 * plain.reconstruction_err_
    objective = model.history_["objective"]
    exact = objective[np.isfinite(objective)]
    assert exact.size >= 5
    np.testing.assert_allclose(
        exact.min(), 0.5 * model.reconstruction_err_**2, rtol=1e-3
    )
    again = NMF(6, compress=True, **options).fit(X)
    np.testing.assert_array_equal(again.components_, model.components_)


def test_a_compressed_start_finishes_on_x_even_at_its_limit():
    X = low_rank(300, 200, 6)
    model = NMF(
        6, init="random", solver="hals", random_state=0, max_iter=4, tol=0,
        compress=True,
    ).fit(X)  # fmt: skip
    W = model.transform(X)
    np.testing.assert_allclose(
        np.linalg.norm(X - W @ model.components_), model.reconstruction_err_, rtol=1e-9
    )


def test_several_compressed_starts():
    X = low_rank(300, 200, 6)
    options = {"init": "random", "solver": "hals", "random_state": 0, "max_iter": 300}
    one = NMF(6, compress=True, **options).fit(X)
    many = NMF(6, compress=True, n_init=3, **options).fit(X)
    assert many.reconstruction_err_ <= one.reconstruction_err_ * (1 + 1e-9)


def test_a_compressed_fit_obeys_its_limits():
    X = low_rank(300, 200, 6)
    options = {"init": "random", "solver": "hals", "random_state": 0, "tol": 0}
    for max_iter in (1, 4, 9, 40):
        model = NMF(6, compress=True, max_iter=max_iter, **options).fit(X)
        assert model.n_iter_ == max_iter
        exact = np.isfinite(model.history_["objective"]).sum()
        assert exact >= min(max_iter, 6)
    stopped = NMF(6, compress=True, callback=lambda _: True, **options).fit(X)
    assert (stopped.n_iter_, stopped.stop_reason_) == (1, "callback")
    assert len(stopped.history_["objective"]) == 2


def test_sparse_data_can_be_transformed_after_a_compressed_fit():
    X = low_rank(300, 200, 6)
    model = NMF(6, solver="hals", init="random", random_state=0, compress=True,
                max_iter=20, tol=0).fit(X)  # fmt: skip
    W = model.transform(STORAGES["csr-array"](X))
    np.testing.assert_allclose(W, model.transform(X), rtol=1e-9)


@pytest.mark.parametrize("size", [1e-18, 1e-9, 1e9, 1e13, 1e16])
def test_float32_of_any_magnitude_converges_alike(size):
    """Squares of such entries are beyond float32."""
    X = low_rank().astype(np.float32)
    options = {"init": "random", "solver": "hals", "random_state": 0, "max_iter": 2000}
    plain = NMF(5, **options).fit(X)
    scaled = NMF(5, **options).fit(X * np.float32(size))
    assert scaled.stop_reason_ == "converged"
    assert scaled.reconstruction_err_ <= 1.01 * size * plain.reconstruction_err_


def test_transforms_in_other_threads_get_their_own_precision():
    X = low_rank()
    model = NMF(5, solver="hals", init="random", random_state=0, max_iter=5, tol=0)
    expected = {t: model.fit(X).transform(X.astype(t)) for t in DTYPES}

    def work(dtype):
        for _ in range(50):
            np.testing.assert_array_equal(
                model.transform(X.astype(dtype)), expected[dtype]
            )

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, dtype) for dtype in DTYPES * 2]:
            done.result()


def test_a_generator_of_random_numbers_serves_as_its_seed():
    X = low_rank()
    options = {"init": "random", "solver": "hals", "n_init": 3, "max_iter": 5, "tol": 0}
    one = NMF(4, random_state=7, **options).fit(X)
    other = NMF(4, random_state=np.random.RandomState(7), **options).fit(X)
    np.testing.assert_array_equal(one.components_, other.components_)


def test_many_wide_models_share_passes_as_far_as_memory_goes(monkeypatch):
    """Above 48 MB of accumulators they go in groups: the factors are the same."""
    # only a model that is alone may start in float32
    monkeypatch.setattr(plan_choices, "SINGLE_WORK", np.inf)
    rng = np.random.default_rng(0)
    X = STORAGES["csr-array"](
        rng.random((40, 30_000)) * (rng.random((40, 30_000)) < 0.01)
    )
    options = {"init": "random", "solver": "hals", "max_iter": 3, "tol": 0}
    together = NMF(24, n_init=10, random_state=0, **options).fit(X)
    alone = NMF(24, random_state=0, **options).fit(X)
    np.testing.assert_allclose(
        together.history_["objectives"][2, 0],
        np.min(alone.history_["objective"][:3]),
        rtol=1e-9,
    )


def test_what_cannot_be_compressed_is_refused():
    X = data()
    with pytest.raises(ValueError, match="needs dense data"):
        NMF(3, solver="hals", compress=True).fit(STORAGES["csr-array"](X))
    with pytest.raises(ValueError, match="works with solver='hals' or 'bpp'"):
        NMF(3, solver="cd", compress=True).fit(X)
    with pytest.raises(ValueError, match="compress"):
        NMF(3, solver="hals", compress="yes").fit(X)


# ---- scales --------------------------------------------------------------------------


def penalty_of(penalty, A):
    return penalty.value(A.sum(axis=0), A.T @ A)


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (0.4, 0.0), (0.0, 0.3), (0.4, 0.3)])
def test_balancing(l1, l2):
    """No rescaling of the components has a smaller penalty; without one, norms agree."""
    W, Ht = factors((30, 20), 4)
    terms = Penalty.elastic(4, l1, l2), Penalty.elastic(4, 3 * l1, 2 * l2)
    squares = [np.square(A).sum(axis=0) for A in (W, Ht)]
    d = balancing.balance(W, Ht, *squares, *terms)
    if not (l1 or l2):
        np.testing.assert_allclose(*np.sqrt(squares * np.stack([d**2, d**-2])))
        return
    values = [
        penalty_of(terms[0], W * e) + penalty_of(terms[1], Ht / e)
        for e in (d, 1.01 * d, d / 1.01, d * [1.01, 1, 1, 0.99], np.ones(4))
    ]
    assert values[0] == min(values)


def test_no_balancing_where_it_would_change_the_problem():
    W, Ht = factors((30, 20), 4)
    squares = [np.square(A).sum(axis=0) for A in (W, Ht)]
    none, some = Penalty.elastic(4), Penalty.elastic(4, 0.1)
    tied = Penalty(np.zeros(4), np.ones((4, 4)))
    for terms in ((none, some), (some, none), (tied, tied)):
        np.testing.assert_array_equal(balancing.balance(W, Ht, *squares, *terms), 1)
    W[:, 2] = 0
    squares[0] = np.square(W).sum(axis=0)
    assert balancing.balance(W, Ht, *squares, none, none)[2] == 1


def test_the_best_scale():
    X = data()
    W, Ht = factors(X.shape, 4)
    term = Penalty.elastic(4, 0.2, 0.3)
    none = Penalty.elastic(4)
    square = np.sum((W @ Ht.T) ** 2)
    a = balancing.best_scale(W, X @ Ht, square, W.T @ W, term)
    values = [
        oracles.objective(X, b * W, Ht, term, none) for b in (a, 1.001 * a, 0.999 * a)
    ]
    assert values[0] == min(values)
    # where the penalty would have none of W, the scale stays
    heavy = Penalty.elastic(4, 1e6)
    assert balancing.best_scale(W, X @ Ht, square, W.T @ W, heavy) == 1.0


@pytest.mark.parametrize(
    ("shape", "entries", "k", "sweeps"),
    [
        ((2000, 1700), 7, 30, 2),  # short rows: a product costs little beside a sweep
        ((2000, 1700), 28, 30, 4),
        ((2000, 1700), 200, 30, 16),
        ((300, 200), 5, 60, 2),
        ((40, 30), 9, 10, 16),  # calls cost more than either
    ],
)
def test_hals_sweeps_by_the_costs_of_a_product_and_a_sweep(shape, entries, k, sweeps):
    """Gillis and Glineur's rule with costs of a model, see D-HALS-SWEEPS."""
    X = sp.random_array(shape, density=entries / shape[1], random_state=0, format="csr")
    models = [
        NMF(k, "random", solver, random_state=0, max_iter=5, tol=0)
        for solver in ("hals", Hals(tol=0, sweeps=sweeps))
    ]
    model, same = (one.fit(X) for one in models)
    np.testing.assert_array_equal(model.components_, same.components_)
    assert (same.history_["sweeps"] <= sweeps).all()
    told, asked = (one.plan(X).as_dict()["choices"]["sweeps"] for one in models)
    assert told["value"] == asked["value"] == sweeps
    assert "sweeps" in told["reason"]
    assert "sweeps      " in str(models[0].plan(X))


def test_hals_sweeps_more_the_more_a_product_costs():
    for k in (2, 10, 50):
        for shape in ((50, 40), (2000, 300), (100_000, 20_000)):
            X = SimpleNamespace(shape=shape, sparse=True)
            counts = []
            for X.product_entries in np.array([1, 5, 25, 125]) * shape[0]:
                counts.append(most_sweeps(X, k))
            assert counts == sorted(counts)
            assert 1 <= counts[0] <= counts[-1] <= 16


def test_auto_says_what_it_picked():
    model = NMF(3, init="random", solver="auto", random_state=0).fit(low_rank())
    assert model.solver_ in ("hals", "bpp")
    assert model.get_params()["solver"] == "auto"


@fast
def test_the_state_has_three_arrays_of_each_factor(solver):
    """They take turns: a long fit allocates no more."""
    X = as_operand(low_rank())
    problem = make_problem(X.X, 5)
    case = make_solver(solver, tol=0.0)
    state = case.start(problem, *factors(X.shape, 5))
    seen = {}
    for _ in range(40):
        case.iterate(problem, state)
        for role in ("start_W", "plain_W", "W", "spare_W", "extra_W"):
            array = getattr(state, role)
            if array is not None:
                seen[id(array)] = array
    assert len(seen) == 3
