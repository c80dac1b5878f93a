"""Fits by β-divergences: scikit-learn's iterates, optimality, and odd data."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.decomposition as peer
from sklearn.exceptions import ConvergenceWarning

import nonneg
from nonneg import NMF, non_negative_factorization
from support import oracles
from support.cases import DTYPES, MAIN_STORAGES, STORAGES, counts, data, factors
from support.combinations import covering
from support.tolerances import assert_close

BETAS = [-0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
K = 5
NO_PENALTY = {"alpha_W": 0.0}
L1 = {"alpha_W": 2e-3, "alpha_H": 1e-3, "l1_ratio": 1.0}
L2 = {"alpha_W": 2e-3, "alpha_H": 1e-3, "l1_ratio": 0.2}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def start(X, k=K, dtype=np.float64):
    W, Ht = factors(X.shape, k, dtype)
    size = np.sqrt(X.mean() / (W @ Ht.T).mean()).astype(dtype)
    return W * size, np.ascontiguousarray(Ht.T) * size


# --- mu -----------------------------------------------------------------------------------


ITERATES = [
    pytest.param(beta, penalty, id=f"{beta}-{name}")
    for beta in BETAS
    for name, penalty in (("none", NO_PENALTY), ("l1", L1), ("l2", L2))
    if penalty is not L2 or beta >= 2
]
"""An L2 penalty is minimised exactly for β < 2, which scikit-learn does not."""


@pytest.mark.parametrize(("beta", "penalty"), ITERATES)
@pytest.mark.parametrize("storage", ["dense-C", "dense-F", "csr-array"])
def test_mu_makes_scikit_learns_iterates(beta, storage, penalty):
    """The factors and the iteration where it stops are scikit-learn's."""
    X = data(40, 23, density=0.7) + (0.05 if beta <= 0 else 0.0)
    X = STORAGES[storage](X)
    W, H = start(data(40, 23, density=0.7))
    for limits in ({"tol": 0.0, "max_iter": 30}, {"tol": 1e-4, "max_iter": 200}):
        how = {"init": "custom", "solver": "mu", "beta_loss": beta, **limits, **penalty}
        ours, theirs = (
            module.non_negative_factorization(
                X, W.copy(), H.copy(), n_components=K, **how
            )
            for module in (nonneg, peer)
        )
        for actual, expected in zip(ours[:2], theirs[:2], strict=True):
            np.testing.assert_allclose(
                actual, expected, rtol=1e-8, atol=1e-8 * expected.max()
            )
        assert ours[2] == theirs[2]


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_storage_gives_the_same_mu_fit(beta, dtype):
    X = data(40, 23, density=0.7, dtype=dtype) + dtype(0.05 if beta <= 0 else 0.0)
    W, H = start(X, dtype=dtype)
    results = [
        non_negative_factorization(
            STORAGES[storage](X), W, H, n_components=K, init="custom", solver="mu",
            beta_loss=beta, tol=0, max_iter=10, **L2,
        )
        for storage in MAIN_STORAGES
    ]  # fmt: skip
    for other in results[1:]:
        # ten steps of ratios of sums
        assert_close(other[0], results[0][0], dtype, X.size, factor=100)
        assert_close(other[1], results[0][1], dtype, X.size, factor=100)


@pytest.mark.parametrize(
    ("beta", "storage", "penalty"), covering(BETAS, MAIN_STORAGES, [L1, L2])
)
def test_no_multiplicative_step_raises_the_objective(beta, storage, penalty):
    X = data(40, 23, density=0.7) + (0.05 if beta <= 0 else 0.0)
    W, H = start(X)
    n, m = X.shape
    penalty = {**penalty, "alpha_W": 0.02, "alpha_H": 0.05}

    def objective(W, H):
        l1, l2 = penalty["l1_ratio"], 0.5 * (1 - penalty["l1_ratio"])
        value = oracles.divergence(X, W, H.T, beta)
        value += m * 0.02 * (l1 * W.sum() + l2 * (W * W).sum())
        return value + n * 0.05 * (l1 * H.sum() + l2 * (H * H).sum())

    values = [objective(W, H)]
    for _ in range(15):
        W, H, _ = non_negative_factorization(
            STORAGES[storage](X), W, H, n_components=K, init="custom", solver="mu",
            beta_loss=beta, tol=0, max_iter=1, **penalty,
        )  # fmt: skip
        values.append(objective(W, H))
    assert max(np.diff(values)) <= 1e-10 * abs(values[0])
    assert values[-1] < values[0]


@pytest.mark.parametrize(
    ("beta", "storage", "seed"),
    covering([0.0, 1.0, 1.5, 2.0], MAIN_STORAGES, list(range(3))),
)
def test_acceleration_is_never_worse(beta, storage, seed):
    """After as many iterations, which read X as often."""
    X = counts(seed=seed) + (0.0 if beta == 1 else 0.01)
    model = NMF(K, "random", "mu", random_state=seed, tol=0, beta_loss=beta)
    for n_iter in (5, 20, 60, 200):
        plain = model.set_params(accelerate=False, max_iter=n_iter)
        plain = plain.fit(STORAGES[storage](X)).reconstruction_err_
        fast = model.set_params(accelerate=True, max_iter=n_iter)
        fast = fast.fit(STORAGES[storage](X)).reconstruction_err_
        assert fast <= plain * (1 + 1e-9)


def test_acceleration_is_refused_where_the_step_is_no_ratio():
    with pytest.raises(ValueError, match="accelerate=True needs 0 <= beta_loss <= 2"):
        NMF(2, "random", "mu", beta_loss=2.5, accelerate=True).fit(data())


@pytest.mark.parametrize(
    ("beta", "accelerate"),
    [(0.5, False), (1.0, False), (1.0, True), (2.0, False), (2.0, True)],
)
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_zeros_that_are_not_optimal_are_left_in_the_end(beta, storage, accelerate):
    """scikit-learn's updates stay at them for good."""
    X = counts() + 0.01
    W, H = start(X)
    W[1:, 0], H[1, ::2], W[::2, 2] = 0, 0, 0
    how = {"n_components": K, "init": "custom", "solver": "mu", "max_iter": 3000}
    how |= {"beta_loss": beta, "tol": 1e-4}
    theirs = peer.non_negative_factorization(X, W.copy(), H.copy(), **how)
    ours = non_negative_factorization(
        STORAGES[storage](X), W, H, accelerate=accelerate, **how
    )
    values = [oracles.divergence(X, A, B.T, beta) for A, B, _ in (ours, theirs)]
    assert values[0] < 0.95 * values[1]
    assert not theirs[0][1:, 0].any()
    assert ours[0][1:, 0].any()


# --- sn -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("storage", "dtype", "penalty"),
    covering(MAIN_STORAGES, DTYPES, [NO_PENALTY, L1, L2]),
)
def test_sn_ends_at_the_optimality_conditions(storage, dtype, penalty):
    X = counts()
    model = NMF(
        K,
        "random",
        "sn",
        random_state=0,
        beta_loss=1,
        tol=1e-9,
        max_iter=3000,
        **penalty,
    )
    W = model.fit_transform(STORAGES[storage](X.astype(dtype))).astype(float)
    H = model.components_.astype(float)
    n, m = X.shape
    rho = penalty.get("l1_ratio", 0.0)
    bound = {np.float64: 1e-4, np.float32: 3e-2}[dtype]
    for A, B, Y, weight in (
        (W, H.T, X, m * penalty["alpha_W"]),
        (H.T, W, X.T, n * penalty.get("alpha_H", 0.0)),
    ):
        ratio = np.divide(Y, A @ B.T, out=np.zeros_like(Y), where=Y > 0)
        gradient = B.sum(axis=0) + weight * (rho + (1 - rho) * A) - ratio @ B
        assert np.abs(gradient * A).sum() <= bound * X.sum()
        assert gradient.min() >= -30 * bound * B.sum(axis=0).max()


@pytest.mark.parametrize("storage", MAIN_STORAGES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_transform_finds_the_fits_W_again(storage, dtype):
    """In the objective of each row, to 1e-6 in float64."""
    X = counts((200, 50))
    stored = STORAGES[storage](X.astype(dtype))
    model = NMF(K, "random", "sn", random_state=0, beta_loss=1)
    W = model.fit_transform(stored).astype(float)
    again = model.transform(stored).astype(float)
    H = model.components_.astype(float)

    def rows(A):
        return [
            oracles.divergence(x[None], a[None], H.T, 1)
            for x, a in zip(X, A, strict=True)
        ]

    relative = 1e-6 if dtype == np.float64 else 1e-3
    np.testing.assert_allclose(
        rows(again), rows(W), rtol=relative, atol=relative * X.mean()
    )
    assert np.all(again[X.sum(axis=1) == 0] == 0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("storage", ["dense-C", "csr-array"])
def test_sn_is_ahead_of_mu(storage, seed):
    X = STORAGES[storage](counts((120, 80), seed=seed))
    errors = [
        NMF(K, "random", solver, random_state=seed, beta_loss=1, tol=0, max_iter=n)
        .fit(X)
        .reconstruction_err_
        for solver, n in (("sn", 60), ("mu", 400))
    ]
    assert errors[0] <= 1.02 * errors[1]  # another local optimum may be


def test_the_stopping_rule_ends_no_earlier_than_scikit_learns():
    """With the default tol, on the same starts."""
    ours, theirs = [], []
    for seed in range(4):
        X = counts((120, 80), seed=seed)
        how = {"init": "random", "random_state": seed, "beta_loss": 1, "max_iter": 1000}
        ours.append(NMF(K, solver="sn", **how).fit(X).reconstruction_err_)
        theirs.append(peer.NMF(K, solver="mu", **how).fit(X).reconstruction_err_)
    assert np.median(ours) <= np.median(theirs)


def test_auto_picks_by_the_loss():
    X = counts()
    for beta, solver in ((1, "sn"), (2, "hals"), (1.5, "irls"), (0.5, "mu")):
        model = NMF(K, "random", "auto", random_state=0, beta_loss=beta, max_iter=5)
        assert model.fit(X + 0.01).solver_ == solver


def test_names_and_numbers_are_the_same_losses():
    X = counts() + 0.01
    for name, beta in (
        ("kullback-leibler", 1),
        ("frobenius", 2.0),
        ("itakura-saito", 0),
    ):
        models = [
            NMF(K, "random", "mu", random_state=0, beta_loss=loss, max_iter=5).fit(X)
            for loss in (name, beta)
        ]
        np.testing.assert_array_equal(*(m.components_ for m in models))


@pytest.mark.parametrize("solver", ["mu", "sn"])
def test_restarts_keep_the_best(solver):
    X = counts()
    model = NMF(K, "random", solver, random_state=0, beta_loss=1, n_init=4, max_iter=40)
    best = model.fit(X).reconstruction_err_
    first = model.set_params(n_init=1).fit(X).reconstruction_err_
    assert best <= first * (1 + 1e-12)


# --- odd data -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("solver", "storage", "size"),
    covering(["mu", "sn"], MAIN_STORAGES, [1e-30, 1e-9, 1e9]),
)
def test_kullback_leibler_does_not_depend_on_the_unit(solver, storage, size):
    """D(c·X | c·WH) = c·D: counts of 1e9 and values of 1e-30 are fitted as well."""
    X, unit = counts(), 2.0 ** round(np.log2(size))
    model = NMF(K, "random", solver, random_state=0, beta_loss=1, max_iter=50, tol=0)
    plain = model.fit(STORAGES[storage](X)).reconstruction_err_ ** 2
    scaled = model.fit(STORAGES[storage](unit * X)).reconstruction_err_ ** 2 / unit
    assert scaled == pytest.approx(plain, rel=1e-6)
    assert np.isfinite(model.components_).all()


@pytest.mark.parametrize("solver", ["mu", "sn"])
@pytest.mark.parametrize("storage", MAIN_STORAGES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_empty_rows_and_columns_have_empty_factors(solver, storage, dtype):
    X = counts().astype(dtype)
    X[[3, 17]], X[:, 5] = 0, 0
    model = NMF(K, "random", solver, random_state=0, beta_loss=1, max_iter=50)
    W = model.fit_transform(STORAGES[storage](X))
    assert np.abs(W[[3, 17]]).max() <= 1e-12
    assert np.abs(model.components_[:, 5]).max() <= 1e-12
    again = model.transform(STORAGES[storage](X))
    assert np.abs(again[[3, 17]]).max() <= 1e-6 * again.max()


@pytest.mark.parametrize(
    ("solver", "beta"), [("mu", 0.5), ("mu", 1.0), ("mu", 1.5), ("sn", 1.0)]
)
def test_explicit_zeros_are_zeros(solver, beta):
    X = counts()
    model = NMF(K, "random", solver, random_state=0, beta_loss=beta, max_iter=20, tol=0)
    implicit = model.fit(sp.csr_array(X)).components_
    explicit = model.fit(STORAGES["csr-explicit-zeros"](X)).components_
    assert_close(
        explicit, implicit, np.float64, X.size, factor=1e4
    )  # twenty iterations


@pytest.mark.parametrize("loss", ["itakura-saito", 0, -0.5])
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_zeros_are_refused_where_the_divergence_is_infinite(loss, storage):
    model = NMF(2, "random", "mu", beta_loss=loss)
    with pytest.raises(ValueError, match="When beta_loss <= 0 and X contains zeros"):
        model.fit(STORAGES[storage](data()))


@pytest.mark.parametrize("beta_loss", ["poisson", np.nan, np.inf, True, None, [1]])
def test_what_is_no_loss_is_refused(beta_loss):
    with pytest.raises(ValueError, match="The 'beta_loss' parameter of NMF must be"):
        NMF(2, "random", "mu", beta_loss=beta_loss).fit(data())


@pytest.mark.parametrize(
    ("shape", "density", "k", "sweeps"),
    [
        ((60, 40), 1.0, 8, 2),
        ((60, 40), 1.0, 9, 1),
        ((60, 40), 0.2, 8, 2),
        ((60, 40), 0.2, 9, 1),
        ((40, 400), 0.1, 9, 1),
        ((40, 400), 0.3, 9, 2),
        ((40, 400), 0.8, 9, 1),
    ],
)
def test_sn_sweeps_as_often_as_measured(shape, density, k, sweeps):
    """Few components, or long rows of a sparse X, see D-SN-SWEEPS."""
    for kind in (np.asarray, sp.csr_array):
        X = kind(sp.random_array(shape, density=density, random_state=0).toarray())
        model = NMF(k, "random", "sn", beta_loss=1, max_iter=3, random_state=0).fit(X)
        assert model.history_["sweeps"][0] == sweeps


def test_all_zero_counts():
    for solver in ("mu", "sn"):
        model = NMF(2, "random", solver, random_state=0, beta_loss=1, max_iter=20)
        W = model.fit_transform(np.zeros((6, 5)))
        assert np.isfinite(W).all()
        assert model.reconstruction_err_ <= 1e-6


def test_the_default_start_has_no_zeros_for_multiplicative_steps():
    X = counts()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        a = NMF(K, solver="mu", beta_loss=1, max_iter=3, random_state=0).fit(X)
        b = NMF(K, "nndsvda", "mu", beta_loss=1, max_iter=3, random_state=0).fit(X)
    np.testing.assert_array_equal(a.components_, b.components_)
    with pytest.warns(UserWarning, match="cannot update zeros present"):
        NMF(K, "nndsvd", "mu", beta_loss=1, max_iter=3).fit(X)


@pytest.mark.parametrize(
    ("dtype", "storage", "noise"), covering(DTYPES, MAIN_STORAGES, [True, False])
)
def test_the_error_of_sn_is_told_by_its_last_solve(storage, dtype, noise):
    """It is that of the factors, to rounding; of a nearly exact fit by another pass."""
    W, Ht = factors((60, 44), 3, np.float64)
    X = W @ Ht.T
    if noise:
        X = np.random.default_rng(3).poisson(4 * X / X.mean()).astype(float)
    X = X.astype(dtype)
    model = NMF(3, solver="sn", beta_loss=1, tol=0, max_iter=40, random_state=0)
    W = model.fit_transform(STORAGES[storage](X))
    assert model.plan(STORAGES[storage](X)).count_passes()["end"] == 1
    exact = oracles.divergence(
        X.astype(float), W.astype(float), model.components_.astype(float).T, 1
    )
    bound = float(8 * np.finfo(dtype).eps * X.sum())
    assert model.reconstruction_err_**2 / 2 == pytest.approx(exact, rel=1e-4, abs=bound)
    assert model.history_["objective"][-1] == pytest.approx(exact, rel=1e-4, abs=bound)
