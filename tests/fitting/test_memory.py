"""Peak memory of a fit above X: a few arrays of the size of the factors."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.cases import MAIN_STORAGES

SCRIPT = """
import resource, sys
import numpy as np, scipy.sparse as sp
import nonneg

storage, solver, init = sys.argv[1:]
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
nonneg.NMF(2, init="random", tol=0, max_iter=1).fit(X[:1000])  # loads what a fit loads

given = {}
if init == "custom":
    given = {"W": rng.random((X.shape[0], k)), "H": rng.random((k, X.shape[1]))}

def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
# the peak so far is above what is in use by what making X took; fill that up
with open("/proc/self/statm") as file:
    in_use = int(file.read().split()[1]) * resource.getpagesize()
ballast = np.ones(max(0, peak() - in_use) // 8)
before = peak()
solver, _, loss = solver.partition("-")
if solver == "sn":  # how often it goes over W at the end changes no memory, and takes a minute
    from nonneg.solvers import sn
    sn.EXACT_SWEEPS = 10
model = nonneg.NMF(k, solver=solver, init=init, random_state=0, tol=0, max_iter=2,
                   nls_max_iter=3, beta_loss=loss or "frobenius")
import warnings
warnings.simplefilter("ignore")
model.fit_transform(X, **given)
arrays = {"hals": 6, "bpp": 6, "sn": 6, "mu": 5}.get(solver, 4)
copy = 0 if storage.startswith("dense") or solver != "sn" else 16 * X.nnz
print(peak() - before, arrays * sum(X.shape) * k * 8 + copy + 64 * 2**20)
"""


@pytest.mark.parametrize("storage", MAIN_STORAGES)
@pytest.mark.parametrize(
    ("solver", "init"),
    [
        ("cd", "random"),
        ("cd", "custom"),
        ("cd", "nndsvd"),
        ("pg", "random"),
        ("hals", "random"),
        ("bpp", "random"),
        ("mu", "random"),
        ("mu-kullback-leibler", "random"),
        ("sn-kullback-leibler", "random"),
    ],
)
def test_peak_memory_above_X(storage, solver, init):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, storage, solver, init],
        capture_output=True,
        text=True,
        check=True,
    )
    used, allowed = map(int, done.stdout.split())
    assert 0 < used <= allowed
