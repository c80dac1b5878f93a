"""
Slow signals in a noisy film
============================

Three cells glow for a while, one after the other, in a film that is mostly noise. Neighbouring
frames show nearly the same, and so do neighbouring pixels: ``Smooth`` and ``Graph`` tell the fit.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.feature_extraction.image import grid_to_graph

from nonneg import NMF, match_components
from nonneg.constraints import Fixed, Graph, Smooth

# %%
# A film
# ------
#
# 160 frames of 24 × 24 pixels. Each pixel of a frame is a count of photons, most of them from a
# background that is the same everywhere.

rng = np.random.default_rng(0)
n_frames, side, brightness, background = 160, 24, 3.0, 2.0
time = np.arange(n_frames)
y, x = np.mgrid[:side, :side]
places, onsets, decays = [(7, 7), (10, 16), (17, 11)], [15, 55, 95], [14, 22, 18]

spots = np.array([np.exp(-((y - a) ** 2 + (x - b) ** 2) / 12) for a, b in places])
spots = spots.reshape(3, -1)
since = np.maximum(time[:, None] - onsets, 0)
glow = (1 - np.exp(-since / 4)) * np.exp(-since / np.array(decays))
glow *= brightness / glow.max(axis=0)
film = rng.poisson(glow @ spots + background).astype(float)

# %%
# With and without neighbours
# ---------------------------
#
# The background was measured before: a component that is known in both factors, which ``Fixed``
# holds; NaN is what the fit looks for. ``Smooth`` on W penalises squared differences between
# successive frames, ``Graph`` on H those between pixels side by side. Both would rather make their
# factor small and the other one large; ``alpha_W``, which holds for both factors, gives them a
# scale.

known_W, known_H = np.full((n_frames, 4), np.nan), np.full((4, side * side), np.nan)
known_W[:, 0], known_H[0] = background, 1
fits = {
    "alone": (Fixed(known_W), Fixed(known_H)),
    "with neighbours": (
        [Fixed(known_W), Smooth(60.0)],
        [Fixed(known_H), Graph(grid_to_graph(side, side), 1000.0)],
    ),
}
models = {}
for name, (constraints_W, constraints_H) in fits.items():
    model = NMF(
        4,
        solver="hals",
        alpha_W=2e-4,
        max_iter=500,
        random_state=0,
        constraints_W=constraints_W,
        constraints_H=constraints_H,
    )
    W = model.fit_transform(film)
    order, cosine = match_components(spots, model.components_[1:])
    models[name] = W[:, 1:][:, order], model.components_[1:][order]
    print(f"{name:16s} cosines with the cells {np.round(cosine, 2)}")

# %%
# Beside a film that is smoothed first
# ------------------------------------
#
# Most people blur the film before the fit, over frames and pixels at once. On a grid, with cells wider
# than the blur, that does as well, or better, if its width is right, and worse if it is not: the cells
# are widened, and what is next to each other is mixed. ``Smooth`` and ``Graph`` need no grid: places
# may be anywhere, frames may be missing, and the counts that are fitted stay as they are.

for width in (1, 2, 3):
    blurred = gaussian_filter(
        film.reshape(n_frames, side, side), (2 * width, width, width)
    )
    model = NMF(
        4,
        solver="hals",
        max_iter=500,
        random_state=0,
        constraints_W=Fixed(known_W),
        constraints_H=Fixed(known_H),
    ).fit(blurred.reshape(film.shape))
    _, cosine = match_components(spots, model.components_[1:])
    print(f"blurred by {width}     cosines with the cells {np.round(cosine, 2)}")

# %%
# Where
# -----
#
# On the left a frame, then the cell that glows in it, and what the fits have found.

fig, axes = plt.subplots(3, 4, figsize=(8, 6), layout="constrained")
columns = {
    "a frame": film[[onset + 6 for onset in onsets]],
    "the cell": spots,
    **{name: H for name, (_, H) in models.items()},
}
for column, (name, pictures) in zip(axes.T, columns.items(), strict=True):
    column[0].set_title(name)
    for ax, picture in zip(column, pictures, strict=True):
        ax.imshow(picture.reshape(side, side))
        ax.set_axis_off()
plt.show()

# %%
# When
# ----
#
# The columns of W, each divided by its largest value; dashed, how the cells glowed.

fig, axes = plt.subplots(2, 1, figsize=(8, 4.5), sharex=True, layout="constrained")
for ax, (name, (W, _)) in zip(axes, models.items(), strict=True):
    for t in range(3):
        ax.plot(time, W[:, t] / W[:, t].max(), color=f"C{t}")
        ax.plot(time, glow[:, t] / brightness, "--", color=f"C{t}", linewidth=1)
    ax.set(title=name, ylabel="share of largest", ylim=(0, 1.1))
axes[1].set_xlabel("frame")
plt.show()
