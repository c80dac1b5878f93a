"""Whether the entries of a compressed matrix are in order, each once: SciPy's own answer."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from nonneg.kernels import csr_format
from nonneg.kernels.csr_format import is_canonical, known_canonical, rises
from nonneg.operands.registration import as_operand


@st.composite
def compressed(draw):
    """Vectors of a CSR of few columns, so that rows often are in order and often not."""
    rows = draw(
        st.lists(st.lists(st.integers(0, 4), max_size=4), min_size=1, max_size=6)
    )
    in_order = draw(st.booleans())
    rows = [sorted(set(row)) if in_order else row for row in rows]
    indices = np.array([j for row in rows for j in row], dtype=np.int32)
    indptr = np.cumsum([0, *map(len, rows)]).astype(np.int32)
    return indices, indptr


def unknown(indices, indptr):
    X = sp.csr_array((indptr.size - 1, 5))
    X.data, X.indices, X.indptr = np.ones(indices.size), indices, indptr
    return X


@given(compressed(), st.integers(1, 5))
def test_the_answer_is_scipys(vectors, at_once):
    before, csr_format.AT_ONCE = csr_format.AT_ONCE, at_once
    try:
        found = rises(*vectors)
    finally:
        csr_format.AT_ONCE = before
    assert found == unknown(*vectors).has_canonical_format


def some(format):
    """A matrix in order, of which SciPy has not been asked."""
    A = np.random.default_rng(0).random((30, 20))
    X = sp.csr_array(np.where(A < 0.3, A, 0)).asformat(format)
    vars(X).pop("_has_canonical_format", None)
    return X


@pytest.mark.parametrize("format", ["csr", "csc"])
def test_it_is_asked_once_and_what_is_known_is_believed(monkeypatch, format):
    X = some(format)
    assert is_canonical(X)
    monkeypatch.setattr(csr_format, "rises", None)  # must not be called again
    assert is_canonical(X)
    X.has_canonical_format = False
    assert not is_canonical(X)


def test_rows_known_to_be_canonical_and_their_transpose_are_not_looked_over(
    monkeypatch,
):
    X = some("csr")
    monkeypatch.setattr(csr_format, "rises", None)
    known = known_canonical(X.data, X.indices, X.indptr, X.shape)
    turned = as_operand(known).T
    assert np.shares_memory(turned.X.data, X.data)
    np.testing.assert_array_equal(turned.X.toarray(), X.toarray().T)
