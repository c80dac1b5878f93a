"""
Ratings with gaps
=================

A film that nobody has rated isn't a bad film. Where zeros stand for gaps, a factorization
that takes them for ratings predicts near zero; one that leaves them out predicts what people
would have said.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse as sp

from nonneg import NMF, holdout, reconstruction_error

# %%
# Stars
# -----
#
# 500 people have rated a tenth of 300 films by one to five stars. Behind the ratings are four
# tastes, films that everyone likes, people who like everything, and chance.

rng = np.random.default_rng(0)
taste = rng.gamma(0.5, size=(500, 4)) @ rng.gamma(0.5, size=(4, 300))
score = 3.2 + 0.9 * (taste - taste.mean()) / taste.std()
score += 0.4 * rng.standard_normal((500, 1)) + 0.4 * rng.standard_normal(300)
stars = np.clip(np.rint(score + 0.4 * rng.standard_normal(score.shape)), 1, 5)
rated = rng.random(stars.shape) < 0.1
X = sp.csr_array((stars[rated], np.nonzero(rated)), shape=stars.shape)
print(f"{X.nnz:,} ratings of {X.shape[0] * X.shape[1]:,} that there could be")

# %%
# Some ratings are held out
# -------------------------
#
# :func:`nonneg.holdout` chooses a fifth of them. The fit gets ``weights`` that leave them out,
# and ``missing_values="unstored"``: what the sparse X doesn't store is a gap.

weights, where = holdout(X, 0.2, random_state=0, missing_values="unstored")
options = {"solver": "auto", "init": "random", "random_state": 0, "tol": 1e-3}

ranks = [1, 2, 3, 4, 6, 8, 12]
errors = {"gaps are gaps": [], "gaps are zeros": []}
zeros = X.copy()
zeros[where.nonzero()] = 0
for k in ranks:
    model = NMF(k, missing_values="unstored", alpha_W=0.1, **options)
    W = model.fit_transform(X, weights=weights)
    error = reconstruction_error(X, W, model.components_, where=where)
    errors["gaps are gaps"].append(error)
    wrong = NMF(k, **options)
    W_wrong = wrong.fit_transform(zeros)
    error = reconstruction_error(X, W_wrong, wrong.components_, where=where)
    errors["gaps are zeros"].append(error)

# %%
# Predictions
# -----------
#
# The root of the mean squared error on the ratings held out, in stars. With zeros in the gaps it
# is three, whatever k is: worse than to say everyone's mean of everything. Left as gaps, ratings
# are predicted well, best by about four components; with more the fit follows chance.

mean = X.data.mean()
held_out = np.asarray(X[where.nonzero()]).ravel()
baseline = np.sqrt(np.mean((held_out - mean) ** 2))
fig, (left, right) = plt.subplots(
    1, 2, figsize=(8, 3.4), width_ratios=(1, 1.6), layout="constrained"
)
bars = {name: min(values) for name, values in errors.items()}
bars["everyone's mean"] = baseline
left.bar(range(3), bars.values(), color=["C0", "C1", "0.6"], width=0.6)
left.set_xticks(range(3), [name.replace(" ", "\n", 1) for name in bars])
left.set(ylabel="error (stars)", title="best number of components")
right.plot(ranks, errors["gaps are gaps"], "o-")
right.set(xlabel="components", ylabel="error (stars)", title="gaps are gaps")
plt.show()

# %%
# Given and predicted
# -------------------
#
# Four components, one row for each number of stars: boxes are quartiles of what is predicted.

model = NMF(4, missing_values="unstored", alpha_W=0.1, **options)
W = model.fit_transform(X, weights=weights)
predicted = (W @ model.components_)[where.nonzero()]
fig, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
groups = [predicted[held_out == s] for s in range(1, 6)]
boxes = ax.boxplot(
    groups, orientation="horizontal", patch_artist=True, showfliers=False, widths=0.6
)
for box in boxes["boxes"]:
    box.set(facecolor="C0", alpha=0.5)
ax.plot(range(1, 6), range(1, 6), "D", color="C1", markersize=5, label="as given")
ax.set(xlabel="stars predicted", ylabel="stars given", xlim=(0.8, 6.2))
ax.legend(loc="lower right")
plt.show()
