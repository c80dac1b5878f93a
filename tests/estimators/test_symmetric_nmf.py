"""X ≈ W·Wᵀ: optimality, recovery, storages, and the manners of the other estimators."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import optimize
from sklearn.base import clone
from sklearn.cluster import SpectralClustering
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import kneighbors_graph

from nonneg import SymmetricNMF
from support.cases import DTYPES, MAIN_STORAGES, STORAGES
from support.tolerances import tol


def similarities(n=40, k=4, noise=0.1, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    W = rng.gamma(0.5, size=(n, k))
    noisy = W @ W.T + noise * rng.random((n, n))
    return ((noisy + noisy.T) / 2).astype(dtype)


def objective(X, W):
    X, W = X.astype(np.float64), W.astype(np.float64)
    return 0.5 * np.sum((X - W @ W.T) ** 2)


def projected_gradient(X, W):
    """Half of the gradient of the objective, as far as it points inside."""
    X, W = X.astype(np.float64), W.astype(np.float64)
    gradient = (W @ W.T - X) @ W
    return np.where(W > 0, gradient, np.minimum(gradient, 0))


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_end_is_stationary_and_the_objective_never_rises(dtype, storage):
    X = similarities(dtype=dtype)
    model = SymmetricNMF(4, random_state=0, tol=1e-3, max_iter=2000)
    W = model.fit_transform(STORAGES[storage](X))
    assert W.dtype == dtype
    assert (W >= 0).all()
    assert model.stop_reason_ == "converged"
    size = np.linalg.norm(X.astype(np.float64) @ W.astype(np.float64))
    assert np.linalg.norm(projected_gradient(X, W)) <= 1.1e-3 * size
    history = model.history_["objective"]
    assert len(history) == model.n_iter_
    rounding = tol(dtype, 40) * objective(X, 0 * W)
    assert np.diff(history).max() <= rounding
    assert abs(history[-1] - objective(X, W)) <= rounding
    np.testing.assert_allclose(
        0.5 * model.reconstruction_err_**2, objective(X, W), rtol=1e-3
    )


def test_the_residual_is_that_of_the_iterate():
    X, seen = similarities(), []
    options = {"random_state": 0, "tol": 0}
    model = SymmetricNMF(4, max_iter=9, **options)
    model.set_params(callback=lambda it: seen.append(it.residual)).fit(X)
    W = SymmetricNMF(4, max_iter=8, **options).fit_transform(X)
    expected = np.linalg.norm(projected_gradient(X, W)) / np.linalg.norm(X @ W)
    np.testing.assert_allclose(seen[-1], expected, rtol=1e-6)
    np.testing.assert_array_equal(seen, model.history_["residual"])


@pytest.mark.parametrize("seed", range(3))
def test_a_general_optimizer_finds_nothing_better_nearby(seed):
    X = similarities(12, 2, 0.3, seed)
    W = SymmetricNMF(2, random_state=seed, tol=1e-8, max_iter=5000).fit_transform(X)

    def value(w):
        A = w.reshape(W.shape)
        return objective(X, A), (2 * (A @ A.T - X) @ A).ravel()

    peer = optimize.minimize(
        value, W.ravel(), jac=True, bounds=[(0, None)] * W.size, method="L-BFGS-B"
    )
    assert objective(X, W) <= peer.fun * (1 + 1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_planted_factors_are_found_exactly(dtype):
    rng = np.random.default_rng(0)
    W = np.where(rng.random((60, 3)) < 0.4, rng.random((60, 3)), 0).astype(dtype)
    X = (W @ W.T).astype(dtype)
    model = SymmetricNMF(3, random_state=0, n_init=3, tol=1e-7, max_iter=3000)
    fitted = model.fit_transform(X)
    assert model.reconstruction_err_ <= (1e-4 if dtype == np.float64 else 1e-2) * 10
    order = (fitted.T @ W).argmax(axis=0)
    np.testing.assert_allclose(fitted[:, order], W, atol=0.02)


@pytest.mark.filterwarnings("ignore:Graph is not fully connected")
def test_components_of_a_graph_are_its_clusters():
    X, y = load_iris(return_X_y=True)
    A = kneighbors_graph(X, 10, include_self=False)
    A = (A + A.T) / 2
    root = sp.diags_array(1 / np.sqrt(np.asarray(A.sum(axis=1)).ravel()))
    S = (root @ A @ root).tocsr()
    model = SymmetricNMF(3, random_state=0, n_init=3)
    labels = model.fit_predict(S)
    np.testing.assert_array_equal(labels, model.embedding_.argmax(axis=1))
    peer = SpectralClustering(3, affinity="precomputed", random_state=0).fit(A)
    score = adjusted_rand_score(y, labels)
    assert score >= adjusted_rand_score(y, peer.labels_) - 0.05
    assert score > 0.7


def test_negative_entries_may_be():
    rng = np.random.default_rng(0)
    X = np.corrcoef(rng.standard_normal((20, 30)))
    W = SymmetricNMF(3, random_state=0, tol=1e-6, max_iter=3000).fit_transform(X)
    size = np.linalg.norm(projected_gradient(X, W)) / np.linalg.norm(X @ W)
    assert size <= 2e-4  # it ended since the objective hardly fell any more
    with pytest.raises(ValueError, match="Negative values"):
        SymmetricNMF(3, init="nndsvd").fit(X)


@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_transform_solves_for_each_row_exactly(storage):
    X = similarities()
    model = SymmetricNMF(4, random_state=0).fit(X)
    new = STORAGES[storage](similarities(seed=1)[:7])
    dense = similarities(seed=1)[:7]
    expected = [optimize.nnls(model.embedding_, row)[0] for row in dense]
    np.testing.assert_allclose(model.transform(new), expected, atol=1e-10)
    with pytest.raises(ValueError, match="features"):
        model.transform(dense[:, :5])


@pytest.mark.parametrize("init", ["random", "nndsvd", "nndsvda", "nndsvdar"])
def test_starts(init):
    X = similarities()
    models = [SymmetricNMF(4, init=init, random_state=3).fit(X) for _ in range(2)]
    np.testing.assert_array_equal(*(model.embedding_ for model in models))
    assert models[0].reconstruction_err_ < 0.2 * np.linalg.norm(X)


def test_a_given_start_is_used_and_kept():
    X = similarities()
    W = SymmetricNMF(4, random_state=0, max_iter=50, tol=0).fit_transform(X)
    before = W.copy()
    again = SymmetricNMF(4, init="custom", max_iter=1, tol=0).fit(X, W=W)
    np.testing.assert_array_equal(W, before)
    assert objective(X, again.embedding_) <= objective(X, W)
    np.testing.assert_allclose(again.embedding_, W, atol=0.1)
    with pytest.warns(RuntimeWarning, match="provided W is ignored"):
        SymmetricNMF(4, random_state=0).fit(X, W=W)
    with pytest.raises(ValueError, match="init='custom' needs W"):
        SymmetricNMF(4, init="custom").fit(X)


def test_the_best_of_several_starts():
    X = similarities(noise=1.0)
    options = {"random_state": 0, "max_iter": 60, "tol": 0}
    one = SymmetricNMF(4, **options).fit(X)
    many = SymmetricNMF(4, n_init=5, **options).fit(X)
    assert many.reconstruction_err_ <= one.reconstruction_err_


@pytest.mark.parametrize("unit", [1e-200, 1e-20, 1e20, 1e200])
def test_the_unit_of_X_does_not_matter(unit):
    X = similarities()
    plain, other = (SymmetricNMF(4, random_state=0).fit(Y) for Y in (X, X * unit))
    scaled = other.embedding_ / np.sqrt(unit)
    assert objective(X, scaled) == pytest.approx(objective(X, plain.embedding_), 1e-3)
    np.testing.assert_allclose(
        other.reconstruction_err_ / unit, plain.reconstruction_err_, rtol=1e-3
    )


def test_threads_change_no_bit():
    X = similarities(600, 5)
    one, two = (
        SymmetricNMF(5, random_state=0, max_iter=5, tol=0, n_threads=n).fit(X)
        for n in (1, 2)
    )
    np.testing.assert_array_equal(one.embedding_, two.embedding_)


def test_limits(capsys):
    X = similarities()
    with pytest.warns(ConvergenceWarning, match="Maximum number of iterations 3"):
        SymmetricNMF(4, random_state=0, max_iter=3, verbose=1).fit(X)
    assert capsys.readouterr().out.count("residual:") == 3
    model = SymmetricNMF(4, random_state=0, callback=lambda it: it.n_iter == 2).fit(X)
    assert (model.n_iter_, model.stop_reason_) == (2, "callback")
    model = SymmetricNMF(4, random_state=0, max_iter=10**6, tol=0, max_time=0.05).fit(X)
    assert model.stop_reason_ == "max_time"

    def interrupt(it):
        if it.n_iter == 3:
            raise KeyboardInterrupt

    model = SymmetricNMF(4, random_state=0, callback=interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert (model.n_iter_, model.stop_reason_) == (3, "interrupted")
    assert model.embedding_.any()


def test_copies_and_names():
    model = SymmetricNMF(4, random_state=0).fit(similarities())
    assert clone(model).get_params() == model.get_params()
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.embedding_, model.embedding_)
    np.testing.assert_array_equal(model.components_, model.embedding_.T)
    assert list(model.get_feature_names_out())[:2] == ["symmetricnmf0", "symmetricnmf1"]


def test_zeros():
    X = np.zeros((6, 6))
    W = SymmetricNMF(2, random_state=0).fit_transform(X)
    assert not W.any()


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.ones((3, 4)), ValueError, "X must be square"),
        (np.triu(np.ones((4, 4))), ValueError, r"X\[0, 1\] is 1 and X\[1, 0\] is 0"),
        (sp.csr_array(np.tri(4)), ValueError, "X must be symmetric"),
        (np.full((3, 3), np.nan), ValueError, "NaN"),
    ],
)
def test_what_is_refused(X, error, message):
    with pytest.raises(error, match=message):
        SymmetricNMF(2).fit(X)


def test_a_store_is_refused():
    da = pytest.importorskip("dask.array")
    with pytest.raises(TypeError, match="takes X in memory"):
        SymmetricNMF(2).fit(da.ones((4, 4)))


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_components", 0), ("n_components", None), ("tol", "x"), ("max_iter", 0),
     ("init", "spectral"), ("n_init", 0), ("max_time", -1)],
)  # fmt: skip
def test_parameters_that_are_refused(name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter of SymmetricNMF"):
        SymmetricNMF(**{name: value}).fit(similarities())
