"""
Number of programs in single cells
==================================

Counts of cells, by entries that are held out.

PBMC3K=FILE names an .npz file of counts, cells by genes; without it those of the benchmarks are
taken where they are, else counts are made.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from nonneg import select_rank

HERE = Path(__file__).resolve().parent
PBMC = HERE.parent / "benchmarks" / "data" / "pbmc3k_counts.npz"


def counts():
    """Counts, cells by genes, as a CSR."""
    path = Path(os.environ.get("PBMC3K", PBMC))
    if path.is_file():
        print("blood cells,", path.name)
        return sp.csr_array(sp.load_npz(path), dtype=np.float64)
    print("made counts (PBMC3K names no file)")
    rng = np.random.default_rng(0)
    means = rng.gamma(0.3, size=(600, 6)) @ rng.gamma(0.3, size=(6, 1500))
    return sp.csr_array(rng.poisson(means).astype(float))


X = counts()
# cells are sequenced to different depths, and genes vary more than Poisson's law has it: the
# logarithm steadies them
X = X.multiply(1e4 / X.sum(axis=1)[:, None]).tocsr()
X = sp.csr_array(X.log1p())
mean = np.asarray(X.mean(axis=0)).ravel()
spread = np.asarray(X.multiply(X).mean(axis=0)).ravel() - mean**2
genes = np.sort(np.argsort(-spread)[:500])

selection = select_rank(
    X[:, genes], [2, 4, 6, 8, 12, 16], folds=2, max_iter=30, random_state=0
)
print(selection)
