"""
Programs of blood cells, drawn by scanpy
========================================

Factorize an AnnData, and draw the components by scanpy's own functions. Run it with scanpy
installed: python examples/scanpy_programs.py [FOLDER]. It writes the pictures to the folder.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
warnings.simplefilter("ignore")  # those of scanpy's own dependencies

import scanpy as sc

import nonneg

# 700 blood cells and 765 genes; X is centred, so that the log counts of `raw` are taken
cells = sc.datasets.pbmc68k_reduced()
adata = cells.raw.to_adata()
k = 8
nonneg.anndata.nmf(
    adata, k, use_highly_variable=False, alpha_H=1e-3, l1_ratio=1.0, random_state=0
)
names = [f"nmf{t + 1}" for t in range(k)]
adata.obs[names] = adata.obsm["X_nmf"] / adata.obsm["X_nmf"].max(axis=0)
top = {
    name: list(adata.var_names[np.argsort(-weights)[:4]])
    for name, weights in zip(names, adata.varm["nmf"].T, strict=True)
}
means = adata.obs.groupby("bulk_labels", observed=True)[names].mean()
for name in names:
    print(f"{name}: most in {means[name].idxmax()}; {', '.join(top[name])}")

shown = {"show": False, "return_fig": True}
figures = {
    "umap": sc.pl.umap(adata, color=names, ncols=4, **shown),
    "nmf": sc.pl.embedding(
        adata, "nmf", color="bulk_labels", components="1,2", **shown
    ),
    "heatmap": sc.pl.heatmap(adata, top, groupby="bulk_labels", show=False)[
        "heatmap_ax"
    ].figure,
}
programs = sc.pl.matrixplot(adata, names, "bulk_labels", standard_scale="var", **shown)
programs.make_figure()
figures["programs"] = programs.fig
if len(sys.argv) > 1:
    for name, figure in figures.items():
        figure.savefig(Path(sys.argv[1]) / f"{name}.png", dpi=70, bbox_inches="tight")
