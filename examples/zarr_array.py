"""
A zarr array
============

Fit a zarr array, which is read in parts; a group with anndata's CSR works as well.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import zarr

from nonneg import NMF

with tempfile.TemporaryDirectory() as folder:
    rng = np.random.default_rng(0)
    W, H = rng.gamma(1.0, size=(4000, 5)), rng.gamma(0.3, size=(5, 60))
    X = zarr.create_array(
        Path(folder) / "x.zarr", shape=(4000, 60), chunks=(500, 60), dtype="float32"
    )
    X[:] = W @ H

    X = zarr.open_array(Path(folder) / "x.zarr", mode="r")
    model = NMF(5, solver="hals", random_state=0).fit(X)
    print(f"{X.shape} in zarr: error {model.reconstruction_err_:.3g}")
    print("H is", model.components_.dtype)
