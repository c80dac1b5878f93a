"""MiniBatchNMF: scikit-learn's numbers, streams, exact statistics, interrupts."""

from __future__ import annotations

import inspect
import pickle
import tracemalloc
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.decomposition as peer
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import InvalidParameterError

from nonneg import NMF, MiniBatchNMF
from nonneg.base.penalties import scaled_penalties
from nonneg.losses.beta import make_loss
from nonneg.operands.registration import as_operand
from nonneg.operands.streamed.row_batches import row_batches
from support import oracles
from support.cases import DTYPES, MAIN_STORAGES, STORAGES, data, factors
from support.combinations import covering
from support.tolerances import assert_close

BETAS = [-0.5, 0, 0.5, 1, 1.5, 2, 2.5]
K = 4
ON = {"tol": 0, "max_no_improvement": None}
"""No stopping before `max_iter`."""


@pytest.fixture(autouse=True)
def _may_not_converge():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", ".*penalises W alone")
        yield


# scikit-learn's numbers


def positive(n_samples=53, n_features=17, dtype=np.float64):
    """Data without zeros, of mean about 1, so that all floors are the peer's."""
    rng = np.random.default_rng(3)
    return (rng.gamma(2.0, size=(n_samples, n_features)) + 0.3).astype(dtype)


def start(X, dtype=np.float64):
    W, Ht = factors(X.shape, K, dtype)
    scale = np.sqrt(X.mean() / (W @ Ht.T).mean()).astype(dtype)
    return W * scale, np.ascontiguousarray((Ht * scale).T)


def fit_both(X, W, H, **parameters):
    """Ours and scikit-learn's from the same start: (W, model) of each."""
    pairs = []
    for cls in (MiniBatchNMF, peer.MiniBatchNMF):
        model = cls(K, init="custom", **parameters)
        # scikit-learn writes to W and H
        pairs.append((model.fit_transform(X, W=W.copy(), H=H.copy()), model))
    return pairs


def assert_same(actual, expected, bound=1e-8):
    largest = np.max(np.abs(expected))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=bound * largest)


def test_the_parameters_are_the_peers_and_ours_come_after():
    ours, theirs = (
        inspect.signature(cls).parameters for cls in (MiniBatchNMF, peer.MiniBatchNMF)
    )
    names = list(theirs)
    assert list(ours)[: len(names)] == names
    for name in names:
        assert ours[name].default == theirs[name].default
        assert ours[name].kind == theirs[name].kind


@pytest.mark.parametrize(
    ("batch_size", "beta", "storage"),
    covering([7, 20, 1000], BETAS, ["dense-C", "dense-F", "csr-array"]),
)
def test_the_same_steps(storage, beta, batch_size):
    X = positive() if beta <= 0 else positive() * (data(53, 17, 0.6) > 0)
    X = STORAGES[storage](X)
    W0, H0 = start(X)
    (W, ours), (expected, theirs) = fit_both(
        X, W0, H0, beta_loss=beta, batch_size=batch_size, max_iter=4, **ON
    )
    assert_same(W, expected)
    assert_same(ours.components_, theirs.components_)
    assert (ours.n_iter_, ours.n_steps_) == (theirs.n_iter_, theirs.n_steps_)
    assert ours.reconstruction_err_ == pytest.approx(theirs.reconstruction_err_)


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_every_storage_gives_the_same(storage, beta):
    """The peer's numbers for CSC and β ≠ 2 belong to other entries; ours to X."""
    X = positive() if beta <= 0 else data(53, 17)
    W0, H0 = start(X)
    models = [
        MiniBatchNMF(
            K, init="custom", beta_loss=beta, batch_size=9, max_iter=3,
            fresh_restarts=fresh, alpha_W=1e-3, l1_ratio=0.4, **ON
        ).fit(make(X), W=W0, H=H0)
        for make in (STORAGES[storage], np.array)
        for fresh in (False, True)
    ]  # fmt: skip
    for model, expected in zip(models[:2], models[2:], strict=True):
        assert_same(model.components_, expected.components_, 1e-10)
        assert model.reconstruction_err_ == pytest.approx(expected.reconstruction_err_)
        more = data(9, 17, seed=5) + (beta <= 0)
        assert_same(
            model.transform(STORAGES[storage](more)), expected.transform(more), 1e-10
        )


PENALTIES = {
    "l1": {"alpha_W": 1e-3, "alpha_H": 2e-3, "l1_ratio": 1.0},
    "mixed": {"alpha_W": 1e-3, "l1_ratio": 0.5},
    "W-only": {"alpha_W": 1e-3, "alpha_H": 0.0},
}


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("beta", BETAS)
def test_the_same_steps_with_penalties(beta, penalty):
    X = positive()
    W0, H0 = start(X)
    parameters = {**PENALTIES[penalty], "beta_loss": beta, "batch_size": 20, **ON}
    (W, ours), (expected, theirs) = fit_both(X, W0, H0, max_iter=100, **parameters)
    if penalty == "l1" or beta >= 2:
        assert_same(W, expected)
        assert_same(ours.components_, theirs.components_)
        return
    # an L2 penalty is minimised exactly, by steps that are a little shorter; and
    # objectives of mini-batches wander by about as much
    mine, other = (
        penalised(beta, X, *pair, **PENALTIES[penalty])
        for pair in ((W, ours), (expected, theirs))
    )
    assert mine <= other * (1 + 1e-4)


def penalised(beta, X, W, model, **weights):
    """The objective of all of X."""
    Ht = np.ascontiguousarray(model.components_.T)
    value = make_loss(beta).value(as_operand(X), W, Ht)
    penalties = scaled_penalties(Ht.shape[1], X.shape, **weights)
    return value + sum(
        penalty.value(A.sum(axis=0), A.T @ A)
        for penalty, A in zip(penalties, (W, Ht), strict=True)
    )


@pytest.mark.parametrize("beta", [0.5, 1, 1.5, 2])
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_float32_stays_and_is_near(storage, beta):
    X = positive(dtype=np.float32)
    W0, H0 = start(X, np.float32)
    make = STORAGES[storage]
    single = MiniBatchNMF(
        K, init="custom", beta_loss=beta, batch_size=16, max_iter=3, **ON
    )
    W = single.fit_transform(make(X), W=W0, H=H0)
    assert W.dtype == single.components_.dtype == np.float32
    assert single.transform(make(X)).dtype == np.float32
    double = MiniBatchNMF(**single.get_params())
    expected = double.fit_transform(
        make(X.astype(float)), W=W0.astype(float), H=H0.astype(float)
    )
    # twelve steps, each of which divides sums over the batch
    assert_close(W, expected, np.float32, X.size, factor=10)
    assert_close(single.components_, double.components_, np.float32, X.size, factor=10)


@pytest.mark.parametrize("beta", [0.5, 1, 2])
@pytest.mark.parametrize(
    "stop",
    [
        {"tol": 1e-2},
        {"tol": 1e-3, "forget_factor": 0.95},
        {"tol": 0, "max_no_improvement": 3},
        {"tol": 1e-4, "max_no_improvement": 6, "fresh_restarts": True},
    ],
    ids=str,
)
def test_it_stops_where_the_peer_stops(beta, stop):
    X = positive(90, 12)
    W0, H0 = start(X)
    (W, ours), (expected, theirs) = fit_both(
        X, W0, H0, beta_loss=beta, batch_size=12, max_iter=60, **stop
    )
    assert ours.n_steps_ == theirs.n_steps_ < 8 * 60
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.stop_reason_ == "converged"
    assert_same(W, expected)


@pytest.mark.parametrize("beta", BETAS)
def test_fresh_restarts_and_transform_are_the_peers(beta):
    X = positive()
    W0, H0 = start(X)
    (W, ours), (expected, theirs) = fit_both(
        X, W0, H0, beta_loss=beta, batch_size=20, max_iter=3, fresh_restarts=True,
        fresh_restarts_max_iter=5, transform_max_iter=7, tol=1e-9,
        alpha_W=1e-3, l1_ratio=1.0, max_no_improvement=None,
    )  # fmt: skip
    assert_same(W, expected)
    assert_same(ours.components_, theirs.components_)
    more = positive(9)
    assert_same(ours.transform(more), theirs.transform(more))
    np.testing.assert_array_equal(ours.transform(X), W)


@pytest.mark.parametrize("init", ["random", "nndsvd", "nndsvda", "nndsvdar", None])
@pytest.mark.parametrize("k", [K, 17, 20])
def test_drawn_starts_are_the_peers(init, k):
    if k > 17 and init not in (None, "random"):
        return
    X = positive()
    models = [
        cls(k, init=init, random_state=0, batch_size=20, max_iter=2, **ON).fit(X)
        for cls in (MiniBatchNMF, peer.MiniBatchNMF)
    ]
    assert_same(models[0].components_, models[1].components_, 1e-7)


@pytest.mark.parametrize("beta", [0.5, 1, 2, 2.5])
def test_streams_are_the_peers(beta):
    X = positive(80)
    W0, H0 = start(X[:20])
    models = [
        cls(K, init="custom", beta_loss=beta, forget_factor=0.8)
        for cls in (MiniBatchNMF, peer.MiniBatchNMF)
    ]
    for batch in [*gen_batches(80, 20)] * 2:
        for model in models:
            model.partial_fit(X[batch], W=W0.copy(), H=H0.copy())
    ours, theirs = models
    assert ours.n_steps_ == theirs.n_steps_ == 8
    assert_same(ours.components_, theirs.components_)
    # a fit leaves what a stream goes on from
    for model in models:
        model.fit(positive(), W=start(positive())[0], H=H0.copy())
        model.partial_fit(X[:20])
    assert_same(ours.components_, theirs.components_)


def thin(n_samples=60, n_features=90, dtype=np.float64):
    """Counts of which a batch has a part of the features; some rows have none."""
    rng = np.random.default_rng(7)
    X = rng.poisson(0.04, (n_samples, n_features)).astype(dtype)
    X[:, 0] += 1  # a feature of every batch
    X[5:9] = 0
    return sp.csr_array(X)


NARROW = {
    "plain": {},
    "l1": {"alpha_W": 1e-3, "alpha_H": 2e-3, "l1_ratio": 1.0},
    "fresh": {"fresh_restarts": True},
    "forgets": {"forget_factor": 0.01},
    "not": {"forget_factor": 0.0},
}


@pytest.mark.parametrize("options", NARROW)
@pytest.mark.parametrize("storage", ["csr-array", "csc-array", "csr-int64"])
def test_batches_on_their_own_features_are_the_peers(storage, options):
    """Of the Kullback-Leibler loss; other features' rows of Hᵀ are scaled alike."""
    X = thin()
    W0, H0 = start(X)
    parameters = {"beta_loss": 1, "batch_size": 12, "max_iter": 9, **ON}
    (W, ours), (expected, theirs) = fit_both(X, W0, H0, **parameters, **NARROW[options])
    assert_same(W, expected)
    assert_same(ours.components_, theirs.components_)
    stored = MiniBatchNMF(**ours.get_params())
    stored.fit(STORAGES[storage](X.toarray()), W=W0, H=H0)
    np.testing.assert_allclose(stored.components_, ours.components_, rtol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_batches_on_their_own_features_change_nothing(dtype, l1_ratio, monkeypatch):
    X = thin(dtype=dtype)
    W0, H0 = start(X, dtype)
    model = MiniBatchNMF(
        K, init="custom", beta_loss=1, batch_size=7, max_iter=30, alpha_W=1e-3,
        alpha_H=1e-3 * (l1_ratio == 1), l1_ratio=l1_ratio, **ON,
    )  # fmt: skip
    assert row_batches(as_operand(X), 7)[0].narrow is not None
    W = model.fit_transform(X, W=W0, H=H0)
    model.partial_fit(X[:7])
    with monkeypatch.context() as patch:
        patch.setattr("nonneg.operands.streamed.row_batches.FEW", 0.0)
        other = MiniBatchNMF(**model.get_params())
        expected = other.fit_transform(X, W=W0, H=H0)
        other.partial_fit(X[:7])
    bound = 1e-10 if dtype == np.float64 else 1e-3
    assert_same(W, expected, bound)
    assert_same(model.components_, other.components_, bound)
    for name in ("objective", "residual"):
        np.testing.assert_allclose(
            model.history_[name], other.history_[name], rtol=100 * bound, atol=bound
        )


def test_it_stops_where_the_peer_stops_on_own_features():
    X = thin(120)
    W0, H0 = start(X)
    for stop in ({"tol": 0.03}, {"tol": 0, "max_no_improvement": 4}):
        (W, ours), (expected, theirs) = fit_both(
            X, W0, H0, beta_loss=1, batch_size=20, **stop
        )
        assert ours.n_steps_ == theirs.n_steps_ < 6 * 200
        assert_same(W, expected)


# Properties


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_one_batch_that_forgets_is_a_full_fit(storage, beta):
    X = positive() if beta <= 0 else data(53, 17)
    W0, H0 = start(X)
    X = STORAGES[storage](X)
    parameters = {"init": "custom", "beta_loss": beta, "max_iter": 9, "tol": 0}
    parameters |= {"alpha_W": 2e-3, "l1_ratio": 0.3}
    full = NMF(K, solver="mu", **parameters)
    ours = MiniBatchNMF(K, forget_factor=0.0, max_no_improvement=None, **parameters)
    W = full.fit_transform(X, W=W0, H=H0)
    assert_same(ours.fit_transform(X, W=W0, H=H0), W, 1e-10)
    assert_same(ours.components_, full.components_, 1e-10)
    assert ours.n_iter_ == ours.n_steps_ == 9


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_a_stream_of_the_batches_is_a_pass_over_them(storage, exact):
    X = STORAGES[storage](data(60, 17))
    W0, H0 = start(data(60, 17))
    beta = 2 if exact else 1
    shared = {"init": "custom", "beta_loss": beta, "exact_statistics": exact}
    shared |= {"fresh_restarts": True, "alpha_W": 1e-3, "l1_ratio": 0.5}
    shared["transform_max_iter"] = 50
    whole = MiniBatchNMF(
        K, batch_size=20, max_iter=1, forget_factor=0.7**3, tol=1e-4,
        max_no_improvement=None, **shared
    )  # fmt: skip
    whole.fit(X, W=W0, H=H0)
    stream = MiniBatchNMF(K, **shared)
    rows = X if isinstance(X, np.ndarray) else X.tocsr()
    for batch in gen_batches(60, 20):
        stream.partial_fit(rows[batch], W=W0[batch], H=H0)
    assert stream.n_steps_ == whole.n_steps_ == 3
    assert_same(stream.components_, whole.components_, 1e-9)
    assert_same(stream.transform(X), whole.transform(X), 1e-8)
    assert stream.get_feature_names_out().tolist() == [
        f"minibatchnmf{t}" for t in range(K)
    ]


@pytest.mark.parametrize(
    ("dtype", "exact", "storage"), covering(DTYPES, [False, True], MAIN_STORAGES)
)
@pytest.mark.usefixtures("eager_threads")
def test_results_do_not_depend_on_the_number_of_threads(storage, exact, dtype):
    X = STORAGES[storage](data(300, 40, dtype=dtype))
    for beta in [2] if exact else [1, 2]:
        models = [
            MiniBatchNMF(
                K, batch_size=50, beta_loss=beta, n_threads=n, random_state=0,
                exact_statistics=exact, max_iter=3,
            ).fit(X)
            for n in (1, 2)
        ]  # fmt: skip
        one, two = models
        np.testing.assert_array_equal(one.components_, two.components_)
        np.testing.assert_array_equal(one.transform(X), two.transform(X))
        assert one.reconstruction_err_ == two.reconstruction_err_


@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_inputs_are_left_alone(storage):
    dense = data()
    X = STORAGES[storage](dense)
    W0, H0 = start(dense)
    before = W0.copy(), H0.copy()
    for exact in (False, True):
        model = MiniBatchNMF(K, init="custom", batch_size=5, exact_statistics=exact)
        model.fit(X, W=W0, H=H0)
        components = model.components_
        held = components.copy()
        model.partial_fit(X)
        np.testing.assert_array_equal(components, held)
    np.testing.assert_array_equal(W0, before[0])
    np.testing.assert_array_equal(H0, before[1])
    np.testing.assert_array_equal(oracles.to_float64(X), dense)


@pytest.mark.parametrize("storage", [*MAIN_STORAGES, "csr-int64", "csc-int64"])
def test_batches_are_views(storage):
    X = as_operand(STORAGES[storage](data()))
    rows = X.stored_by_rows()
    assert (rows is X) == (not X.by_columns)
    batches = row_batches(rows, 5)
    assert [b.X.shape[0] for b in batches] == [5, 5, 5, 5, 3]
    whole = rows.native()
    for batch in batches:
        part = batch.X.native()
        np.testing.assert_array_equal(oracles.to_float64(part), data()[batch.rows])
        if sp.issparse(part):
            assert np.shares_memory(part.data, whole.data)
            assert np.shares_memory(part.indices, whole.indices)
        else:
            assert np.shares_memory(part, whole)


@pytest.mark.parametrize("storage", ["dense-C", "csr-array"])
def test_rows_of_zeros_change_nothing(storage):
    """A batch of them says nothing about H, and does not end the fit."""
    X = data(60, 17)
    X[20:40] = 0
    for beta in (1, 1.5, 2):
        model = MiniBatchNMF(
            K, batch_size=20, beta_loss=beta, max_iter=3, tol=1e-6, random_state=0
        )
        W = model.fit_transform(STORAGES[storage](X))
        assert model.n_steps_ > 3
        assert np.isfinite(W).all()
        assert not W[20:40].any()
        model.partial_fit(X[:20])
        held = model.components_
        model.partial_fit(X[20:40])
        np.testing.assert_allclose(model.components_, held, rtol=1e-12)


def test_a_component_that_a_batch_lacks_keeps_its_row():
    """Of the Kullback-Leibler loss; its sums are scaled alike, and their ratio stays."""
    X = np.kron(np.eye(2), np.ones((10, 3))) + 1e-300
    model = MiniBatchNMF(2, batch_size=10, beta_loss=1, random_state=0, max_iter=200)
    model.set_params(**ON)
    W = model.fit_transform(X)
    np.testing.assert_allclose(W @ model.components_, X, atol=1e-3)


def test_history_counts_steps():
    X = positive()
    records = []
    model = MiniBatchNMF(
        K, batch_size=20, max_iter=2, random_state=0, callback=records.append, **ON
    ).fit(X)
    assert {len(column) for column in model.history_.values()} == {6}
    assert [r.n_iter for r in records] == [1, 2, 3, 4, 5, 6]
    assert records[0].max_iter == 6
    assert (np.diff(model.history_["seconds"]) >= 0).all()
    whole = MiniBatchNMF(K, max_iter=5, random_state=0, forget_factor=0, **ON).fit(X)
    full = NMF(K, init="nndsvda", solver="mu", max_iter=10, tol=0, random_state=0)
    objective = full.fit(X).history_["objective"]
    # before H moves, in a step later
    assert whole.history_["objective"][-1] > objective[-1]
    assert (np.diff(whole.history_["objective"]) <= 0).all()


def test_limits():
    X = positive()
    model = MiniBatchNMF(K, batch_size=5, max_iter=10**6, max_time=0.05, **ON).fit(X)
    assert model.stop_reason_ == "max_time"
    model = MiniBatchNMF(K, batch_size=5, callback=lambda it: it.n_iter == 4).fit(X)
    assert model.stop_reason_ == "callback"
    assert (model.n_steps_, model.n_iter_) == (4, 1)


def test_it_warns_when_it_stops_unconverged():
    model = MiniBatchNMF(K, max_iter=1, random_state=0)
    with pytest.warns(ConvergenceWarning, match="iterations 1 reached. Increase"):
        model.fit(positive())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(tol=0).fit(positive())


def test_verbose_prints_as_the_peer_does(capsys):
    X = positive(90, 12)
    W0, H0 = start(X)
    fit_both(X, W0, H0, batch_size=12, tol=1e-2, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    half = len(lines) // 2
    for ours, theirs in zip(lines[:half], lines[half:], strict=True):
        assert ours.split(":")[0].split(" (")[0] == theirs.split(":")[0].split(" (")[0]
    assert "mean batch cost" in lines[0]
    assert "ewa cost" in lines[1]
    assert lines[half - 1].startswith("Converged (small change of H)")


# Interrupts, streams, memory


def interrupt_after(n):
    def callback(iteration):
        if iteration.n_iter == n:
            raise KeyboardInterrupt

    return callback


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_an_interrupted_fit_keeps_what_it_found(storage, exact):
    X = STORAGES[storage](data())
    shared = {"batch_size": 8, "random_state": 0, "exact_statistics": exact}
    model = MiniBatchNMF(K, callback=interrupt_after(4), **shared)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert model.stop_reason_ == "interrupted"
    assert (model.n_steps_, model.n_iter_) == (4, 2)
    expected = MiniBatchNMF(K, callback=lambda it: it.n_iter == 4, **shared).fit(X)
    np.testing.assert_array_equal(model.components_, expected.components_)
    model.set_params(callback=None).partial_fit(X)
    assert model.n_steps_ == 5
    assert model.transform(X).shape == (23, K)


@pytest.mark.parametrize("how", ["default", "exact", "own-features"])
def test_an_interrupted_step_of_a_stream_changes_nothing(how):
    X = thin(12) if how == "own-features" else data()
    beta = 1 if how == "own-features" else 2
    model = MiniBatchNMF(
        K, beta_loss=beta, random_state=0, exact_statistics=how == "exact"
    )
    model.partial_fit(X)
    other = pickle.loads(pickle.dumps(model))
    model.set_params(callback=interrupt_after(2))
    components = model.components_
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(X)
    assert model.components_ is components
    assert model.n_steps_ == 1
    model.set_params(callback=None).partial_fit(X)
    other.partial_fit(X)
    np.testing.assert_array_equal(model.components_, other.components_)


@pytest.mark.parametrize("beta", [1, 2])
@pytest.mark.parametrize("exact", [False, True])
def test_the_memory_of_a_stream_does_not_grow(exact, beta):
    if exact and beta != 2:
        return
    rng = np.random.default_rng(0)
    model = MiniBatchNMF(K, beta_loss=beta, random_state=0, exact_statistics=exact)

    def feed(n):
        for _ in range(n):
            model.partial_fit(rng.random((50, 200)))

    feed(5)
    size = len(pickle.dumps(model))

    def own():
        # other threads of this process may be at work: clients of clusters, for one
        traces = tracemalloc.take_snapshot().traces
        return sum(
            trace.size
            for trace in traces
            if any("nonneg" in frame.filename for frame in trace.traceback)
        )

    tracemalloc.start(8)
    try:
        feed(5)
        before = own()
        assert before > 0
        feed(60)
        grown = own() - before
    finally:
        tracemalloc.stop()
    assert grown < 50 * 200 * 8  # less than one batch
    assert abs(len(pickle.dumps(model)) - size) < 200
    assert model.n_steps_ == 70
    assert model.transform(rng.random((3, 200))).shape == (3, K)


def test_a_stream_takes_the_other_dtype_and_storage():
    X = data(40, 17, dtype=np.float32)
    model = MiniBatchNMF(K, random_state=0).partial_fit(X[:20])
    model.partial_fit(sp.csc_array(X[20:].astype(float)))
    assert model.components_.dtype == np.float32


def test_a_stream_goes_on_from_the_components_as_they_are():
    X = positive(40)
    model = MiniBatchNMF(K, random_state=0).partial_fit(X[:20])
    model.components_ = model.components_ * 2
    changed = model.partial_fit(X[20:]).components_
    same = MiniBatchNMF(K, random_state=0).partial_fit(X[:20]).partial_fit(X[20:])
    assert np.abs(changed - same.components_).max() > 1e-3


# Exact statistics


def structured(n_samples=600, n_features=120, k=8, noise=0.3, seed=0):
    """Low rank plus noise, half of the entries of the factors zero; rows in no order."""
    rng = np.random.default_rng(seed)
    W, H = (rng.gamma(1.0, size=s) for s in ((n_samples, k), (k, n_features)))
    for A in (W, H):
        A *= rng.random(A.shape) < 0.5
    return np.maximum(W @ H + noise * rng.standard_normal((n_samples, n_features)), 0)


def objective_of(X, W, H, **weights):
    penalties = scaled_penalties(H.shape[0], X.shape, **weights)
    return oracles.objective(X, W, np.ascontiguousarray(H.T), *penalties)


@pytest.mark.parametrize("weights", [{}, {"alpha_W": 1e-3, "l1_ratio": 0.5}], ids=str)
@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_each_step_decreases_the_objective_of_all_of_X(storage, fresh, weights):
    dense = structured(120, 40)
    X = STORAGES[storage](dense)
    model = MiniBatchNMF(
        8, batch_size=25, exact_statistics=True, random_state=0, max_iter=45, tol=0,
        fresh_restarts=fresh, **weights,
    )  # fmt: skip
    W = model.fit_transform(X)
    objective = model.history_["objective"]
    assert np.isnan(objective[:4]).all()
    known = objective[4:]
    assert np.isfinite(known).all()
    assert np.diff(known).max() <= 1e-10 * known[0]
    expected = objective_of(dense, W, model.components_, **weights)
    assert known[-1] == pytest.approx(expected, rel=1e-9)
    assert_same(model.transform(X), W, 1e-9)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("storage", ["dense-C", "csr-array"])
def test_fewer_passes_than_a_full_fit(storage, seed):
    """To within 0.1 % of the objective that a long fit by "cd" reaches."""
    X = structured(seed=seed)
    W0, Ht0 = factors(X.shape, 8, seed=seed + 10)
    scale = np.sqrt(X.mean() / (W0 @ Ht0.T).mean())
    W0, H0 = W0 * scale, np.ascontiguousarray(Ht0.T) * scale
    given = {"W": W0, "H": H0}
    X = STORAGES[storage](X)
    full = NMF(8, "custom", "cd", max_iter=2000, tol=1e-8).fit(X, **given)
    target = full.history_["objective"][-1] * 1.001
    needed = 1 + np.argmax(full.history_["objective"] <= target)
    ours = MiniBatchNMF(
        8, init="custom", batch_size=40, exact_statistics=True, tol=1e-7, max_iter=200
    ).fit(X, **given)
    reached = ours.history_["objective"] <= target
    assert reached.any()
    passes = (1 + np.argmax(reached)) / 15
    print(f"{needed} iterations, {passes:.1f} passes")
    assert passes < needed


def test_exact_statistics_converge():
    model = MiniBatchNMF(
        8, batch_size=50, exact_statistics=True, tol=1e-3, random_state=0
    ).fit(structured())
    assert model.stop_reason_ == "converged"
    residual = model.history_["residual"]
    assert np.isnan(residual[:11]).all()
    assert residual[-2] <= 1e-3
    assert model.n_iter_ < 100
    # where it stopped there is little left to gain
    longer = MiniBatchNMF(**{**model.get_params(), "tol": 1e-6, "max_iter": 1000})
    best = longer.fit(structured()).history_["objective"][-1]
    assert model.history_["objective"][-1] < best * 1.01


def test_an_exact_stream_is_mairals():
    """Each batch by least squares beside H, then H by the sums over all batches."""
    X = structured(120, 20, 3)
    model = MiniBatchNMF(3, init="custom", exact_statistics=True)
    H = np.random.default_rng(0).random((3, 20))
    rhs, gram = np.zeros((20, 3)), np.zeros((3, 3))
    for batch in gen_batches(120, 40):
        model.partial_fit(X[batch], W=np.ones((40, 3)), H=H)  # the start, at first
        W = np.array([oracles.nnls(H.T, x)[0] for x in X[batch]])
        rhs += X[batch].T @ W
        gram += W.T @ W
        # H came most of the way down to the minimum of ½⟨gram, HHᵀ⟩ − ⟨rhs, H⟩
        root = np.linalg.cholesky(gram)
        best = np.array(
            [oracles.nnls(root.T, np.linalg.solve(root, b))[0] for b in rhs]
        )
        start, end, least = (
            0.5 * np.sum(gram * (A @ A.T)) - np.sum(rhs.T * A)
            for A in (H, model.components_, best.T)
        )
        assert least <= end < least + 0.1 * (start - least)
        H = model.components_
    assert model.n_steps_ == 3


# What is refused


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("batch_size", 1.5),
        ("max_no_improvement", 0),
        ("forget_factor", 1.1),
        ("forget_factor", "half"),
        ("fresh_restarts", 1),
        ("fresh_restarts_max_iter", 0),
        ("transform_max_iter", 0),
        ("exact_statistics", "yes"),
        ("max_iter", 0),
        ("tol", -1),
        ("beta_loss", "poisson"),
        ("n_components", 0),
        ("alpha_H", "W"),
        ("l1_ratio", 2),
        ("init", "zeros"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_wrong_parameters(method, name, value):
    model = MiniBatchNMF(**{name: value})
    message = f"The '{name}' parameter of MiniBatchNMF must be"
    with pytest.raises(InvalidParameterError, match=message):
        getattr(model, method)(data())


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_wrong_data(method):
    def call(X, **parameters):
        return getattr(MiniBatchNMF(2, **parameters), method)(X)

    with pytest.raises(
        ValueError, match=r"Negative values in data passed to MiniBatch"
    ):
        call(-data())
    for beta in (0, -0.5):
        with pytest.raises(
            ValueError, match="When beta_loss <= 0 and X contains zeros"
        ):
            call(data(), beta_loss=beta)
    with pytest.raises(ValueError, match="exact_statistics=True needs beta_loss='frob"):
        call(data(), beta_loss=1, exact_statistics=True)
    with pytest.raises(ValueError, match="init='custom' needs both W"):
        call(data(), init="custom")
    with pytest.raises(ValueError, match="can only be used when"):
        getattr(MiniBatchNMF(30, init="nndsvd"), method)(data())


def test_wrong_starts():
    X = data()
    W0, H0 = start(X)
    model = MiniBatchNMF(K, init="custom")
    with pytest.raises(ValueError, match="Array with wrong first dimension"):
        model.fit(X, W=W0[1:], H=H0)
    with pytest.raises(ValueError, match="Array with wrong second dimension"):
        model.fit(X, W=W0, H=H0[:, 1:])
    with pytest.warns(RuntimeWarning, match="provided W or H are ignored"):
        MiniBatchNMF(K, max_iter=2).fit(X, W=W0)


def test_a_stream_of_another_kind():
    model = MiniBatchNMF(K).fit(data())
    model.set_params(exact_statistics=True)
    with pytest.raises(ValueError, match="another value of `exact_statistics`"):
        model.partial_fit(data())
    with pytest.raises(
        ValueError, match="X has 5 features, but MiniBatchNMF is expect"
    ):
        model.partial_fit(data(9, 5))
    with pytest.raises(NotFittedError):
        MiniBatchNMF().transform(data())
    with pytest.raises(ValueError, match="this MiniBatchNMF has 4 components"):
        model.inverse_transform(np.ones((2, 3)))


@pytest.mark.parametrize("exact", [False, True])
def test_components_that_were_set_by_hand_are_where_steps_begin(exact):
    X = data()
    H = start(X)[1]
    model = MiniBatchNMF(K, exact_statistics=exact, max_iter=5)
    model.components_ = H
    again = MiniBatchNMF(K, exact_statistics=exact, init="custom")
    again.partial_fit(X, W=np.ones((len(X), K)), H=H)
    for _ in range(2):
        model.partial_fit(X)
    again.partial_fit(X)
    np.testing.assert_array_equal(model.components_, again.components_)
    assert model.n_steps_ == 2
    assert model.n_features_in_ == X.shape[1]
    narrow = MiniBatchNMF(K, exact_statistics=exact)
    narrow.components_ = H[:, 1:]
    with pytest.raises(ValueError, match="wrong second dimension"):
        narrow.partial_fit(X)
