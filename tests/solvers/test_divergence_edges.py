"""β-divergences at their edges: strong penalties, limits of β, tiny and huge data, interrupts."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from nonneg import NMF, MiniBatchNMF, beta_divergence, kernels
from nonneg.kernels.beta_terms import BetaTerms, multiplied
from nonneg.kernels.newton_steps import NewtonUpdate
from nonneg.kernels.row_methods import RowArrays
from nonneg.kernels.term_records import TermShared
from nonneg.losses.beta import make_loss
from nonneg.operands.registration import as_operand
from nonneg.solvers.steps import column_scaled, newton_rows
from nonneg.solvers.steps.batch_problem import LossAtScale
from support import oracles
from support.cases import DTYPES, MAIN_STORAGES, STORAGES, counts, data, factors
from support.combinations import covering

K = 5
ignores_warnings = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"
)


def objective(model, X, W, alpha):
    """Penalised, for alpha_W = alpha_H = alpha and L2."""
    n, m = X.shape
    H = model.components_
    value = oracles.divergence(X, W, H.T, 1.0)
    return value + 0.5 * alpha * (m * (W * W).sum() + n * (H * H).sum())


# --- stopping -----------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [1.0, 1e2, 1e4, 1e6])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("start", [("random", 5), ("nndsvda", 2), ("nndsvda", 5)])
def test_a_strong_penalty_ends_no_fit_early(alpha, dtype, start):
    """The first steps overshoot; what they were above is no measure of what is left."""
    X, (init, k) = counts().astype(dtype), start
    values = {}
    for solver in ("mu", "sn"):
        model = NMF(
            k, init, solver, tol=1e-6, max_iter=500, random_state=0,
            beta_loss=1, alpha_W=alpha,
        )  # fmt: skip
        values[solver] = objective(model, X, model.fit_transform(X), alpha)
        assert model.stop_reason_ == "converged"
    assert values["sn"] <= values["mu"] * (1 + 1e-3)


@pytest.mark.parametrize("max_iter", [7, 20, 25])
@ignores_warnings
def test_the_best_of_several_starts_is_that_of_the_end(max_iter):
    """ "mu" looks at its objective every tenth iteration."""
    X = counts()
    options = {"solver": "mu", "init": "random", "beta_loss": 1, "max_iter": max_iter}
    for seed in range(4):
        together = NMF(K, random_state=seed, n_init=6, tol=0, **options).fit(X)
        seeds = np.random.RandomState(seed).randint(2**31 - 1, size=6)
        alone = [
            NMF(K, random_state=s, tol=0, **options).fit(X).reconstruction_err_
            for s in (seed, *seeds[1:].tolist())
        ]
        assert together.reconstruction_err_ == pytest.approx(min(alone), rel=1e-12)
        known = np.isfinite(together.history_["objective"])
        every = np.arange(1, known.size + 1) % 10 == 0
        np.testing.assert_array_equal(known, every)


@pytest.mark.parametrize("storage", ["dense-C", "csr-array"])
def test_rows_that_are_not_solved_for_are_told(storage, monkeypatch):
    """Components that are all but equal, and few sweeps."""
    monkeypatch.setattr(newton_rows, "EXACT_SWEEPS", 2)
    rng = np.random.default_rng(0)
    H = rng.random((1, 40)) + 1e-5 * rng.random((K, 40))
    X = STORAGES[storage](rng.poisson(9.0, (30, 40)).astype(float))
    model = NMF(K, "random", "sn", random_state=0, beta_loss=1, max_iter=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X)
    model.components_ = H
    with pytest.warns(ConvergenceWarning, match="rows of W are not solved for"):
        model.transform(X)


# --- limits of β --------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0.0, 1.0])
@pytest.mark.parametrize("step", [1e-16, 3e-9, 5e-8, 1e-5, 1e-3])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", ["dense-C", "csr-array"])
@ignores_warnings
def test_fits_go_on_into_the_limits_of_beta(limit, step, dtype, storage):
    X = STORAGES[storage](counts().astype(dtype) + dtype(0.5))
    errors = [
        NMF(K, "random", "mu", random_state=0, beta_loss=beta, max_iter=30)
        .fit(X)
        .reconstruction_err_
        for beta in (limit, limit - step, limit + step)
    ]
    # the value itself has few digits next to the limit
    digits = float(np.sqrt(np.finfo(dtype).eps))
    assert errors[1:] == pytest.approx([errors[0]] * 2, rel=5 * step + 20 * digits)


@pytest.mark.parametrize("beta", [1e-3, 0.01, 0.1, 0.5, 1.001, 1.5])
@pytest.mark.parametrize("storage", ["dense-C", "csr-array"])
def test_an_exact_product_with_zeros_is_at_no_distance(beta, storage):
    """0^β is 0 for every β > 0."""
    eye = np.eye(40)
    assert beta_divergence(STORAGES[storage](eye), eye, eye, beta) < 1e-9


# --- units --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "solver", "storage"),
    covering([1e-150, 1e-30, 1e12, 1e15, 1e25, 1e100], ["mu", "sn"], MAIN_STORAGES),
)
@ignores_warnings
def test_kullback_leibler_at_any_size(size, solver, storage):
    X, unit = counts(), 2.0 ** round(np.log2(size))
    model = NMF(K, "random", solver, random_state=0, beta_loss=1, max_iter=50, tol=0)
    plain = model.fit(STORAGES[storage](X)).reconstruction_err_ ** 2
    scaled_by = model.fit(STORAGES[storage](unit * X)).reconstruction_err_ ** 2 / unit
    assert scaled_by == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("size", [1e-30, 1e-20, 4e14, 1e25])
@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("storage", ["dense-C", "csr-array"])
@ignores_warnings
def test_float32_at_any_size(size, beta, storage):
    """A fit, or a sentence: no components of zeros, no numbers out of nothing."""
    X, unit = (counts() + 1).astype(np.float32), np.float32(2.0 ** round(np.log2(size)))
    model = NMF(K, "random", "mu", random_state=0, beta_loss=beta, max_iter=40, tol=0)
    plain = model.fit(STORAGES[storage](X)).components_
    large = model.fit(STORAGES[storage](unit * X)).components_
    level = np.sqrt(float(unit))
    np.testing.assert_allclose(large / level, plain, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(("beta", "size"), [(-0.5, 1e-30), (3.0, 1e20), (0.0, 1e-37)])
def test_powers_beyond_float32_are_refused(beta, size):
    X = np.full((6, 5), size, dtype=np.float32)
    model = NMF(2, "random", "mu", beta_loss=beta)
    with pytest.raises(ValueError, match="beyond the range of float32"):
        model.fit(X)


def test_zeros_stay_zeros_whatever_they_are_multiplied_by(compiled_or_not):
    A = np.array([[0.0, 1.0], [2.0, 0.0]])
    numerator = np.array([[np.inf, 3.0], [4.0, np.inf]])
    for beta in (1.0, 0.5):
        terms = BetaTerms(beta, 1e-12)
        moved = compiled_or_not(A, numerator, np.ones(2), *np.zeros((2, 2)), terms)
        assert moved[0, 0] == moved[1, 1] == 0
        assert moved[0, 1] > 0


@pytest.fixture(params=[kernels.multiplied, multiplied], ids=["core", "reference"])
def compiled_or_not(request):
    return request.param


# --- parts --------------------------------------------------------------------------------


def test_the_newton_reference_takes_weights():
    """Each entry of the divergence counts as often as its weight says."""
    X = data(9, 7)
    W, Ht = factors(X.shape, 3, np.float64)
    M = np.random.default_rng(0).random(X.shape)
    rows = RowArrays(W, np.empty_like(W))
    shared = TermShared(Ht, None, np.zeros(3), np.zeros(3))
    found = NewtonUpdate(1e-12, sweeps=2)(X, M, rows, shared)
    Y = rows.solved @ Ht.T
    logs = np.zeros_like(X)
    logs[X > 0] = X[X > 0] * np.log(X[X > 0] / Y[X > 0])
    assert found.value == pytest.approx((M * (logs - X + Y)).sum(), rel=1e-12)


def test_an_interrupt_leaves_the_components_of_the_step_before(monkeypatch):
    X = sp.random_array((60, 400), density=0.02, random_state=0, format="csr")
    X.data = np.ceil(9 * X.data)
    steps = []

    def one_more(iteration):
        steps.append(iteration.n_iter)

    def fit():
        return MiniBatchNMF(
            K, batch_size=10, beta_loss=1, tol=0, max_no_improvement=None,
            max_iter=2, random_state=0, callback=one_more,
        ).fit(X)  # fmt: skip

    move = column_scaled.move_scaled

    def interrupted(*arguments):
        sums = move(*arguments)
        if len(steps) == 7:
            raise KeyboardInterrupt
        return sums

    states = []
    monkeypatch.setattr(column_scaled, "move_scaled", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        fit()
    states.append(caught.value.result.H)
    monkeypatch.setattr(column_scaled, "move_scaled", move)
    steps.clear()
    model = MiniBatchNMF(
        K, batch_size=10, beta_loss=1, tol=0, max_no_improvement=None,
        max_iter=2, random_state=0, callback=lambda i: i.n_iter == 7,
    ).fit(X)  # fmt: skip
    np.testing.assert_allclose(states[0], model.components_, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 0.5), (0.5, 0.7), (1.5, 1)])
def test_a_stream_keeps_to_its_loss(first, second):
    X = counts() + 0.5
    model = MiniBatchNMF(K, beta_loss=first, random_state=0).partial_fit(X)
    before = model.components_.copy()
    with pytest.raises(ValueError, match="another value of `beta_loss`"):
        model.set_params(beta_loss=second).partial_fit(X)
    np.testing.assert_array_equal(model.components_, before)
    model.set_params(beta_loss=first).partial_fit(X)


@pytest.mark.parametrize("solver", ["cd", "hals", "bpp", "pg", "sn", "auto"])
def test_acceleration_is_refused_by_solvers_without_it(solver):
    model = NMF(2, "random", solver, beta_loss=1 if solver == "sn" else 2)
    with pytest.raises(ValueError, match="accelerate=True is an option of solver='mu'"):
        model.set_params(accelerate=True).fit(data(20, 9))


@pytest.mark.parametrize("solver", ["cd", "hals", "mu", "sn", "irls"])
@ignores_warnings
def test_transform_does_not_call_back(solver):
    calls = []
    model = NMF(
        2, "random", solver, beta_loss=1 if solver in ("mu", "sn") else 2, max_iter=3,
        callback=calls.append,
    ).fit(data(20, 9))  # fmt: skip
    calls.clear()
    model.transform(data(20, 9))
    assert not calls


def test_a_batch_of_the_loss_can_be_copied():
    loss = LossAtScale(make_loss(1), as_operand(data(20, 9)))
    for twin in (
        copy.copy(loss),
        copy.deepcopy(loss),
        pickle.loads(pickle.dumps(loss)),
    ):
        assert twin.name == loss.name
        assert twin.terms(None) == loss.terms(None)


def test_the_transpose_knows_what_is_known():
    X = as_operand(data(20, 9))
    known = X.stats()
    assert X.T is X.T
    assert vars(X.T)["summary"] is X.summary
    assert X.T.stats() == known


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array, sp.csc_array])
@pytest.mark.parametrize("scale", [1e6, 1e9, 1e12, 1e18])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_large_counts_in_float32(storage: Any, scale: float) -> None:
    """Σx·(h/y)² may be beyond float32 where y is next to nothing; no entry stops there."""
    rng = np.random.default_rng(0)
    W, H = (rng.gamma(1, size=s) * (rng.random(s) < 0.6) for s in ((60, 4), (4, 30)))
    counts = (W @ H) * rng.gamma(20, 0.05, (60, 30))
    X = storage((scale * counts).astype(np.float32))
    for solver, close in (("sn", 1.001), ("mu", 1.02)):
        for init, seed in (("nndsvda", 0), ("random", 0), ("random", 1), ("random", 2)):
            model = NMF(
                4, solver=solver, beta_loss=1, init=init, random_state=seed,
                max_iter=400,
            )  # fmt: skip
            W_fit = model.fit_transform(X)
            factors = (
                np.float64(A) / np.sqrt(scale) for A in (W_fit, model.components_)
            )
            error = beta_divergence(counts, *factors, 1) / counts.sum()
            assert error < close * 0.021407, (solver, init, seed)
            rows = model.transform(X)
            factors = (
                np.float64(A) / np.sqrt(scale) for A in (rows, model.components_)
            )
            assert beta_divergence(counts, *factors, 1) < 1.01 * error * counts.sum()
