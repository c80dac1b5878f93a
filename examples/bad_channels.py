"""
Spectra with dead channels
==========================

Spectra from instruments of which some channels are dead: the components are seen whole.
"""

from __future__ import annotations

import numpy as np

from nonneg import NMF

rng = np.random.default_rng(0)
channel = np.arange(200)
lines = [(40, 6), (90, 12), (105, 9), (160, 7)]
H = np.array([np.exp(-(((channel - at) / width) ** 2)) for at, width in lines])
W = rng.gamma(1.0, size=(500, 4))
clean = W @ H
spectra = clean + 0.01 * rng.random(clean.shape)

# three instruments, each with dead channels of its own, and pixels hit by cosmic rays
for instrument, dead in enumerate([range(35, 50), range(85, 95), range(150, 158)]):
    spectra[instrument::3, dead] = np.nan
spectra[rng.random(spectra.shape) < 0.02] = np.nan

options = {"solver": "hals", "init": "random", "random_state": 0, "max_iter": 500}
model = NMF(4, missing_values=np.nan, **options)
W_fit = model.fit_transform(spectra)
print(f"{model.n_observed_:,} of {spectra.size:,} readings observed")

missing = np.isnan(spectra)
error = np.abs(W_fit @ model.components_ - clean)[missing].mean()
print(
    f"mean error in dead channels {error:.4f}, mean reading {clean[missing].mean():.4f}"
)

filled = NMF(4, **options)
W_filled = filled.fit_transform(np.nan_to_num(spectra))
worse = np.abs(W_filled @ filled.components_ - clean)[missing].mean()
print(f"with 0 in their place {worse:.4f}")
assert error < 0.2 * worse
