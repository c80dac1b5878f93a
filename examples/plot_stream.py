"""
A stream of mini-batches
========================

Rows arrive a few at a time and are never seen again. ``partial_fit`` learns from each batch, and
the parts of digits appear while one watches.
"""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from nonneg import NMF, MiniBatchNMF

# %%
# A stream
# --------
#
# Sixty images of handwritten digits at a time, without end; some are kept aside to measure with.

X, _ = load_digits(return_X_y=True)
rng = np.random.default_rng(0)
X = X[rng.permutation(len(X))]
aside, train = X[:300], X[300:]


def batches(size: int) -> Iterator[np.ndarray]:
    """Yield batches for ever."""
    while True:
        yield train[rng.integers(len(train), size=size)]


# %%
# Learning
# --------
#
# With ``exact_statistics`` sums over all rows so far are kept, and no batch is forgotten. Without
# it older batches fade, as in scikit-learn: that is for streams that change. Both see the same
# rows. After some batches we look at the error on the images aside.


def error(model: MiniBatchNMF | NMF) -> float:
    """Relative error on images that no fit has seen."""
    W = model.transform(aside)
    return np.linalg.norm(aside - W @ model.components_) / np.linalg.norm(aside)


options = {"init": "random", "random_state": 0, "batch_size": 60}
models = {
    "exact statistics": MiniBatchNMF(16, exact_statistics=True, **options),
    "older batches fade": MiniBatchNMF(16, **options),
}
LOOKS = [1, 2, 4, 8, 16, 32, 64, 128, 256]
errors = {name: [] for name in models}
parts = []
for n, batch in zip(range(1, LOOKS[-1] + 1), batches(60), strict=False):
    for name, model in models.items():
        model.partial_fit(batch)
        if n in LOOKS:
            errors[name].append(error(model))
    if n in (1, 4, 16, 64, 256):
        parts.append((n, models["exact statistics"].components_.copy()))

# %%
# Parts appear
# ------------
#
# Eight of the sixteen components after 1 to 256 batches: from noise to strokes.

fig, axes = plt.subplots(len(parts), 8, figsize=(7, 4.8), layout="constrained")
for row, (n, components) in zip(axes, parts, strict=True):
    for ax, component in zip(row, components[:8], strict=True):
        ax.imshow(component.reshape(8, 8))
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    row[0].set_ylabel(f"{n} batches" if n > 1 else "1 batch", rotation=0, ha="right")
plt.show()

# %%
# How good they are
# -----------------
#
# The error on unseen images, and that of a fit to all images at once, which has to keep them.
# Exact sums make more of the first batches. Fading forgets what the first, poor components
# made of them, and comes closer in the end.

whole = error(NMF(16, solver="auto", random_state=0, max_iter=1000).fit(train))
fig, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
for name, values in errors.items():
    ax.semilogx(LOOKS, values, "o-", label=name)
ax.axhline(whole, color="0.4", linestyle="--", label="all images at once")
ax.set_xticks(LOOKS, [str(n) for n in LOOKS])
ax.minorticks_off()
ax.set(xlabel="batches of 60 images", ylabel="relative error, unseen images")
ax.legend()
plt.show()
