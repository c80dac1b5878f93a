"""`max_time` bounds the whole call: whatever runs at its end is cut short and said to be."""

from __future__ import annotations

import time
import types
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from nonneg import (
    NMF,
    MiniBatchNMF,
    kernels,
    non_negative_factorization,
    reconstruction_error,
)
from nonneg.base import deadline
from nonneg.base.interfaces import SolverBase
from nonneg.constraints import Bounds, Simplex, Smooth
from nonneg.initialization.svd_start import INITS
from nonneg.losses import metrics
from nonneg.solvers.registry import solvers
from support.cases import MAIN_STORAGES, STORAGES, data
from support.combinations import covering
from support.requirements import needs_core

SOLVERS = list(solvers)
LOOKS = (0, 1, 2, 3, 5, 9, 14)
"""Looks at the clock after which time is over."""
LIMIT = 50
"""Seconds of these fits, which none of them takes: the clock of the tests says when they are over."""
FEW = 12
"""Looks that may follow, to get from where time ended to the caller."""


class Clock:
    """A clock by which time is over after so many looks at it."""

    def __init__(self, looks):
        self.left, self.looks = looks, 0

    def monotonic(self):
        self.looks += 1
        return 0.0 if self.looks <= self.left + 1 else 100.0


@pytest.fixture
def over_after(monkeypatch):
    def begin(looks):
        clock = Clock(looks)
        monkeypatch.setattr(
            deadline, "time", types.SimpleNamespace(monotonic=clock.monotonic)
        )
        return clock

    return begin


def loss_for(solver):
    poisson = "poisson" in solvers[solver].requires
    return {"beta_loss": "kullback-leibler" if poisson else "frobenius"}


def quietly(call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return call()


@pytest.mark.parametrize(
    ("solver", "storage", "looks"), covering(SOLVERS, MAIN_STORAGES, LOOKS)
)
def test_a_fit_may_be_cut_anywhere(solver, storage, looks, over_after):
    X, options = STORAGES[storage](data()), loss_for(solver)
    clock = over_after(looks)
    model = NMF(
        3, "random", solver, random_state=0, max_time=LIMIT, tol=0, max_iter=100_000,
        **options,
    )  # fmt: skip
    W = quietly(lambda: model.fit_transform(X))
    assert model.stop_reason_ == "max_time"
    assert clock.looks <= looks + FEW
    for A in (W, model.components_):
        assert np.isfinite(A).all()
        assert (A >= 0).all()
    n_rows = len(model.history_["residual"])
    assert n_rows == model.n_iter_
    if not np.isnan(model.reconstruction_err_):
        H = model.components_
        error = (
            reconstruction_error(data(), W, H)
            if options["beta_loss"] == "frobenius"
            else np.sqrt(2 * metrics.beta_divergence(data(), W, H, 1))
        )
        np.testing.assert_allclose(model.reconstruction_err_, error, rtol=1e-6)


def with_gaps(X):
    X = X.copy()
    X[::3, ::4] = np.nan
    return X


KNOWN = {
    "NaN": (with_gaps, {"missing_values": np.nan}),
    "unstored": (sp.csr_array, {"missing_values": "unstored"}),
    "simplex": (np.array, {"constraints_W": [Simplex()]}),
    "smooth": (
        np.array,
        {"constraints_H": [Smooth(1.0)], "alpha_W": 0.1, "alpha_H": 0.1},
    ),
    "signed": (lambda X: X - 0.5, {"constraints_W": [Bounds(-np.inf)]}),
    "simplex, NaN": (
        with_gaps,
        {"constraints_W": [Simplex()], "missing_values": np.nan},
    ),
}


@pytest.mark.parametrize(
    ("known", "solver", "looks"), covering(list(KNOWN), ("hals", "bpp", "mu"), LOOKS)
)
def test_a_fit_with_gaps_or_constraints_may_be_cut_anywhere(
    known, solver, looks, over_after
):
    make, options = KNOWN[known]
    if known == "signed" and solver == "mu":
        solver = "auto"
    clock = over_after(looks)
    model = NMF(
        3, "random", solver, random_state=0, max_time=LIMIT, tol=0, max_iter=100_000,
        **options,
    )  # fmt: skip
    W = quietly(lambda: model.fit_transform(make(data())))
    assert model.stop_reason_ == "max_time"
    assert clock.looks <= looks + FEW
    assert np.isfinite(W).all()
    assert np.isfinite(model.components_).all()
    if "simplex" in known:
        np.testing.assert_allclose(W.sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_limit_that_is_not_reached_changes_no_bit(solver):
    X, options = data(), {"random_state": 0, **loss_for(solver)}
    model, limited = (
        NMF(3, solver=solver, **options),
        NMF(3, solver=solver, max_time=1e4, **options),
    )
    for name in ("fit_transform", "transform"):
        W = quietly(lambda: getattr(model, name)(X))  # noqa: B023
        np.testing.assert_array_equal(W, quietly(lambda: getattr(limited, name)(X)))  # noqa: B023
    assert limited.stop_reason_ == model.stop_reason_


@pytest.mark.parametrize(
    "solver", [s for s in SOLVERS if solvers[s].polish is not SolverBase.polish]
)
def test_a_cut_last_solve_leaves_the_best_pair(solver, over_after):
    """The pair, its error and its residual are those of the iterations."""
    X, options = (
        data(),
        {"random_state": 0, "max_iter": 4, "tol": 0, **loss_for(solver)},
    )
    whole = NMF(3, "random", solver, **options).fit(X)
    clock = over_after(10**6)

    def callback(iteration):
        if iteration.n_iter == 4:
            clock.left = 0

    model = NMF(3, "random", solver, max_time=LIMIT, callback=callback, **options).fit(
        X
    )
    assert model.stop_reason_ == "max_time"
    best = np.min(whole.history_["objective"][:4])
    np.testing.assert_allclose(0.5 * model.reconstruction_err_**2, best, rtol=1e-9)
    np.testing.assert_array_equal(
        model.history_["residual"], whole.history_["residual"][:4]
    )


@pytest.mark.parametrize("init", INITS)
def test_a_cut_start_is_replaced_by_a_random_one(init, over_after):
    clock = over_after(0 if init == "random" else 2)
    model = NMF(3, init, random_state=0, max_time=LIMIT)
    with pytest.warns(ConvergenceWarning, match="before the first iteration"):
        W = model.fit_transform(data())
    assert (model.stop_reason_, model.n_iter_) == ("max_time", 0)
    assert model.history_["objective"].size == 0
    assert W.any()
    assert clock.looks <= 2 + FEW


def test_many_starts_are_not_drawn_beyond_the_time(over_after):
    clock = over_after(40)
    model = NMF(3, "random", random_state=0, n_init=10**4, max_time=LIMIT)
    with pytest.warns(ConvergenceWarning, match="before the first iteration"):
        model.fit(data())
    assert clock.looks <= 40 + FEW


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_cut_transform_warns_and_leaves_rows_as_they_started(solver, over_after):
    X = data()
    model = NMF(3, "random", solver, random_state=0, **loss_for(solver))
    quietly(lambda: model.fit(X))
    model.set_params(max_time=LIMIT)
    over_after(0)
    with pytest.warns(ConvergenceWarning, match="not reached are as they started"):
        W = model.transform(X)
    assert (W[0] == W).all()
    over_after(0)
    with pytest.warns(ConvergenceWarning, match="not reached"):
        non_negative_factorization(
            X, H=model.components_, n_components=3, update_H=False, solver=solver, max_time=LIMIT,
            **loss_for(solver),
        )  # fmt: skip


@pytest.mark.parametrize("options", [{"compress": True}, {"blocks": 2}, {"n_init": 3}])
@pytest.mark.parametrize("looks", LOOKS)
def test_composed_fits_may_be_cut_anywhere(options, looks, over_after):
    clock = over_after(looks)
    model = NMF(
        2,
        "random",
        "hals",
        random_state=0,
        tol=0,
        max_iter=10**6,
        max_time=LIMIT,
        **options,
    )
    quietly(lambda: model.fit(data()))
    assert model.stop_reason_ == "max_time"
    assert np.isfinite(model.components_).all()
    assert clock.looks <= looks + FEW


@pytest.mark.parametrize("looks", LOOKS)
@pytest.mark.parametrize("fresh", [False, True])
def test_mini_batches_may_be_cut_anywhere_and_go_on(looks, fresh, over_after):
    X = data()
    over_after(looks)
    model = MiniBatchNMF(
        2, batch_size=5, tol=0, max_no_improvement=None, random_state=0, max_time=LIMIT,
        fresh_restarts=fresh,
    )  # fmt: skip
    quietly(lambda: model.fit(X))
    assert model.stop_reason_ == "max_time"
    over_after(10**9)
    model.partial_fit(X)
    assert np.isfinite(model.components_).all()


def store_of(X):
    def blocks():
        for start in range(0, len(X), 4):
            yield X[start : start + 4]

    return blocks


def test_a_store_that_could_not_be_read_once_is_a_timeout(over_after):
    over_after(1)
    model = NMF(2, "random", "hals", random_state=0, max_time=LIMIT)
    with pytest.raises(TimeoutError, match="before X was read once"):
        model.fit(store_of(data()))


@pytest.mark.parametrize("looks", [3, 5, 8, 13, 21])
def test_a_store_is_read_no_further_than_time_allows(looks, over_after):
    clock = over_after(looks)
    model = NMF(2, "random", "hals", random_state=0, max_time=LIMIT, tol=0)
    quietly(lambda: model.fit(store_of(data())))
    assert model.stop_reason_ == "max_time"
    assert clock.looks <= looks + FEW


def test_rows_of_out_behind_the_last_one_in_time_keep_their_content(over_after):
    X = data()
    model = NMF(2, "random", "hals", random_state=0).fit(X)
    out = np.full((len(X), 2), 7.0)
    over_after(0)
    model.set_params(max_time=LIMIT)
    with pytest.warns(ConvergenceWarning, match="not reached"):
        model.transform(store_of(X), out=out)
    assert (out == 7).all()


def test_the_callers_code_has_no_limit(over_after):
    X, errors = data(), []

    def callback(iteration):
        errors.append(NMF(2, random_state=0, max_iter=2, tol=0).fit(X).stop_reason_)

    over_after(8)
    model = NMF(2, "random", "hals", random_state=0, max_time=LIMIT, callback=callback)
    quietly(lambda: model.fit(X))
    assert set(errors) == {"max_iter"}


def test_limits_nest_and_end():
    with deadline.time_limit(1e3):
        outer = deadline.seconds_left()
        with deadline.time_limit(1e6):
            assert deadline.seconds_left() <= outer
        with deadline.time_limit(1e-9), pytest.raises(deadline.OutOfTime):
            deadline.check()
        with deadline.no_limit():
            assert deadline.seconds_left() is None
        deadline.check()
    assert deadline.seconds_left() is None
    deadline.check()


def test_a_checkpoint_comes_before_the_iteration_that_would_be_cut(tmp_path):
    X, path = data(), tmp_path / "fit"
    options = {"random_state": 0, "tol": 0, "max_iter": 6}
    slow = {"max_time": 0.2, "callback": lambda iteration: time.sleep(0.3)}
    model = NMF(3, "random", "hals", checkpoint=path, **options, **slow).fit(X)
    assert (model.stop_reason_, model.n_iter_) == ("max_time", 1)
    resumed = NMF(3, "random", "hals", checkpoint=path, resume=True, **options).fit(X)
    whole = NMF(3, "random", "hals", **options).fit(X)
    np.testing.assert_array_equal(resumed.components_, whole.components_)


@needs_core
@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_core_looks_at_the_clock_within_a_task(n_threads):
    """One task of many rows takes seconds, and is left within it."""
    rng = np.random.default_rng(0)
    k = 150
    G = rng.random((2 * k, k))
    gram, rhs = G.T @ G, rng.standard_normal((30_000, k))
    A = np.zeros_like(rhs)
    with deadline.time_limit(0.05), pytest.raises(deadline.OutOfTime):
        kernels.exact_solve(A, rhs, gram, np.zeros(k), n_threads=n_threads)
    assert A.any()  # rows that were reached are solved for, the others as before
    assert not A[-1].any()
    # the pool is as good as new
    B = np.zeros((10, k))
    kernels.exact_solve(B, rhs[:10], gram, np.zeros(k), n_threads=n_threads)
    assert B.any()


@needs_core
@pytest.mark.slow
@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("solver", ["sn", "irls", "hals", "bpp", "mu", "cd", "pg"])
def test_large_fits_end_in_time(solver, storage):
    """Fits that would take minutes end within seconds of their limit of half a second."""
    columns = np.random.default_rng(0).integers(4000, size=40_000 * 80)
    X = sp.csr_matrix(
        (np.ones(len(columns)), columns, np.arange(0, len(columns) + 1, 80)),
        shape=(40_000, 4000),
    )
    if storage == "dense":
        X = X[:8000].toarray()
    model = NMF(
        60, solver=solver, random_state=0, max_time=0.5, tol=0, max_iter=10**6,
        **loss_for(solver),
    )  # fmt: skip
    begun = time.perf_counter()
    quietly(lambda: model.fit(X))
    assert time.perf_counter() - begun < 5
    assert model.stop_reason_ == "max_time"
    begun = time.perf_counter()
    quietly(lambda: model.transform(X))
    assert time.perf_counter() - begun < 5
