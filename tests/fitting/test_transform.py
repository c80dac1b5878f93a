"""`transform` into a given array: the W of `transform`, without all of it in memory."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF, MiniBatchNMF
from nonneg.fitting import plan_choices
from nonneg.fitting.plan_choices import rows_are_independent
from nonneg.operands.streamed.operand import StreamedCsr, StreamedOperand
from nonneg.solvers.registry import solvers
from nonneg.stores.sliced import SlicedStore
from support.cases import DTYPES, data
from support.children import printed_by
from support.requirements import needs_core, needs_linux

K = 4
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Rows:
    """Any object with a shape, a dtype and row slices; counts the rows that are read."""

    def __init__(self, X):
        self._X, self.shape, self.dtype, self.read = X, X.shape, X.dtype, 0

    def __getitem__(self, rows):
        found = self._X[rows]
        self.read += found.shape[0]
        return found


class Sink:
    """Takes rows as an array on a disk does, and remembers how many at a time."""

    def __init__(self, *shape):
        self.shape, self.W, self.sizes = shape, np.full(shape, np.nan), []

    def __setitem__(self, rows, values):
        self.W[rows] = values
        self.sizes.append(len(values))


def matrix(kind, dtype, n_rows=3000):
    X = data(n_rows, 60, density=0.2 if kind == "csr" else 0.9, dtype=dtype)
    return sp.csr_array(X) if kind == "csr" else X


def in_parts(X, window=1 << 17):
    store = SlicedStore(Rows(X))
    return (StreamedCsr if store.sparse else StreamedOperand)(store, 2, window)


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(plan_choices, "BATCH_BYTES", 1)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("stored", [in_parts, lambda X: X], ids=["parts", "memory"])
@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("solver", ["hals", "bpp"])
def test_rows_are_those_of_transform(solver, dtype, kind, stored):
    X = matrix(kind, dtype)
    model = NMF(
        K, "random", solver, random_state=0, max_iter=5, alpha_W=1e-3, l1_ratio=0.5
    ).fit(X)
    sink = Sink(len(data(3000, 1)), K)
    assert model.transform(stored(X), out=sink) is sink
    W = model.transform(X)
    np.testing.assert_allclose(
        sink.W, W, rtol=0, atol=1e-5 if dtype == np.float32 else 1e-12
    )
    assert max(sink.sizes) <= 512
    assert sum(sink.sizes) == 3000


@pytest.mark.usefixtures("small_batches")
def test_exact_mini_batches_as_well():
    X = matrix("dense", np.float64)
    model = MiniBatchNMF(
        K, init="random", random_state=0, exact_statistics=True, max_iter=2
    )
    model.fit(X)
    sink = Sink(3000, K)
    model.transform(in_parts(X), out=sink)
    np.testing.assert_allclose(sink.W, model.transform(X), rtol=0, atol=1e-12)
    assert max(sink.sizes) <= 512


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize(
    ("solver", "beta"), [("cd", 2), ("mu", 2), ("mu", 1), ("sn", 1), ("irls", 1.5)]
)
def test_rows_that_belong_together_are_solved_together(solver, beta):
    X = matrix("dense", np.float64)
    model = NMF(K, "random", solver, beta_loss=beta, random_state=0, max_iter=5).fit(X)
    sink = Sink(3000, K)
    model.transform(X, out=sink)
    np.testing.assert_array_equal(sink.W, model.transform(X))
    assert not rows_are_independent(solvers[solver], in_parts(X))


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("turned", [np.asfortranarray, sp.csc_array])
def test_x_by_columns_is_not_cut(turned):
    X = matrix("dense", np.float64)
    model = NMF(K, "random", "hals", random_state=0, max_iter=5).fit(X)
    sink = Sink(3000, K)
    model.transform(turned(X), out=sink)
    np.testing.assert_allclose(sink.W, model.transform(turned(X)), rtol=0, atol=0)


@pytest.mark.parametrize("out", [None, Sink(3000, K)], ids=["", "out"])
@pytest.mark.parametrize("kind", ["dense", "csr"])
def test_x_is_read_once(kind, out):
    X = matrix(kind, np.float64)
    model = NMF(K, "random", "hals", random_state=0, max_iter=5).fit(X)
    rows = Rows(X)
    store = SlicedStore(rows)
    operand = (StreamedCsr if store.sparse else StreamedOperand)(store, 2, 1 << 17)
    assert operand.stored_bytes  # of sparse rows a few are read for it
    before = rows.read
    W = model.transform(operand, out=out)
    assert rows.read - before == 3000
    if out is None:
        np.testing.assert_array_equal(W, model.transform(X))


@pytest.mark.parametrize("row", [0, 2500])
@pytest.mark.parametrize("value", [-1, np.nan, np.inf])
@pytest.mark.parametrize("kind", ["dense", "csr"])
def test_a_wrong_entry_is_refused_as_it_is_read(kind, row, value):
    X = matrix("dense", np.float64)
    model = NMF(K, "random", "hals", random_state=0, max_iter=5).fit(X)
    X[row, 3] = value
    X = sp.csr_array(X) if kind == "csr" else X
    with pytest.raises(ValueError, match=f"row {row:,}"):
        model.transform(in_parts(X))
    sink = Sink(3000, K)
    with pytest.raises(ValueError, match=f"row {row:,}"):
        model.transform(in_parts(X), out=sink)
    written = np.isfinite(sink.W).all(axis=1)
    assert not written[row:].any()  # rows before it may have been


@pytest.mark.parametrize("cls", [NMF, MiniBatchNMF])
def test_a_wrong_shape_is_refused_before_any_work(cls):
    model = cls(K, init="random", max_iter=2).fit(data(100, 20))
    for shape in ((99, K), (100, K + 1)):
        with pytest.raises(
            ValueError, match=r"out must be an array of shape \(100, 4\)"
        ):
            model.transform(data(100, 20), out=Sink(*shape))


CHILD = """
    import sys
    import numpy as np
    from nonneg import NMF

    class Sink:
        def __init__(self, *shape):
            self.shape, self.sum = shape, 0.0
        def __setitem__(self, rows, values):
            self.sum += float(values.sum(dtype=float))

    X = np.load(sys.argv[1], mmap_mode="r")
    some = np.array(X[:3000])
    model = NMF(32, "random", "hals", max_iter=2, random_state=0, memory_limit="60MB")
    model.fit(some)
    model.components_ = np.eye(32, X.shape[1], dtype=X.dtype)  # easily solved for
    model.transform(some, out=Sink(3000, 32))
    before = peak()
    sink = Sink(len(X), 32)
    model.transform(X, out=sink)
    print(peak() - before, sink.sum)
"""


@needs_core  # the reference is slow with it
@needs_linux  # reads /proc
def test_memory_does_not_grow_with_w(tmp_path):
    n_rows, n_columns = 400_000, 40
    X = np.lib.format.open_memmap(
        tmp_path / "x.npy", "w+", np.float32, (n_rows, n_columns)
    )
    X[...] = np.random.default_rng(0).random(X.shape, dtype=np.float32)
    X.flush()
    peak, total = map(float, printed_by(CHILD, tmp_path / "x.npy"))
    assert total == pytest.approx(float(X[:, :32].sum(dtype=float)), rel=1e-5)
    # W alone would take 51 MB, X 64 MB
    assert peak <= 45e6


def test_transforms_after_another_one_are_those_of_a_new_model():
    """What is kept for the next call goes by parameters, shape, dtype and components."""
    rng = np.random.default_rng(3)
    X, H = rng.random((8, 6)), rng.random((2, 6))
    model = NMF(2, solver="cd", tol=1e-6).fit(X)
    changes = [
        (X[:1], H, {}),
        (X[1:2], H, {}),
        (X[:3], H, {}),
        (X[:1].astype(np.float32), H, {}),
        (X[:1], 2 * H, {}),
        (X[:1], H, {"alpha_W": 0.1}),
        (X[:1], H, {"solver": "mu"}),
        (X[:1], H, {"solver": "hals"}),
        (X[:1], H, {"solver": "mu", "beta_loss": 1}),
        (np.asfortranarray(X[:3]), H, {}),
    ]
    plain = model.get_params()
    for rows, components, parameters in changes:
        model.set_params(**plain | parameters)
        model.components_ = components
        other = copy.deepcopy(model)
        np.testing.assert_array_equal(model.transform(rows), other.transform(rows))
