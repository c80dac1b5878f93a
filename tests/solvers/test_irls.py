"""Fits by reweighted least squares: objectives, minima beside a fixed H, and refusals."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nonneg import NMF, beta_divergence, non_negative_factorization
from nonneg.base.interfaces import Penalty, Problem
from nonneg.constraints import Simplex
from nonneg.kernels.irls_steps import IrlsUpdate
from nonneg.losses.beta import BetaDivergence, make_loss
from nonneg.operands.registration import as_operand
from nonneg.solvers import irls
from nonneg.solvers.irls import ReweightedLeastSquares, constant_of
from support.cases import DTYPES, STORAGES, data
from support.combinations import covering

Array = NDArray[Any]
K = 4
NATIVE = "nonneg.kernels.native_irls"
BETAS = [0.0, 0.3, 0.5, 1.0, 1.5, 2.0]
DENSE = ["dense-C", "dense-F", "dense-non-contiguous", "dense-read-only"]
ignores_warnings = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"
)


def noisy(beta: float, dtype: Any = np.float64, seed: int = 0) -> Array:
    """A product of rank 4 with noise, and with zeros where these may be, (60, 35)."""
    rng = np.random.default_rng(seed)
    X = rng.gamma(0.7, size=(60, K)) @ rng.gamma(0.7, size=(K, 35))
    X *= rng.gamma(2, size=X.shape)
    if beta > 0:
        X[rng.random(X.shape) < 0.05] = 0
    return (X + (1e-3 if beta == 0 else 0)).astype(dtype)


def model(beta: float, **options: Any) -> NMF:
    given = {"init": "random", "random_state": 0, "solver": "irls", "n_threads": 1}
    return NMF(K, beta_loss=beta, **{**given, **options})


def value(X: Any, W: Array, H: Array, beta: float) -> float:
    """The loss in the dtype of X."""
    loss = make_loss(beta)
    Ht = np.ascontiguousarray(H.T)
    return loss.value(as_operand(X), np.ascontiguousarray(W), Ht)


@pytest.mark.parametrize(
    ("beta", "dtype", "storage", "alpha"),
    covering(BETAS, DTYPES, DENSE, [0.0, 1e-3]),
)
@ignores_warnings
def test_the_objective_told_is_that_of_the_factors(beta, dtype, storage, alpha):
    X = STORAGES[storage](noisy(beta, dtype))
    fit = model(beta, alpha_W=alpha, l1_ratio=0.4, max_iter=40, tol=0)
    W = fit.fit_transform(X)
    H = fit.components_
    assert W.dtype == H.dtype == dtype
    expected = value(X, W, H, beta)
    for A, n in ((W, X.shape[1]), (H, X.shape[0])):
        a = A.astype(np.float64)
        expected += alpha * n * (0.4 * a.sum() + 0.3 * np.sum(a * a))
    objective = fit.history_["objective"][-1]
    # the floor of W·H counts in negative powers alone, and the core's sums are of float32
    assert objective == pytest.approx(expected, rel=within(dtype, 1e-9, 1e-4))
    assert objective == min(fit.history_["objective"])


@pytest.mark.parametrize("beta", BETAS)
@ignores_warnings
def test_what_is_returned_never_rises(beta):
    """Whatever the momentum does, a longer fit is no worse."""
    X = noisy(beta)
    ends = [
        model(beta, max_iter=n, tol=0).fit(X).history_["objective"][-1]
        for n in (1, 2, 3, 5, 8, 13, 21)
    ]
    assert all(b <= a * (1 + 1e-12) for a, b in pairwise(ends))
    assert ends[-1] < 0.9 * ends[0]


@pytest.mark.parametrize("beta", BETAS[:-1])
@ignores_warnings
def test_fewer_iterations_end_no_higher_than_many_of_mu(beta):
    """Over a few starts, 60 of them beside 300 of multiplicative updates."""
    ours, others = [], []
    for seed in range(5):
        X = noisy(beta, seed=seed)
        how = {"random_state": seed, "tol": 0}
        ours.append(model(beta, max_iter=60, **how).fit(X))
        others.append(model(beta, solver="mu", max_iter=300, **how).fit(X))
    ratios = [
        value_of(one) / value_of(two) for one, two in zip(ours, others, strict=True)
    ]
    assert np.median(ratios) <= 1 + 1e-6
    assert max(ratios) <= 1.1  # another optimum


def within(dtype: Any, double: float, single: float = 1e-4) -> float:
    """A relative tolerance by dtype."""
    return double if dtype == np.float64 else single


def value_of(fit: NMF) -> float:
    return float(fit.history_["objective"][-1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0])
def test_transform_agrees_with_the_fit(beta, dtype):
    """From another start, the same minimum where rows are convex."""
    X = noisy(beta, dtype)
    fit = model(beta, max_iter=300, tol=1e-5)
    W = fit.fit_transform(X)
    again = fit.transform(X)
    H = fit.components_
    expected = value(X, W, H, beta)
    assert value(X, again, H, beta) == pytest.approx(expected, rel=within(dtype, 1e-6))
    for i in range(len(X)):  # each row by itself
        one = value(X[i : i + 1], W[i : i + 1], H, beta)
        two = value(X[i : i + 1], again[i : i + 1], H, beta)
        assert two == pytest.approx(one, rel=1e-2, abs=1e-3 * expected / len(X))


@pytest.mark.parametrize("solver", ["irls", "auto"])
@ignores_warnings
def test_rows_are_solved_for_exactly_by_kullback_leibler(solver):
    """Also where the fit ends early; `auto` takes `irls` for an X as flat as this one."""
    X = np.random.default_rng(0).poisson(9.0, (80, 70)).astype(float)
    fit = model(1.0, solver=solver, max_iter=5, tol=0)
    W = fit.fit_transform(X)
    assert fit.solver_ == "irls"
    np.testing.assert_allclose(fit.transform(X), W, atol=1e-7 * W.max())
    one = fit.transform(X[3:4])  # a row does not depend on those beside it
    np.testing.assert_allclose(one, W[3:4], atol=1e-7 * W.max())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("beta", [0.0, 0.3, 0.5])
def test_rows_that_are_not_convex_end_at_minima(beta, dtype):
    """`transform` ends at most a little higher than the fit, and at a minimum itself."""
    X = noisy(beta, dtype)
    fit = model(beta, max_iter=300, tol=1e-5)
    W = fit.fit_transform(X)
    H, again = fit.components_, fit.transform(X)
    assert value(X, again, H, beta) <= 1.05 * value(X, W, H, beta)
    for A in (W, again):
        Y = np.maximum(A.astype(float) @ H, 1e-7)
        gradient = ((Y - X) * Y ** (beta - 2)) @ H.T.astype(float)
        share = (np.abs(gradient) * A).sum() / (Y**beta).sum()
        assert share <= within(dtype, 1e-8, 1e-4)


def test_a_fixed_H():
    X = noisy(0.5)
    H = np.random.default_rng(0).random((K, X.shape[1])) + 0.1
    W, kept, n_iter = non_negative_factorization(
        X, None, H, K, update_H=False, solver="irls", beta_loss=1.5, random_state=0
    )
    np.testing.assert_array_equal(kept, H)
    assert n_iter == 1
    Y = W @ H
    gradient = ((Y - X) * Y**-0.5) @ H.T
    assert np.abs(gradient[W > 0]).max() <= 1e-6
    assert gradient[W == 0].min() >= 0


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_constant_is_what_the_values_of_steps_lack(beta, scale, dtype):
    X = (noisy(beta).astype(np.float64) * scale).astype(dtype)
    x = X.astype(np.float64)
    x = x[x > 0]
    if beta in (0.0, 1.0):
        expected = -(np.log(x) + 1).sum() if beta == 0 else (x * np.log(x) - x).sum()
    else:
        expected = (x**beta).sum() / (beta * (beta - 1))
    found = constant_of(make_loss(beta), as_operand(X))
    assert found == pytest.approx(expected, rel=within(dtype, 1e-10, 1e-4))


@pytest.mark.parametrize("beta", [0.5, 1.0, 1.5, 2.0])
def test_zero_rows_and_columns(beta):
    X = noisy(beta)
    X[3], X[:, 5] = 0, 0
    fit = model(beta, max_iter=100)
    W = fit.fit_transform(X)
    assert np.abs(W[3]).max() <= 1e-6 * W.max()
    assert np.abs(fit.components_[:, 5]).max() <= 1e-6 * fit.components_.max()
    assert not model(beta).fit_transform(np.zeros((6, 5))).any()


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_entries_leave_zero(beta):
    """A start with zeros is none that a fit is held by."""
    X = noisy(beta)
    rng = np.random.default_rng(0)
    W, H = rng.random((60, K)) + 0.1, rng.random((K, 35)) + 0.1
    W[:, 1:] *= rng.random((60, K - 1)) > 0.3
    fit = model(beta, init="custom", max_iter=30, tol=0)
    moved = fit.fit_transform(X, W=W, H=H)
    assert np.count_nonzero(moved[W == 0]) > 0.2 * np.count_nonzero(W == 0)


@pytest.mark.parametrize("n_init", [1, 3])
@ignores_warnings
def test_a_resumed_fit_has_the_same_bits(n_init, tmp_path):
    X, path = noisy(0.5), tmp_path / "fit"
    whole = model(0.5, n_init=n_init, max_iter=30, tol=0).fit(X)
    model(0.5, n_init=n_init, max_iter=11, tol=0, checkpoint=path).fit(X)
    resumed = model(
        0.5, n_init=n_init, max_iter=30, tol=0, checkpoint=path, resume=True
    ).fit(X)
    np.testing.assert_array_equal(resumed.components_, whole.components_)
    assert (
        resumed.history_["objective"].tolist() == whole.history_["objective"].tolist()
    )


def test_the_best_of_several_starts_is_kept():
    X = noisy(0.5)
    best = model(0.5, n_init=4).fit(X)
    single = model(0.5).fit(X)
    assert best.reconstruction_err_ <= single.reconstruction_err_ * (1 + 1e-9)
    W = best.transform(X)
    assert np.isfinite(beta_divergence(X, W, best.components_, 0.5))


class Huber(BetaDivergence):
    """Another loss, whose terms are none of a β-divergence."""

    name = "huber"

    def terms(self, X: Any) -> Any:
        return object()


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (
            data(),
            {"beta_loss": 2.5},
            r"0 <= beta_loss <= 2; got 2\.5\. Pass solver='mu'",
        ),
        (data() + 0.1, {"beta_loss": -1}, r"0 <= beta_loss <= 2; got -1\. Pass"),
        (data(), {"beta_loss": Huber(1.5)}, "needs a β-divergence; got the huber loss"),
        (
            np.where(data() > 0, data(), np.nan),
            {"missing_values": np.nan},
            "X has missing or weighted entries, which solver='irls' does not take; pass",
        ),
        (data(), {"constraints_H": Simplex()}, "Constraints on W or H don't go with"),
    ],
    ids=["above", "below", "another loss", "gaps", "constraints"],
)
def test_what_it_does_not_take_is_refused(X, options, message):
    with pytest.raises(ValueError, match=message):
        NMF(2, "random", "irls", **{"beta_loss": 0.5, **options}).fit(X)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", ["csr-array", "csc-array"])
@ignores_warnings
def test_a_sparse_X_is_fitted_like_a_dense_one(storage, dtype, monkeypatch):
    """Rows are made dense some at a time, here 7 and 12."""
    if NATIVE in sys.modules:
        monkeypatch.setattr(f"{NATIVE}.ENTRIES", 7 * 60)
    X = noisy(0.5, dtype)
    X[np.random.default_rng(1).random(X.shape) < 0.4] = 0
    dense = model(0.5, max_iter=8, tol=0).fit(X)
    one = model(0.5, max_iter=8, tol=0).fit(STORAGES[storage](X))
    np.testing.assert_allclose(
        one.components_, dense.components_, rtol=within(dtype, 1e-8, 2e-2), atol=1e-4
    )
    assert value_of(one) == pytest.approx(
        value_of(dense), rel=within(dtype, 1e-9, 1e-3)
    )


def test_an_unfinished_solve_warns(monkeypatch):
    X = noisy(0.5)
    fit = model(0.5, max_iter=20, tol=0).fit(X)
    monkeypatch.setattr("nonneg.solvers.irls.MOST_HALF_STEPS", 2)
    with pytest.warns(match="W is not solved for to optimality after 2 half-steps"):
        fit.transform(X)


def half_steps_of(fit: NMF, X: Array, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many half-steps a fit does."""
    done = []

    def counted(*args: Any) -> IrlsUpdate:
        done.append(1)
        return IrlsUpdate(*args)

    monkeypatch.setattr(irls, "IrlsUpdate", counted)
    fit.fit(X)
    return len(done)


@pytest.mark.parametrize("max_iter", [6, 40])
@ignores_warnings
def test_the_end_of_a_fit_costs_a_fifth_of_it_at_most(max_iter, monkeypatch):
    X = noisy(0.5)
    n = half_steps_of(model(0.5, max_iter=max_iter, tol=0), X, monkeypatch)
    assert n <= 2 * (max_iter - 1) + max(6, 2 * max_iter // 5)


@pytest.mark.parametrize("storage", ["dense-C", "dense-F"])
@pytest.mark.parametrize("beta", [0.0, 0.5, 1.5, 2.0])
@ignores_warnings
def test_a_fit_begins_with_multiplicative_updates(beta, storage):
    """Its first iteration is some of `mu`."""
    X = STORAGES[storage](noisy(beta))
    rng = np.random.default_rng(3)
    start = {"W": rng.random((60, K)) + 0.1, "H": rng.random((K, 35)) + 0.1}
    n = irls.MULTIPLICATIVE
    options = {"init": "custom", "tol": 0, "alpha_W": 1e-3, "l1_ratio": 1}
    one = model(beta, solver="mu", max_iter=n, **options)
    W = one.fit_transform(X, **start)
    two = model(beta, max_iter=1, **options).fit(X, **start)
    np.testing.assert_allclose(two.components_, one.components_, rtol=1e-9)
    whole = value(X, W, one.components_, beta) + 35e-3 * W.sum()
    whole += 60e-3 * one.components_.sum()
    assert two.history_["objective"][0] <= whole * (1 + 1e-9)  # W is solved for


def test_a_state_tells_its_best_objective():
    X = as_operand(noisy(0.5))
    rng = np.random.default_rng(0)
    none = Penalty.elastic(K)
    problem = Problem(X, make_loss(0.5), none, none)
    solver = ReweightedLeastSquares()
    start = (rng.random((side, K)) + 0.1 for side in X.shape)
    state = solver.start(problem, *start)
    told = []
    for _ in range(5):
        progress = solver.iterate(problem, state)
        state.n_iter += 1
        assert progress.objective is not None
        told.append(float(progress.objective[0]))
    assert solver.best_objective(problem, state) == min(told)
    W, Ht = solver.finish(problem, state)
    assert problem.loss.value(X, W, Ht) == pytest.approx(min(told), rel=1e-10)
