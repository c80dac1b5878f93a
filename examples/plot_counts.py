"""
Counts want another loss
========================

The squared error trusts a count of 1,000 as much as a count of 1. Poisson counts vary by
their square root, and the Kullback-Leibler divergence knows it. When rare features carry the
structure, the choice of the loss decides whether it is seen.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from nonneg import NMF, match_components

# %%
# Mutations
# ---------
#
# Four processes mutate DNA, each with its spectrum over 96 kinds of mutations. Most mutations
# come from one of them, which is in all of 300 tumours. Sequencing counts them.

rng = np.random.default_rng(0)
kinds = 96
H = rng.gamma(0.25, size=(4, kinds)) + 0.01
H[0] = rng.gamma(3.0, size=kinds)  # the process that is everywhere is broad
H /= H.sum(axis=1, keepdims=True)
W = rng.gamma(0.6, size=(300, 4)) * [3000, 90, 70, 50]
W[:, 1:] *= rng.random((300, 3)) < 0.5
X = rng.poisson(W @ H)
print(f"{X.shape[0]} tumours × {X.shape[1]} kinds, {X.sum():,} mutations")
print("mutations by process:", W.sum(axis=0).round().astype(int))

# %%
# The same data, two losses
# -------------------------
#
# Both fits get the same number of components and eight starts. ``match_components`` pairs what
# they return with the spectra that the counts were drawn from.

losses = {"squared error": "frobenius", "Kullback-Leibler": "kullback-leibler"}
matched, cosines = {}, {}
for name, beta_loss in losses.items():
    model = NMF(
        4,
        solver="auto",
        beta_loss=beta_loss,
        init="random",
        n_init=8,
        random_state=0,
        max_iter=500,
    )
    model.fit(X.astype(float))
    pairs = match_components(H, model.components_)
    matched[name] = model.components_[pairs.order]
    cosines[name] = pairs.cosine
    print(f"{name:17s} cosines with the truth: {pairs.cosine.round(2)}")

# %%
# Spectra
# -------
#
# By the Kullback-Leibler divergence all four come back. The squared error is spent on the
# noise of the large counts, and loses the processes that leave few mutations.

fig, axes = plt.subplots(4, 3, figsize=(9, 6), sharex=True, layout="constrained")
columns = {"truth": H, **matched}
for column, (name, spectra) in zip(axes.T, columns.items(), strict=True):
    for t, ax in enumerate(column):
        spectrum = spectra[t] / spectra[t].sum()
        ax.bar(np.arange(kinds), spectrum, width=1, color=f"C{t}")
        ax.set_ylim(0, 1.25 * H[t].max())
        ax.set_yticks([])
        if name != "truth":
            text = f"cosine {cosines[name][t]:.2f}"
            ax.text(0.98, 0.95, text, transform=ax.transAxes, ha="right", va="top")
    column[0].set_title(name)
    column[-1].set_xlabel("kind of mutation")
for t, ax in enumerate(axes[:, 0]):
    ax.set_ylabel(f"process {t}")
plt.show()

# %%
# What a loss believes
# --------------------
#
# The errors that counts really have, against what they are expected to be. The spread grows
# with the square root (dashed), as the Kullback-Leibler divergence has it; least squares
# supposes the same spread everywhere.

expected = (W @ H).ravel()
fig, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
ax.scatter(expected, X.ravel() - expected, s=2, alpha=0.25, color="C0", rasterized=True)
line = np.geomspace(0.1, expected.max(), 100)
for sign in (-2, 2):
    ax.plot(line, sign * np.sqrt(line), "--", color="C1")
ax.set_xscale("log")
ax.set(xlim=(0.1, None), xlabel="expected count", ylabel="count − expected count")
plt.show()
