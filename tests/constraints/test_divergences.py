"""Constrained fits of divergences: what is promised holds exactly, and nothing rises."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize

from nonneg import NMF, beta_divergence
from nonneg.constraints import Bounds, Factor, Fixed, Simplex, Smooth, Unimodal
from nonneg.kernels.boxes import Box
from nonneg.solvers.steps.separable_rows import Separable, minimise_within
from support.cases import DTYPES, STORAGES
from support.combinations import covering
from support.constraint_cases import CASES, TRUE, K
from support.tolerances import tol

X = TRUE.X + 0.01
pytestmark = pytest.mark.filterwarnings("ignore:Maximum number")
NAMES = [
    name
    for name in CASES
    if name != "free-sign" and "unimodal" not in name and name != "monotone"
]
FITS = [("mu", 1), ("sn", 1), ("mu", 2)]
PLACES = ["dense-C", "csr-array", "csc-array"]


def fitted(case, data=X, **options):
    options = {"max_iter": 25, "tol": 0, "random_state": 0} | options
    model = NMF(K, constraints_W=case.W, constraints_H=case.H, **options)
    return model, model.fit_transform(data)


def penalties_of(case, W, H):
    value = 0.0
    for name, constraints, A in (("W", case.W, W), ("H", case.H, H.T)):
        A = A.astype(np.float64)
        for one in constraints if isinstance(constraints, list) else [constraints]:
            if one is not None:
                factor = Factor(name, *A.shape, np.dtype(np.float64))
                value += one.prepared(factor).value(A, A.T @ A)
    return value


@pytest.mark.parametrize(
    ("name", "fit", "storage", "dtype"), covering(NAMES, FITS, PLACES, DTYPES)
)
def test_constraints_hold_and_the_objective_never_rises(name, fit, storage, dtype):
    case, (solver, beta) = CASES[name], fit
    data = STORAGES[storage](X.astype(dtype))
    model, W = fitted(case, data, solver=solver, beta_loss=beta)
    H = model.components_
    assert W.dtype == H.dtype == dtype
    assert case.holds_W(W)
    assert case.holds_H(H)
    values = model.history_["objective"]
    assert (np.diff(values) <= tol(dtype, X.size) * values[0]).all()
    assert values[-1] < 0.9 * values[0]
    loss = beta_divergence(
        X.astype(dtype).astype(float), W.astype(float), H.astype(float), beta
    )
    expected = loss + penalties_of(case, W, H)
    assert values[-1] == pytest.approx(
        expected, rel=1e-3 if dtype == np.float32 else 1e-8
    )


@pytest.mark.parametrize("beta", [0.5, 1.5, 3])
def test_other_divergences_take_bounds_and_known_entries(beta):
    for name in ("fixed-entries", "fixed-W", "bounds"):
        case = CASES[name]
        model, W = fitted(case, solver="mu", beta_loss=beta)
        assert case.holds_W(W)
        assert case.holds_H(model.components_)
        values = model.history_["objective"]
        assert (np.diff(values) <= 1e-12 * values[0]).all()
    with pytest.raises(ValueError, match="can't obey Simplex: with beta_loss"):
        NMF(K, solver="mu", beta_loss=beta, constraints_W=Simplex()).fit(X)


def test_auto_takes_newton_steps_and_refuses_shapes():
    model, W = fitted(CASES["fixed-component"], solver="auto", beta_loss=1)
    assert model.solver_ == "sn"
    again = model.transform(X)
    assert beta_divergence(X, again, model.components_, 1) == pytest.approx(
        beta_divergence(X, W, model.components_, 1), rel=1e-8
    )
    for constraint, text in (
        (Unimodal(), "can't obey Unimodal"),
        (Bounds(lower=-1), "can't obey Bounds"),
    ):
        with pytest.raises(ValueError, match=text):
            NMF(K, solver="auto", beta_loss=1, constraints_W=constraint).fit(X)
    with pytest.raises(ValueError, match="accelerate=False"):
        NMF(K, solver="mu", beta_loss=1, accelerate=True, constraints_W=Simplex()).fit(
            X
        )


def test_all_parts_known_is_the_exact_transform():
    free = NMF(K, solver="sn", beta_loss=1, random_state=0).fit(X)
    known = Fixed(free.components_)
    for solver in ("mu", "sn"):
        model = NMF(K, solver=solver, beta_loss=1, constraints_H=known, tol=1e-5,
                    max_iter=2000)  # fmt: skip
        W = model.fit_transform(X)
        assert np.array_equal(model.components_, free.components_)
        best = beta_divergence(X, free.transform(X), free.components_, 1)
        assert beta_divergence(X, W, free.components_, 1) <= best * (1 + 1e-4) + 1e-9


ROW_CASES = {
    "sum": ([Simplex(0.8)], {"type": "eq"}, None),
    "at-most": ([Simplex(0.8, at_most=True)], {"type": "ineq"}, None),
    "sum-and-bounds": ([Simplex(0.8), Bounds(0.05, 0.5)], {"type": "eq"}, (0.05, 0.5)),
    "bounds": ([Bounds(upper=0.4)], None, (0, 0.4)),
}


@pytest.mark.parametrize(
    ("name", "solver", "storage"),
    covering(list(ROW_CASES), ["mu", "sn"], ["dense-C", "csr-array", "csc-array"]),
)
@pytest.mark.filterwarnings(
    "ignore:Values in x were outside bounds:RuntimeWarning"
)  # SciPy 1.13
def test_rows_are_those_of_slsqp(name, solver, storage):
    """Also rows without an entry, and with fewer of them than components."""
    listed, limit, bounds = ROW_CASES[name]
    counts = np.random.default_rng(3).poisson(2 * X).astype(float)
    counts[1], counts[2, 2:] = 0, 0
    model = NMF(K, solver=solver, beta_loss=1, constraints_W=listed, max_iter=3)
    model.fit(X)
    model.components_ = TRUE.H
    W = model.transform(STORAGES[storage](counts))
    total = {} if limit is None else {"fun": lambda a: 0.8 - a.sum()} | limit
    for x, a in zip(counts[:6], W, strict=False):

        def value(a, x=x):
            y = np.maximum(a @ TRUE.H, 1e-12)
            safe = np.where(x > 0, x, 1)
            return float(np.sum(x * np.log(safe / y) - x) + (a @ TRUE.H).sum())

        best = minimize(
            value, np.full(K, 0.8 / K), bounds=[bounds or (0, None)] * K,
            jac=lambda a, x=x: TRUE.H @ (1 - x / np.maximum(a @ TRUE.H, 1e-12)),
            constraints=[total] if total else [], method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 300},
        )  # fmt: skip
        assert value(a) <= best.fun + 1e-7 * abs(best.fun)


@pytest.mark.parametrize(
    ("name", "solver", "dtype"),
    covering(["simplex", "bounds", "simplex-bounds", "target"], ["mu", "sn"], DTYPES),
)
def test_the_last_solve_is_the_transform(name, solver, dtype):
    """Both end at the row's minimum, beside penalties as well, and with missing entries."""
    case = CASES[name]
    W_says = Bounds(upper=1) if name == "target" else case.W
    gaps = np.where(np.random.default_rng(1).random(X.shape) < 0.1, np.nan, X)
    for data in (X.astype(dtype), gaps.astype(dtype)):
        model = NMF(K, solver=solver, beta_loss=1, constraints_W=W_says, max_iter=20,
                    constraints_H=case.H, missing_values=np.nan, alpha_W=1e-3)  # fmt: skip
        W = model.fit_transform(data)
        again = model.transform(data)
        close = 1e-5 if dtype == np.float64 else 1e-3
        np.testing.assert_allclose(again, W, atol=close)


def test_sums_of_H_cost_nothing_where_W_is_free():
    """The scale of a component is free, so a sum of its row changes no optimum."""
    free = NMF(K, solver="sn", beta_loss=1, tol=1e-5, max_iter=500, random_state=0)
    rows = Bounds(upper=1e6)
    model = NMF(K, solver="sn", beta_loss=1, tol=1e-5, max_iter=500, random_state=0,
                constraints_W=rows)  # fmt: skip
    assert model.fit(X).reconstruction_err_ == pytest.approx(
        free.fit(X).reconstruction_err_, rel=0.02
    )


@pytest.mark.parametrize("by_row", [False, True])
@pytest.mark.parametrize("quadratic", [False, True])
@pytest.mark.parametrize("at_most", [False, True])
@pytest.mark.filterwarnings(
    "ignore:Values in x were outside bounds:RuntimeWarning"
)  # SciPy 1.13
def test_rows_minimise_the_majoriser_within_a_box(quadratic, at_most, by_row):
    rng = np.random.default_rng(0)
    n, k = 12, 4
    linear = rng.normal(0.5, 1, (n, k)) + (0.0 if quadratic else 1.5)
    bend = np.full((n, k), 0.7) if quadratic else np.zeros((n, k))
    pull = rng.random((n, k))
    upper = rng.uniform(0.3, 0.9, (n, k)) if by_row else np.full(k, 0.6)
    if quadratic and by_row:  # kinks alone
        pull[:, 1:] = 0
    box = Box(np.zeros_like(upper), upper, 1.0, at_most)
    rows = minimise_within(Separable(linear, bend, pull), box, np.float64)
    limit = {"type": "ineq" if at_most else "eq", "fun": lambda a: 1 - a.sum()}
    for i in range(n):

        def value(a, i=i):
            a = np.maximum(a, 1e-12)
            return float(
                np.sum(linear[i] * a + bend[i] * a * a / 2 - pull[i] * np.log(a))
            )

        best = minimize(
            value, np.full(k, 0.25), constraints=[limit], method="SLSQP",
            bounds=[(1e-9, u) for u in np.broadcast_to(upper, (n, k))[i]],
            options={"ftol": 1e-13, "maxiter": 300},
        )  # fmt: skip
        assert value(rows[i]) <= best.fun + 1e-6
        assert (rows[i] <= np.broadcast_to(upper, (n, k))[i]).all()
        total = rows[i].sum()
        assert total <= 1 + 1e-15 if at_most else abs(total - 1) <= 4 * k * 2.3e-16


def test_counts_with_empty_rows_keep_their_sums():
    rng = np.random.default_rng(2)
    counts = rng.poisson(TRUE.X * 3).astype(float)
    counts[3] = 0
    for storage in (np.asarray, sp.csr_array):
        for solver in ("mu", "sn"):
            model = NMF(K, solver=solver, beta_loss=1, constraints_W=Simplex(),
                        max_iter=30, tol=0, random_state=0)  # fmt: skip
            W = model.fit_transform(storage(counts))
            np.testing.assert_allclose(W.sum(axis=1), 1, atol=1e-12)
            assert (np.diff(model.history_["objective"]) <= 1e-9).all()


def test_gaps_and_nothing_said():
    rng = np.random.default_rng(5)
    gaps = np.where(rng.random(X.shape) < 0.2, np.nan, X)
    case = CASES["fixed-component"]
    for solver in ("mu", "sn"):
        model, _ = fitted(case, gaps, solver=solver, beta_loss=1, missing_values=np.nan)
        assert case.holds_H(model.components_)
        assert (np.diff(model.history_["objective"]) <= 1e-9).all()
        free = NMF(K, solver=solver, beta_loss=1, random_state=0).fit(X)
        void = NMF(K, solver=solver, beta_loss=1, random_state=0,
                   constraints_H=[Smooth(0.0)]).fit(X)  # fmt: skip
        assert np.array_equal(free.components_, void.components_)
