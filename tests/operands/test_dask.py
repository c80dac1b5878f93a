"""Fits of Dask arrays: the same results as in memory, on threads and on a cluster."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF, non_negative_factorization

da = pytest.importorskip("dask.array")
import dask

from nonneg.base.steps import OtherFactor, RowsOfW, Step, StepRows
from nonneg.losses.beta import KullbackLeibler
from nonneg.losses.frobenius import Frobenius
from nonneg.operands.dask import row_blocks, tasks
from nonneg.operands.dask.row_steps import (
    FunctionRows,
    FunctionStep,
    SmallInput,
    SmallInputs,
)
from nonneg.operands.registration import as_operand
from nonneg.solvers.hals import Hals
from nonneg.solvers.pg import ProjectedGradient
from nonneg.solvers.registry import solvers

SOLVERS = ["cd", "hals", "bpp", "mu"]
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def data(n=203, m=40, rank=4):
    rng = np.random.RandomState(0)
    return rng.rand(n, rank) @ rng.rand(rank, m) + 0.1 * rng.rand(n, m)


def options(solver, **more):
    return {
        "n_components": 4, "init": "random", "solver": solver, "random_state": 0,
        "max_iter": 25, **more,
    }  # fmt: skip


@pytest.fixture
def threads():
    with dask.config.set(scheduler="threads", num_workers=2):
        yield


def check(X, D, solver, **more):
    here, there = NMF(**options(solver, **more)), NMF(**options(solver, **more))
    W, V = here.fit_transform(X), there.fit_transform(D)
    assert isinstance(V, da.Array)
    np.testing.assert_allclose(V.compute(), W, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(there.components_, here.components_, atol=1e-10)
    assert there.n_iter_ == here.n_iter_
    assert there.reconstruction_err_ == pytest.approx(here.reconstruction_err_, 1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_threads_give_the_fit_in_memory(threads, solver):
    X = data()
    check(X, da.from_array(X, chunks=(50, 23)), solver, alpha=0.1, l1_ratio=0.5)


@pytest.mark.parametrize("beta", ["kullback-leibler", 1.5])
@pytest.mark.parametrize("accelerate", [False, True])
def test_other_losses(threads, beta, accelerate):
    X = data()
    D = da.from_array(X, chunks=(50, -1))
    check(X, D, "mu", beta_loss=beta, accelerate=accelerate)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_cluster_gives_the_fit_in_memory(client, solver):
    X = data()
    check(X, da.from_array(X, chunks=(50, 40)), solver)


@pytest.mark.parametrize(
    ("solver", "inline"), [("hals", 0), ("mu", row_blocks.INLINE_BYTES)]
)
def test_many_blocks_by_levels_of_sums(client, monkeypatch, solver, inline):
    # 0: what tasks are told is a task of its own, and so is the last sum
    monkeypatch.setattr(row_blocks, "INLINE_BYTES", inline)
    X = data()
    check(X, da.from_array(X, chunks=(9, 40)), solver, max_iter=8)


@pytest.mark.parametrize("n", [1, 7, 8, 9, 64, 65, 100])
@pytest.mark.parametrize("most", [1, 8])
def test_a_tree_adds_each_part_once(threads, n, most):
    parts = [dask.delayed(2**i) for i in range(n)]
    ends = row_blocks.tree(parts, sum, most)
    assert len(ends) <= most
    assert sum(dask.compute(*ends)) == 2**n - 1


@dataclasses.dataclass
class Changed(StepRows):
    updated = ("A",)
    A: np.ndarray
    B: np.ndarray


@dataclasses.dataclass(frozen=True)
class SetColumns(Step):
    def __call__(self, X_b, mask_b, rows_b, shared):
        rows_b.A[:, shared.Ht] = rows_b.B


def test_what_a_task_was_given_is_left_as_it_was():
    rng = np.random.default_rng(0)
    A, B = rng.random((9, 4)), rng.random((9, 2))
    before = A.copy()
    forms, shared = [(4, A.dtype), (2, B.dtype)], OtherFactor(np.array([1, 3]))
    common = tasks.Common(SetColumns(), Changed(0, 1), [0], forms, shared, 1, None)
    _, out = tasks.work_on(common, 9, ((0, None), (1, None)), None, A, B)
    np.testing.assert_array_equal(A, before)
    np.testing.assert_array_equal(out[:, [1, 3]], B)
    np.testing.assert_array_equal(out[:, [0, 2]], A[:, [0, 2]])
    # read in one place and written to in another
    step = FunctionStep(np.multiply, (True, False))
    rows, small = FunctionRows((RowsOfW(0),), 0), SmallInputs((SmallInput(2.0),))
    common = tasks.Common(step, rows, [0], forms[:1], small, 1, None)
    _, out = tasks.work_on(common, 9, ((0, None),), None, A)
    np.testing.assert_array_equal(A, before)
    np.testing.assert_array_equal(out, 2 * A)


@pytest.mark.parametrize(
    "of",
    [
        lambda W: W * 2,
        lambda W: np.ones(2) * W,
        lambda W: W @ np.eye(2),
        lambda W: np.maximum(W, 0),
        lambda W: np.asarray(W),
        lambda W: W[0],
    ],
)
def test_an_unknown_operation_on_rows_is_a_type_error(of):
    rows = as_operand(da.from_array(data(), chunks=(50, 40))).to_rows_of_X(
        np.ones((len(data()), 2))
    )
    with pytest.raises(TypeError):
        of(rows)


@pytest.mark.parametrize("solver", SOLVERS)
def test_several_starts_in_the_same_passes(threads, solver):
    X = data()
    check(X, da.from_array(X, chunks=(50, 40)), solver, n_init=3)


@pytest.mark.parametrize("solver", SOLVERS)
def test_single_precision(threads, solver):
    X = data().astype(np.float32)
    here, there = NMF(**options(solver)), NMF(**options(solver))
    W = here.fit_transform(X)
    V = there.fit_transform(da.from_array(X, chunks=(50, 40)))
    assert V.dtype == there.components_.dtype == np.float32
    # one sum in another order, amplified by 25 iterations
    np.testing.assert_allclose(V.compute(), W, atol=2e-3 * W.max())
    error = pytest.approx(here.reconstruction_err_, rel=1e-4)
    assert there.reconstruction_err_ == error


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_interrupt_leaves_what_was_found(threads, solver):
    def interrupt(iteration):
        if iteration.n_iter == 5:
            raise KeyboardInterrupt

    X = data()
    D = da.from_array(X, chunks=(50, 40))
    model = NMF(**options(solver, callback=interrupt))
    with pytest.raises(KeyboardInterrupt) as caught:
        model.fit(D)
    expected = NMF(**options(solver, max_iter=5, tol=0))
    with pytest.raises(KeyboardInterrupt):
        expected.set_params(callback=interrupt).fit(X)
    np.testing.assert_allclose(model.components_, expected.components_, atol=1e-10)
    assert model.n_iter_ == caught.value.result.n_iter == 5


def test_sparse_blocks(client):
    X = data()
    X[X < 0.9] = 0
    D = da.from_array(X, chunks=(50, 40)).map_blocks(sp.csr_array)
    check(sp.csr_array(X), D, "hals")


def test_the_history_of_a_fit_is_let_go_of(client, monkeypatch):
    monkeypatch.setattr(row_blocks, "MOST_PASSES", 10)
    X = data()
    D = da.from_array(X, chunks=(50, 40))
    counts = []

    def count(iteration):
        n = client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
        counts.append(n)

    NMF(**options("cd", max_iter=60, tol=0, callback=count)).fit(D)
    # kept for good, what most iterations add would make four times as many
    added = np.median(np.diff(counts))
    assert added > 0
    assert max(counts) <= 0.5 * (counts[0] + 59 * added)


def test_transform_is_lazy_and_that_of_memory(threads):
    X = data()
    calls = []

    def block(part):
        calls.append(len(part))
        return part

    D = da.from_array(X, chunks=(50, 40)).map_blocks(block, meta=np.empty((0, 0)))
    model = NMF(**options("hals")).fit(X)
    V = model.transform(D)
    assert not calls
    assert V.chunks == ((50, 50, 50, 50, 3), (4,))
    np.testing.assert_allclose(V.compute(), model.transform(X), atol=1e-12)


def test_given_start_and_given_H(threads):
    X = data()
    D = da.from_array(X, chunks=(50, 40))
    rng = np.random.RandomState(1)
    W, H = rng.rand(203, 4), rng.rand(4, 40)
    given = W.copy()
    here = NMF(**options("cd", init="custom")).fit_transform(X, W=W, H=H)
    there = NMF(**options("cd", init="custom")).fit_transform(D, W=W, H=H)
    np.testing.assert_allclose(there.compute(), here, atol=1e-10)
    np.testing.assert_array_equal(W, given)
    for solver in SOLVERS:
        how = {"H": H, "n_components": 4, "update_H": False, "solver": solver}
        expected = non_negative_factorization(X, **how)[0]
        found = non_negative_factorization(D, **how)[0]
        np.testing.assert_allclose(found.compute(), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("value", "words"), [(np.nan, "NaN"), (-1.0, "Negative"), (np.inf, "infinity")]
)
def test_bad_entries_are_named_by_their_row(threads, value, words):
    X = data()
    X[137, 5] = value
    with pytest.raises(ValueError, match=f"{words}.*row 137"):
        NMF(4).fit(da.from_array(X, chunks=(50, 20)))


@pytest.mark.parametrize(
    "more",
    [
        {"solver": "sn", "beta_loss": 1}, {"solver": "pg"},
        {"compress": True}, {"blocks": 2, "solver": "hals"},
        {"memory_limit": "1GB"},
    ],
    ids=lambda more: next(iter(more)),
)  # fmt: skip
def test_what_needs_memory_is_refused_with_the_alternative(threads, more):
    D = da.from_array(data(), chunks=(50, 40))
    with pytest.raises(ValueError, match=r"X is a Dask array, and .* pass "):
        NMF(4, **more).fit(D)


def test_what_solvers_declare_is_asked_for(threads):
    """Instances and plug-ins are taken, or refused, by what their class declares."""
    D = da.from_array(data(), chunks=(50, 40))
    named = NMF(**options("hals")).fit(D).components_
    made = NMF(**options(Hals())).fit(D).components_
    np.testing.assert_array_equal(made, named)
    able = "pass solver='cd' or 'hals' or 'bpp' or 'mu'"
    with pytest.raises(ValueError, match=rf"solver=ProjectedGradient\(.*{able}\."):
        NMF(4, solver=ProjectedGradient()).fit(D)
    solvers.register("like hals")(type("LikeHals", (Hals,), {}))
    try:
        plugged = NMF(**options("like hals")).fit(D).components_
        np.testing.assert_array_equal(plugged, named)
        with pytest.raises(ValueError, match=rf"solver='pg' .*{able} or 'like hals'\."):
            NMF(4, solver="pg").fit(D)
    finally:
        solvers.remove("like hals")


@pytest.mark.parametrize(
    ("beta_loss", "solver"),
    [("frobenius", "hals"), (Frobenius(), "hals"), (1, "mu"), (KullbackLeibler(), "mu")],
    ids=["name", "quadratic loss", "number", "divergence"],
)  # fmt: skip
def test_auto_goes_by_what_the_loss_provides(threads, beta_loss, solver):
    D = da.from_array(data(), chunks=(50, 40))
    plan = NMF(4, solver="auto", beta_loss=beta_loss).plan(D)
    assert plan.as_dict()["choices"]["solver"]["value"] == solver


def test_unknown_chunks_are_refused(threads):
    D = da.from_array(data(), chunks=(50, 40))
    with pytest.raises(ValueError, match="compute_chunk_sizes"):
        NMF(4).fit(D[D[:, 0] > 0.5])
