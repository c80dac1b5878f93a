"""Plug-ins in one file each — an input, a solver, a loss — run through unedited code."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

import nonneg
from nonneg.base.interfaces import Operand, Penalty, SolverBase
from nonneg.base.registry import Registry
from nonneg.losses.registry import losses
from nonneg.operands.base import matmul, rmatmul
from nonneg.operands.registration import as_operand, unregister_operand
from nonneg.solvers.registry import solvers
from nonneg.stores.base import unregister_store
from support import oracles
from support.cases import (
    DTYPES,
    MAIN_STORAGES,
    PAIRS,
    STORAGES,
    SolverCase,
    data,
    data_for,
    factors,
    make_problem,
)
from support.properties import assert_descends, assert_valid, fit
from support.tolerances import assert_close, tol


@contextmanager
def plugged_in(name: str) -> Iterator[Any]:
    """The module of a plug-in; importing it is all that registering takes."""
    module = importlib.import_module(f"toys.{name}")
    try:
        yield module
    finally:
        del sys.modules[f"toys.{name}"]
        for registry in (solvers, losses):
            if name in registry:
                registry.remove(name)
        for value in vars(module).values():
            if isinstance(value, type):
                unregister_operand(value)
                unregister_store(value)


@pytest.fixture
def masked():
    with plugged_in("masked") as module:
        yield module


@pytest.fixture
def landweber():
    with plugged_in("landweber") as module:
        yield module


@pytest.fixture
def outer():
    with plugged_in("outer") as module:
        yield module


@pytest.fixture
def absolute():
    with plugged_in("absolute") as module:
        yield module


def hidden(shape, share=0.3, seed=4):
    """Mask that hides a share of the entries, never a whole row or column."""
    mask = np.random.default_rng(seed).random(shape) < share
    np.fill_diagonal(mask, False)
    mask[:, 0] = mask[0] = False
    return mask


# --- a kind of input -----------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_masked_operand(masked, dtype):
    X, mask = data(dtype=dtype), hidden((23, 17))
    operand = as_operand(np.ma.array(X, mask=mask))
    assert isinstance(operand, Operand)
    assert type(operand) is masked.MaskedOperand
    W, Ht = factors(X.shape, dtype=dtype)
    shown = np.where(mask, 0, oracles.to_float64(X))
    assert_close(matmul(operand, Ht), shown @ Ht, dtype, 17)
    assert_close(rmatmul(operand, W), shown.T @ W, dtype, 23)
    stats = operand.stats()
    assert stats.n_entries == np.sum(~mask)
    assert_close(stats.sum, shown.sum(), np.float64, X.size)
    value = losses["frobenius"]().value(operand, W, Ht)
    assert_close(value, oracles.frobenius(X, W, Ht, ~mask), dtype, X.size)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("update_H", [True, False])
def test_cd_on_masked_entries_is_the_oracle_s(masked, dtype, update_H, passes):
    """Each sweep moves as by the definition of the masked objective."""
    X, mask = data(250, 17, dtype=dtype), hidden((250, 17))
    W, Ht = factors(X.shape, dtype=dtype)
    term = Penalty.elastic(4, 0.05, 0.1)
    problem = make_problem(
        np.ma.array(X, mask=mask), l1=0.05, l2=0.1, update_H=update_H
    )
    actual_W, actual_Ht, outcome = fit(
        SolverCase("cd").make(tol=0.0), problem, W, Ht, n_iter=3
    )
    for _ in range(3):
        W, violation = oracles.coordinate_sweep_W(X, W, Ht, term, None, ~mask)
        if update_H:
            Ht, more = oracles.coordinate_sweep_W(X.T, Ht, W, term, None, ~mask.T)
            violation += more
    # three sweeps, each with the rounding of the last one in its sums
    assert_close(actual_W, W, dtype, X.size, factor=8)
    assert_close(actual_Ht, Ht, dtype, X.size, factor=8)
    if update_H:
        expected = oracles.objective(X, W, Ht, term, term, ~mask)
        assert_close(outcome.history.objective[-1], expected, dtype, X.size, factor=8)


@pytest.mark.parametrize(
    ("loss", "case"), [pair for pair in PAIRS if pair[1].name != "irls"], ids=str
)
def test_the_masked_objective_never_rises(masked, loss, case):
    X, mask = data_for(loss), hidden((23, 17))
    problem = make_problem(
        np.ma.array(X, mask=mask), loss=loss, l1=0.05, l2=0.1, random_state=0
    )
    start = factors(X.shape)
    assert_descends(case.make(tol=0.0), problem, X, *start, mask=~mask)


def test_cd_on_masked_entries_reaches_a_minimum(masked):
    X, mask = data(), hidden((23, 17))
    problem = make_problem(np.ma.array(X, mask=mask), l1=0.05, l2=0.1)
    W, Ht, outcome = fit(
        SolverCase("cd").make(tol=1e-10), problem, *factors(X.shape), n_iter=20_000
    )
    assert outcome.stop_reason == "converged"
    for data_, A, B, shown in ((X, W, Ht, ~mask), (X.T, Ht, W, ~mask.T)):
        gradient = oracles.gradient_W(data_, A, B, problem.penalty_W, shown)
        projected = np.where(A > 0, gradient, np.minimum(gradient, 0))
        assert np.abs(projected).max() <= 1e-6 * np.abs(X).max()


@pytest.mark.parametrize("dtype", DTYPES)
def test_without_hidden_entries_it_is_the_plain_fit(masked, dtype):
    X = data(dtype=dtype)
    start = factors(X.shape, dtype=dtype)
    solver = SolverCase("cd").make(tol=0.0)
    plain = fit(solver, make_problem(X, l1=0.1), *start, n_iter=5)
    shown = fit(solver, make_problem(np.ma.array(X), l1=0.1), *start, n_iter=5)
    # five sweeps apart, in other orders of summation
    assert_close(shown[0], plain[0], dtype, X.size, factor=8)
    assert_close(shown[1], plain[1], dtype, X.size, factor=8)


@pytest.mark.parametrize("value", [0.0, 1e6, np.nan, -1.0])
def test_what_is_hidden_does_not_matter(masked, value):
    X, mask = data(), hidden((23, 17))
    other = np.where(mask, value, X)
    results = [
        nonneg.NMF(4, init="random", random_state=0, tol=0, max_iter=7).fit(
            np.ma.array(values, mask=mask)
        )
        for values in (X, other)
    ]
    np.testing.assert_array_equal(*(model.components_ for model in results))
    np.testing.assert_array_equal(*(model.reconstruction_err_ for model in results))


def test_hidden_entries_of_an_exact_product_are_found(masked):
    rng = np.random.default_rng(0)
    W, Ht = rng.random((40, 2)), rng.random((30, 2))
    X, mask = W @ Ht.T, hidden((40, 30))
    model = nonneg.NMF(2, init="random", random_state=0, tol=1e-9, max_iter=5000)
    found = model.fit_transform(np.ma.array(X, mask=mask)) @ model.components_
    assert np.abs(found - X)[mask].max() < 1e-3


def test_a_plug_in_checks_its_own_input(masked):
    X = np.ma.array(data(), mask=False)
    X[1, 2] = -1
    with pytest.raises(ValueError, match="not negative"):
        nonneg.NMF(2).fit(X)


# --- a solver ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_a_third_party_solver_descends(landweber, storage, dtype):
    X = STORAGES[storage](data(dtype=dtype))
    problem = make_problem(X, l1=0.01, l2=0.02)
    solver = SolverCase("landweber").make()
    assert_descends(solver, problem, X, *factors(X.shape, dtype=dtype))


def test_a_third_party_solver_on_a_third_party_input(landweber, masked):
    X, mask = data(), hidden((23, 17))
    problem = make_problem(np.ma.array(X, mask=mask), l1=0.01)
    solver = SolverCase("landweber").make()
    assert_descends(solver, problem, X, *factors(X.shape), mask=~mask)


@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_a_third_party_solver_runs_through_the_estimator(landweber, storage):
    X = STORAGES[storage](data())
    model = nonneg.NMF(
        3, solver="landweber", init="random", random_state=0, tol=1e-5, max_iter=5000
    )
    W = model.fit_transform(X)
    assert_valid(W, model.components_.T.copy(), np.float64)
    assert model.stop_reason_ == "converged"
    assert np.all(np.diff(model.history_["objective"]) <= tol(np.float64, X.shape[0]))
    peer = nonneg.NMF(3, init="random", random_state=0, tol=1e-8, max_iter=5000).fit(X)
    assert model.reconstruction_err_ == pytest.approx(
        peer.reconstruction_err_, rel=0.01
    )
    again = model.transform(X)
    assert again.shape == W.shape


def test_its_name_is_known_only_while_it_is_there():
    with plugged_in("landweber"):
        assert "landweber" in solvers
    assert "landweber" not in solvers
    with pytest.raises(ValueError, match="solver"):
        nonneg.NMF(2, solver="landweber").fit(data())


def test_its_steps_travel(landweber):
    step = landweber.LandweberStep(2.5)
    assert pickle.loads(pickle.dumps(step)) == step


def test_an_object_is_a_solver_without_a_name(landweber):
    """It is fitted, copied and transforms by its own options."""
    solvers.remove("landweber")
    try:
        solver = landweber.Landweber(0.01)
        model = nonneg.NMF(3, solver=solver, init="random", random_state=0, tol=1e-9)
        assert model.get_params()["solver"] is solver
        assert repr(model).count("Landweber(tol=0.01)") == 1
        W = model.fit_transform(data())
        assert model.solver_ == "landweber"
        assert model.stop_reason_ == "converged"
        assert model.history_["residual"][-1] <= 0.01  # not at the model's tol
        twin = clone(model).fit(data())
        np.testing.assert_array_equal(twin.components_, model.components_)
        assert twin.transform(data()).shape == W.shape
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(again.transform(data()), twin.transform(data()))
    finally:
        solvers.register("landweber")(landweber.Landweber)


def test_an_object_is_no_parameter_that_a_model_file_holds(landweber, tmp_path):
    model = nonneg.NMF(2, solver=landweber.Landweber(), init="random", random_state=0)
    model.fit(data())
    with pytest.raises(ValueError, match="parameter solver of type Landweber can't be"):
        nonneg.save(model, tmp_path / "model")
    nonneg.save(model.set_params(solver="landweber"), tmp_path / "model")
    again = nonneg.load(tmp_path / "model")
    np.testing.assert_array_equal(again.transform(data()), model.transform(data()))


def test_an_object_of_ours_fits_as_its_name_does():
    X = data(60, 23)
    options = {"init": "random", "random_state": 0, "tol": 0, "max_iter": 5}
    by_name = nonneg.NMF(3, solver="hals", compress=True, n_init=2, **options).fit(X)
    solver = solvers["hals"](tol=0)
    model = nonneg.NMF(3, solver=solver, compress=True, n_init=2, **options).fit(X)
    np.testing.assert_array_equal(model.components_, by_name.components_)
    blocks = [
        nonneg.NMF(3, solver=s, blocks=3, **options).fit(X).components_
        for s in ("hals", solver)
    ]
    np.testing.assert_array_equal(*blocks)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_an_object_s_options_belong_to_a_checkpoint(tmp_path):
    X, path = data(60, 23), tmp_path / "fit"
    options = {"init": "random", "random_state": 0, "checkpoint": path, "resume": True}
    kind = solvers["hals"]
    nonneg.NMF(3, solver=kind(sweeps=3), max_iter=3, **options).fit(X)
    nonneg.NMF(3, solver=kind(sweeps=3), max_iter=9, **options).fit(X)
    with pytest.raises(ValueError, match=r"its parameter solver is .*sweeps', 3"):
        nonneg.NMF(3, solver=kind(sweeps=4), max_iter=9, **options).fit(X)


@pytest.mark.parametrize("value", [Any, object(), SolverBase])
def test_what_is_no_solver_is_refused(value):
    with pytest.raises(ValueError, match="The 'solver' parameter of NMF must be"):
        nonneg.NMF(2, solver=value).fit(data())


def test_a_solver_has_to_have_the_defaults():
    with pytest.raises(TypeError, match="solver int must derive from SolverBase"):
        solvers.register("other")(int)


# --- a loss --------------------------------------------------------------------------


@pytest.mark.parametrize("storage", MAIN_STORAGES)
def test_a_third_party_loss(absolute, storage):
    X = data()
    W, Ht = factors(X.shape)
    value = losses["absolute"]().value(as_operand(STORAGES[storage](X)), W, Ht)
    assert_close(value, np.abs(X - W @ Ht.T).sum(), np.float64, X.size)


def test_an_impossible_pair_is_refused_before_any_work(absolute):
    text = "solver 'cd' does not handle beta_loss = 'absolute'. No solver here does"
    with pytest.raises(ValueError, match=text):
        nonneg.NMF(2, init="random", beta_loss="absolute").fit(data())
    text = "solver 'hals' does not handle beta_loss = 1. Pass solver='mu' or 'sn' or 'irls'"
    with pytest.raises(ValueError, match=text):
        nonneg.NMF(2, init="random", solver="hals", beta_loss=1).fit(data())


def test_an_object_is_a_loss_without_a_name(landweber):
    class Doubled(type(losses["frobenius"]())):
        name = "doubled"

        def error(self, value):
            return 2 * super().error(value)

    options = {"init": "random", "random_state": 0, "max_iter": 5, "tol": 0}
    one = nonneg.NMF(3, beta_loss=Doubled(), **options).fit(data())
    two = nonneg.NMF(3, **options).fit(data())
    np.testing.assert_array_equal(one.components_, two.components_)
    assert one.reconstruction_err_ == 2 * two.reconstruction_err_


# --- the registry --------------------------------------------------------------------


def test_a_name_is_taken_once():
    registry: Registry[Any] = Registry("thing")
    registry.register("one")(int)
    with pytest.raises(ValueError, match="thing named 'one' is registered already"):
        registry.register("one")(str)
    assert list(registry) == ["one"]
    assert registry["one"] is int
    registry.remove("one")
    assert "one" not in registry
    registry.register("one")(str)
    assert registry["one"] is str


@pytest.mark.parametrize("solver", ["cd", "hals", "mu"])
def test_a_new_kind_of_store_is_fitted_as_an_array(outer, solver):
    rng = np.random.default_rng(0)
    X = outer.OuterProduct(rng.random(700), rng.random(30))
    models = [
        nonneg.NMF(3, "random", solver, random_state=0, tol=1e-3).fit(Y)
        for Y in (X, np.multiply.outer(X.a, X.b))
    ]
    ours, theirs = (model.components_ for model in models)
    if solver == "hals":  # on a small X in memory it begins with a product of its own
        np.testing.assert_allclose(ours, theirs, rtol=1e-7)
    else:
        np.testing.assert_array_equal(ours, theirs)
    assert models[0].reconstruction_err_ < 0.1 * np.linalg.norm(X.a)
