"""
Larger than memory
==================

A file of 80 MB, and 45 MB to fit it in. What is read in parts is fitted as if it were in
memory: the factors are the same, to the last bit.
"""

from __future__ import annotations

import tempfile
import tracemalloc
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np

from nonneg import NMF

# %%
# A file
# ------
#
# 20,000 spectra of 500 channels in HDF5, written a part at a time, as an instrument would.

rng = np.random.default_rng(0)
channel = np.arange(500)
places, widths = [60, 150, 210, 330, 420], [14, 30, 12, 22, 40]
H = np.array(
    [
        np.exp(-(((channel - at) / width) ** 2))
        for at, width in zip(places, widths, strict=True)
    ]
)
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "spectra.h5"
with h5py.File(path, "w") as file:
    data = file.create_dataset("X", (20_000, 500), np.float64, chunks=(500, 500))
    for begin in range(0, 20_000, 4000):
        W = rng.gamma(0.7, size=(4000, 5))
        data[begin : begin + 4000] = W @ H + 0.05 * rng.random((4000, 500))
print(f"{path.name}: {path.stat().st_size / 1e6:.0f} MB")

# %%
# What the fit will do
# --------------------
#
# ``plan`` reads no more than it needs, and tells what will happen and why.

file = h5py.File(path)
X = file["X"]
model = NMF(
    5, solver="hals", init="random", random_state=0, tol=1e-2, memory_limit="45MB"
)
print(model.plan(X))

# %%
# The fit
# -------
#
# Python's own counter watches the memory of arrays meanwhile.

tracemalloc.start()
in_parts = model.fit_transform(X)
peak_in_parts = tracemalloc.get_traced_memory()[1]

tracemalloc.reset_peak()
before = tracemalloc.get_traced_memory()[0]
whole = NMF(5, solver="hals", init="random", random_state=0, tol=1e-2)
in_memory = whole.fit_transform(X[:])
peak_in_memory = tracemalloc.get_traced_memory()[1] - before
tracemalloc.stop()

same = np.array_equal(in_parts, in_memory)
print("same bits:", same and np.array_equal(model.components_, whole.components_))
file.close()
folder.cleanup()

# %%
# Left, what was taken; the dashed line is the limit. Right, the spectra: what is in the file was
# made from the dashed ones, with noise that has a mean above zero.

fig, (left, right) = plt.subplots(
    1, 2, figsize=(9, 3.4), width_ratios=(1, 2), layout="constrained"
)
left.bar(
    ["in memory", "in parts"], [peak_in_memory / 1e6, peak_in_parts / 1e6], width=0.6
)
left.axhline(45, color="C1", linestyle="--")
left.text(1.35, 47, "limit", color="C1", ha="right")
left.set_ylabel("peak of memory (MB)")
for component in model.components_:
    right.plot(channel, component / component.max())
right.plot(channel, H.T, "--", color="black", linewidth=0.7)
right.set(xlabel="channel", ylabel="spectrum / maximum", ylim=(0, None))
plt.show()
