"""Missing values and weights: one objective, whatever the storage, the solver and the words.

The numbers in the names are those of the list of properties in docs/missing.md.
"""

from __future__ import annotations

import tracemalloc
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import nnls

from nonneg import NMF, non_negative_factorization, reconstruction_error
from nonneg.initialization.given_start import INITS
from support import gaps
from support.cases import DTYPES
from support.combinations import covering
from support.gaps import SPELLINGS, incomplete

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:The multiplicative update:UserWarning"),
]

FITS = {
    "hals": ("hals", 2),
    "bpp": ("bpp", 2),
    "cd": ("cd", 2),
    "mu": ("mu", 2),
    "mu-kl": ("mu", 1),
    "mu-0": ("mu", 0),
    "mu-0.5": ("mu", 0.5),
    "mu-3": ("mu", 3),
    "sn": ("sn", 1),
}
"""Solvers with the β that they minimise."""
EXACT = ["hals", "bpp", "sn"]
TYPED = [
    *((fit, np.float64) for fit in FITS),
    *((fit, np.float32) for fit in ("hals", "cd", "mu-kl", "sn")),
]
"""Each solver in float64, and one of each kind in float32."""
K = 3


def model(fit, k=K, **options):
    solver, beta = FITS[fit]
    defaults = {"init": "random", "random_state": 0, "tol": 0, "max_iter": 30}
    return NMF(k, solver=solver, beta_loss=beta, **{**defaults, **options})


def fitted(fit, spelling, X, V, k=K, **options):
    """The model and W of a fit of X, of which V is observed, in one of the spellings."""
    data, missing, arguments = SPELLINGS[spelling](X, V)
    nmf = model(fit, k, missing_values=missing, **options)
    return nmf, nmf.fit_transform(data, **arguments)


def start(shape, k=K, dtype=np.float64, seed=1):
    rng = np.random.default_rng(seed)
    return {
        "W": rng.uniform(0.1, 1, (shape[0], k)).astype(dtype),
        "H": rng.uniform(0.1, 1, (k, shape[1])).astype(dtype),
    }


def within(dtype, rtol, single=2e-3):
    """A relative tolerance, which is `single` in float32."""
    return rtol if dtype == np.float64 else single


def positive(fit):
    """Whether X must have no zeros."""
    return FITS[fit][1] < 1


def data_for(fit, **options):
    return incomplete(zeros=0.0 if positive(fit) else 0.5, **options)


@pytest.mark.parametrize(("fit", "dtype"), covering(list(FITS), DTYPES))
def test_1_nothing_missing_is_the_plain_fit(fit, dtype):
    X, _ = data_for(fit, dtype=dtype)
    plain = model(fit).fit(X)
    for missing in (np.nan, "nothing"):
        word = missing if missing != "nothing" else None
        same = model(fit, missing_values=word).fit(X)
        assert (same.components_ == plain.components_).all()
    weighted = model(fit).fit(X, weights=np.ones(X.shape))
    if fit == "cd":
        assert (weighted.components_ == plain.components_).all()
    rtol = 1e-10 if dtype == np.float64 else 1e-3
    for r, c in ((None, np.ones(X.shape[1])), (np.ones(X.shape[0]), None)):
        vectors = model(fit).fit(X, sample_weight=r, feature_weight=c)
        for other in (weighted, vectors):
            np.testing.assert_allclose(
                other.components_, plain.components_, rtol=rtol, atol=rtol
            )


@pytest.mark.parametrize(
    ("fit", "init", "dtype"),
    covering(list(FITS), [name for name in INITS if name != "custom"], DTYPES),
)
def test_2_values_under_gaps_change_no_bit(fit, init, dtype):
    """Not from any start: none may know what is hidden."""
    X, V = data_for(fit, shape=(20, 13), dtype=dtype)
    bits = []
    for hidden in (0.5, 1e6, 0.0, np.nan):
        other = np.where(V, X, hidden).astype(dtype)
        options = {"init": init, "max_iter": 6}
        if not np.isnan(hidden):
            masked = np.ma.array(other, mask=~V)
            bits.append(model(fit, **options).fit(masked).components_)
        bits.append(model(fit, **options).fit(other, weights=V).components_)
    for other in bits[1:]:
        np.testing.assert_array_equal(other, bits[0])


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_2_several_starts_know_nothing_of_what_is_hidden(spelling):
    X, V = incomplete(shape=(20, 13))
    first = fitted("hals", spelling, X, V, n_init=3, max_iter=5)[0]
    other = np.where(V, X, 1e6)
    second = fitted("hals", spelling, other, V, n_init=3, max_iter=5)[0]
    np.testing.assert_array_equal(first.components_, second.components_)


WEIGHTED = covering(
    list(FITS),
    ["none", "nan", "unstored-csr", "nan-csr"],
    [0.0, 0.1],
    [0.0, 0.5],
    DTYPES,
)


@pytest.mark.parametrize(("fit", "spelling", "alpha", "l1_ratio", "dtype"), WEIGHTED)
def test_3_integer_weights_are_repetitions(fit, spelling, alpha, l1_ratio, dtype):
    X, V = data_for(fit, share=0.0 if spelling == "none" else 0.25, dtype=dtype)
    n, m = X.shape
    rng = np.random.default_rng(5)
    r, c = rng.integers(1, 4, n), rng.integers(1, 4, m)
    options = {"alpha_W": alpha, "alpha_H": alpha, "l1_ratio": l1_ratio}
    options |= {"init": "custom", "max_iter": 1 if fit == "cd" else 5}
    begin = start(X.shape, dtype=dtype)

    def run(rows, columns, **arguments):
        A, B = (np.ascontiguousarray(M[rows][:, columns]) for M in (X, V))
        name = "weights" if spelling == "none" else spelling
        values, missing, more = SPELLINGS[name](A, B)
        more = {} if spelling == "none" else more
        nmf = model(fit, missing_values=missing, **options)
        W = nmf.fit_transform(
            values, W=begin["W"][rows], H=begin["H"][:, columns], **more, **arguments
        )
        return W, nmf.components_, nmf.history_["objective"]

    everything = np.arange(n), np.arange(m)
    repeated = np.repeat(everything[0], r), np.repeat(everything[1], c)
    weights = {"sample_weight": r, "feature_weight": c}
    for rows, columns, given in (
        (repeated[0], everything[1], ["sample_weight"]),
        (everything[0], repeated[1], ["feature_weight"]),
        (*repeated, ["sample_weight", "feature_weight"]),
    ):
        W, H, objectives = run(rows, columns)
        W_v, H_v, weighted = run(*everything, **{name: weights[name] for name in given})
        # an entry of H is free where its component is 0 in all rows that show the column
        shown = V[rows][:, columns]
        np.testing.assert_allclose(
            (W_v[rows] @ H_v[:, columns])[shown], (W @ H)[shown],
            rtol=within(dtype, 1e-5, 1e-2), atol=within(dtype, 1e-6, 1e-2),
        )  # fmt: skip
        np.testing.assert_allclose(weighted, objectives, rtol=within(dtype, 1e-6))


@pytest.mark.parametrize(("fit", "dtype"), TYPED)
def test_3_weights_of_entries_are_those_of_rows_and_columns(fit, dtype):
    X, V = data_for(fit, share=0.0, dtype=dtype)
    rng = np.random.default_rng(5)
    r, c = rng.uniform(0.5, 2, X.shape[0]), rng.uniform(0.5, 2, X.shape[1])
    options = {"alpha_W": 0.01, "max_iter": 100, "init": "custom"}
    by_lines = model(fit, **options)
    begin = start(X.shape, dtype=dtype)
    by_lines.fit(X, sample_weight=r, feature_weight=c, **begin)
    by_entry = model(fit, **options).fit(X, weights=np.outer(r, c), **begin)
    ends = [m.history_["objective"][-1] for m in (by_lines, by_entry)]
    # other algorithms, which may end in other local minima of nearly the same height
    assert ends[0] == pytest.approx(ends[1], rel=2e-2)
    # their objectives are the same function
    if fit in EXACT:
        W = by_lines.transform(X)
        value = gaps.objective(
            X, V * 1.0, W, by_lines.components_, FITS[fit][1], 0.01, 0.01, 0, r, c
        )
        assert value == pytest.approx(ends[0], rel=1e-3)


@pytest.mark.parametrize(("fit", "dtype"), TYPED)
def test_3_a_row_of_weight_0_is_left_out_and_transformed(fit, dtype):
    X, V = data_for(fit, dtype=dtype)
    r = np.ones(len(X))
    r[[0, 7, 8]] = 0
    begin = start(X.shape, dtype=dtype)
    options = {"init": "custom", "missing_values": np.nan, "max_iter": 8}
    N = np.where(V, X, np.nan).astype(dtype)
    weighted = model(fit, **options)
    W = weighted.fit_transform(N, sample_weight=r, **begin)
    kept = r > 0
    other = model(fit, **options)
    W_kept = other.fit_transform(N[kept], W=begin["W"][kept], H=begin["H"])
    close = {"rtol": within(dtype, 1e-6), "atol": within(dtype, 1e-9)}
    np.testing.assert_allclose(weighted.components_, other.components_, **close)
    np.testing.assert_allclose(W[kept], W_kept, **close)
    if fit in EXACT:
        rtol = 1e-2 if fit == "sn" else within(dtype, 1e-6)
        rows = other.transform(N[~kept])
        np.testing.assert_allclose(
            W[~kept], rows, rtol=rtol, atol=within(dtype, 1e-3 * rtol)
        )


@pytest.mark.parametrize(
    ("fit", "spelling", "dtype"),
    covering(["hals", "bpp", "sn"], list(SPELLINGS), DTYPES),
)
def test_4_one_component_has_a_closed_form(fit, spelling, dtype):
    X, V = incomplete(dtype=dtype)
    nmf, W = fitted(fit, spelling, X, V, k=1, max_iter=3)
    h = nmf.components_[0]
    numerator, square = (V * X) @ h, V @ h**2
    if fit == "sn":
        numerator, square = (V * X).sum(axis=1), V @ h
    # a row of sn ends within 1e-6 of its least objective, so within 1e-3 of its W
    rtol = within(dtype, 1e-6, 2e-3 if fit == "sn" else 1e-4)
    np.testing.assert_allclose(W[:, 0], numerator / square, rtol=rtol)


@pytest.mark.parametrize(
    ("fit", "spelling", "dtype"),
    covering(["hals", "bpp", "cd"], ["nan", "unstored-csr"], DTYPES),
)
def test_5_hidden_entries_of_an_exact_product_come_back(fit, spelling, dtype):
    rng = np.random.default_rng(3)
    W, H = (rng.random((n, K)) * (rng.random((n, K)) < 0.5) for n in (60, 50))
    X = (W @ H.T).astype(dtype)
    V = rng.random(X.shape) > 0.3
    nmf, W = fitted(fit, spelling, X, V, max_iter=1000)
    assert np.abs(W @ nmf.components_ - X)[~V].max() < within(dtype, 1e-6) * X.max()


@pytest.mark.parametrize(
    ("fit", "spelling", "dtype"), covering(["hals", "bpp"], list(SPELLINGS), DTYPES)
)
def test_6_each_row_is_what_nnls_gives(fit, spelling, dtype):
    X, V = incomplete(dtype=dtype)
    nmf, W = fitted(fit, spelling, X, V)
    H = nmf.components_.astype(float)
    rtol = 1e-6 if dtype == np.float64 else 2e-3
    for x, v, w in zip(X, V, W, strict=True):
        expected = nnls(H[:, v].T, x[v].astype(float))[0]
        np.testing.assert_allclose(w, expected, rtol=rtol, atol=rtol)


def test_6_each_row_is_what_nnls_gives_with_weights():
    X, V = incomplete()
    v = V * np.random.default_rng(4).uniform(0.2, 3, V.shape)
    for weights in (v, sp.csr_array(v)):
        nmf = model("hals")
        W = nmf.fit_transform(X, weights=weights)
        for x, s, w in zip(X, np.sqrt(v), W, strict=True):
            expected = nnls((s * nmf.components_).T, s * x)[0]
            np.testing.assert_allclose(w, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("fit", "spelling"), covering(["hals", "bpp", "cd", "mu-kl", "sn"], list(SPELLINGS))
)
def test_6_the_result_is_stationary(fit, spelling):
    X, V = incomplete()
    nmf, W = fitted(fit, spelling, X, V, max_iter=300)
    H, beta = nmf.components_, FITS[fit][1]
    scale = np.sqrt(gaps.objective(X, V * 1.0, W, H, beta)) * np.sqrt(V.sum())
    bound = 2e-3 if fit == "mu-kl" else 1e-4
    for A, G in zip((W, H), gaps.gradients(X, V * 1.0, W, H, beta), strict=True):
        size = max(1.0, np.abs(A).max())
        assert np.abs(np.minimum(A / size, G / scale)).max() < bound


@pytest.mark.parametrize(
    ("fit", "spelling", "dtype"),
    covering(["hals", "bpp", "sn"], list(SPELLINGS), DTYPES),
)
def test_7_transform_gives_the_rows_of_the_fit(fit, spelling, dtype):
    X, V = incomplete(dtype=dtype)
    values, missing, arguments = SPELLINGS[spelling](X, V)
    nmf = model(fit, missing_values=missing)
    W = nmf.fit_transform(values, **arguments)
    again = nmf.transform(values, **arguments)
    if fit == "sn":  # each row has the objective of the optimum, to 1e-6
        H = nmf.components_
        first, second = (
            gaps.objective(X.astype(float), V * 1.0, A, H, 1) for A in (W, again)
        )
        assert second == pytest.approx(first, rel=1e-5)
        return
    rtol = 1e-6 if dtype == np.float64 else 2e-3
    np.testing.assert_allclose(again, W, rtol=rtol, atol=rtol)


@pytest.mark.parametrize(("fit", "dtype"), TYPED)
def test_8_all_spellings_are_one_problem(fit, dtype):
    X, V = data_for(fit, dtype=dtype)
    rel = within(dtype, 1e-6)
    ends, errors, shapes = {}, {}, set()
    for spelling in SPELLINGS:
        nmf, W = fitted(fit, spelling, X, V, max_iter=150)
        beta = FITS[fit][1]
        value = gaps.objective(X, V * 1.0, W, nmf.components_, beta)
        assert nmf.history_["objective"][-1] == pytest.approx(value, rel=rel)
        assert nmf.reconstruction_err_ == pytest.approx(np.sqrt(2 * value), rel=rel)
        assert nmf.n_observed_ == V.sum()
        shapes.add(W.shape)
        ends[spelling], errors[spelling] = value, nmf.reconstruction_err_
    assert shapes == {(len(X), K)}
    best = min(ends.values())
    # the same start, on other paths, some of which are not at their end yet
    assert max(ends.values()) <= 1.1 * best, ends


@pytest.mark.parametrize(
    ("fit", "spelling", "dtype"),
    covering(["hals", "mu", "mu-kl", "sn"], ["nan", "unstored-csr"], DTYPES),
)
def test_8_permutations_and_the_transpose(fit, spelling, dtype):
    X, V = incomplete(dtype=dtype)
    rng = np.random.default_rng(2)
    p, q = rng.permutation(X.shape[0]), rng.permutation(X.shape[1])
    begin, options = start(X.shape, dtype=dtype), {"init": "custom", "max_iter": 5}
    close = {"rtol": within(dtype, 1e-6), "atol": within(dtype, 1e-8)}
    missing = SPELLINGS[spelling](X, V)[1]
    nmf = model(fit, missing_values=missing, **options)
    W = nmf.fit_transform(SPELLINGS[spelling](X, V)[0], **begin)
    other = model(fit, missing_values=missing, **options)
    W_p = other.fit_transform(
        SPELLINGS[spelling](X[p][:, q], V[p][:, q])[0],
        W=begin["W"][p], H=begin["H"][:, q],
    )  # fmt: skip
    np.testing.assert_allclose(W_p, W[p], **close)
    np.testing.assert_allclose(other.components_, nmf.components_[:, q], **close)
    sizes = [
        model(fit, missing_values=missing, max_iter=150)
        .fit(SPELLINGS[spelling](A, B)[0])
        .reconstruction_err_
        for A, B in ((X, V), (X.T, V.T))
    ]
    assert sizes[0] == pytest.approx(sizes[1], rel=5e-2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_9_imputed_and_gathered_half_steps_reach_the_same_objective(dtype):
    X, V = incomplete(shape=(60, 40), share=0.3, dtype=dtype)
    ends = [
        fitted("hals", spelling, X, V, max_iter=400)[0].history_["objective"][-1]
        for spelling in ("nan", "unstored-csr")
    ]
    assert ends[0] == pytest.approx(ends[1], rel=1e-4)


@pytest.mark.parametrize(
    ("fit", "spelling", "dtype"),
    covering(
        ["cd", "mu", "mu-kl", "mu-0.5", "mu-3"],
        ["nan", "unstored-csr", "nan-csr"],
        DTYPES,
    ),
)
def test_9_the_objective_never_rises(fit, spelling, dtype):
    X, V = data_for(fit, dtype=dtype)
    seen, options = [], {"alpha_W": 0.01, "alpha_H": 0.02, "l1_ratio": 0.3}
    for n in (1, 2, 3, 5, 8, 13):
        nmf, W = fitted(fit, spelling, X, V, max_iter=n, **options)
        beta = FITS[fit][1]
        seen.append(
            gaps.objective(X, V * 1.0, W, nmf.components_, beta, 0.01, 0.02, 0.3)
        )
    assert (np.diff(seen) <= within(dtype, 1e-9, 1e-5) * seen[0]).all(), seen


@pytest.mark.filterwarnings("ignore:.* observed entr:UserWarning")
@pytest.mark.parametrize(
    ("fit", "dtype"),
    [("hals", np.float64), ("sn", np.float32), ("mu-kl", np.float64)],
)
def test_10_stored_zeros_count(fit, dtype):
    X, V = incomplete(dtype=dtype)
    values = SPELLINGS["unstored-csr"](X, V)[0]
    assert (values.data == 0).any()
    nmf, W = fitted(fit, "unstored-csr", X, V, max_iter=100)
    without = values.copy()
    without.eliminate_zeros()
    other = model(fit, missing_values="unstored", max_iter=100).fit(without)
    assert nmf.n_observed_ == values.nnz
    assert other.n_observed_ == without.nnz
    zeros = V & (X == 0)
    predicted = [A @ B for A, B in ((W, nmf.components_),
                                    (other.transform(without), other.components_))]  # fmt: skip
    assert predicted[0][zeros].mean() < 0.7 * predicted[1][zeros].mean()
    assert values.nnz == V.sum()  # the caller's matrix keeps them


@pytest.mark.parametrize(("fit", "dtype"), TYPED)
def test_11_weights_of_another_unit(fit, dtype):
    X, V = data_for(fit, dtype=dtype)
    begin, close = start(X.shape, dtype=dtype), {"rtol": within(dtype, 1e-5)}
    v = V * np.random.default_rng(4).uniform(0.2, 3, V.shape)
    options = {"alpha_W": 0.01, "alpha_H": 0.02, "init": "custom", "max_iter": 6}
    one = model(fit, **options).fit(X, weights=v, **begin)
    seven = model(fit, **options).fit(X, weights=7 * v, **begin)
    close["atol"] = within(dtype, 1e-8)
    np.testing.assert_allclose(seven.components_, one.components_, **close)
    np.testing.assert_allclose(
        seven.history_["objective"], 7 * one.history_["objective"],
        rtol=within(dtype, 1e-6, 1e-4),
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:.* observed entr:UserWarning")
@pytest.mark.parametrize("spelling", ["nan", "unstored-csr"])
@pytest.mark.parametrize("fit", ["hals", "mu-kl"])
def test_12_memory_beyond_X(fit, spelling):
    """Never (n, k, k), never a second dense X."""
    n, m, k = 3000, 1500, 20
    rng = np.random.default_rng(0)
    if spelling == "nan":
        X = rng.random((n, m), dtype=np.float32)
        X[rng.random((n, m), dtype=np.float32) < 0.02] = np.nan
        missing = np.nan
        spare = 0.25 * X.nbytes + 24 * np.isnan(X).sum()
    else:
        X = sp.random_array((n, m), density=0.02, format="csr", random_state=rng)
        missing, spare = "unstored", 4 * (X.data.nbytes + X.indices.nbytes)
    factors = (n + m) * k * 8
    nmf = model(fit, k, missing_values=missing, max_iter=2)
    tracemalloc.start()
    nmf.fit(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * factors + spare
    assert 16 * factors + spare < max(n * m * 8, 8 * m * k * k * 2)


@pytest.mark.parametrize(
    ("fit", "spelling", "dtype"),
    covering(list(FITS), ["nan", "unstored-csr", "nan-csc", "weights"], DTYPES),
)
def test_13_bits_do_not_depend_on_threads(fit, spelling, dtype):
    X, V = data_for(fit, shape=(300, 70), dtype=dtype)
    one, W_one = fitted(fit, spelling, X, V, n_threads=1, max_iter=5)
    three, W_three = fitted(fit, spelling, X, V, n_threads=3, max_iter=5)
    assert (one.components_ == three.components_).all()
    assert (W_one == W_three).all()


def ratings(seed=0):
    """Made ratings of 1 to 5, of which one entry in twelve is there, and a tenth to test."""
    rng = np.random.default_rng(seed)
    n, m = 300, 200
    taste = rng.gamma(1.0, 1.0, (n, 4)) @ rng.gamma(1.0, 1.0, (4, m))
    score = 3.5 + 0.7 * rng.standard_normal((n, 1)) + 0.5 * rng.standard_normal(m)
    score += 0.5 * (taste - taste.mean()) / taste.std()
    X = np.clip(np.rint(score + 0.5 * rng.standard_normal((n, m))), 1, 5)
    seen = rng.random((n, m)) < 1 / 12
    test = seen & (rng.random((n, m)) < 0.1)
    return X, seen & ~test, test


def test_14_ratings_are_no_zeros():
    """Unrated films are not rated 0: the mistake is worse than the mean of the ratings."""
    X, train, test = ratings()
    stored = gaps.stored(X, train)
    options = {"alpha_W": 0.1, "alpha_H": 0.1, "max_iter": 30}
    rated = model("hals", 5, missing_values="unstored", **options)
    W = rated.fit_transform(stored)
    right = reconstruction_error(X, W, rated.components_, where=test)
    mistaken = model("hals", 5, **options)
    W = mistaken.fit_transform(stored)
    wrong = reconstruction_error(X, W, mistaken.components_, where=test)
    mean = np.std(X[test] - X[train].mean())
    assert right < 0.9 * mean
    assert wrong > 2


@pytest.mark.parametrize(
    ("fit", "spelling", "dtype"),
    covering(list(FITS), ["nan", "unstored-csr", "weights"], DTYPES),
)
def test_15_lines_without_observations(fit, spelling, dtype):
    X, V = data_for(fit, dtype=dtype)
    V[[2, 5]] = False
    V[:, 3] = False
    with pytest.warns(UserWarning, match="no observed entry") as record:
        nmf, W = fitted(fit, spelling, X, V, max_iter=15)
    texts = " ".join(str(warning.message) for warning in record)
    assert texts.count("2 of 34 rows of X") == 1
    assert texts.count("1 of 23 columns of X") == 1
    assert np.isfinite(W).all()
    assert np.isfinite(nmf.components_).all()
    assert (W[[2, 5]] == 0).all()
    assert (nmf.components_[:, 3] == 0).all()
    assert nmf.n_observed_ == V.sum()


@pytest.mark.parametrize(("fit", "dtype"), TYPED)
def test_15_fewer_observations_than_components(fit, dtype):
    X, V = data_for(fit, dtype=dtype)
    V[4] = np.arange(V.shape[1]) == 6
    V[9] = np.arange(V.shape[1]) < 2
    N = np.where(V, X, np.nan).astype(dtype)
    with pytest.warns(UserWarning, match="fewer observed entries than the 3"):
        nmf = model(fit, missing_values=np.nan).fit(N)
    assert np.isfinite(nmf.components_).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        options = {"alpha_W": 0.1, "missing_values": np.nan, "max_iter": 200}
        nmf = model(fit, **options)
        W = nmf.fit_transform(N)
    assert np.isfinite(W).all()


@pytest.mark.parametrize("solver", ["sn", "mu"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_15_rows_that_show_nothing_of_any_component(solver, dtype):
    """Sums over what a row shows are differences, which rounding must not leave below 0."""
    rng = np.random.default_rng(0)
    H = rng.gamma(0.5, size=(3, 40)).astype(dtype)
    H[:, 7] = 0
    X = np.asarray(rng.poisson(rng.gamma(1, size=(60, 3)) @ H), dtype=dtype)
    X[:30] = np.where(np.arange(40) == 7, 0, np.nan)
    X[30:, 3] = np.nan
    W, *_ = non_negative_factorization(
        X, H=H, n_components=3, update_H=False, solver=solver, alpha_W=0.1,
        beta_loss="kullback-leibler", missing_values=np.nan, max_iter=2000,
    )  # fmt: skip
    assert np.isfinite(W).all()
    assert W[:30].max() <= 1e-6
    assert (W[30:].max(axis=1) > 0).all()


def test_15_nothing_observed_is_refused():
    with pytest.raises(ValueError, match="No entry of X"):
        model("hals", missing_values=np.nan).fit(np.full((4, 3), np.nan))


@pytest.mark.parametrize(("fit", "dtype"), TYPED)
def test_15_one_observation(fit, dtype):
    X = np.full((4, 5), np.nan, dtype=dtype)
    X[1, 2] = 3.0
    nmf = model(fit, 1, missing_values=np.nan, max_iter=100)
    with pytest.warns(UserWarning, match="no observed entry"):
        W = nmf.fit_transform(X)
    assert (W @ nmf.components_)[1, 2] == pytest.approx(3.0, rel=1e-3)


@pytest.mark.parametrize(
    ("parameters", "arguments", "text"),
    [
        ({}, {}, "missing_values=numpy.nan"),
        ({"missing_values": "unstored"}, {}, "missing_values"),
        ({"missing_values": "zero"}, {}, "'missing_values' parameter"),
        ({"solver": "pg", "missing_values": np.nan}, {}, "hals"),
        ({"compress": True, "missing_values": np.nan}, {}, "compress"),
        ({"blocks": 2, "missing_values": np.nan}, {}, "blocks"),
        ({"missing_values": np.nan}, {"weights": -np.ones((8, 6))}, "at least 0"),
        ({"missing_values": np.nan}, {"weights": np.zeros((8, 6))}, "0"),
        ({"missing_values": np.nan}, {"weights": np.ones((8, 5))}, "shape"),
        (
            {"missing_values": np.nan},
            {"weights": np.full((8, 6), np.nan)},
            "at least 0",
        ),
        ({}, {"weights": np.ones((8, 6))}, "row 1.*column 2"),
        ({"missing_values": np.nan}, {"sample_weight": np.ones(7)}, "sample_weight"),
        ({"missing_values": np.nan}, {"sample_weight": -np.ones(8)}, "sample_weight"),
        ({"missing_values": np.nan}, {"feature_weight": np.ones(7)}, "feature_weight"),
    ],
)
def test_refusals_say_what_to_do(parameters, arguments, text):
    X = np.ones((8, 6))
    X[1, 2] = np.nan
    nmf = NMF(2, **{"solver": "hals", "init": "random", **parameters})
    with pytest.raises(ValueError, match=text):
        nmf.fit(X, **arguments)


def test_infinity_is_an_error_where_nan_is_none():
    X = np.ones((8, 6))
    X[1, 2] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        NMF(2, solver="hals", missing_values=np.nan).fit(X)


def test_the_function_takes_what_the_estimator_takes():
    X, V = incomplete()
    N = np.where(V, X, np.nan)
    options = {
        "solver": "hals",
        "init": "random",
        "random_state": 0,
        "max_iter": 9,
        "tol": 0,
    }
    W, H, _ = non_negative_factorization(
        N, n_components=K, missing_values=np.nan, **options
    )
    nmf = NMF(K, missing_values=np.nan, **options)
    np.testing.assert_array_equal(nmf.fit_transform(N), W)
    np.testing.assert_array_equal(nmf.components_, H)


@pytest.mark.parametrize("spelling", ["nan", "masked", "unstored-csr", "nan-csc"])
def test_what_the_caller_passed_is_as_it_was(spelling):
    X, V = incomplete()
    values, missing, _ = SPELLINGS[spelling](X, V)
    before = values.copy()
    nmf = model("hals", missing_values=missing).fit(values)
    nmf.transform(values)
    if sp.issparse(values):
        for name in ("data", "indices", "indptr"):
            np.testing.assert_array_equal(getattr(values, name), getattr(before, name))
    else:
        np.testing.assert_array_equal(np.asarray(values), np.asarray(before))
