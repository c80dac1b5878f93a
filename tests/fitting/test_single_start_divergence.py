"""Fits of float64 data by divergences that start in float32 end as those in float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF
from nonneg.base.interfaces import Problem, Progress, SolverBase, State
from nonneg.base.penalty import Penalty
from nonneg.fitting import plan_choices
from nonneg.losses.beta import make_loss
from nonneg.operands.registration import as_operand
from nonneg.solvers.composed.single_start import FLAT, FLAT_WITHIN, SingleStart
from nonneg.solvers.irls import ReweightedLeastSquares
from nonneg.solvers.mu import WARM_UP, MultiplicativeUpdates
from nonneg.solvers.sn import ScalarNewton
from support import oracles
from support.cases import MAIN_STORAGES, STORAGES, counts
from support.stopping import Stop, ending

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
K = 4
FIT = {"init": "random", "random_state": 0}
SOLVERS = [
    ("sn", 1), ("irls", 1), ("mu", 0.5), ("irls", 0.5), ("irls", 0), ("irls", 1.5),
]  # fmt: skip
"""With a value of β; "mu" is accelerated."""


@pytest.fixture
def recasts(monkeypatch):
    """Every size of X is enough; the iterations after which fits went over to float64."""
    monkeypatch.setattr(plan_choices, "SINGLE_WORK_TERMS", 0)
    found = []
    for kind in (ScalarNewton, ReweightedLeastSquares, MultiplicativeUpdates):

        def recorded(self, problem, state, recast=kind.recast):
            assert state.W.dtype == np.float32
            found.append(state.n_iter)
            recast(self, problem, state)
            assert state.W.dtype == np.float64

        monkeypatch.setattr(kind, "recast", recorded)
    return found


def positive(n_rows, n_columns):
    return counts((n_rows, n_columns)) + 0.5


def divergence(X, model, W, beta):
    return oracles.divergence(X, W, model.components_.T, beta)


def options(solver, beta):
    accelerated = {"accelerate": True} if solver == "mu" else {}
    return FIT | {"solver": solver, "beta_loss": beta} | accelerated


@pytest.mark.parametrize(("solver", "beta"), SOLVERS)
def test_a_fit_ends_where_one_in_float64_does(solver, beta, recasts, monkeypatch):
    X = positive(60, 40)
    model = NMF(K, **options(solver, beta), max_iter=2000, tol=1e-8)
    W = model.fit_transform(X)
    assert len(recasts) == 1
    assert 0 < recasts[0] < model.n_iter_
    assert W.dtype == model.components_.dtype == np.float64
    loss = divergence(X, model, W, beta)
    assert model.history_["objective"][-1] == pytest.approx(loss, rel=1e-10)
    assert model.reconstruction_err_ == pytest.approx(np.sqrt(2 * loss), rel=1e-10)
    if beta >= 1:  # a row's problem has one minimum
        again = divergence(X, model, model.transform(X), beta)
        assert again == pytest.approx(loss, rel=1e-9)
    monkeypatch.setattr(plan_choices, "SINGLE_WORK_TERMS", np.inf)
    assert model.fit(X).history_["objective"][-1] == pytest.approx(loss, rel=1e-4)
    assert len(recasts) == 1


@pytest.mark.parametrize("storage", MAIN_STORAGES)
@pytest.mark.parametrize("n_init", [1, 3])
def test_every_storage_and_several_starts(storage, n_init, recasts):
    dense = counts((60, 40))
    X = STORAGES[storage](dense)
    model = NMF(K, **options("sn", 1), max_iter=400, tol=1e-6, n_init=n_init)
    W = model.fit_transform(X)
    assert len(recasts) == n_init
    assert W.dtype == np.float64
    loss = divergence(dense, model, W, 1)
    assert model.history_["objective"][-1] == pytest.approx(loss, rel=1e-10)
    np.testing.assert_allclose(model.transform(X), W, rtol=1e-3, atol=1e-6)
    recasts.clear()
    same = NMF(K, **options("sn", 1), max_iter=400, tol=1e-6, n_init=n_init).fit(dense)
    assert same.reconstruction_err_ == pytest.approx(
        model.reconstruction_err_, rel=1e-4
    )


@pytest.mark.parametrize("penalties", [{}, {"alpha_W": 0.01, "l1_ratio": 0.5}])
@pytest.mark.parametrize(("solver", "beta"), SOLVERS[:3])
def test_neither_threads_nor_callbacks_change_a_bit(solver, beta, penalties, recasts):
    X = positive(300, 60)
    given = options(solver, beta) | penalties | {"max_iter": 60, "tol": 1e-5}
    fits = [
        NMF(K, **given, n_threads=n_threads, callback=callback).fit(X)
        for n_threads, callback in ((1, None), (2, None), (1, lambda _: False))
    ]
    assert len(set(recasts)) == 1
    for other in fits[1:]:
        assert other.n_iter_ == fits[0].n_iter_
        np.testing.assert_array_equal(other.components_, fits[0].components_)


@pytest.mark.parametrize(("solver", "beta"), SOLVERS[:3])
@pytest.mark.parametrize("n_iter", [4, 150])
def test_a_checkpoint_goes_on_in_its_precision(
    solver, beta, n_iter, recasts, tmp_path, monkeypatch
):
    X, path = positive(60, 40), tmp_path / "fit"
    # "mu" falls so slowly that it goes over when it has converged
    tol = 1e-3 if solver == "mu" else 0
    given = options(solver, beta) | {"max_iter": 200, "tol": tol}
    whole = NMF(K, **given).fit(X)
    assert 4 < recasts[0] < min(150, whole.n_iter_)
    n_iter = min(n_iter, whole.n_iter_ - 1)
    stop = ending(n_iter)
    with pytest.raises(Stop):
        NMF(K, **given, checkpoint=path, checkpoint_every=1, callback=stop).fit(X)
    monkeypatch.setattr(plan_choices, "SINGLE_WORK_TERMS", np.inf)
    resumed = NMF(K, **given, checkpoint=path, resume=True).fit(X)
    assert resumed.n_iter_ == whole.n_iter_
    np.testing.assert_array_equal(resumed.components_, whole.components_)


@pytest.mark.parametrize(("solver", "beta"), [("sn", 1), ("irls", 1), ("irls", 0.5)])
def test_objectives_of_both_stages_are_of_one_size(solver, beta, recasts):
    """The objective of the pair is measured anew, so that later ones do not rise above it."""
    X = positive(60, 40)
    model = NMF(K, **options(solver, beta), max_iter=400, tol=1e-7)
    told = model.fit(X).history_["objective"]
    best = np.minimum.accumulate(told)
    over = recasts[0]
    assert best[over] == pytest.approx(best[over - 1], rel=1e-6)
    assert told[-1] <= best[over - 1] * (1 + 1e-6)


@pytest.mark.parametrize("beta", [0, 0.5, 1.5])
def test_where_it_goes_over_does_not_depend_on_the_scale(beta, recasts):
    X = positive(60, 40)
    for scale in (1, 2.0**20, 2.0**-20):
        NMF(K, **options("irls", beta), max_iter=400, tol=1e-7).fit(scale * X)
    assert recasts[0] > FLAT_WITHIN
    assert max(recasts) - min(recasts) <= 2


def test_a_nearly_exact_fit_goes_over_at_once(recasts):
    rng = np.random.default_rng(0)
    X = rng.random((60, K)) @ rng.random((K, 40))
    model = NMF(K, **options("irls", 1), max_iter=300, tol=1e-6).fit(X)
    assert recasts[0] < model.n_iter_
    left = np.array(model.history_["objective"]) / X.sum()
    assert (left[: recasts[0] - 1] > 1e-3).all()
    assert left[-1] < 1e-6


def test_entries_that_float32_takes_for_zeros(recasts, monkeypatch):
    """At β = 0 a zero is infinitely far from any W·H; in float32 it counts as a number."""
    X = positive(60, 40)
    X[::7, ::5] = 1e-60
    model = NMF(K, **options("irls", 0), max_iter=400, tol=1e-6)
    found = model.fit(X).history_["objective"][-1]
    assert recasts
    monkeypatch.setattr(plan_choices, "SINGLE_WORK_TERMS", np.inf)
    assert model.fit(X).history_["objective"][-1] == pytest.approx(found, rel=1e-9)


@dataclass(frozen=True, eq=False)
class Scripted(SolverBase):
    """Tells objectives that are given, and changes nothing."""

    name: ClassVar[str] = "scripted"
    told: tuple[float, ...] = ()

    def start(self, problem, W, Ht):
        return State(W, Ht)

    def iterate(self, problem, state):
        no = np.array([False])
        return Progress(np.array([self.told[state.n_iter]]), np.array([1.0]), None, no)

    def recast(self, problem, state):
        pass


def went_over(told):
    """The number of iterations in float32, of a solver that tells these objectives."""
    X = as_operand(counts((20, 10)))
    loss, size = make_loss(1), make_loss(1).size(X)
    problem = Problem(X, loss, Penalty.elastic(2), Penalty.elastic(2))
    W, Ht = np.ones((20, 2)), np.ones((10, 2))
    solver = SingleStart(Scripted(told=tuple(size * value for value in told)))
    state = solver.start(problem, W, Ht)
    for n in range(1, len(told) + 1):
        solver.iterate(problem, state)
        if not state.is_single:
            return n
    return None


def test_it_goes_over_where_float32_decreases_the_objective_no_more():
    falling = [1 - 0.01 * n for n in range(10)]
    assert went_over(falling) is None
    still = [0.91 + 0.1 * FLAT * (-1) ** n for n in range(FLAT_WITHIN)]
    assert went_over(falling + still) == len(falling) + FLAT_WITHIN - 1
    # from a step that was too large it comes back, and goes on to fall
    back = [0.95, 0.94, 0.93, 0.925, 0.92, 0.915, 0.912]
    assert went_over(falling + back) is None
    assert went_over([*falling, 9e-4]) == len(falling) + 1


def test_iterations_that_tell_no_objective(monkeypatch):
    told = [1.0, *[np.nan] * 20, 0.9, *[np.nan] * 20]
    # what float32 can't measure is left to float64
    assert went_over(told) == 2
    monkeypatch.setattr(Scripted, "reports_objective", False)
    assert went_over(told) is None


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("beta", [0, 0.5, 1.5])
def test_accelerated_updates_go_on_from_where_float32_ends(order, beta, recasts):
    X = np.asarray(positive(60, 40), order=order)
    model = NMF(K, **options("mu", beta), max_iter=600, tol=1e-5)
    told = np.array(model.fit(X).history_["objective"])
    assert recasts[0] % 10 == 0  # it is tested every tenth iteration
    assert model.n_iter_ >= recasts[0] + 10
    known = told[~np.isnan(told)]
    assert (np.diff(known) <= 1e-6 * known[:-1]).all()


def test_several_accelerated_starts_go_over_together(recasts):
    X = positive(60, 40)
    model = NMF(K, **options("mu", 0.5), max_iter=600, tol=1e-4, n_init=3).fit(X)
    assert len(recasts) == 3
    assert max(recasts) - min(recasts) <= 1  # one of them may have converged before
    assert WARM_UP < recasts[0] < model.n_iter_


def test_updates_without_acceleration_are_those_of_float64(recasts, monkeypatch):
    X = positive(60, 40)
    found = NMF(K, **FIT, solver="mu", beta_loss=0.5).fit(X).components_
    assert not recasts
    monkeypatch.setattr(plan_choices, "SINGLE_WORK_TERMS", np.inf)
    other = NMF(K, **FIT, solver="mu", beta_loss=0.5).fit(X).components_
    np.testing.assert_array_equal(found, other)


def test_a_sparse_matrix_is_transposed_once(recasts, monkeypatch):
    X = sp.csr_array(counts((60, 40)))
    transposed, tocsr = [], sp.csc_array.tocsr

    def counted(self, *args, **named):
        transposed.append(self.shape)
        return tocsr(self, *args, **named)

    monkeypatch.setattr(sp.csc_array, "tocsr", counted)
    NMF(K, **options("sn", 1), max_iter=40, tol=0).fit(X)
    assert recasts
    assert transposed == [(40, 60)]


def test_the_plan_counts_the_copies(recasts):
    X = sp.csr_array(counts((300, 200)))
    facts = NMF(K, **options("sn", 1)).plan(X).as_dict()
    assert facts["choices"]["precision"]["value"] == "float32, then float64"
    stored = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    assert facts["memory_of_row_copy"] == pytest.approx(stored, rel=0.01)
    spared = 4 * ScalarNewton.arrays * K * 500
    assert facts["memory_of_single"] == max(0, 8 * X.nnz - spared) > 0
    text = str(NMF(K, **options("sn", 1)).plan(X))
    assert "the copy of X" in text
    dense = NMF(K, **options("irls", 1)).plan(X.toarray()).as_dict()
    assert dense["memory_of_row_copy"] == 0


def test_smaller_work_pays_than_by_the_squared_error():
    X = np.random.default_rng(0).random((400, 300))
    for loss, begins in (
        ("frobenius", None),
        ("kullback-leibler", "float32, then float64"),
    ):
        choices = (
            NMF(8, init="random", solver="auto", beta_loss=loss)
            .plan(X)
            .as_dict()["choices"]
        )
        assert choices.get("precision", {"value": None})["value"] == begins
