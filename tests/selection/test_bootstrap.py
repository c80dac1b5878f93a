"""Uncertainty of components: replicates are weighted fits, and intervals cover."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF, bootstrap, match_components
from nonneg.constraints import Bounds, Fixed
from nonneg.fitting.preparation import prepare_X
from nonneg.selection import intervals, replicates
from nonneg.selection.intervals import MatchedReplicates, middle_interval
from nonneg.selection.replicates import refits


def planted(seed, n=200, noise=0.03):
    """Rows that often lack a component, which lacks features: the parts are identifiable."""
    rng = np.random.default_rng(seed)
    H = np.abs(np.random.default_rng(0).normal(1, 0.3, size=(3, 12)))
    for t in range(3):
        H[t, t::3] = 0
    W = rng.gamma(1, size=(n, 3)) * (rng.random((n, 3)) < 0.6)
    X = W @ H
    return np.maximum(X + noise * rng.standard_normal(X.shape) * (X > 0), 0), H


def fitted(X, **options):
    options = {
        "solver": "hals",
        "init": "nndsvda",
        "tol": 1e-8,
        "max_iter": 3000,
    } | options
    return NMF(3, random_state=0, **options).fit(X)


def refit(model, X, *weights, tol=1e-9):
    again = refits(model, X, prepare_X(X, 1), tol, 5000)
    return list(again.each(weights, lambda _, H: H))


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array, sp.csc_array])
def test_09_weights_of_one_leave_the_fit(storage):
    X, _ = planted(0)
    model = fitted(X)
    (H,) = refit(model, storage(X), np.ones(len(X)))
    order, cosine = match_components(model.components_, H)
    assert order.tolist() == [0, 1, 2]
    np.testing.assert_allclose(cosine, 1, atol=1e-9)


@pytest.mark.parametrize(
    "penalties", [{}, {"alpha_W": 0.002, "alpha_H": 0.003, "l1_ratio": 0.5}]
)
def test_09_weights_are_repeated_rows(penalties):
    X, _ = planted(1)
    model = fitted(X, **penalties)
    rng = np.random.default_rng(0)
    rows = rng.integers(len(X), size=len(X))
    (H,) = refit(model, X, np.bincount(rows, minlength=len(X)).astype(float))
    again = NMF(
        3, solver="hals", init="custom", tol=1e-9, max_iter=5000, **penalties
    ).fit(X[rows], W=model.transform(X[rows]), H=model.components_)
    first, second = (A / A.sum(axis=1, keepdims=True) for A in (H, again.components_))
    # both end near the same point, from sides of their own
    np.testing.assert_allclose(first, second, atol=1e-3 * first.max())


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
def test_09_refits_in_float32_are_those_in_float64(storage):
    """Data too large for squares in float32 are refitted in float64."""
    X, _ = planted(2)
    model, large = fitted(X), fitted(X)
    large.components_ = model.components_ * 1e10
    options = {"n_resamples": 4, "random_state": 0}
    single, double = (
        bootstrap(m, storage(A), **options).replicates
        for m, A in ((model, X), (large, X * 1e20))
    )
    assert not np.array_equal(single, double)
    np.testing.assert_allclose(single, double, atol=1e-4)


def test_09_intervals_cover_what_was_planted():
    covered = []
    for seed in range(8):
        X, H = planted(seed, 150)
        model = fitted(X, tol=1e-6)
        sure = bootstrap(model, X, n_resamples=60, random_state=seed).components
        order, _ = match_components(H, model.components_)
        truth = H / H.sum(axis=1, keepdims=True)
        inside = (sure.low[order] <= truth) & (truth <= sure.high[order])
        covered.append(inside[truth > 0].mean())
        assert np.all(sure.low <= sure.high)
    # below 0.95: zeros of W end a little above 0, which moves H by as much as the noise
    assert 0.75 < np.mean(covered) <= 1


def test_the_jackknife_agrees_with_the_bootstrap():
    X, _ = planted(3)
    model = fitted(X, tol=1e-6)
    options = {"random_state": 0, "tol": 1e-6, "max_iter": 500}
    boot = bootstrap(model, X, n_resamples=80, **options).components
    knife = bootstrap(
        model, X, n_resamples=50, method="jackknife", **options
    ).components
    large = boot.mean > 0.02
    ratio = np.median(knife.sd[large] / boot.sd[large])
    assert 0.7 < ratio < 1.4


def test_groups_are_drawn_together():
    X, _ = planted(4, 60)
    copies = np.repeat(X, 5, axis=0)
    model = fitted(copies, tol=1e-6)
    options = {"n_resamples": 60, "random_state": 0}
    alone = bootstrap(model, copies, **options).components.sd
    grouped = bootstrap(
        model, copies, groups=np.repeat(np.arange(60), 5), **options
    ).components.sd
    # five copies look like five times the data, unless they are known to be copies
    assert 1.6 < np.median(grouped[alone > 0] / alone[alone > 0]) < 3


def test_a_component_that_is_not_found_again_has_no_interval():
    X = np.random.default_rng(0).random((40, 10))
    model = NMF(6, init="random", random_state=0, solver="hals", max_iter=500).fit(X)
    sure = bootstrap(model, X, n_resamples=20, random_state=0, tol=1e-6).components
    for t, matched in enumerate(sure.matched):
        assert np.isfinite(sure.low[t]).all() == (matched >= 0.8)


def test_threads_float32_limits_and_the_callback():
    X, _ = planted(5)
    model = fitted(X.astype(np.float32), tol=1e-4)
    one, two = (
        bootstrap(
            model, X.astype(np.float32), n_resamples=5, random_state=0, n_threads=n
        )
        for n in (1, 2)
    )
    assert np.array_equal(one.replicates, two.replicates)
    told = []
    few = bootstrap(
        model,
        X,
        n_resamples=100,
        random_state=0,
        callback=lambda r: told.append(r) or True,
    )
    assert len(few.replicates) == told[0].done == 1
    assert "3 components, 1 replicates" in repr(few)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": np.zeros(60)}, "1 group of rows"),
        ({"groups": np.zeros(3)}, "one group for each row"),
        ({"n_resamples": 1}, "n_resamples"),
        ({"confidence_level": 1}, "confidence_level"),
        ({"method": "delete"}, "'bootstrap', 'jackknife'"),
    ],
)
def test_refusals(options, message):
    X, _ = planted(0, 60)
    with pytest.raises(ValueError, match=message):
        bootstrap(fitted(X, tol=1e-2), X, **options)
    with pytest.raises(ValueError, match="X has 11 features, and the model has 12"):
        bootstrap(fitted(X, tol=1e-2), X[:, 1:])


def test_counts_by_kullback_leibler():
    X, H = planted(6, 150)
    X = np.random.default_rng(0).poisson(20 * X).astype(float)
    model = NMF(3, solver="sn", beta_loss=1, init="nndsvda", max_iter=1000).fit(X)
    sure = bootstrap(model, X, n_resamples=10, random_state=0).components
    assert sure.matched.min() > 0.98
    order, _ = match_components(H, model.components_)
    truth = H / H.sum(axis=1, keepdims=True)
    assert np.abs(sure.mean[order] - truth).max() < 0.05
    assert np.all(sure.sd[sure.mean > 0.02] > 0)


@pytest.mark.parametrize("form", ["nan", "zero", "unstored"])
def test_replicates_of_data_with_gaps_leave_these_out(form):
    X, _ = planted(3)
    X += 0.01
    hidden = np.random.default_rng(0).random(X.shape) < 0.15
    marks = {"nan": np.nan, "zero": 0, "unstored": "unstored"}
    data = np.where(hidden, np.nan if form == "nan" else 0.0, X)
    data = sp.csr_array(data) if form == "unstored" else data
    model = fitted(data, init="random", missing_values=marks[form])
    sure = bootstrap(
        model, data, n_resamples=2, tol=1e-7, max_iter=3000, random_state=0
    )
    counts = np.bincount(
        np.random.RandomState(0).randint(len(X), size=len(X)), minlength=len(X)
    )
    # repeated rows of the array with NaN, fitted from the same components
    rows = np.repeat(np.where(hidden, np.nan, X), counts, axis=0)
    again = NMF(3, init="custom", solver="hals", missing_values=np.nan, tol=1e-7,
                max_iter=3000)  # fmt: skip
    again.fit(rows, W=np.ones((len(rows), 3)), H=model.components_.copy())
    H = again.components_ / again.components_.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(sure.replicates[0], H, atol=1e-4)


@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
def test_replicates_obey_the_constraints_of_the_model(loss):
    X, _ = planted(3, 60)
    known = np.full((3, 12), np.nan)
    known[0, :4] = 0
    solver = "hals" if loss == "frobenius" else "mu"
    model = fitted(
        X, init="random", beta_loss=loss, solver=solver, tol=1e-4,
        constraints_H=Fixed(known), constraints_W=Bounds(0, 0.5),
    )  # fmt: skip
    sure = bootstrap(model, X, n_resamples=3, random_state=0)
    assert np.all(sure.replicates[:, 0, :4] == 0)
    assert sure.components.matched.min() > 0.9
    assert sure.components.sd.max() > 0


def test_a_masked_array_is_refused_where_the_model_knows_no_gaps():
    X, _ = planted(0)
    masked = np.ma.array(X, mask=np.median(X) > X)
    with pytest.raises(ValueError, match="bootstrap takes none that are missing"):
        bootstrap(fitted(X, max_iter=5, tol=0), masked)


def test_drawn_rows_stored_by_columns_give_the_same_replicates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(3)
    rates = rng.gamma(0.5, size=(60, 3)) @ rng.gamma(0.5, size=(3, 300))
    X = sp.csr_matrix(rng.poisson(rates).astype(float))
    for penalty in (0.0, 0.01):
        model = NMF(3, solver="hals", init="random", random_state=0, alpha_H=penalty)
        model.fit(X)
        by_rows = bootstrap(model, X, n_resamples=6, tol=1e-4, random_state=0)
        with monkeypatch.context() as patched:
            patched.setattr(replicates, "FAR", 0)
            patched.setattr(replicates, "LONG", 0)
            by_columns = [
                bootstrap(
                    model, X, n_resamples=6, tol=1e-4, random_state=0, n_threads=n
                )
                for n in (1, 2)
            ]
        one, two = (sure.replicates for sure in by_columns)
        np.testing.assert_array_equal(one, two)
        scale = by_rows.components.sd.max()
        np.testing.assert_allclose(one, by_rows.replicates, atol=0.05 * scale)


@pytest.mark.parametrize("n", [1, 2, 7, 100])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_intervals_end_at_percentiles(n: int, level: float) -> None:
    values = np.random.default_rng(0).gamma(0.3, size=(2, 5, n))
    tail = 50 * (1 - level)
    np.testing.assert_allclose(
        middle_interval(values, level),
        np.percentile(values, (tail, 100 - tail), axis=-1),
        rtol=1e-12,
    )


def test_entries_are_summarized_alike_some_at_a_time(monkeypatch):
    rng = np.random.default_rng(0)
    H = rng.gamma(0.5, size=(3, 50))
    matched = MatchedReplicates(H)
    orders = [rng.permutation(3) for _ in range(9)]
    for r, order in enumerate(orders):
        matched.put(r, (7 * H * rng.uniform(0.9, 1.1, H.shape))[order])
    matched.gather(8)
    monkeypatch.setattr(intervals, "CHUNK", 16)
    found = matched.percentiles(0.8)
    expected = [
        matched.values.mean(axis=0),
        matched.values.std(axis=0, ddof=1),
        *np.percentile(matched.values, [10, 90], axis=0),
    ]
    for one, other in zip(vars(found).values(), expected, strict=False):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(matched.values.sum(axis=2), 1)
    np.testing.assert_allclose(found.mean, H / H.sum(axis=1, keepdims=True), rtol=0.1)
    assert found.matched.min() > 0.99


def test_replicates_that_never_come_take_no_memory():
    rng = np.random.default_rng(0)
    X = rng.random((20, 3)) @ rng.random((3, 2000))
    model = NMF(3, solver="hals", init="random", random_state=0, max_iter=200).fit(X)
    tracemalloc.start()
    sure = bootstrap(
        model,
        X,
        n_resamples=20_000,
        random_state=0,
        callback=lambda done: done.done == 2,
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sure.replicates.shape == (2, 3, 2000)
    assert peak < 0.1 * 20_000 * model.components_.nbytes
