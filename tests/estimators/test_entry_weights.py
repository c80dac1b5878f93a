"""Weights of some entries by name and one for all others, as for implicit feedback."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import nnls

from nonneg import NMF, EntryWeights, reconstruction_error
from support.cases import DTYPES
from support.combinations import covering
from support.tolerances import tol

FITS = {
    "hals": {"solver": "hals"},
    "bpp": {"solver": "bpp"},
    "cd": {"solver": "cd"},
    "mu": {"solver": "mu"},
    "mu-kl": {"solver": "mu", "beta_loss": 1},
    "mu-1.5": {"solver": "mu", "beta_loss": 1.5},
    "sn": {"solver": "sn", "beta_loss": 1},
}
ELSEWHERE = (0.0, 0.25, 1.0)


def clicks(dtype=np.float64, seed=0):
    """Counts, and weights of them, of some other entries, and of one that does not count."""
    rng = np.random.default_rng(seed)
    X = np.where(rng.random((40, 25)) < 0.3, rng.integers(1, 6, (40, 25)), 0)
    named = (X > 0) | (rng.random(X.shape) < 0.1)
    stored = sp.csr_array(np.where(named, 1 + rng.random(X.shape) + X, 0).astype(dtype))
    stored.data[7] = 0
    return sp.csr_array(X.astype(dtype)), stored


def full(stored, elsewhere):
    """The weights of all entries as an array."""
    weights = np.full(stored.shape, elsewhere, dtype=stored.dtype)
    rows, columns = stored.tocoo().coords
    weights[rows, columns] = stored.data
    return weights


def model(fit, **more):
    options = {"init": "random", "random_state": 0, "tol": 0, "max_iter": 12}
    return NMF(4, **(options | FITS[fit] | more))


@pytest.mark.parametrize(
    ("fit", "elsewhere", "storage", "dtype"),
    covering(list(FITS), ELSEWHERE, ["csr", "csc", "dense"], DTYPES),
)
def test_they_are_an_array_of_all_weights(fit, elsewhere, storage, dtype):
    X, stored = clicks(dtype)
    weights = EntryWeights(stored, elsewhere)
    given = X.toarray() if storage == "dense" else X.asformat(storage)
    ours, spelled = model(fit, alpha_W=0.01), model(fit, alpha_W=0.01)
    W = ours.fit_transform(given, weights=weights)
    expected = spelled.fit_transform(X.toarray(), weights=full(stored, elsewhere))
    assert ours.n_observed_ == spelled.n_observed_
    bound = tol(dtype, 40 * 25, factor=1000)  # twelve iterations add up
    assert ours.reconstruction_err_ == pytest.approx(
        spelled.reconstruction_err_, rel=bound
    )
    if dtype == np.float64:
        np.testing.assert_allclose(W @ ours.components_, expected @ spelled.components_,
                                   rtol=1e-4, atol=1e-4)  # fmt: skip


@pytest.mark.parametrize("fit", ["hals", "bpp"])
def test_rows_are_what_nnls_gives(fit):
    X, stored = clicks()
    weights = EntryWeights(stored, 0.25)
    nmf = model(fit)
    W = nmf.fit_transform(X, weights=weights)
    Ht = nmf.components_.T
    for w, x, v in zip(W, X.toarray(), full(stored, 0.25), strict=True):
        root = np.sqrt(v)
        _, norm = nnls(root[:, None] * Ht, root * x)
        assert np.linalg.norm(root * (x - Ht @ w)) == pytest.approx(norm, rel=1e-7)
    np.testing.assert_allclose(nmf.transform(X, weights=weights), W, atol=1e-6)


def test_the_error_is_that_of_all_entries():
    X, stored = clicks()
    nmf = model("hals")
    W = nmf.fit_transform(X, weights=EntryWeights(stored, 0.25))
    square = full(stored, 0.25) * (X.toarray() - W @ nmf.components_) ** 2
    assert nmf.reconstruction_err_ == pytest.approx(np.sqrt(square.sum()), rel=1e-9)


@pytest.mark.parametrize(
    ("parameters", "weights", "text"),
    [
        ({}, lambda C: EntryWeights(C.toarray()), "must be a sparse matrix"),
        ({}, lambda C: EntryWeights(C, -1), "finite number of at least 0; got -1"),
        ({}, lambda C: EntryWeights(C, "1"), "finite number of at least 0; got '1'"),
        ({}, lambda C: EntryWeights(C[:, 1:]), r"weights has shape \(40, 24\)"),
        ({"missing_values": "unstored"}, EntryWeights, "a stored weight of 0"),
        ({"missing_values": 0}, EntryWeights, "a stored weight of 0"),
        ({"solver": "pg"}, EntryWeights, "pass solver="),
    ],
)
def test_refusals_say_what_to_do(parameters, weights, text):
    X, stored = clicks()
    with pytest.raises(ValueError, match=text):
        model("hals", **parameters).fit(X, weights=weights(stored))


def test_losses_take_no_weights_by_name():
    X, stored = clicks()
    W, H = np.ones((40, 2)), np.ones((2, 25))
    with pytest.raises(ValueError, match="got EntryWeights"):
        reconstruction_error(X, W, H, weights=EntryWeights(stored))
