"""
Amounts of what is known
========================

The spectra of the substances are known, the amounts in ten thousand samples are wanted, and no
amount is negative. Least squares says otherwise for three in ten; ``nnls`` solves the
problem as it is, exactly.
"""

from __future__ import annotations

import time

import matplotlib.pyplot as plt
import numpy as np
import scipy.optimize

import nonneg

# %%
# Six spectra that overlap, and samples of two or three substances each.

rng = np.random.default_rng(0)
wavelength = np.linspace(300, 700, 120)  # nm
peaks = [360, 410, 450, 490, 530, 590]
widths = [40, 45, 45, 45, 50, 60]
A = np.array(
    [
        np.exp(-(((wavelength - peak) / width) ** 2))
        for peak, width in zip(peaks, widths, strict=True)
    ]
).T
amounts = rng.gamma(2.0, size=(6, 10_000)) * (rng.random((6, 10_000)) < 0.4)
B = A @ amounts + 0.3 * rng.standard_normal((120, 10_000))

# %%
# ``nnls`` takes all right-hand sides at once, as columns of B. What they have in common is
# computed once, and rows that share a pattern of zeros go together.

begin = time.perf_counter()
X = nonneg.nnls(A, B)
seconds = time.perf_counter() - begin
plain = np.linalg.lstsq(A, B)[0]
print(f"{1e6 * seconds / 10_000:.2f} µs a sample")
print(f"negative amounts of least squares: {100 * np.mean(plain < 0):.0f} %")

begin = time.perf_counter()
one_by_one = np.array([scipy.optimize.nnls(A, b)[0] for b in B.T[:500]]).T
slower = (time.perf_counter() - begin) / 500
print(f"scipy.optimize.nnls, one by one: {1e6 * slower:.1f} µs a sample")
print(f"largest difference: {np.abs(one_by_one - X[:, :500]).max():.1e}")

# %%
# Estimated against true amounts
# ------------------------------
#
# Where a substance is absent, least squares spreads around zero, and the negative amounts are paid
# for by neighbours. Non-negative least squares puts half of these at zero, where they belong.

fig, axes = plt.subplots(
    1, 2, figsize=(8, 3.8), sharex=True, sharey=True, layout="constrained"
)
for ax, (name, estimate) in zip(
    axes, {"least squares": plain, "nnls": X}.items(), strict=True
):
    ax.plot(
        amounts[:, :1500].ravel(),
        estimate[:, :1500].ravel(),
        ".",
        markersize=2,
        alpha=0.15,
    )
    ax.axline((0, 0), slope=1, color="black", linewidth=0.8)
    ax.axhline(0, color="C1", linewidth=0.8)
    error = np.sqrt(np.mean((estimate - amounts) ** 2))
    ax.set(
        title=f"{name}: RMSE {error:.3f}",
        xlabel="true amount",
        xlim=(-0.2, 4),
        ylim=(-1.5, 5),
    )
axes[0].set_ylabel("estimated amount")
plt.show()

# %%
# One sample
# ----------

i = int(np.argmax((amounts[[0, 2, 5]] > 0.8).all(axis=0)))
fig, ax = plt.subplots(figsize=(9, 3.2), layout="constrained")
ax.plot(wavelength, B[:, i], ".", color="0.5", label="measured")
ax.plot(wavelength, A @ X[:, i], color="black", label="sum")
for j in np.flatnonzero(X[:, i]):
    label = f"{peaks[j]} nm: {X[j, i]:.2f} (true {amounts[j, i]:.2f})"
    ax.fill_between(
        wavelength, A[:, j] * X[j, i], color=f"C{j}", alpha=0.4, label=label
    )
ax.set(xlabel="wavelength (nm)", ylabel="absorbance", ylim=(0, None))
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()
