"""What X, W and H may be: storages, dtypes, frames; and that nothing of it is written to."""

from __future__ import annotations

import copy
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.preprocessing import MaxAbsScaler

from nonneg import NMF, non_negative_factorization, reconstruction_error
from nonneg.solvers.registry import solvers
from support.cases import DTYPES, STORAGES, data, factors
from support.tolerances import assert_close, tol

K = 3
SOLVERS = list(solvers)
FIXED = {"init": "custom", "max_iter": 4, "tol": 0}
"""A start that is given, and few iterations without a warning."""


def to_dense(X):
    return X.toarray() if sp.issparse(X) else np.asarray(X)


def buffers(X):
    """Copies of the arrays that X is stored in."""
    if sp.issparse(X):
        names = ("data", "indices", "indptr", "coords", "rows")
        return [copy.deepcopy(getattr(X, name)) for name in names if hasattr(X, name)]
    return [np.array(X)]


def few_iterations(solver):
    """Parameters for few iterations; pg would do `nls_max_iter` ones at `tol=0`."""
    poisson = "poisson" in solvers[solver].requires
    loss = "kullback-leibler" if poisson else "frobenius"
    return {**FIXED, "solver": solver, "nls_max_iter": 4, "beta_loss": loss}


def fit(X, solver="cd", dtype=np.float64):
    """W and the fitted model after a few iterations from a given start."""
    W, Ht = factors(X.shape, K, dtype)
    model = NMF(K, **few_iterations(solver))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Iteration limit", UserWarning)
        return model.fit_transform(X, W=W, H=Ht.T), model


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", STORAGES)
def test_every_storage_gives_the_factors_of_the_dense_form(storage, dtype, solver):
    dense = data(dtype=dtype)
    X = STORAGES[storage](dense)
    before = buffers(X)
    expected, reference = fit(dense, solver, dtype)
    W, model = fit(X, solver, dtype)
    assert W.dtype == model.components_.dtype == dtype
    # four iterations let the rounding of the products grow
    assert_close(W, expected, dtype, dense.size, factor=100)
    assert_close(
        model.components_, reference.components_, dtype, dense.size, factor=100
    )
    for old, new in zip(before, buffers(X), strict=True):
        np.testing.assert_array_equal(new, old)


OTHER_DTYPES = [
    "int8", "uint8", "int32", "int64", "uint64", "bool", "float16", "longdouble",
    "object", ">f8", ">f4", ">i4",
]  # fmt: skip


@pytest.mark.parametrize("dtype", OTHER_DTYPES)
def test_other_dtypes_become_float64(dtype):
    counts = (data() * 3).astype(np.int64) % 7
    X = counts.astype(dtype)
    W, model = fit(X)
    assert W.dtype == model.components_.dtype == np.float64
    expected, _ = fit(X.astype(np.float64))
    np.testing.assert_array_equal(W, expected)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "bool"])
@pytest.mark.parametrize("container", [sp.csr_array, sp.csc_matrix, sp.coo_matrix])
def test_other_dtypes_of_sparse_matrices_become_float64(container, dtype):
    X = container((data() * 3).astype(np.int64).astype(dtype))
    W, _ = fit(X)
    assert W.dtype == np.float64
    expected, _ = fit(container(X.toarray().astype(np.float64)))
    np.testing.assert_array_equal(W, expected)


@pytest.mark.parametrize("form", [list, tuple])
def test_nested_sequences(form):
    X = data()
    W, Ht = factors(X.shape, K)
    expected, _ = fit(X)
    nested = form(form(row) for row in X.tolist())
    model = NMF(K, **FIXED)
    given = model.fit_transform(nested, W=W.tolist(), H=Ht.T.tolist())
    np.testing.assert_array_equal(given, expected)


@pytest.mark.parametrize("n_entries", [0, 1, 2])
def test_sparse_matrices_with_few_entries(n_entries):
    X = sp.lil_array((5, 4))
    for i in range(n_entries):
        X[i, i] = 2.0
    W, model = fit(X.tocsr())
    expected, reference = fit(X.toarray())
    assert_close(W, expected, np.float64, X.shape[1], factor=100)
    assert_close(
        model.components_, reference.components_, np.float64, X.shape[0], factor=100
    )
    assert model.reconstruction_err_ <= sp.linalg.norm(X)


@pytest.mark.parametrize("values", [np.float32, np.float64])
@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames(frame, values):
    X = data(dtype=values)
    names = [f"gene {j}" for j in range(X.shape[1])]
    framed = (
        pd.DataFrame(X, columns=names)
        if frame is pd.DataFrame
        else pl.DataFrame(X, schema=names)
    )
    W, model = fit(framed, dtype=values)
    expected, _ = fit(X, dtype=values)
    assert W.dtype == values
    # a frame may keep its columns contiguous: other products, same values
    assert_close(W, expected, values, X.size, factor=100)
    # old versions of scikit-learn don't read the names of today's polars
    peer = MaxAbsScaler().fit(framed)
    assert hasattr(peer, "feature_names_in_") or frame is pl.DataFrame
    if hasattr(peer, "feature_names_in_"):
        assert model.feature_names_in_.tolist() == names
    assert model.transform(framed).shape == W.shape


def test_a_frame_of_sparse_columns_stays_sparse():
    X = data(density=0.2)
    frame = pd.DataFrame.sparse.from_spmatrix(sp.csr_array(X))
    W, _ = fit(frame)
    expected, _ = fit(sp.csr_array(X))
    assert_close(W, expected, np.float64, X.size)


def test_a_frame_with_mixed_numbers():
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5], "c": [True, False, 1]})
    W = NMF(2, init="random", random_state=0, max_iter=3, tol=0).fit_transform(frame)
    assert W.dtype == np.float64


def read_only(A):
    A = np.array(A)
    A.flags.writeable = False
    return A


def read_only_sparse(X):
    for name in ("data", "indices", "indptr"):
        getattr(X, name).flags.writeable = False
    return X


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "container",
    [
        read_only,
        lambda X: read_only(X.T).T,
        lambda X: read_only_sparse(sp.csr_array(X)),
        lambda X: read_only_sparse(sp.csc_array(X)),
    ],
    ids=["C", "F", "csr", "csc"],
)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.filterwarnings("ignore:Iteration limit:UserWarning")
def test_nothing_of_the_callers_is_written_to(container, solver, order):
    """X, W and H are read-only and keep their values, in fit, transform, function."""
    X = container(data())
    W, Ht = factors(X.shape, K)
    W, H = np.array(W, order=order), np.array(Ht.T, order=order)
    kept = W.copy(), H.copy(), to_dense(X).copy()
    W.flags.writeable = H.flags.writeable = False
    model = NMF(K, **few_iterations(solver))
    W_out = model.fit_transform(X, W=W, H=H)
    model.transform(X)
    assert not np.shares_memory(W_out, W)
    assert not np.shares_memory(model.components_, H)
    for update_H in (True, False):
        W_out, H_out, _ = non_negative_factorization(
            X,
            W if update_H else None,
            H,
            K,
            update_H=update_H,
            **few_iterations(solver),
        )
        assert not np.shares_memory(W_out, W)
        assert not np.shares_memory(H_out, H)
    reconstruction_error(X, W, H)
    for old, new in zip(kept, (W, H, to_dense(X)), strict=True):
        np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_mapped_file_is_neither_copied_nor_written_to(tmp_path, dtype, order):
    """Peak memory stays far below the size of X."""
    X = np.asarray(data(2000, 2000, dtype=dtype), order=order)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    W, Ht = factors(X.shape, K, dtype)
    model = NMF(K, **FIXED)
    model.fit(mapped, W=W, H=Ht.T)
    tracemalloc.start()
    try:
        model.fit(mapped, W=W, H=Ht.T)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < X.nbytes / 2
    np.testing.assert_array_equal(np.load(tmp_path / "X.npy"), X)


# W and H


@pytest.mark.parametrize("update_H", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", ["list", "int64", "uint8", "bool", "object", "frame"])
def test_W_and_H_are_converted(form, dtype, update_H):
    """Lists, integers and frames of X's dtype become arrays of X's dtype."""
    X = data(dtype=dtype)
    W, H = (np.ceil(A * 2) for A in factors(X.shape, K, dtype))
    H = H.T

    def convert(A):
        if form == "list":
            return A.tolist()
        return pd.DataFrame(A) if form == "frame" else A.astype(form)

    if form == "bool":
        W, H = np.minimum(W, 1), np.minimum(H, 1)
    expected, _, _ = non_negative_factorization(
        X, W if update_H else None, H, K, update_H=update_H, **FIXED
    )
    actual, H_out, _ = non_negative_factorization(
        X,
        convert(W) if update_H else None,
        convert(H),
        K,
        update_H=update_H,
        **FIXED,
    )
    assert actual.dtype == H_out.dtype == dtype
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", ["dense-C", "dense-F", "csr-array", "csc-array"])
def test_a_fixed_H_is_returned_as_it_was(storage, dtype, solver):
    X = data(dtype=dtype)
    H = factors(X.shape, K, dtype)[1].T.copy()
    _, H_out, _ = non_negative_factorization(
        STORAGES[storage](X), None, H, K, update_H=False, **few_iterations(solver)
    )
    assert H_out.dtype == dtype
    np.testing.assert_array_equal(H_out, H)


@pytest.mark.parametrize("init", ["random", "nndsvd", "custom", None])
def test_a_fixed_H_starts_from_zero_whatever_init_is(init):
    X = data()
    H = factors(X.shape, K)[1].T
    seeds = (0, 1)
    first, second = (
        non_negative_factorization(
            X, H=H, n_components=K, update_H=False, init=init, random_state=seed
        )[0]
        for seed in seeds
    )
    expected = NMF(K, init="random")
    expected.components_ = H
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, expected.transform(X))


# the number of components


def test_n_components_None_keeps_all_features():
    X = data(9, 4)
    model = NMF(init="random", random_state=0, max_iter=2, tol=0).fit(X)
    assert model.n_components_ == len(model.components_) == 4
    W, H, _ = non_negative_factorization(X, random_state=0, max_iter=2, tol=0)
    assert W.shape == (9, 4)
    assert H.shape == (4, 4)


def test_n_components_auto_is_that_of_a_given_H():
    X = data()
    W, Ht = factors(X.shape, K)
    model = NMF("auto", **FIXED).fit(X, W=W, H=Ht.T)
    assert model.n_components_ == K
    W, _, _ = non_negative_factorization(
        X, H=Ht.T, n_components="auto", update_H=False, tol=0, max_iter=2
    )
    assert W.shape == (X.shape[0], K)
    model = NMF("auto", init="random", max_iter=2, tol=0).fit(X)
    assert model.n_components_ == X.shape[1]


@pytest.mark.parametrize("k", [1, 17, 23, 40])
def test_any_number_of_components_from_a_random_start(k):
    X = data()
    model = NMF(np.int64(k), init="random", random_state=0, max_iter=3, tol=0)
    assert model.fit_transform(X).shape == (23, k)
    assert model.components_.shape == (k, 17)


# reconstruction_error


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", STORAGES)
def test_reconstruction_error(storage, dtype):
    X = data(dtype=dtype)
    W, Ht = factors(X.shape, K, dtype)
    expected = np.linalg.norm(X.astype(float) - W.astype(float) @ Ht.T.astype(float))
    error = reconstruction_error(STORAGES[storage](X), W, Ht.T)
    assert isinstance(error, float)
    assert_close(error, expected, dtype, X.size)


@pytest.mark.parametrize("container", [np.array, sp.csr_array, sp.csc_matrix])
def test_the_error_of_an_exact_fit_is_near_zero(container):
    W, Ht = factors((30, 20), 2)
    X = container(W @ Ht.T)
    assert reconstruction_error(X, W, Ht.T) <= tol(np.float64, 600)
    model = NMF(2, init="custom", max_iter=3, tol=0).fit(X, W=W, H=Ht.T)
    assert 0 <= model.reconstruction_err_ <= 1e-10


def test_the_error_of_a_rank_one_matrix_fitted_exactly():
    """The difference of squares is negative here: no exception, no NaN."""
    X = sp.csr_array(np.outer(np.arange(1.0, 8.0), np.arange(1.0, 6.0)) / 3)
    model = NMF(1, init="nndsvd", random_state=0, max_iter=20, tol=0).fit(X)
    assert 0 <= model.reconstruction_err_ <= 1e-10 * sp.linalg.norm(X)


def test_the_error_takes_lists_and_any_sign():
    assert reconstruction_error([[1, 2], [3, 4]], [[1], [-1]], [[-1, 2]]) == (
        np.linalg.norm([[2, 0], [2, 6]])
    )


def test_the_error_is_computed_in_the_wider_dtype():
    X = data(dtype=np.float32)
    W, Ht = factors(X.shape, K)
    expected = np.linalg.norm(X.astype(float) - W @ Ht.T)
    assert_close(reconstruction_error(X, W, Ht.T), expected, np.float64, X.size)


@pytest.mark.parametrize(
    ("W", "H"),
    [((23, 3), (4, 17)), ((22, 3), (3, 17)), ((23, 3), (3, 16)), ((3, 23), (3, 17))],
)
def test_the_error_refuses_shapes_that_do_not_fit(W, H):
    with pytest.raises(ValueError, match=r"X has shape \(23, 17\), but W and H"):
        reconstruction_error(data(), np.ones(W), np.ones(H))


def test_overlapping_rows_are_copied():
    """A window sliding over a series: BLAS can't take rows that share entries."""
    series = np.random.default_rng(0).random(7100)
    X = np.lib.stride_tricks.sliding_window_view(series, 7000)[:40]
    model = NMF(64, init="random", random_state=0, tol=0, max_iter=2)
    W = model.fit_transform(X)
    np.testing.assert_allclose(W, clone(model).fit_transform(X.copy()))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("solver", SOLVERS)
def test_transform_after_a_fit_of_zeros(solver, dtype):
    """Every W is as good; H, which nobody has passed, is not complained about."""
    beta_loss = 1 if "poisson" in solvers[solver].requires else 2
    model = NMF(2, "random", solver, beta_loss=beta_loss, random_state=0)
    model.fit(np.zeros((6, 4), dtype))
    W = model.transform(np.ones((3, 4), dtype))
    assert W.dtype == dtype
    assert W.shape == (3, 2)
    assert not W.any()
