"""`max_time` bounds rank selection, consensus and bootstrap: what is under way is given up."""

from __future__ import annotations

import types
import warnings

import numpy as np
import pytest

from nonneg import NMF, NMFCV, bootstrap, consensus, select_rank
from nonneg.base import deadline

X = np.random.default_rng(0).gamma(1, size=(60, 3)) @ np.random.default_rng(1).gamma(
    1, size=(3, 20)
)
GAPS = np.where(np.random.default_rng(2).random(X.shape) < 0.1, np.nan, X)
FEW = 200
"""Looks at the clock that may follow, to get from where time ended to the caller: some 60 of
each fit, of which a consensus and a bootstrap have several under way at a time."""


class Clock:
    """A clock that stands still, and by which time is over after so many looks at it."""

    def __init__(self, looks=10**9):
        self.left, self.looks = looks, 0

    def monotonic(self):
        self.looks += 1
        return 0.0 if self.looks <= self.left + 1 else 100.0

    def end(self, record=None):
        self.left = min(self.left, self.looks - 1)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(
        deadline, "time", types.SimpleNamespace(monotonic=clock.monotonic)
    )
    return clock


def model(data, **options):
    return NMF(3, init="random", random_state=0, max_iter=20, tol=0, **options).fit(
        data
    )


def rank(data, **options):
    options = {"ranks": [2, 40], "random_state": 0, "max_iter": 5} | options
    selection = select_rank(data, **options)
    return int(np.isfinite(selection.errors).sum())


def runs(data, **options):
    few = consensus(
        data, 40, n_runs=9, random_state=0, max_iter=5, density_threshold=2, **options
    )
    return len(few.spectra)


def replicates(data, fitted, **options):
    few = bootstrap(
        fitted, data, n_resamples=100, random_state=0, max_iter=5, **options
    )
    return len(few.replicates)


PARTS = {
    "rank": (lambda **o: rank(X.repeat(3, 1), **o), 2),
    "rank of gaps": (
        lambda **o: rank(GAPS.repeat(3, 1), missing_values=np.nan, **o),
        2,
    ),
    "rank of counts": (
        lambda **o: rank(X.repeat(3, 1), beta_loss=1, solver="mu", **o),
        2,
    ),
    "rank by blocks": (
        lambda **o: rank(X.repeat(9, 1).repeat(4, 0), method="bcv", **o),
        2,
    ),
    "consensus": (lambda **o: runs(X.repeat(3, 1), **o), 3),
    "consensus of counts": (
        lambda **o: runs(X.repeat(3, 1), beta_loss=1, solver="mu", **o),
        1,
    ),
    "bootstrap": (lambda **o: replicates(X, model(X), **o), 1),
    "bootstrap of counts": (
        lambda **o: replicates(X, model(X, solver="mu", beta_loss=1), **o),
        1,
    ),
}


def quietly(call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()


@pytest.mark.parametrize("name", PARTS)
def test_what_has_ended_in_time_is_the_result(name, clock):
    call, first = PARTS[name]
    n_ended = quietly(lambda: call(max_time=1, callback=clock.end))
    # what is under way beside the first one may have ended with it
    at_a_time = {"consensus": 9, "consensus of counts": 4, "bootstrap": 9}
    assert first <= n_ended <= at_a_time.get(name, first)
    assert clock.looks - clock.left <= FEW


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("looks", [0, 3])
def test_without_any_fit_there_is_no_result(name, looks, clock):
    clock.left = looks
    with pytest.raises(
        TimeoutError, match=r"max_time=1 was over before the first fits"
    ):
        quietly(lambda: PARTS[name][0](max_time=1))
    assert clock.looks <= looks + FEW


def test_the_last_fit_is_beyond_the_time_of_the_selection(clock):
    fitted = quietly(
        lambda: NMFCV([2, 40], random_state=0, max_time=1, callback=clock.end).fit(
            X.repeat(3, 1)
        )
    )
    assert fitted.components_.any()
    assert np.isfinite(fitted.selection_.errors).sum() == 2
