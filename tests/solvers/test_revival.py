"""No component is lost for nothing: dead ones are revived, or the fit says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.datasets import load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning

from nonneg import NMF
from nonneg.base.interfaces import Penalty, Problem
from nonneg.losses.registry import losses
from nonneg.operands.registration import as_operand
from nonneg.solvers.registry import make_solver
from nonneg.solvers.steps.revival import dead_components, revived
from support.combinations import covering
from support.oracles import objective

Array = NDArray[Any]
DATA = {"wine": (load_wine, 4), "iris": (load_iris, 3)}
STORAGES = {"dense": np.asarray, "dense-F": np.asfortranarray, "csr": sp.csr_array,
            "csc": sp.csc_array}  # fmt: skip


def alive(W: Array, H: Array) -> int:
    return int(np.sum(W.any(axis=0) & H.any(axis=1)))


def problem_of(X: Any) -> Problem:
    none = Penalty.elastic(3)
    return Problem(as_operand(X), losses["frobenius"](), none, none)


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
@pytest.mark.parametrize(
    ("name", "solver", "storage", "dtype"),
    covering(list(DATA), ["bpp", "hals"], list(STORAGES), ["float64", "float32"]),
)
def test_random_starts_keep_all_components(
    name: str, solver: str, storage: str, dtype: str
) -> None:
    """An exact solve beside a random H leaves whole columns of W at 0."""
    load, k = DATA[name]
    X = load().data.astype(dtype)
    errors = []
    for seed in range(4):
        model = NMF(k, solver=solver, init="random", random_state=seed)
        W = model.fit_transform(STORAGES[storage](X))
        assert alive(W, model.components_) == k
        errors.append(model.reconstruction_err_)
    best = NMF(k, solver="hals", max_iter=1000).fit(load().data).reconstruction_err_
    assert np.median(errors) < 1.1 * best


def test_further_starts_keep_their_components() -> None:
    """Each of several starts is revived by itself."""
    X = load_wine().data
    model = NMF(4, solver="bpp", init="random", random_state=0, n_init=4).fit(X)
    last = model.history_["objectives"][-1]
    assert last.max() < 1.1 * last.min()
    assert model.components_.any(axis=1).all()


def test_start_with_dead_components_is_revived() -> None:
    """Also those of a start that the caller gave."""
    X = np.random.default_rng(0).random((30, 12))
    W, H = np.full((30, 3), 0.5), np.full((3, 12), 0.5)
    W[:, 1], H[2] = 0, 0
    model = NMF(3, solver="bpp", init="custom")
    result = model.fit_transform(X, W=W, H=H)
    assert alive(result, model.components_) == 3
    free = NMF(3, solver="bpp", init="random", random_state=0, n_init=3).fit(X)
    assert model.reconstruction_err_ < 1.05 * free.reconstruction_err_


@pytest.mark.parametrize("storage", list(STORAGES))
def test_revival_lowers_the_loss_by_what_it_tells(storage: str) -> None:
    """The loss falls by the told decrease; living components and inputs stay."""
    rng = np.random.default_rng(1)
    X = rng.random((20, 11))
    W, Ht = rng.random((20, 3)), rng.random((11, 3)) / 3
    W[:, 2] = 0
    before = W.copy(), Ht.copy()
    dead = dead_components((W**2).sum(axis=0), (Ht**2).sum(axis=0))
    assert dead.tolist() == [False, False, True]
    problem = problem_of(STORAGES[storage](X))
    new_W, new_H, decrease = revived(problem, W, Ht, dead)
    np.testing.assert_array_equal(W, before[0])
    np.testing.assert_array_equal(Ht, before[1])
    np.testing.assert_array_equal(new_W[:, :2], W[:, :2])
    np.testing.assert_array_equal(new_H[:, :2], Ht[:, :2])
    none = Penalty.elastic(3)
    start, end = (objective(X, *pair, none, none) for pair in ((W, Ht), (new_W, new_H)))
    assert 0 < decrease == pytest.approx(start - end, rel=1e-9)
    assert new_W[:, 2].min() >= 0
    assert new_H[:, 2].min() >= 0


def test_an_exact_fit_needs_no_more_components() -> None:
    """Nothing is left that a further component could fit, and there is no warning."""
    rng = np.random.default_rng(0)
    X = rng.random((20, 1)) @ rng.random((1, 9))
    for solver in ("hals", "bpp"):
        model = NMF(3, solver=solver, init="random", random_state=0, max_iter=2000)
        model.fit(X)
        assert model.stop_reason_ == "converged"
        assert model.reconstruction_err_ < 1e-4 * np.linalg.norm(X)


def test_penalties_may_remove_components() -> None:
    """What a penalty has removed is the optimum: it stays, without a warning."""
    X = np.random.default_rng(0).random((30, 12))
    for solver in ("hals", "bpp"):
        model = NMF(
            4, solver=solver, init="random", random_state=0, alpha_W=0.3, l1_ratio=1.0,
            max_iter=2000, tol=1e-2,
        )  # fmt: skip
        W = model.fit_transform(X)
        assert alive(W, model.components_) < 4


@pytest.mark.parametrize(
    ("solver", "loss"), [("cd", 2), ("mu", 2), ("mu", 1), ("pg", 2)]
)
def test_a_lost_component_is_told(solver: str, loss: float) -> None:
    """Solvers whose iterates are scikit-learn's can't revive a component; they warn."""
    X = np.random.default_rng(0).random((30, 12)) + 0.1
    W, H = np.full((30, 3), 0.5), np.random.default_rng(1).random((3, 12))
    W[:, 1], H[1] = 0, 0
    model = NMF(3, solver=solver, beta_loss=loss, init="custom", max_iter=500, tol=1e-3)
    with pytest.warns(ConvergenceWarning, match="1 of 3 components are 0: solver"):
        model.fit(X, W=W, H=H)


def test_revival_is_part_of_the_descent() -> None:
    """The best objective falls with each iteration, also where a component is revived."""
    X = load_wine().data
    rng = np.random.default_rng(0)
    problem, solver = problem_of(X), make_solver("bpp", tol=0.0)
    W, Ht = rng.random((178, 3)), rng.random((13, 3))
    state = solver.start(problem, W, Ht)
    last, n_revived = np.inf, 0
    for _ in range(15):
        progress = solver.iterate(problem, state)
        state.n_iter += 1
        n_revived = state.revivals
        done = solver.finish(problem, state)
        value = objective(X, *done, problem.penalty_W, problem.penalty_H)
        assert value <= last * (1 + 1e-9)
        assert progress.objective is not None
        assert value <= progress.objective[0] * (1 + 1e-9)
        last = value
    assert n_revived > 0
