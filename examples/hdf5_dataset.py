"""
A data set in HDF5
==================

Fit a dense data set of an HDF5 file, which is read in parts and never whole.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import h5py
import numpy as np

from nonneg import NMF

with tempfile.TemporaryDirectory() as folder:
    rng = np.random.default_rng(0)
    W, H = rng.gamma(1.0, size=(4000, 5)), rng.gamma(0.3, size=(5, 60))
    with h5py.File(Path(folder) / "spectra.h5", "w") as file:
        # chunks of whole rows: a pass decompresses each of them once
        file.create_dataset("X", data=W @ H, chunks=(500, 60), compression="gzip")

    with h5py.File(Path(folder) / "spectra.h5") as file:
        X = file["X"]
        model = NMF(5, solver="hals", random_state=0).fit(X)
        print(f"{X.shape} in HDF5: error {model.reconstruction_err_:.3g}")
        print("W of the first rows:", model.transform(X[:3]).shape)
