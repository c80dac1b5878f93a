"""Several data sets: optimality by the definition, planted parts, limits, and manners."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import optimize
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from nonneg import NMF, JointNMF
from support.cases import DTYPES, MAIN_STORAGES, STORAGES
from support.tolerances import tol


def planted(dtype=np.float64, noise=0.0, seed=0):
    """Two data sets: middle features are shared, those at the ends belong to one each."""
    rng = np.random.default_rng(seed)
    H = rng.gamma(0.5, size=(4, 30))
    H[:, :4] = H[:, 26:] = 0
    V = np.zeros((2, 4, 30))
    V[0, :, :4], V[1, :, 26:] = rng.gamma(0.5, size=(2, 4, 4))
    datasets = []
    for n, V_i in zip((60, 40), V, strict=True):
        W = rng.gamma(0.5, size=(n, 4))
        X = W @ (H + V_i)
        datasets.append((X * (1 + noise * rng.random(X.shape))).astype(dtype))
    return datasets


def objective(model, datasets):
    """The objective by its definition."""
    total = 0.0
    for c, X, W, V in zip(
        model.dataset_weights_,
        datasets,
        model.embeddings_,
        model.specific_,
        strict=True,
    ):
        X, W, V = (A.astype(np.float64) for A in (X, W, V))
        penalty = 0.0
        if np.isfinite(model.specific):
            penalty = 0.5 * model.specific * np.sum((W @ V) ** 2)
        error = X - W @ (model.components_ + V)
        total += c * (0.5 * np.sum(error**2) + penalty)
    return total


def gradients(model, datasets):
    """Gradients with respect to H, all W and all V, and the factors themselves."""
    H, lam = model.components_.astype(np.float64), model.specific
    to_H, pairs = np.zeros_like(H), []
    for c, X, W, V in zip(
        model.dataset_weights_,
        datasets,
        model.embeddings_,
        model.specific_,
        strict=True,
    ):
        X, W, V = (A.astype(np.float64) for A in (X, W, V))
        error = W @ (H + V) - X
        to_H += c * W.T @ error
        pairs.append((c * (error @ (H + V).T + lam * W @ V @ V.T), W))
        pairs.append((c * (W.T @ error + lam * W.T @ W @ V), V))
    return [(to_H, H), *pairs]


@pytest.mark.parametrize("storage", MAIN_STORAGES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_objective_never_rises_and_is_the_defined_one(dtype, storage):
    datasets = planted(dtype, 0.1)
    model = JointNMF(4, random_state=0, dataset_weights=[1.0, 2.5], tol=1e-3)
    W_of = model.fit_transform([STORAGES[storage](X) for X in datasets])
    assert all(W.dtype == dtype and (W >= 0).all() for W in W_of)
    history = model.history_["objective"]
    rounding = tol(dtype, 100) * sum(np.sum(X.astype(float) ** 2) for X in datasets)
    assert np.diff(history).max() <= rounding
    assert history[-1] == pytest.approx(objective(model, datasets), abs=10 * rounding)
    errors = [
        np.linalg.norm(X - W @ (model.components_ + V))
        for X, W, V in zip(datasets, W_of, model.specific_, strict=True)
    ]
    np.testing.assert_allclose(model.reconstruction_errs_, errors, rtol=1e-4)
    assert model.reconstruction_err_ == pytest.approx(np.linalg.norm(errors), rel=1e-4)


@pytest.mark.parametrize("specific", [0.3, 5.0])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_end_is_stationary_for_each_block(specific):
    datasets = planted(noise=0.3)
    model = JointNMF(4, specific=specific, random_state=0, tol=1e-9, max_iter=3000)
    model.fit(datasets)
    value = objective(model, datasets)
    for gradient, A in gradients(model, datasets):
        # a component that is large in one factor is small in the other: products have no unit
        assert (A * np.abs(gradient)).max() <= 1e-3 * value
        assert (gradient[A == 0] * A.max() >= -1e-2 * value).all()


def test_without_specific_parts_it_is_NMF_of_the_stacked_matrix():
    datasets = planted(noise=0.5)
    options = {"random_state": 0, "tol": 1e-7, "max_iter": 5000}
    joint = JointNMF(4, specific=np.inf, **options).fit(datasets)
    assert not any(V.any() for V in joint.specific_)
    stacked = np.vstack(datasets)
    W = np.vstack(joint.embeddings_)
    best = NMF(4, "custom", "hals", 1e-7, 5000).fit(stacked, W=W, H=joint.components_)
    assert joint.reconstruction_err_ == pytest.approx(best.reconstruction_err_, 1e-5)
    views = JointNMF(4, shared="W", specific=np.inf, **options)
    views.fit([X.T for X in datasets])
    assert views.reconstruction_err_ == pytest.approx(joint.reconstruction_err_, 1e-9)
    np.testing.assert_allclose(views.embeddings_, joint.components_.T)


def test_planted_parts_are_found():
    """No pair of parts with a smaller objective is missed, and zeros stay zero."""
    datasets = planted()
    model = JointNMF(4, specific=0.1, random_state=0, n_init=3, max_iter=800, tol=0)
    W_of = model.fit_transform(datasets)
    # at the planted factors the objective is the penalty, of which the ends are the parts
    ends = datasets[0][:, :4], datasets[1][:, 26:]
    assert objective(model, datasets) <= 0.05 * sum(np.sum(E**2) for E in ends)
    for X, W, V in zip(datasets, W_of, model.specific_, strict=True):
        error = np.linalg.norm(X - W @ (model.components_ + V))
        assert error < 0.07 * np.linalg.norm(X)
    left, right = (W @ V for W, V in zip(W_of, model.specific_, strict=True))
    assert np.linalg.norm(left[:, 26:]) < 0.02 * np.linalg.norm(left)
    assert np.linalg.norm(right[:, :4]) < 0.02 * np.linalg.norm(right)
    assert np.linalg.norm(right[:, 26:]) > 0.7 * np.linalg.norm(datasets[1][:, 26:])


def test_a_larger_weight_makes_specific_parts_smaller():
    datasets = planted(noise=0.2)
    sizes = []
    for specific in (0.1, 1.0, 10.0, np.inf):
        model = JointNMF(4, specific=specific, random_state=0, max_iter=2000)
        model.fit(datasets)
        sizes.append(
            sum(
                np.sum((W @ V) ** 2)
                for W, V in zip(model.embeddings_, model.specific_, strict=True)
            )
        )
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 0


def test_transform_solves_for_each_row_exactly():
    datasets = planted(noise=0.2)
    model = JointNMF(4, random_state=0, specific=2.0).fit(datasets)
    for i, X in enumerate(datasets):
        H, V = model.components_, model.specific_[i]
        A = np.vstack([(H + V).T, np.sqrt(2.0) * V.T])
        zeros = np.zeros(V.shape[1])
        expected = [optimize.nnls(A, np.append(x, zeros))[0] for x in X[:6]]
        W = model.transform(X[:6], dataset=i)
        np.testing.assert_allclose(W, expected, atol=1e-8 * np.max(expected))
    both = model.transform([X[:6] for X in datasets])
    np.testing.assert_array_equal(both[1], W)


def test_views_share_their_samples():
    views = [X.T for X in planted(noise=0.1)]
    model = JointNMF(4, shared="W", random_state=0, specific=1.0, max_iter=2000)
    W = model.fit_transform(views)
    assert W.shape == (30, 4)
    assert [H.shape for H in model.components_] == [(4, 60), (4, 40)]
    assert [V.shape for V in model.specific_] == [(30, 4)] * 2
    again = model.transform([X[:5] for X in views])
    np.testing.assert_allclose(again, W[:5], atol=0.02 * W.max())
    with pytest.raises(ValueError, match="dataset is for shared='H'"):
        model.transform(views[0], dataset=0)


def test_weights_of_data_sets():
    datasets = planted()
    equal = JointNMF(3, dataset_weights="equal", random_state=0, max_iter=5, tol=0)
    weights = equal.fit(datasets).dataset_weights_
    shares = weights * [np.sum(X**2) for X in datasets]
    assert shares[0] == pytest.approx(shares[1])
    errors = []
    for weight in (0.01, 1.0, 100.0):
        model = JointNMF(3, dataset_weights=[1, weight], random_state=0)
        errors.append(model.fit(datasets).reconstruction_errs_[1])
    assert errors[0] > errors[1] > errors[2]


def test_threads_change_no_bit_and_the_best_start_is_kept():
    datasets = planted(noise=1.0)
    options = {"random_state": 0, "max_iter": 20, "tol": 0}
    one, two = (JointNMF(4, n_threads=n, **options).fit(datasets) for n in (1, 2))
    np.testing.assert_array_equal(one.components_, two.components_)
    many = JointNMF(4, n_init=4, **options).fit(datasets)
    assert many.history_["objective"][-1] <= one.history_["objective"][-1]


def test_limits_and_copies():
    datasets = planted()
    with pytest.warns(ConvergenceWarning, match="Maximum number of iterations 2"):
        JointNMF(4, random_state=0, max_iter=2).fit(datasets)
    model = JointNMF(4, random_state=0, callback=lambda it: it.n_iter == 3)
    model.fit(datasets)
    assert (model.n_iter_, model.stop_reason_) == (3, "callback")

    def interrupt(it):
        if it.n_iter == 2:
            raise KeyboardInterrupt

    model.set_params(callback=interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(datasets)
    assert model.stop_reason_ == "interrupted"
    model.set_params(callback=None)
    assert clone(model).get_params() == model.get_params()
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.components_, model.components_)


def test_float32_beside_float64_is_float64():
    first, second = planted()
    model = JointNMF(4, random_state=0, max_iter=3, tol=0)
    model.fit([first.astype(np.float32), second])
    assert model.components_.dtype == np.float64


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.ones((3, 4)), TypeError, "a list of data sets"),
        ([], TypeError, "a list of data sets"),
        ([np.ones((3, 4)), np.ones((3, 5))], ValueError, "the same features"),
        ([np.ones((3, 4)), -np.ones((3, 4))], ValueError, "Negative values"),
        ([np.full((3, 4), np.nan)], ValueError, "NaN"),
        ([np.full((3, 4), 1e200)], ValueError, "Multiply the data sets"),
    ],
)
def test_what_is_refused(X, error, message):
    with pytest.raises(error, match=message):
        JointNMF(2).fit(X)


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_components", 0), ("shared", "V"), ("specific", -1.0), ("specific", "x"),
     ("tol", None), ("dataset_weights", [1.0]), ("dataset_weights", [1.0, 0.0])],
)  # fmt: skip
def test_parameters_that_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        JointNMF(**{name: value}).fit(planted())


def test_other_samples_must_fit():
    model = JointNMF(3, random_state=0, max_iter=3, tol=0).fit(planted())
    with pytest.raises(ValueError, match="expecting 30"):
        model.transform(np.ones((2, 5)), dataset=0)
    with pytest.raises(ValueError, match="none of the 2 data sets"):
        model.transform(np.ones((2, 30)), dataset=2)
    with pytest.raises(ValueError, match="a list of 2 data sets"):
        model.transform(np.ones((2, 30)))
