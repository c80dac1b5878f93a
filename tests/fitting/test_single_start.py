"""A fit of float64 data may start in float32: it ends in float64, as one that never did."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF
from nonneg.constraints import Simplex
from nonneg.fitting import plan_choices
from nonneg.solvers.hals import Hals
from support.cases import MAIN_STORAGES, STORAGES, data
from support.stopping import Stop, ending

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
K = 4
FIT = {"init": "random", "random_state": 0, "solver": "hals"}


@pytest.fixture
def always(monkeypatch):
    """Every size of X is enough."""
    monkeypatch.setattr(plan_choices, "SINGLE_WORK", 0)


@pytest.fixture
def recasts(monkeypatch, always):
    """The iterations after which fits went over to float64."""
    found, recast = [], Hals.recast

    def recorded(self, problem, state):
        assert state.W.dtype == np.float32
        found.append(state.n_iter)
        recast(self, problem, state)

    monkeypatch.setattr(Hals, "recast", recorded)
    return found


def half_square(X, model, W):
    return 0.5 * np.linalg.norm(X - W @ model.components_) ** 2


def precision(model, X):
    """What the plan says of the precision."""
    choice = model.plan(X).as_dict()["choices"].get("precision")
    return choice and (choice["value"], choice["reason"])


@pytest.mark.parametrize("storage", MAIN_STORAGES)
@pytest.mark.parametrize("solver", ["hals", "auto"])
def test_a_fit_ends_in_float64(storage, solver, recasts):
    X, dense = STORAGES[storage](data(60, 40)), data(60, 40)
    model = NMF(K, **FIT | {"solver": solver}, max_iter=2000, tol=1e-8)
    W = model.fit_transform(X)
    assert len(recasts) == 1
    assert 0 < recasts[0] < model.n_iter_
    assert W.dtype == model.components_.dtype == np.float64
    assert model.stop_reason_ == "converged"
    # a gradient that float32 could not tell from 0
    H = model.components_
    gradient = (W @ H - dense) @ H.T
    projected = np.where(W > 0, gradient, np.minimum(gradient, 0))
    assert np.linalg.norm(projected) < 1e-12 * np.linalg.norm(dense @ H.T)
    last = model.history_["objective"][-1]
    assert last == pytest.approx(half_square(dense, model, W), rel=1e-10)
    assert model.reconstruction_err_ == pytest.approx(np.sqrt(2 * last), rel=1e-10)
    np.testing.assert_allclose(model.transform(X), W, rtol=1e-7, atol=1e-10)


def test_it_ends_where_a_fit_in_float64_does(recasts, monkeypatch):
    X = data(60, 40)
    model = NMF(K, **FIT, max_iter=3000, tol=1e-9)
    started = model.fit(X).reconstruction_err_
    assert recasts
    monkeypatch.setattr(plan_choices, "SINGLE_WORK", np.inf)
    assert model.fit(X).reconstruction_err_ == pytest.approx(started, rel=1e-5)


@pytest.mark.parametrize("penalties", [{}, {"alpha_W": 0.01, "l1_ratio": 0.5}])
@pytest.mark.parametrize("order", "CF")
def test_neither_threads_nor_callbacks_change_a_bit(order, penalties, recasts):
    X = np.asarray(data(300, 60), order=order)
    options = FIT | penalties | {"max_iter": 300, "tol": 1e-6}
    fits = [
        NMF(K, **options, n_threads=n_threads, callback=callback).fit(X)
        for n_threads, callback in ((1, None), (2, None), (1, lambda _: False))
    ]
    assert len(set(recasts)) == 1
    for other in fits[1:]:
        assert other.n_iter_ == fits[0].n_iter_
        np.testing.assert_array_equal(other.components_, fits[0].components_)


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize(("n_iter", "tol"), [(2000, 1e-8), (4, 0)])
def test_the_best_of_several_starts_ends_in_float64(order, n_iter, tol, recasts):
    X = np.asarray(data(60, 40), order=order)
    options = FIT | {"max_iter": n_iter, "tol": tol}
    model = NMF(K, **options, n_init=3)
    W = model.fit_transform(X)
    assert len(recasts) == 3
    assert W.dtype == np.float64
    last = model.history_["objective"][-1]
    assert last == pytest.approx(half_square(X, model, W), rel=1e-10)
    assert last == np.min(model.history_["objectives"][-1])
    np.testing.assert_allclose(model.transform(X), W, rtol=1e-7, atol=1e-10)
    one = NMF(K, **options).fit(X)
    assert model.reconstruction_err_ <= one.reconstruction_err_ * (1 + 1e-6)


def test_several_starts_end_where_those_in_float64_do(recasts, monkeypatch):
    X = data(60, 40)
    model = NMF(K, **FIT, max_iter=3000, tol=1e-9, n_init=3)
    started = model.fit(X).history_["objectives"][-1]
    monkeypatch.setattr(plan_choices, "SINGLE_WORK", np.inf)
    # some may end in another optimum, the best one not
    other = model.fit(X).history_["objectives"][-1]
    assert min(other) == pytest.approx(min(started), rel=1e-5)


def test_a_nearly_exact_fit_goes_over_where_float32_has_no_digits_left(recasts):
    rng = np.random.default_rng(0)
    X = rng.random((60, K)) @ rng.random((K, 40))
    model = NMF(K, **FIT, max_iter=400, tol=1e-6)
    W = model.fit_transform(X)
    assert half_square(X, model, W) < 1e-6 * 0.5 * np.linalg.norm(X) ** 2
    before = np.array(model.history_["objective"][: recasts[0]])
    assert (before[:-1] > 1e-3 * 0.5 * np.linalg.norm(X) ** 2).all()


def test_an_end_in_float32_is_polished_in_float64(recasts):
    X = data(60, 40)
    model = NMF(K, **FIT, max_iter=3, tol=0)
    W = model.fit_transform(X)
    assert recasts == [3]
    assert W.dtype == np.float64
    np.testing.assert_allclose(model.transform(X), W, rtol=1e-9, atol=1e-12)
    assert model.history_["objective"][-1] <= model.history_["objective"][-2] * (
        1 + 1e-6
    )


@pytest.mark.parametrize("scale", [1e-60, 1e60])
def test_factors_beyond_float32_start_in_float64(scale, recasts):
    X = data(60, 40)
    W, H = np.random.default_rng(0).random((2, 60, K))
    H = H[:40].T
    options = {"init": "custom", "max_iter": 20, "tol": 0, "solver": "hals"}
    plain = NMF(K, **options).fit(X, W=W, H=H)
    assert recasts
    del recasts[:]
    far = NMF(K, **options).fit(X, W=W * scale, H=H / scale)
    assert not recasts
    np.testing.assert_allclose(far.components_, plain.components_, rtol=0.05, atol=0.05)


def test_an_interrupt_in_float32_leaves_factors_in_float64(always):
    X = data(60, 40)

    def stop(iteration):
        if iteration.n_iter == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        NMF(K, **FIT, callback=stop).fit(X)
    result = caught.value.result
    assert result.W.dtype == result.H.dtype == np.float64
    assert result.n_iter == 3
    error = 0.5 * np.linalg.norm(X - result.W @ result.H) ** 2
    assert result.objective == pytest.approx(error, rel=1e-4)


def test_time_that_ends_in_float32_leaves_the_loss_of_the_factors(always):
    X = data(60, 40)
    model = NMF(K, **FIT, tol=0, max_time=1e-9)
    W = model.fit_transform(X)
    assert model.stop_reason_ == "max_time"
    assert W.dtype == np.float64
    error = np.linalg.norm(X - W @ model.components_)
    assert model.reconstruction_err_ == pytest.approx(error, rel=1e-12)


@pytest.mark.parametrize(("n_iter", "n_init"), [(4, 1), (200, 1), (4, 3), (200, 3)])
def test_a_checkpoint_goes_on_in_its_precision(
    n_iter, n_init, recasts, tmp_path, monkeypatch
):
    X, path = data(60, 40), tmp_path / "fit"
    options = FIT | {"max_iter": 400, "tol": 0, "n_init": n_init}
    whole = NMF(K, **options).fit(X)
    assert 4 < recasts[0] < 200
    stop = ending(n_iter)
    with pytest.raises(Stop):
        NMF(K, **options, checkpoint=path, checkpoint_every=1, callback=stop).fit(X)
    # another choice does not change a fit that has begun
    monkeypatch.setattr(plan_choices, "SINGLE_WORK", np.inf)
    resumed = NMF(K, **options, checkpoint=path, resume=True).fit(X)
    assert resumed.n_iter_ == whole.n_iter_
    np.testing.assert_array_equal(resumed.components_, whole.components_)


def test_a_sparse_matrix_shares_its_indices_and_stays_as_it_is(always):
    X = sp.csr_array(data(60, 40))
    before = X.copy()
    model = NMF(K, **FIT, max_iter=20)

    def spoil(iteration):
        with pytest.raises(ValueError, match="read-only"):
            X.indices[:] = 10**9

    model.set_params(callback=spoil).fit(X)
    assert X.dtype == np.float64
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(X, name), getattr(before, name))
        assert getattr(X, name).flags.writeable


def test_the_plan_says_when_and_why(always, monkeypatch):
    X = data(60, 40)
    model = NMF(K, **FIT)
    value, reason = precision(model, X)
    assert value == "float32, then float64"
    assert "half of the time" in reason
    assert "\nprecision   float32, then float64: " in str(model.plan(X))
    large = data(300, 200)
    facts = model.plan(large).as_dict()
    assert facts["memory_of_single"] == 4 * (large.size - Hals.arrays * K * 500)
    assert "for X in float32" in str(model.plan(large))
    assert precision(model, X * 1e30) == ("float64", "X is beyond the range of float32")
    limit = facts["memory"] - 1000
    told = precision(NMF(K, **FIT, memory_limit=limit), large)
    assert told == ("float64", "memory_limit leaves no room for a copy in float32")
    monkeypatch.setattr(plan_choices, "MOST_SINGLE", 100)
    assert precision(model, X) == (
        "float64", "a copy in float32 would take more than 1 GB"
    )  # fmt: skip
    assert precision(NMF(K, **FIT, memory_limit="1GB"), X)[0] != "float64"


@pytest.mark.parametrize("options", [{"solver": "cd"}, {"compress": True}])
def test_what_stays_in_float64(options, always):
    assert precision(NMF(K, **FIT | options), data(60, 40)) is None


def test_constrained_fits_stay_in_float64(always):
    model = NMF(K, **FIT, constraints_W=Simplex())
    assert precision(model, data(60, 40)) is None


def test_small_and_float32_data_is_no_question():
    X = data(60, 40)
    assert precision(NMF(K, **FIT), X) is None
    large = np.random.default_rng(0).random((4000, 700))
    assert precision(NMF(K, **FIT), large)[0] == "float32, then float64"
    assert precision(NMF(K, **FIT), large.astype(np.float32)) is None
