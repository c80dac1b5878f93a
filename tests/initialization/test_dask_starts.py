"""Starts from singular vectors on Dask arrays are those of the same X in memory."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF
from nonneg.initialization.svd_start import INITS, initial_factors, truncated_svd
from nonneg.kernels.factor_rows import to_caller
from nonneg.kernels.orthogonal import orthonormal, sign_of_largest
from nonneg.operands.registration import as_operand
from support.combinations import covering

da = pytest.importorskip("dask.array")
import dask

SVD_INITS = [init for init in INITS if init != "random"]
SHAPES = {"tall": (103, 30), "wide": (30, 103), "few blocks": (41, 40)}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def threads():
    with dask.config.set(scheduler="threads", num_workers=2):
        yield


def data(shape, dtype=np.float64, rank=6):
    """Singular values well apart, beside noise; zeros among the entries."""
    rng = np.random.RandomState(0)
    W, H = rng.rand(shape[0], rank), rng.rand(rank, shape[1])
    X = (W * 2.0 ** -np.arange(rank)) @ H + 0.01 * rng.rand(*shape)
    X[np.less(X, np.quantile(X, 0.3))] = 0
    return X.astype(dtype)


def pieces(X, kind="dense", n_rows=17):
    D = da.from_array(X, chunks=(n_rows, -1))
    return D.map_blocks(sp.csr_array) if kind == "csr" else D


def starts(X, D, k, init, positive=False):
    how = {"eps": 1e-6, "random_state": 3, "positive": positive}
    here = initial_factors(as_operand(X), k, init, **how)
    W, Ht = initial_factors(as_operand(D), k, init, **how)
    W = to_caller(W)
    assert isinstance(W, da.Array)
    assert Ht.flags.c_contiguous
    W = W.compute()
    assert W.dtype == Ht.dtype == X.dtype
    return here, (W, Ht)


@pytest.mark.parametrize(
    ("init", "shape", "kind"),
    covering(SVD_INITS, list(SHAPES.values()), ["dense", "csr"]),
)
def test_starts_are_those_in_memory(kind, shape, init):
    X = data(shape)
    here, there = starts(X, pieces(X, kind), 5, init)
    for expected, found in zip(here, there, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("init", SVD_INITS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_single_precision(shape, init):
    X = data(shape, np.float32)
    here, there = starts(X, pieces(X), 3, init)
    for expected, found in zip(here, there, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("init", ["nndsvd", "nndsvda", "nndsvdar"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_fewer_directions_than_components(shape, init):
    """Directions that X lacks leave zeros, or what they are filled with."""
    rng = np.random.RandomState(0)
    X = rng.rand(shape[0], 3) @ rng.rand(3, shape[1])
    X[:, 7] = 0
    X[19] = 0
    here, there = starts(X, pieces(X), 6, init)
    for expected, found in zip(here, there, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("shape", [(60, 9), (9, 60)])
def test_fewer_rows_or_columns_than_test_vectors(shape):
    X = data(shape)
    here, there = starts(X, pieces(X), 4, "nndsvda")
    for expected, found in zip(here, there, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_zeros_that_never_move_are_filled():
    X = data((103, 30))
    here, there = starts(X, pieces(X), 5, "nnsvd-lrc", positive=True)
    assert (there[0] > 0).all()
    np.testing.assert_allclose(there[0], here[0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_in_X_but_zeros(dtype):
    X = np.zeros((60, 20), dtype)
    for A in starts(X, pieces(X), 3, "nndsvd")[1]:
        assert not A.any()


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("solver", ["cd", "hals", "mu"])
def test_fits_with_default_parameters(solver, wide):
    X = data((30, 103) if wide else (103, 30))
    how = {"solver": solver, "random_state": 0, "max_iter": 30}
    here, there = NMF(5, **how), NMF(5, **how)
    W, V = here.fit_transform(X), there.fit_transform(pieces(X))
    np.testing.assert_allclose(V.compute(), W, rtol=0, atol=1e-8)
    np.testing.assert_allclose(there.components_, here.components_, rtol=0, atol=1e-8)
    assert there.n_iter_ == here.n_iter_


@pytest.mark.parametrize("wide", [False, True])
def test_singular_values_down_to_rounding(wide):
    """A Gram matrix alone would lose those below 1e-8 of the largest."""
    rng = np.random.RandomState(0)
    scale = 10.0 ** -np.arange(12)
    X = (rng.rand(203, 12) * scale) @ rng.rand(12, 40)
    X = X.T.copy() if wide else X
    _, s, _ = truncated_svd(as_operand(pieces(X)), 11, 0)
    expected = np.linalg.svd(X, compute_uv=False)[:11]
    np.testing.assert_allclose(s, expected, rtol=1e-3)


def test_a_basis_of_ill_conditioned_rows():
    """Q is orthonormal and Q·R is what was given, at a condition number of 1e14."""
    rng = np.random.RandomState(0)
    U, V = (np.linalg.qr(rng.randn(n, 8))[0] for n in (203, 8))
    A = (U * 100.0 ** -np.arange(8)) @ V.T
    rows = as_operand(da.from_array(data((203, 20)), chunks=(17, -1))).to_rows_of_X(A)
    Q, R = orthonormal(rows)
    Q = to_caller(Q).compute()
    np.testing.assert_allclose(Q.T @ Q, np.eye(8), atol=1e-13)
    np.testing.assert_allclose(Q @ R, A, atol=1e-14)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_basis_of_dependent_rows(dtype, seed):
    """What rounding leaves in the other directions is orthonormal too, or none."""
    rng = np.random.RandomState(seed)
    A = (rng.rand(203, 3) @ rng.rand(3, 12)).astype(dtype)
    rows = as_operand(
        da.from_array(data((203, 20), dtype), chunks=(17, -1))
    ).to_rows_of_X(A)
    Q, R = orthonormal(rows)
    Q = to_caller(Q).compute()
    norms = np.linalg.norm(Q, axis=0).round()
    rounding = 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(Q.T @ Q, np.diag(norms), atol=rounding)
    np.testing.assert_allclose(Q @ R, A, atol=rounding)


def test_ties_of_signs_go_to_the_first_row():
    A = np.zeros((203, 3))
    A[[20, 150], 0] = -2, 2
    A[[20, 150], 1] = 2, -2
    A[[3, 4], 2] = -1, 1
    rows = as_operand(da.from_array(data((203, 20)), chunks=(17, -1))).to_rows_of_X(A)
    np.testing.assert_array_equal(sign_of_largest(rows), [-1, 1, -1])


def test_a_cluster_gives_the_fit_in_memory(client):
    X = data((103, 30))
    how = {"solver": "hals", "init": "nndsvdar", "random_state": 0, "max_iter": 3}
    here, there = NMF(5, **how), NMF(5, **how)
    W = here.fit_transform(X)
    with dask.config.set(scheduler=client):
        V = there.fit_transform(pieces(X, n_rows=52)).compute()
    np.testing.assert_allclose(V, W, rtol=0, atol=1e-8)
    np.testing.assert_allclose(there.components_, here.components_, rtol=0, atol=1e-8)


def test_too_many_components_are_refused():
    with pytest.raises(ValueError, match="init='random'"):
        NMF(31, init="nndsvd").fit(pieces(data((103, 30))))
