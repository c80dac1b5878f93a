"""
Unmixing where no pixel is pure
===============================

If every pixel is a mixture, no pixel shows what is mixed. The pixels lie in a triangle all the
same, and the smallest triangle around them has the pure spectra at its corners: shares that
sum to one, and components of little volume.
"""

from __future__ import annotations

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import ConvexHull
from sklearn.decomposition import PCA

from nonneg import NMF, match_components
from nonneg.constraints import MinVolume, Simplex

# %%
# A picture
# ---------
#
# Three materials and the light they reflect. In no pixel has one of them more than 80 %.

rng = np.random.default_rng(0)
wavelength = np.linspace(0.4, 2.4, 120)  # µm


def band(centre: float, width: float) -> np.ndarray:
    """A bell over the wavelengths."""
    return np.exp(-(((wavelength - centre) / width) ** 2))


H = np.array(
    [
        0.25 + 0.5 * band(1.0, 0.5) - 0.2 * band(1.4, 0.1),
        0.15 + 0.55 * band(1.7, 0.45) + 0.1 * band(0.6, 0.1),
        0.6 - 0.3 * band(1.9, 0.2) - 0.2 * band(0.9, 0.3),
    ]
)
NAMES = ["vegetation", "soil", "mineral"]
W = rng.dirichlet([1.5] * 3, size=900)
W = W[W.max(axis=1) < 0.8]
X = np.clip(W @ H + 0.003 * rng.standard_normal((len(W), 120)), 0, None)

# %%
# Three fits
# ----------
#
# All begin with the pixels that are furthest apart (``init="spa"``). ``Simplex`` makes the shares of
# each pixel sum to one, ``MinVolume`` draws the components together.

constraints = {
    "no constraint": {},
    "shares sum to one": {"constraints_W": Simplex()},
    "and little volume": {
        "constraints_W": Simplex(),
        "constraints_H": MinVolume(0.1),
    },
}
corners, error = {}, {}
for name, chosen in constraints.items():
    model = NMF(3, solver="hals", init="spa", tol=1e-5, max_iter=500, **chosen).fit(X)
    order, _ = match_components(H, model.components_)
    corners[name] = model.components_[order]
    if not chosen:  # without a constraint the scale is open
        scale = H.sum(axis=1) / corners[name].sum(axis=1)
        corners[name] = corners[name] * scale[:, None]
    error[name] = np.abs(corners[name] - H).mean()
    print(f"{name:18s} mean error of a spectrum {error[name]:.3f}")

# %%
# Beside the purest pixels
# ------------------------
#
# Most unmixing takes pixels for the materials: those that span the largest triangle, which is what
# N-FINDR looks for. Here the triangle is the largest of all, over the corners of the hull of the
# pixels, and still as far off as the pixels are from pure. (The fit of minimum volume of mcrnmf, at
# the best of five weights, has an error of 0.008 on these pixels.)

plane = PCA(2).fit(X)
points = plane.transform(X)
hull = ConvexHull(points).vertices


def area(three: tuple[int, ...]) -> float:
    """Return twice the area of the triangle of three pixels."""
    a, b, c = points[list(three)]
    return abs(np.linalg.det([b - a, c - a]))


purest = X[list(max(combinations(hull, 3), key=area))]
order, _ = match_components(H, purest)
print(
    f"purest pixels      mean error of a spectrum {np.abs(purest[order] - H).mean():.3f}"
)

# %%
# Triangles
# ---------
#
# The pixels, projected on the plane in which they lie, and the pure materials (black). Many
# triangles hold all pixels, also where shares sum to one. The smallest has its corners close to
# the materials.

fig, axes = plt.subplots(
    1, 3, figsize=(9, 3.2), sharex=True, sharey=True, layout="constrained"
)
for i, (ax, (name, spectra)) in enumerate(zip(axes, corners.items(), strict=True)):
    ax.plot(*plane.transform(X).T, ".", color="0.75", markersize=3)
    for triangle, style in ((H, "k--"), (spectra, f"C{i}-")):
        ax.plot(
            *plane.transform(triangle[[0, 1, 2, 0]]).T, style, marker="o", markersize=5
        )
    ax.set(title=f"{name}\nerror {error[name]:.3f}", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
plt.show()

# %%
# Spectra
# -------
#
# The closer to the dashed spectra of the materials, the better.

fig, axes = plt.subplots(
    1, 3, figsize=(9, 3), sharex=True, sharey=True, layout="constrained"
)
for t, (ax, material) in enumerate(zip(axes, NAMES, strict=True)):
    for i, (name, spectra) in enumerate(corners.items()):
        ax.plot(wavelength, spectra[t], color=f"C{i}", label=name)
    ax.plot(wavelength, H[t], "k--", linewidth=1, label="the material")
    ax.set(title=material, xlabel="wavelength (µm)", ylim=(0, 1))
axes[0].set_ylabel("reflectance")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=4)
plt.show()
