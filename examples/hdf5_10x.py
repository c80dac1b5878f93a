"""
Counts from a 10x instrument
============================

Fit counts in the HDF5 format of 10x Genomics: rows are cells, columns genes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import h5py
import numpy as np
import scipy.sparse as sp

from nonneg import NMF
from nonneg.stores import open_store

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "filtered_feature_bc_matrix.h5"
    rng = np.random.default_rng(0)
    rates = rng.gamma(0.5, size=(1500, 4)) @ rng.gamma(0.2, size=(4, 100))
    genes_by_cells = sp.csc_array(rng.poisson(rates).T)
    with h5py.File(path, "w") as file:  # as the instrument's software writes it
        matrix = file.create_group("matrix")
        for name in ("data", "indices", "indptr", "shape"):
            matrix[name] = getattr(genes_by_cells, name)
        matrix["barcodes"] = [f"cell {i}".encode() for i in range(1500)]
        matrix["features/name"] = [f"gene {j}".encode() for j in range(100)]

    store = open_store(path)  # h5py.File(path) as X will do as well
    model = NMF(4, solver="sn", beta_loss="kullback-leibler", random_state=0)
    W = model.fit_transform(store)
    print(f"{store.shape[0]} cells × {store.shape[1]} genes, W {W.shape}")
    for component in model.components_:
        top = component.argsort()[:-4:-1]
        print("most in", ", ".join(store.column_names[j] for j in top))
