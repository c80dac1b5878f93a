"""
A stream without end
====================

Learn from rows that come once and never end, in constant memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nonneg import MiniBatchNMF

rng = np.random.default_rng(0)
H = rng.gamma(0.3, size=(4, 30))


def rows() -> Iterator[np.ndarray]:
    """Yield blocks of any number of rows, for ever."""
    while True:
        n = int(rng.integers(50, 500))
        yield rng.gamma(1.0, size=(n, 4)) @ H + 0.01 * rng.random((n, 30))


model = MiniBatchNMF(
    4,
    batch_size=256,
    exact_statistics=True,
    random_state=0,
    callback=lambda step: step.n_iter == 100,  # or max_time=60
)
model.fit(rows())  # an iterator is read once, in batches of 256 rows
print(f"{model.n_steps_} batches, stopped by: {model.stop_reason_}")

X = next(rows())
model.partial_fit(X)  # goes on from there
error = np.linalg.norm(X - model.transform(X) @ model.components_)
print(f"error on the latest rows: {100 * error / np.linalg.norm(X):.1f} %")
