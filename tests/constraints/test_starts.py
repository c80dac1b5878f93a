"""Starts of constrained fits: known components stand where they are known."""

from __future__ import annotations

import numpy as np
import pytest

from nonneg import NMF, beta_divergence
from nonneg.constraints import Bounds, Fixed, Simplex, Target
from support.constraint_cases import CASES, TRUE, K

pytestmark = pytest.mark.filterwarnings("ignore:Maximum number")


def planted(seed):
    """Components of unlike size, and those that are known, the last places, in other units."""
    rng = np.random.default_rng(seed)
    H = rng.gamma(0.5, size=(6, 60))
    W = rng.gamma(0.5, size=(200, 6)) * [5, 3, 2, 1, 0.5, 0.3]
    order = rng.permutation(6)
    known = np.where(np.arange(6)[:, None] >= 3, 10 * H[order], np.nan)
    return W @ H + 0.01 * rng.random((200, 60)), H[order], known


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["fixed", "target"])
def test_components_take_the_places_of_the_known_ones_like_them(kind, seed):
    """Where they didn't, a fit from successive projections ended up to 4,000 times above."""
    X, H, known = planted(seed)
    constraint = Fixed(known) if kind == "fixed" else Target(known / 10, 5.0)
    options = {"solver": "hals", "init": "spa", "max_iter": 60, "tol": 0}
    model = NMF(6, constraints_H=constraint, **options).fit(X)
    noise = 0.01**2 / 12 * X.size
    assert model.reconstruction_err_**2 < 4 * noise
    G, H = model.components_[3:], H[3:]
    lengths = np.linalg.norm(G, axis=1) * np.linalg.norm(H, axis=1)
    assert ((G * H).sum(axis=1) / lengths).min() > 0.98


def test_what_is_known_of_samples_places_components_too():
    X, _, _ = planted(0)
    W = NMF(6, init="spa", solver="hals").fit_transform(X)
    places = np.where(np.arange(6) < 2, W[:, [4, 1]][:, np.arange(6) % 2], np.nan)
    model = NMF(6, solver="hals", init="spa", constraints_W=Fixed(places), max_iter=60)
    assert np.array_equal(model.fit_transform(X)[:, :2], places[:, :2])
    assert model.reconstruction_err_**2 < 4 * 0.01**2 / 12 * X.size


@pytest.mark.parametrize("name", ["bounds", "simplex-H", "simplex-fixed"])
@pytest.mark.parametrize(
    ("solver", "beta"), [("hals", 2), ("bpp", 2), ("mu", 1), ("sn", 1)]
)
def test_a_fit_begins_where_the_constraints_hold(name, solver, beta):
    """A start beyond them with a smaller objective than any within is not the best pair."""
    case, X = CASES[name], TRUE.W @ TRUE.H + 0.01
    exact = {"W": 3 * TRUE.W + 1e-3, "H": TRUE.H / 3}
    model = NMF(K, solver=solver, beta_loss=beta, init="custom", max_iter=3, tol=0,
                constraints_W=case.W, constraints_H=case.H)  # fmt: skip
    W = model.fit_transform(X, **exact)
    assert case.holds_W(W)
    assert case.holds_H(model.components_)
    values = model.history_["objective"]
    assert (np.diff(values) <= 1e-12 * values[0]).all()
    assert values[0] > beta_divergence(X, exact["W"], exact["H"], beta)


@pytest.mark.parametrize(("solver", "beta"), [("mu", 2), ("mu", 1), ("sn", 1)])
def test_known_zeros_stay_and_others_leave_0(solver, beta):
    """Multiplicative updates keep a 0: a start has none where entries are free."""
    known = np.where(np.random.default_rng(3).random(TRUE.H.shape) < 0.2, 0, np.nan)
    H = np.where(known == 0, 0, TRUE.H)
    X = TRUE.W @ H + 1e-3
    start = {
        "W": np.eye(K)[np.arange(len(X)) % K],
        "H": np.zeros_like(H) + (H.max() == H),
    }
    model = NMF(K, solver=solver, beta_loss=beta, init="custom", max_iter=300, tol=0,
                constraints_H=Fixed(known))  # fmt: skip
    model.fit(X, **start)
    assert np.array_equal(model.components_ == 0, known == 0)
    assert model.reconstruction_err_ < 0.05 * np.linalg.norm(X)


@pytest.mark.parametrize("constraint", [Simplex(), Bounds(0.1, 2)])
def test_rows_that_show_nothing_are_said_to_obey(constraint):
    X, _, _ = planted(2)
    X[3], X[:, 5] = np.nan, np.nan
    model = NMF(6, solver="hals", missing_values=np.nan, constraints_W=constraint,
                max_iter=3, tol=0)  # fmt: skip
    with pytest.warns(UserWarning, match="no observed entry") as record:
        model.fit(X)
    texts = " ".join(str(w.message) for w in record)
    assert "their rows of W obey the constraints alone" in texts
    assert "their columns of H are 0" in texts
