"""
A CSR in four files
===================

Fit a CSR that any program can write: four .npy files in a folder.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from nonneg import NMF

with tempfile.TemporaryDirectory() as folder:
    X = sp.random_array((3000, 200), density=0.05, format="csr", random_state=0)
    for name in ("data", "indices", "indptr", "shape"):
        np.save(Path(folder) / f"{name}.npy", getattr(X, name))

    model = NMF(5, solver="hals", random_state=0, max_iter=500)
    W = model.fit_transform(Path(folder))
    print(f"W {W.shape}, H {model.components_.shape}")
