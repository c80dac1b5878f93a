"""
Beside scikit-learn
===================

The same problem, the same start, the same machine: how soon is which objective reached?
"""

from __future__ import annotations

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
import sklearn.decomposition
from sklearn.exceptions import ConvergenceWarning

import nonneg

# %%
# A matrix of 2,000 × 400 from ten components with noise, and one start for all.

rng = np.random.default_rng(0)
X = rng.gamma(0.4, size=(2000, 10)) @ rng.gamma(0.4, size=(10, 400))
X += 0.1 * rng.random(X.shape)
scale = np.sqrt(X.mean() / 10)
W0 = np.abs(scale * rng.standard_normal((2000, 10)))
H0 = np.abs(scale * rng.standard_normal((10, 400)))


def objective(W: np.ndarray, H: np.ndarray) -> float:
    """Half the squared error."""
    return 0.5 * float(np.linalg.norm(X - W @ H) ** 2)


# %%
# nonneg's ``history_`` has the seconds and the objective of each iteration. scikit-learn is run
# anew with more and more iterations.

curves, points = {}, []
with warnings.catch_warnings():
    # they are stopped before they have converged, on purpose
    warnings.simplefilter("ignore", ConvergenceWarning)
    for solver in ("cd", "auto"):
        model = nonneg.NMF(
            10,
            init="custom",
            solver=solver,
            tol=1e-7,
            max_iter=150,
            callback=lambda iteration: iteration.seconds > 1,
        )
        model.fit(X, W=W0, H=H0)
        history = model.history_
        name = f'nonneg, solver="{solver}"'
        curves[name] = (history["seconds"], history["objective"])
    for max_iter in (2, 5, 10, 20, 40, 80):
        peer = sklearn.decomposition.NMF(10, init="custom", tol=0, max_iter=max_iter)
        begin = time.perf_counter()
        W = peer.fit_transform(X, W=W0.copy(), H=H0.copy())
        seconds = time.perf_counter() - begin
        points.append((seconds, objective(W, peer.components_)))
curves["scikit-learn"] = np.array(points).T

# %%
# How far each is above the best
# ------------------------------
#
# On a logarithmic scale for both. ``cd`` does scikit-learn's own sweeps, in less time each;
# ``auto`` needs fewer. (Times of this page are of the machine that built it; the ones of
# :doc:`/docs/performance` were taken with more care.)

best = min(float(np.nanmin(values)) for _, values in curves.values())
fig, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
for (name, (seconds, values)), style in zip(
    curves.items(), ("-", "-", "o-"), strict=True
):
    above = np.asarray(values) / best - 1
    ax.loglog(seconds, np.maximum(above, 1e-6), style, label=name, markersize=4)
ax.axhline(1e-3, color="0.4", linestyle="--", linewidth=0.9)
ax.text(ax.get_xlim()[0] * 1.1, 1.2e-3, "0.1 % above the best", color="0.3")
ax.set(xlabel="time (s)", ylabel="objective / best − 1")
ax.legend()
plt.show()
