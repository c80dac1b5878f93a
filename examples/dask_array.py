"""
A file on a Dask cluster
========================

Fit an HDF5 file on the workers of a Dask cluster, each of which reads its own rows.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import h5py
import numpy as np
from distributed import Client

from nonneg import NMF
from nonneg.stores import as_dask


def main(folder: Path) -> None:
    """Write a file, then fit it on two workers, processes of this machine."""
    rng = np.random.default_rng(0)
    W, H = rng.gamma(1.0, size=(4000, 5)), rng.gamma(0.3, size=(5, 60))
    with h5py.File(folder / "spectra.h5", "w") as file:
        file.create_dataset("X", data=W @ H, chunks=(500, 60))

    # Client("tcp://...") for a cluster that runs already
    with Client(n_workers=2, threads_per_worker=1, dashboard_address=":0"):
        X = as_dask(folder / "spectra.h5", least_blocks=4)
        model = NMF(5, solver="hals", random_state=0, checkpoint=folder / "fit")
        W = model.fit_transform(X)  # a Dask array, which stays on the workers
        print(f"{X.numblocks[0]} blocks: error {model.reconstruction_err_:.3g}")
        print("largest weights:", W.max(axis=0).compute().round(2))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
