"""Peak memory of a fit above X: a few arrays of the size of the factors."""

from __future__ import annotations

import pytest

from support.children import printed_by
from support.requirements import needs_linux

SCRIPT = """
import os, sys, warnings
import numpy as np, scipy.sparse as sp
import nonneg
from nonneg.solvers.steps import newton_rows

newton_rows.EXACT_SWEEPS = 10  # how often it goes over W at the end changes no memory
storage, *cases = sys.argv[1:]
k, rng = 20, np.random.default_rng(0)
if storage.startswith("dense"):
    X = rng.random((100_000, 200), dtype=np.float32).astype(np.float64)
    if storage == "dense-F":
        X = np.asfortranarray(X)
else:
    n_samples, n_features, a_row = 100_000, 30_000, 10
    indptr = np.arange(n_samples + 1, dtype=np.int32) * a_row
    indices = rng.integers(0, n_features, indptr[-1], dtype=np.int32)
    X = sp.csr_array((rng.random(indptr[-1]), indices, indptr), (n_samples, n_features))
    X.sum_duplicates()
    X = X.asformat(storage[:3])

def load():  # imports, and pages of libraries, which a forked child maps anew
    nonneg.NMF(2, init="random", tol=0, max_iter=1).fit(X[:1000])

def fit(solver, init):
    load()
    given = {}
    if init == "custom":
        given = {"W": rng.random((X.shape[0], k)), "H": rng.random((k, X.shape[1]))}
    before = peak()
    solver, _, loss = solver.partition("-")
    model = nonneg.NMF(k, solver=solver, init=init, random_state=0, tol=0, max_iter=2,
                       nls_max_iter=3, beta_loss=loss or "frobenius")
    model.fit_transform(X, **given)
    arrays = {"hals": 6, "bpp": 6, "sn": 6, "irls": 6, "mu": 5}.get(solver, 4)
    copy = 0 if storage.startswith("dense") or solver != "sn" else 16 * X.nnz
    # sums over X, scratch, and memory of BLAS for each thread that calls it while another does
    print(peak() - before, arrays * sum(X.shape) * k * 8 + copy + 80 * 2**20, flush=True)

load()
for case in cases:
    child = os.fork()  # the peak of a process begins with what it has when it begins
    if child == 0:
        fit(*case.split("/"))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""

CASES = [
    "cd/random",
    "cd/custom",
    "cd/nndsvd",
    "pg/random",
    "hals/random",
    "bpp/random",
    "mu/random",
    "mu-kullback-leibler/random",
    "sn-kullback-leibler/random",
]
"""Solver, perhaps with its loss, and start."""

BY_COLUMNS = ["cd/random", "hals/random"]
"""Those that meet a sparse X by columns alone; "sn" meets both, as it copies X by columns."""
SLOW = ("pg", "sn-kullback-leibler")
"""Those whose iterations take long on a dense X."""


# each solver meets a dense X and a sparse one, by rows or by columns, but not all four of them
@needs_linux  # reads /proc
@pytest.mark.parametrize(
    ("storage", "cases"),
    [
        ("dense-F", [case for case in CASES if case.partition("/")[0] not in SLOW]),
        ("dense-C", ["pg/random", "cd/nndsvd", "irls-kullback-leibler/random"]),
        ("csr-array", [case for case in CASES if case not in BY_COLUMNS]),
        ("csc-array", [*BY_COLUMNS, "sn-kullback-leibler/random"]),
    ],
)
def test_peak_memory_above_X(storage, cases):
    numbers = iter(map(int, printed_by(SCRIPT, storage, *cases)))
    for case, used, allowed in zip(cases, numbers, numbers, strict=True):
        assert 0 < used <= allowed, case
