"""Matching, measures of stability, and the consensus of many runs."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import squareform
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_samples, silhouette_score

from nonneg import (
    NMF,
    consensus,
    load,
    match_components,
    nnls,
    order_components,
    save,
)
from nonneg.selection import (
    amari_distance,
    cluster_runs,
    cophenetic_correlation,
    dispersion,
    silhouettes,
    spectra_consensus,
    stability,
)
from nonneg.selection.matching import unit_rows
from support.cases import STORAGES

RNG = np.random.default_rng(0)
X = RNG.gamma(0.4, size=(80, 4)) @ RNG.gamma(0.4, size=(4, 30))


@pytest.fixture(autouse=True)
def _same_numbers():
    """Each test has the same random numbers, whatever ran before it."""
    RNG.bit_generator.state = np.random.default_rng(1).bit_generator.state


def noisy_runs(n_runs=12, k=4, n_features=30, noise=0.05, seed=0):
    """Runs of the same components, permuted, scaled, with noise."""
    rng = np.random.default_rng(seed)
    H = rng.gamma(0.4, size=(k, n_features))
    runs = np.stack([H[rng.permutation(k)] for _ in range(n_runs)])
    runs = runs * rng.uniform(0.5, 2, (*runs.shape[:2], 1))
    return runs * rng.uniform(1 - noise, 1 + noise, runs.shape), H


def test_partners_are_found_whatever_their_order_and_scale():
    H = RNG.gamma(0.5, size=(6, 20))
    order = RNG.permutation(6)
    matched, cosine = match_components(H, 3.0 * H[order])
    assert np.array_equal(order[matched], np.arange(6))
    np.testing.assert_allclose(cosine, 1)
    # fewer components may be matched with more
    matched, cosine = match_components(H[:2] * 1e-200, H)
    assert matched.tolist() == [0, 1]
    assert match_components(np.zeros((1, 20)), H).cosine == [0]


@pytest.mark.parametrize(
    ("H1", "H2", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), "H1 has 3 features and H2 has 4"),
        (np.ones((3, 3)), np.ones((2, 3)), "H2 has only 2"),
        ([[np.nan, 1]], [[1, 1]], "NaN"),
    ],
)
def test_refused_pairs(H1, H2, message):
    with pytest.raises(ValueError, match=message):
        match_components(H1, H2)


@pytest.mark.parametrize("scale", ["sum", "norm", "max", "given"])
@pytest.mark.parametrize("by", ["share", "size", "given"])
def test_order_and_scale_leave_the_product(by, scale):
    W, H = RNG.random((9, 4)), RNG.random((4, 5)) * [[1], [9], [0], [3]]
    W2, H2 = order_components(W, H, by=by, scale=scale)
    np.testing.assert_allclose(W2 @ H2, W @ H, rtol=1e-12)
    size = {"sum": H2.sum(1), "norm": np.linalg.norm(H2, axis=1), "max": H2.max(1)}
    if scale != "given":
        assert set(size[scale].round(12)) == {0, 1}
    if by == "share":
        shares = W2.sum(0) * H2.sum(1)
        assert np.all(np.diff(shares) <= 0)
    if by == "given" == scale:
        assert np.array_equal(W2, W)


def test_07_dispersion_is_that_of_the_consensus_matrix():
    labels = RNG.integers(0, 5, size=(7, 40))
    C = np.mean(labels[:, :, None] == labels[:, None, :], axis=0)
    np.testing.assert_allclose(dispersion(labels, 5), np.mean((2 * C - 1) ** 2))
    assert dispersion(np.tile(labels[0], (3, 1)), 5) == pytest.approx(1)


def test_07_cophenetic_correlation_is_scipys():
    labels = RNG.integers(0, 3, size=(9, 50))
    # by whole numbers: there are many ties, which rounding would break in other ways
    parted = np.sum(labels[:, :, None] != labels[:, None, :], axis=0) / 9
    distances = squareform(parted, checks=False)
    expected = cophenet(linkage(distances, "average"), distances)[0]
    rng = np.random.RandomState(0)
    np.testing.assert_allclose(cophenetic_correlation(labels, rng), expected)
    # of many samples, some; where all runs agree it is 1
    many = np.tile(RNG.integers(0, 3, size=3000), (4, 1))
    assert cophenetic_correlation(many, rng) == pytest.approx(1)


def test_07_cophenetic_correlation_where_scipy_joins_a_cluster_twice(monkeypatch):
    labels = RNG.integers(0, 3, size=(9, 50))
    plain = cophenetic_correlation(labels, np.random.RandomState(0))
    # rounding of means that are equal does that to the labels of some fits of digits
    monkeypatch.setattr(stability, "is_valid_linkage", lambda _: False)
    broken = cophenetic_correlation(labels, np.random.RandomState(0))
    assert broken == pytest.approx(plain, abs=0.05)


def test_07_amari_distance_by_its_definition():
    units = np.stack([unit_rows(RNG.random((3, 8))) for _ in range(4)])
    values = []
    for r in range(4):
        for s in range(r):
            C = np.array([[u @ v for v in units[s]] for u in units[r]])
            rows = sum(max(row) for row in C) / 3
            columns = sum(max(C[:, t]) for t in range(3)) / 3
            values.append((2 - rows - columns) / 2)
    np.testing.assert_allclose(amari_distance(units), np.mean(values))
    assert amari_distance(units[[0, 0]]) == pytest.approx(0)


def test_07_silhouettes_are_scikit_learns():
    units = unit_rows(RNG.random((30, 6)))
    labels = np.repeat(np.arange(3), 10)
    expected = silhouette_samples(units, labels, metric="cosine")
    np.testing.assert_allclose(silhouettes(units, labels), expected, atol=1e-12)
    assert np.array_equal(silhouettes(units, np.zeros(30, int)), np.ones(30))


def test_clusters_have_one_member_of_each_run():
    runs, H = noisy_runs()
    clusters = cluster_runs(np.stack([unit_rows(run) for run in runs]))
    for order in clusters.order:
        assert sorted(order) == [0, 1, 2, 3]
    for t in range(4):
        members = [
            run[order[t]] for run, order in zip(runs, clusters.order, strict=True)
        ]
        partners = {int(match_components([m], H).order[0]) for m in members}
        assert len(partners) == 1
    assert clusters.cosine.min() > 0.99


@pytest.mark.parametrize("method", ["matching", "kmeans"])
def test_08_copies_of_one_model_return_it(method):
    runs = np.tile(RNG.random((3, 12)), (5, 1, 1))
    agreed = spectra_consensus(runs, method=method)
    order, cosine = match_components(runs[0], agreed.components)
    np.testing.assert_allclose(cosine, 1)
    expected = runs[0] / runs[0].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(agreed.components[order], expected)
    np.testing.assert_allclose(agreed.silhouette, 1)
    np.testing.assert_allclose(agreed.share_of_runs, 1)


def test_08_the_order_of_runs_and_components_does_not_matter():
    runs, _ = noisy_runs()
    other = runs[RNG.permutation(len(runs))][:, RNG.permutation(4)]
    first, second = (spectra_consensus(A).components for A in (runs, other))
    order, _ = match_components(first, second)
    np.testing.assert_allclose(first, second[order], rtol=1e-9)


def test_08_kmeans_gives_the_numbers_of_cnmf():
    """Its steps, by scikit-learn and NumPy alone (Kotliar et al. 2019)."""
    runs, _ = noisy_runs(10, noise=0.4)
    runs[3, 1] = np.roll(runs[3, 1], 7)  # which no other run has
    merged = runs.reshape(-1, runs.shape[2])
    l2 = merged / np.linalg.norm(merged, axis=1, keepdims=True)
    distances = np.linalg.norm(l2[:, None] - l2[None], axis=2)
    n_nearest = int(0.3 * len(merged) / 4)
    nearest = np.sort(distances, axis=1)[:, : n_nearest + 1]
    density = nearest.sum(axis=1) / n_nearest
    kept = density < 0.5
    assert not kept.all()
    model = KMeans(4, n_init=10, random_state=1).fit(l2[kept])
    medians = np.stack([np.median(l2[kept][model.labels_ == t], 0) for t in range(4)])
    medians /= medians.sum(axis=1, keepdims=True)
    agreed = spectra_consensus(runs, method="kmeans")
    np.testing.assert_allclose(agreed.density.ravel(), density, atol=1e-7)
    np.testing.assert_array_equal(agreed.kept.ravel(), kept)
    np.testing.assert_allclose(agreed.components, medians, rtol=1e-9)
    cosine = silhouette_score(l2[kept], model.labels_, metric="cosine")
    weights = np.bincount(model.labels_) / kept.sum()
    np.testing.assert_allclose(agreed.silhouette @ weights, cosine)


def test_nothing_left_is_an_error_that_quotes_the_densities():
    runs = RNG.random((5, 2, 9))
    with pytest.raises(ValueError, match=r"density_threshold=0\.01 leaves 0 of 10"):
        spectra_consensus(runs, density_threshold=0.01)
    with pytest.raises(ValueError, match="quartiles"):
        spectra_consensus(runs, density_threshold=0.01)


@pytest.mark.parametrize(
    ("spectra", "message"),
    [
        (np.ones((3, 4)), r"shape \(3, 4\)"),
        (-np.ones((2, 2, 2)), "Negative values"),
        (np.full((2, 2, 2), np.inf), "NaN or infinite"),
    ],
)
def test_refused_spectra(spectra, message):
    with pytest.raises(ValueError, match=message):
        spectra_consensus(spectra)


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler"])
def test_planted_components_are_agreed_on(storage, loss):
    agreed = consensus(
        storage(X), 4, n_runs=12, beta_loss=loss, random_state=0, tol=1e-5
    )
    assert agreed.silhouette.min() > 0.9
    assert agreed.dispersion > 0.95
    assert agreed.labels.shape == (12, 80)
    assert agreed.labels.dtype == np.uint8
    best = NMF(
        4,
        solver="auto",
        n_init=5,
        init="random",
        random_state=1,
        beta_loss=loss,
        tol=1e-5,
    ).fit(X)
    _, cosine = match_components(best.components_, agreed.components_)
    assert cosine.min() > 0.99
    # W is exact beside the medians, and the model goes on from there
    np.testing.assert_allclose(agreed.model.transform(X), agreed.W, atol=1e-6)
    shares = agreed.W.sum(0) * agreed.components_.sum(1)
    assert np.all(np.diff(shares) <= 0)
    assert "4 components agreed on by 12 runs" in str(agreed)


def test_a_refit_of_H_lowers_the_error():
    plain, refitted = (
        consensus(X, 3, n_runs=8, random_state=0, refit_H=refit)
        for refit in (False, True)
    )
    before, after = (c.model.reconstruction_err_ for c in (plain, refitted))
    assert after < before
    np.testing.assert_allclose(
        np.linalg.norm(X - refitted.W @ refitted.components_), after, rtol=1e-9
    )


def test_threads_and_a_resumed_consensus_give_the_same_bits(tmp_path):
    whole = consensus(X, 30, n_runs=9, random_state=3, n_threads=1, density_threshold=2)
    path, groups = tmp_path / "runs", []

    def stop(group):
        groups.append(group)
        return group.runs >= 4

    part = consensus(
        X,
        30,
        n_runs=9,
        random_state=3,
        checkpoint=path,
        callback=stop,
        density_threshold=2,
    )
    assert len(part.spectra) == groups[-1].runs < 9
    again = consensus(
        X,
        30,
        n_runs=9,
        random_state=3,
        checkpoint=path,
        resume=True,
        density_threshold=2,
    )
    for name in ("components_", "W", "spectra", "labels", "objective"):
        assert np.array_equal(getattr(again, name), getattr(whole, name)), name


def test_an_interrupt_leaves_the_runs_so_far():
    def stop(group):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        consensus(X, 40, n_runs=9, random_state=0, callback=stop)
    assert len(caught.value.result.spectra) == 3


def test_the_model_is_saved_and_transforms(tmp_path):
    agreed = consensus(X, 4, n_runs=4, random_state=0)
    save(agreed.model, tmp_path / "model")
    np.testing.assert_array_equal(
        load(tmp_path / "model").components_, agreed.components_
    )


def test_12_two_groups_are_stable_and_five_are_not():
    """Two clear groups, as of the leukemias of Brunet et al. 2004 (benchmarks/rank.py)."""
    rng = np.random.default_rng(1)
    groups = np.repeat([0, 1], 19)
    base = rng.gamma(1.0, size=(2, 200)) + 0.2
    data = base[groups] * rng.gamma(8, 1 / 8, size=(38, 200))
    correlation = {
        k: consensus(data, k, n_runs=20, random_state=0, density_threshold=2).cophenetic
        for k in (2, 5)
    }
    assert correlation[2] > 0.999 > correlation[5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_runs": 0}, "n_runs"),
        ({"method": "median"}, "'matching', 'kmeans'"),
        ({"density_threshold": 0}, "density_threshold"),
        ({"neighbors": 2}, "neighbors"),
        ({"resume": True}, "checkpoint"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        consensus(X, 3, **options)


def test_runs_that_begin_on_a_sketch_end_at_minima_of_all_of_X():
    tall = RNG.gamma(0.4, size=(250, 3)) @ RNG.gamma(0.4, size=(3, 160))
    tall *= RNG.uniform(0.5, 1.5, tall.shape)
    options = {"n_runs": 4, "density_threshold": 2, "random_state": 0}
    agreed = consensus(tall, 3, n_threads=1, **options)
    for H, objective in zip(agreed.spectra, agreed.objective, strict=True):
        W = nnls(H.T, tall.T).T
        again = NMF(3, "custom", "hals", tol=1e-6, max_iter=500).fit(
            tall, W=np.ascontiguousarray(W), H=H.copy()
        )
        least = 0.5 * again.reconstruction_err_**2
        assert least <= objective * (1 + 1e-5) <= least * (1 + 1e-4)
    # with a limit of memory there is no sketch, and the runs end elsewhere by rounding
    limited = consensus(tall, 3, memory_limit="1 GB", **options)
    assert not np.array_equal(limited.spectra, agreed.spectra)
    np.testing.assert_allclose(
        limited.components_, agreed.components_, rtol=0.02, atol=0.01
    )
    other = consensus(tall, 3, n_threads=3, **options)
    assert np.array_equal(other.spectra, agreed.spectra)


@pytest.mark.parametrize("solver", ["hals", "cd", "bpp"])
def test_runs_in_float32_find_what_those_in_float64_find(solver):
    data = RNG.gamma(0.4, size=(120, 4)) @ RNG.gamma(0.4, size=(4, 90))
    data *= RNG.uniform(0.5, 1.5, data.shape)
    options = {"n_runs": 6, "density_threshold": 2, "random_state": 0}
    options |= {"solver": solver, "max_iter": 60}
    single = consensus(data, 4, tol=1.1e-5, **options)
    double = consensus(data, 4, tol=0.9e-5, **options)
    assert single.spectra.dtype == np.float32
    assert double.spectra.dtype == np.float64
    for one, other in zip(single.spectra, double.spectra, strict=True):
        assert match_components(one, other).cosine.min() > 1 - 1e-3
    assert single.objective.mean() <= double.objective.mean() * (1 + 1e-5)
    assert single.components_.dtype == single.W.dtype == np.float64
    # squares of such numbers are beyond the range of float32
    assert consensus(1e30 * data, 4, **options).spectra.dtype == np.float64


@pytest.mark.parametrize("storage", ["dense-C", "csr-array", "csc-array"])
def test_runs_by_kullback_leibler_are_in_float32_and_alone(storage):
    rng = np.random.default_rng(5)
    counts = rng.poisson(
        rng.gamma(0.4, size=(150, 4)) @ rng.gamma(0.4, size=(4, 90)) * 20
    )
    data, told = STORAGES[storage](counts.astype(float)), []
    options = {"n_runs": 5, "density_threshold": 2, "random_state": 0}
    options |= {"beta_loss": "kullback-leibler", "max_iter": 200}
    single = consensus(data, 4, tol=1.1e-5, callback=told.append, **options)
    double = consensus(data, 4, tol=0.9e-5, **options)
    assert [group.runs for group in told] == [1, 2, 3, 4, 5]
    assert single.spectra.dtype == np.float32
    assert double.spectra.dtype == np.float64
    for one, other in zip(single.spectra, double.spectra, strict=True):
        assert match_components(one, other).cosine.min() > 1 - 1e-3
    np.testing.assert_allclose(single.objective, double.objective, rtol=1e-4)
    assert single.components_.dtype == single.W.dtype == np.float64
    for n_threads in (1, 3):
        same = consensus(data, 4, tol=1.1e-5, n_threads=n_threads, **options)
        np.testing.assert_array_equal(same.spectra, single.spectra)
    # no other divergence: its powers have a narrower range
    other = options | {"beta_loss": 0.5, "n_runs": 2, "max_iter": 500}
    assert consensus(data, 4, **other).spectra.dtype == np.float64


def test_a_masked_array_is_refused():
    masked = np.ma.array(X, mask=X < 0.1)
    with pytest.raises(ValueError, match="consensus takes none that are missing"):
        consensus(masked, 3)
