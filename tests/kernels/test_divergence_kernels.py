"""Half-steps for β-divergences: the compiled core, its reference, and their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize_scalar

from nonneg import kernels
from nonneg.kernels import beta_terms, reference
from nonneg.kernels.beta_steps import TermsUpdate
from nonneg.kernels.beta_terms import BetaTerms
from nonneg.kernels.newton_steps import NewtonUpdate
from nonneg.kernels.row_methods import RowArrays
from nonneg.kernels.term_records import TermRows, TermShared
from nonneg.operands.registration import as_operand
from support import oracles
from support.cases import DTYPES, STORAGES, data
from support.combinations import covering
from support.records import as_dict
from support.tolerances import assert_close

pytestmark = pytest.mark.usefixtures("eager_threads")
BETAS = [-0.5, 0.0, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5]
ROWS = ["dense-C", "dense-row-gaps", "csr-array", "csr-int64", "csr-explicit-zeros"]
"""Storages that are read by rows."""


def factors(shape, k, dtype, seed=1, zeros=0.2):
    """Factors with some zeros, but no zero in their product."""
    rng = np.random.default_rng(seed)
    W, Ht = ((rng.random((n, k)) + 0.05) * (rng.random((n, k)) >= zeros) for n in shape)
    W[:, 0] = Ht[:, 0] = 0.5
    return W.astype(dtype), Ht.astype(dtype)


def shared(Ht, l1=0.0, l2=0.0):
    k = Ht.shape[1]
    sums = Ht.sum(axis=0, dtype=np.float64)
    return {"Ht": Ht, "column_sums": sums, "l1": np.full(k, l1), "l2": np.full(k, l2)}


def run(step, X, rows, common, compiled=True, n_threads=1):
    """A pass over X, by the core or by the reference; the rows that it wrote, and sums."""
    kind = RowArrays if isinstance(step, NewtonUpdate) else TermRows
    arrays = kind(**{name: A.copy() for name, A in rows.items()})
    operand = as_operand(X, n_threads)
    kept = kernels.native
    if not compiled:
        kernels.native = None
    try:
        sums = operand.run_pass(step, arrays, TermShared(**common))
        return as_dict(arrays), as_dict(sums)
    finally:
        kernels.native = kept


def power(beta):
    return 1 / (2 - beta) if beta < 1 else 1 / max(1, beta - 1)


# --- multiplicative steps ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "storage", "beta", "k"), covering(DTYPES, ROWS, BETAS, [1, 3, 8, 19, 40])
)
def test_a_step_is_that_of_the_formulas(beta, storage, dtype, k):
    """Numerators, denominators, the step and the value, entry by entry in float64."""
    X = data(37, 29) + (0.1 if beta <= 0 else 0.0)
    W, Ht = factors(X.shape, k, dtype)
    step = TermsUpdate(BetaTerms(beta, 1e-30), value=True)
    rows = {"start": W, "solved": np.empty_like(W)}
    rows, sums = run(step, STORAGES[storage](X.astype(dtype)), rows, shared(Ht, 0.3))
    W64, H64 = W.astype(float), Ht.astype(float)
    Y = W64 @ H64.T
    above, below = (X * Y ** (beta - 2)) @ H64, Y ** (beta - 1) @ H64
    expected = W64 * (above / (below + 0.3)) ** power(beta)
    factor = 20  # powers of sums
    assert_close(rows["solved"], expected, dtype, X.size, factor)
    A = rows["solved"].astype(float)
    Y = A @ H64.T
    assert_close(sums["numerator"], (X * Y ** (beta - 2)).T @ A, dtype, X.size, factor)
    if beta == 1:
        assert_close(sums["denominator"], A.sum(axis=0), dtype, X.size)
    else:
        assert_close(
            sums["denominator"], (Y ** (beta - 1)).T @ A, dtype, X.size, factor
        )
    value = oracles.divergence(X, A, Ht, beta)
    size = np.sum(X**2) + np.sum(Y**2) if beta >= 1 else X.size
    assert_close(sums["value"], value, dtype, X.size, factor, cancelled=size)


@pytest.mark.of_the_core
@pytest.mark.parametrize(
    ("dtype", "storage", "beta", "l2", "move", "after"),
    covering(DTYPES, ROWS, BETAS, [0.0, 0.7], [True, False], [False, True]),
)
def test_the_core_agrees_with_its_reference(beta, storage, dtype, l2, move, after):
    X = STORAGES[storage]((data(37, 29) + (0.1 if beta <= 0 else 0.0)).astype(dtype))
    W, Ht = factors(X.shape, 6, dtype)
    step = TermsUpdate(BetaTerms(beta, 1e-7), move=move, value=True, least=1e-3)
    rows = {"start": W, "solved": np.empty_like(W)}
    if not move:
        rows["below"] = np.empty_like(W)
    common = shared(Ht, 0.3, l2)
    if after:  # sums and value beside another factor than the step
        common["after"] = factors(X.shape, 6, dtype, seed=7)[1]
    one, two = (run(step, X, rows, common, compiled) for compiled in (True, False))
    if after:
        elsewhere = run(step, X, rows, shared(Ht, 0.3, l2))[1]
        assert abs(elsewhere["value"] / one[1]["value"] - 1) > 1e-3
    for name in rows:
        assert_close(one[0][name], two[0][name], dtype, 29, factor=20)
    assert one[1].keys() == two[1].keys()
    for name, expected in two[1].items():
        size = 1e3 if name == "value" else 0.0
        assert_close(one[1][name], expected, dtype, X.size, 20, cancelled=size)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", ["dense-C", "csr-array"])
@pytest.mark.parametrize(
    "beta", [-0.5, 0.01, 0.03, 0.3, 0.5, 0.75, 1.25, 1.5, 1.7, 1.97, 1.99, 2.5, 3.2]
)
def test_powers_are_exact_over_the_range_of_numbers(beta, storage, dtype):
    """The sums of a row of equal y: their power, whose logarithm may be rounded."""
    most = np.log2(np.finfo(dtype).max)
    reach = (most - 10) / max(1.0, abs(beta - 1), abs(beta - 2))
    sizes = np.exp2(np.linspace(-reach, reach, 301)).astype(dtype)[:, None]
    X = np.ones((301, 67), dtype)
    rows = {"start": sizes, "solved": np.empty_like(sizes), "below": sizes.copy()}
    step = TermsUpdate(BetaTerms(beta, float(np.finfo(dtype).tiny)), move=False)
    with np.errstate(
        over="ignore"
    ):  # sums for the other factor, which nobody looks at here
        found = run(step, STORAGES[storage](X), rows, shared(np.ones((67, 1), dtype)))[
            0
        ]
    y = sizes.astype(np.longdouble)
    for name, power in (("below", beta - 1), ("solved", beta - 2)):
        rounded = (abs(power) + 1) * np.abs(np.log2(y)) + 40
        apart = np.abs(found[name] / (67 * y ** np.longdouble(power)) - 1)
        assert np.all(apart < rounded * np.finfo(dtype).eps), name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", ROWS)
@pytest.mark.parametrize("k", [3, 19])
@pytest.mark.parametrize("compiled", [True, False])
def test_bends_bound_the_curvature(storage, dtype, k, compiled):
    """Σ_i x/y²·(Σ_u w_iu)·w_it, which no quadratic form of the Hessian exceeds."""
    X = STORAGES[storage](data(37, 29).astype(dtype))
    W, Ht = factors(X.shape, k, dtype)
    step = TermsUpdate(BetaTerms(1.0, 1e-7), move=False, value=True, bends=True)
    found = run(step, X, {"start": W}, shared(Ht), compiled)[1]
    dense, W, Ht = (np.asarray(A, dtype=float) for A in (data(37, 29), W, Ht))
    dense = dense.astype(dtype).astype(float)
    Y = W @ Ht.T
    second = dense / Y**2
    assert_close(found["numerator"], (dense / Y).T @ W, dtype, 37, factor=20)
    assert_close(
        found["bends"], second.T @ (W * W.sum(axis=1)[:, None]), dtype, 37, factor=20
    )
    d = np.random.default_rng(0).normal(size=k)
    for j in range(29):
        quadratic = d @ (W.T * second[:, j] @ W) @ d
        assert quadratic <= found["bends"][j] @ d**2 * (1 + 1e-4)


@pytest.mark.parametrize("beta", [-0.5, 0.0, 0.5, 1.0, 1.5])
def test_the_step_with_l2_minimises_the_majoriser(beta):
    """Each entry against a scalar minimisation of the majoriser by SciPy."""
    rng = np.random.default_rng(0)
    A, above, below = rng.random((3, 12, 3)) + 0.1
    l1, l2 = np.full(3, 0.2), np.full(3, 0.8)
    terms_ = BetaTerms(beta, 1e-30)
    for module in (kernels, beta_terms):
        moved = module.multiplied(A, above, below, l1, l2, terms_)
        for i in np.ndindex(A.shape):
            a, n, d, w = A[i], above[i], below[i] + 0.2, moved[i]
            rise, fall = max(0, beta - 1), 2 - beta

            def slope(u, a=a, n=n, d=d, rise=rise, fall=fall):
                return d * u**rise - n * u**-fall + 0.8 * a * u

            best = minimize_scalar(lambda u: slope(u) ** 2, (1e-3, 1), tol=1e-15).x
            assert w / a == pytest.approx(best, rel=1e-6)


@pytest.mark.of_the_core
@pytest.mark.parametrize("dtype", DTYPES)
def test_large_sums_go_by_panels_of_features(dtype):
    """More features than the accumulators may take: a few entries in each row."""
    n_features, k = 400_000, 32
    rng = np.random.default_rng(0)
    indices = np.sort(rng.choice(n_features, (60, 7)), axis=1)
    indptr = np.arange(61) * 7
    values = rng.random(420).astype(dtype) + dtype(0.1)
    X = sp.csr_array((values, indices.ravel(), indptr), (60, n_features))
    X.sum_duplicates()
    W, Ht = factors(X.shape, k, dtype)
    step = TermsUpdate(BetaTerms(1.0, 1e-30), value=True)
    rows = {"start": W, "solved": np.empty_like(W)}
    whole, sums = run(step, X, rows, shared(Ht))
    # the same with the features that have no entries added up in one
    narrow = np.unique(X.indices)
    rest = np.delete(Ht, narrow, axis=0).sum(axis=0, keepdims=True, dtype=np.float64)
    part = np.vstack([Ht[narrow], rest.astype(dtype)])
    few = sp.hstack([X[:, narrow], sp.csr_array((60, 1), dtype=dtype)], format="csr")
    small, expected = run(step, few, rows, shared(part))
    assert_close(whole["solved"], small["solved"], dtype, n_features)
    found = sums["numerator"]
    assert_close(found[narrow], expected["numerator"][:-1], dtype, n_features)
    assert not np.delete(found, narrow, axis=0).any()
    assert_close(sums["value"], expected["value"], dtype, Ht.size)


@pytest.mark.of_the_core
@pytest.mark.parametrize(
    ("beta", "storage"),
    [(0.5, "dense-C"), (1.0, "dense-C"), (3.0, "dense-C"), (1.0, "csr-array")],
)
def test_large_sums_of_full_rows_go_by_panels_too(beta, storage):
    """Also the sums that bound the curvature. Other β of a sparse X go by rows, on one thread."""
    n_features, k = 210_000, 32
    X = np.random.default_rng(0).random((11, n_features)).astype(np.float32)
    W, Ht = factors(X.shape, k, np.float32)
    step = TermsUpdate(BetaTerms(beta, 1e-9), value=True, bends=beta == 1)
    rows = {"start": W, "solved": np.empty_like(W)}
    results = [
        run(step, STORAGES[storage](X), rows, shared(Ht), n_threads=n) for n in (1, 3)
    ]
    (moved, sums), (again, _) = results
    np.testing.assert_array_equal(moved["solved"], again["solved"])
    some = np.r_[0:40, 13_100:13_140, n_features - 40 : n_features]
    A, x = moved["solved"].astype(float), X[:, some].astype(float)
    Y = A @ Ht[some].astype(float).T
    expected = {"numerator": (x * Y ** (beta - 2)).T @ A}
    if beta == 1:
        expected["bends"] = (x / Y**2).T @ (A * A.sum(axis=1)[:, None])
    else:
        expected["denominator"] = (Y ** (beta - 1)).T @ A
    for name, value in expected.items():
        assert_close(sums[name][some], value, np.float32, k, factor=50)
        np.testing.assert_array_equal(sums[name], results[1][1][name])
    value = oracles.divergence(X.astype(float), A, Ht.astype(float), beta)
    assert sums["value"] == pytest.approx(value, rel=1e-4)


# --- scalar Newton steps ------------------------------------------------------------------


@pytest.mark.of_the_core
@pytest.mark.parametrize(
    ("dtype", "storage", "k", "sweeps"),
    covering(
        DTYPES, [*ROWS, "dense-F", "dense-negative-strides"], [1, 3, 8, 19, 40], [1, 4]
    ),
)
def test_newton_agrees_with_its_reference(storage, dtype, k, sweeps):
    newton_agrees(storage, dtype, k, sweeps, 29)


@pytest.mark.of_the_core
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", ["dense-C", "dense-F", "dense-negative-strides"])
@pytest.mark.parametrize(("k", "sweeps"), [(1, 4), (19, 1), (3, 4)])
def test_newton_of_wide_dense_rows(storage, dtype, k, sweeps):
    """Rows too long to lie in the lanes of a vector, at any width of vectors."""
    newton_agrees(storage, dtype, k, sweeps, 1100)


def newton_agrees(storage, dtype, k, sweeps, n_features):
    X = STORAGES[storage](data(37, n_features).astype(dtype))
    W, Ht = factors(X.shape, k, dtype)
    step = NewtonUpdate(1e-12, sweeps=sweeps, momentum=0.5)
    rows = dict.fromkeys(("start", "solved", "previous", "moved"), W)
    rows["previous"] = 0.9 * W
    one, two = (
        run(step, X, rows, shared(Ht, 0.1, 0.2), compiled) for compiled in (True, False)
    )
    factor = (
        200  # of each entry's Newton step, n_features terms and k·sweeps steps before
    )
    for name in ("solved", "moved"):
        assert_close(one[0][name], two[0][name], dtype, n_features, factor)
    for name, expected in two[1].items():
        assert_close(
            one[1][name], expected, dtype, n_features, factor, cancelled=X.sum()
        )


@pytest.mark.parametrize("storage", ["dense-C", "csr-array"])
@pytest.mark.parametrize("l2", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_no_sweep_raises_the_objective_of_a_row(storage, l2, seed):
    """From any start, also where entries of W·H are zero at positive x."""
    rng = np.random.default_rng(seed)
    X = data(60, 15, seed=seed) * 10.0 ** rng.uniform(-3, 3, (60, 1))
    Ht = rng.random((15, 5)) * (rng.random((15, 5)) < 0.6)
    Ht[:, 0] += 0.01
    W = (
        rng.random((60, 5))
        * (rng.random((60, 5)) < 0.5)
        * 10.0 ** rng.uniform(-4, 4, (60, 1))
    )
    step = NewtonUpdate(1e-12)

    def objective(A):
        y = np.maximum(A @ Ht.T, 1e-12)
        logs = np.where(X > 0, X * np.log(np.where(X > 0, X, 1) / y) - X, 0)
        return (logs + A @ Ht.T + 0.0).sum(axis=1) + 0.5 * l2 * (A * A).sum(axis=1)

    if not W.any(axis=1).all():
        W[~W.any(axis=1)] = 1.0
    for _ in range(8):
        rows, _ = run(
            step, STORAGES[storage](X), {"start": W, "solved": W}, shared(Ht, 0, l2)
        )
        before, after = objective(W), objective(rows["solved"])
        assert (after <= before + 1e-9 * (np.abs(before) + X.sum(axis=1))).all()
        W = rows["solved"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("storage", "n_features"), [("dense-C", 40), ("dense-C", 1100), ("csr-array", 40)]
)
def test_many_sweeps_end_at_the_optimality_conditions(storage, n_features, dtype):
    X = data(50, n_features)
    W, Ht = factors(X.shape, 6, dtype)
    tolerance = 1e-10 if dtype == np.float64 else 1e-5
    step = NewtonUpdate(1e-12, sweeps=5000, tolerance=tolerance, rescale=True)
    store = STORAGES[storage]
    rows, sums = run(
        step, store(X.astype(dtype)), {"start": W, "solved": W}, shared(Ht)
    )
    A, H = rows["solved"].astype(float), Ht.astype(float)
    ratio = np.divide(X, A @ H.T, out=np.zeros_like(X), where=X > 0)
    gradient = H.sum(axis=0) - ratio @ H
    bound = 10 * tolerance * X.sum(axis=1)
    assert (np.abs(gradient * A).sum(axis=1) <= np.maximum(bound, 1e-9)).all()
    assert (gradient >= -10 * tolerance * H.sum(axis=0)).all()
    assert sums["sweeps"] < 5000 * 50
    value = oracles.divergence(X, A, H, 1)
    assert_close(sums["value"], value, dtype, X.size, cancelled=np.sum(X))


EXACT_CASES = {
    "dense": {"density": 1.0},
    "fewer entries than components": {"density": 0.2, "k": 19},
    "dependent components": {"dependent": True},
    "penalties": {"l1": 0.3, "l2": 0.5},
    "scales": {"decades": 6},
}


@pytest.mark.parametrize(
    ("dtype", "storage", "case", "cold"),
    covering(DTYPES, ["dense-C", "csr-array"], list(EXACT_CASES), [True, False]),
)
def test_exact_solves_take_few_steps(case, storage, dtype, cold):
    """Steps by the whole Hessian of a row end after a few, at the optimality conditions."""
    options = {"density": 0.8, "k": 7, "l1": 0.0, "l2": 0.0, "decades": 0}
    options |= EXACT_CASES[case]
    rng = np.random.default_rng(5)
    k, l1, l2 = options["k"], options["l1"], options["l2"]
    X = rng.gamma(0.5, size=(60, 40)) * (rng.random((60, 40)) < options["density"])
    X *= 10.0 ** (options["decades"] * rng.uniform(-0.5, 0.5, (60, 1)))
    W, Ht = factors(X.shape, k, dtype)
    if options.get("dependent"):
        Ht[:, 1] = Ht[:, 2] + Ht[:, 3]
    if not cold:
        start = {"start": W, "solved": W}
        near = run(NewtonUpdate(1e-12, 30), X.astype(dtype), start, shared(Ht))
        W = near[0]["solved"].astype(dtype)
    tolerance = 1e-10 if dtype == np.float64 else 1e-5
    step = NewtonUpdate(1e-12, sweeps=2000, tolerance=tolerance, rescale=cold)
    rows, sums = run(
        step, STORAGES[storage](X.astype(dtype)), {"start": W, "solved": W},
        shared(Ht, l1, l2),
    )  # fmt: skip
    A, H = rows["solved"].astype(float), Ht.astype(float)
    X = X.astype(dtype).astype(float)
    ratio = np.divide(X, np.maximum(A @ H.T, 1e-12), out=np.zeros_like(X), where=X > 0)
    linear = H.sum(axis=0) + l1
    gradient = linear + l2 * A - ratio @ H
    total = X.sum(axis=1)
    assert (np.abs(gradient * A).sum(axis=1) <= 10 * tolerance * total + 1e-30).all()
    assert (gradient >= -10 * tolerance * linear).all()
    assert sums["unfinished"] == 0
    if kernels.native is not None:  # the reference goes on by sweeps
        assert sums["sweeps"] <= 25 * len(X)


MULTIPLICATIVE, NEWTON = TermsUpdate(BetaTerms(1.0, 1e-9)), NewtonUpdate(1e-9, 2)


@pytest.mark.parametrize(
    ("step", "storage"),
    [
        (MULTIPLICATIVE, "dense-C"),
        (MULTIPLICATIVE, "csr-array"),
        (NEWTON, "dense-C"),
        (NEWTON, "csr-array"),
        (NEWTON, "dense-F"),  # which the other step reads by columns
    ],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_change_no_bit(step, storage, dtype):
    X = STORAGES[storage](data(700, 90, dtype=dtype))
    W, Ht = factors(X.shape, 9, dtype)
    rows = {"start": W, "solved": np.empty_like(W)}
    results = [run(step, X, rows, shared(Ht), n_threads=n) for n in (1, 2, 5)]
    for other in results[1:]:
        np.testing.assert_array_equal(other[0]["solved"], results[0][0]["solved"])
        for name, value in results[0][1].items():
            np.testing.assert_array_equal(other[1][name], value)


def test_rows_of_all_lengths():
    """Empty rows, short ones together and long ones alone, in any order."""
    rng = np.random.default_rng(0)
    lengths = rng.permutation(
        [0, 1, 2, 5, 7, 8, 9, 16, 17, 31, 100, 511, 513, 900, 0, 3]
    )
    X = np.zeros((len(lengths), 1000))
    for row, n in zip(X, lengths, strict=True):
        row[rng.choice(1000, n, replace=False)] = rng.integers(1, 9, n)
    W, Ht = factors(X.shape, 5, np.float64)
    step = NewtonUpdate(1e-12, sweeps=3)
    rows = {"start": W, "solved": np.empty_like(W)}
    one = run(step, sp.csr_array(X), rows, shared(Ht))
    two = run(step, X, rows, shared(Ht), compiled=False)
    assert_close(one[0]["solved"], two[0]["solved"], np.float64, 1000, factor=50)
    assert not one[0]["solved"][lengths == 0].any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("sweeps", "tolerance"), [(3, 0.0), (50, 1e-5)])
def test_neighbours_of_a_row_change_no_bit(dtype, sweeps, tolerance):
    """Rows share vectors with others of about their length, whichever these are."""
    rng = np.random.default_rng(1)
    X = np.zeros((60, 700))
    for row, n in zip(X, rng.permutation([*range(2, 60), 513, 600]), strict=True):
        row[rng.choice(700, n, replace=False)] = rng.integers(1, 9, n)
    X = X.astype(dtype)
    W, Ht = factors(X.shape, 7, dtype)
    step = NewtonUpdate(1e-7, sweeps=sweeps, tolerance=tolerance)
    solved = []
    for chosen in (np.arange(60), rng.permutation(60)[:33]):
        rows = {"start": W[chosen], "solved": np.empty_like(W[chosen])}
        solved.append(run(step, sp.csr_array(X[chosen]), rows, shared(Ht))[0]["solved"])
    assert np.array_equal(solved[0][chosen], solved[1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_column_sums(dtype):
    A = np.random.default_rng(0).random((5000, 7)).astype(dtype)
    expected = A.astype(float).sum(axis=0)
    for module in (kernels, reference):
        assert_close(module.column_sums(A), expected, np.float64, 5000)
