"""The choice of entries to hold out: exact, of observed entries alone, and symmetric."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from nonneg import holdout
from nonneg.analysis import holding_out


def gappy(shape, seed=0):
    """Numbers, zeros and NaN."""
    rng = np.random.default_rng(seed)
    X = rng.random(shape)
    X[rng.random(shape) < 0.3] = 0
    X[rng.random(shape) < 0.1] = np.nan
    return X


@given(
    shape=st.tuples(st.integers(1, 12), st.integers(2, 12)),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 99),
)
def test_the_share_is_exact_and_of_observed_entries(shape, fraction, seed):
    X = gappy(shape, seed)
    observed = ~np.isnan(X)
    if observed.sum() < 2:
        with pytest.raises(ValueError, match="two observed entries"):
            holdout(X, fraction, seed)
        return
    weights, where = holdout(X, fraction, seed)
    wanted = min(max(1, round(fraction * observed.sum())), observed.sum() - 1)
    # in a square X two entries are chosen together
    slack = int(shape[0] == shape[1])
    assert abs(int(where.sum()) - wanted) <= slack
    assert not (where & ~observed).any()
    assert ((weights | where) == observed).all()
    assert not (weights & where).any()


@pytest.mark.parametrize("shape", [(40, 30), (30, 40), (33, 33)])
@pytest.mark.parametrize("missing", [None, np.nan, 0])
def test_the_transpose_gives_the_transposed_choice(shape, missing):
    X = gappy(shape)
    weights, where = holdout(X, 0.2, 3, missing_values=missing)
    turned = holdout(X.T, 0.2, 3, missing_values=missing)
    assert (weights == turned[0].T).all()
    assert (where == turned[1].T).all()


def test_a_symmetric_matrix_is_held_out_symmetrically():
    X = np.random.default_rng(0).random((31, 31))
    _, where = holdout(X + X.T, 0.1, 0)
    assert (where == where.T).all()


@pytest.mark.parametrize("format", ["csr", "csc", "coo"])
def test_sparse_equals_dense(format):
    X = gappy((40, 30))
    S = sp.coo_array(X).asformat(format)
    for dense, sparse in zip(holdout(X, 0.2, 3), holdout(S, 0.2, 3), strict=True):
        assert (dense == sparse).all()
    dense = holdout(X, 0.2, 3, missing_values=0)
    for array, stored in zip(
        dense, holdout(S, 0.2, 3, missing_values="unstored"), strict=True
    ):
        assert stored.format == "csr"
        assert stored.nnz == array.sum()
        assert (stored.toarray() == array).all()


def test_stored_zeros_are_observed():
    S = sp.csr_array(np.ones((5, 4)))
    S.data[:10] = 0
    weights, where = holdout(S, 0.5, 0, missing_values="unstored")
    assert weights.nnz == where.nnz == 10


def test_other_gaps_do_not_move_the_choice():
    """An entry's draw depends on its place alone, so the order of the draws stays."""
    X = np.ones((50, 20))
    _, before = holdout(X, 0.3, 1)
    X[0] = np.nan
    _, after = holdout(X, 0.3, 1)
    assert (after[1:] >= before[1:]).all() or (after[1:] <= before[1:]).all()


def test_masked_arrays_and_memory_maps(tmp_path):
    X = gappy((20, 10))
    hidden = np.ma.masked_invalid(X)
    assert (holdout(hidden, 0.2, 0)[1] == holdout(X, 0.2, 0)[1]).all()
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert (holdout(mapped, 0.2, 0)[1] == holdout(X, 0.2, 0)[1]).all()


def test_draws_look_uniform():
    """Rows and columns each lose their share, within five standard deviations."""
    n, m, share = 400, 300, 0.1
    _, where = holdout(np.ones((n, m)), share, 0)
    for axis, count in ((0, n), (1, m)):
        expected = share * count
        spread = np.sqrt(count * share * (1 - share))
        assert np.abs(where.sum(axis=axis) - expected).max() < 5 * spread
    other = holdout(np.ones((n, m)), share, 1)[1]
    both = (where & other).sum()
    assert abs(both - share**2 * n * m) < 5 * share * np.sqrt(n * m)


def test_blocks_do_not_matter(monkeypatch):
    X, S = gappy((40, 30)), sp.csr_array(gappy((40, 30)))
    dense, stored = holdout(X, 0.2, 3), holdout(S, 0.2, 3, missing_values="unstored")
    monkeypatch.setattr(holding_out, "BLOCK", 70)
    monkeypatch.setattr(holding_out, "MARGIN", -4.3)  # hardly any spare
    assert (holdout(X, 0.2, 3)[1] == dense[1]).all()
    again = holdout(S, 0.2, 3, missing_values="unstored")
    assert (again[1] != stored[1]).nnz == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"fraction": 0}, "'fraction' parameter of holdout"),
        ({"fraction": 1.0}, "'fraction' parameter of holdout"),
        ({"missing_values": "zero"}, "'missing_values' parameter of holdout"),
        ({"missing_values": 3}, "'missing_values' parameter of holdout"),
        ({"missing_values": "unstored"}, "is for sparse X"),
    ],
)
def test_refusals(arguments, text):
    with pytest.raises(ValueError, match=text):
        holdout(np.ones((5, 4)), **arguments)
