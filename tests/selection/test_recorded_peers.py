"""Numbers of other packages for given runs: cNMF 1.7.1, staNMF 1.1, R's NMF 0.25."""

from __future__ import annotations

import numpy as np

from nonneg import match_components
from nonneg.selection import (
    amari_distance,
    cophenetic_correlation,
    dispersion,
    spectra_consensus,
)

CNMF_DENSITY = [
    0.04319595, 0.10748862, 0.04426101, 0.03052748, 0.03694036, 0.1356573, 0.11182946,
    0.12917091, 0.11539566, 0.11728236, 0.04954736, 0.12903172, 0.05602818, 0.15284928,
    0.0692749, 0.8728071, 0.10907439, 0.07960417, 0.09186362, 0.03619347, 0.28565079,
    0.0387873, 0.10296531, 0.06042394,
]  # fmt: skip
CNMF_SPECTRA = [
    [0.05107348, 0.18222232, 0.12120793, 0.1719111, 0.01657219, 0.45701297],
    [0.15757903, 0.02191184, 0.67065414, 0.01070992, 0.10486922, 0.03427585],
    [0.25820916, 0.09342899, 0.00098752, 0.00083906, 0.0653225, 0.58121278],
]
R_LABELS = """
11113211131113112133333333322222222222 33331233312331332312111111122222222222
11113211131113112133333333322222222222 11113211131113112133333333322222222222
33332133323332331321222222211111111111 22221322212221223211111111133333333333
22221322212221223213111111133333333333 22223122232223221231333333311111111111
"""
R_COPHENETIC, R_DISPERSION = 0.988828585208342, 0.951004155124654
STANMF_ERROR = 0.011818012420805676


def labels_of_R():
    """The groups of 38 leukemias by eight runs in R.

    `nmf(exprs(esGolub)[1:200,], 3, "brunet", nrun=8, seed=123, .opt="k-p")`, `predict` of
    each fit.
    """
    return np.array([[int(c) - 1 for c in run] for run in R_LABELS.split()])


def noisy_runs():
    """Eight runs of three components, two of them another one."""
    rng = np.random.default_rng(5)
    H = rng.gamma(0.5, size=(3, 6))
    runs = np.stack([H[rng.permutation(3)] for _ in range(8)])
    runs = runs * rng.uniform(0.6, 1.4, runs.shape)
    runs[2, 1] = np.roll(runs[2, 1], 3)
    runs[5, 0] = rng.random(6)
    return runs


def test_08_density_and_spectra_are_those_that_cnmf_returns():
    """Of `cNMF.consensus(3, density_threshold=0.5)` with the runs as its merged spectra."""
    agreed = spectra_consensus(noisy_runs(), method="kmeans")
    np.testing.assert_allclose(agreed.density.ravel(), CNMF_DENSITY, atol=1e-8)
    order, cosine = match_components(CNMF_SPECTRA, agreed.components)
    np.testing.assert_allclose(cosine, 1)
    np.testing.assert_allclose(agreed.components[order], CNMF_SPECTRA, atol=1e-8)


def test_07_cophenetic_correlation_and_dispersion_are_those_of_R():
    """Of `cophcor` and `dispersion` of the eight runs."""
    labels = labels_of_R()
    assert labels.shape == (8, 38)
    rng = np.random.RandomState(0)
    np.testing.assert_allclose(cophenetic_correlation(labels, rng), R_COPHENETIC)
    np.testing.assert_allclose(dispersion(labels, 3), R_DISPERSION)


def test_07_amari_distance_is_that_of_stanmf():
    """Of `amariMaxError(findcorrelation(A.T, B.T, 3))`, by Pearson's correlations."""
    pair = noisy_runs()[[0, 3]]
    centred = pair - pair.mean(axis=2, keepdims=True)
    units = centred / np.linalg.norm(centred, axis=2, keepdims=True)
    np.testing.assert_allclose(amari_distance(units), STANMF_ERROR, rtol=1e-12)
