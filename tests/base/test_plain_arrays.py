"""Short ways around checks accept what the checks accept, and refuse what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.utils import check_array

from nonneg import NMF
from nonneg.base.parameters import Parameters
from nonneg.base.rules import InvalidParameterError
from nonneg.base.validation import check_X, is_plain_matrix, is_plain_sparse
from nonneg.fitting.preparation import validated

X = np.random.default_rng(0).random((6, 5))
unaligned = np.frombuffer(bytes(1) + X.tobytes(), offset=1).reshape(X.shape)
ARRAYS = {
    "float64": (X, True),
    "float32": (X.astype("f4"), True),
    "columns": (np.asfortranarray(X), True),
    "gaps": (X[::2, ::2], True),
    "integers": (np.ones((3, 3), int), False),
    "float16": (X.astype("f2"), False),
    "other bytes": (X.astype(">f8"), False),
    "empty": (X[:0], False),
    "vector": (X[0], False),
    "masked": (np.ma.masked_array(X), False),
    "unaligned": (unaligned, False),
    "list": (X.tolist(), False),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_a_plain_matrix_is_one_that_scikit_learn_returns_as_it_is(name: str) -> None:
    A, plain = ARRAYS[name]
    assert is_plain_matrix(A) == plain
    if plain:
        assert check_array(A, dtype=[np.float64, np.float32]) is A
        assert check_X(A) is A


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_array, sp.coo_matrix])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
def test_plain_sparse_matrices_are_fitted_as_checked_ones(
    kind: Any, dtype: str
) -> None:
    S = kind(np.rint(4 * X).astype(dtype))
    assert is_plain_sparse(S) == (S.format != "coo" and dtype != "i4")
    model = NMF(2, init="random", random_state=0, max_iter=3, tol=0)
    W = model.fit_transform(S)
    assert model.n_features_in_ == 5
    np.testing.assert_array_equal(W, model.fit_transform(check_X(S)))
    with pytest.raises(ValueError, match="X has 4 features"):
        model.transform(S.tocsr()[:, :4])
    if dtype != "i4":
        S.data[1] = np.nan
        with pytest.raises(ValueError, match="NaN"):
            model.fit(S)
    assert not is_plain_sparse(S.tocsr()[:0])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_all_the_same(dtype: str, value: float) -> None:
    bad = X.astype(dtype)
    bad[2, 3] = value
    fine, H = np.ones((6, 2), dtype), np.ones((2, 5), dtype)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        check_X(bad)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        NMF(2).fit(bad)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        NMF(2, init="custom").fit(X.astype(dtype), W=fine * value, H=H)


def test_a_sum_beyond_the_range_of_numbers_is_no_fault() -> None:
    large = np.full((4, 4), np.finfo(np.float32).max / 4, np.float32)
    assert check_X(large) is large


@pytest.mark.parametrize("value", [True, 1.0])
def test_a_remembered_check_is_that_of_the_same_type(value: Any) -> None:
    checked = validated(Parameters(max_iter=1))
    assert validated(Parameters(max_iter=1)) is checked
    with pytest.raises(InvalidParameterError, match="max_iter"):
        validated(Parameters(max_iter=value))


def test_what_can_change_is_checked_anew() -> None:
    stream = np.random.RandomState(0)
    first, second = (validated(Parameters(random_state=stream)) for _ in range(2))
    assert first is not second
    assert first.random_state is stream


def test_the_width_of_an_array_is_noted_and_asked_for() -> None:
    model = NMF(2, init="random", max_iter=1, tol=0).fit(X)
    assert model.n_features_in_ == 5
    with pytest.raises(ValueError, match="X has 4 features, but NMF is expecting 5"):
        model.transform(X[:, :4])
    assert model.fit(X[:, :4]).n_features_in_ == 4
