"""What reaches the core has been checked once: types and ranges of indices, and memory."""

from __future__ import annotations

import copy

import dask
import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
import sklearn

from nonneg import (
    NMF,
    MiniBatchNMF,
    beta_divergence,
    initialize,
    kernels,
    nls_subproblem,
    nnls,
    reconstruction_error,
)
from nonneg.base.gate import admit_dense, admit_sparse, aligned
from nonneg.solvers.registry import solvers
from support.tolerances import tol

SHAPE, K = (30, 20), 2
RANDOM = np.random.default_rng(0)
W, H = RANDOM.random((SHAPE[0], K)), RANDOM.random((K, SHAPE[1]))
QUICK = {"init": "random", "random_state": 0, "max_iter": 2, "tol": 0}
pytestmark = pytest.mark.filterwarnings("ignore:Iteration limit:UserWarning")


def matrix(format):
    rows, columns = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    kept = (rows + 2 * columns) % 3 == 0
    return sp.coo_array(np.where(kept, 1.0 + rows + columns, 0.0)).asformat(format)


def fit_all(X):
    """Fit by every solver, for a loss that it minimises."""
    return {
        name: NMF(
            K,
            solver=name,
            beta_loss=1 if "poisson" in solvers[name].requires else 2,
            nls_max_iter=20,
            **QUICK,
        )
        .fit(X)
        .reconstruction_err_
        for name in solvers
    }


def on_workers(X):
    block = dask.delayed(lambda: X)()
    meta = sp.csr_array((0, 0))
    return da.from_delayed(block, X.shape, X.dtype, meta=meta)


ENTRIES = {
    "fit": fit_all,
    "svd": lambda X: NMF(K, max_iter=2, tol=0).fit(X).reconstruction_err_,
    "transform": lambda X: (
        NMF(K, solver="hals", **QUICK).fit(matrix("csr")).transform(X).sum()
    ),
    "batches": lambda X: MiniBatchNMF(K, **QUICK).fit(X).reconstruction_err_,
    "partial_fit": lambda X: (
        MiniBatchNMF(K, init="random", random_state=0).partial_fit(X).components_.sum()
    ),
    "reconstruction_error": lambda X: reconstruction_error(X, W, H),
    "beta_divergence": lambda X: beta_divergence(X, W, H, 1),
    "initialize": lambda X: initialize(X, K, "nndsvd", random_state=0)[0].sum(),
    "nnls A": lambda X: nnls(X, np.ones(SHAPE[0])).sum(),
    "nnls B": lambda X: nnls(W, X).sum(),
    "nls_subproblem": lambda X: nls_subproblem(X, W, H, 1e-3, 1000)[0].sum(),
    "blocks of rows": lambda X: (
        NMF(K, solver="hals", **QUICK).fit(lambda: [X, X]).reconstruction_err_
    ),
    "dask": lambda X: (
        NMF(K, solver="hals", **QUICK).fit(on_workers(X)).reconstruction_err_
    ),
}


def with_indices(X, dtype):
    X = X.copy()
    X.indices, X.indptr = X.indices.astype(dtype), X.indptr.astype(dtype)
    return X


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("format", ["csr", "csc"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "u4", "u8", ">i4", ">u8"])
def test_any_integer_type_of_index(entry, format, dtype):
    X = matrix(format)
    odd = with_indices(X, np.uint16 if dtype == "u1" else dtype)
    odd.indices = odd.indices.astype(dtype)
    expected = ENTRIES[entry](X)
    assert ENTRIES[entry](odd) == pytest.approx(expected, rel=1e-12)
    assert odd.indices.dtype == dtype  # the caller's matrix is as it was


def wide(X):
    """X with too small a shape, an easy mistake; SciPy's constructor takes it."""
    shape = (SHAPE[0], 9) if X.format == "csr" else (9, SHAPE[1])
    return type(X)((X.data, X.indices, X.indptr), shape=shape)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("format", ["csr", "csc"])
def test_an_index_outside_is_named(entry, format):
    X = wide(matrix(format))
    row, column = (0, 9) if format == "csr" else (9, 0)
    with pytest.raises(
        ValueError, match=rf"has an entry in row {row} and column {column}, which"
    ):
        ENTRIES[entry](X)


@pytest.mark.parametrize("dtype", ["i4", "i8", "u4", "u8"])
def test_a_negative_index_is_outside(dtype):
    X = with_indices(matrix("csr"), np.dtype(dtype.replace("u", "i")))
    X.indices[5] = -1
    X.indices, X.indptr = X.indices.astype(dtype), X.indptr.astype(dtype)
    with pytest.raises(ValueError, match=r"^X has an entry in row 0 and column"):
        admit_sparse(X, "X")


def spoilt(change):
    X = matrix("csr")
    change(X)
    return X


def lengthen(X):
    X.indptr[-1] += 1


def turn(X):
    X.indptr[[2, 3]] = X.indptr[[3, 2]]


def begin_late(X):
    X.indptr[0] = 1


def shorten(X):
    X.indptr = X.indptr[:-1]


def halve(X):
    X.indices = X.indices.astype(float)


def lose_values(X):
    X.data = X.data[:-1]


@pytest.mark.parametrize(
    "change", [lengthen, turn, begin_late, shorten, halve, lose_values]
)
def test_rows_that_are_no_rows_are_refused(change):
    with pytest.raises(ValueError, match=r"^X is no valid CSR matrix: its ind"):
        NMF(K, **QUICK).fit(spoilt(change))


def spoil_coo(X):
    X.coords[1][3] = 77


def spoil_bsr(X):
    X.indices[3] = 77


def turn_bsr(X):
    X.indptr[2], X.indptr[-1] = -(2**31), 0


def lose_diagonals(X):
    X.data = X.data[:2]


def half_offsets(X):
    X.offsets = X.offsets + 0.5


def flatten_diagonals(X):
    X.data = X.data.ravel()


def spoil_lil(X):
    X.rows[2][0] = 77


def lose_a_list(X):
    X.rows = X.rows[:-1]


def lose_a_column(X):
    X.rows[2].pop()


def spoil_dok(X):
    X.setdefault((0, 77), 1.0)


@pytest.mark.parametrize(
    ("format", "spoil_it"),
    [
        ("coo", spoil_coo), ("bsr", spoil_bsr), ("bsr", turn_bsr), ("dia", lose_diagonals),
        ("dia", half_offsets), ("dia", flatten_diagonals), ("lil", spoil_lil),
        ("lil", lose_a_list), ("lil", lose_a_column), ("dok", spoil_dok),
    ],
)  # fmt: skip
def test_other_formats_are_looked_at_before_they_are_converted(format, spoil_it):
    X = matrix("csr").asformat(format)
    assert fit_all(X) == fit_all(matrix("csr"))
    spoil_it(X)
    with pytest.raises(ValueError, match=r"^X .*(is no valid|has an entry in row)"):
        NMF(K, **QUICK).fit(X)


def test_spare_room_behind_the_entries_is_left_out():
    X = matrix("csr")
    roomy = X.copy()
    roomy.data = np.append(X.data, [np.pi, 7.0])
    roomy.indices = np.append(X.indices, np.int32([999, -1]))
    assert fit_all(roomy) == fit_all(X)


def test_a_sound_matrix_is_returned_itself():
    for X in map(matrix, ("csr", "csc")):
        assert admit_sparse(X, "X") is X


def test_an_array_that_is_not_aligned():
    X = matrix("csr").toarray()
    packed = np.zeros(X.size, [("flag", "u1"), ("value", "f8")])
    packed["value"] = X.ravel()
    odd = packed["value"].reshape(X.shape)
    assert not odd.flags.aligned
    assert admit_dense(odd).flags.aligned
    assert admit_dense(X) is X
    assert fit_all(odd) == fit_all(X)


def off_by_a_byte(array):
    """A copy that begins at an odd place, as arrays do that came in one message."""
    odd = (
        np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    )
    odd[...] = array
    return odd


def test_blocks_that_were_sent_between_workers_are_aligned():
    X = matrix("csr")
    assert aligned(X) is X
    odd = copy.copy(X)
    odd.data, odd.indices, odd.indptr = map(
        off_by_a_byte, (X.data, X.indices, X.indptr)
    )
    sound = aligned(odd)
    for part in (sound.data, sound.indices, sound.indptr):
        assert part.flags.aligned
    assert (sound != X).nnz == 0
    assert not odd.data.flags.aligned
    dense = off_by_a_byte(X.toarray())
    assert not dense.flags.aligned
    assert aligned(dense).flags.aligned
    np.testing.assert_array_equal(aligned(dense), dense)
    for factor in (W, H.T):  # kernels take what comes with a step from any place
        odd = off_by_a_byte(factor)
        gram, expected = kernels.gram(odd, 1), kernels.gram(factor.copy(), 1)
        if kernels.native is None:
            # NumPy's products, which the reference takes, round by where an array begins
            bound = tol(np.float64, len(factor))
            np.testing.assert_allclose(gram, expected, rtol=bound)
        else:
            np.testing.assert_array_equal(gram, expected)


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_other_byte_order(order):
    X = np.asarray(matrix("csr").toarray(), order=order)
    assert fit_all(X.astype(X.dtype.newbyteorder())) == fit_all(X)


def spoil(X, value):
    X = X.copy()
    X.data[3] = value
    return X


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("format", ["csr", "csc", "dense"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_entries_that_were_assumed_to_be_finite(entry, format, value):
    X = spoil(matrix("csr"), value)
    X = X.toarray() if format == "dense" else X.asformat(format)
    with (
        sklearn.config_context(assume_finite=True),
        pytest.raises(ValueError, match=r"NaN|infinity|not finite|inf"),
    ):
        ENTRIES[entry](X)


@pytest.mark.parametrize("name", ["W", "H"])
def test_factors_that_were_assumed_to_be_finite(name):
    start = {"W": W.copy(), "H": H.copy()}
    start[name][1, 1] = np.nan
    X = matrix("csr")
    with sklearn.config_context(assume_finite=True):
        with pytest.raises(ValueError, match=f"Input {name} contains NaN"):
            NMF(K, init="custom").fit(X, **start)
        with pytest.raises(ValueError, match=f"Input {name} contains NaN"):
            reconstruction_error(X, **start)
