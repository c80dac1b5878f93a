"""`weights` and `where` of the errors against their definition, entry by entry."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import beta_divergence, reconstruction_error
from nonneg.base.interfaces import LossBase
from nonneg.operands.registration import as_operand
from support import oracles
from support.cases import DTYPES, STORAGES, data, factors
from support.combinations import covering
from support.tolerances import assert_close

CHOICES = {
    "array": np.asarray,
    "fortran": np.asfortranarray,
    "csr": sp.csr_array,
    "csc": sp.csc_matrix,
    "coo": sp.coo_array,
}
BETAS = [2, 1, 0.5, 1.5, 3]


def problem(dtype=np.float64, seed=0):
    X = data(dtype=dtype)
    W, Ht = factors(X.shape, dtype=dtype)
    rng = np.random.default_rng(seed)
    weights = rng.random(X.shape) * (rng.random(X.shape) < 0.7)
    return X, W, Ht.T, weights, rng.random(X.shape) < 0.2


def entries(X, W, H, beta):
    """The divergence of each entry, from sums over one entry alone."""
    alone = np.zeros(X.shape)
    for place in np.ndindex(X.shape):
        one = np.zeros(X.shape)
        one[place] = 1
        alone[place] = oracles.divergence(X, W, H.T, beta, one)
    return alone


@pytest.mark.parametrize(
    ("storage", "choice", "dtype", "beta"),
    covering(list(STORAGES), list(CHOICES), DTYPES, BETAS),
)
def test_each_entry_counts_its_weight(storage, choice, dtype, beta):
    X, W, H, weights, where = problem(dtype)
    loss = entries(X[:9], W[:9], H, beta) if beta == 1 else None
    X, W, weights, where = X[:9], W[:9], weights[:9], where[:9]
    if loss is None:
        x, y = X.astype(float), W.astype(float) @ H.astype(float)
        loss = x**beta + (beta - 1) * y**beta - beta * x * y ** (beta - 1)
        loss /= beta * (beta - 1)
    S, T = STORAGES[storage](X), CHOICES[choice]

    def close(value, expected):
        assert_close(
            value, expected, dtype, X.size, cancelled=np.sum(X.astype(float) ** beta)
        )

    close(beta_divergence(S, W, H, beta, weights=T(weights)), np.sum(weights * loss))
    close(beta_divergence(S, W, H, beta, where=T(where)), loss[where].mean())
    both = beta_divergence(S, W, H, beta, True, weights=T(weights), where=T(where))
    close(both, np.sqrt(2 * np.average(loss[where], weights=weights[where])))
    same = reconstruction_error(S, W, H, beta_loss=beta, weights=weights, where=where)
    assert same == pytest.approx(both, rel=1e-6)


@pytest.mark.parametrize("beta", [0, *BETAS])
def test_weights_of_one_change_nothing(beta):
    X, W, H, *_ = problem()
    X = X + 0.1
    ones = np.ones(X.shape)
    whole = beta_divergence(X, W, H, beta)
    assert beta_divergence(X, W, H, beta, weights=ones) == pytest.approx(whole)
    mean = beta_divergence(X, W, H, beta, where=ones > 0)
    assert mean == pytest.approx(whole / X.size)


@pytest.mark.parametrize("filler", [np.nan, -5.0, 1e30])
@pytest.mark.parametrize("beta", [2, 1, 0])
def test_entries_that_do_not_count_may_hold_anything(filler, beta):
    X, W, H, weights, _ = problem()
    X = X + 0.1
    other = np.where(weights > 0, X, filler)
    expected = beta_divergence(X, W, H, beta, weights=weights)
    assert beta_divergence(other, W, H, beta, weights=weights) == expected
    sparse = sp.csr_array(other)
    assert beta_divergence(sparse, W, H, beta, weights=weights) == pytest.approx(
        expected
    )
    mean = beta_divergence(other, W, H, beta, where=weights > 0)
    assert mean == beta_divergence(X, W, H, beta, where=weights > 0)


def test_masked_entries_need_no_nan():
    X, W, H, _, where = problem()
    hidden = np.ma.array(X, mask=where)
    error = reconstruction_error(hidden, W, H, weights=~where)
    assert error == reconstruction_error(X, W, H, weights=~where)


def test_a_nearly_exact_fit_keeps_its_digits():
    rng = np.random.default_rng(0)
    W, H = rng.random((30, 3)), rng.random((3, 20))
    X = W @ H * (1 + 1e-9)
    where = rng.random(X.shape) < 0.3
    expected = np.sqrt(np.mean((X - W @ H)[where] ** 2))
    assert reconstruction_error(X, W, H, where=where) == pytest.approx(
        expected, rel=1e-6
    )


class Rows:
    """Any object with a shape, a dtype and row slices is a store."""

    def __init__(self, X):
        self._X, self.shape, self.dtype = X, X.shape, X.dtype

    def __getitem__(self, rows):
        return self._X[rows]


@pytest.mark.parametrize("choice", ["array", "csr", "csc"])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_rows_that_are_read_in_parts(kind, choice):
    X, W, H, weights, where = problem()
    store = as_operand(Rows(kind(X)), 1).configured(window_bytes=1000)
    assert store.in_parts
    T = CHOICES[choice]
    for choices in ({"weights": T(weights)}, {"where": T(where)}):
        whole = reconstruction_error(X, W, H, **choices)
        assert reconstruction_error(store, W, H, **choices) == pytest.approx(whole)


@pytest.mark.parametrize("sparse", [False, True])
def test_nothing_of_the_size_of_X_is_made(sparse):
    """Few chosen entries of a large X cost memory for these alone."""
    n, m, k = 4000, 3000, 5
    rng = np.random.default_rng(0)
    X = sp.random_array((n, m), density=0.001, format="csr", random_state=rng)
    if not sparse:
        X = X.toarray()
    W, H = rng.random((n, k)), rng.random((k, m))
    where = sp.random_array((n, m), density=0.001, format="csr", random_state=rng) > 0
    tracemalloc.start()
    reconstruction_error(X, W, H, where=where)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.25 * 8 * n * m


@pytest.mark.parametrize(
    ("choices", "error", "text"),
    [
        ({"weights": -np.ones((4, 3))}, ValueError, "Negative entries in weights"),
        ({"weights": np.zeros((4, 3))}, ValueError, "All weights .* are 0"),
        ({"weights": np.full((4, 3), np.nan)}, ValueError, "weights contains NaN"),
        ({"weights": np.ones((3, 4))}, ValueError, r"weights has shape \(3, 4\)"),
        ({"where": np.ones((4, 3))}, TypeError, "where must be boolean"),
        ({"where": np.zeros((4, 3), bool)}, ValueError, "no True entry"),
        ({"where": np.ones((3, 4), bool)}, ValueError, r"where has shape \(3, 4\)"),
        ({"where": np.eye(4, 3, dtype=bool), "weights": 1 - np.eye(4, 3)}, ValueError,
         "weight 0"),
    ],
    ids=["negative", "zero", "nan", "shape", "numbers", "none", "shape-where", "apart"],
)  # fmt: skip
def test_refusals(choices, error, text):
    with pytest.raises(error, match=text):
        reconstruction_error(
            np.ones((4, 3)), np.ones((4, 1)), np.ones((1, 3)), **choices
        )


def test_entries_that_count_must_be_numbers():
    X, W, H = np.ones((4, 3)), np.ones((4, 1)), np.ones((1, 3))
    X[1, 1] = np.nan
    with pytest.raises(ValueError, match="NaN in 1 of the entries that count"):
        reconstruction_error(X, W, H, where=np.ones((4, 3), bool))
    X[1, 1] = -1
    with pytest.raises(ValueError, match="1 are below 0"):
        beta_divergence(X, W, H, 1, weights=np.ones((4, 3)))
    X[1, 1] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        reconstruction_error(X, W, H, weights=np.ones((4, 3)))


def test_a_loss_that_is_no_sum_of_terms_is_refused():
    class Other(LossBase):
        name = "other"

    X, W, H = np.ones((4, 3)), np.ones((4, 1)), np.ones((1, 3))
    with pytest.raises(ValueError, match="no sum over entries"):
        reconstruction_error(X, W, H, beta_loss=Other(), weights=X)
