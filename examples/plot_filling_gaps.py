"""
Filling what was not measured
=============================

A meter fails for hours, and some readings get lost. What a day has in common with other days
is enough to fill the hours that are missing.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from sklearn.impute import KNNImputer, SimpleImputer

from nonneg import NMFImputer

# %%
# Meters
# ------
#
# The electricity that 400 households take, each on one day, every quarter of an hour. Five habits
# add up: what always runs, breakfast, lunch, evenings, and cars that charge at night. A tenth of
# the readings is lost, and every meter fails for a while besides.

rng = np.random.default_rng(0)
hour = np.arange(96) / 4


def bump(centre: float, width: float) -> np.ndarray:
    """A habit at a time of the day; midnight wraps around."""
    distance = np.abs(hour - centre)
    return np.exp(-((np.minimum(distance, 24 - distance) / width) ** 2))


habits = np.array(
    [np.full(96, 0.3), bump(7.5, 1.2), bump(12.5, 1.5), bump(19.5, 2.5), bump(1.5, 2)]
)
use = rng.gamma(1.5, size=(400, 5)) * [1, 0.8, 0.6, 1.2, 1.5]
use[:, 4] *= rng.random(400) < 0.3
truth = use @ habits
X = np.clip(truth + 0.08 * rng.standard_normal(truth.shape), 0, None)
X[rng.random(X.shape) < 0.1] = np.nan
for day, begin, length in zip(
    X, rng.integers(0, 72, size=400), rng.integers(8, 24, size=400), strict=True
):
    day[begin : begin + length] = np.nan
gap = np.isnan(X)
print(f"{100 * gap.mean():.0f} % of the readings are missing")

# %%
# Three ways to fill
# ------------------
#
# :class:`nonneg.NMFImputer` is a transformer like scikit-learn's. It factorizes what is there, and
# puts W·H where something is missing.

imputers = {
    "mean of the hour": SimpleImputer(),
    "five nearest days": KNNImputer(n_neighbors=5),
    "NMF": NMFImputer(5, random_state=0, max_iter=500),
}
filled = {name: imputer.fit_transform(X) for name, imputer in imputers.items()}
errors = {
    name: np.sqrt(np.mean((result - truth)[gap] ** 2))
    for name, result in filled.items()
}

# %%
# Three days
# ----------
#
# Dots were measured, grey hours weren't. The black line is what was really taken.

days = np.argsort(-np.where(gap, truth, 0).sum(axis=1))[[3, 10, 17]]
fig, axes = plt.subplots(3, 1, figsize=(8, 6), sharex=True, layout="constrained")
for ax, i in zip(axes, days, strict=True):
    ax.fill_between(
        hour,
        0,
        1,
        where=gap[i],
        step="mid",
        color="0.9",
        transform=ax.get_xaxis_transform(),
        linewidth=0,
    )
    ax.plot(hour, truth[i], color="black", linewidth=1, label="truth")
    for (name, result), colour in zip(filled.items(), ("0.5", "C1", "C0"), strict=True):
        line = np.where(gap[i], result[i], np.nan)
        ax.plot(hour, line, ".-", color=colour, label=name, markersize=4)
    ax.plot(hour, X[i], "o", color="black", markersize=2.5, label="measured")
    ax.set(xlim=(0, 24), ylim=(0, None), ylabel="power (kW)")
axes[0].legend(ncol=5, loc="lower center", bbox_to_anchor=(0.5, 1.0))
axes[-1].set_xlabel("hour")
axes[-1].set_xticks(range(0, 25, 3))
plt.show()

# %%
# Errors
# ------
#
# Over all that is missing. NMF needs no day that is like this one as a whole: it borrows the
# morning from some days and the evening from others.

fig, ax = plt.subplots(figsize=(6.4, 2), layout="constrained")
ax.barh(list(errors), errors.values(), color=["0.6", "C1", "C0"], height=0.6)
for y, error in enumerate(errors.values()):
    ax.text(error + 0.01, y, f"{error:.2f}", va="center")
ax.set_xlabel("root mean squared error (kW)")
ax.invert_yaxis()
plt.show()
