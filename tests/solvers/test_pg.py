"""Solver "pg" and its public parts: optimality, oracles, sparseness, limits, bad input."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.optimize import nnls as scipy_nnls
from sklearn.exceptions import ConvergenceWarning

from nonneg import (
    NMF,
    hoyer_sparseness,
    nls_subproblem,
    non_negative_factorization,
    projected_gradient_update,
)
from nonneg.base.interfaces import Penalty
from nonneg.operands.dense import DenseOperand
from nonneg.solvers.registry import make_solver
from nonneg.solvers.steps.projection import Subproblem
from support import oracles
from support.cases import DTYPES, MAIN_STORAGES, STORAGES, data, factors, make_problem
from support.properties import fit
from support.tolerances import assert_close

LIMIT = "Iteration limit reached in nls subproblem"
PENALTIES = {
    "none": (0.0, 0.0),
    "l1": (0.7, 1.0),
    "l2": (0.7, 0.0),
    "mixed": (0.7, 0.4),
    "strong-l2": (300.0, 0.0),
}


def projected(A, gradient):
    return np.where(A > 0, gradient, np.minimum(gradient, 0.0))


def exact(V, W, alpha, l1_ratio):
    """H of the penalised problem, column by column by SciPy's active-set solver.

    ½|v − Wh|² + l1·Σh + ½·l2·|h|² is ½|C⁻¹(Wᵀv − l1) − Cᵀh|² up to a constant, with
    C·Cᵀ = WᵀW + l2·I.
    """
    k = W.shape[1]
    C = np.linalg.cholesky(W.T @ W + alpha * (1 - l1_ratio) * np.eye(k))
    targets = np.linalg.solve(C, W.T @ V - alpha * l1_ratio)
    return np.stack([scipy_nnls(C.T, target)[0] for target in targets.T], axis=1)


@pytest.fixture
def problem():
    """(V, W, H): a dense V and factors of the right shapes, H to start from."""
    W, Ht = factors((23, 17))
    return data(), W, np.ascontiguousarray(Ht.T)


# The subproblem


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
@pytest.mark.parametrize("storage", MAIN_STORAGES)
@pytest.mark.parametrize("start", ["zero", "given"])
def test_subproblem_is_solved_exactly(problem, storage, penalty, start):
    V, W, H = problem
    H = H if start == "given" else np.zeros_like(H)
    alpha, l1_ratio = penalty
    solution, gradient, n_iter = nls_subproblem(
        STORAGES[storage](V), W, H, 1e-9, 20_000, alpha, l1_ratio
    )
    assert 1 < n_iter < 20_000
    np.testing.assert_allclose(
        solution, exact(V, W, alpha, l1_ratio), rtol=0, atol=1e-8
    )
    term = Penalty.elastic(4, alpha * l1_ratio, alpha * (1 - l1_ratio))
    expected = oracles.gradient_W(V.T, solution.T, W, term).T
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-10)
    assert np.linalg.norm(projected(solution, gradient)) < 1e-9


@pytest.mark.parametrize(("sigma", "beta"), [(0.01, 0.1), (0.5, 0.5), (0.001, 0.9)])
def test_constants_of_the_line_search_only_change_the_way(problem, sigma, beta):
    V, W, H = problem
    solution, _, _ = nls_subproblem(V, W, H, 1e-8, 50_000, sigma=sigma, beta=beta)
    np.testing.assert_allclose(solution, exact(V, W, 0.0, 0.0), rtol=0, atol=1e-7)


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
def test_more_iterations_are_never_worse(problem, penalty):
    V, W, H = problem
    alpha, l1_ratio = penalty
    term = Penalty.elastic(4, alpha * l1_ratio, alpha * (1 - l1_ratio))
    start = oracles.objective(V, W, H.T, Penalty.elastic(4), term)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", LIMIT)
        for max_iter in range(1, 30):
            solution = nls_subproblem(V, W, H, 0.0, max_iter, alpha, l1_ratio)[0]
            value = oracles.objective(V, W, solution.T, Penalty.elastic(4), term)
            assert value <= start


def test_an_optimal_start_takes_one_iteration(problem):
    V, W, H = problem
    solution, _, _ = nls_subproblem(V, W, H, 1e-9, 20_000)
    again, gradient, n_iter = nls_subproblem(V, W, solution, 1e-8, 10)
    assert n_iter == 1
    np.testing.assert_array_equal(again, solution)
    assert np.linalg.norm(projected(again, gradient)) < 1e-8


def test_signed_V_and_W_are_allowed():
    rng = np.random.default_rng(0)
    V, W = rng.normal(size=(12, 5)), rng.normal(size=(12, 3))
    H = nls_subproblem(V, W, np.zeros((3, 5)), 1e-10, 10_000)[0]
    np.testing.assert_allclose(H, exact(V, W, 0.0, 0.0), rtol=0, atol=1e-9)


@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_float32_is_kept_and_close(problem, storage):
    V, W, H = (A.astype(np.float32) for A in problem)
    solution, gradient, _ = nls_subproblem(STORAGES[storage](V), W, H, 1e-3, 5000)
    assert solution.dtype == gradient.dtype == np.float32
    expected = exact(*(A.astype(float) for A in (V, W)), 0.0, 0.0)
    np.testing.assert_allclose(solution, expected, rtol=0, atol=1e-3)


def test_float32_beyond_its_digits_ends_at_the_limit(problem):
    V, W, H = (A.astype(np.float32) for A in problem)
    with pytest.warns(UserWarning, match=LIMIT):
        solution, _, n_iter = nls_subproblem(V, W, H, 1e-30, 3000)
    assert n_iter == 3000
    expected = exact(*(A.astype(float) for A in (V, W)), 0.0, 0.0)
    np.testing.assert_allclose(solution, expected, rtol=0, atol=1e-5)


def test_the_limit_is_told(problem):
    V, W, H = problem
    match = r"nls subproblem\. Raise `max_iter` \(3\) or `tol`"
    with pytest.warns(UserWarning, match=match):
        n_iter = nls_subproblem(V, W, H, 1e-9, 3)[2]
    assert n_iter == 3


# One half-step


@pytest.mark.parametrize("sparseness", [None, "data", "components"])
@pytest.mark.parametrize("storage", MAIN_STORAGES)
@pytest.mark.parametrize("factor", ["W", "H"])
def test_update_is_the_subproblem_with_stacked_rows(
    problem, storage, factor, sparseness
):
    """The terms of `sparseness` written as rows below X, as their authors do."""
    X, W, H = problem
    beta, eta = 2.5, 0.3
    arguments = (1e-8, 20_000, 0.2, 0.5, sparseness, beta, eta)
    solution, gradient, n_iter = projected_gradient_update(
        STORAGES[storage](X), W, H, *arguments, factor=factor
    )
    assert solution.flags.c_contiguous
    assert gradient.flags.c_contiguous
    V, fixed, start = (X.T, H.T, W.T) if factor == "W" else (X, W, H)
    k, n = start.shape
    wanted = "data" if factor == "W" else "components"
    if sparseness is not None:
        sparse = sparseness == wanted
        rows = np.sqrt(beta) * np.ones((1, k)) if sparse else np.sqrt(eta) * np.eye(k)
        V = np.vstack([V, np.zeros((rows.shape[0], n))])
        fixed = np.vstack([fixed, rows])
    expected, expected_gradient, expected_n_iter = nls_subproblem(
        V, fixed, start, 1e-8, 20_000, 0.2, 0.5
    )
    if factor == "W":
        expected, expected_gradient = expected.T, expected_gradient.T
    # the last iterations may differ by rounding
    assert abs(n_iter - expected_n_iter) <= 2
    np.testing.assert_allclose(solution, expected, rtol=0, atol=1e-7)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=0, atol=1e-6)


def test_update_tells_its_own_limit(problem):
    with pytest.warns(UserWarning, match=r"Raise `nls_max_iter` \(2\)"):
        projected_gradient_update(
            *problem, 1e-9, 2, 0.0, 0.0, None, 1.0, 0.1, factor="W"
        )


# The solver


def planted(shape=(40, 30), k=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.gamma(0.5, size=(shape[0], k)) @ rng.gamma(0.5, size=(k, shape[1]))


@pytest.mark.parametrize(
    "penalty", list(PENALTIES.values())[:4], ids=list(PENALTIES)[:4]
)
def test_tight_tolerance_reaches_a_stationary_point(penalty):
    alpha, l1_ratio = penalty
    X = data(20, 15, density=0.8)
    model = NMF(
        3,
        init="nndsvda",
        solver="pg",
        tol=1e-7,
        max_iter=5000,
        alpha=alpha,
        l1_ratio=l1_ratio,
        random_state=0,
    )
    with warnings.catch_warnings():
        # the tolerance of a subproblem falls below what rounding allows
        warnings.filterwarnings("ignore", LIMIT)
        W = model.fit_transform(X)
    assert model.stop_reason_ == "converged"
    H = model.components_
    term = Penalty.elastic(3, alpha * l1_ratio, alpha * (1 - l1_ratio))
    gradients = [
        projected(W, oracles.gradient_W(X, W, H.T, term)),
        projected(H.T, oracles.gradient_W(X.T, H.T, W, term)),
    ]
    assert np.sqrt(sum(np.sum(g**2) for g in gradients)) < 1e-5 * np.linalg.norm(X)


@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_agrees_with_coordinate_descent_on_an_easy_problem(storage):
    X = planted() + 0.01 * data(40, 30)
    ends = []
    for solver in ("cd", "pg"):
        model = NMF(3, "nndsvda", solver, tol=1e-7, max_iter=2000, random_state=0)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", LIMIT)
            ends.append((model.fit_transform(STORAGES[storage](X)), model))
    (W_cd, cd), (W_pg, pg) = ends
    np.testing.assert_allclose(
        pg.reconstruction_err_, cd.reconstruction_err_, rtol=1e-6
    )
    np.testing.assert_allclose(
        W_pg @ pg.components_, W_cd @ cd.components_, rtol=0, atol=1e-4 * X.max()
    )


@pytest.mark.parametrize("sparseness", [None, "data", "components"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_storage_moves_alike(dtype, sparseness):
    X = data(dtype=dtype)
    solver = make_solver("pg", sparseness=sparseness, tol=0.0)
    W0, Ht0 = factors(X.shape, dtype=dtype)
    # in float32 a search soon decides by rounding
    n_iter = 8 if dtype == np.float64 else 1
    W, Ht, _ = fit(solver, make_problem(X, l1=0.1, l2=0.1), W0, Ht0, n_iter)
    for storage in STORAGES.values():
        same = make_problem(storage(X), l1=0.1, l2=0.1)
        for A, B in zip(fit(solver, same, W0, Ht0, n_iter), (W, Ht), strict=False):
            assert_close(A, B, dtype, X.size, factor=1e3)


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_fixed_H_is_exact_per_row(storage, penalty):
    alpha, l1_ratio = penalty
    X, Ht = data(), factors((23, 17))[1]
    H = np.ascontiguousarray(Ht.T)
    W, same, n_iter = non_negative_factorization(
        STORAGES[storage](X),
        H=H,
        n_components=4,
        update_H=False,
        solver="pg",
        tol=1e-9,
        nls_max_iter=50_000,
        max_iter=1,
        alpha=alpha,
        l1_ratio=l1_ratio,
        regularization="transformation",
    )
    np.testing.assert_array_equal(same, H)
    assert n_iter > 1
    np.testing.assert_allclose(W.T, exact(X.T, Ht, alpha, l1_ratio), rtol=0, atol=1e-8)


def test_fixed_H_told_by_name_at_its_limit():
    X, Ht = data(), factors((23, 17))[1]
    arguments = {"n_components": 4, "update_H": False, "solver": "pg"}
    with pytest.warns(ConvergenceWarning, match=r"Raise `nls_max_iter` \(3\)") as told:
        n_iter = non_negative_factorization(X, H=Ht.T, nls_max_iter=3, **arguments)[2]
    assert n_iter == 3
    assert len(told) == 1
    non_negative_factorization(X, H=Ht.T, nls_max_iter=3, tol=0, **arguments)


def test_transform_is_the_fixed_H_solution():
    X, X2 = data(seed=0), data(seed=1)
    model = NMF(4, solver="pg", random_state=0, alpha=0.1, l1_ratio=0.5).fit(X)
    expected = non_negative_factorization(
        X2,
        H=model.components_,
        n_components=4,
        update_H=False,
        solver="pg",
        alpha=0.1,
        l1_ratio=0.5,
        regularization="both",
    )[0]
    np.testing.assert_array_equal(model.transform(X2), expected)


@pytest.mark.parametrize(("name", "index"), [("data", 0), ("components", 1)])
def test_sparseness_makes_the_named_factor_sparser(name, index):
    X = planted((50, 40), 5) + 0.1 * data(50, 40, density=1.0)
    arguments = {"tol": 1e-3, "random_state": 0}
    start = NMF(5, "nndsvda", "pg", **arguments)
    W, H = start.fit_transform(X), start.components_
    reached = []
    for beta in (0.0, 1.0, 10.0, 100.0):
        model = NMF(5, "custom", "pg", sparseness=name, beta=beta, **arguments)
        with warnings.catch_warnings():
            # near its optimum the gradients that tol is relative to are small
            warnings.simplefilter("ignore", ConvergenceWarning)
            sparse_W = model.fit_transform(X, W=W, H=H)
        reached.append(hoyer_sparseness((sparse_W, model.components_)[index]))
        measured = (model.data_sparseness_, model.comp_sparseness_)[index]
        assert measured == reached[-1]
    assert (np.diff(reached) > 0).all()


def test_regularization_names_the_penalised_factor():
    X = data()
    arguments = {"solver": "pg", "n_components": 4, "random_state": 0, "tol": 1e-3}
    sums = {}
    for name in (None, "transformation", "components", "both"):
        W, H, _ = non_negative_factorization(
            X, alpha=2.0, l1_ratio=1.0, regularization=name, **arguments
        )
        sums[name] = (W.sum(), H.sum())
    plain = non_negative_factorization(X, **arguments)
    assert sums[None] == (plain[0].sum(), plain[1].sum())
    assert sums["transformation"][0] < sums["components"][0]
    assert sums["transformation"][1] > sums["components"][1]


def test_W_is_solved_for_once_more_at_max_iter():
    X = data(density=0.8)
    tol = 1e-5
    model = NMF(4, "random", "pg", tol=tol, max_iter=2, random_state=0)
    with pytest.warns(ConvergenceWarning, match="Maximum number of iterations 2"):
        W = model.fit_transform(X)
    gradient = oracles.gradient_W(X, W, model.components_.T, Penalty.elastic(4))
    assert np.linalg.norm(projected(W, gradient)) < 2 * tol
    # and not before: with more to come, the subproblems are solved loosely
    W0, Ht0 = factors(X.shape)
    problem = make_problem(X)
    loose = fit(make_solver("pg", tol=tol, max_iter=3), problem, W0, Ht0, 2)
    final = fit(make_solver("pg", tol=tol, max_iter=2), problem, W0, Ht0, 2)
    np.testing.assert_array_equal(loose[1], final[1])
    assert (loose[0] != final[0]).any()


def test_interrupted_in_the_last_solution_for_W(monkeypatch):
    X, tol = data(), 1e-5
    solve = Subproblem.solve

    def interrupted(self, at_tol, max_iter):
        if at_tol == tol:
            raise KeyboardInterrupt
        return solve(self, at_tol, max_iter)

    monkeypatch.setattr(Subproblem, "solve", interrupted)
    model = NMF(4, "random", "pg", tol=tol, max_iter=2, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert model.stop_reason_ == "interrupted"
    assert model.n_iter_ == 2
    assert np.isfinite(model.reconstruction_err_)


def test_inner_limit_warns_once_a_fit():
    X = data()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        NMF(4, solver="pg", nls_max_iter=1, tol=0, max_iter=6).fit(X)
    assert [w.category for w in warned] == [UserWarning]
    assert str(warned[0].message).startswith(LIMIT)


def test_products_with_X_are_computed_once():
    class Counting(DenseOperand):
        passes = 0

        @property
        def T(self):
            return Counting(self.X.T, self.n_threads)

        def run_pass(self, step, rows, shared):
            Counting.passes += 1
            return super().run_pass(step, rows, shared)

    X = data()
    problem = make_problem(Counting(X))
    solver = make_solver("pg", tol=0.0)
    state = solver.start(problem, *factors(X.shape))
    assert Counting.passes == 2
    solver.iterate(problem, state)  # has X·Hᵀ from the start
    assert Counting.passes == 3
    solver.iterate(problem, state)
    assert Counting.passes == 5
    fixed = make_problem(Counting(X), update_H=False)
    state = solver.start(fixed, *factors(X.shape))
    for _ in range(5):
        solver.iterate(fixed, state)
    assert Counting.passes == 6


def test_history_tells_objective_and_residual():
    X = data()
    model = NMF(4, "random", "pg", tol=1e-3, random_state=0, alpha=0.1)
    W = model.fit_transform(X)
    objective, residual = model.history_["objective"], model.history_["residual"]
    term = Penalty.elastic(4, 0.0, 0.1)
    assert_close(
        objective[-1],
        oracles.objective(X, W, model.components_.T, term, term),
        np.float64,
        X.size,
    )
    assert (np.diff(objective) <= 0).all()
    assert residual[-1] < 1e-3 <= residual[:-1].min()


@pytest.mark.parametrize("shape", [(1, 7), (7, 1), (1, 1)])
def test_thin_matrices(shape):
    X = data(*shape, density=1.0)
    model = NMF(1, "random", "pg", random_state=0)
    W = model.fit_transform(X)
    assert_close(W @ model.components_, X, np.float64, 10, factor=1e10)


def test_all_zero_X_stops_at_once():
    model = NMF(2, "random", "pg", random_state=0)
    W = model.fit_transform(np.zeros((6, 5)))
    assert model.n_iter_ == 1
    assert not W.any()
    assert np.isnan(model.comp_sparseness_)


def test_no_negative_zeros():
    X = planted()
    model = NMF(6, "random", "pg", random_state=0, max_iter=20, alpha=0.5, l1_ratio=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        W = model.fit_transform(X)
    for A in (W, model.components_):
        assert (A == 0).any()
        assert not np.signbit(A).any()


# Hoyer's measure


def test_hoyer_at_its_ends():
    assert hoyer_sparseness([0.0, 0.0, 5.0, 0.0]) == 1.0
    assert abs(hoyer_sparseness(np.full((3, 4), 2.5))) < 1e-12


def test_hoyer_is_its_formula_for_any_scale_sign_and_storage():
    X = data()
    n = X.size
    ratio = np.abs(X).sum() / np.sqrt(np.sum(X**2))
    expected = (np.sqrt(n) - ratio) / (np.sqrt(n) - 1)
    for scale in (1.0, -3.0, 1e-200, 1e200):
        np.testing.assert_allclose(hoyer_sparseness(scale * X), expected, rtol=1e-12)
    for name in MAIN_STORAGES:
        actual = hoyer_sparseness(STORAGES[name](X))
        np.testing.assert_allclose(actual, expected, rtol=1e-12)
    as_float32 = hoyer_sparseness(X.astype(np.float32))
    np.testing.assert_allclose(as_float32, expected, rtol=1e-6)


# The caller's arrays, and bad input


@pytest.mark.parametrize("storage", ["dense-C", "dense-F", "csr-array", "csc-array"])
def test_inputs_are_not_touched(problem, storage):
    V, W, H = problem
    given = STORAGES[storage](V)
    before = [A.copy() for A in (V, W, H)]
    for A in (W, H, V):
        A.flags.writeable = False
    nls_subproblem(given, W, H, 1e-3, 1000)
    projected_gradient_update(
        given, W, H, 1e-3, 1000, 0.0, 0.0, None, 1.0, 0.1, factor="W"
    )
    non_negative_factorization(
        given, W, H, n_components=4, init="custom", solver="pg", tol=1e-2
    )
    for A, B in zip((oracles.to_float64(given), W, H), before, strict=True):
        np.testing.assert_array_equal(A, B)


def test_lists_integers_and_fortran_order_are_converted():
    V = [[2, 4, 1], [1, 0, 3], [2, 2, 2], [0, 1, 1]]
    W = [[1, 0], [0, 1], [1, 1], [2, 1]]
    H = [[0, 1, 0], [1, 0, 1]]
    expected = nls_subproblem(*(np.array(A, float) for A in (V, W, H)), 1e-9, 5000)
    for convert in (list, np.array, lambda A: np.asfortranarray(A, float)):
        actual = nls_subproblem(*map(convert, (V, W, H)), 1e-9, 5000)
        assert_close(actual[0], expected[0], np.float64, 10, factor=1e3)
    as_float32 = nls_subproblem(np.array(V, np.float32), W, H, 1e-2, 500)
    assert as_float32[0].dtype == np.float32


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"tol": -1.0}, "'tol' parameter of nls_subproblem"),
        ({"tol": np.nan}, "'tol'"),
        ({"max_iter": 0}, "'max_iter' .* Got 0 instead"),
        ({"max_iter": 2.0}, "'max_iter'"),
        ({"alpha": -0.1}, "'alpha'"),
        ({"alpha": "0.1"}, "'alpha'"),
        ({"l1_ratio": 1.5}, "'l1_ratio'"),
        ({"sigma": 0.0}, "'sigma'"),
        ({"sigma": 1.0}, "'sigma'"),
        ({"beta": 1.0}, "'beta'"),
        ({"V": [[np.inf]]}, "V contains infinity"),
        ({"W": np.full((23, 4), np.nan)}, "W contains NaN"),
        ({"H": np.full((4, 17), -1.0)}, r"nls_subproblem \(input H\)"),
        ({"H": np.ones((3, 17))}, "V has shape .* but W and H have shapes"),
        ({"W": np.ones((22, 4))}, "V has shape"),
        ({"H": np.ones(17)}, "2D"),
        ({"W": [["a"]]}, "W must be numeric"),
    ],
)
def test_bad_arguments_of_the_subproblem(problem, change, match):
    V, W, H = problem
    good = {"V": V, "W": W, "H": H, "tol": 1e-3, "max_iter": 100}
    with pytest.raises(ValueError, match=match):
        nls_subproblem(**{**good, **change})


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"factor": "w"}, "'factor' parameter of projected_gradient_update"),
        ({"sparseness": "both"}, "'sparseness'"),
        ({"nls_max_iter": 0}, "'nls_max_iter'"),
        ({"beta": -1.0}, "'beta'"),
        ({"eta": None}, "'eta'"),
        ({"W": np.full((23, 4), -1.0)}, r"\(input W\)"),
    ],
)
def test_bad_arguments_of_the_update(problem, change, match):
    X, W, H = problem
    good = {"X": X, "W": W, "H": H, "tol": 1e-3, "nls_max_iter": 100, "alpha": 0.0}
    good |= {"l1_ratio": 0.0, "sparseness": None, "beta": 1.0, "eta": 0.1}
    with pytest.raises(ValueError, match=match):
        projected_gradient_update(**{**good, "factor": "W", **change})


def test_factors_of_another_dtype_are_converted(problem):
    V, W, H = problem
    W, H = W.astype(np.float32), H.astype(np.float32)
    found = nls_subproblem(V, W, H, 1e-3, 10**5)
    expected = nls_subproblem(V, W.astype(V.dtype), H.astype(V.dtype), 1e-3, 10**5)
    for A, B in zip(found, expected, strict=True):
        np.testing.assert_array_equal(A, B)
    narrow = nls_subproblem(V.astype(np.float32), *problem[1:], 1e-3, 10**5)
    assert narrow[0].dtype == np.float32
