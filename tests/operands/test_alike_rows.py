"""Rows that show the same entries are solved for together: the same factors, sooner."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF
from nonneg.base import alike_rows as module
from nonneg.base.alike_rows import LEAST_ALIKE, alike_rows
from nonneg.operands.observed_half_steps import LEAST_TOGETHER
from support.cases import DTYPES
from support.combinations import covering
from support.gaps import SPELLINGS


def panel(dtype=np.float64, n=3 * LEAST_ALIKE + 20, m=30):
    """Three groups of rows with the same gaps, one of them without any, and 20 others."""
    rng = np.random.default_rng(0)
    X = rng.random((n, 4)) @ rng.random((4, m)) + 0.05 * rng.random((n, m))
    patterns = rng.random((3, m)) > np.array([0.0, 0.3, 0.5])[:, None]
    V = rng.random((n, m)) > 0.3
    V[20:] = np.repeat(patterns, LEAST_ALIKE, axis=0)
    mixed = rng.permutation(n)
    return X[mixed].astype(dtype), V[mixed]


def test_groups_are_the_rows_that_are_equal():
    _, V = panel()
    alike = alike_rows(sp.csr_array(V * 1.0))
    assert len(alike.groups) == 3
    assert alike.others.size == 20
    numbers = np.concatenate([*alike.groups, alike.others])
    np.testing.assert_array_equal(np.sort(numbers), np.arange(len(V)))
    for rows in alike.groups:
        assert (V[rows] == V[rows[0]]).all()
    np.testing.assert_array_equal(alike.named.toarray(), V[alike.others])


def test_weights_count_as_places_do():
    named = sp.csr_array(np.ones((2 * LEAST_ALIKE, 5)))
    named.data[: 5 * LEAST_ALIKE] = 0.5
    assert [len(rows) for rows in alike_rows(named).groups] == [LEAST_ALIKE] * 2
    assert alike_rows(named[: LEAST_ALIKE - 1]) is None
    rng = np.random.default_rng(0)
    assert (
        alike_rows(sp.random_array((900, 50), density=0.2, random_state=rng).tocsr())
        is None
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_exact_rows_of_many_components(monkeypatch, dtype):
    X, V = panel(dtype, m=2 * LEAST_TOGETHER)
    options = {"init": "random", "random_state": 0, "max_iter": 2, "tol": 0}
    values = np.where(V, X, np.nan).astype(dtype)
    model = NMF(LEAST_TOGETHER, missing_values=np.nan, alpha_W=0.01, **options)
    model.fit(values[:50])
    together = model.transform(values)
    monkeypatch.setattr(module, "LEAST_ALIKE", 10**6)
    rtol = 1e-7 if dtype == np.float64 else 1e-3
    np.testing.assert_allclose(together, model.transform(values), rtol=rtol, atol=rtol)


@pytest.mark.parametrize(
    ("solver", "spelling", "alpha", "by_rows", "dtype"),
    covering(
        ["hals", "bpp"],
        ["unstored-csr", "unstored-csc", "weights-sparse"],
        [0.0, 0.1],
        [False, True],
        DTYPES,
    ),
)
def test_groups_change_no_factor(monkeypatch, solver, spelling, alpha, by_rows, dtype):
    X, V = panel(dtype)
    values, missing, arguments = SPELLINGS[spelling](X, V)
    if by_rows:
        weights = np.random.default_rng(1).integers(1, 4, len(X))
        arguments = {**arguments, "sample_weight": weights}
    options = {
        "init": "random", "random_state": 0, "tol": 0, "max_iter": 6, "alpha_W": alpha,
        "missing_values": missing, "solver": solver,
    }  # fmt: skip
    fits = []
    for least in (LEAST_ALIKE, 10**6):
        monkeypatch.setattr(module, "LEAST_ALIKE", least)
        model = NMF(4, **options)
        fits.append((model.fit_transform(values, **arguments), model.components_))
        fits[-1] += (model.history_["objective"], model.reconstruction_err_)
    rtol = 1e-7 if dtype == np.float64 else 1e-2
    for grouped, apart in zip(*fits, strict=True):
        np.testing.assert_allclose(grouped, apart, rtol=rtol, atol=0.1 * rtol)
