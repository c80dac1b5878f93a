"""Mini-batches keep known entries and bounds of H, and refuse the rest."""

from __future__ import annotations

import numpy as np
import pytest

from nonneg import MiniBatchNMF
from nonneg.constraints import Bounds, Fixed, Simplex, Smooth
from support.constraint_cases import CASES, KNOWN, TRUE, K

X = np.tile(TRUE.X, (4, 1)) + 0.01


@pytest.mark.parametrize("beta", [0.5, 1, 2])
@pytest.mark.parametrize("name", ["fixed-component", "fixed-entries"])
def test_known_entries_stay(name, beta):
    case = CASES[name]
    options = {"beta_loss": beta, "batch_size": 10, "random_state": 0, "tol": 0}
    model = MiniBatchNMF(K, constraints_H=case.H, max_iter=40, **options)
    W = model.fit_transform(X)
    assert case.holds_H(model.components_)
    free = MiniBatchNMF(K, max_iter=1, **options).fit(X)
    assert model.reconstruction_err_ < free.reconstruction_err_
    assert W.min() >= 0
    before = model.components_.copy()
    model.partial_fit(X[:20])
    assert case.holds_H(model.components_)
    assert not np.array_equal(before, model.components_)


def test_bounds_and_their_void():
    options = {"batch_size": 10, "random_state": 0, "tol": 0, "max_iter": 5}
    model = MiniBatchNMF(K, constraints_H=Bounds(0.1, 1.5), **options).fit(X)
    assert model.components_.min() >= 0.1
    assert model.components_.max() <= 1.5
    stepped = MiniBatchNMF(K, constraints_H=Bounds(0.1, 1.5), **options)
    stepped.partial_fit(X[:30]).partial_fit(X[30:])
    assert stepped.components_.min() >= 0.1
    free = MiniBatchNMF(K, **options).fit(X)
    void = MiniBatchNMF(K, constraints_H=[], **options).fit(X)
    assert np.array_equal(free.components_, void.components_)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"constraints_W": Simplex()}, "constraints_W=None, or fit NMF"),
        ({"constraints_H": Smooth()}, "other than bounds of at least 0"),
        ({"constraints_H": Bounds(lower=-1)}, "other than bounds of at least 0"),
        ({"constraints_H": Fixed(KNOWN), "exact_statistics": True},
         "exact_statistics=False"),
    ],
)  # fmt: skip
def test_the_rest_is_refused(options, text):
    for fit in (MiniBatchNMF.fit, MiniBatchNMF.partial_fit):
        with pytest.raises(ValueError, match=text):
            fit(MiniBatchNMF(K, **options), X)
