"""Constraints on a Dask array: workers obey those of W, and the fit is that in memory."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF, non_negative_factorization
from nonneg.constraints import Bounds, Fixed, Simplex, Target
from support.combinations import covering
from support.constraint_cases import CASES, TRUE, Case, K

da = pytest.importorskip("dask.array")
import dask

HALF = np.where(np.arange(TRUE.W.shape[0])[:, None] % 2, TRUE.W, np.nan)
HERE = {
    name: CASES[name]
    for name in (
        "fixed-entries", "fixed-W", "bounds", "simplex", "simplex-bounds", "smooth",
        "target", "min-volume", "group", "orthogonal", "monotone",
    )
} | {
    "rows-of-their-own": Case(
        W=[Bounds(upper=np.tile([[0.8], [0.9]], (9, K))), Target(HALF, 2.0)],
        H=Bounds(upper=4), holds_W=lambda W: (W[::2] <= 0.8).all() and W.max() <= 0.9,
    ),
}  # fmt: skip
STARTS = ["random", "nndsvd", "custom"]


@pytest.fixture(autouse=True)
def threads():
    with dask.config.set(scheduler="threads", num_workers=2):
        yield


def blocks_of(X, sparse):
    D = da.from_array(X, chunks=(7, 6))
    return D.map_blocks(sp.csr_matrix) if sparse else D


def models(case, **options):
    options = {"solver": "hals", "max_iter": 8, "tol": 0, "random_state": 0} | options
    return [
        NMF(K, constraints_W=case.W, constraints_H=case.H, **options) for _ in range(2)
    ]


@pytest.mark.parametrize(
    ("name", "init", "dtype", "sparse", "fit"),
    covering(
        list(HERE), STARTS, [np.float64, np.float32], [False, True],
        [("hals", 2), ("bpp", 2), ("mu", 2), ("mu", 1)],
    ),
)  # fmt: skip
def test_workers_give_the_fit_in_memory(name, init, dtype, sparse, fit):
    case, X, (solver, beta) = HERE[name], (TRUE.X + 0.01).astype(dtype), fit
    if (case.by_sweeps_alone and solver == "bpp") or name == "monotone":
        solver, beta = "hals", 2
    if solver == "mu" and init == "nndsvd":
        init = "nndsvda"  # whose zeros may move
    here, there = models(case, init=init, solver=solver, beta_loss=beta)
    start = {}
    if init == "custom":
        start = {"W": TRUE.W.astype(dtype), "H": TRUE.H.astype(dtype) + 0.1}
    W = here.fit_transform(X, **start)
    V = there.fit_transform(blocks_of(X, sparse), **start)
    assert isinstance(V, da.Array)
    V = V.compute()
    assert V.dtype == there.components_.dtype == dtype
    assert case.holds_W(V)
    assert case.holds_H(there.components_)
    # the order of sums differs
    close = 1e-9 if dtype == np.float64 else 2e-3
    ours, theirs = here.history_["objective"], there.history_["objective"]
    np.testing.assert_allclose(theirs, ours, rtol=close, atol=close)
    atol = 1e-5 if dtype == np.float64 else 0.05
    np.testing.assert_allclose(V @ there.components_, W @ here.components_, atol=atol)


def test_known_components_on_workers():
    """In memory sweeps over known components go apart, so the paths differ."""
    case = CASES["simplex-fixed"]
    here, there = models(case, max_iter=300, tol=1e-6)
    W = here.fit_transform(TRUE.X)
    V = there.fit_transform(blocks_of(TRUE.X, False)).compute()
    assert case.holds_W(V)
    assert case.holds_H(there.components_)
    assert there.reconstruction_err_ == pytest.approx(
        here.reconstruction_err_, rel=1e-4
    )
    rows = there.transform(blocks_of(TRUE.X, False)).compute()
    np.testing.assert_allclose(rows, V, atol=1e-9)
    W, _, _ = non_negative_factorization(
        blocks_of(TRUE.X, False), H=there.components_, n_components=K, solver="hals",
        update_H=False, constraints_W=Simplex(),
    )  # fmt: skip
    np.testing.assert_allclose(W.compute(), V, atol=1e-9)


def test_all_of_W_known_stays_as_it_is():
    here, there = models(Case(W=Fixed(TRUE.W)), max_iter=100, tol=1e-6)
    W, V = here.fit_transform(TRUE.X), there.fit_transform(blocks_of(TRUE.X, True))
    assert np.array_equal(V.compute(), W)
    np.testing.assert_allclose(there.components_, here.components_, atol=1e-7)


@pytest.mark.parametrize("name", ["graph", "unimodal"])
def test_what_ties_rows_of_W_together_is_refused(name):
    case = CASES[name]
    with pytest.raises(ValueError, match="Dask array where they tie rows of W"):
        models(case)[0].fit(blocks_of(TRUE.X, False))
    # in blocks of H they do no harm
    other = Case(W=Bounds(upper=1), H=case.W) if name == "unimodal" else None
    if other is not None:
        models(other)[0].fit(blocks_of(TRUE.X, False))


def test_rows_of_least_divergence_are_solved_for_where_they_are():
    here, there = models(CASES["simplex-bounds"], solver="mu", beta_loss=1)
    X = TRUE.X + 0.01
    W, V = here.fit_transform(X), there.fit_transform(blocks_of(X, True)).compute()
    np.testing.assert_allclose(V, W, atol=1e-9)
    np.testing.assert_allclose(
        there.transform(blocks_of(X, False)).compute(), W, atol=1e-9
    )


def test_a_solver_that_needs_X_here_is_refused():
    with pytest.raises(ValueError, match="pass solver='mu'"):
        models(CASES["simplex"], solver="sn", beta_loss=1)[0].fit(
            blocks_of(TRUE.X, False)
        )
