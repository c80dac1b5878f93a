"""
Parts of handwritten digits
===========================

Of what are images made? A factorization with non-negative factors can only add, never take
away, so its components are parts: strokes, arcs and loops. Principal components, which may
cancel each other, are not.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from nonneg import NMF
from nonneg.analysis import plot_components

# %%
# 1,797 images of 8 × 8 pixels, which scikit-learn brings along, and sixteen components for
# them. ``solver="auto"`` is the fast choice for squared errors.

X, digit = load_digits(return_X_y=True)
model = NMF(16, solver="auto", random_state=0, max_iter=1000)
W = model.fit_transform(X)
H = model.components_
error = np.linalg.norm(X - W @ H) / np.linalg.norm(X)
print(f"{model.n_iter_} iterations of {model.solver_}, relative error {error:.3f}")

# %%
# Parts
# -----
#
# Each component is an image itself, with the share of all ink that it explains.

shares = W.sum(axis=0) * H.sum(axis=1)
plot_components(model, image_shape=(8, 8), shares=shares / shares.sum())
plt.show()

# %%
# Principal components of the same images have both signs (blue is negative). They reconstruct
# a little better, and no one can say of what.

principal = PCA(16, random_state=0).fit(X)
fig, axes = plt.subplots(2, 8, figsize=(8, 2.4), layout="constrained")
for ax, component in zip(axes.flat, principal.components_, strict=True):
    bound = np.abs(component).max()
    ax.imshow(component.reshape(8, 8), cmap="RdBu_r", vmin=-bound, vmax=bound)
    ax.set_axis_off()
fig.suptitle("principal components")
plt.show()

# %%
# Images as sums
# --------------
#
# A row of W is a recipe. These four images are rebuilt from their largest parts, largest
# first: each picture adds a part to the one before.

MOST = 5
fig, axes = plt.subplots(4, MOST + 2, figsize=(8, 4.8), layout="constrained")
for row, wanted in zip(axes, (2, 5, 8, 9), strict=True):
    i = np.flatnonzero(digit == wanted)[3]
    largest = np.argsort(-W[i] * H.sum(axis=1))[:MOST]
    pictures = [X[i], *np.cumsum(W[i, largest, None] * H[largest], axis=0), W[i] @ H]
    for ax, picture in zip(row, pictures, strict=True):
        ax.imshow(picture.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        ax.set_axis_off()
titles = ["image", "1 part", *(f"{n} parts" for n in range(2, MOST + 1)), "all 16"]
for ax, title in zip(axes[0], titles, strict=True):
    ax.set_title(title)
plt.show()

# %%
# Which digit uses which part
# ---------------------------
#
# The mean of W over the images of each digit, every part divided by its largest mean. The fit
# has seen no labels, and yet each row has a pattern of its own. Most columns have several
# bright fields: parts are shared, as the arc at the top of 2, 3, 8 and 9 is.

usage = np.array([W[digit == d].mean(axis=0) for d in range(10)])
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
image = ax.imshow(usage / usage.max(axis=0), aspect="auto", vmin=0, vmax=1)
ax.set(xlabel="part", ylabel="digit", xticks=range(16), yticks=range(10))
ax.spines[:].set_visible(False)
fig.colorbar(image, label="mean use / largest mean use")
plt.show()
