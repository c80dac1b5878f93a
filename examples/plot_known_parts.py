"""
Parts that are known
====================

A catalogue says what processes leave in the genome. How much of each is in a new tumour, and is
there anything that the catalogue doesn't know? H is given, and W alone is fitted.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import nnls

import nonneg
from nonneg.constraints import Fixed

# %%
# A catalogue, and tumours
# ------------------------
#
# Five known signatures over 96 kinds of mutations. In the last twelve of sixty tumours works a
# process that isn't in the catalogue.

rng = np.random.default_rng(0)
catalogue = rng.gamma(0.25, size=(5, 96)) + 0.005
catalogue /= catalogue.sum(axis=1, keepdims=True)
unknown = rng.gamma(0.15, size=96) + 0.002
unknown /= unknown.sum()
exposures = rng.gamma(0.8, size=(60, 5)) * 600
means = exposures @ catalogue
means[48:] += 700 * unknown
X = rng.poisson(means).astype(float)

# %%
# Exposures
# ---------
#
# ``update_H=False`` keeps H. Beside it the Kullback-Leibler divergence is convex: there is one
# answer, and the solver ``sn`` finds it for each row.

W, _, _ = nonneg.non_negative_factorization(
    X,
    H=catalogue,
    n_components="auto",
    update_H=False,
    solver="sn",
    beta_loss="kullback-leibler",
)

# %%
# Most refitting solves a least squares problem for each tumour, by ``scipy.optimize.nnls``. It trusts
# large counts as little as small ones, though a Poisson count varies by the root of its mean:
# beside the known processes its exposures are further off.

least_squares = np.array([nnls(catalogue.T, x)[0] for x in X])
for name, found in (("Kullback-Leibler", W), ("least squares", least_squares)):
    off = np.abs(found - exposures)[:48].mean()
    print(f"{name:17s} mean error of an exposure {off:.1f} mutations")

fig, ax = plt.subplots(figsize=(5.4, 4.2), layout="constrained")
for name, rows, style in (
    ("known processes only", slice(0, 48), {"marker": "o", "color": "C0"}),
    ("with an unknown one", slice(48, 60), {"marker": "^", "color": "C1"}),
):
    ax.scatter(exposures[rows], W[rows], s=16, alpha=0.7, label=name, **style)
ax.axline((0, 0), slope=1, color="black", linewidth=0.8)
ax.set(xlabel="true exposure (mutations)", ylabel="fitted exposure (mutations)")
ax.legend()
plt.show()

# %%
# Is anything missing?
# --------------------
#
# Poisson counts that are explained have a deviance of about one for each kind. Twelve tumours
# have far more, and the exposures that were fitted to them are too high: someone else's
# mutations were booked on the known processes.

deviance = [
    2 * nonneg.beta_divergence(x[None], w[None], catalogue, beta=1) / 96
    for x, w in zip(X, W, strict=True)
]
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.bar(np.arange(48), deviance[:48], color="C0", label="known processes only")
ax.bar(np.arange(48, 60), deviance[48:], color="C1", label="with an unknown one")
ax.axhline(1, color="black", linewidth=0.8, linestyle="--")
ax.set(xlabel="tumour", ylabel="deviance / kinds")
ax.legend(loc="upper left")
plt.show()

# %%
# The part that is missing
# ------------------------
#
# :class:`nonneg.constraints.Fixed` holds what is known, NaN stands for what is free: five rows of H
# stay as they are, to the last bit, and a sixth is fitted beside them.

known = np.vstack([catalogue, np.full((1, 96), np.nan)])
model = nonneg.NMF(
    6,
    solver="hals",
    constraints_H=Fixed(known),
    init="random",
    random_state=0,
    max_iter=500,
)
W = model.fit_transform(X)
discovered = model.components_[5] / model.components_[5].sum()
print("the catalogue is as it was:", np.array_equal(model.components_[:5], catalogue))

fig, axes = plt.subplots(
    2, 1, figsize=(7, 3.6), sharex=True, sharey=True, layout="constrained"
)
cosine = unknown @ discovered / np.linalg.norm(unknown) / np.linalg.norm(discovered)
for ax, (name, spectrum), colour in zip(
    axes,
    {
        "the unknown process": unknown,
        f"the sixth component (cosine {cosine:.3f})": discovered,
    }.items(),
    ("0.5", "C1"),
    strict=True,
):
    ax.bar(np.arange(96), spectrum, width=1, color=colour)
    ax.set(title=name, ylabel="share")
axes[1].set_xlabel("kind of mutation")
plt.show()
