"""`NMFImputer` fills what is missing and nothing else, in scikit-learn's manners."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from nonneg import NMF, NMFImputer
from support.combinations import covering
from support.gaps import incomplete

OPTIONS = {"init": "random", "random_state": 0, "max_iter": 300}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def gappy(dtype=np.float64, **options):
    X, V = incomplete(dtype=dtype, **options)
    return X, V, np.where(V, X, np.nan).astype(dtype)


@pytest.mark.parametrize(
    ("solver", "loss", "dtype"),
    covering(["auto", "hals", "mu"], ["frobenius", 1], [np.float64, np.float32])[:4],
)
def test_gaps_are_filled_by_the_factorization(solver, loss, dtype):
    if solver == "hals":
        loss = "frobenius"
    X, V, N = gappy(dtype)
    imputer = NMFImputer(3, solver=solver, beta_loss=loss, **OPTIONS)
    filled = imputer.fit_transform(N)
    assert filled.dtype == dtype
    np.testing.assert_array_equal(filled[V], X[V])
    model = NMF(3, solver=solver, beta_loss=loss, missing_values=np.nan, **OPTIONS)
    product = model.fit_transform(N) @ model.components_
    np.testing.assert_allclose(filled[~V], product[~V], rtol=1e-5)
    assert np.abs(filled - X)[~V].mean() < 0.3 * np.abs(X[~V] - X[V].mean()).mean()
    if solver != "mu":
        np.testing.assert_allclose(imputer.transform(N), filled, rtol=1e-3, atol=1e-3)
    assert np.isnan(N[~V]).all()


def test_sparse_X_stays_sparse():
    X, V, N = gappy()
    dense = NMFImputer(3, **OPTIONS).fit_transform(N)
    for kind in (sp.csr_array, sp.csc_matrix):
        filled = NMFImputer(3, **OPTIONS).fit_transform(kind(N))
        assert sp.issparse(filled)
        assert filled.format == kind(N).format
        np.testing.assert_allclose(filled.toarray(), dense, rtol=0.1, atol=0.02)
        np.testing.assert_array_equal(filled.toarray()[V], X[V])


def test_zeros_may_be_what_is_missing():
    X, V, _ = gappy()
    X += 0.5
    zeros = np.where(V, X, 0)
    filled = NMFImputer(3, missing_values=0, **OPTIONS).fit_transform(zeros)
    other = NMFImputer(3, **OPTIONS).fit_transform(np.where(V, X, np.nan))
    np.testing.assert_allclose(filled, other, rtol=1e-6)


def test_masked_arrays_are_filled():
    X, V, N = gappy()
    filled = NMFImputer(3, **OPTIONS).fit_transform(np.ma.array(X, mask=~V))
    np.testing.assert_array_equal(filled, NMFImputer(3, **OPTIONS).fit_transform(N))


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_indicator(kind):
    _, _, N = gappy()
    N[:, 2] = 1.0
    imputer = NMFImputer(3, add_indicator=True, **OPTIONS)
    filled = imputer.fit_transform(kind(N))
    plain = NMFImputer(3, **OPTIONS).fit_transform(kind(N))
    if sp.issparse(filled):
        filled, plain = filled.toarray(), plain.toarray()
    m = N.shape[1]
    np.testing.assert_array_equal(filled[:, :m], plain)
    gaps = np.isnan(N)
    np.testing.assert_array_equal(filled[:, m:], gaps[:, gaps.any(axis=0)])
    names = imputer.get_feature_names_out()
    assert len(names) == filled.shape[1]
    assert names[m] == "missingindicator_x0"


def test_frames_come_out_as_frames():
    pandas = pytest.importorskip("pandas")
    X, V, N = gappy()
    names = [f"c{j}" for j in range(N.shape[1])]
    frame = pandas.DataFrame(N, columns=names, index=np.arange(len(N)) * 10)
    imputer = NMFImputer(3, **OPTIONS).set_output(transform="pandas")
    for form in (frame, frame.convert_dtypes()):
        filled = imputer.fit_transform(form)
        assert list(filled.columns) == names
        assert (filled.index == frame.index).all()
        np.testing.assert_array_equal(filled.to_numpy()[V], X[V])
    assert list(imputer.feature_names_in_) == names


def test_in_a_pipeline_and_a_grid_search():
    _, _, N = gappy(shape=(60, 12))
    y = np.nansum(N, axis=1)
    pipeline = make_pipeline(
        NMFImputer(solver="hals", alpha_W=0.01, **OPTIONS), LinearRegression()
    )
    search = GridSearchCV(pipeline, {"nmfimputer__n_components": [1, 3]}, cv=3)
    search.fit(N, y)
    assert search.best_score_ > 0.3
    assert np.isfinite(search.predict(N)).all()
    assert clone(search.best_estimator_).get_params()["nmfimputer__alpha_W"] == 0.01


def test_a_row_without_anything_observed():
    _, _, N = gappy()
    imputer = NMFImputer(3, **OPTIONS).fit(N)
    N[4] = np.nan
    with pytest.warns(UserWarning, match="no observed entry"):
        assert (imputer.transform(N)[4] == 0).all()


@pytest.mark.parametrize(
    ("parameters", "X", "text"),
    [
        ({"missing_values": "unstored"}, np.ones((4, 3)), "inverse_transform"),
        ({"missing_values": -1}, np.ones((4, 3)), "'missing_values' parameter"),
        ({"add_indicator": 1}, np.ones((4, 3)), "'add_indicator' parameter"),
        ({"missing_values": 0}, sp.csr_array(np.ones((4, 3))), "toarray"),
        ({}, -np.ones((4, 3)), "Negative values"),
        ({"solver": "pg"}, np.array([[1.0, np.nan], [1.0, 2.0]]), "hals"),
    ],
)
def test_refusals(parameters, X, text):
    with pytest.raises(ValueError, match=text):
        NMFImputer(1, **parameters).fit(X)
