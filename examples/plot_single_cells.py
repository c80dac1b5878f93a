"""
Programs of single cells
========================

Which genes work together, and in which cells? Counts come in an .h5ad file, and a
factorization takes each cell apart into programs: sets of genes with a level of use. The
picture needs no UMAP: it shows the programs themselves.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import anndata
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scipy.sparse as sp

import nonneg.anndata

# %%
# A file of counts
# ----------------
#
# 900 made cells of four types. A type has a program of its own, and two programs are no type:
# cells that divide and cells under stress are of any type, which a clustering would hide.

TYPES = ["T cell", "B cell", "monocyte", "platelet"]
PROGRAMS = [*TYPES, "division", "stress"]
rng = np.random.default_rng(0)
kind = rng.choice(4, size=900, p=[0.45, 0.25, 0.2, 0.1])
use = np.zeros((900, 6))
use[np.arange(900), kind] = rng.gamma(8, 1 / 8, size=900)
use[rng.random(900) < 0.2, 4] = 0.8
use[:, 5] = rng.beta(0.5, 2, size=900)
genes = rng.gamma(0.3, size=(6, 600)) * (rng.random((6, 600)) < 0.15) + 0.01
genes /= genes.sum(axis=1, keepdims=True)
depth = rng.lognormal(7.5, 0.3, size=900)
counts = rng.poisson(depth[:, None] * (use / use.sum(axis=1, keepdims=True)) @ genes)

LETTERS = ["TC", "BC", "MO", "PL", "DIV", "STR"]
names = [f"{LETTERS[t]}{j}" for j, t in enumerate(genes.argmax(axis=0))]
cells = anndata.AnnData(
    sp.csr_matrix(counts.astype(np.float32)),
    obs=pd.DataFrame({"type": pd.Categorical.from_codes(kind, TYPES)}).set_axis(
        [f"cell {i}" for i in range(900)]
    ),
    var=pd.DataFrame(index=names),
)
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "cells.h5ad"
cells.write_h5ad(path)
print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")

# %%
# Factors where scanpy looks for them
# -----------------------------------
#
# :func:`nonneg.anndata.nmf` writes W into ``obsm``, H into ``varm`` and the parameters into
# ``uns``. Counts are fitted by the Kullback-Leibler divergence.

cells = anndata.read_h5ad(path)
nonneg.anndata.nmf(
    cells, 6, beta_loss="kullback-leibler", n_init=5, init="random", random_state=0
)
print(cells)
folder.cleanup()

# %%
# Programs over cells
# -------------------
#
# Each column is a cell, each row a program; cells are sorted by type, and the annotation
# isn't known to the fit. Four programs are types. Two run through all types: the mixtures
# that one label for each cell can't hold.

W = cells.obsm["X_nmf"] * cells.varm["nmf"].sum(axis=0)
W /= W.sum(axis=1, keepdims=True)
types = cells.obs["type"].cat.codes.to_numpy()
by_type = np.array([W[types == t].mean(axis=0) for t in range(4)])
specific = by_type.max(axis=0) / by_type.sum(axis=0) > 0.7
programs = np.lexsort((by_type.argmax(axis=0), ~specific))
order = np.lexsort((-W[:, programs[-1]], types))

fig, ax = plt.subplots(figsize=(8, 3), layout="constrained")
image = ax.imshow(W[order][:, programs].T, aspect="auto", interpolation="none", vmax=1)
ends = np.cumsum(np.bincount(types))
for end in ends[:-1]:
    ax.axvline(end - 0.5, color="white", linewidth=1)
ax.set_xticks(ends - np.bincount(types) / 2, TYPES)
ax.tick_params(axis="x", length=0)
ax.set_yticks(range(6), [f"program {t}" for t in programs])
fig.colorbar(image, label="share of the cell's counts")
plt.show()

# %%
# Genes of the programs
# ---------------------
#
# The five genes that are most specific to each program, and what each program contributes to
# them. The letters tell which program a gene was made for.

H = cells.varm["nmf"].T / cells.varm["nmf"].sum(axis=0)[:, None]
specificity = H / H.sum(axis=0)
score = H * specificity
top = np.concatenate([np.argsort(-score[t])[:5] for t in programs])
fig, ax = plt.subplots(figsize=(8, 2.8), layout="constrained")
x, y = np.meshgrid(np.arange(len(top)), np.arange(6))
weight = H[programs][:, top]
dots = ax.scatter(
    x, y, s=1500 * weight, c=specificity[programs][:, top], vmin=0, vmax=1
)
ax.set_xticks(range(len(top)), cells.var_names[top], rotation=90, fontsize="small")
ax.set_yticks(range(6), [f"program {t}" for t in programs])
ax.set_ylim(5.7, -0.7)
ax.set_title("size: share of the gene in the program")
fig.colorbar(dots, label="share of the program\nin the gene")
plt.show()
