"""
Components that come back
=========================

Another start, another optimum: some components are there each time, others are accidents.
``consensus`` fits from many starts, matches the components of all runs, and tells which ones
to trust.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import nonneg

# %%
# Forty fits
# ----------
#
# Handwritten digits by ten components, from forty random starts. Starts share passes over X, so
# that this takes less time than forty fits.

X, _ = load_digits(return_X_y=True)
agreed = nonneg.consensus(X, 10, n_runs=40, random_state=0)

# %%
# Left, the distances between all spectra, ordered by component: a dark block is a component that
# all runs share. In the middle, how far each spectrum is from the ones nearest to it; those far
# from all others are dropped. Right, the silhouette of each component and the share of runs
# that have it.

agreed.plot()
plt.show()

# %%
# The same components as images
# -----------------------------
#
# The most stable ones first, with their silhouettes: above the median of the runs, below the
# standard deviation between them. Parts at the left are the same in each run; those at the
# right share their pixels out anew each time.

order = np.argsort(-agreed.silhouette)
cluster = agreed.cluster
fig, axes = plt.subplots(2, len(order), figsize=(9, 2.6), layout="constrained")
for column, t in zip(axes.T, order, strict=True):
    members = agreed.spectra[(cluster == t) & agreed.kept]
    members = members / np.linalg.norm(members, axis=1, keepdims=True)
    column[0].imshow(agreed.components_[t].reshape(8, 8))
    column[0].set_title(f"{t}: {agreed.silhouette[t]:.2f}", fontsize="small")
    column[1].imshow(members.std(axis=0).reshape(8, 8), cmap="magma", vmin=0, vmax=0.15)
    for ax in column:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
axes[0, 0].set_ylabel("median")
axes[1, 0].set_ylabel("spread")
plt.show()

# %%
# Other numbers of components
# ---------------------------
#
# The same measures for a few numbers of components: where all are near 1, the parts don't
# depend on the start.

for k in (6, 8, 12):
    other = nonneg.consensus(X, k, n_runs=10, random_state=0)
    print(
        f"k = {k:2d}: silhouettes from {other.silhouette.min():.2f}, "
        f"mean {other.silhouette.mean():.2f}"
    )
