"""
A mapped .npy file
==================

Fit a .npy file that is mapped, not read: the fit reads it in parts.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from nonneg import NMF

with tempfile.TemporaryDirectory() as folder:
    rng = np.random.default_rng(0)
    X = rng.gamma(1.0, size=(4000, 5)) @ rng.gamma(0.3, size=(5, 60))
    np.save(Path(folder) / "x.npy", X)

    mapped = np.load(Path(folder) / "x.npy", mmap_mode="r")
    model = NMF(5, solver="hals", random_state=0).fit(mapped)
    print(f"{mapped.shape} in a file: error {model.reconstruction_err_:.3g}")
