"""Fits of X with missing and weighted entries: equivalences that hold to rounding, or by bits."""

from __future__ import annotations

import warnings

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF, MiniBatchNMF, non_negative_factorization

SOLVERS = {
    "hals": "frobenius", "bpp": "frobenius", "cd": "frobenius", "mu": 1.5,
    "sn": "kullback-leibler",
}  # fmt: skip
PENALTIES = ({}, {"alpha_W": 0.01, "l1_ratio": 0.5}, {"alpha": 0.1, "l1_ratio": 0.3})


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def low_rank(rng, shape=(40, 30), k=3):
    X = rng.random((shape[0], k)) @ rng.random((k, shape[1])) + 0.05
    X[rng.random(shape) < 0.1] = 0
    return X


def with_gaps(rng, X, share=0.3):
    hidden = rng.random(X.shape) < share
    return np.where(hidden, np.nan, X), hidden


def quiet(model, X, **arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit_transform(X, **arguments)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
@pytest.mark.parametrize("gaps", [False, True])
def test_integer_weights_are_repeated_rows_and_columns(rng, solver, penalty, gaps):
    X = low_rank(rng)
    if gaps:
        X, _ = with_gaps(rng, X)
    r, c = rng.integers(0, 4, X.shape[0]), rng.integers(1, 3, X.shape[1])
    W, H = rng.random((X.shape[0], 3)) + 0.1, rng.random((3, X.shape[1])) + 0.1
    options = dict(
        init="custom", solver=solver, beta_loss=SOLVERS[solver], tol=0, max_iter=6,
        missing_values=np.nan if gaps else None, **penalty,
    )  # fmt: skip
    weighted, repeated = NMF(3, **options), NMF(3, **options)
    ours = quiet(weighted, X, W=W, H=H, sample_weight=r, feature_weight=c)
    theirs = quiet(
        repeated, np.repeat(np.repeat(X, r, axis=0), c, axis=1),
        W=np.repeat(W, r, axis=0), H=np.repeat(H, c, axis=1),
    )  # fmt: skip
    np.testing.assert_allclose(np.repeat(ours, r, axis=0), theirs, atol=1e-10)
    columns = np.repeat(weighted.components_, c, axis=1)
    np.testing.assert_allclose(columns, repeated.components_, atol=1e-10)
    objectives = (m.history_["objective"][-1] for m in (weighted, repeated))
    assert next(objectives) == pytest.approx(next(objectives), nan_ok=True)
    assert weighted.reconstruction_err_ == pytest.approx(repeated.reconstruction_err_)
    if solver in ("hals", "bpp", "sn"):
        # rows of weight 0 are left out of the fit and transformed
        np.testing.assert_allclose(ours, quiet_transform(weighted, X), atol=1e-6)


def quiet_transform(model, X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.transform(X)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "init", ["random", "nndsvd", "nndsvda", "nndsvdar", "nnsvd-lrc", "spa"]
)
def test_no_value_of_a_missing_entry_changes_a_bit(rng, solver, init):
    X, hidden = with_gaps(rng, low_rank(rng))
    options = {
        "init": init,
        "solver": solver,
        "beta_loss": SOLVERS[solver],
        "max_iter": 4,
        "random_state": 0,
    }
    results = []
    for value in (0.0, 1e6):
        filled = np.where(hidden, value, X)
        model = NMF(3, **options)
        W = quiet(model, filled, weights=(~hidden).astype(float))
        results.append((W, model.components_, model.reconstruction_err_))
    model = NMF(3, missing_values=np.nan, **options)
    results.append((quiet(model, X), model.components_, model.reconstruction_err_))
    for result in results[1:]:
        for ours, first in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(ours, first)


@pytest.mark.parametrize("solver", SOLVERS)
def test_storages_of_the_same_entries(rng, solver):
    X, hidden = with_gaps(rng, low_rank(rng) + 0.1)
    shown = sp.coo_array((X[~hidden], np.nonzero(~hidden)), shape=X.shape).tocsr()
    with_nan = sp.csr_array(np.nan_to_num(X))
    with_nan = sp.csr_array(with_nan + sp.csr_array(np.where(hidden, np.nan, 0)))
    values = []
    for A, missing in (
        (X, np.nan), (np.asfortranarray(X), np.nan), (shown, "unstored"),
        (shown.tocsc(), "unstored"), (with_nan, np.nan), (np.nan_to_num(X), 0),
    ):  # fmt: skip
        model = NMF(
            3, solver=solver, beta_loss=SOLVERS[solver], init="nndsvda", max_iter=400,
            tol=1e-6, missing_values=missing,
        )  # fmt: skip
        quiet(model, A)
        assert model.n_observed_ == np.count_nonzero(~hidden)
        values.append(model.reconstruction_err_)
    np.testing.assert_allclose(values, values[0], rtol=2e-3)


def test_in_parts_and_on_workers(rng, tmp_path):
    X, _ = with_gaps(rng, low_rank(rng, (120, 20)))
    np.save(tmp_path / "X.npy", X)
    inputs = (
        X,
        np.load(tmp_path / "X.npy", mmap_mode="r"),
        lambda: iter([X[:50], X[50:]]),
        da.from_array(X, chunks=(50, 20)),
    )
    for solver, loss in (
        ("hals", "frobenius"),
        ("mu", "frobenius"),
        ("cd", "frobenius"),
    ):
        results = []
        for A in inputs:
            model = NMF(
                3, init="random", solver=solver, beta_loss=loss, max_iter=8, tol=0,
                random_state=0, missing_values=np.nan,
            )  # fmt: skip
            W = quiet(model, A, sample_weight=np.arange(1.0, 121.0))
            results.append(np.asarray(W))
        for W in results[1:]:
            np.testing.assert_allclose(W, results[0], rtol=1e-8, atol=1e-10)


def test_a_fit_with_gaps_goes_on_from_its_checkpoint(rng, tmp_path):
    X, _ = with_gaps(rng, low_rank(rng))
    options = {
        "n_components": 3, "init": "random", "solver": "hals", "random_state": 0, "tol": 0,
        "missing_values": np.nan, "n_init": 2,
    }  # fmt: skip
    arguments = {"sample_weight": rng.random(X.shape[0]) + 0.5}
    whole = NMF(max_iter=12, **options)
    W = quiet(whole, X, **arguments)
    path = tmp_path / "fit"
    quiet(NMF(max_iter=5, checkpoint=path, **options), X, **arguments)
    resumed = NMF(max_iter=12, checkpoint=path, resume=True, **options)
    np.testing.assert_array_equal(quiet(resumed, X, **arguments), W)
    other = NMF(max_iter=12, checkpoint=path, resume=True, **options)
    with pytest.raises(ValueError, match="of another fit"):
        quiet(other, X, sample_weight=np.ones(X.shape[0]) * 2)


@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler", 1.5])
def test_batches_leave_out_what_is_missing(rng, loss):
    X, hidden = with_gaps(rng, low_rank(rng, (100, 20)) + 0.1)
    options = {
        "batch_size": 25,
        "beta_loss": loss,
        "init": "random",
        "random_state": 0,
        "max_iter": 30,
    }
    model = MiniBatchNMF(3, missing_values=np.nan, **options)
    W = quiet(model, X)
    other = MiniBatchNMF(3, **options)
    weights = (~hidden).astype(float)
    Wo = quiet(other, np.where(hidden, 1e6, X), weights=weights)
    np.testing.assert_array_equal(W, Wo)
    first = MiniBatchNMF(3, **{**options, "max_iter": 1}, missing_values=np.nan)
    quiet(first, X)
    assert model.reconstruction_err_ < first.reconstruction_err_


def test_refusals_name_what_works(rng):
    X, hidden = with_gaps(rng, low_rank(rng))
    with pytest.raises(ValueError, match=r"missing_values=numpy\.nan"):
        NMF(3).fit(X)
    with pytest.raises(ValueError, match="'hals'"):
        NMF(3, solver="pg", missing_values=np.nan).fit(X)
    with pytest.raises(ValueError, match="compress=False"):
        NMF(3, solver="hals", compress=True, missing_values=np.nan).fit(X)
    with pytest.raises(ValueError, match="blocks=None"):
        NMF(3, solver="hals", blocks=2, missing_values=np.nan).fit(X)
    with pytest.raises(ValueError, match="sparse X"):
        NMF(3, missing_values="unstored").fit(np.nan_to_num(X))
    with pytest.raises(ValueError, match="shape"):
        NMF(3).fit(np.nan_to_num(X), weights=np.ones((3, 3)))
    with pytest.raises(ValueError, match="at least 0"):
        NMF(3).fit(np.nan_to_num(X), weights=-np.ones(X.shape))
    with pytest.raises(ValueError, match="sample_weight"):
        NMF(3).fit(np.nan_to_num(X), sample_weight=np.ones(3))
    with pytest.raises(ValueError, match="row 0, column"):
        NMF(3).fit(np.where(hidden, np.nan, 1.0), weights=np.ones(X.shape))
    with pytest.raises(ValueError, match="missing_values"):
        NMF(3, missing_values="nan").fit(X)
    with pytest.raises(ValueError, match="exact_statistics=False"):
        MiniBatchNMF(3, exact_statistics=True, missing_values=np.nan).fit(X)


def test_rows_without_entries_are_zero_with_one_warning(rng):
    X, _ = with_gaps(rng, low_rank(rng))
    X[[3, 7]] = np.nan
    model = NMF(3, solver="hals", init="random", missing_values=np.nan, random_state=0)
    with pytest.warns(UserWarning, match="2 of 40 rows of X have no observed entry"):
        W = model.fit_transform(X)
    assert not W[[3, 7]].any()
    assert np.isfinite(W).all()
    X, _ = with_gaps(rng, low_rank(rng))
    X[:, 4] = np.nan
    with pytest.warns(UserWarning, match="1 of 30 columns"):
        model.fit(X)
    assert not model.components_[:, 4].any()


def test_rows_that_show_too_little_bring_one_warning(rng):
    X = low_rank(rng)
    X[:5, 2:] = np.nan
    model = NMF(3, solver="hals", init="random", missing_values=np.nan, random_state=0)
    with pytest.warns(UserWarning, match="5 of 40 rows of X have fewer observed"):
        model.fit(X)
    model.set_params(alpha_W=0.01).fit(X)  # with a penalty there is no warning


def test_the_function_takes_weights(rng):
    X = low_rank(rng)
    W, H, _ = non_negative_factorization(
        X, n_components=3, solver="hals", random_state=0, sample_weight=np.full(40, 7.0)
    )
    plain = non_negative_factorization(X, n_components=3, solver="hals", random_state=0)
    np.testing.assert_allclose(W @ H, plain[0] @ plain[1], atol=1e-3)
