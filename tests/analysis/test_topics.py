"""Topic models: distributions, likelihood and perplexity against their definitions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy import stats
from sklearn.exceptions import NotFittedError

import nonneg
from nonneg import NMF
from support.cases import DTYPES, MAIN_STORAGES, STORAGES


def corpus(n=80, m=60, k=4, length=80, seed=0):
    """Documents of words drawn from k topics, and the topics."""
    rng = np.random.default_rng(seed)
    topics = rng.dirichlet(np.full(m, 0.1), k)
    shares = rng.dirichlet(np.full(k, 0.3), n)
    lengths = rng.poisson(length, n) + 1
    words = [
        rng.multinomial(N, p) for N, p in zip(lengths, shares @ topics, strict=True)
    ]
    return np.array(words, dtype=float), topics


def pair(shape, k=4, seed=1):
    rng = np.random.default_rng(seed)
    return rng.random((shape[0], k)) + 0.01, rng.random((k, shape[1])) + 0.01


def test_distributions_are_the_same_product():
    X, _ = corpus()
    W, H = pair(X.shape)
    found = nonneg.topic_distributions(W, H)
    np.testing.assert_allclose(found.document_topics.sum(axis=1), 1)
    np.testing.assert_allclose(found.topic_words.sum(axis=1), 1)
    product = found.sizes[:, None] * found.document_topics @ found.topic_words
    np.testing.assert_allclose(product, W @ H)


def test_empty_topics_and_documents_are_uniform():
    found = nonneg.topic_distributions(
        [[0.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 3.0]]
    )
    assert found.topic_words.tolist() == [[0.5, 0.5], [0.25, 0.75]]
    assert found.document_topics.tolist() == [[0.0, 1.0], [0.5, 0.5]]
    assert found.sizes.tolist() == [8.0, 0.0]


@pytest.mark.parametrize("storage", MAIN_STORAGES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_log_likelihood_is_that_of_poisson_counts(storage, dtype):
    X, _ = corpus()
    W, H = pair(X.shape)
    value = nonneg.poisson_log_likelihood(STORAGES[storage](X.astype(dtype)), W, H)
    expected = stats.poisson.logpmf(X, W @ H).sum()
    assert value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("storage", MAIN_STORAGES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_perplexity_is_that_of_the_words(storage, dtype):
    """Each word by itself, with the probability that it has in its document."""
    X, _ = corpus(12)
    W, H = pair(X.shape)
    P = W @ H / (W @ H).sum(axis=1, keepdims=True)
    logs = [np.log(P[i, j]) for i, j in np.argwhere(X) for _ in range(int(X[i, j]))]
    value = nonneg.perplexity(STORAGES[storage](X.astype(dtype)), W, H)
    assert value == pytest.approx(np.exp(-np.mean(logs)), rel=1e-10)
    assert nonneg.perplexity(X, 1e9 * W, H) == pytest.approx(value)


@pytest.mark.parametrize("size", [1e-300, 1e-12, 1e12, 1e290])
def test_the_scale_of_the_factors_does_not_count(size):
    X, _ = corpus(12)
    W, H = pair(X.shape)
    expected = nonneg.perplexity(X, W, H)
    for scaled in ((size * W, H), (W, size * H), (size * W, H / size)):
        assert nonneg.perplexity(X, *scaled) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("storage", STORAGES)
def test_every_storage_gives_the_same(storage):
    X, _ = corpus(12)
    W, H = pair(X.shape)
    stored = STORAGES[storage](X)
    for function in (nonneg.perplexity, nonneg.poisson_log_likelihood):
        expected = function(X, W, H)
        assert function(stored, W, H) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_blocks_add_up(storage, monkeypatch):
    X, _ = corpus(12)
    W, H = pair(X.shape)
    stored = STORAGES[storage](X)
    whole = nonneg.perplexity(stored, W, H)
    monkeypatch.setattr("nonneg.analysis.topics.BLOCK_ENTRIES", 7)
    assert nonneg.perplexity(stored, W, H) == pytest.approx(whole, rel=1e-12)


def test_log_likelihood_and_divergence_differ_by_what_X_alone_decides():
    X, _ = corpus()
    sums = [
        nonneg.poisson_log_likelihood(X, W, H) + nonneg.beta_divergence(X, W, H, 1)
        for W, H in (pair(X.shape, seed=seed) for seed in range(3))
    ]
    assert sums == pytest.approx([stats.poisson.logpmf(X, X).sum()] * 3, rel=1e-10)


@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_words_that_hardly_or_never_come(storage):
    """Their probability counts as it is, however small."""
    X = np.array([[3.0, 1.0], [0.0, 2.0]])
    W = np.ones((2, 1))
    stored = STORAGES[storage](X)
    for rare in (1e-9, 1e-30, 1e-200):
        H = np.array([[1.0, rare]])
        logs = 3 * np.log(rare)
        expected = stats.poisson.logpmf(X, W @ H).sum()
        assert nonneg.poisson_log_likelihood(stored, W, H) == pytest.approx(expected)
        assert nonneg.perplexity(stored, W, H) == pytest.approx(np.exp(-logs / 6))
    H = np.array([[1.0, 0.0]])
    assert nonneg.poisson_log_likelihood(stored, W, H) == -np.inf
    assert nonneg.perplexity(stored, W, H) == np.inf
    # p = 0.9·(1, 0) + 0.1·(½, ½)
    logs = 3 * np.log(0.95) + 3 * np.log(0.05)
    found = nonneg.perplexity(stored, W, H, smoothing=0.1)
    assert found == pytest.approx(np.exp(-logs / 6))
    assert nonneg.perplexity(stored, 0 * W, H, smoothing=0.1) == pytest.approx(2)
    assert nonneg.perplexity(stored, W, H, smoothing=1) == pytest.approx(2)


def test_huge_counts():
    X, _ = corpus(12)
    W, H = pair(X.shape)
    many = nonneg.perplexity(1e9 * X, W, H)
    assert many == pytest.approx(nonneg.perplexity(X, W, H), rel=1e-12)
    found = nonneg.poisson_log_likelihood(1e9 * X, W, H)
    assert found == pytest.approx(stats.poisson.logpmf(1e9 * X, W @ H).sum(), rel=1e-10)


def test_numbers_and_single_documents():
    assert nonneg.perplexity([3.0, 1.0], [1.0], [0.5, 0.5]) == pytest.approx(2)
    found = nonneg.poisson_log_likelihood(2.0, 3.0, 1.0)
    assert found == pytest.approx(stats.poisson.logpmf(2, 3))


def test_factors_that_overflow_are_refused():
    with pytest.raises(ValueError, match="W·H overflows"):
        nonneg.topic_distributions([[1e300]], [[1e300]])


def test_perplexity_of_extremes():
    X, _ = corpus(9)
    even = np.ones((9, 1)), np.ones((1, 60))
    assert nonneg.perplexity(X, *even) == pytest.approx(60)
    assert nonneg.perplexity(X, 0 * even[0], even[1]) == np.inf
    with pytest.raises(ValueError, match="X has no words"):
        nonneg.perplexity(0 * X, *even)


def test_a_fit_has_the_lengths_of_the_documents_and_is_a_fixed_point_of_em():
    """As the maximum likelihood estimate of PLSA."""
    X, _ = corpus()
    model = NMF(4, "random", "sn", random_state=0, beta_loss=1, tol=1e-9, max_iter=3000)
    W = model.fit_transform(X)
    found = nonneg.topic_distributions(W, model.components_)
    np.testing.assert_allclose(found.sizes, X.sum(axis=1), rtol=1e-4)
    theta, phi = found.document_topics, found.topic_words
    # responsibilities p(topic | document, word), then both distributions anew
    R = theta[:, :, None] * phi[None]
    R *= (X / np.maximum(theta @ phi, 1e-300))[:, None, :]
    again = R.sum(axis=2) / R.sum(axis=(1, 2), keepdims=True)[..., 0]
    np.testing.assert_allclose(again, theta, atol=1e-3)
    words = R.sum(axis=0)
    np.testing.assert_allclose(words / words.sum(axis=1, keepdims=True), phi, atol=1e-3)


@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_held_out_perplexity_tells_a_good_number_of_topics(storage):
    X, _ = corpus(400, length=150)
    train, test = X[:300], STORAGES[storage](X[300:])
    found = {}
    for k in (1, 4, 40):
        model = NMF(k, "random", "auto", random_state=0, beta_loss=1).fit(train)
        found[k] = nonneg.held_out_perplexity(model, test, random_state=0)
    assert found[4] < 0.8 * found[1]
    assert found[4] < found[40]
    assert found[4] == nonneg.held_out_perplexity(
        NMF(4, "random", "auto", random_state=0, beta_loss=1).fit(train), test,
        random_state=0,
    )  # fmt: skip


def test_names_of_words_are_compared():
    X, _ = corpus(60)
    frame = pd.DataFrame(X.astype(int), columns=[f"word {j}" for j in range(60)])
    model = NMF(3, "random", "auto", random_state=0, beta_loss=1).fit(frame)
    found = nonneg.held_out_perplexity(model, frame, random_state=0)
    plain = NMF(3, "random", "auto", random_state=0, beta_loss=1).fit(X)
    assert found == nonneg.held_out_perplexity(plain, X, random_state=0)
    with pytest.raises(ValueError, match="feature names"):
        nonneg.held_out_perplexity(model, frame.iloc[:, ::-1], random_state=0)


def test_words_unknown_to_the_model_are_smoothed():
    X, _ = corpus(60)
    X[:50, 7] = 0
    X[50:, 7] = 5
    model = NMF(3, "random", "auto", random_state=0, beta_loss=1).fit(X[:50])
    found = [
        nonneg.held_out_perplexity(model, X[50:], 0.5, 0, smoothing)
        for smoothing in (0, 1e-9, 1e-2, 1)
    ]
    assert found[0] == np.inf
    assert np.isfinite(found[1:]).all()
    assert found[3] == pytest.approx(60)


def test_documents_without_words_in_both_parts_are_left_out():
    X, _ = corpus(50)
    model = NMF(3, "random", "auto", random_state=0, beta_loss=1).fit(X)
    few = np.vstack([X[:5], np.zeros((2, 60))])
    assert np.isfinite(nonneg.held_out_perplexity(model, few, random_state=0))
    single = np.eye(1, 60)
    with pytest.raises(ValueError, match="No document has words in both parts"):
        nonneg.held_out_perplexity(model, single, random_state=0)


@pytest.mark.parametrize("share", [0, 1, -0.1, np.nan, "half", True])
def test_share_is_refused(share):
    with pytest.raises(ValueError, match="The 'share' parameter"):
        nonneg.held_out_perplexity(None, np.ones((2, 2)), share)


@pytest.mark.parametrize("smoothing", [-0.1, 1.1, np.nan, "half", True, None])
def test_smoothing_is_refused(smoothing):
    with pytest.raises(ValueError, match="The 'smoothing' parameter"):
        nonneg.perplexity(np.ones((2, 2)), np.ones((2, 1)), np.ones((1, 2)), smoothing)


def test_bad_input_is_refused():
    X, _ = corpus(10)
    W, H = pair(X.shape)
    with pytest.raises(ValueError, match="whole counts"):
        nonneg.held_out_perplexity(None, X + 0.5)
    with pytest.raises(ValueError, match=r"up to 2\^53; the entry 1e\+19"):
        nonneg.held_out_perplexity(None, np.full((2, 2), 1e19))
    with pytest.raises(NotFittedError):
        nonneg.held_out_perplexity(NMF(2), X)
    for name in ("X", "W", "H"):
        arguments = {"X": X, "W": W, "H": H, name: [[1.0, 2.0], [3.0]]}
        with pytest.raises(ValueError, match=f"{name} is not a matrix"):
            nonneg.beta_divergence(**arguments, beta=1)
    with pytest.raises(ValueError, match="Negative values in data passed to"):
        nonneg.topic_distributions(-W, H)
    with pytest.raises(ValueError, match="W and H have shapes"):
        nonneg.topic_distributions(W, H.T)
    with pytest.raises(ValueError, match="X has shape"):
        nonneg.perplexity(X.T, W, H)
    with pytest.raises(ValueError, match="Negative values in data passed to"):
        nonneg.poisson_log_likelihood(sp.csr_array(-X), W, H)
