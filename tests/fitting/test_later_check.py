"""`transform` of a large dense X, whose entries are checked in the pass that solves for W."""

from __future__ import annotations

import numpy as np
import pytest

from nonneg import NMF, MiniBatchNMF
from nonneg.fitting.preparation import LATER_BYTES
from support.cases import DTYPES
from support.requirements import needs_core

N_ROWS, N_COLUMNS = 3000, 90
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def large(dtype):
    rng = np.random.default_rng(0)
    X = rng.random((N_ROWS, 5)) @ rng.random((5, N_COLUMNS))
    assert X.astype(dtype).nbytes >= LATER_BYTES
    return X.astype(dtype)


def fitted(X, solver="hals", **options):
    return NMF(5, solver=solver, random_state=0, max_iter=5, **options).fit(X[:100])


@pytest.mark.parametrize("solver", ["auto", "hals", "bpp", "cd", "mu", "pg"])
@pytest.mark.parametrize("order", ["C", "F", "strided", "read only"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_W_is_that_of_few_rows_and_of_out(dtype, order, solver):
    plain = large(dtype)
    model = fitted(plain, solver)
    X = {"F": np.asfortranarray(plain), "strided": np.repeat(plain, 2, 1)[:, ::2]}.get(
        order, plain.copy()
    )
    X.flags.writeable = order != "read only"
    W, out = model.transform(X), np.empty((N_ROWS, 5), dtype)
    model.transform(X, out=out)
    few = np.concatenate([model.transform(X[:70]), model.transform(X[70:80])])
    if solver in ("auto", "hals", "bpp") and order != "F":
        np.testing.assert_array_equal(W, out)
        np.testing.assert_array_equal(W[:80], few)
    np.testing.assert_array_equal(X, plain)
    assert np.abs(W @ model.components_ - plain).max() < plain.max()


@pytest.mark.parametrize("solver", ["hals", "cd"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e-3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_an_entry_is_refused_as_elsewhere(dtype, value, solver):
    X = large(dtype)
    model = fitted(X, solver)
    X[N_ROWS - 7, 5] = value
    with pytest.raises(ValueError, match=r"Negative|NaN|infinity") as few:
        model.transform(X[-20:])
    with pytest.raises(ValueError, match=r"Negative|NaN|infinity") as many:
        model.transform(X)
    assert str(many.value) == str(few.value)


@pytest.mark.parametrize("exponent", [-80, 70])
def test_an_X_beyond_the_range_of_squares_is_solved_in_other_units(exponent):
    X = large(np.float32)
    model = fitted(X)
    W = model.transform(X)
    scaled = model.transform(np.ldexp(X, exponent))
    np.testing.assert_allclose(np.ldexp(scaled, -exponent), W, rtol=1e-4, atol=1e-6)


@needs_core  # NumPy's sum warns
def test_an_X_whose_sum_overflows_is_solved_in_other_units():
    X = large(np.float64)
    model = fitted(X)
    unit = 2.0**1021 / X.max()
    W = model.transform(X * unit)
    np.testing.assert_allclose(W / unit, model.transform(X), rtol=1e-6, atol=1e-9)


def test_components_of_0_refuse_entries_too():
    X = large(np.float64)
    model = fitted(X)
    model.components_ = np.zeros_like(model.components_)
    assert not model.transform(X).any()
    X[5, 5] = -1
    with pytest.raises(ValueError, match="Negative"):
        model.transform(X)


def test_mini_batches_refuse_entries_too():
    X = large(np.float64)
    model = MiniBatchNMF(5, random_state=0, max_iter=2).fit(X[:100])
    X[5, 5] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.transform(X)
