"""
An AnnData that stays in its file
=================================

Fit the X of an AnnData that stays in its .h5ad file.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import anndata
import numpy as np
import scipy.sparse as sp

from nonneg import NMF

with tempfile.TemporaryDirectory() as folder:
    rng = np.random.default_rng(0)
    rates = rng.gamma(0.5, size=(1500, 4)) @ rng.gamma(0.2, size=(4, 100))
    counts = sp.csr_matrix(rng.poisson(rates).astype(np.float32))
    anndata.AnnData(counts).write_h5ad(Path(folder) / "cells.h5ad")

    cells = anndata.read_h5ad(Path(folder) / "cells.h5ad", backed="r")
    model = NMF(4, solver="sn", beta_loss="kullback-leibler", random_state=0)
    W = model.fit_transform(cells)
    print(f"{cells.shape} in {cells.filename.name}: {model.n_iter_} iterations")
    cells.file.close()

    cells = anndata.read_h5ad(Path(folder) / "cells.h5ad")
    cells.obsm["X_nmf"], cells.varm["nmf"] = W, model.components_.T
    print("kept as obsm['X_nmf']", cells.obsm["X_nmf"].shape)
