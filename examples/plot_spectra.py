"""
Pure spectra from mixtures
==========================

Each pixel of a hyperspectral picture shows a mixture of a few substances. Which substances
are there, what are their spectra, and where are they? Non-negativity, and a few pixels that
are nearly pure, are enough to tell.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from nonneg import NMF, match_components

# %%
# A picture of 40 × 60 pixels
# ---------------------------
#
# Three substances with Raman bands, in patches that run into each other, and the noise of a
# detector.

rng = np.random.default_rng(0)
shift = np.linspace(400, 1800, 280)  # 1/cm
BANDS = [
    [(620, 12, 0.5), (1004, 8, 1.0), (1210, 18, 0.4), (1605, 14, 0.6)],
    [(480, 25, 0.5), (860, 16, 0.6), (1130, 20, 1.0), (1340, 22, 0.8)],
    [
        (720, 20, 0.5),
        (1080, 26, 0.7),
        (1300, 18, 0.9),
        (1450, 20, 1.0),
        (1660, 16, 0.7),
    ],
]


def spectrum(bands: list[tuple[int, int, float]]) -> np.ndarray:
    """Lorentzian bands: place, half width, height."""
    return sum(
        height / (1 + ((shift - place) / width) ** 2) for place, width, height in bands
    )


H = np.array([spectrum(bands) for bands in BANDS])
row, column = np.mgrid[:40, :60]
CENTRES = [[(10, 12), (32, 40)], [(12, 45)], [(30, 14), (5, 28)]]
W = (
    np.array(
        [
            sum(np.exp(-((row - r) ** 2 + (column - c) ** 2) / 110) for r, c in places)
            for places in CENTRES
        ]
    )
    .reshape(3, -1)
    .T
)
W /= W.sum(axis=1, keepdims=True)
X = np.clip(W @ H + 0.03 * rng.standard_normal((2400, 280)), 0, None)

# %%
# A fit
# -----
#
# Both factors are penalised a little by L1, which settles what non-negativity leaves open: of
# all solutions that fit alike, it prefers pixels with fewer substances and spectra with fewer
# bands.

model = NMF(
    3,
    solver="auto",
    init="random",
    n_init=10,
    random_state=0,
    max_iter=1000,
    alpha_W=2e-4,
    l1_ratio=1,
)
W_fit = model.fit_transform(X)
order, cosine = match_components(H, model.components_)
print("cosines between true and fitted spectra:", cosine.round(4))

# %%
# Spectra
# -------
#
# Grey: a pixel as it was measured. Dashed: the pure spectra, which the fit has never seen.

fig, axes = plt.subplots(4, 1, figsize=(8, 6.4), sharex=True, layout="constrained")
axes[0].plot(shift, X[20 * 60 + 28], color="0.5", linewidth=0.8)
axes[0].set_title("one pixel")
for t, ax in enumerate(axes[1:]):
    fitted = model.components_[order[t]]
    ax.plot(shift, fitted / fitted.max(), color=f"C{t}", label="fitted")
    ax.plot(shift, H[t] / H[t].max(), "--", color="black", linewidth=0.9, label="true")
    ax.set_title(f"substance {t}, cosine {cosine[t]:.4f}")
axes[1].legend(loc="upper right")
for ax in axes:
    ax.set_yticks([])
axes[-1].set_xlabel("Raman shift (1/cm)")
fig.supylabel("intensity")
plt.show()

# %%
# Maps
# ----
#
# The rows of W, divided by their sums, are concentrations. Above the truth, below the fit.

scaled = W_fit[:, order] * model.components_[order].max(axis=1) / H.max(axis=1)
scaled /= scaled.sum(axis=1, keepdims=True)
fig, axes = plt.subplots(2, 3, figsize=(8, 4), layout="constrained")
for column, ax in enumerate(axes.T):
    for maps, panel in zip((W, scaled), ax, strict=True):
        image = panel.imshow(maps[:, column].reshape(40, 60), vmin=0, vmax=1)
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
    ax[0].set_title(f"substance {column}")
axes[0, 0].set_ylabel("true")
axes[1, 0].set_ylabel("fitted")
fig.colorbar(image, ax=axes, label="concentration", shrink=0.8)
plt.show()

error = np.abs(scaled - W).mean()
print(f"mean error of the concentrations: {error:.3f}")
