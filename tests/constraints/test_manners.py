"""Constraints as parameters: copies, searches, files, checkpoints, refusals."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from nonneg import NMF, load, non_negative_factorization, save
from nonneg.constraints import (
    Bounds,
    ConstraintBase,
    Factor,
    Fixed,
    Graph,
    Group,
    MinVolume,
    Monotone,
    Orthogonal,
    Simplex,
    Smooth,
    Target,
    Unimodal,
    constraint_kinds,
    register_constraint,
)
from support.constraint_cases import CASES, KNOWN, SOME, TRUE, K
from toys.mirror import Mirror

PENALTIES = {
    "smooth": Smooth(0.7),
    "cyclic": Smooth(0.7, cyclic=True),
    "graph": Graph(np.random.default_rng(0).random((9, 2)), 0.4, n_neighbors=2),
    "target": Target(np.where(np.arange(4) < 2, 0.5, np.nan) * np.ones((9, 1)), 2.0),
    "min-volume": MinVolume(0.8, 0.3),
    "group": Group(0.6),
    "orthogonal": Orthogonal(0.5),
    "toy": Mirror(0.3),
}


@pytest.fixture(autouse=True)
def _toy():
    """Keep the toy registered for each test, whoever removes it."""
    if "mirror" not in constraint_kinds:
        constraint_kinds.register("mirror")(Mirror)


@pytest.mark.parametrize("name", list(PENALTIES))
def test_majorisers_touch_and_lie_above(name):
    """Also: the gradient at the touching point is that of the value, by differences."""
    factor = Factor("W", 9, 4, np.dtype(np.float64))
    penalty = PENALTIES[name].prepared(factor)
    rng = np.random.default_rng(1)
    A = rng.random(factor.shape)
    above = penalty.majoriser(A, A.T @ A)
    value = penalty.value(A, A.T @ A)
    rhs = np.zeros_like(A) if above.rhs is None else above.rhs

    def quadratic(B):
        return 0.5 * np.sum((B @ above.Q) * B) - np.sum(rhs * B)

    for _ in range(5):
        B = A + rng.normal(0, 0.3, A.shape)
        rise = quadratic(B) - quadratic(A)
        assert penalty.value(B, B.T @ B) - value <= rise + 1e-9
    step = 1e-6
    gradient = A @ above.Q - rhs
    for i, t in ((0, 0), (4, 1), (8, 3)):
        E = np.zeros_like(A)
        E[i, t] = step
        up, down = (penalty.value(C, C.T @ C) for C in (A + E, A - E))
        assert (up - down) / (2 * step) == pytest.approx(gradient[i, t], abs=1e-6)


def test_a_constraint_of_ones_own_is_obeyed():
    options = {"solver": "hals", "constraints_W": Simplex(), "max_iter": 300}
    free = NMF(K, **options).fit(TRUE.X)
    model = NMF(K, constraints_H=Mirror(5.0), **options).fit(TRUE.X)
    lean = [np.abs(m.components_ - m.components_[:, ::-1]).sum() for m in (free, model)]
    assert lean[1] < 0.5 * lean[0]
    assert (np.diff(model.history_["objective"]) <= 1e-12).all()
    with pytest.raises(ValueError, match="Mirror on H has no minimum"):
        NMF(K, solver="hals", constraints_H=Mirror(5.0)).fit(TRUE.X)


@pytest.mark.parametrize("name", list(CASES))
def test_clones_and_pickles_fit_the_same(name):
    case = CASES[name]
    model = NMF(
        K,
        solver="hals",
        max_iter=5,
        tol=0,
        random_state=0,
        constraints_W=case.W,
        constraints_H=case.H,
    )
    H = model.fit(TRUE.X).components_
    for other in (clone(model), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(other.fit(TRUE.X).components_, H)
    if isinstance(case.H, ConstraintBase):
        params = model.get_params()
        nested = [key for key in params if key.startswith("constraints_H__")]
        assert nested
        with pytest.raises(AttributeError, match="is frozen"):
            model.set_params(**{nested[0]: 1.0})


def test_a_grid_search_goes_over_constraints():
    search = GridSearchCV(
        NMF(K, solver="hals", max_iter=20, tol=0),
        {"constraints_H": [None, [Bounds(upper=2)], Bounds(upper=1)]},
        cv=2, scoring=lambda model, X, y=None: -model.reconstruction_err_,
    )  # fmt: skip
    search.fit(TRUE.X)
    assert search.best_params_["constraints_H"] is None
    assert len(search.cv_results_["mean_test_score"]) == 3


@pytest.mark.parametrize("name", list(CASES))
def test_model_files_hold_constraints(name, tmp_path):
    case = CASES[name]
    model = NMF(
        K,
        solver="hals",
        max_iter=5,
        tol=0,
        random_state=0,
        constraints_W=case.W,
        constraints_H=case.H,
    ).fit(TRUE.X)
    save(model, tmp_path / "model.nonneg")
    again = load(tmp_path / "model.nonneg")
    assert np.array_equal(again.transform(TRUE.X), model.transform(TRUE.X))
    assert np.array_equal(again.fit(TRUE.X).components_, model.components_)
    before, after = model.constraints_W, again.constraints_W
    assert type(before) is type(after)


def test_model_files_hold_sparse_graphs_and_refuse_strangers(tmp_path):
    graph = Graph(sp.csr_array(np.kron(np.eye(9), 1 - np.eye(2))), 0.2)
    model = NMF(K, solver="hals", max_iter=5, tol=0, random_state=0, constraints_W=[graph, Mirror(0.1)],
                constraints_H=Bounds(upper=4)).fit(TRUE.X)  # fmt: skip
    path = tmp_path / "model.nonneg"
    save(model, path)
    W = model.transform(TRUE.X)
    assert np.array_equal(load(path).transform(TRUE.X), W)
    constraint_kinds.remove("mirror")
    with pytest.raises(ValueError, match="'mirror', which is not registered"):
        load(path)
    with pytest.raises(ValueError, match="Mirror can't be stored"):
        save(model, path)


@pytest.mark.parametrize(
    ("name", "solver", "beta"),
    [
        ("simplex", "hals", 2), ("fixed-component", "hals", 2), ("smooth", "bpp", 2),
        ("fixed-W", "hals", 2), ("unimodal", "hals", 2), ("simplex-fixed", "mu", 1),
        ("several-penalties", "sn", 1),
    ],
)  # fmt: skip
def test_a_fit_resumes_to_the_bit(name, solver, beta, tmp_path):
    case, path = CASES[name], tmp_path / "fit.npz"
    options = {
        "n_components": K, "solver": solver, "tol": 0, "constraints_W": case.W,
        "constraints_H": case.H, "random_state": 0, "beta_loss": beta,
    }  # fmt: skip
    whole = NMF(max_iter=12, **options)
    W = whole.fit_transform(TRUE.X)
    files = {"checkpoint": path, "checkpoint_every": 1}
    NMF(max_iter=5, **options, **files).fit(TRUE.X)
    resumed = NMF(max_iter=12, **options, **files, resume=True)
    assert np.array_equal(resumed.fit_transform(TRUE.X), W)
    assert np.array_equal(resumed.components_, whole.components_)
    other = options | {"constraints_W": Simplex(2.0), "constraints_H": None}
    with pytest.raises(ValueError, match="constraints_"):
        NMF(max_iter=12, **other, **files, resume=True).fit(TRUE.X)


BAD = {
    "a class": ({"constraints_W": Simplex}, "must be a constraint"),
    "a word": ({"constraints_H": "simplex"}, "must be a constraint"),
    "cd": ({"constraints_W": Simplex(), "solver": "cd"}, "don't go with solver='cd'"),
    "pg": ({"constraints_W": Simplex(), "solver": "pg"}, "don't go with solver='pg'"),
    "compress": ({"constraints_W": Simplex(), "compress": True}, "compress=False"),
    "blocks": ({"constraints_W": Simplex(), "blocks": 2}, "blocks=None"),
    "shape": ({"constraints_H": Fixed(np.ones((2, 2)))}, "has shape"),
    "infinite": ({"constraints_H": Fixed(np.full((K, 13), np.inf))}, "infinite"),
    "no room": (
        {"constraints_H": [Fixed(np.full((K, 13), 2.0)), Bounds(upper=1)]},
        r"Fixed and Bounds, leave no value for entry \(0, 0\)",
    ),
    "empty bounds": (
        {"constraints_H": [Bounds(upper=1), Bounds(lower=2)]},
        r"Bounds and Bounds, leave no value",
    ),
    "two sums": (
        {"constraints_W": [Simplex(), Simplex(2.0)]},
        "Simplex and Simplex can't both constrain W",
    ),
    "no sum": ({"constraints_W": [Simplex(), Bounds(upper=0.1)]}, "can have the sum"),
    "crossed": ({"constraints_W": Bounds(2, 1)}, "leave no value"),
    "nan": ({"constraints_W": Bounds(np.nan)}, "NaN"),
    "total": ({"constraints_W": Simplex(-1.0)}, "above 0"),
    "weight": (
        {"constraints_W": Smooth(-1.0), "constraints_H": Simplex()},
        "finite weight of at least 0",
    ),
    "graph": (
        {"constraints_W": Graph(np.ones((3, 3))), "constraints_H": Simplex()},
        "one node for each",
    ),
    "asymmetric": (
        {"constraints_W": Graph(np.triu(np.ones((18, 18)))), "constraints_H": Simplex()},
        "symmetric graph",
    ),
    "neighbours": (
        {"constraints_W": Graph(np.ones((18, 1)), n_neighbors=18),
             "constraints_H": Simplex()},
        "n_neighbors",
    ),
    "sum and shape": (
        {"constraints_W": [Unimodal(), Simplex()]},
        "Simplex and Unimodal can't both constrain W",
    ),
    "two shapes": (
        {"constraints_W": [Unimodal(), Monotone()]},
        "Unimodal and Monotone can't both constrain W",
    ),
    "shape and entries": (
        {"constraints_H": [Unimodal(), Fixed(SOME)]},
        "Unimodal and Fixed can't both constrain H",
    ),
    "sum and overlap": (
        {"constraints_W": [Simplex(), Orthogonal()]},
        "Simplex and Orthogonal can't both constrain W",
    ),
    "components": ({"constraints_W": Unimodal([3])}, "numbers of components from 0"),
    "direction": ({"constraints_W": Monotone("up")}, "increasing=True or False"),
    "delta": ({"constraints_H": MinVolume(1.0, 0.0)}, "delta above 0"),
    "huge": ({"constraints_W": Simplex(), "beta_loss": "kullback-leibler",
                  "solver": "hals"}, "does not handle"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BAD))
def test_refusals_say_what_to_do(name):
    options, text = BAD[name]
    with pytest.raises(ValueError, match=text):
        NMF(**{"n_components": K, "solver": "hals"} | options).fit(TRUE.X)


def test_signs_need_least_squares_and_a_free_factor():
    X = TRUE.X - 0.5
    with pytest.raises(ValueError, match="Negative values"):
        NMF(K, solver="hals", constraints_H=Bounds(upper=3)).fit(X)
    with pytest.raises(ValueError, match="Negative values"):
        NMF(K, solver="mu", beta_loss=1, constraints_H=Bounds(-np.inf)).fit(X)


@pytest.mark.parametrize(
    "cure",
    [
        {"constraints_W": Simplex()},
        {"constraints_W": Bounds(upper=2)},
        {"constraints_W": Fixed(TRUE.W)},
        {"constraints_W": Target(TRUE.W)},
        {"alpha_W": 0.1},
    ],
)
def test_a_penalty_that_only_shrinks_is_refused_with_a_cure(cure):
    with pytest.raises(ValueError, match=r"Smooth on H has no minimum.*Simplex"):
        NMF(K, solver="hals", constraints_H=Smooth()).fit(TRUE.X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NMF(K, solver="hals", constraints_H=Smooth(), max_iter=3, tol=0, **cure).fit(
            TRUE.X
        )


@pytest.mark.parametrize("factor", ["W", "H"])
@pytest.mark.parametrize(
    "penalty",
    [Smooth(), Graph(np.ones((18, 1)), 1.0), MinVolume(), Group(), Orthogonal()],
)
def test_each_penalty_that_shrinks_is_refused(penalty, factor):
    """Also beside constraints on the other factor that leave its scale open."""
    if isinstance(penalty, Graph):
        n = TRUE.X.shape[0 if factor == "W" else 1]
        penalty = Graph(np.arange(n)[:, None], n_neighbors=2)
    other = "H" if factor == "W" else "W"
    for open_scale in ([], Bounds(lower=0.1), Fixed(KNOWN) if other == "H" else []):
        sides = {f"constraints_{factor}": penalty, f"constraints_{other}": open_scale}
        text = f"{type(penalty).__name__} on {factor} has no minimum"
        with pytest.raises(ValueError, match=text):
            NMF(K, solver="hals", **sides).fit(TRUE.X)


def test_a_penalty_on_one_factor_alone_warns():
    with pytest.warns(UserWarning, match="alpha_H=0 penalises W alone") as record:
        NMF(K, alpha_W=0.1, alpha_H=0, max_iter=2, tol=0).fit(TRUE.X)
    assert sum("penalises W alone" in str(w.message) for w in record) == 1
    with pytest.warns(UserWarning, match="alpha_H=0 penalises W alone"):
        non_negative_factorization(
            TRUE.X, n_components=K, alpha_W=0.1, alpha_H=0, max_iter=2, tol=0
        )
    model = NMF(K, alpha_W=0.1, alpha_H=0, max_iter=2, tol=0, solver="hals",
                constraints_H=Bounds(upper=1))  # fmt: skip
    model.fit(TRUE.X)  # the bound ties the scale


def test_names_are_registered_once():
    names = (
        "fixed bounds simplex smooth graph target group min_volume unimodal monotone"
    )
    assert {*names.split(), "orthogonal"} <= set(constraint_kinds)
    with pytest.raises(ValueError, match="registered already"):
        register_constraint("simplex")(Mirror)


def test_gaps_and_weights_of_entries():
    rng = np.random.default_rng(5)
    X = np.where(rng.random(TRUE.X.shape) < 0.2, np.nan, TRUE.X)
    for case in ("simplex", "fixed-component", "bounds", "smooth"):
        one = CASES[case]
        model = NMF(K, solver="hals", missing_values=np.nan, constraints_W=one.W,
                    constraints_H=one.H, max_iter=60, tol=0)  # fmt: skip
        W = model.fit_transform(X)
        assert one.holds_W(W)
        assert one.holds_H(model.components_)
        values = model.history_["objective"]
        assert (np.diff(values) <= 1e-12 * values[0]).all()
        error = np.nansum((X - W @ model.components_) ** 2)
        assert model.reconstruction_err_ == pytest.approx(np.sqrt(error))
        assert error < 0.1 * np.nansum(X**2)


@pytest.mark.filterwarnings("ignore:.*have no observed entry")
@pytest.mark.parametrize(
    "name", ["simplex", "fixed-component", "fixed-entries", "bounds"]
)
def test_rows_and_columns_that_show_nothing_fulfil_them_too(name):
    one, X = CASES[name], TRUE.X.copy()
    X[4], X[:, 3] = np.nan, np.nan
    model = NMF(K, solver="hals", missing_values=np.nan, constraints_W=one.W,
                constraints_H=one.H, max_iter=20, tol=0, random_state=0)  # fmt: skip
    W = model.fit_transform(X)
    assert one.holds_W(W)
    assert one.holds_H(model.components_)
    assert one.holds_W(model.transform(X))


@pytest.mark.parametrize("solver", ["hals", "bpp", "mu"])
@pytest.mark.parametrize("with_gaps", [False, True])
@pytest.mark.parametrize("name", ["simplex", "fixed-component", "bounds", "fixed-W"])
def test_weights_of_rows_and_columns(name, with_gaps, solver):
    rng = np.random.default_rng(6)
    one, X = CASES[name], TRUE.X + 0.01
    rows, columns = rng.random(len(X)) + 0.1, rng.random(X.shape[1]) + 0.1
    rows[2] = 0
    V = rows[:, None] * columns
    if with_gaps:
        gaps = rng.random(X.shape) < 0.15
        X, V = np.where(gaps, np.nan, X), np.where(gaps, 0, V)
    model = NMF(K, solver=solver, missing_values=np.nan, constraints_W=one.W,
                constraints_H=one.H, max_iter=60, tol=0, random_state=0)  # fmt: skip
    W = model.fit_transform(X, sample_weight=rows, feature_weight=columns)
    assert one.holds_H(model.components_)
    assert one.holds_W(W)
    values = model.history_["objective"]
    assert (np.diff(values) <= 1e-12 * values[0]).all()
    error = np.nansum(V * (X - W @ model.components_) ** 2)
    assert model.reconstruction_err_ == pytest.approx(np.sqrt(error), rel=1e-6)
    assert values[-1] == pytest.approx(0.5 * error, rel=1e-5)
    # copies of rows, as whole weights stand for
    if name == "simplex" and solver == "bpp" and not with_gaps:
        counts = rng.integers(1, 3, len(X))
        options = {"solver": "bpp", "tol": 1e-6, "max_iter": 800, "random_state": 0}
        weighted = NMF(K, constraints_W=Simplex(), **options)
        weighted.fit(X, sample_weight=counts.astype(float))
        copied = NMF(K, constraints_W=Simplex(), **options).fit(np.repeat(X, counts, 0))
        assert weighted.reconstruction_err_ == pytest.approx(
            copied.reconstruction_err_, rel=0.02
        )
