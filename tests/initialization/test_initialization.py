"""Starting factors: against scikit-learn's, between kinds of input, and by their properties."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.decomposition import _nmf as peer

from nonneg import NMF, initialize
from nonneg.initialization.svd_start import (
    INITS,
    initial_factors,
    resolve_init,
    truncated_svd,
)
from nonneg.operands.base import Block, BlockedOperand
from nonneg.operands.dense import DenseOperand
from nonneg.operands.registration import as_operand
from support import oracles
from support.cases import DTYPES, MAIN_STORAGES, STORAGES, data
from support.tolerances import assert_close

SHAPES = {"tall": (60, 25), "wide": (25, 60), "square": (30, 30)}
SVD_INITS = [init for init in INITS if init != "random"]
PEER_INITS = ["random", "nndsvd", "nndsvda", "nndsvdar"]


class PassesOnly(DenseOperand):
    """A dense X that other libraries can't take: only passes over blocks of rows."""

    def native(self):
        return None

    @property
    def T(self):
        return PassesOnly(self.X.T, self.n_threads)


class TinyBlocks(BlockedOperand):
    """A third-party operand of seven rows a block, without an array of its own."""

    kind = "tiny"

    def __init__(self, X):
        self.X, self.shape, self.dtype = X, X.shape, X.dtype

    @property
    def T(self):
        return TinyBlocks(np.ascontiguousarray(self.X.T))

    def stats(self):
        return as_operand(self.X).stats()

    def blocks(self):
        for start in range(0, self.shape[0], 7):
            stop = min(start + 7, self.shape[0])
            yield Block(start, stop, self.X[start:stop], None)


def squared_error(X, W, H):
    return 2.0 * oracles.frobenius(X, W, np.ascontiguousarray(H.T))


# scikit-learn's as a peer


@pytest.mark.parametrize("init", PEER_INITS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("k", [1, 2, 7, 20])
@pytest.mark.parametrize("storage", MAIN_STORAGES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_numbers_as_scikit_learn(dtype, storage, k, shape, init):
    X = STORAGES[storage](data(*shape, dtype=dtype))
    W, H = initialize(X, k, init, random_state=3)
    expected = peer._initialize_nmf(X, k, init, random_state=3)
    # as many digits as the singular vectors of small values keep
    factor = 1e4 if init != "random" else 1.0
    for actual, reference in zip((W, H), expected, strict=True):
        assert_close(actual, reference, dtype, max(shape), factor)


# Every kind of X gets the same start


@pytest.mark.parametrize("cls", [PassesOnly, TinyBlocks])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("init", INITS)
def test_passes_give_the_same_start_as_arrays(init, shape, dtype, cls):
    X = data(*shape, dtype=dtype)
    expected = initial_factors(as_operand(X), 4, init, 1e-6, 0)
    actual = initial_factors(cls(X), 4, init, 1e-6, 0)
    for A, B in zip(actual, expected, strict=True):
        # float32 passes add up a product in blocks
        assert_close(A, B, dtype, max(shape), factor=1e3)


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_storage_gets_the_same_start(dtype, init):
    X = data(dtype=dtype)
    expected = initialize(X, 4, init, random_state=0)
    for storage in STORAGES.values():
        actual = initialize(storage(X), 4, init, random_state=0)
        for A, B in zip(actual, expected, strict=True):
            assert A.dtype == dtype
            assert_close(A, B, dtype, max(X.shape), factor=1e3)


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_factors_are_ready_for_the_kernels(shape, dtype, init):
    X = data(*shape, dtype=dtype)
    before = X.copy()
    W, Ht = initial_factors(as_operand(X), 5, init, 1e-6, 0)
    assert W.shape == (shape[0], 5)
    assert Ht.shape == (shape[1], 5)
    for A in (W, Ht):
        assert A.flags.c_contiguous
        assert A.flags.owndata
        assert A.flags.writeable
        assert A.dtype == dtype
        assert np.isfinite(A).all()
        assert (A >= 0).all()
    np.testing.assert_array_equal(X, before)


# The truncated SVD


@pytest.mark.parametrize("cls", [as_operand, PassesOnly])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_svd_of_a_low_rank_matrix_is_exact(shape, cls):
    rng = np.random.default_rng(0)
    X = rng.random((shape[0], 6)) @ rng.random((6, shape[1]))
    U, s, V = truncated_svd(cls(X), 6, random_state=0)
    assert_close((U * s) @ V.T, X, np.float64, 100)
    np.testing.assert_allclose(s, np.linalg.svd(X, compute_uv=False)[:6], rtol=1e-9)
    largest = np.abs(U).argmax(axis=0)
    assert (U[largest, np.arange(6)] > 0).all()


@pytest.mark.parametrize("init", SVD_INITS)
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_peak_memory(storage, init):
    """Two arrays of rank + 10 vectors, and what the small parts need."""
    n_samples, n_features, k = 30_000, 40, 12
    X = STORAGES[storage](data(n_samples, n_features, density=0.1))
    operand = as_operand(X)
    operand.stats()
    tracemalloc.start()
    initial_factors(operand, k, init, 1e-6, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # X·Q of a Fortran-ordered X comes from a copy where the kernels are the reference's
    blocks = X.nbytes if storage == "dense-F" else 1 << 21
    assert peak <= 2.5 * (n_samples + n_features) * (k + 10) * 8 + blocks


# The random stream


@pytest.mark.parametrize("init", ["random", "nndsvd", "nndsvdar", "nnsvd-lrc"])
def test_one_seed_gives_one_start(init):
    X = data(40, 30)
    W, H = initialize(X, 4, init, random_state=5)
    for seed in (5, np.int64(5)):
        again = initialize(X, 4, init, random_state=seed)
        np.testing.assert_array_equal(again[0], W)
        np.testing.assert_array_equal(again[1], H)
    stream = np.random.RandomState(5)
    first = initialize(X, 4, init, random_state=stream)
    if init != "nndsvdar":  # its fill goes on with the stream
        np.testing.assert_array_equal(first[0], W)
    other = initialize(X, 4, init, random_state=stream)
    assert (other[0] != first[0]).any()


def test_none_draws_from_the_global_stream():
    X = data()
    np.random.seed(8)
    first = initialize(X, 3, "random")
    second = initialize(X, 3, "random", random_state=8)
    np.testing.assert_array_equal(first[0], second[0])


def test_random_draws_H_first_at_the_scale_of_X():
    X = data(500, 400)
    W, H = initialize(X, 10, "random", random_state=0)
    rng = np.random.RandomState(0)
    scale = np.sqrt(X.mean() / 10)
    assert_close(H, scale * np.abs(rng.randn(10, 400)), np.float64, 1)
    assert_close(W, scale * np.abs(rng.randn(500, 10)), np.float64, 1)


# What None stands for, and what is impossible


@pytest.mark.parametrize(
    ("k", "shape", "positive", "expected"),
    [
        (3, (10, 8), False, "nndsvd"),
        (7, (10, 8), False, "nndsvd"),
        (8, (10, 8), False, "random"),
        (9, (10, 8), False, "random"),
        (8, (8, 10), False, "nndsvd"),
        (9, (8, 10), False, "random"),
        (3, (10, 8), True, "nndsvda"),
        (8, (10, 8), True, "nndsvda"),
        (9, (10, 8), True, "random"),
    ],
)
def test_none_chooses_by_shape(k, shape, positive, expected):
    assert resolve_init(None, k, shape, positive) == expected
    X = as_operand(data(*shape))
    actual = initial_factors(X, k, None, 1e-6, 0, positive)
    for A, B in zip(actual, initial_factors(X, k, expected, 1e-6, 0), strict=True):
        np.testing.assert_array_equal(A, B)


@pytest.mark.parametrize(
    ("init", "most"),
    [("nndsvd", 8), ("nndsvda", 8), ("nndsvdar", 8), ("nnsvd-lrc", 15)],
)
@pytest.mark.parametrize("shape", [(8, 20), (20, 8)])
def test_more_components_than_singular_vectors(shape, init, most):
    X = data(*shape, density=1.0)
    W, H = initialize(X, most, init, random_state=0)
    assert W.shape == (shape[0], most)
    assert np.isfinite(W).all()
    assert np.isfinite(H).all()
    message = rf"init = '{init}' can only be used when .* got n_components={most + 1}"
    with pytest.raises(ValueError, match=message):
        initialize(X, most + 1, init)
    assert initialize(X, most + 1, "random")[0].shape == (shape[0], most + 1)


# Properties of the starts from an SVD


def test_first_component_is_the_leading_pair():
    X = data(40, 9)  # the random test matrix spans all of it
    U, s, Vt = np.linalg.svd(X)
    for init in ("nndsvd", "nndsvda", "nndsvdar"):
        W, H = initialize(X, 1, init, eps=0.0, random_state=0)
        assert_close(W @ H, s[0] * np.outer(U[:, 0], Vt[0]), np.float64, 40, 1e3)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e4])
def test_small_entries_become_zero_and_are_filled(scale):
    X = data(40, 30) * scale
    # beyond ordinary means the fill grows with the square root of X, as factors do
    level = X.mean() if X.mean() <= 1e3 else np.sqrt(X.mean())
    eps = 0.05 * np.sqrt(scale)
    W, H = initialize(X, 5, "nndsvd", eps=eps, random_state=0)
    for A in (W, H):
        assert (A == 0).any()
        assert (A[A != 0] >= eps).all()
    filled_W, filled_H = initialize(X, 5, "nndsvda", eps=eps, random_state=0)
    for A, filled in ((W, filled_W), (H, filled_H)):
        np.testing.assert_array_equal(filled[A != 0], A[A != 0])
        assert_close(filled[A == 0], level, np.float64, X.size)
    noisy_W, noisy_H = initialize(X, 5, "nndsvdar", eps=eps, random_state=0)
    for A, filled in ((W, noisy_W), (H, noisy_H)):
        np.testing.assert_array_equal(filled[A != 0], A[A != 0])
        added = filled[A == 0]
        assert 0 < added.mean() < 0.02 * level
        assert np.unique(added).size == added.size


def test_multiplicative_updates_get_no_zeros():
    X = as_operand(data(40, 30))
    for init in (None, "nnsvd-lrc", "spa"):
        W, Ht = initial_factors(X, 5, init, 1e-6, 0, True)
        assert (W > 0).all()
        assert (Ht > 0).all()


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_degenerate_input_gives_finite_factors(dtype, init):
    zero = np.zeros((12, 9), dtype)
    one_entry = zero.copy()
    one_entry[3, 4] = 2.0
    rank_one = np.outer(np.arange(12), np.arange(9)).astype(dtype)
    blocks = np.kron(np.eye(3, dtype=dtype), np.ones((4, 3), dtype))
    for X in (zero, one_entry, rank_one, blocks):
        for A in initialize(X, 4, init, random_state=0):
            assert np.isfinite(A).all()
            assert (A >= 0).all()


# NNSVD with low-rank correction


def low_rank(shape, rank, noise, seed=0):
    rng = np.random.default_rng(seed)
    W, H = (rng.gamma(0.4, size=s) for s in ((shape[0], rank), (rank, shape[1])))
    return W @ H + noise * rng.random(shape)


@pytest.mark.parametrize("storage", MAIN_STORAGES)
@pytest.mark.parametrize("shape", [(80, 50), (50, 80)])
def test_lrc_starts_closer_than_nndsvd(shape, storage):
    dense = low_rank(shape, 8, 0.05)
    X = STORAGES[storage](dense)
    for k in (4, 9, 16):
        errors = {
            init: squared_error(dense, *initialize(X, k, init, random_state=0))
            for init in ("nndsvd", "nndsvda", "nnsvd-lrc")
        }
        assert min(errors, key=errors.get) == "nnsvd-lrc"


def test_lrc_error_falls_with_the_rank():
    """The condition that its authors put on an initialisation."""
    X = low_rank((60, 40), 10, 0.1)
    errors = [
        squared_error(X, *initialize(X, k, "nnsvd-lrc", random_state=0))
        for k in (1, 3, 5, 9, 13, 21)
    ]
    assert (np.diff(errors) < 0).all()


def test_lrc_recovers_a_non_negative_pair():
    X = np.outer([1.0, 2.0, 0.0, 3.0], [0.0, 1.0, 4.0])
    for k in (1, 3):
        W, H = initialize(X, k, "nnsvd-lrc", random_state=0)
        assert_close(W @ H, X, np.float64, 4, factor=10)


def test_lrc_float32_follows_float64():
    X = low_rank((60, 40), 6, 0.1)
    exact = squared_error(X, *initialize(X, 6, "nnsvd-lrc", random_state=0))
    rounded = initialize(X.astype(np.float32), 6, "nnsvd-lrc", random_state=0)
    # the rule that ends the correction may see another digit
    assert abs(squared_error(X, *rounded) - exact) < 0.01 * exact


# What is refused


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"X": [[1.0, -2.0]]}, "Negative values in data passed to NMF initialization"),
        ({"X": [[1.0, np.nan]]}, "NaN"),
        ({"X": [1.0, 2.0]}, "2D"),
        ({"n_components": 0}, "'n_components'"),
        ({"n_components": 2.0}, "'n_components'"),
        ({"init": "custom"}, "'init'"),
        ({"init": "nndsvdx"}, "'init'"),
        ({"eps": -1.0}, "'eps'"),
        ({"eps": np.nan}, "'eps'"),
        ({"eps": "small"}, "'eps'"),
        ({"random_state": "x"}, "'random_state'"),
    ],
)
def test_bad_arguments(arguments, match):
    good = {"X": data(), "n_components": 2}
    with pytest.raises(ValueError, match=match):
        initialize(**{**good, **arguments})


def test_none_components_keep_all_features():
    X = data(20, 6)
    W, H = initialize(X, None, random_state=0)
    assert W.shape == (20, 6)
    assert H.shape == (6, 6)


def test_integers_and_lists_are_converted():
    X = np.arange(12).reshape(4, 3)
    expected = initialize(X.astype(float), 2, "nndsvd", random_state=0)
    for given in (X, X.tolist(), X.astype(np.uint8)):
        W, H = initialize(given, 2, "nndsvd", random_state=0)
        np.testing.assert_array_equal(W, expected[0])
        np.testing.assert_array_equal(H, expected[1])


@pytest.mark.parametrize("init", ["nndsvd", "nndsvda", "nndsvdar", "nnsvd-lrc"])
@pytest.mark.parametrize("scale", [1e-9, 1e-30, 1e-100])
def test_a_component_in_small_units_is_not_cut(init, scale):
    """Decaying spectra: each component is a tenth of the one before it."""
    t = np.linspace(0, 1, 80)
    H = [10.0**-j * np.exp(-((t - 0.1 - 0.1 * j) ** 2) / 0.002) for j in range(6)]
    X = np.random.default_rng(0).random((100, 6)) @ np.array(H) * scale
    model = NMF(6, init, "hals", random_state=0, max_iter=3, tol=0).fit(X)
    assert (model.components_.max(axis=1) > 0).all()


def test_a_fit_in_small_units_is_the_fit():
    X = np.random.default_rng(0).random((30, 3)) @ np.random.default_rng(1).random(
        (3, 8)
    )
    for scale in (1, 1e-12, 1e-13, 1e-100):
        model = NMF(3, random_state=0, max_iter=1000).fit(X * scale)
        assert model.reconstruction_err_ < 1e-4 * np.linalg.norm(X * scale)
