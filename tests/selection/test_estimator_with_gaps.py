"""Rank selection of data that say for themselves what is missing, and `NMFCV` on gaps."""

from __future__ import annotations

import numpy as np
import pytest

from nonneg import NMF, NMFCV, bootstrap, select_rank

RNG = np.random.default_rng(0)
X = RNG.gamma(0.4, size=(70, 3)) @ RNG.gamma(0.4, size=(3, 40))
X *= RNG.uniform(0.9, 1.1, X.shape)
HIDDEN = RNG.random(X.shape) < 0.15
GAPS = np.where(HIDDEN, np.nan, X)
RANKS = range(2, 5)
OPTIONS = {"random_state": 0, "folds": 2}


@pytest.mark.parametrize("below", [0.0, 1e6])
def test_masked_entries_are_missing_whatever_is_below_the_mask(below):
    masked = np.ma.array(np.where(HIDDEN, below, X), mask=HIDDEN)
    ours = select_rank(masked, RANKS, **OPTIONS)
    theirs = select_rank(GAPS, RANKS, missing_values=np.nan, **OPTIONS)
    assert np.array_equal(ours.errors, theirs.errors)


def test_with_zeros_missing_too():
    sparse = np.where(RNG.random(X.shape) < 0.1, 0, X)
    masked = np.ma.array(sparse, mask=HIDDEN)
    ours = select_rank(masked, RANKS, missing_values=0, **OPTIONS)
    zeroed = np.where(HIDDEN, 0, sparse)
    theirs = select_rank(zeroed, RANKS, missing_values=0, **OPTIONS)
    np.testing.assert_allclose(ours.errors, theirs.errors, rtol=1e-6)


def test_a_frame_with_nullable_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(GAPS).astype("Float64")
    model = NMFCV(RANKS, missing_values=np.nan, **OPTIONS).fit(frame)
    errors = select_rank(GAPS, RANKS, missing_values=np.nan, **OPTIONS).errors
    np.testing.assert_allclose(model.selection_.errors, errors)
    with pytest.raises(ValueError, match="missing_values"):
        NMFCV(RANKS).fit(frame)


def test_stability_is_that_of_what_is_observed():
    selection = select_rank(GAPS, [3], missing_values=np.nan, stability=4, rule="best",
                            folds=1, random_state=0, tol=1e-6, max_iter=2000)  # fmt: skip
    assert selection.table["silhouette_min"][0] > 0.98
    assert selection.table["dispersion"][0] > 0.9


def test_the_estimator_leaves_gaps_out_and_takes_weights():
    model = NMFCV(RANKS, missing_values=np.nan, **OPTIONS)
    W = model.fit_transform(GAPS)
    errors = select_rank(GAPS, RANKS, missing_values=np.nan, **OPTIONS).errors
    assert np.array_equal(model.selection_.errors, errors)
    alone = NMF(
        model.n_components_, solver="auto", missing_values=np.nan, random_state=0
    )
    np.testing.assert_allclose(alone.fit_transform(GAPS), W)
    np.testing.assert_allclose(model.transform(GAPS), W, atol=1e-6 * W.max())
    r, V = RNG.uniform(0.5, 2, len(X)), RNG.uniform(0.5, 2, X.shape)
    for weighting in ({"sample_weight": r}, {"weights": V}):
        weighted = NMFCV(RANKS, **OPTIONS).fit(X, **weighting)
        selection = select_rank(X, RANKS, **OPTIONS, **weighting)
        assert np.array_equal(weighted.selection_.errors, selection.errors)
        alone = NMF(weighted.n_components_, solver="auto", random_state=0)
        alone.fit(X, **weighting)
        np.testing.assert_allclose(weighted.components_, alone.components_)


def test_other_methods_say_that_they_take_no_gaps():
    with pytest.raises(ValueError, match="Pass method='speckled'"):
        NMFCV(RANKS, method="bcv", missing_values=np.nan).fit(GAPS)
    with pytest.raises(ValueError, match="Pass method='speckled'"):
        NMFCV(RANKS, method="thinning").fit(X, sample_weight=np.ones(len(X)))


@pytest.mark.parametrize(("value", "message"), [(-1, "Negative"), (np.nan, "NaN")])
def test_entries_of_a_mapped_file_are_checked(tmp_path, value, message):
    wrong = X.copy()
    wrong[3, 4] = value
    np.save(tmp_path / "X.npy", wrong)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    with pytest.raises(ValueError, match=message):
        select_rank(mapped, RANKS, **OPTIONS)
    with pytest.raises(ValueError, match=message):
        bootstrap(NMF(2, random_state=0).fit(X), mapped, n_resamples=2)
    if np.isnan(value):
        select_rank(mapped, RANKS, missing_values=np.nan, **OPTIONS)
