"""Folds of large float64 data are fitted in float32, where that changes no choice."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import select_rank
from nonneg.fitting import plan_choices
from nonneg.selection import speckled

OPTIONS = {"folds": 3, "random_state": 0}


@pytest.fixture
def dtypes(monkeypatch):
    """The dtypes of the folds that models are fitted to, at any size."""
    monkeypatch.setattr(plan_choices, "SINGLE_WORK", 0)
    found, fit_models = [], speckled.fit_models

    def recorded(X, *arguments):
        found.append(X.dtype.name)
        return fit_models(X, *arguments)

    monkeypatch.setattr(speckled, "fit_models", recorded)
    return found


def planted(noise, shape=(150, 100)):
    """A product of rank 3 with relative noise, and zeros."""
    rng = np.random.default_rng(0)
    W, H = rng.gamma(0.5, size=(shape[0], 3)), rng.gamma(0.5, size=(3, shape[1]))
    W[rng.random(W.shape) < 0.3] = 0
    return W @ H * rng.uniform(1 - noise, 1 + noise, shape)


def table_of(X):
    return select_rank(X, range(1, 6), **OPTIONS)


@pytest.mark.parametrize(
    "store", [np.array, np.asfortranarray, sp.csr_array, sp.csc_array]
)
def test_the_table_is_that_of_float64(store, dtypes, monkeypatch):
    X = store(planted(0.5))
    single = table_of(X)
    assert set(dtypes) == {"float32"}
    monkeypatch.setattr(plan_choices, "SINGLE_WORK", np.inf)
    double = table_of(X)
    assert dtypes[-1] == "float64"
    assert single.n_components == double.n_components == 3
    for name in ("error", "train"):
        one, two = (selection.table[name] for selection in (single, double))
        np.testing.assert_allclose(one[:3], two[:3], rtol=2e-3)


def test_nearly_exact_data_are_fitted_in_float64(dtypes):
    selection = table_of(planted(1e-4))
    assert dtypes == ["float32", "float64"] * 3
    assert selection.n_components == 3


def test_what_float32_has_no_room_for_is_fitted_in_float64(dtypes):
    selection = table_of(planted(0.5) * 1e40)
    assert set(dtypes) == {"float64"}
    assert selection.n_components == 3


def test_threads_change_no_bit(dtypes):
    X = planted(0.5, (300, 70))
    one, two = (select_rank(X, [2, 3], n_threads=n, **OPTIONS).table for n in (1, 2))
    assert set(dtypes) == {"float32"}
    for name in ("error", "train"):
        np.testing.assert_array_equal(one[name], two[name])
