"""Losses against their formulas, at exact and nearly exact fits, and what they obey."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import _nmf as peer

from nonneg import beta_divergence, reconstruction_error
from nonneg.losses.registry import losses
from nonneg.operands.registration import as_operand
from support import oracles
from support.cases import DTYPES, LOSSES, STORAGES, data, data_for, factors
from support.tolerances import assert_close, tol

VALUES = oracles.LOSSES
DEGREES = {"frobenius": 2, "kullback-leibler": 1, "itakura-saito": 0}
"""The loss's law of scale: value(c·X, c·WH) = c^degree · value(X, WH)."""

QUADRATIC = [name for name in LOSSES if "quadratic" in losses[name].provides]


@pytest.fixture(params=LOSSES)
def loss(request):
    return losses[request.param]()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", STORAGES)
def test_value(loss, storage, dtype, passes):
    X = data_for(loss.name, dtype=dtype)
    W, Ht = factors(X.shape, dtype=dtype)
    value = loss.value(as_operand(STORAGES[storage](X)), W, Ht)
    assert isinstance(value, float)
    assert_close(value, VALUES[loss.name](X, W, Ht), dtype, X.size)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", STORAGES)
def test_an_exact_fit_has_no_loss(loss, storage, dtype, passes):
    """Small whole numbers: each product is exact in either dtype."""
    rng = np.random.default_rng(0)
    W, Ht = (rng.integers(0, 4, (n, 3)).astype(dtype) for n in (23, 17))
    if loss.name == "itakura-saito":  # not for zeros
        W += 1
        Ht += 1
    X = W @ Ht.T
    operand = as_operand(STORAGES[storage](X))
    assert loss.value(operand, W, Ht) == 0.0
    assert loss.error(loss.value(operand, W, Ht)) == 0.0


@pytest.mark.parametrize("loss", QUADRATIC, indirect=True)
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("distance", [1e-3, 1e-6, 1e-9])
def test_a_nearly_exact_fit_keeps_its_digits(loss, storage, distance, passes):
    """The expanded square would have none left at 1e-9.

    Sums of x·log(x/y) − x + y have their own rounding.
    """
    rng = np.random.default_rng(0)
    W, Ht = (rng.random((n, 3)) for n in (23, 17))
    X = W @ Ht.T
    X[::2] *= 1 + distance
    value = loss.value(as_operand(STORAGES[storage](X)), W, Ht)
    expected = VALUES[loss.name](X, W, Ht)
    # the residual is a difference: eps·|X| of noise in each entry, `distance`·|X|
    # of signal; above the threshold the expanded square promises 1e-8
    assert value == pytest.approx(expected, rel=max(1e-7, 1e-14 / distance))


@pytest.mark.parametrize("storage", ["dense-C", "dense-F", "csr-array", "csc-array"])
def test_error_is_the_root_of_twice_the_value(loss, storage):
    X = data_for(loss.name)
    W, Ht = factors(X.shape)
    value = loss.value(as_operand(STORAGES[storage](X)), W, Ht)
    assert loss.error(value) == pytest.approx(np.sqrt(2 * value))
    assert loss.error(-1e-18) == 0.0


@pytest.mark.parametrize("storage", ["dense-C", "dense-F", "csr-array", "csc-array"])
@pytest.mark.parametrize("scale", [1e-60, 1e-3, 1e3, 1e60])
def test_scale_law(loss, storage, scale):
    X = data_for(loss.name)
    W, Ht = factors(X.shape)
    store = STORAGES[storage]
    value = loss.value(as_operand(store(X)), W, Ht)
    scaled = loss.value(as_operand(store(scale * X)), scale * W, Ht)
    expected = scale ** DEGREES[loss.name] * value
    assert_close(scaled, expected, np.float64, X.size)


def test_quadratic_losses_from_products(loss):
    """What a solver knows after a sweep suffices for the value."""
    if "quadratic" not in loss.provides:
        with pytest.raises(NotImplementedError):
            loss.from_products(as_operand(data()), 0.0, 0.0)
        return
    X = data()
    W, Ht = factors(X.shape)
    WH = W @ Ht.T
    value = loss.from_products(as_operand(X), float(np.sum(X * WH)), np.sum(WH**2))
    assert_close(value, VALUES[loss.name](X, W, Ht), np.float64, X.size)
    assert loss.from_products(as_operand(X), 1e9, 0.0) == 0.0


@given(
    seed=st.integers(0, 2**20),
    n_samples=st.integers(1, 9),
    n_features=st.integers(1, 9),
    k=st.integers(1, 4),
    storage=st.sampled_from(sorted(STORAGES)),
    name=st.sampled_from(LOSSES),
)
def test_a_loss_is_never_negative_and_does_not_depend_on_storage(
    seed, n_samples, n_features, k, storage, name
):
    X = data_for(name, n_samples, n_features, seed=seed)
    W, Ht = factors(X.shape, k, seed=seed)
    loss = losses[name]()
    value = loss.value(as_operand(STORAGES[storage](X)), W, Ht)
    assert value >= 0
    dense = loss.value(as_operand(X), W, Ht)
    bound = tol(np.float64, X.size)
    assert value == pytest.approx(dense, rel=bound, abs=bound * float(np.sum(X**2)))


def test_factors_of_both_signs_that_cancel():
    """The expanded square would have no digit left."""
    W = np.array([[1e8, -1e8 + 1.0], [1e8, -1e8], [0.5, 0.25]])
    H = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    X = np.eye(3)
    exact = np.linalg.norm(X - np.array([H[0], [0, 0, 0], 0.75 * H[0]]))
    np.testing.assert_allclose(reconstruction_error(X, W, H), exact, rtol=1e-6)


# --- the public function -------------------------------------------------------------------


@pytest.mark.parametrize("beta", [-1, 0, 0.5, 1, 1.5, 2, 3, "kullback-leibler"])
@pytest.mark.parametrize("storage", ["dense-C", "dense-F", "csr-array"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_beta_divergence_is_scikit_learns(beta, storage, dtype):
    """Also with zeros in X, and of rows and columns that are empty."""
    X = data()
    X[2], X[:, 5] = 0, 0
    W, Ht = factors(X.shape)
    X, W, H = (A.astype(dtype) for A in (X, W, Ht.T))
    stored = STORAGES[storage](X)
    for square_root in (False, True):
        ours = beta_divergence(stored, W, H, beta, square_root)
        theirs = peer._beta_divergence(stored, W, H, beta, square_root)
        bound = 1e-10 if dtype == np.float64 else 1e-4
        assert ours == pytest.approx(theirs, rel=bound, nan_ok=True)


@pytest.mark.parametrize("beta", [-1, 0, 0.5, 1, 1.5, 2, 3])
@pytest.mark.parametrize("storage", STORAGES)
def test_beta_divergence_does_not_depend_on_storage(beta, storage):
    """scikit-learn's does, for CSC."""
    X = data()
    W, Ht = factors(X.shape)
    value = beta_divergence(STORAGES[storage](X), W, Ht.T, beta)
    assert value == pytest.approx(beta_divergence(X, W, Ht.T, beta), rel=1e-12)


def test_beta_divergence_of_numbers_and_rows():
    assert beta_divergence(3.0, 2.0, 1.0, 2) == 0.5
    assert beta_divergence([3.0, 2.0], 1.0, [3.0, 2.0], 1) == pytest.approx(0)
    found = beta_divergence(2.0, 1.0, 1.0, "itakura-saito")
    assert found == pytest.approx(2 - np.log(2) - 1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_kullback_leibler_of_numbers_far_apart(dtype):
    """The logarithm of x/y keeps its digits at any ratio, up to where y counts as 0."""
    rng = np.random.default_rng(0)
    span = 10 if dtype == np.float32 else 80
    powers = rng.uniform(-span, span, (2, 300))
    powers[1] = powers[0] + rng.uniform(-3, 3, 300)
    powers[1, :100] = powers[0, :100] + np.log10(rng.uniform(0.999, 1.001, 100))
    for x, y in (10.0**powers).T.astype(dtype):
        X, W, H = np.full((1, 9), x), np.full((1, 1), y), np.ones((1, 9), dtype)
        x, y = float(x), float(y)
        logarithm = x * np.log(x / y)
        error = beta_divergence(X, W, H, 1) - 9 * (logarithm - x + y)
        assert abs(error) <= 60 * np.finfo(dtype).eps * (abs(logarithm) + x + y)


@pytest.mark.parametrize("size", [1e-30, 1e9])
@pytest.mark.parametrize("beta", [0.5, 1, 2])
def test_beta_divergence_has_a_law_of_scale(size, beta):
    X = data()
    W, Ht = factors(X.shape)
    value = beta_divergence(size * X, size * W, Ht.T, beta)
    expected = size**beta * beta_divergence(X, W, Ht.T, beta)
    assert value == pytest.approx(expected, rel=1e-9)


def test_beta_divergence_is_finite_where_the_product_is_zero():
    """As in scikit-learn: a floor stands for what would be infinite."""
    X, W, H = (
        np.array([[1.0, 0.0], [2.0, 1.0]]),
        np.eye(2),
        np.array([[0.0, 1.0], [2.0, 0.0]]),
    )
    for beta in (0, 0.5, 1):
        ours, theirs = (
            f(X, W, H, beta) for f in (beta_divergence, peer._beta_divergence)
        )
        assert np.isfinite(ours)
        assert ours == pytest.approx(theirs, rel=1e-10)


@pytest.mark.parametrize("beta", ["poisson", None, np.nan, True])
def test_what_is_no_beta_is_refused(beta):
    with pytest.raises(
        ValueError, match="The 'beta' parameter of beta_divergence must"
    ):
        beta_divergence(data(), *factors(data().shape), beta)


def test_beta_divergence_refuses_what_does_not_fit():
    X = data()
    W, Ht = factors(X.shape)
    with pytest.raises(ValueError, match="X has shape"):
        beta_divergence(X, W, Ht, 1)
    for name, arguments in (
        ("X", (-X, W, Ht.T)),
        ("W", (X, -W, Ht.T)),
        ("H", (X, W, -Ht.T)),
    ):
        with pytest.raises(ValueError, match=f"beta_divergence .input {name}."):
            beta_divergence(*arguments, 1)
