"""Constrained least squares: what is promised holds exactly, and nothing rises."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize

from nonneg import NMF, nnls, non_negative_factorization
from nonneg.constraints import (
    Bounds,
    Factor,
    Fixed,
    Graph,
    Simplex,
    Smooth,
    Target,
)
from support.cases import DTYPES, STORAGES
from support.combinations import covering
from support.constraint_cases import CASES, KNOWN, TRUE, K, planted
from support.tolerances import tol

SOLVERS = ["hals", "bpp"]
PLACES = ["dense-C", "dense-F", "csr-array", "csc-array", "csr-int64"]


def fitted(case, X=TRUE.X, **options):
    options = {"max_iter": 40, "tol": 0, "random_state": 0, "solver": "hals"} | options
    model = NMF(K, constraints_W=case.W, constraints_H=case.H, **options)
    return model, model.fit_transform(X)


def objective_of(case, X, W, H):
    """Loss and penalties in float64, by the constraints' own sentences."""
    W, H, X = (np.asarray(A, dtype=np.float64) for A in (W, H, X))
    value = 0.5 * np.sum((X - W @ H) ** 2)
    for name, constraints, A in (("W", case.W, W), ("H", case.H, H.T)):
        listed = constraints if isinstance(constraints, list) else [constraints]
        for one in listed:
            if one is not None:
                factor = Factor(name, *A.shape, np.dtype(np.float64))
                value += one.prepared(factor).value(A, A.T @ A)
    return value


@pytest.mark.parametrize(
    ("name", "solver", "storage", "dtype"),
    [
        chosen
        for chosen in covering(list(CASES), SOLVERS, PLACES, DTYPES)
        if not (CASES[chosen[0]].by_sweeps_alone and chosen[1] == "bpp")
    ],
)
def test_constraints_hold_and_the_objective_never_rises(name, solver, storage, dtype):
    case = CASES[name]
    X = STORAGES[storage](TRUE.X.astype(dtype))
    model, W = fitted(case, X, solver=solver)
    H = model.components_
    assert W.dtype == H.dtype == dtype
    assert case.holds_W(W)
    assert case.holds_H(H)
    values = model.history_["objective"]
    assert (np.diff(values) <= tol(dtype, X.size) * values[0]).all()
    size = 0.5 * np.sum(TRUE.X**2)
    # products in float32 leave an absolute error beside ½‖X‖²
    slack = tol(dtype, TRUE.X.size) * (values[-1] + size)
    assert abs(values[-1] - objective_of(case, TRUE.X.astype(dtype), W, H)) <= slack
    assert values[-1] < 0.9 * values[0] or values[0] < 0.02 * size


@pytest.mark.parametrize("name", list(CASES))
def test_storages_and_threads_agree(name):
    case = CASES[name]
    model, W = fitted(case, n_threads=1)
    for X in (sp.csr_array(TRUE.X), sp.csc_array(TRUE.X), np.asfortranarray(TRUE.X)):
        other, _ = fitted(case, X)
        # the paths of iterates differ by rounding alone
        np.testing.assert_allclose(
            other.history_["objective"], model.history_["objective"], rtol=1e-6
        )
    again, W2 = fitted(case, n_threads=3)
    assert np.array_equal(W, W2)
    assert np.array_equal(model.components_, again.components_)


# shapes of a few rows are approached slowly
@pytest.mark.filterwarnings("ignore:Maximum number")
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", list(CASES))
def test_transform_finds_the_W_of_the_fit(name, solver):
    """Both solve exactly beside the same H, or go down to the same point."""
    case = CASES[name]
    if case.by_sweeps_alone and solver == "bpp":
        with pytest.raises(ValueError, match="Solver 'bpp' can't obey"):
            fitted(case, solver=solver)
        return
    model, W = fitted(case, solver=solver, max_iter=400, tol=1e-5)
    error = TRUE.X - W @ model.components_
    again = model.transform(TRUE.X)
    other = TRUE.X - again @ model.components_
    assert case.holds_W(again)
    assert np.linalg.norm(other) <= np.linalg.norm(error) * (1 + 1e-4)
    if case.by_single_rows is None:
        assert model.transform(TRUE.X[:5]).shape == (5, K)
    elif case.by_single_rows:
        few = model.transform(TRUE.X[:5])
        assert np.abs(few - again[:5]).max() <= 1e-6 * max(1, np.abs(again).max())
    else:
        with pytest.raises(ValueError, match="shape"):
            model.transform(TRUE.X[:5])


@pytest.mark.parametrize("solver", SOLVERS)
def test_nothing_said_is_the_same_bits(solver):
    free = NMF(K, solver=solver, random_state=0)
    W = free.fit_transform(TRUE.X)
    for W_says, H_says in (([], ()), ([], [Smooth(0.0)]), (Target(TRUE.W, 0.0), None)):
        model = NMF(
            K, solver=solver, random_state=0, constraints_W=W_says, constraints_H=H_says
        )
        assert np.array_equal(model.fit_transform(TRUE.X), W)
        assert np.array_equal(model.components_, free.components_)


def test_small_weights_lead_to_the_unconstrained_fit():
    free = NMF(K, solver="hals", tol=1e-7, max_iter=2000).fit(TRUE.X)
    model, _ = fitted(
        CASES["bounds"].__class__(W=Bounds(upper=1e6), H=Smooth(1e-9)),
        tol=1e-7, max_iter=2000,
    )  # fmt: skip
    assert model.reconstruction_err_ <= free.reconstruction_err_ * (1 + 1e-3)


def test_a_heavy_target_is_a_fixed_part():
    soft = NMF(
        K, solver="bpp", constraints_H=Target(KNOWN, 1e7), tol=1e-6, max_iter=500
    )
    hard = NMF(K, solver="bpp", constraints_H=Fixed(KNOWN), tol=1e-6, max_iter=500)
    soft.fit(TRUE.X)
    hard.fit(TRUE.X)
    np.testing.assert_allclose(soft.components_[0], KNOWN[0], atol=1e-5)
    assert abs(soft.reconstruction_err_ - hard.reconstruction_err_) <= 1e-3


@pytest.mark.parametrize("solver", SOLVERS)
def test_all_parts_fixed_is_nnls(solver):
    model = NMF(K, solver=solver, constraints_H=Fixed(TRUE.H))
    W = model.fit_transform(TRUE.X)
    assert np.array_equal(model.components_, TRUE.H)
    expected = nnls(TRUE.H.T, TRUE.X.T).T
    np.testing.assert_allclose(W, expected, atol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_all_of_W_fixed_is_a_regression_on_H(solver):
    model = NMF(K, solver=solver, constraints_W=Fixed(TRUE.W), tol=1e-8, max_iter=500)
    W = model.fit_transform(TRUE.X)
    assert np.array_equal(W, TRUE.W)
    np.testing.assert_allclose(model.components_, nnls(TRUE.W, TRUE.X), atol=1e-6)


@pytest.mark.parametrize("constraint", [Simplex(), Simplex(0.7, at_most=True)])
@pytest.mark.parametrize("upper", [np.inf, 0.5])
@pytest.mark.filterwarnings(
    "ignore:Values in x were outside bounds:RuntimeWarning"
)  # SciPy 1.13
def test_rows_are_those_of_slsqp(constraint, upper):
    listed = [constraint] if np.isinf(upper) else [constraint, Bounds(upper=upper)]
    W = NMF(K, solver="hals", constraints_W=listed).fit(TRUE.X)
    W.components_ = TRUE.H
    rows = W.transform(TRUE.X)[:6]
    kind = "ineq" if constraint.at_most else "eq"
    limit = {"type": kind, "fun": lambda a: constraint.total - a.sum()}
    for x, a in zip(TRUE.X, rows, strict=False):
        best = minimize(
            lambda a, x=x: 0.5 * np.sum((x - a @ TRUE.H) ** 2),
            np.full(K, constraint.total / K),
            jac=lambda a, x=x: (a @ TRUE.H - x) @ TRUE.H.T,
            bounds=[(0, None if np.isinf(upper) else upper)] * K,
            constraints=[limit], method="SLSQP", options={"ftol": 1e-13},
        )  # fmt: skip
        assert 0.5 * np.sum((x - a @ TRUE.H) ** 2) <= best.fun + 1e-9
        np.testing.assert_allclose(a, best.x, atol=1e-5)


def test_a_certified_residual_knows_the_constraints():
    """At the end the projected gradient over box and simplex is small for W and H."""
    for name in ("bounds", "simplex", "simplex-bounds", "fixed-entries"):
        model, _ = fitted(CASES[name], tol=1e-7, max_iter=2000, solver="bpp")
        assert model.stop_reason_ == "converged"
        assert model.history_["residual"].min() <= 1e-5


@pytest.mark.parametrize("name", ["simplex", "fixed-component", "bounds", "smooth"])
def test_permuted_rows_and_components_permute_the_result(name):
    case = CASES[name]
    rng = np.random.default_rng(2)
    W0, H0 = rng.random(TRUE.W.shape), rng.random(TRUE.H.shape)
    rows, order = rng.permutation(len(TRUE.X)), np.array([0, 2, 1])
    H_says = Bounds(0.05, 2.0) if name == "bounds" else case.H
    options = {
        "init": "custom", "solver": "bpp", "tol": 0, "max_iter": 8,
        "constraints_W": case.W, "constraints_H": H_says,
    }  # fmt: skip
    W, H, _ = non_negative_factorization(TRUE.X, W0, H0, K, **options)
    if name == "fixed-component":
        order = np.arange(K)  # what is known of a component stays with it
    W2, H2, _ = non_negative_factorization(
        TRUE.X[rows], W0[rows][:, order], H0[order], K, **options
    )
    # exact half-steps take the same path, to rounding that grows a little on the way
    np.testing.assert_allclose(W2, W[rows][:, order], atol=1e-6)
    np.testing.assert_allclose(H2, H[order], atol=1e-6)


def test_semi_nmf_of_any_sign():
    rng = np.random.default_rng(3)
    H = rng.gamma(1.0, size=(K, 20))
    X = rng.normal(size=(30, K)) @ H
    model = NMF(K, solver="auto", constraints_W=Bounds(lower=-np.inf), tol=1e-8,
                max_iter=1000)  # fmt: skip
    W = model.fit_transform(X)
    assert model.solver_ == "hals"
    assert (W < 0).any()
    assert (model.components_ >= 0).all()
    assert model.reconstruction_err_ <= 1e-4 * np.linalg.norm(X)
    expected = X @ np.linalg.pinv(model.components_)
    np.testing.assert_allclose(model.transform(X), expected, atol=1e-6)
    sparse = NMF(K, solver="hals", constraints_W=Bounds(lower=-np.inf))
    assert (sparse.fit_transform(sp.csr_array(X)) < 0).any()
    signed_H = NMF(2, solver="bpp", constraints_H=Bounds(lower=-np.inf)).fit(-X)
    assert (signed_H.components_ < 0).any()
    assert signed_H.transform(-X).min() >= 0


def test_smooth_is_smoother_and_graphs_tie_their_nodes():
    rough, _ = fitted(CASES["simplex"])
    smooth, _ = fitted(CASES["smooth"].__class__(W=Simplex(), H=Smooth(20.0)))
    bends = [np.sum(np.diff(m.components_) ** 2) for m in (rough, smooth)]
    assert bends[1] < 0.3 * bends[0]
    pairs = np.kron(np.eye(9), np.ones((2, 2)))
    tied = Graph(sp.csr_array(pairs), 1e4)
    _, W = fitted(CASES["simplex"].__class__(W=tied, H=Bounds(upper=5)), max_iter=500)
    assert np.abs(W[::2] - W[1::2]).max() < 0.01 * W.max()


def test_a_chain_is_a_graph():
    chain = sp.diags([1.0, 1.0], [1, -1], shape=(len(TRUE.H.T), len(TRUE.H.T)))
    one, _ = fitted(CASES["smooth"].__class__(W=Simplex(), H=Smooth(0.5)))
    other, _ = fitted(CASES["smooth"].__class__(W=Simplex(), H=Graph(chain, 0.5)))
    assert np.array_equal(one.components_, other.components_)


def test_known_parts_tell_the_number_of_components():
    true = planted(4, (60, 20))
    X = true.W @ true.H
    known = np.where(np.arange(K)[:, None] < 2, true.H, np.nan)
    for more in ({}, {"constraints_W": Simplex()}):
        model = NMF("auto", solver="auto", constraints_H=Fixed(known), tol=1e-7,
                    max_iter=3000, **more).fit(X)  # fmt: skip
        assert model.n_components_ == K
        assert np.array_equal(model.components_[:2], true.H[:2])
        assert model.reconstruction_err_ <= 1e-4 * np.linalg.norm(X)
    W, H, _ = non_negative_factorization(
        X, n_components="auto", solver="hals", constraints_W=Fixed(true.W)
    )
    assert (W.shape, H.shape) == (true.W.shape, true.H.shape)


def test_more_than_one_start_and_limits_go_on_working():
    case = CASES["simplex"]
    seen = []
    model, W = fitted(case, n_init=3, callback=lambda step: seen.append(step.n_iter))
    assert case.holds_W(W)
    assert model.history_["objectives"].shape[1] == 3
    assert seen == list(range(1, 41))
    one, _ = fitted(case)
    assert model.reconstruction_err_ <= one.reconstruction_err_ * (1 + 1e-6)
    _, W = fitted(case, max_time=30.0)
    assert case.holds_W(W)
