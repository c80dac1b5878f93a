"""
Rows from a function
====================

Fit rows that a function yields, block by block, anew for each pass.

So that anything can be read that no store knows: a database, gzipped lines, a generator.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nonneg import NMF

H = np.random.default_rng(0).gamma(0.3, size=(4, 30))


def blocks() -> Iterator[np.ndarray]:
    """Yield the same rows each time; arrays or SciPy sparse matrices."""
    for number in range(8):
        rng = np.random.default_rng(number)
        yield rng.gamma(1.0, size=(500, 4)) @ H


model = NMF(4, solver="hals", random_state=0)
W = model.fit_transform(blocks)  # the function, not what it returns
print(f"W {W.shape}, error {model.reconstruction_err_:.3g}")
