"""Starts of constrained fits: known components stand where they are known."""

from __future__ import annotations

import numpy as np
import pytest

from nonneg import NMF
from nonneg.constraints import Bounds, Fixed, Simplex, Target

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
