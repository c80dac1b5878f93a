"""
A Matrix Market file
====================

Fit a Matrix Market file: converted once, out of core, to a CSR on disk.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import scipy.io
import scipy.sparse as sp

from nonneg import NMF
from nonneg.stores import by_rows

with tempfile.TemporaryDirectory() as folder:
    X = sp.random_array((3000, 200), density=0.05, random_state=0)
    scipy.io.mmwrite(Path(folder) / "x.mtx", X)

    # the entries may come in any order, by columns for example; these are by rows
    store = by_rows(Path(folder) / "x.mtx", Path(folder) / "x-by-rows")
    print(sorted(path.name for path in (Path(folder) / "x-by-rows").iterdir()))
    model = NMF(5, solver="hals", random_state=0, max_iter=500).fit(store)
    print(f"{store.shape}: {model.n_iter_} iterations")

    # later, in another process
    again = NMF(5, solver="hals", random_state=0, max_iter=500)
    again.fit(Path(folder) / "x-by-rows")
    print("the same:", bool((again.components_ == model.components_).all()))
