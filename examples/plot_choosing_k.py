"""
Choosing the number of components
=================================

Each component more makes the fit better, so the fit can't say how many there are. Entries that
the fit hasn't seen can: their error falls as long as components describe the data, and rises
when they begin to describe noise.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

import nonneg

# %%
# Six components, and noise.

rng = np.random.default_rng(0)
W = rng.gamma(0.5, size=(300, 6))
H = rng.gamma(0.5, size=(6, 80))
X = np.clip(W @ H + 0.5 * rng.standard_normal((300, 80)), 0, None)

# %%
# The error alone
# ---------------
#
# The error on X itself goes down for ever. Here it bends, as the data are made; in most real ones
# the bend is in the eye of the beholder.

ranks = range(1, 13)
errors = [
    nonneg.NMF(k, solver="auto", random_state=0, tol=1e-3).fit(X).reconstruction_err_
    for k in ranks
]
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot(ranks, errors, "o-", color="C1")
ax.set(xlabel="components", ylabel="‖X − WH‖", xticks=ranks)
plt.show()

# %%
# Cross-validation
# ----------------
#
# ``select_rank`` hides an eighth of the entries at a time and predicts them. It picks the
# smallest number of components whose error is within one standard error of the best;
# ``stability`` fits all of X from several starts besides.

selection = nonneg.select_rank(X, ranks, stability=5, random_state=0)
print(selection)

# %%
# The held-out error (blue) is lowest for six, and rises from there, while the error on what was
# fitted (orange, below) falls on. Up to six components all starts agree on what they are: the
# green line is near 1, and falls when there are more components than the data have.

fig, ax = plt.subplots(figsize=(7.5, 6), layout="constrained")
selection.plot(ax)
plt.show()

# %%
# The pick as an estimator
# ------------------------
#
# :class:`nonneg.NMFCV` selects, then fits all of X with the number it picked; it goes into a
# pipeline as ``NMF`` does.

model = nonneg.NMFCV(ranks, random_state=0).fit(X)
matching = nonneg.match_components(H, model.components_)
print(f"{model.n_components_} components, cosines with the true ones:")
print(matching.cosine.round(3))
