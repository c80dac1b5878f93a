"""Mini-batches obey what is said of rows of W and of entries of H, and refuse the rest."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nonneg import NMF, MiniBatchNMF
from nonneg.constraints import (
    Bounds,
    Fixed,
    Graph,
    Group,
    MinVolume,
    Monotone,
    Orthogonal,
    Simplex,
    Smooth,
    Target,
    Unimodal,
)
from support.combinations import covering
from support.constraint_cases import CASES, KNOWN, TRUE, Case, K, sums_to

COPIES = 4
X = np.tile(TRUE.X, (COPIES, 1)) + 0.01
W_KNOWN = np.where(np.arange(K) < 1, np.tile(TRUE.W, (COPIES, 1)), np.nan)
HERE = {
    name: CASES[name]
    for name in (
        "bounds", "simplex", "simplex-at-most", "simplex-bounds", "simplex-fixed",
        "smooth", "cyclic", "min-volume", "orthogonal",
    )
} | {
    "simplex-H": dataclasses.replace(CASES["simplex-H"], W=Bounds(upper=30)),
    "target": Case(W=Target(W_KNOWN, 0.5), H=Target(KNOWN, 2.0)),
    "fixed-W": Case(
        W=Fixed(W_KNOWN), H=Bounds(upper=4),
        holds_W=lambda W: np.array_equal(W[:, 0], W_KNOWN[:, 0].astype(W.dtype)),
    ),
    "group": Case(W=Simplex(), H=Group(0.05), holds_W=sums_to(1.0)),
    "orthogonal-W": Case(W=[Orthogonal(0.02), Bounds(upper=1)], H=Bounds(upper=9)),
}  # fmt: skip


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
    for void in ([], [Smooth(0.0)]):
        model = MiniBatchNMF(K, constraints_W=[], constraints_H=void, **options).fit(X)
        assert np.array_equal(free.components_, model.components_)


@pytest.mark.parametrize(
    ("name", "beta", "fresh", "dtype"),
    covering(list(HERE), [1, 2], [False, True], [np.float64, np.float32]),
)
def test_rows_of_W_and_penalties_on_H(name, beta, fresh, dtype):
    case = HERE[name]
    model = MiniBatchNMF(
        K, constraints_W=case.W, constraints_H=case.H, beta_loss=beta, batch_size=30,
        max_iter=6, tol=0, max_no_improvement=None, random_state=0, fresh_restarts=fresh,
    )  # fmt: skip
    data = X.astype(dtype)
    W = model.fit_transform(data)
    assert W.dtype == model.components_.dtype == dtype
    assert case.holds_W(W)
    assert case.holds_H(model.components_)
    first, last = model.history_["objective"][[0, -1]]
    assert last < first
    if name in ("target", "fixed-W"):  # what is known of these samples
        return
    again = model.transform(data)
    assert case.holds_W(again)
    if name != "orthogonal-W":  # else each row has been solved for exactly
        np.testing.assert_allclose(again, W, atol=1e-7 if dtype == np.float64 else 1e-3)
    before = model.components_.copy()
    model.partial_fit(data[:30])
    assert case.holds_H(model.components_)
    assert not np.array_equal(before, model.components_)


@pytest.mark.parametrize("beta", [1, 2])
def test_one_batch_of_everything_ends_where_NMF_does(beta):
    """The penalty weighs in all batches together what it weighs in a fit of all rows."""
    options = {"constraints_W": Simplex(), "beta_loss": beta, "tol": 0,
               "random_state": 0}  # fmt: skip
    H_says = Smooth(3.0)
    whole = NMF(K, solver="mu", constraints_H=H_says, max_iter=200, **options).fit(X)
    batches = MiniBatchNMF(
        K, constraints_H=H_says, max_iter=200, batch_size=len(X), forget_factor=0.0,
        max_no_improvement=None, **options,
    ).fit(X)  # fmt: skip
    rough = [float(np.square(np.diff(m.components_)).sum()) for m in (whole, batches)]
    assert rough[1] == pytest.approx(rough[0], rel=0.1)
    assert batches.reconstruction_err_ == pytest.approx(
        whole.reconstruction_err_, rel=0.02
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"constraints_W": Smooth(), "constraints_H": Simplex()},
         "Smooth on W: it ties rows of several batches together"),
        ({"constraints_W": Graph(np.ones((72, 72))), "constraints_H": Simplex()},
         "Graph on W: it ties"),
        ({"constraints_W": MinVolume(), "constraints_H": Simplex()},
         "MinVolume on W: it ties"),
        ({"constraints_W": Group(), "constraints_H": Simplex()}, "Group on W: it ties"),
        ({"constraints_W": Unimodal()}, "Unimodal on W: a column as a whole"),
        ({"constraints_H": Monotone()}, "Monotone on H: a column as a whole"),
        ({"constraints_H": Bounds(lower=-1)}, "Bounds on H: multiplicative updates keep"),
        ({"constraints_W": Simplex(), "beta_loss": 0.5},
         "Simplex on W: with beta_loss=0.5 there are bounds"),
        ({"constraints_H": Smooth()}, "Smooth on H has no minimum"),
        ({"constraints_H": Fixed(KNOWN), "exact_statistics": True},
         "exact_statistics=False"),
    ],
)  # fmt: skip
def test_the_rest_is_refused(options, text):
    for fit in (MiniBatchNMF.fit, MiniBatchNMF.partial_fit):
        with pytest.raises(ValueError, match=text):
            fit(MiniBatchNMF(K, **options), X)
