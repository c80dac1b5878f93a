"""MiniBatchNMF on blocks of rows that come once: `fit` of an iterator, `partial_fit`."""

from __future__ import annotations

import pickle
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import MiniBatchNMF
from nonneg.fitting.stream_run import batches_of, is_stream

K = 4
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def data(n_samples=300, n_features=17, dtype=np.float64):
    rng = np.random.default_rng(3)
    X = rng.gamma(2.0, size=(n_samples, n_features)) + 0.3
    return (X * (rng.random(X.shape) < 0.7)).astype(dtype)


def cut(X, *ends):
    """Yield X in blocks that end at these rows."""
    start = 0
    for end in (*ends, X.shape[0]):
        yield X[start:end]
        start = end


KINDS = {"dense": np.array, "csr": sp.csr_array}


@pytest.mark.parametrize("ends", [(), (1,), (37, 37, 38, 250), (64, 128, 192, 256)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("exact", [False, True])
def test_the_same_as_a_loop_over_batches_however_they_are_cut(kind, exact, ends):
    """The blocks of the stream don't matter, only its rows do."""
    X = KINDS[kind](data())
    shared = {"random_state": 0, "exact_statistics": exact}
    model = MiniBatchNMF(K, batch_size=64, **shared).fit(cut(X, *ends))
    loop = MiniBatchNMF(K, **shared)
    for start in range(0, 300, 64):
        loop.partial_fit(X[start : start + 64])
    np.testing.assert_array_equal(model.components_, loop.components_)
    assert (model.n_steps_, model.n_iter_, model.stop_reason_) == (5, 1, "max_iter")
    assert model.n_features_in_ == 17
    W = model.transform(X[:9])
    np.testing.assert_array_equal(W, loop.transform(X[:9]))


def test_fit_starts_anew_and_partial_fit_goes_on():
    X = data()
    model = MiniBatchNMF(K, batch_size=100, random_state=0)
    first = model.fit(X).fit(iter([X])).components_
    assert not hasattr(model, "reconstruction_err_")
    assert not hasattr(model, "history_")
    np.testing.assert_array_equal(model.fit(iter([X])).components_, first)
    model.partial_fit(X[:50])
    assert model.n_steps_ == 4
    assert np.abs(model.components_ - first).max() > 0


def test_float32_and_integers():
    single = MiniBatchNMF(K, random_state=0).fit(cut(data(dtype=np.float32), 40))
    assert single.components_.dtype == np.float32
    counts = data().round().astype(np.int32)
    double = MiniBatchNMF(K, random_state=0).fit(cut(counts, 40))
    assert double.components_.dtype == np.float64


def test_a_given_H_starts_it():
    X, H = data(), data(K) + 0.1
    model = MiniBatchNMF(K, init="custom", batch_size=300).fit(iter([X]), H=H)
    peer = MiniBatchNMF(K, init="custom").partial_fit(X, W=np.ones((300, K)), H=H)
    np.testing.assert_array_equal(model.components_, peer.components_)


def test_a_long_stream_finds_what_a_fit_finds():
    """The longer, the better it describes rows that it has not seen."""
    H = np.random.default_rng(0).gamma(0.3, size=(K, 30))

    def blocks(n, seed=1):
        rng = np.random.default_rng(seed)
        for _ in range(n):
            yield rng.gamma(1.0, size=(70, K)) @ H + 0.01 * rng.random((70, 30))

    (X,) = blocks(1, seed=2)
    errors = []
    for n in (2, 300):
        model = MiniBatchNMF(K, random_state=0, batch_size=100, exact_statistics=True)
        W = model.fit(blocks(n)).transform(X)
        errors.append(np.linalg.norm(X - W @ model.components_) / np.linalg.norm(X))
    assert errors[1] < min(0.05, errors[0] / 2)


@pytest.mark.parametrize("how", ["fit", "partial_fit"])
@pytest.mark.parametrize("kind", KINDS)
def test_memory_does_not_grow_with_the_stream(kind, how):
    """Measured from within the stream, in its middle and at its end."""
    X = KINDS[kind](data(100, 200))
    used = []

    def rows(n):
        for i in range(n):
            if i % 20 == 0:
                used.append(tracemalloc.get_traced_memory()[0])
            yield X.copy()

    model = MiniBatchNMF(K, random_state=0, batch_size=128)
    tracemalloc.start()
    try:
        if how == "fit":
            model.fit(rows(101))
        else:
            for block in rows(101):
                model.partial_fit(block)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    block = 100 * 200 * 8
    # what waits for a full batch differs; kept blocks would be 80
    assert max(used[2:]) - used[1] < 2 * block
    assert peak - used[0] < 12 * block
    assert len(pickle.dumps(model)) < block


def test_a_stream_that_never_ends_is_ended_by_time_or_callback():
    def forever():
        while True:
            yield data(50)

    seen = []
    model = MiniBatchNMF(K, callback=lambda it: seen.append(it) or len(seen) == 7)
    model.set_params(batch_size=50).fit(forever())
    assert (model.n_steps_, model.stop_reason_) == (7, "callback")
    assert [it.n_iter for it in seen] == list(range(1, 8))
    seconds = [it.seconds for it in seen]
    assert seconds == sorted(seconds)
    model.set_params(callback=None, max_time=0.05).fit(forever())
    assert model.stop_reason_ == "max_time"


def test_an_interrupt_and_an_error_keep_what_was_learned():
    X = data()

    def broken(error):
        yield X[:100]
        yield X[100:200]
        raise error

    model = MiniBatchNMF(K, random_state=0, batch_size=100)
    expected = MiniBatchNMF(K, random_state=0, batch_size=100).fit(cut(X[:200], 100))
    for error in (KeyboardInterrupt(), OSError("gone")):
        with pytest.raises(type(error)):
            model.fit(broken(error))
        np.testing.assert_array_equal(model.components_, expected.components_)
        assert model.n_steps_ == 2
    assert model.stop_reason_ != "interrupted"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (-1.0, r"Rows 200 to 299 of the stream: Negative values"),
        (np.nan, r"Rows 200 to 299 of the stream: Input X contains NaN"),
    ],
)
def test_bad_values_are_named_by_their_rows(bad, message):
    X = data()
    X[250, 3] = bad
    model = MiniBatchNMF(K, batch_size=100, random_state=0)
    with pytest.raises(ValueError, match=message):
        model.fit(cut(X, 150))
    assert model.n_steps_ == 2


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([], "The stream has no rows"),
        ([np.ones((0, 3))], "The stream has no rows"),
        ([np.ones((3, 3)), np.ones((3, 4))], "Rows 3 to 5 .* dense with 4 columns"),
        ([np.ones((3, 3)), sp.csr_array(np.ones((2, 3)))], "Rows 3 to 4 .* are sparse"),
        ([np.ones((3, 3)), np.ones(3)], "block at row 3 .* Expected 2D"),
    ],
)
def test_blocks_that_are_refused(blocks, message):
    with pytest.raises(ValueError, match=message):
        MiniBatchNMF(2).fit(iter(blocks))


def test_a_wrong_parameter_takes_no_block():
    blocks = iter([data()])
    with pytest.raises(ValueError, match="forget_factor"):
        MiniBatchNMF(K, forget_factor=2).fit(blocks)
    assert next(blocks, None) is not None


def test_W_of_a_stream_is_refused():
    with pytest.raises(ValueError, match="keeps no W of a stream"):
        MiniBatchNMF(K).fit_transform(iter([data()]))
    with pytest.raises(ValueError, match="keeps no W of a stream"):
        MiniBatchNMF(K).fit(iter([data()]), W=np.ones((300, K)))


def test_what_is_a_stream():
    for X in (data(), [[1.0]], ((1.0,),), sp.csr_array(data()), lambda: data(), 3, "x"):
        assert not is_stream(X)

    class Loader:
        def __iter__(self):
            return iter([data()])

    for X in (iter([]), (x for x in ()), Loader(), map(abs, [])):
        assert is_stream(X)


@pytest.mark.parametrize("size", [1, 7, 300, 1000])
def test_batches_are_all_rows_in_order(size):
    X = data()
    batches = list(batches_of(cut(X, 5, 5, 190), size))
    assert [len(b) for b in batches[:-1]] == [size] * (len(batches) - 1)
    np.testing.assert_array_equal(np.concatenate(batches), X)
