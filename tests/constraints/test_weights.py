"""Weights of rows, columns and entries beside constraints: the data weigh, penalties don't."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from nonneg import NMF
from nonneg.constraints import Bounds, Factor, Graph, Simplex, Smooth, Target
from support.combinations import covering
from support.constraint_cases import CASES, TRUE, Case, K

pytestmark = pytest.mark.filterwarnings("ignore:Maximum number")
X = TRUE.X + 0.01
PENALISED = [
    "smooth", "cyclic", "graph", "target", "min-volume", "group", "orthogonal",
    "unimodal", "monotone",
]  # fmt: skip
FITS = [("hals", 2), ("bpp", 2), ("mu", 2), ("mu", 1), ("sn", 1)]


def possible(name, fit):
    if fit[0] == "bpp":
        return not CASES[name].by_sweeps_alone
    return fit[0] == "hals" or name not in ("unimodal", "monotone")


def penalties_of(case, W, H):
    value = 0.0
    for name, constraints, A in (("W", case.W, W), ("H", case.H, H.T)):
        for one in constraints if isinstance(constraints, list) else [constraints]:
            if one is not None:
                factor = Factor(name, *A.shape, np.dtype(np.float64))
                value += one.prepared(factor).value(A, A.T @ A)
    return value


def fitted(case, data, options, **weights):
    options = {"max_iter": 25, "tol": 0, "random_state": 0} | options
    model = NMF(K, constraints_W=case.W, constraints_H=case.H, **options)
    return model, model.fit_transform(data, **weights)


@pytest.mark.parametrize(
    ("name", "fit", "with_gaps"),
    [
        chosen
        for chosen in covering(PENALISED, FITS, [False, True])
        if possible(*chosen[:2])
    ],
)
def test_the_weighted_objective_with_its_penalties_never_rises(name, fit, with_gaps):
    case, (solver, beta) = CASES[name], fit
    rng = np.random.default_rng(6)
    rows, columns = rng.random(len(X)) + 0.1, 3 * rng.random(X.shape[1]) + 0.1
    data, V = X, rows[:, None] * columns
    if with_gaps:
        gaps = rng.random(X.shape) < 0.15
        data, V = np.where(gaps, np.nan, X), np.where(gaps, 0, V)
    options = {"solver": solver, "beta_loss": beta, "missing_values": np.nan}
    weights = {"sample_weight": rows, "feature_weight": columns}
    model, W = fitted(case, data, options, **weights)
    H = model.components_
    assert case.holds_W(W)
    assert case.holds_H(H)
    values = model.history_["objective"]
    assert (np.diff(values) <= 1e-12 * values[0]).all()
    Y = W @ H
    loss = 0.5 * (X - Y) ** 2 if beta == 2 else X * np.log(X / Y) - X + Y
    expected = np.sum(V * loss) + penalties_of(case, W, H)
    assert values[-1] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("name", ["smooth", "target"])
def test_weights_of_one_are_none(name, fit):
    """Half-steps of both take the same path, to rounding; "sn" sweeps another way."""
    options = {"solver": fit[0], "beta_loss": fit[1], "max_iter": 8}
    plain, W = fitted(CASES[name], X, options)
    ones = {"sample_weight": np.ones(len(X)), "feature_weight": np.full(13, 1.0)}
    model, V = fitted(CASES[name], X, options, **ones)
    np.testing.assert_allclose(V @ model.components_, W @ plain.components_, rtol=1e-4)


def test_whole_weights_are_copies_of_rows_where_W_has_no_penalty():
    rng = np.random.default_rng(2)
    counts = rng.integers(1, 4, len(X))
    case = Case(W=Simplex(), H=Smooth(0.5))
    options = {"solver": "bpp", "tol": 1e-7, "max_iter": 2000, "init": "nndsvda"}
    weighted, W = fitted(case, X, options, sample_weight=counts.astype(float))
    copied, _ = fitted(case, np.repeat(X, counts, 0), options)
    values = [model.history_["objective"][-1] for model in (weighted, copied)]
    assert values[0] == pytest.approx(values[1], rel=1e-3)
    # the weights are in the objective of H, and W is exact for each row
    np.testing.assert_allclose(weighted.transform(X), W, atol=1e-9)


@pytest.mark.parametrize("solver", ["hals", "bpp"])
@pytest.mark.parametrize("W_says", [Simplex(), Bounds(upper=0.4)])
def test_rows_with_gaps_and_weights_are_those_of_slsqp(solver, W_says):
    """Each row is solved for exactly on what it shows."""
    rng = np.random.default_rng(4)
    data = np.where(rng.random(X.shape) < 0.3, np.nan, X)
    columns = rng.random(X.shape[1]) + 0.1
    model = NMF(K, solver=solver, constraints_W=W_says, missing_values=np.nan,
                max_iter=30, tol=0)  # fmt: skip
    W = model.fit_transform(data, feature_weight=columns)
    H = model.components_
    np.testing.assert_allclose(model.transform(data), W, atol=1e-9)
    has_sum = isinstance(W_says, Simplex)
    limit = {"type": "eq", "fun": lambda a: 1 - a.sum(), "jac": lambda _: -np.ones(K)}
    for x, a in zip(data[:8], W, strict=False):
        shown = ~np.isnan(x)
        x, B, v = x[shown], H[:, shown], columns[shown]

        def value(a, x=x, B=B, v=v):
            return 0.5 * float(np.sum(v * (x - a @ B) ** 2))

        best = minimize(
            value, np.full(K, 1 / K), jac=lambda a, x=x, B=B, v=v: B @ (v * (a @ B - x)),
            bounds=[(0, None if has_sum else 0.4)] * K, method="SLSQP",
            constraints=[limit] if has_sum else [], options={"ftol": 1e-15},
        )  # fmt: skip
        assert value(a) <= best.fun + 1e-9


def test_a_row_of_weight_0_is_part_of_what_is_said_of_W_as_a_whole():
    rows = np.ones(len(X))
    rows[[4, 9]] = 0
    case = CASES["unimodal"]
    _, W = fitted(case, X, {"solver": "hals"}, sample_weight=rows)
    assert case.holds_W(W)
    tied = Case(W=Graph(np.kron(np.eye(9), np.ones((2, 2))), 1e3), H=Bounds(upper=5))
    _, W = fitted(tied, X, {"solver": "hals", "max_iter": 200}, sample_weight=rows)
    np.testing.assert_allclose(W[4], W[5], atol=1e-2)
    # what is said of single rows holds in the solve for such a row alone
    drawn = Case(W=Target(TRUE.W, 1e6))
    _, W = fitted(drawn, X, {"solver": "hals"}, sample_weight=rows)
    np.testing.assert_allclose(W[4], TRUE.W[4], atol=1e-3)
