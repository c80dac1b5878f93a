"""Masked arrays and frames keep their own meaning of missing on the way to a fit."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg.base.missing import as_marked, spell_missing

rng = np.random.default_rng(0)
X = rng.random((6, 4))
GAPS = rng.random(X.shape) < 0.3
NAN = np.where(GAPS, np.nan, X)


def frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(NAN)
    return {
        "nullable": frame.convert_dtypes(),
        "nullable-float32": frame.astype("Float32"),
        "objects": frame.astype(object).where(~GAPS, None),
        "objects-NA": frame.astype(object).where(~GAPS, pandas.NA),
    }


@pytest.mark.parametrize(
    "name", ["nullable", "nullable-float32", "objects", "objects-NA"]
)
def test_na_of_frames(name):
    frame = frames()[name]
    spelled = spell_missing(frame)
    dtype = np.float32 if name == "nullable-float32" else np.float64
    assert spelled.X.dtype == dtype
    np.testing.assert_array_equal(spelled.X, NAN.astype(dtype))
    assert np.isnan(spelled.missing_values)
    assert as_marked(frame, np.nan)[0].dtype == dtype
    assert as_marked(frame, None) == (frame, None) or as_marked(frame, None)[0] is frame


def test_arrow_columns():
    pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(NAN).astype("float[pyarrow]")
    np.testing.assert_array_equal(spell_missing(frame).X, NAN.astype(np.float32))


def test_frames_of_sparse_columns():
    pandas = pytest.importorskip("pandas")
    missing = pandas.DataFrame(NAN).astype(pandas.SparseDtype(float, np.nan))
    spelled = spell_missing(missing)
    assert spelled.missing_values == "unstored"
    assert spelled.X.nnz == np.count_nonzero(~GAPS)
    assert (spelled.X.toarray() == np.where(GAPS, 0, X)).all()
    for word in (np.nan, "unstored"):
        values, observed = as_marked(missing, word)
        assert (values != spelled.X).nnz == 0
        assert observed.dtype == bool
        assert (observed.toarray() == ~GAPS).all()
    assert as_marked(missing, None)[0] is missing
    zeros = pandas.DataFrame(np.where(GAPS, 0, X)).astype(pandas.SparseDtype(float, 0))
    assert spell_missing(zeros).missing_values is None
    assert sp.issparse(spell_missing(zeros).X)
    assert as_marked(zeros, None) == (zeros, None) or as_marked(zeros, None)[0] is zeros


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_masked_arrays(dtype):
    values = (10 * X).astype(dtype)
    masked = np.ma.array(values, mask=GAPS)
    before = masked.copy()
    spelled, observed = as_marked(masked, np.nan)
    assert observed is None
    assert (np.isnan(spelled) == GAPS).all()
    assert spelled.dtype == (np.float32 if dtype == np.float32 else np.float64)
    for word in (None, 0):
        filled, observed = as_marked(masked, word)
        assert (observed == ~GAPS).all()
        assert (filled == np.where(GAPS, 0, values)).all()
    assert (masked.data == before.data).all()
    assert (masked.mask == before.mask).all()


def test_what_has_no_gaps_is_left_as_it_is():
    unmasked = np.ma.array(X)
    assert as_marked(unmasked, None)[0] is not unmasked
    assert (as_marked(unmasked, None)[0] == X).all()
    for plain in (X, NAN, sp.csr_array(X), X.tolist(), "text"):
        assert as_marked(plain, np.nan)[0] is plain
    pandas = pytest.importorskip("pandas")
    for frame in (pandas.DataFrame(X), pandas.DataFrame({"a": ["x", None]})):
        assert as_marked(frame, np.nan)[0] is frame
