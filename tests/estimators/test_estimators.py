"""scikit-learn's manners: tags, parameters, names, pipelines; fitted attributes."""

from __future__ import annotations

import inspect
import json
import pickle
import re
import subprocess
import sys
import time
import tomllib
import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import sklearn
import sklearn.decomposition as peer
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from sklearn.utils import get_tags

import nonneg
from nonneg import NMF, kernels, non_negative_factorization
from nonneg.solvers.registry import solvers
from support.cases import DTYPES, MAIN_STORAGES, STORAGES, data, factors
from support.paths import ROOT
from support.tolerances import assert_close

DOCUMENTED = np.array([[1, 1], [2, 1], [3, 1.2], [4, 1], [5, 0.8], [6, 1]])
SOLVERS = [name for name in solvers if "poisson" not in solvers[name].requires]
"""Those that minimise the default loss."""
QUICK = {"max_iter": 3, "tol": 0, "random_state": 0, "nls_max_iter": 50}
pytestmark = pytest.mark.filterwarnings("ignore:Iteration limit:UserWarning")


def test_tags():
    tags = get_tags(NMF())
    assert tags.input_tags.sparse
    assert tags.input_tags.two_d_array
    assert tags.input_tags.positive_only
    assert not tags.input_tags.allow_nan
    assert tags.transformer_tags.preserves_dtype == ["float64", "float32"]
    assert not tags.target_tags.required


# Signatures and documentation


def parameters_of(function):
    return {
        name: p
        for name, p in inspect.signature(function).parameters.items()
        if name != "self"
    }


OLD_NMF = [
    "n_components",
    "init",
    "solver",
    "tol",
    "max_iter",
    "random_state",
    "alpha",
    "l1_ratio",
    "verbose",
    "shuffle",
    "nls_max_iter",
    "sparseness",
    "beta",
    "eta",
]
OLD_FUNCTION = [
    "X",
    "W",
    "H",
    "n_components",
    "init",
    "update_H",
    "solver",
    "tol",
    "max_iter",
    "alpha",
    "l1_ratio",
    "regularization",
    "random_state",
    "verbose",
    "shuffle",
    "nls_max_iter",
    "sparseness",
    "beta",
    "eta",
]


@pytest.mark.parametrize(
    ("function", "positional"),
    [(NMF, OLD_NMF), (non_negative_factorization, OLD_FUNCTION)],
)
def test_the_order_of_the_parameters(function, positional):
    """That of scikit-learn 0.18 by position, whatever came later by keyword."""
    kinds = {name: p.kind for name, p in parameters_of(function).items()}
    keyword = [name for name in kinds if name not in positional]
    assert list(kinds) == positional + keyword
    assert {kinds[name] for name in positional} == {
        inspect.Parameter.POSITIONAL_OR_KEYWORD
    }
    assert {kinds[name] for name in keyword} == {inspect.Parameter.KEYWORD_ONLY}


def test_defaults_differ_where_those_of_the_original_do():
    estimator, function = parameters_of(NMF), parameters_of(non_negative_factorization)
    differing = {
        name
        for name in estimator
        if name in function and estimator[name].default != function[name].default
    }
    assert differing == {"init", "regularization"}


PUBLIC = [getattr(nonneg, name) for name in nonneg.__all__ if name != "__version__"]
METHODS = [
    getattr(NMF, name)
    for name in ("fit", "fit_transform", "transform", "inverse_transform")
]


@pytest.mark.parametrize("thing", PUBLIC + METHODS, ids=lambda thing: thing.__name__)
def test_every_parameter_is_documented(thing):
    doc = inspect.getdoc(thing)
    parameters = list(parameters_of(thing))
    section = re.search(
        r"Parameters\n-+\n(.*?)\n\n?(\w[\w ]*\n-+\n|\Z)", doc, re.DOTALL
    )
    documented = [
        name.strip().lstrip("*")
        for line in re.findall(r"^(\w[\w, *]*) :", section[1], re.MULTILINE)
        for name in line.split(",")
    ]
    assert documented == parameters


def test_every_fitted_attribute_is_documented():
    frame = pd.DataFrame(data(), columns=[f"f{j}" for j in range(17)])
    model = NMF(2, solver="pg", **QUICK).fit(frame)
    fitted = {name for name in vars(model) if name.endswith("_")}
    section = inspect.getdoc(NMF).partition("Attributes\n")[2].partition("See Also")[0]
    assert set(re.findall(r"^(\w+_) :", section, re.MULTILINE)) == fitted


# The documented numbers


def test_the_documented_example():
    model = NMF(n_components=2, init="random", random_state=0)
    W = model.fit_transform(DOCUMENTED)
    expected = [[2.09783018, 0.30560234], [2.13443044, 2.13171694]]
    np.testing.assert_allclose(model.components_, expected, rtol=0, atol=5e-9)
    assert abs(model.reconstruction_err_ - 0.00115993) < 5e-9
    assert model.reconstruction_err_ == pytest.approx(
        np.linalg.norm(DOCUMENTED - W @ model.components_)
    )
    assert model.stop_reason_ == "converged"


def test_the_function_gives_the_same():
    W, H, n_iter = non_negative_factorization(
        DOCUMENTED, n_components=2, init="random", random_state=0
    )
    model = NMF(2, "random", random_state=0)
    np.testing.assert_array_equal(W, model.fit_transform(DOCUMENTED))
    np.testing.assert_array_equal(H, model.components_)
    assert n_iter == model.n_iter_


# Fitted attributes


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_fitted_attributes(storage, dtype, solver):
    X = data(dtype=dtype)
    model = NMF(4, solver=solver, alpha_W=1e-3, l1_ratio=0.5, **QUICK)
    W = model.fit_transform(STORAGES[storage](X))
    H = model.components_
    assert H.shape == (4, 17)
    assert H.dtype == W.dtype == dtype
    assert H.flags.c_contiguous
    assert W.min() >= 0
    assert H.min() >= 0
    assert model.n_components_ == 4
    assert model.n_features_in_ == 17
    assert model.solver_ == solver
    assert type(model.n_iter_) is int
    assert type(model.reconstruction_err_) is float
    assert type(model.stop_reason_) is str
    exact = X.astype(float) - W.astype(float) @ H.astype(float)
    assert_close(model.reconstruction_err_, np.linalg.norm(exact), dtype, X.size)
    assert not hasattr(model, "feature_names_in_")
    assert hasattr(model, "comp_sparseness_") == (solver == "pg")
    assert hasattr(model, "data_sparseness_") == (solver == "pg")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", MAIN_STORAGES)
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e6])
def test_a_start_that_is_optimal_ends_the_fit(scale, storage, dtype):
    """One component starts at the optimum; the violation never falls below its rounding."""
    X = STORAGES[storage](data(dtype=dtype) * dtype(scale))
    model = NMF(1, random_state=0).fit(X)
    again = NMF(1, init="custom").fit(X, W=model.fit_transform(X), H=model.components_)
    assert again.stop_reason_ == "converged"
    assert again.n_iter_ <= 3
    all_of_them = NMF(1, random_state=0, max_iter=7, tol=0).fit(X)
    assert all_of_them.n_iter_ == 7


@pytest.mark.parametrize("scale", [1e-120, 1e120])
def test_cd_ends_alike_at_any_scale(scale):
    plain, scaled = (
        NMF(3, "random", random_state=0, tol=1e-3, max_iter=1000).fit(s * data())
        for s in (1.0, scale)
    )
    assert plain.stop_reason_ == scaled.stop_reason_ == "converged"
    assert abs(plain.n_iter_ - scaled.n_iter_) <= 1
    assert scaled.n_iter_ > 5


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_history(storage, dtype):
    """A column for each quantity; the objective has its ½ and its penalties."""
    X = data(dtype=dtype)
    model = NMF(3, alpha=0.3, l1_ratio=0.25, max_iter=6, tol=0, random_state=0)
    W, H = model.fit_transform(STORAGES[storage](X)), model.components_
    history = model.history_
    assert sorted(history) == ["objective", "residual", "seconds", "sweeps"]
    assert {len(column) for column in history.values()} == {6}
    assert history["residual"][0] == 1
    assert np.all(np.diff(history["objective"]) <= 0)
    assert np.all(np.diff(history["seconds"]) >= 0)
    W, H = W.astype(float), H.astype(float)
    penalty = sum(0.3 * (0.25 * A.sum() + 0.375 * np.sum(A**2)) for A in (W, H))
    expected = 0.5 * np.linalg.norm(X - W @ H) ** 2 + penalty
    assert_close(history["objective"][-1], expected, dtype, X.size, factor=10)


@pytest.mark.parametrize("storage", MAIN_STORAGES)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("where", ["both", "components", "transformation", None])
def test_the_objective_is_penalised_where_regularization_says(where, solver, storage):
    """The last objective of the record, from its formula in the documentation."""
    X = data()
    model = NMF(3, alpha=2.0, l1_ratio=0.25, solver=solver, regularization=where)
    model.set_params(max_iter=50, tol=1e-3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        W = model.fit_transform(STORAGES[storage](X))
    H = model.components_
    penalty = {
        name: 2.0 * (0.25 * A.sum() + 0.375 * np.sum(A**2))
        for name, A in (("transformation", W), ("components", H))
    }
    chosen = (
        penalty if where == "both" else {k: v for k, v in penalty.items() if k == where}
    )
    expected = 0.5 * np.linalg.norm(X - W @ H) ** 2 + sum(chosen.values())
    assert_close(model.history_["objective"][-1], expected, np.float64, X.size)
    # and a weaker penalty on a factor leaves it larger than a stronger one does
    assert np.isfinite(expected)


def test_sparseness_measures_go_with_the_solver_that_sets_them():
    model = NMF(3, solver="pg", **QUICK).fit(data())
    assert 0 <= model.comp_sparseness_ <= 1
    assert 0 <= model.data_sparseness_ <= 1
    model.set_params(solver="cd").fit(data())
    assert not hasattr(model, "comp_sparseness_")
    assert not hasattr(model, "data_sparseness_")


@pytest.mark.parametrize("sparse", ["data", "components"])
def test_sparseness_makes_its_factor_sparser(sparse):
    X = data(density=1.0)
    measured = "data_sparseness_" if sparse == "data" else "comp_sparseness_"
    values = []
    for sparseness in (None, sparse):
        model = NMF(4, solver="pg", sparseness=sparseness, beta=5.0, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            values.append(getattr(model.fit(X), measured))
    assert values[1] > values[0]


# When it stops, and what it says about it


@pytest.mark.parametrize("solver", SOLVERS)
def test_it_warns_when_it_stops_unconverged(solver):
    start = "^Maximum number of iterations 2 reached. Increase it to improve converg"
    model = NMF(4, "random", solver, tol=1e-6, max_iter=2, random_state=0)
    with pytest.warns(ConvergenceWarning, match=start) as caught:
        model.fit(data())
    assert [w.filename for w in caught if w.category is ConvergenceWarning] == [
        __file__
    ]
    assert model.n_iter_ == 2
    assert model.stop_reason_ == "max_iter"
    with pytest.warns(ConvergenceWarning, match=start):
        non_negative_factorization(
            data(), n_components=4, solver=solver, tol=1e-6, max_iter=2, random_state=0
        )


@pytest.mark.parametrize("solver", SOLVERS)
def test_it_does_not_warn_at_tol_0(solver):
    model = NMF(4, "random", solver, tol=0, max_iter=2, random_state=0).fit(data())
    assert model.n_iter_ == 2


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", MAIN_STORAGES)
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_start_that_is_optimal_is_kept(solver, storage, dtype):
    """At rank 1 the SVD is the solution; a stop relative to it may never come."""
    X = STORAGES[storage](data(density=1.0, dtype=dtype))
    model = NMF(1, solver=solver, random_state=0)
    with warnings.catch_warnings():
        if solver == "cd":  # stops where scikit-learn's does
            warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X)
    start = nonneg.initialize(X, 1, random_state=0)[1]
    # the start is accurate to the randomized SVD's convergence
    np.testing.assert_allclose(model.components_, start, rtol=1e-4)


@pytest.mark.parametrize("max_iter", [1, 2, 7])
def test_iterations_count_from_one(max_iter):
    model = NMF(3, max_iter=max_iter, tol=0, random_state=0).fit(data())
    assert model.n_iter_ == len(model.history_["objective"]) == max_iter
    assert NMF(3, tol=1.0).fit(data()).n_iter_ == 1


def test_convergence_at_the_last_iteration_does_not_warn():
    n_iter = NMF(3, random_state=0).fit(data()).n_iter_
    model = NMF(3, max_iter=n_iter, random_state=0).fit(data())
    assert model.stop_reason_ == "converged"


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_transform_leaves_the_fit_alone(solver):
    model = NMF(3, solver=solver, **QUICK).fit(data())
    before = {name: np.copy(value) for name, value in vars(model).items()}
    model.set_params(tol=1e-2).transform(data(9, 17))
    model.set_params(tol=0)
    assert before.keys() == vars(model).keys()
    for name, value in before.items():
        np.testing.assert_array_equal(getattr(model, name), value)


def test_the_callback_is_told_and_may_stop():
    told = []

    def callback(iteration):
        told.append(iteration)
        return iteration.n_iter == 3

    model = NMF(3, callback=callback, random_state=0).fit(data())
    assert model.stop_reason_ == "callback"
    assert model.n_iter_ == len(told) == 3
    np.testing.assert_array_equal(
        [iteration.objective for iteration in told], model.history_["objective"]
    )


def test_max_time():
    """No iteration is begun once the time is up; no warning, it was asked for."""
    slow = {"callback": lambda iteration: time.sleep(0.6)}
    model = NMF(3, max_time=0.5, random_state=0, **slow).fit(data())
    assert model.stop_reason_ == "max_time"
    assert model.n_iter_ == 1


def test_verbose_prints_the_measure_of_each_iteration(capsys):
    NMF(3, verbose=1, max_iter=2, tol=0, random_state=0).fit(data())
    assert re.fullmatch(
        r"violation: 1\.0\nviolation: 0\.\d+\n", capsys.readouterr().out
    )
    model = NMF(3, verbose=True, random_state=0).fit(data())
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"Converged at iteration {model.n_iter_}"
    NMF(3, random_state=0).fit(data())
    assert capsys.readouterr().out == ""


# Random states


@pytest.mark.parametrize("init", ["random", "nndsvdar", None])
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_seed_repeats_the_fit(init, shuffle):
    def fit(random_state):
        model = NMF(3, init, max_iter=3, tol=0, shuffle=shuffle)
        return model.set_params(random_state=random_state).fit(data()).components_

    np.testing.assert_array_equal(fit(4), fit(4))
    state = np.random.RandomState(4)
    first, second = fit(state), fit(state)
    np.testing.assert_array_equal(first, fit(np.random.RandomState(4)))
    if init == "random" or shuffle:
        assert not np.array_equal(first, second)


def test_the_global_stream_is_the_default():
    def fit():
        np.random.seed(3)
        return NMF(3, "random", max_iter=2, tol=0).fit(data()).components_

    np.testing.assert_array_equal(fit(), fit())


# Parameters, copies, files


def test_parameters_are_kept_as_given():
    given = {"n_components": np.int64(3), "alpha_W": 1, "callback": print}
    model = NMF(**given)
    assert all(model.get_params()[name] is value for name, value in given.items())
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    model.set_params(callback=None, max_iter=1, tol=0).fit(data())
    assert model.get_params()["n_components"] is given["n_components"]


def test_numbers_of_numpy_are_taken():
    model = NMF(
        np.int32(3), tol=np.float32(0), max_iter=np.int8(2), alpha_W=np.float64(0.1)
    )
    assert model.fit(data()).n_iter_ == 2
    assert NMF(3, shuffle=np.bool_(True), verbose=np.False_, **QUICK).fit(data())


@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_pickling_keeps_everything(protocol):
    model = NMF(3, **QUICK).fit(data())
    copied = pickle.loads(pickle.dumps(model, protocol))
    assert copied.get_params() == model.get_params()
    assert vars(copied).keys() >= {k for k in vars(model) if k.endswith("_")}
    np.testing.assert_array_equal(copied.transform(data()), model.transform(data()))


def test_a_refit_forgets_the_first_fit():
    model = NMF(3, **QUICK).fit(data())
    again = model.fit(data(9, 5, seed=7)).components_
    fresh = clone(model).fit(data(9, 5, seed=7)).components_
    np.testing.assert_array_equal(again, fresh)


# transform and back


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_transform_solves_for_W(storage, dtype, solver):
    """At the end no entry of W can lower the objective by much."""
    X = data(density=1.0, dtype=dtype)
    model = NMF(3, solver=solver, random_state=0, tol=1e-3, max_iter=500).fit(X)
    W = model.transform(STORAGES[storage](X))
    assert W.dtype == dtype
    H = model.components_.astype(float)
    gradient = W @ (H @ H.T) - X @ H.T
    projected = np.where(W > 0, gradient, np.minimum(gradient, 0))
    assert np.abs(projected).sum() <= 0.05 * np.abs(X @ H.T).sum()


def test_transform_takes_the_other_dtype():
    """A model of one precision serves data of the other; W is of that of X."""
    model = NMF(3, **QUICK).fit(data())
    W32 = model.transform(data(dtype=np.float32))
    assert W32.dtype == np.float32
    assert model.components_.dtype == np.float64
    assert_close(W32, model.transform(data()), np.float32, 17, factor=100)


@pytest.mark.parametrize("container", [np.array, sp.csr_array, sp.csc_matrix, list])
def test_inverse_transform(container):
    model = NMF(3, **QUICK)
    W = model.fit_transform(data())
    expected = W @ model.components_
    W[np.median(W) > W] = 0
    expected = W @ model.components_
    back = model.inverse_transform(container(W))
    assert isinstance(back, np.ndarray)
    assert_close(back, expected, np.float64, 3)
    frame = pd.DataFrame(W, columns=model.get_feature_names_out())
    np.testing.assert_array_equal(model.inverse_transform(frame), expected)


# Frames, pipelines, searches, routing


def test_feature_names_out():
    model = NMF(3, **QUICK).fit(data())
    assert model.get_feature_names_out().tolist() == ["nmf0", "nmf1", "nmf2"]


@pytest.mark.parametrize("library", ["pandas", "polars", "default"])
def test_set_output(library):
    X = data()
    plain = NMF(3, **QUICK).fit_transform(X)
    model = NMF(3, **QUICK).set_output(transform=library)
    kinds = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "default": np.ndarray}
    for W in (model.fit_transform(X), model.fit(X).transform(X)):
        assert isinstance(W, kinds[library])
    W = model.fit_transform(X)
    if library != "default":
        assert list(W.columns) == ["nmf0", "nmf1", "nmf2"]
    np.testing.assert_array_equal(np.asarray(W), plain)


def test_set_output_keeps_the_index():
    frame = pd.DataFrame(data(4, 3), index=list("abcd"), columns=list("xyz"))
    W = NMF(2, **QUICK).set_output(transform="pandas").fit_transform(frame)
    assert W.index.tolist() == list("abcd")


def test_a_pipeline():
    texts = ["red green blue", "green blue", "red red", "violet blue", "red violet"]
    pipeline = make_pipeline(TfidfVectorizer(), NMF(2, random_state=0, max_iter=1000))
    W = pipeline.fit_transform(texts)
    assert W.shape == (5, 2)
    assert pipeline.get_feature_names_out().tolist() == ["nmf0", "nmf1"]
    assert pipeline.transform(texts[:2]).shape == (2, 2)
    pipeline = make_pipeline(MaxAbsScaler(), NMF(2, **QUICK)).fit(data())
    assert pipeline.inverse_transform(pipeline.transform(data())).shape == (23, 17)


def held_out_error(model, X, y=None):
    W = model.transform(X)
    return -nonneg.reconstruction_error(X, W, model.components_)


def test_a_grid_search():
    """Over ranks, by a scoring callable; more components fit held-out rows better."""
    search = GridSearchCV(
        NMF(init="random", random_state=0, max_iter=1000, tol=1e-3),
        {"n_components": [1, 4], "alpha_W": [0.0, 1.0]},
        scoring=held_out_error,
        cv=3,
        # threads: the scoring function of a test can't be sent to a process
        n_jobs=2,
        error_score="raise",
    )
    with joblib.parallel_backend("threading"):
        search.fit(data(30, 12, density=1.0))
    assert search.best_params_ == {"n_components": 4, "alpha_W": 0.0}
    assert not hasattr(NMF, "score") or hasattr(peer.NMF, "score")


def test_metadata_routing():
    """W and H can be routed through a pipeline to the fit of its last step."""
    X = data()
    W, H = factors(X.shape, 3)[0], factors(X.shape, 3)[1].T
    with sklearn.config_context(enable_metadata_routing=True):
        model = NMF(3, "custom", max_iter=2, tol=0).set_fit_request(W=True, H=True)
        pipeline = make_pipeline(MaxAbsScaler(), model)
        scaled = X / X.max(axis=0)
        direct = clone(model).fit(scaled, W=W, H=H).components_
        pipeline.fit(X, W=W, H=H)
        np.testing.assert_array_equal(pipeline[-1].components_, direct)
        pipeline.fit_transform(X, W=W, H=H)
        np.testing.assert_array_equal(pipeline[-1].components_, direct)


def test_W_and_H_by_position():
    """As in scikit-learn: (X, y, W, H)."""
    X = data()
    W, H = factors(X.shape, 3)[0], factors(X.shape, 3)[1].T
    model = NMF(3, "custom", max_iter=2, tol=0)
    by_name = model.fit_transform(X, W=W, H=H)
    np.testing.assert_array_equal(model.fit_transform(X, None, W, H), by_name)
    assert model.fit(X, [1, 2], W, H) is model


# show_config and the import


def test_show_config(capsys):
    config = nonneg.show_config(mode="dicts")
    assert config["nonneg"]["version"] == nonneg.__version__
    assert config["Threads"]["default"] >= 1
    assert config["Versions"]["numpy"] == np.__version__
    assert config["Versions"]["scikit-learn"] == sklearn.__version__
    in_use = config["SIMD"]["in use"]
    assert (in_use == "reference") == (kernels.native is None)
    assert in_use in config["SIMD"]["available"]
    assert config["BLAS"]
    assert nonneg.show_config() is None
    assert json.loads(capsys.readouterr().out) == config


def test_the_version_is_that_of_the_project():
    project = ROOT / "pyproject.toml"
    assert (
        nonneg.__version__ == tomllib.loads(project.read_text())["project"]["version"]
    )


def test_the_import_is_light():
    """Beside scikit-learn's decomposition module it brings nothing large along."""
    code = (
        "import sys, sklearn.decomposition; before = set(sys.modules); import nonneg; "
        "print(*(name for name in set(sys.modules) - before if not name.startswith('nonneg')))"
    )
    others = subprocess.check_output(
        [sys.executable, "-W", "ignore", "-c", code], text=True
    )
    assert set(others.split()) <= {"concurrent.futures.thread"}


def test_results_do_not_depend_on_the_number_of_threads():
    X = data(200, 60)
    fits = [
        NMF(5, max_iter=4, tol=0, random_state=0, n_threads=n).fit_transform(X)
        for n in (1, 2, 7)
    ]
    for other in fits[1:]:
        np.testing.assert_array_equal(other, fits[0])
