"""
Intervals for components
========================

Other samples would have given other components. The bootstrap draws the rows again, refits, and
tells how much each entry of a component would move.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine

import nonneg

# %%
# Thirteen measurements of 178 wines from three growers, each divided by its mean, so that units
# play no part, and three components.

wines = load_wine()
X = wines.data / wines.data.mean(axis=0)
model = nonneg.NMF(
    3, solver="auto", init="random", n_init=10, random_state=0, max_iter=2000
)
W = model.fit_transform(X)
sure = nonneg.bootstrap(model, X, n_resamples=200, random_state=0)

# %%
# Intervals
# ---------
#
# The largest entries of each component with 95 % intervals. "matched" is the mean cosine between
# the component and its partners in the 200 refits.

names = [name.replace("_", " ") for name in wines.feature_names]
names[names.index("od280/od315 of diluted wines")] = "OD 280 / OD 315"
sure.plot(feature_names=names, n_top=8)
plt.show()

# %%
# What the components are good for
# --------------------------------
#
# The fit doesn't know the growers, but its components tell them apart.

share = W * model.components_.sum(axis=1)
share /= share.sum(axis=1, keepdims=True)
fig, ax = plt.subplots(figsize=(5.4, 4.4), layout="constrained")
for grower in range(3):
    rows = share[wines.target == grower]
    ax.scatter(rows[:, 0], rows[:, 1], s=18, alpha=0.8, label=f"grower {grower}")
ax.set(xlabel="share of component 0", ylabel="share of component 1")
ax.legend()
plt.show()

# %%
# Do not trust what a few rows decide
# -----------------------------------
#
# With a sixth of the wines the same intervals become wide: their mean width tells when there
# are enough samples.

few = np.random.default_rng(0).permutation(len(X))[:30]
small = nonneg.NMF(
    3, solver="auto", init="random", n_init=10, random_state=0, max_iter=2000
).fit(X[few])
unsure = nonneg.bootstrap(small, X[few], n_resamples=200, random_state=0)
for n, result in ((len(X), sure), (len(few), unsure)):
    spread = result.components
    width = np.nanmean(spread.sd / spread.mean.max(axis=1, keepdims=True))
    print(f"{n:3d} wines: mean standard error {100 * width:.1f} % of the largest entry")
