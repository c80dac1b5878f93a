"""Constraints on data in files: each one, in parts, gives the fit in memory."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF
from support import stored
from support.constraint_cases import CASES, TRUE, K

pytest.importorskip("h5py")

OTHERS = itertools.cycle([("bpp", 2), ("mu", 1), ("sn", 1), ("mu", 2)])
FITS = [
    (name, *fit)
    for name in CASES
    for fit in (
        ("hals", 2, "chunks", np.float64),
        (*next(OTHERS), "group", np.float32 if name == "simplex" else np.float64),
    )
]


def store_of(folder, X, kind):
    if kind == "group":
        return stored.h5_group(folder, sp.csr_array(X))
    return stored.h5_chunked(folder, X)


@pytest.mark.parametrize(("name", "solver", "beta", "kind", "dtype"), FITS)
def test_a_store_gives_the_fit_in_memory(tmp_path, name, solver, beta, kind, dtype):
    case = CASES[name]
    if case.by_sweeps_alone or name.startswith(("unimodal", "monotone", "free-sign")):
        solver, beta = "hals", 2  # others refuse them
    X = (TRUE.X + 0.01).astype(dtype)
    options = {
        "solver": solver, "beta_loss": beta, "tol": 0, "max_iter": 8, "random_state": 0,
        "constraints_W": case.W, "constraints_H": case.H,
    }  # fmt: skip
    here, there = NMF(K, **options), NMF(K, **options)
    W, V = here.fit_transform(X), there.fit_transform(store_of(tmp_path, X, kind))
    assert V.dtype == dtype
    assert case.holds_W(V)
    assert case.holds_H(there.components_)
    ours, theirs = here.history_["objective"], there.history_["objective"]
    close = 1e-9 if dtype == np.float64 else 2e-3  # the order of sums differs
    if solver == "sn":  # in parts a factor without constraints moves by majorisers
        assert (np.diff(theirs) <= close * theirs[0]).all()
        return
    np.testing.assert_allclose(theirs, ours, rtol=close, atol=close)
    atol = 1e-5 if dtype == np.float64 else 0.05
    np.testing.assert_allclose(V @ there.components_, W @ here.components_, atol=atol)
