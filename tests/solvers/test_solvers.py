"""What every solver must do, on every storage and dtype, whatever its algorithm."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nonneg.operands.registration import as_operand
from support import oracles
from support.cases import (
    DTYPES,
    MAIN_STORAGES,
    PAIRS,
    PASSES,
    STORAGES,
    SolverCase,
    data,
    data_for,
    factors,
    is_finite_at_zeros,
    make_problem,
    pairs,
)
from support.combinations import covering
from support.properties import assert_descends, assert_valid, fit
from support.tolerances import assert_close, scale, tol

pytestmark = pytest.mark.filterwarnings("ignore:Iteration limit reached in nls")


def for_each(pairs):
    return pytest.mark.parametrize(("loss", "case"), pairs, ids=str)


def for_pairs_with(pairs, **factors):
    """Each pair with each value of the factors, and each two values of two factors."""
    return pytest.mark.parametrize(
        ("loss", "case", *factors),
        [(*pair, *rest) for pair, *rest in covering(pairs, *factors.values())],
        ids=str,
        indirect=["passes"] if "passes" in factors else False,
    )


each_pair = for_each(PAIRS)
storages = pytest.mark.parametrize("storage", MAIN_STORAGES)
dtypes = pytest.mark.parametrize("dtype", DTYPES)


@for_pairs_with(PAIRS, storage=list(STORAGES), dtype=DTYPES, passes=PASSES)
def test_the_objective_never_rises(loss, case, storage, dtype, passes):
    X = STORAGES[storage](data_for(loss, dtype=dtype))
    problem = make_problem(X, loss=loss, l1=0.01, l2=0.02, random_state=0)
    start = factors(X.shape, dtype=dtype)
    values = assert_descends(case.make(tol=0.0), problem, X, *start)
    assert values[-1] < 0.9 * values[0]


@for_pairs_with(
    PAIRS,
    storage=MAIN_STORAGES,
    dtype=DTYPES,
    shape=[(1, 1), (1, 6), (6, 1), (2, 30), (30, 2)],
    k=[1, 2, 9],
)
def test_any_shape_and_rank(loss, case, storage, dtype, shape, k):
    """Also more components than rows or columns."""
    X = STORAGES[storage](data_for(loss, *shape, density=1.0, dtype=dtype))
    problem = make_problem(X, k, loss=loss, random_state=0)
    start = factors(shape, k, dtype)
    assert_descends(case.make(tol=0.0), problem, X, *start, n_iter=5)


@for_pairs_with(
    pairs(quadratic=True, to_zero=True),
    storage=MAIN_STORAGES,
    dtype=DTYPES,
    passes=PASSES,
)
def test_fixed_H(loss, case, storage, dtype, passes):
    """H stays to the bit, and W ends at the minimum for it.

    For other losses and solvers the minimum is reached in the objective alone, which other
    tests look at.
    """
    X = STORAGES[storage](data(dtype=dtype))
    W, Ht = factors(X.shape, dtype=dtype)
    problem = make_problem(
        X, loss=loss, l1=0.01, l2=0.02, update_H=False, random_state=0
    )
    solver = case.make(tol=0.0)
    moved, kept, _ = fit(solver, problem, np.zeros_like(W), Ht, n_iter=300)
    assert_valid(moved, kept, dtype)
    np.testing.assert_array_equal(kept, Ht)
    # a quadratic programme with a definite Hessian: the minimiser is unique
    again, _, _ = fit(solver, problem, W, Ht, n_iter=300)
    gap = 1e-6 if dtype == np.float64 else 2e-3  # where the line search of pg stalls
    assert np.abs(moved - again).max() <= gap * scale(moved)


@each_pair
@dtypes
def test_dense_and_sparse_agree(loss, case, dtype):
    """Only the order of the sums differs between the paths through a fit."""
    X = data_for(loss, dtype=dtype)
    start = factors(X.shape, dtype=dtype)
    results = {
        storage: fit(
            case.make(tol=0.0),
            make_problem(STORAGES[storage](X), loss=loss, l1=0.01, random_state=0),
            *start,
            n_iter=3,
        )
        for storage in STORAGES
    }
    first = results.pop("dense-C")
    for W, Ht, _ in results.values():
        # three iterations of inner sweeps or line searches, each with its rounding
        assert_close(W, first[0], dtype, X.size, factor=30)
        assert_close(Ht, first[1], dtype, X.size, factor=30)


@each_pair
@storages
def test_a_refit_gives_the_same_bits(loss, case, storage):
    X = STORAGES[storage](data_for(loss))
    start = factors(X.shape)
    one, two = (
        fit(
            case.make(tol=0.0),
            make_problem(X, loss=loss, random_state=3),
            *start,
            n_iter=6,
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])
    assert one[2].history.objective == two[2].history.objective


@each_pair
@storages
def test_permuting_rows_and_columns_permutes_the_factors(loss, case, storage):
    X = data_for(loss)
    W, Ht = factors(X.shape)
    rng = np.random.default_rng(0)
    rows, columns = (rng.permutation(n) for n in X.shape)
    permuted = np.ascontiguousarray(X[rows][:, columns])

    def factorize(X, W, Ht):
        problem = make_problem(STORAGES[storage](X), loss=loss, l2=0.1, random_state=0)
        return fit(case.make(tol=0.0), problem, W, Ht, n_iter=3)

    plain = factorize(X, W, Ht)
    other = factorize(permuted, W[rows], Ht[columns])
    # three iterations apart, in other orders of summation
    assert_close(other[0], plain[0][rows], np.float64, X.size, factor=30)
    assert_close(other[1], plain[1][columns], np.float64, X.size, factor=30)


@each_pair
@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_the_quality_does_not_depend_on_the_scale_of_X(loss, case, factor):
    """An exact product is found again, in units large or small."""
    if getattr(case.make(), "sparseness", None):
        return  # beta and eta are absolute weights: they depend on the units
    rng = np.random.default_rng(0)
    W, Ht = (rng.random((n, 2)) for n in (30, 20))
    X = factor * W @ Ht.T
    start = [np.sqrt(factor) * (A + 0.1 * rng.random(A.shape)) for A in (W, Ht)]
    problem = make_problem(X, 2, loss=loss, random_state=0)
    W, Ht, _ = fit(case.make(tol=1e-9), problem, *start, n_iter=2000)
    assert np.linalg.norm(X - W @ Ht.T) <= 1e-3 * np.linalg.norm(X)


@storages
@pytest.mark.parametrize("exponent", [-200, -20, 20, 200])
def test_cd_is_equivariant_to_powers_of_two(storage, exponent):
    """X and W in units of 2^e: the same bits in other units."""
    X, unit = data(), 2.0**exponent
    W, Ht = factors(X.shape)
    case = SolverCase("cd").make(tol=0.0)
    plain = fit(case, make_problem(STORAGES[storage](X)), W, Ht, n_iter=5)
    problem = make_problem(STORAGES[storage](unit * X))
    scaled = fit(case, problem, unit * W, Ht, n_iter=5)
    np.testing.assert_array_equal(scaled[0], unit * plain[0])
    np.testing.assert_array_equal(scaled[1], plain[1])


@for_pairs_with(pairs(with_zeros=True), storage=MAIN_STORAGES, dtype=DTYPES)
def test_zero_rows_and_columns_end_at_zero(loss, case, storage, dtype):
    X = data(dtype=dtype)
    X[[0, 11]], X[:, 5] = 0, 0
    problem = make_problem(STORAGES[storage](X), loss=loss, l2=0.1, random_state=0)
    start = factors(X.shape, dtype=dtype)
    W, Ht, _ = fit(case.make(tol=0.0), problem, *start, n_iter=60)
    assert_valid(W, Ht, dtype)
    assert np.abs(W[[0, 11]]).max() <= 1e-3 * scale(W)
    assert np.abs(Ht[5]).max() <= 1e-3 * scale(Ht)


@for_pairs_with(pairs(with_zeros=True), storage=MAIN_STORAGES, dtype=DTYPES)
def test_all_zero_X(loss, case, storage, dtype):
    X = STORAGES[storage](np.zeros((9, 7), dtype=dtype))
    problem = make_problem(X, loss=loss, random_state=0)
    start = factors(X.shape, dtype=dtype)
    values = assert_descends(case.make(tol=0.0), problem, X, *start, n_iter=50)
    assert values[-1] <= 1e-3 * values[0]


@for_pairs_with(PAIRS, storage=MAIN_STORAGES, dtype=DTYPES, which=["W", "H", "both"])
def test_dead_components(loss, case, storage, dtype, which):
    """A component without curvature neither divides by zero nor spoils the others."""
    X = STORAGES[storage](data_for(loss, dtype=dtype))
    W, Ht = factors(X.shape, dtype=dtype)
    if which in ("W", "both"):
        W[:, 1] = 0
    if which in ("H", "both"):
        Ht[:, 1] = 0
    problem = make_problem(X, loss=loss, random_state=0)
    values = assert_descends(case.make(tol=0.0), problem, X, W, Ht)
    assert values[-1] < values[0]


@for_pairs_with(
    pairs(quadratic=True, to_zero=True), storage=MAIN_STORAGES, dtype=DTYPES
)
def test_a_penalty_that_kills_everything(loss, case, storage, dtype):
    """Other losses are infinite there: x·log 0."""
    X = STORAGES[storage](data_for(loss, dtype=dtype))
    problem = make_problem(X, loss=loss, l1=500.0, random_state=0)
    start = factors(X.shape, dtype=dtype)
    W, Ht, outcome = fit(case.make(tol=0.0), problem, *start, n_iter=10)
    assert_valid(W, Ht, dtype)
    assert not (W @ Ht.T).any()
    assert np.isfinite(outcome.history.objective).all()


EXTREMES = {
    "subnormal": (np.float64, 1e-310),
    "tiny": (np.float64, 1e-150),
    "huge": (np.float64, 1e150),
    "subnormal-32": (np.float32, 1e-41),
    "tiny-32": (np.float32, 1e-18),
    "huge-32": (np.float32, 1e17),
}


@for_pairs_with(PAIRS, storage=MAIN_STORAGES, extreme=list(EXTREMES))
def test_extreme_values_give_finite_factors(loss, case, storage, extreme):
    """Defined results where squares of X underflow to zero or come near overflow."""
    dtype, size = EXTREMES[extreme]
    X = (data_for(loss) * size).astype(dtype)
    W, Ht = factors(X.shape)
    start = [(A * np.sqrt(size)).astype(dtype) for A in (W, Ht)]
    problem = make_problem(STORAGES[storage](X), loss=loss, random_state=0)
    with warnings.catch_warnings():
        # what becomes of the sums is tested, not that NumPy tells of it
        warnings.simplefilter("ignore", RuntimeWarning)
        W, Ht, _ = fit(case.make(tol=0.0), problem, *start, n_iter=8)
    assert_valid(W, Ht, dtype)


@each_pair
def test_a_single_huge_entry(loss, case):
    X = data_for(loss)
    X[3, 4] = 1e12
    problem = make_problem(X, loss=loss, random_state=0)
    values = assert_descends(case.make(tol=0.0), problem, X, *factors(X.shape))
    assert values[-1] < values[0]


@storages
@dtypes
@pytest.mark.parametrize("shuffle", [False, True])
def test_cd_moves_as_by_its_definition(storage, dtype, shuffle, passes):
    X = data(dtype=dtype)
    W, Ht = factors(X.shape, dtype=dtype)
    problem = make_problem(STORAGES[storage](X), l1=0.05, l2=0.1, random_state=7)
    case = SolverCase("cd").make(tol=0.0, shuffle=shuffle)
    actual_W, actual_Ht, outcome = fit(case, problem, W, Ht, n_iter=4)
    stream = np.random.RandomState(7)
    violations = []
    for _ in range(4):
        orders = [stream.permutation(4) for _ in "WH"] if shuffle else [None, None]
        term = problem.penalty_W
        W, first = oracles.coordinate_sweep_W(X, W, Ht, term, orders[0])
        Ht, second = oracles.coordinate_sweep_W(X.T, Ht, W, term, orders[1])
        violations.append(first + second)
    # four sweeps, each with the rounding of the last one in its sums
    assert_close(actual_W, W, dtype, X.size, factor=8)
    assert_close(actual_Ht, Ht, dtype, X.size, factor=8)
    ratios = np.array(violations) / violations[0]
    assert_close(outcome.history.residual, ratios, dtype, X.size, factor=8)


@each_pair
def test_the_start_is_all_that_a_solver_may_write_to(loss, case):
    X = data_for(loss)
    X.flags.writeable = False
    H = factors(X.shape)[1]
    kept = H.copy()
    problem = make_problem(X, loss=loss, update_H=False, random_state=0)
    case = case.make(tol=0.0)
    state = case.start(problem, np.ones((23, 4)), H)
    case.iterate(problem, state)
    np.testing.assert_array_equal(H, kept)
    assert as_operand(X).native() is X


@given(
    X=hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
        elements=st.sampled_from([0.0, 0.0, 1e-4, 0.5, 1.0, 3.0, 1e3]),
    ),
    k=st.integers(1, 7),
    storage=st.sampled_from(sorted(STORAGES)),
    pair=st.sampled_from(PAIRS),
    l1=st.sampled_from([0.0, 0.1, 10.0]),
    l2=st.sampled_from([0.0, 0.1, 10.0]),
    start=st.integers(0, 5),
)
def test_any_small_problem(X, k, storage, pair, l1, l2, start):
    loss, case = pair
    X = X if is_finite_at_zeros(loss) else X + 0.1
    problem = make_problem(
        STORAGES[storage](X), k, loss=loss, l1=l1, l2=l2, random_state=0
    )
    W, Ht = factors(X.shape, k, seed=start)
    values = assert_descends(case.make(tol=0.0), problem, X, W, Ht, n_iter=6)
    assert values[-1] <= values[0] * (1 + tol(np.float64, X.size))
