"""
Number of tastes
================

How many tastes raters have: films without a rating are missing, not rated 0.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from nonneg import select_rank

rng = np.random.default_rng(0)
taste = rng.gamma(0.5, size=(400, 4)) @ rng.gamma(0.5, size=(4, 150))
score = 3 + 1.2 * (taste - taste.mean()) / taste.std()
stars = np.clip(np.rint(score + 0.3 * rng.standard_normal(score.shape)), 1, 5)
rated = rng.random(stars.shape) < 0.3
X = sp.csr_array((stars[rated], np.nonzero(rated)), shape=stars.shape)
print(f"{X.nnz} ratings of {X.shape[1]} films by {X.shape[0]} people")

for penalty in (0.0, 0.02):
    selection = select_rank(
        X, [1, 2, 3, 4, 6, 8], missing_values="unstored", alpha_W=penalty, folds=3,
        tol=1e-2, random_state=0,
    )  # fmt: skip
    print(f"\npenalty {penalty:g}: {selection.n_components} tastes, {selection.status}")
    for rank, error in zip(
        selection.table["rank"], selection.table["error"], strict=True
    ):
        print(f"  {rank}: held-out RMSE {np.sqrt(2 * error):.3f}")
