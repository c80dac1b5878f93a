"""scikit-learn's own NMF as a live peer: the same start gives the same factors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn.decomposition as peer
from sklearn.exceptions import ConvergenceWarning

import nonneg
from support.cases import DTYPES, MAIN_STORAGES, STORAGES, data, factors
from support.tolerances import assert_close

K = 5
SHAPES = [(40, 23), (19, 44)]
PENALTIES = {
    "none": {},
    "l2": {"alpha_W": 1e-3, "l1_ratio": 0.0},
    "l1": {"alpha_W": 2e-4, "alpha_H": 1e-3, "l1_ratio": 1.0},
    "W-only": {"alpha_W": 2e-3, "alpha_H": 0.0, "l1_ratio": 0.5},
    "strong": {"alpha_W": 0.1, "alpha_H": "same", "l1_ratio": 0.9},
}


@pytest.fixture(autouse=True)
def _peer_may_not_converge():
    """Both stop unconverged here on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", ".*penalises W alone")
        yield


def start(X, k=K, dtype=np.float64):
    """W and Ht whose product has about the size of X.

    Far from it, the first sweep leaves components that are zero but for rounding, and
    they grow back from whatever the rounding was.
    """
    W, Ht = factors(X.shape, k, dtype)
    scale = np.sqrt(X.mean() / (W @ Ht.T).mean()).astype(dtype)
    return W * scale, Ht * scale


def assert_same(actual, expected):
    """Equal to 1e-10 of the largest entry, the bound that is promised in float64."""
    largest = np.max(np.abs(expected))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-10 * largest)


def fit_both(X, W, H, **parameters):
    """Fit ours and scikit-learn's from the same start; each with its W and model."""
    pairs = []
    for NMF in (nonneg.NMF, peer.NMF):
        model = NMF(n_components=K, init="custom", **parameters)
        # scikit-learn writes to W
        pairs.append((model.fit_transform(X, W=W.copy(), H=H.copy()), model))
    return pairs


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("n_sweeps", [1, 5, 50])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_the_same_sweeps(storage, shape, n_sweeps, shuffle, penalty):
    X = STORAGES[storage](data(*shape))
    W0, Ht0 = start(X)
    (W, ours), (expected, theirs) = fit_both(
        X,
        W0,
        Ht0.T.copy(),
        max_iter=n_sweeps,
        tol=0,
        shuffle=shuffle,
        random_state=3,
        **PENALTIES[penalty],
    )
    assert_same(W, expected)
    assert_same(ours.components_, theirs.components_)
    assert ours.n_iter_ == theirs.n_iter_ == n_sweeps


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_both_dtypes_are_kept_and_stay_near(storage, dtype):
    """float32 stays float32; its rounding differs from that of the peer."""
    X = data(40, 23, dtype=dtype)
    W0, Ht0 = start(X, dtype=dtype)
    (W, ours), (expected, theirs) = fit_both(
        STORAGES[storage](X), W0, Ht0.T.copy(), max_iter=3, tol=0
    )
    assert W.dtype == expected.dtype == dtype
    # each of the three sweeps solves with Gram matrices of condition about 100
    assert_close(W, expected, dtype, X.size, factor=100)
    assert_close(ours.components_, theirs.components_, dtype, X.size, factor=100)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_the_same_W_for_a_fixed_H(storage, penalty, shuffle):
    X = STORAGES[storage](data())
    H = start(X)[1].T.copy()
    W, H_out, n_iter = nonneg.non_negative_factorization(
        X,
        H=H,
        n_components=K,
        update_H=False,
        shuffle=shuffle,
        random_state=2,
        **PENALTIES[penalty],
    )
    expected, _, n_expected = peer.non_negative_factorization(
        X,
        H=H,
        n_components=K,
        update_H=False,
        shuffle=shuffle,
        random_state=2,
        **PENALTIES[penalty],
    )
    assert n_iter == n_expected
    assert_same(W, expected)
    np.testing.assert_array_equal(H_out, H)


@pytest.mark.parametrize("tol", [1e-1, 1e-4])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_it_stops_where_the_peer_stops(storage, penalty, tol):
    X = STORAGES[storage](data(30, 12, density=0.7))
    W0, Ht0 = start(X)
    (W, ours), (expected, theirs) = fit_both(
        X, W0, Ht0.T.copy(), tol=tol, **PENALTIES[penalty]
    )
    assert ours.n_iter_ == theirs.n_iter_
    assert_close(
        ours.reconstruction_err_, theirs.reconstruction_err_, np.float64, X.size
    )
    # hundreds of sweeps let rounding grow
    largest = np.max(expected)
    np.testing.assert_allclose(W, expected, rtol=0, atol=1e-8 * largest)


@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_transform_agrees(storage):
    X = STORAGES[storage](data())
    more = STORAGES[storage](data(9, 17, seed=5))
    W0, Ht0 = start(X)
    parameters = {"alpha_W": 1e-3, "l1_ratio": 0.3, "max_iter": 30}
    (_, ours), (_, theirs) = fit_both(X, W0, Ht0.T.copy(), **parameters)
    assert_same(ours.transform(more), theirs.transform(more))
    W = ours.transform(more)
    assert_same(ours.inverse_transform(W), theirs.inverse_transform(W))


@pytest.mark.parametrize("regularization", ["both", "components", "transformation"])
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_old_penalties_are_new_ones_divided_by_the_shape(storage, regularization):
    """`alpha` is unscaled; `alpha_W` and `alpha_H` are scaled by the shape."""
    X = STORAGES[storage](data())
    n_samples, n_features = X.shape
    W0, Ht0 = start(X)
    alpha = 0.3
    ours = nonneg.NMF(
        K,
        "custom",
        max_iter=10,
        tol=0,
        alpha=alpha,
        l1_ratio=0.4,
        regularization=regularization,
    )
    W = ours.fit_transform(X, W=W0, H=Ht0.T)
    on_W = regularization in ("both", "transformation")
    on_H = regularization in ("both", "components")
    theirs = peer.NMF(
        K,
        init="custom",
        max_iter=10,
        tol=0,
        alpha_W=on_W * alpha / n_features,
        alpha_H=on_H * alpha / n_samples,
        l1_ratio=0.4,
    )
    expected = theirs.fit_transform(X, W=W0.copy(), H=Ht0.T.copy())
    assert_same(W, expected)
    assert_same(ours.components_, theirs.components_)


@pytest.mark.parametrize("init", ["random", "nndsvd", "nndsvda", "nndsvdar"])
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_drawn_starts_lead_to_the_same_factors(storage, init):
    """The start itself comes from the peer's SVD, whose rounding sweeps amplify."""
    X = STORAGES[storage](data(30, 40, density=0.8))
    models = [
        NMF(n_components=K, init=init, random_state=0, max_iter=5, tol=0)
        for NMF in (nonneg.NMF, peer.NMF)
    ]
    W, expected = (model.fit_transform(X) for model in models)
    largest = np.max(expected)
    np.testing.assert_allclose(W, expected, rtol=0, atol=1e-7 * largest)
