"""Bad input: one clear sentence that names it, says what is allowed, and nothing else."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError

import nonneg
from nonneg import (
    NMF,
    MiniBatchNMF,
    hoyer_sparseness,
    initialize,
    non_negative_factorization,
    reconstruction_error,
)
from nonneg.base.rules import InvalidParameterError
from support.cases import DTYPES, data, factors

K = 3
NAN, INF = float("nan"), float("inf")


def fit(X, **parameters):
    return NMF(**{"n_components": 2, "random_state": 0, **parameters}).fit(X)


def factorize(X, **parameters):
    return non_negative_factorization(
        X, **{"n_components": 2, "random_state": 0, **parameters}
    )


def with_H_fixed(X, **parameters):
    H = factors(X.shape, 2)[1].T
    return factorize(X, H=H, update_H=False, **parameters)


def transform(X, **parameters):
    return fit(X, max_iter=2, tol=0).set_params(**parameters).transform(X)


ENTRIES = [fit, factorize, with_H_fixed, transform]

# Parameters: what is given, and how the sentence goes on after "must be"

POSITIVE = [NAN, INF, -INF, -1, -0.1, True, np.True_, "0.1", "x", None, [1], 1j]
INTEGERS = [0, -1, 1.5, 2.0, True, np.True_, "2", None, [2], NAN]
TEXTS = ["spam", "", 0, True, ["cd"], 1.5, np.ones(3)]
A_FLOAT = "a float in the range [0.0, inf)"
AN_INT = "an int in the range [1, inf)"

PARAMETERS = [
    ("n_components", [v for v in INTEGERS if v is not None], AN_INT),
    ("n_components", ["x", "Auto"], f"{AN_INT}, None or a str among {{'auto'}}"),
    ("init", [*TEXTS, "Random", "NNDSVD"], "a str among {"),
    ("solver", [*TEXTS, None, "CD", "PG"], "a str among {"),
    ("tol", POSITIVE, A_FLOAT),
    ("max_iter", INTEGERS, AN_INT),
    ("random_state", ["x", 1.5, -1, 2**32, np.random.default_rng(0)], "an int in the"),
    ("alpha", POSITIVE, A_FLOAT),
    ("l1_ratio", [*POSITIVE, 1.1, 2], "a float in the range [0.0, 1.0]"),
    ("verbose", [-1, 0.5, "x", None], "an int in the range [0, inf)"),
    ("shuffle", ["x", None, 2, 0.0], "an instance of 'bool' or"),
    ("nls_max_iter", INTEGERS, AN_INT),
    ("sparseness", [*TEXTS, "Data", "both"], "a str among {'data', 'components'} or"),
    ("beta", POSITIVE, A_FLOAT),
    ("eta", POSITIVE, A_FLOAT),
    (
        "regularization",
        [*TEXTS, "Both", "data"],
        "a str among {'both', 'components', 'transformation'} or None",
    ),
    ("alpha_W", POSITIVE, A_FLOAT),
    ("alpha_H", POSITIVE, f"{A_FLOAT} or a str among {{'same'}}"),
    ("max_time", [0, -1, NAN, INF, "x", True], "a float in the range (0.0, inf)"),
    ("callback", ["x", 1, True, [print]], "a callable or None"),
]
BAD_PARAMETERS = [
    pytest.param(
        entry,
        name,
        value,
        allowed,
        # without addresses: workers that run tests in parallel must agree on names
        id=f"{entry.__name__}-{name}={re.sub(' at 0x.*', '', repr(value))}",
    )
    for entry in ENTRIES
    for name, values, allowed in PARAMETERS
    for value in values
    # the number of components of a fitted model is that of its components
    if (entry, name) != (transform, "n_components")
]


@pytest.mark.parametrize(("entry", "name", "value", "allowed"), BAD_PARAMETERS)
def test_bad_parameters(entry, name, value, allowed):
    """Refused wherever they are given, also by a solver that would not use them."""
    start = f"The {name!r} parameter of NMF must be {allowed}"
    with pytest.raises(InvalidParameterError, match="^" + re.escape(start)) as caught:
        entry(data(), **{name: value})
    text = str(caught.value)
    assert "Got " in text
    assert " instead. " in text
    assert "\n" not in text
    assert len(text) < 400
    # both of the classes that users catch
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, TypeError)


def test_texts_start_as_scikit_learn_has_them():
    """Word for word for the parameters that both have, but `verbose`, which takes more here."""
    import sklearn.decomposition as peer

    for name, value in [
        ("n_components", 0),
        ("tol", -1),
        ("max_iter", 0),
        ("alpha_W", "x"),
        ("alpha_H", -1),
        ("l1_ratio", 2),
        ("random_state", "x"),
        ("shuffle", "x"),
    ]:
        with pytest.raises(ValueError, match=name) as theirs:
            peer.NMF(**{name: value}).fit(data())
        with pytest.raises(ValueError, match=name) as ours:
            NMF(**{name: value}).fit(data())
        start = str(theirs.value).replace("numpy.bool_", "numpy.bool")
        assert str(ours.value).startswith(start)
        assert type(ours.value) is type(theirs.value)


@pytest.mark.parametrize("value", ["x", 1, 0, None, [True]])
def test_update_H_must_be_a_bool(value):
    start = "The 'update_H' parameter of non_negative_factorization must be an inst"
    with pytest.raises(InvalidParameterError, match=start):
        factorize(data(), update_H=value)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "2", NAN])
@pytest.mark.parametrize("entry", ENTRIES)
def test_n_threads(entry, value):
    with pytest.raises(ValueError, match="`n_threads` must be a positive integer"):
        entry(data(), n_threads=value)


def test_unknown_parameters_are_refused_at_construction():
    with pytest.raises(TypeError, match="gamma"):
        NMF(gamma=3)


@pytest.mark.filterwarnings("ignore:.*penalises W alone")
@pytest.mark.parametrize("entry", [fit, factorize, with_H_fixed])
@pytest.mark.parametrize(
    "new", [{"alpha_W": 0.1}, {"alpha_H": 0.1}, {"alpha_W": 1, "alpha_H": 0}]
)
def test_penalties_of_both_conventions_exclude_each_other(entry, new):
    with pytest.raises(ValueError, match=r"`alpha`=0\.5 can't be combined with"):
        entry(data(), alpha=0.5, **new)
    entry(data(), alpha=0.0, **new, tol=0, max_iter=1)
    for none in ({"alpha_W": 0}, {"alpha_H": 0}, {"alpha_H": 0.0, "alpha_W": 0.0}):
        entry(data(), alpha=0.5, **none, tol=0, max_iter=1)


def test_the_order_of_the_checks():
    """X, sparseness, solver, n_components, max_iter, tol, then H, then W."""
    wrong = {
        "sparseness": "x",
        "solver": "x",
        "n_components": 0,
        "max_iter": 0,
        "tol": -1,
    }
    W, H = -np.ones((4, 2)), -np.ones((2, 3))
    with pytest.raises(ValueError, match="input X"):
        factorize(-np.ones((4, 3)), W=W, H=H, init="custom", **wrong)
    X = np.ones((4, 3))
    for name in [*wrong]:
        with pytest.raises(ValueError, match=f"The {name!r} parameter"):
            factorize(X, W=W, H=H, init="custom", **wrong)
        del wrong[name]
    with pytest.raises(ValueError, match="input H"):
        factorize(X, W=W, H=H, init="custom")
    with pytest.raises(ValueError, match="input W"):
        factorize(X, W=W, H=-H, init="custom")


@pytest.mark.parametrize("init", ["nndsvd", "nndsvda", "nndsvdar"])
@pytest.mark.parametrize("shape", [(5, 30), (30, 5)])
def test_too_many_components_for_the_start(init, shape):
    start = (
        f"init = '{init}' can only be used when n_components <= min(n_samples, "
        "n_features)"
    )
    for entry in (fit, factorize):
        with pytest.raises(ValueError, match="^" + re.escape(start)):
            entry(data(*shape), n_components=6, init=init)
    with pytest.raises(ValueError, match="^" + re.escape(start)):
        initialize(data(*shape), 6, init)
    fit(data(*shape), n_components=6, init=None, max_iter=1, tol=0)


# X

X_ERRORS = {
    "negative": (lambda X: X - 1, ValueError, "Negative values in data passed to NMF"),
    "minus-inf": (lambda X: X - INF, ValueError, "contains infinity"),
    "inf": (lambda X: X + INF, ValueError, "contains infinity"),
    "nan": (lambda X: X * NAN, ValueError, "X contains NaN"),
    "huge": (lambda X: (X + 1) * 1e308 * 10, ValueError, "contains infinity"),
    "1d": (lambda X: X[0], ValueError, "Expected 2D array, got 1D array"),
    "1d-list": (lambda X: X[0].tolist(), ValueError, "Expected 2D array, got 1D"),
    "0d": (lambda X: X[0, 0], ValueError, "Expected 2D array, got scalar"),
    "number": (lambda X: 3.0, ValueError, "Expected 2D array, got scalar"),
    "None": (lambda X: None, ValueError, "Expected 2D array, got scalar"),
    "3d": (lambda X: X[None], ValueError, "Found array with dim 3"),
    "3d-list": (lambda X: [X.tolist()], ValueError, "Found array with dim 3"),
    "no-rows": (lambda X: X[:0], ValueError, "Found array with 0 sample(s)"),
    "no-columns": (lambda X: X[:, :0], ValueError, "Found array with 0 feature(s)"),
    "empty-list": (lambda X: [], ValueError, "Expected 2D array, got 1D array"),
    "complex": (lambda X: X + 1j, ValueError, "Complex data not supported: X has"),
    "complex-list": (lambda X: [[1j, 1], [1, 1]], ValueError, "Complex data not"),
    "texts": (lambda X: X.astype(str), ValueError, "X must be numeric; got"),
    "text-list": (lambda X: [["1", "2"]], ValueError, "X must be numeric; got"),
    "mixed-list": (lambda X: [["a", 1.0]], ValueError, "X must be numeric; got"),
    "bytes": (lambda X: X.astype("S5"), ValueError, "X must be numeric; got"),
    "dates": (lambda X: X.astype("M8[s]"), ValueError, "X must be numeric; got"),
    "records": (lambda X: np.ones((2, 2), "i4,i4"), ValueError, "X must be numeric"),
    "text": (lambda X: "a text", ValueError, "scalar array instead: X is 'a text'"),
    "ragged": (lambda X: [[1, 2], [3]], ValueError, "X is not a matrix: its rows"),
    "None-entry": (lambda X: [[1, None], [2, 3]], ValueError, "X contains NaN"),
    "dict": (lambda X: {"a": 1}, ValueError, "scalar array instead: X is {'a': 1}"),
    "object": (lambda X: np.array([[{}, 1]]), TypeError, "X must be numeric; float()"),
    "np.matrix": (lambda X: np.asmatrix(X), TypeError, "np.matrix is not supported"),
    "csr-negative": (lambda X: sp.csr_array(-X), ValueError, "Negative values in data"),
    "csc-nan": (lambda X: sp.csc_array(X * NAN), ValueError, "X contains NaN"),
    "coo-inf": (lambda X: sp.coo_array(X + INF), ValueError, "contains infinity"),
    "csr-complex": (lambda X: sp.csr_array(X + 1j), ValueError, "Complex data not"),
    "csr-empty": (lambda X: sp.csr_array((0, 3)), ValueError, "0 sample(s)"),
    "sparse-1d": (
        lambda X: sp.coo_array(X[0]),
        ValueError,
        "Expected 2D array, got 1D",
    ),
    "pandas-text": (lambda X: pd.DataFrame({"a": ["x", "y"]}), ValueError, "X must be"),
    "pandas-missing": (
        lambda X: pd.DataFrame({"a": [1, None], "b": [1, 2]}, dtype="Int64"),
        ValueError,
        "X contains NaN",
    ),
    "polars-text": (lambda X: pl.DataFrame({"a": ["x", "y"]}), ValueError, "X must be"),
    "series": (lambda X: pd.Series([1, 2]), ValueError, "Expected 2D array, got 1D"),
    "polars-missing": (
        lambda X: pl.DataFrame({"a": [1, None], "b": [1, 2]}),
        ValueError,
        "X contains NaN",
    ),
}


def bad_X(case):
    make, error, text = X_ERRORS[case]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        # np.matrix is deprecated
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return make(data() + 0.01), error, text


@pytest.mark.parametrize(
    "entry",
    [
        fit,
        factorize,
        lambda X: NMF(2, init="random", max_iter=1, tol=0).fit(data()).transform(X),
        lambda X: non_negative_factorization(
            X, H=np.ones((2, 17)), n_components=2, update_H=False
        ),
        lambda X: initialize(X, 2),
    ],
    ids=["fit", "function", "transform", "fixed H", "initialize"],
)
@pytest.mark.parametrize("case", X_ERRORS)
def test_bad_X(case, entry):
    X, error, text = bad_X(case)
    with pytest.raises(error, match=re.escape(text)) as caught:
        entry(X)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("case", [case for case in X_ERRORS if "neg" not in case])
def test_the_error_of_bad_X(case):
    """`reconstruction_error` refuses what is no matrix; entries may have any sign."""
    X, error, text = bad_X(case)
    with pytest.raises(error, match=re.escape(text)):
        reconstruction_error(X, np.ones((23, 2)), np.ones((2, 17)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_nan_is_found_whatever_the_dtype(dtype):
    X = data(dtype=dtype)
    X[3, 4] = NAN
    with pytest.raises(ValueError, match="Input X contains NaN"):
        fit(X)


def test_the_smallest_entry_is_named():
    X = data()
    X[3, 4] = -0.25
    for given in (X, sp.csr_array(X), sp.csc_array(X), X.tolist()):
        with pytest.raises(ValueError, match=r"The smallest is -0\.25"):
            fit(given)


# W and H


def custom(X, W, H, k=K):
    """The calls that take both factors."""
    return (
        lambda: NMF(k, "custom", max_iter=1, tol=0).fit(X, W=W, H=H),
        lambda: NMF(k, "custom", max_iter=1, tol=0).fit_transform(X, W=W, H=H),
        lambda: non_negative_factorization(X, W, H, k, "custom", max_iter=1, tol=0),
    )


def fixed(X, H, k=K):
    return non_negative_factorization(X, H=H, n_components=k, update_H=False)


GOOD_W, GOOD_H = factors((23, 17), K)[0], factors((23, 17), K)[1].T
FACTOR_ERRORS = {
    "first": (lambda A: A[:-1], ValueError, "Array with wrong first dimension passed"),
    "second": (lambda A: A[:, 1:], ValueError, "Array with wrong second dimension"),
    "transposed": (lambda A: A.T, ValueError, "Array with wrong first dimension"),
    "negative": (lambda A: -A, ValueError, "Negative values in data passed to NMF (in"),
    "zeros": (lambda A: 0 * A, ValueError, "Array passed to NMF (input"),
    "nan": (lambda A: A * NAN, ValueError, "contains NaN"),
    "inf": (lambda A: A + INF, ValueError, "contains infinity"),
    "1d": (lambda A: A[0], ValueError, "Expected 2D array, got 1D"),
    "3d": (lambda A: A[None], ValueError, "Found array with dim 3"),
    "text": (lambda A: A.astype(str), ValueError, "must be numeric; got"),
    "complex": (lambda A: A + 1j, ValueError, "Complex data not supported"),
    "sparse": (lambda A: sp.csr_array(A), TypeError, "dense data is required"),
}


@pytest.mark.parametrize("case", FACTOR_ERRORS)
@pytest.mark.parametrize("factor", ["W", "H"])
def test_bad_W_or_H(case, factor):
    make, error, text = FACTOR_ERRORS[case]
    given = {"W": GOOD_W, "H": GOOD_H}
    given[factor] = make(given[factor])
    for entry in custom(data(), **given):
        with pytest.raises(error, match=re.escape(text)) as caught:
            entry()
        # the sentence says which of the two
        assert re.search(rf"\b{factor}\b", str(caught.value))
        assert "\n" not in str(caught.value)
    if factor == "H":
        with pytest.raises(error, match=re.escape(text)):
            fixed(data(), given["H"])


def test_texts_about_shapes_zeros_and_dtypes():
    """scikit-learn's words first, then what to do."""
    X, W, H = data(), GOOD_W, GOOD_H
    passed = "dimension passed to NMF (input"
    for given, start in [
        (
            (W[:5], H),
            f"Array with wrong first {passed} W). Expected 23, but got 5.",
        ),
        (
            (W, H[:, :4]),
            f"Array with wrong second {passed} H). Expected 17, but got 4.",
        ),
        ((0 * W, H), "Array passed to NMF (input W) is full of zeros."),
        ((W, 0 * H), "Array passed to NMF (input H) is full of zeros."),
    ]:
        for entry in custom(X, *given):
            with pytest.raises(ValueError, match="^" + re.escape(start)):
                entry()


# the rounded factors are a start from which cd loses components
@pytest.mark.filterwarnings("ignore:2 of 3 components are 0")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("other", ["f2", "f4", "f8", "g", ">f8", "i8"])
def test_factors_of_another_dtype_are_those_of_the_dtype_of_X(dtype, other):
    """No digit is lost beyond the dtype of X: the fit is that from the converted factors."""
    X = data(dtype=dtype)
    W, H = (np.ceil(8 * A).astype(other) for A in (GOOD_W, GOOD_H))
    W.flags.writeable = H.flags.writeable = False
    converted = {"W": W.astype(dtype), "H": H.astype(dtype)}
    pairs = zip(custom(X, W, H), custom(X, **converted), strict=True)
    for entry, expected in pairs:
        assert_equal_results(entry(), expected())
    assert_equal_results(fixed(X, H), fixed(X, converted["H"]))
    assert_equal_results(fixed(X, H.tolist()), fixed(X, converted["H"]))


def assert_equal_results(found, expected):
    """Models or tuples of factors are equal, and of one dtype."""
    if isinstance(found, NMF):
        found, expected = (found.components_,), (expected.components_,)
    if isinstance(found, np.ndarray):
        found, expected = (found,), (expected,)
    for A, B in zip(found, expected, strict=True):
        assert np.asarray(A).dtype == np.asarray(B).dtype
        np.testing.assert_array_equal(A, B)


@pytest.mark.parametrize("factor", ["W", "H"])
@pytest.mark.parametrize("change", [lambda A: A * 1e39, lambda A: A * 1e-60])
def test_values_that_the_dtype_of_X_can_not_hold(factor, change):
    X = data(dtype=np.float32)
    factors = {"W": GOOD_W, "H": GOOD_H}
    factors[factor] = change(factors[factor])
    for entry in custom(X, **factors):
        with pytest.raises(ValueError, match=rf"{factor} has values from .* float32"):
            entry()


def test_a_small_value_beside_others_is_rounded():
    H = GOOD_H.copy()
    H[:, 0] = 1e-60
    converted = H.astype(np.float32)
    X = data(dtype=np.float32)
    assert_equal_results(fixed(X, H), fixed(X, converted))


@pytest.mark.parametrize("missing", [("W",), ("H",), ("H", "W")])
def test_a_custom_start_needs_both_factors(missing):
    given = {"W": GOOD_W, "H": GOOD_H} | dict.fromkeys(missing)
    names = " and ".join(missing)
    for entry in custom(data(), **given):
        with pytest.raises(ValueError, match=f"needs both W.*got {names} = None"):
            entry()


def test_a_fixed_H_must_be_given():
    with pytest.raises(ValueError, match="update_H=False needs H"):
        fixed(data(), None)


def test_None_components_mean_all_features_also_with_a_given_H():
    with pytest.raises(ValueError, match="Expected 17, but got 3"):
        fixed(data(), GOOD_H, k=None)


def test_unused_factors_warn():
    X = data()
    ignored = "^When init!='custom', provided W or H are ignored. Set  init='custom'"
    for given in ({"W": GOOD_W}, {"H": GOOD_H}, {"W": -GOOD_W, "H": "anything"}):
        model = NMF(K, "random", max_iter=1, tol=0)
        with pytest.warns(RuntimeWarning, match=ignored) as caught:
            model.fit(X, **given)
        assert caught[0].filename == __file__
        with pytest.warns(RuntimeWarning, match=ignored):
            factorize(X, **given, max_iter=1, tol=0)
    not_used = "^When update_H=False, the provided initial W is not used."
    with pytest.warns(RuntimeWarning, match=not_used) as caught:
        non_negative_factorization(X, "anything", GOOD_H, K, update_H=False)
    assert caught[0].filename == __file__


def test_an_unused_W_is_not_looked_at():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        W, _, _ = non_negative_factorization(
            data(), np.ones((1, 1)), GOOD_H, K, "custom", update_H=False
        )
    expected, _, _ = fixed(data(), GOOD_H)
    np.testing.assert_array_equal(W, expected)


# transform and inverse_transform


@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_an_unfitted_model(method):
    with pytest.raises(NotFittedError, match="This NMF instance is not fitted yet"):
        getattr(NMF(), method)(data())


def test_a_model_whose_fit_failed_is_unfitted():
    model = NMF(2, tol=-1)
    with pytest.raises(ValueError, match="'tol'"):
        model.fit(data())
    with pytest.raises(NotFittedError):
        model.transform(data())


@pytest.mark.parametrize("n_features", [16, 18])
@pytest.mark.parametrize("container", [np.array, sp.csr_array, np.ndarray.tolist])
def test_another_number_of_features(container, n_features):
    model = fit(data(), max_iter=1, tol=0)
    text = f"X has {n_features} features, but NMF is expecting 17 features as input"
    with pytest.raises(ValueError, match=text):
        model.transform(container(data(9, n_features)))


def test_other_feature_names():
    frame = pd.DataFrame(data(9, 3), columns=["a", "b", "c"])
    model = fit(frame, max_iter=1, tol=0)
    with pytest.raises(
        ValueError, match=r"(?s)feature names should match.*unseen.*- d"
    ):
        model.transform(frame.rename(columns={"c": "d"}))
    with pytest.raises(ValueError, match="must be in the same order"):
        model.transform(frame[["b", "a", "c"]])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.transform(frame.to_numpy())


@pytest.mark.parametrize(
    ("W", "text"),
    [
        (np.ones((4, 3)), "X has 3 columns, but this NMF has 2 components"),
        (sp.csr_array(np.ones((4, 3))), "X has 3 columns, but this NMF has 2"),
        (np.ones(2), "Expected 2D array, got 1D"),
        (np.full((4, 2), NAN), "X contains NaN"),
        ([["a", "b"]], "X must be numeric"),
        ([[1, 2], [1]], "X is not a matrix"),
    ],
)
def test_bad_W_for_inverse_transform(W, text):
    model = fit(data(), max_iter=1, tol=0)
    with pytest.raises(ValueError, match=text):
        model.inverse_transform(W)


# Nothing is changed by a refusal


def test_a_refused_refit_leaves_the_model_as_it_was():
    model = fit(data(), max_iter=2, tol=0)
    kept = model.components_.copy()
    with pytest.raises(ValueError, match="'max_iter'"):
        model.set_params(max_iter=0).fit(data())
    np.testing.assert_array_equal(model.components_, kept)


def test_show_config_refuses_other_modes():
    with pytest.raises(ValueError, match="`mode` must be 'stdout' or 'dicts'"):
        nonneg.show_config("x")


def frame_with(column):
    return pd.DataFrame({"a": column, "b": [1.0, 2.0]})


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: np.array([[1, pd.NA], [2, 3]], object),
            TypeError,
            "contains NA. Every",
        ),
        (
            lambda: frame_with(pd.date_range("2020", periods=2, unit="ns")),
            TypeError,
            "columns of other kinds: 'a' (datetime64[ns]). Drop them",
        ),
        (
            lambda: frame_with(pd.date_range("2020", periods=2, unit="ns")).assign(
                c=pd.Categorical(["x", "y"]), d=pd.array([1, 2], dtype="Int64")
            ),
            TypeError,
            "other kinds: 'a' (datetime64[ns]), 'c' (category). Drop them",
        ),
        (
            lambda: pd.DataFrame(index=range(3)),
            ValueError,
            "Found array with 0 feature",
        ),
        (
            lambda: frame_with(pd.arrays.SparseArray([1.0, 2.0])),
            ValueError,
            "fill value is not 0. Pass columns of pandas.SparseDtype(float, 0)",
        ),
        (lambda: pl.LazyFrame({"a": [1.0]}), ValueError, "pass X.collect()."),
        (lambda: iter([[1, 2], [3, 4]]), ValueError, "e.g. list(X)"),
        (lambda: map(list, [[1, 2], [3, 4]]), ValueError, "e.g. list(X)"),
        (lambda: {1, 2}, ValueError, "e.g. list(X)"),
        (lambda: {"a": [1, 2]}, ValueError, "e.g. pandas.DataFrame(X)"),
    ],
)
def test_what_is_no_matrix_of_numbers_says_what_to_pass(make, error, words):
    X = make()
    if isinstance(X, pd.DataFrame) and "fill value" in words:
        X = X.astype(pd.SparseDtype(float, np.nan))
    with pytest.raises(error, match=re.escape(words)):
        NMF(1, init="random").fit(X)


FRAMES = {
    "dates alone": lambda: pd.DataFrame({"t": pd.to_datetime(["2020", "2021"])}),
    "dates": lambda: pd.DataFrame(
        {"a": [1.0, 2], "t": pd.to_datetime(["2020", "2021"])}
    ),
    "durations": lambda: pd.DataFrame({"a": [1.0, 2], "t": pd.to_timedelta([1, 2])}),
    "durations alone": lambda: pd.DataFrame({"t": pd.to_timedelta([1, 2])}),
    "periods": lambda: pd.DataFrame(
        {"a": [1, 2], "t": pd.period_range("2020", periods=2)}
    ),
    "texts": lambda: pd.DataFrame({"a": [1, 2], "t": ["x", "y"]}),
    "categories": lambda: pd.DataFrame({"a": [1, 2], "t": pd.Categorical(["x", "y"])}),
}


@pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)
@pytest.mark.parametrize("entry", ENTRIES[:2])
def test_the_columns_that_are_no_numbers_are_named(make, entry):
    with pytest.raises(
        (TypeError, ValueError), match=r"columns of other kinds: 't' \("
    ):
        entry(make(), n_components=1)


@pytest.mark.parametrize(
    ("X", "advice"),
    [
        ("x.csv", r"read_matrix\(X\)"),
        (None, "Pass a matrix"),
        ({"a": [1]}, "pandas.DataFrame"),
        (map(list, [[1]]), r"list\(X\)"),
        ((row for row in [[1]]), r"list\(X\)"),
    ],
    ids=["name", "None", "dict", "map", "generator"],
)
def test_what_is_no_matrix_says_how_to_make_one(X, advice):
    with pytest.raises(ValueError, match=f"^Expected 2D array.*{advice}"):
        NMF(1).fit(X)


def test_a_sparseness_that_is_not_defined_warns():
    for A in (np.zeros((2, 2)), sp.csr_array((3, 3)), [[1.0]]):
        with pytest.warns(RuntimeWarning, match="not defined"):
            assert np.isnan(hoyer_sparseness(A))


@pytest.mark.parametrize(
    ("model", "advice"),
    [
        (NMF(2, solver="sn", beta_loss=1), r"pass solver='mu'\."),
        (NMF(2, solver="pg"), "'cd' or 'hals' or 'bpp' or 'mu'"),
        (MiniBatchNMF(2), r"X\.compute\(\)"),
    ],
    ids=["sn", "pg", "mini-batches"],
)
def test_advice_for_dask_arrays_works_for_the_loss(model, advice):
    da = pytest.importorskip("dask.array")
    X = da.from_array(data(), chunks=(5, 17))
    with pytest.raises(ValueError, match=advice):
        model.fit(X)
    if isinstance(model, MiniBatchNMF):
        with pytest.raises(ValueError, match=advice):
            model.partial_fit(X)
        model.fit(block.compute() for block in X.blocks)
