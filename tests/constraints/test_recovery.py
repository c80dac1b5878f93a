"""Materials of which no sample is pure are found by the smallest simplex around the samples."""

from __future__ import annotations

import numpy as np
import pytest

from nonneg import NMF, match_components
from nonneg.constraints import MinVolume, Simplex


def mixtures(purest, seed):
    """Shares of three materials that sum to one, none above `purest`, and their mixtures."""
    rng = np.random.default_rng(seed)
    wavelength = np.linspace(0, 1, 40)
    H = np.array(
        [0.2 + np.exp(-(((wavelength - c) / 0.2) ** 2)) for c in (0.2, 0.5, 0.8)]
    )
    W = rng.dirichlet(np.ones(3), size=2000)
    W = W[W.max(axis=1) < purest][:600]
    return W @ H, W, H


def worst_error(model, H):
    """Largest distance of a component from its material, as a share of the material's norm."""
    order, _ = match_components(H, model.components_)
    distances = np.linalg.norm(model.components_[order] - H, axis=1)
    return float((distances / np.linalg.norm(H, axis=1)).max())


@pytest.mark.parametrize("seed", range(3))
def test_the_smallest_simplex_has_the_materials_at_its_corners(seed):
    X, _, H = mixtures(0.8, seed)
    options = {"solver": "hals", "init": "spa", "tol": 1e-5, "max_iter": 1000}
    sums = NMF(3, constraints_W=Simplex(), **options).fit(X)
    small = NMF(
        3, constraints_W=Simplex(), constraints_H=MinVolume(0.1), **options
    ).fit(X)
    # shares that sum to one leave the corners open
    assert worst_error(small, H) < 0.03
    assert worst_error(sums, H) > 0.1
