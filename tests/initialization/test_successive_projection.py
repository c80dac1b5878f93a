"""The start for separable data: rows of X as components."""

from __future__ import annotations

import numpy as np
import pytest

from nonneg import NMF, MiniBatchNMF, initialize
from support import oracles
from support.cases import DTYPES, STORAGES
from support.tolerances import tol


def separable(noise=0.0, shape=(120, 40), k=6, seed=0, dtype=np.float64):
    """X with rows of all sizes, and the numbers of the rows that are components."""
    rng = np.random.default_rng(seed)
    H = rng.gamma(0.5, size=(k, shape[1]))
    W = rng.dirichlet(np.ones(k), shape[0]) * rng.lognormal(0, 2, (shape[0], 1))
    pure = rng.choice(np.arange(1, shape[0]), k, replace=False)
    W[pure] = np.diag(rng.lognormal(0, 1, k))
    W[0] = 0
    X = W @ H
    X *= 1 + noise * rng.uniform(-1, 1, X.shape)
    return X.astype(dtype), pure


def successive_projections(X, k):
    """The algorithm as it is published, on rows divided by their sums."""
    sums = X.sum(axis=1, keepdims=True)
    R = np.divide(X, sums, out=np.zeros(X.shape), where=sums > 1e-3 * sums.mean())
    taken = []
    for _ in range(k):
        taken.append(int(np.argmax(np.linalg.norm(R, axis=1))))
        u = R[taken[-1]] / np.linalg.norm(R[taken[-1]])
        R = R - np.outer(R @ u, u)
    return taken


def rows_taken(X, H):
    """Numbers of the rows of X that rows of H are multiples of."""
    X, H = X.astype(np.float64), H.astype(np.float64)
    size = np.linalg.norm(X, axis=1, keepdims=True)
    cosine = X @ H.T / np.where(size > 0, size, 1) / np.linalg.norm(H, axis=1)
    assert (cosine.max(axis=0) > 1 - 1e-6).all()
    return cosine.argmax(axis=0).tolist()


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_separable_data_are_factorized_by_the_start(dtype, storage):
    X, pure = separable(dtype=dtype)
    W, H = initialize(STORAGES[storage](X), 6, "spa", random_state=0)
    assert set(rows_taken(X, H)) == set(pure)
    assert W.dtype == H.dtype == dtype
    error = np.linalg.norm(X - W @ H) / np.linalg.norm(X)
    assert error <= tol(dtype, 40)


@pytest.mark.parametrize("seed", range(5))
def test_the_rows_are_those_of_the_published_algorithm(seed):
    X, _ = separable(seed=seed, k=5)
    _, H = initialize(X, 5, "spa", random_state=0)
    assert rows_taken(X, H) == successive_projections(X, 5)


@pytest.mark.parametrize("noise", [1e-3, 3e-2])
def test_noise_of_entries_moves_no_component(noise):
    X, pure = separable(noise)
    clean, _ = separable()
    W, H = initialize(X, 6, "spa", random_state=0)
    assert set(rows_taken(X, H)) == set(pure)
    assert np.linalg.norm(clean - W @ H) <= noise * np.linalg.norm(clean)


def test_components_have_equal_norms_in_both_factors():
    W, H = initialize(separable(0.2)[0], 6, "spa", random_state=0)
    np.testing.assert_allclose(np.linalg.norm(W, axis=0), np.linalg.norm(H, axis=1))


def test_W_is_the_best_one_beside_the_rows():
    X, _ = separable(0.2)
    W, H = initialize(X, 6, "spa", random_state=0)
    for x, w in zip(X[:20], W, strict=False):
        np.testing.assert_allclose(w, oracles.nnls(H.T, x)[0], atol=1e-10 * W.max())


@pytest.mark.parametrize("unit", [1e-150, 1e-30, 1e30, 1e150])
def test_the_unit_of_X_does_not_matter(unit):
    X, _ = separable(0.1)
    start, plain = (initialize(Y, 6, "spa", random_state=0) for Y in (X * unit, X))
    for A, B in zip(start, plain, strict=True):
        size = B.max()
        np.testing.assert_allclose(A / np.sqrt(unit) / size, B / size, atol=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
def test_components_beyond_the_rank_are_random_ones(dtype):
    X, pure = separable(dtype=dtype)
    W, H = initialize(X, 9, "spa", random_state=0)
    assert set(rows_taken(X, H[:6])) == set(pure)
    assert (H[6:] > 0).all()
    assert (H[6:] == initialize(X, 9, "spa", random_state=0)[1][6:]).all()
    assert (H[6:] != initialize(X, 9, "spa", random_state=1)[1][6:]).any()
    assert np.linalg.norm(X - W @ H) <= tol(dtype, 40) * np.linalg.norm(X)


def test_equal_rows_are_taken_once():
    blocks = np.kron(np.eye(3), np.ones((4, 2)))
    W, H = initialize(blocks, 3, "spa", random_state=0)
    assert len({tuple(h) for h in H}) == 3
    np.testing.assert_allclose(W @ H, blocks, atol=1e-14)


@pytest.mark.parametrize("solver", ["cd", "hals", "bpp", "mu"])
def test_fits_go_on_from_it(solver):
    X, _ = separable(0.2)
    model = NMF(6, "spa", solver, random_state=0, max_iter=20, tol=0).fit(X)
    W, H = initialize(X, 6, "spa", random_state=0)
    assert model.reconstruction_err_ <= np.linalg.norm(X - W @ H)


def test_counts_and_batches():
    X, _ = separable()
    counts = np.random.default_rng(0).poisson(X)
    options = {"random_state": 0, "max_iter": 30, "tol": 0}
    model = NMF(6, "spa", "sn", beta_loss=1, **options).fit(counts)
    assert np.isfinite(model.reconstruction_err_)
    batches = MiniBatchNMF(6, init="spa", batch_size=60, **options).fit(X)
    assert batches.reconstruction_err_ <= 0.05 * np.linalg.norm(X)


def test_more_components_than_features_are_refused():
    X, _ = separable(shape=(30, 8), k=3)
    with pytest.raises(ValueError, match=r"init = 'spa' can only be used when"):
        initialize(X, 9, "spa")
