"""
Peaks of a chromatogram that overlap
====================================

A detector measures a spectrum at each time. Three substances leave the column nearly together, and
one of them is known. Multivariate curve resolution: the profile of each in time, and its spectrum.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import nnls

from nonneg import NMF, match_components
from nonneg.constraints import Fixed, Unimodal

# %%
# A measurement
# -------------
#
# Peaks with tails, spectra of broad bands, and a noisy detector.

rng = np.random.default_rng(1)
time = np.linspace(0, 10, 160)
wave = np.linspace(220, 400, 90)


def peak(centre: float, width: float, tail: float) -> np.ndarray:
    """Return a peak of height 1, wider after its top than before it."""
    side = np.where(time < centre, width, width * tail)
    return np.exp(-((time - centre) ** 2) / (2 * side**2))


profiles = np.column_stack(
    [peak(4.2, 0.45, 1.6), 0.7 * peak(5.1, 0.5, 1.5), 0.5 * peak(6.0, 0.5, 1.8)]
)
bands = [
    (240, 14, 1.0, 290, 18, 0.5),
    (255, 16, 0.9, 330, 25, 0.4),
    (275, 20, 1.0, 350, 15, 0.3),
]
spectra = np.array(
    [a * np.exp(-((wave - c) ** 2) / (2 * w**2)) + b * np.exp(-((wave - d) ** 2) / (2 * v**2)) for c, w, a, d, v, b in bands]
)  # fmt: skip
X = np.maximum(profiles @ spectra + 0.02 * rng.standard_normal((160, 90)), 0)


def errors(W: np.ndarray) -> np.ndarray:
    """Return 1 less the correlation of each profile with the one that resembles it most."""
    return 1 - np.corrcoef(profiles.T, W.T)[:3, 3:].max(axis=1)


# %%
# What is known
# -------------
#
# A profile rises to one peak and falls. The spectrum of the second substance is in the library; NaN
# stands for what isn't known.

library = np.full((3, 90), np.nan)
library[0] = spectra[1]
options = {"solver": "hals", "random_state": 0, "max_iter": 1000}
fits = {
    "no constraint": NMF(3, **options),
    "one peak each": NMF(3, constraints_W=Unimodal(), **options),
    "one peak each, a known spectrum": NMF(
        3, constraints_W=Unimodal(), constraints_H=Fixed(library), **options
    ),
}  # fmt: skip
fitted = {name: model.fit_transform(X) for name, model in fits.items()}
for name, W in fitted.items():
    print(f"{name:32s} 1 - correlation {np.round(errors(W), 4)}")

# %%
# Beside alternating least squares
# --------------------------------
#
# MCR-ALS, as most programs have it: solve for one factor beside the other, row by row, then make
# each profile fall on both sides of its top, and go on. What is cut off is no part of the least
# squares, so that the loss rises in many a round. It begins with the spectra of five iterations.


def cut(profile: np.ndarray) -> np.ndarray:
    """Return the profile without what rises again beside its top."""
    top = profile.argmax()
    left = np.minimum.accumulate(profile[top::-1])[::-1]
    return np.append(left[:-1], np.minimum.accumulate(profile[top:]))


S = NMF(3, solver="hals", random_state=0, max_iter=5, tol=0).fit(X).components_
loss = []
for _ in range(100):
    C = np.array([nnls(S.T, x)[0] for x in X])
    C = np.apply_along_axis(cut, 0, C)
    S = np.array([nnls(C, x)[0] for x in X.T]).T
    loss.append(0.5 * np.sum((X - C @ S) ** 2))
fitted["alternating least squares"] = C
ours = 0.5 * fits["one peak each"].reconstruction_err_ ** 2
print(f"alternating least squares        1 - correlation {np.round(errors(C), 4)}")
print(
    f"loss {loss[-1]:.3f}, which rose {np.sum(np.diff(loss) > 0)} times; ours {ours:.3f}"
)

# %%
# Profiles
# --------

#
# The true profiles are grey. Each is drawn at height 1, and each that was found in the colour of the
# true one that it resembles.

figure, axes = plt.subplots(
    2, 2, figsize=(8, 5), sharex=True, sharey=True, layout="constrained"
)
for axis, (name, W) in zip(axes.flat, fitted.items(), strict=True):
    order, _ = match_components(profiles.T, W.T)
    W = W[:, order]
    axis.plot(time, profiles / profiles.max(axis=0), color="0.7", linewidth=4)
    axis.plot(time, W / W.max(axis=0))
    axis.set_title(name)
for axis in axes[1]:
    axis.set_xlabel("minutes")
for axis in axes[:, 0]:
    axis.set_ylabel("share of largest")
plt.show()
