"""Rows within boxes, against optimality conditions and an independent solver."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from nonneg.kernels import Adaptive, Exact, RowArrays, solve_within
from nonneg.kernels.box_active_set import active_set
from nonneg.kernels.boxes import Box, project, projected_gradient
from support.cases import DTYPES
from support.combinations import covering

KINDS = ["none", "upper", "some-free", "each-entry"]


def make_box(kind, n, k, total, at_most, dtype, rng):
    low, high = np.zeros(k), np.full(k, np.inf)
    if kind == "upper":
        high = np.full(k, 0.6 if k > 1 else 1.5)
    elif kind == "some-free":
        low = np.where(rng.random((n, k)) < 0.3, -np.inf, 0.0)
    elif kind == "each-entry":
        low = rng.random((n, k)) * 0.5 / k
        known = (rng.random((n, k)) < 0.3) & (np.arange(k) > 0)
        high = np.where(known, low, low + 2)
    return Box(low.astype(dtype), high.astype(dtype), total, at_most)


def make_rows(k, kind, total, at_most, dtype, seed=0):
    rng, n = np.random.default_rng(seed), 20
    F = rng.random((3 * k + 2, k))
    G, P = F.T @ F, (3 * rng.normal(size=(n, k))).astype(dtype)
    box = make_box(kind, n, k, total, at_most, dtype, rng)
    start = project(np.zeros((n, k), dtype), box)
    return G, P, box, RowArrays(start, np.empty_like(start))


def value(A, G, P):
    A = A.astype(np.float64)
    return 0.5 * np.einsum("it,ts,is->i", A, G, A) - np.sum(A * P, axis=1)


SUMS = [(None, False), (1.0, False), (1.0, True)]


@pytest.mark.parametrize(
    ("k", "kind", "sums", "dtype"), covering([1, 2, 5, 24], KINDS, SUMS, DTYPES)
)
def test_exact_rows_fulfil_the_optimality_conditions(k, kind, sums, dtype):
    G, P, box, rows = make_rows(k, kind, *sums, dtype)
    before = value(rows.start, G, P)
    report = solve_within(rows, P, G, np.zeros(k), box, Exact())
    A = rows.solved
    assert A.dtype == dtype
    assert (box.lower <= A).all()
    assert (box.upper >= A).all()
    eps = np.finfo(dtype).eps
    if box.total is not None:
        excess = A.sum(axis=1, dtype=np.float64) - box.total
        excess = np.maximum(excess, 0) if box.at_most else np.abs(excess)
        assert excess.max() <= 4 * k * eps
    gradient = A.astype(np.float64) @ G - P
    left = projected_gradient(A, gradient, box)
    # rounding of A to its dtype and the ridge of an exact solve, times the largest eigenvalue
    largest = np.abs(np.linalg.eigvalsh(G)).max() * max(1, np.abs(A).max())
    slack = (32 * k * eps + 2e-13) * largest
    assert np.abs(left).max() <= slack
    gained = np.sum(before - value(A, G, P))
    assert report.decrease == pytest.approx(gained, rel=1e-5, abs=1e-6)
    assert report.cross == pytest.approx(np.sum(P * A, dtype=np.float64), rel=1e-5)


@pytest.mark.parametrize(("kind", "sums"), covering(KINDS, SUMS))
@pytest.mark.filterwarnings(
    "ignore:Values in x were outside bounds:RuntimeWarning"
)  # SciPy 1.13
def test_rows_are_those_of_slsqp(kind, sums):
    k = 4
    G, P, box, rows = make_rows(k, kind, *sums, np.float64, seed=3)
    solve_within(rows, P, G, np.zeros(k), box, Exact())
    low, high = (np.broadcast_to(b, P.shape) for b in box[:2])
    for i in range(6):
        limits = []
        if box.total is not None:
            limit = "ineq" if box.at_most else "eq"
            limits = [{"type": limit, "fun": lambda a: box.total - a.sum()}]
        best = minimize(
            lambda a, p=P[i]: 0.5 * a @ G @ a - p @ a, rows.start[i],
            jac=lambda a, p=P[i]: G @ a - p,
            bounds=[
                (None if np.isinf(a) else a, None if np.isinf(b) else b)
                for a, b in zip(low[i], high[i], strict=True)
            ],
            constraints=limits, method="SLSQP", options={"ftol": 1e-14, "maxiter": 500},
        )  # fmt: skip
        mine = value(rows.solved[i : i + 1], G, P[i : i + 1])[0]
        assert mine <= best.fun + 1e-9 * (1 + abs(best.fun))


@pytest.mark.parametrize(("kind", "sums"), covering(KINDS, SUMS))
def test_the_active_set_finds_what_pivoting_finds(kind, sums):
    k = 6
    G, P, box, rows = make_rows(k, kind, *sums, np.float64, seed=4)
    solve_within(rows, P, G, np.zeros(k), box, Exact())
    low, high = (np.broadcast_to(b, P.shape) for b in box[:2])
    for i in range(len(P)):
        one = Box(low[i], high[i], box.total, box.at_most)
        a = active_set(G, P[i], low[i], high[i], one, 1e-12)
        np.testing.assert_allclose(a, rows.solved[i], atol=1e-8)


@pytest.mark.parametrize(
    ("kind", "dtype"), covering(["upper", "some-free", "each-entry"], DTYPES)
)
def test_sweeps_go_down_to_the_exact_rows(kind, dtype):
    k = 5
    G, P, box, rows = make_rows(k, kind, None, False, dtype)
    G = G + np.eye(k)
    few = solve_within(rows, P, G, np.zeros(k), box, Adaptive(2, 0.0))
    after = value(rows.solved, G, P).sum()
    before = value(rows.start, G, P).sum()
    assert few.decrease == pytest.approx(before - after, rel=1e-4)
    first = rows.solved.copy()
    solve_within(rows, P, G, np.zeros(k), box, Adaptive(400, 0.0))
    swept = rows.solved.copy()
    assert value(swept, G, P).sum() <= value(first, G, P).sum() + 1e-6
    solve_within(rows, P, G, np.zeros(k), box, Exact())
    scale = np.abs(rows.solved).max()
    # the exact solve has a ridge, the sweeps have none
    slack = 200 * np.finfo(dtype).eps * k + 1e-12
    assert np.abs(swept - rows.solved).max() <= slack * scale


def test_no_bounds_are_a_linear_system():
    G, P, _, rows = make_rows(5, "none", None, False, np.float64)
    box = Box(np.full(5, -np.inf), np.full(5, np.inf))
    for method in (Exact(), Adaptive()):
        solve_within(rows, P, G, np.zeros(5), box, method)
        np.testing.assert_allclose(rows.solved @ G, P, atol=1e-9)


def test_projections_are_the_nearest_rows():
    rng = np.random.default_rng(6)
    A = rng.normal(size=(30, 5))
    box = Box(np.zeros(5), np.full(5, 0.5), 1.0)
    nearest = project(A, box)
    rows = RowArrays(project(np.zeros_like(A), box), np.empty_like(A))
    solve_within(rows, A, np.eye(5), np.zeros(5), box, Exact())
    np.testing.assert_allclose(nearest, rows.solved, atol=1e-9)


def test_dead_and_dependent_components_have_a_defined_result():
    k = 4
    G, P, box, rows = make_rows(k, "upper", 1.0, False, np.float64)
    G[:, 2] = G[2] = 0
    P[:, 2] = 0
    G[3], G[:, 3] = G[1], G[:, 1]
    G[3, 3] = G[1, 1]
    P[:, 3] = P[:, 1]
    solve_within(rows, P, G, np.zeros(k), box, Exact())
    assert np.isfinite(rows.solved).all()
    np.testing.assert_allclose(rows.solved.sum(axis=1), 1)
