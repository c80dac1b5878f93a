"""Every kind of X against its dense form: products, sums, the fused half-step."""

from __future__ import annotations

import pickle
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nonneg.base.interfaces import Operand, Penalty
from nonneg.base.steps import OtherFactor, RowsOfW
from nonneg.kernels import Adaptive, Cyclic
from nonneg.kernels.quadratic_steps import MatMul, RMatMul, RowSolve, SquaredError
from nonneg.operands.base import matmul, rmatmul
from nonneg.operands.dense import DenseOperand
from nonneg.operands.registration import as_operand, register_operand
from nonneg.operands.registration import unregister_operand as unregister
from support import oracles
from support.cases import DTYPES, MAIN_STORAGES, PASSES, STORAGES, data, factors
from support.combinations import covering
from support.records import solve_models
from support.tolerances import assert_close

SHAPES = {
    "plain": (23, 17),
    "tall": (70, 3),
    "wide": (3, 70),
    "row": (1, 9),
    "column": (9, 1),
    "one": (1, 1),
}


def for_storages(**factors):
    """Each storage with each shape, and each two values of two factors."""
    names = ("storage", "shape", *factors)
    chosen = covering(list(STORAGES), list(SHAPES), *factors.values())
    return pytest.mark.parametrize(
        names,
        [(STORAGES[name], SHAPES[shape], *rest) for name, shape, *rest in chosen],
        ids=["-".join(map(str, one)) for one in chosen],
        indirect=["passes"] if "passes" in factors else False,
    )


def sample(shape, dtype):
    """X of this shape with an empty row and an empty column where there is room."""
    X = data(*shape, dtype=dtype)
    if min(shape) > 1:
        X[shape[0] // 2], X[:, shape[1] // 2] = 0, 0
    X[0, 0] = 1.5  # never all zero
    return X


@for_storages(dtype=DTYPES)
def test_shape_dtype_and_stats(storage, shape, dtype):
    X = sample(shape, dtype)
    operand = as_operand(storage(X))
    assert isinstance(operand, Operand)
    assert operand.shape == operand.T.T.shape == X.shape
    assert operand.T.shape == X.shape[::-1]
    assert operand.dtype == operand.T.dtype == dtype
    if min(shape) > 1:  # a single row or column may be read either way
        assert operand.T.by_columns != operand.by_columns
    assert operand.shared_gram
    for stats in (operand.stats(), operand.T.stats()):
        assert stats.n_entries == X.size
        # the values are float32 or float64, their sums always float64
        exact = X.astype(np.float64)
        assert_close(stats.sum, exact.sum(), np.float64, X.size)
        assert_close(stats.sum_sq, (exact**2).sum(), np.float64, X.size)
        assert_close(stats.mean, exact.mean(), np.float64, X.size)


@for_storages(dtype=DTYPES, k=[1, 4, 19], passes=PASSES)
def test_products(storage, shape, dtype, k, passes):
    X = sample(shape, dtype)
    W, Ht = factors(shape, k, dtype)
    operand = as_operand(storage(X))
    for product in (matmul(operand, Ht), rmatmul(operand.T, Ht)):
        assert product.dtype == dtype
        assert_close(product, oracles.to_float64(X) @ Ht, dtype, shape[1])
    for product in (rmatmul(operand, W), matmul(operand.T, W)):
        assert product.dtype == dtype
        assert_close(product, oracles.to_float64(X).T @ W, dtype, shape[0])


def run_row_update(operand, W, Ht, term, order=None, accumulate=True):
    W = W.copy()
    gram = oracles.to_float64(Ht).T @ oracles.to_float64(Ht) + term.Q
    shared = {"Ht": Ht, "gram": gram.astype(W.dtype), "l1": term.l1.astype(W.dtype)}
    rows = {"start": W, "solved": W}
    return W, *solve_models(operand, [Cyclic(order)], [rows], [shared], accumulate)


@for_storages(dtype=DTYPES, order=[None, (2, 0, 3, 1)], passes=PASSES)
def test_row_update(storage, shape, dtype, order, passes):
    """X is read once; W moves as by its definition, the sums are those after it."""
    X = sample(shape, dtype)
    W, Ht = factors(shape, 4, dtype)
    W[0, 1] = 0  # an entry at the bound
    term = Penalty.elastic(4, 0.05, 0.1)
    expected, violation = oracles.coordinate_sweep_W(X, W, Ht, term, order)
    operand = as_operand(storage(X))
    updated, sums = run_row_update(operand, W, Ht, term, order)
    # each coordinate moves by a quotient of two sums of m·k terms: a little more
    # rounding than one sum has
    assert_close(updated, expected, dtype, 4 * shape[1], factor=8, cancelled=W)
    assert_close(sums["violation"], violation, dtype, X.size, factor=8)
    updated, X = oracles.to_float64(updated), oracles.to_float64(X)
    cross = np.sum(X * (updated @ oracles.to_float64(Ht).T))
    assert_close(sums["cross"], cross, dtype, X.size)
    assert_close(sums["rhs"], X.T @ updated, dtype, shape[0])
    assert sums["gram"].dtype == np.float64
    assert_close(sums["gram"], updated.T @ updated, np.float64, shape[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MAIN_STORAGES)
def test_row_update_without_sums_for_the_other_half(name, dtype, passes):
    X = sample((23, 17), dtype)
    W, Ht = factors(X.shape, 4, dtype)
    operand = as_operand(STORAGES[name](X))
    term = Penalty.elastic(4)
    with_sums, sums = run_row_update(operand, W, Ht, term)
    without, fewer = run_row_update(operand, W, Ht, term, accumulate=False)
    np.testing.assert_array_equal(without, with_sums)
    assert not {"rhs", "gram"} & fewer.keys()
    assert fewer["violation"] == sums["violation"]


@for_storages(dtype=DTYPES, passes=PASSES)
def test_squared_error(storage, shape, dtype, passes):
    X = sample(shape, dtype)
    W, Ht = factors(shape, 4, dtype)
    rows, shared = RowsOfW(W), OtherFactor(Ht)
    value = as_operand(storage(X)).run_pass(SquaredError(), rows, shared)
    assert_close(value, 2 * oracles.frobenius(X, W, Ht), dtype, X.size)


@pytest.mark.parametrize("tile", [1, 5, 10**9])
def test_squared_error_does_not_depend_on_the_tile(tile):
    X = data()
    W, Ht = factors(X.shape)
    step = SquaredError(tile=tile)
    value = step(sp.csr_array(X), None, RowsOfW(W), OtherFactor(Ht))
    assert_close(value, 2 * oracles.frobenius(X, W, Ht), np.float64, X.size)


@pytest.mark.parametrize("n_samples", [1, 1023, 1024, 1025, 5000])
@pytest.mark.parametrize("name", MAIN_STORAGES)
def test_many_blocks(name, n_samples, passes):
    """Sizes around those of a block; what is summed over blocks is complete."""
    X = data(n_samples, 40, density=0.1)
    W, Ht = factors(X.shape, 3)
    operand = as_operand(STORAGES[name](X))
    term = Penalty.elastic(3)
    updated, sums = run_row_update(operand, W, Ht, term)
    expected, _ = oracles.coordinate_sweep_W(X, W, Ht, term)
    assert_close(updated, expected, np.float64, 40 * 3, factor=8)  # as above
    assert_close(sums["rhs"], X.T @ expected, np.float64, n_samples, factor=8)
    assert_close(rmatmul(operand, W), X.T @ W, np.float64, n_samples)
    assert_close(matmul(operand, Ht), X @ Ht, np.float64, 40)


@pytest.mark.parametrize(
    "step",
    [
        MatMul(),
        RMatMul(),
        RowSolve((Cyclic((1, 0)), Adaptive()), False),
        SquaredError(tile=7),
    ],
    ids=lambda step: step.name,
)
def test_steps_are_picklable_descriptions(step):
    restored = pickle.loads(pickle.dumps(step))
    assert restored == step
    assert hash(restored) == hash(step)
    assert restored.name == step.name


@pytest.mark.parametrize("name", STORAGES)
def test_the_input_is_left_alone(name, passes):
    X = STORAGES[name](sample((23, 17), np.float64))
    parts = ("data", "indices", "indptr")
    arrays = {part: getattr(X, part) for part in parts if hasattr(X, part)}
    before = (
        {part: array.copy() for part, array in arrays.items()}
        if X.__class__.__module__.startswith("scipy") and X.format in ("csr", "csc")
        else oracles.to_float64(X).copy()
    )
    operand = as_operand(X)
    W, Ht = factors((23, 17), 4)
    operand.stats()
    run_row_update(operand, W, Ht, Penalty.elastic(4))
    run_row_update(operand.T, Ht, W, Penalty.elastic(4))
    if isinstance(before, dict):
        for part, array in before.items():
            np.testing.assert_array_equal(getattr(X, part), array, strict=True)
    else:
        np.testing.assert_array_equal(oracles.to_float64(X), before)


@pytest.mark.parametrize("name", ["dense-C", "dense-F", "dense-row-gaps"])
def test_dense_input_is_not_copied(name):
    X = STORAGES[name](data())
    assert np.shares_memory(as_operand(X).native(), X)
    assert np.shares_memory(as_operand(X).T.native(), X)


@pytest.mark.parametrize("name", ["csr-array", "csc-array", "csr-int64", "csc-int64"])
def test_sparse_input_is_not_copied(name):
    X = STORAGES[name](data())
    for operand in (as_operand(X), as_operand(X).T):
        native = operand.native()
        assert np.shares_memory(native.data, X.data)
        assert native.indices.dtype == X.indices.dtype


@pytest.mark.parametrize("name", ["csr-array", "csc-array"])
def test_sparse_passes_never_densify(name, passes):
    n_samples, n_features, k = 3000, 3000, 3
    rng = np.random.default_rng(0)
    columns, rows = rng.integers(0, n_features, 9000), np.repeat(range(n_samples), 3)
    X = sp.coo_array((rng.random(9000), (rows, columns)), (n_samples, n_features))
    X = X.tocsr()
    X = STORAGES[name](X)
    W, Ht = factors(X.shape, k)
    operand = as_operand(X)
    natural = operand.T if operand.by_columns else operand
    tracemalloc.start()
    run_row_update(natural, W, Ht, Penalty.elastic(k))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < n_samples * n_features  # an eighth of the dense array


@pytest.mark.parametrize("name", ["csr-array", "csc-array", "csr-int64", "csc-int64"])
def test_bytes_of_sparse_data_include_their_indices(name):
    X = STORAGES[name](data())
    size = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    assert as_operand(X).stored_bytes == as_operand(X).T.stored_bytes == size


def test_unsupported_types_are_named():
    with pytest.raises(TypeError, match="of type set"):
        as_operand({1.0})


def test_an_operand_is_taken_as_it_is():
    operand = as_operand(data())
    assert as_operand(operand) is operand


def test_later_registrations_are_asked_first():
    class Special(np.ndarray):
        pass

    X = data().view(Special)
    assert type(as_operand(X)) is DenseOperand

    @register_operand(lambda X: isinstance(X, Special))
    class SpecialOperand(DenseOperand):
        pass

    try:
        assert type(as_operand(X)) is SpecialOperand
        assert type(as_operand(data())) is DenseOperand
    finally:
        unregister(SpecialOperand)
    assert type(as_operand(X)) is DenseOperand


@given(
    X=hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=7),
        elements=st.sampled_from([0.0, 0.0, 1e-3, 0.5, 1.0, 3.0, 1e3]),
    ),
    k=st.integers(1, 9),
    name=st.sampled_from(sorted(STORAGES)),
)
def test_any_small_matrix(X, k, name):
    operand = as_operand(STORAGES[name](X))
    W, Ht = factors(X.shape, k)
    assert_close(matmul(operand, Ht), X @ Ht, np.float64, X.shape[1])
    assert_close(rmatmul(operand, W), X.T @ W, np.float64, X.shape[0])
    assert_close(operand.stats().sum_sq, np.sum(X**2), np.float64, X.size)
    updated, _ = run_row_update(operand, W, Ht, Penalty.elastic(k))
    expected, _ = oracles.coordinate_sweep_W(X, W, Ht, Penalty.elastic(k))
    # as above; W has zeros where rounding alone decides on which side it ends
    assert_close(updated, expected, np.float64, k * X.shape[1], factor=8, cancelled=W)
