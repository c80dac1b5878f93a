"""
Films without a rating
======================

Films that a user has not rated are missing, not rated 0.

ML_100K=FILE names the file of ratings of MovieLens-100k (user, film, rating, time); without it
the ratings are made.
"""

from __future__ import annotations

import os

import numpy as np
import scipy.sparse as sp

from nonneg import NMF, holdout, reconstruction_error


def ratings():
    """Ratings, users by films, as a CSR."""
    path = os.environ.get("ML_100K")
    if path:
        print(f"MovieLens-100k, {path}")
        table = np.loadtxt(path, skiprows=1, usecols=(0, 1, 2))
        user, film = (np.unique(ids, return_inverse=True)[1] for ids in table.T[:2])
        return sp.csr_array((table[:, 2], (user, film)))
    print("made ratings (ML_100K names no file)")
    rng = np.random.default_rng(0)
    taste = rng.gamma(0.5, size=(300, 5)) @ rng.gamma(0.5, size=(5, 200))
    score = 3.2 + 0.8 * (taste - taste.mean()) / taste.std()
    score += 0.4 * rng.standard_normal((300, 1)) + 0.4 * rng.standard_normal(200)
    stars = np.clip(np.rint(score + 0.5 * rng.standard_normal(score.shape)), 1, 5)
    rated = rng.random(stars.shape) < 0.1
    return sp.csr_array((stars[rated], np.nonzero(rated)), shape=stars.shape)


X = ratings()
weights, where = holdout(X, 0.2, random_state=0, missing_values="unstored")
options = {"solver": "hals", "init": "random", "random_state": 0, "tol": 1e-3}

model = NMF(10, missing_values="unstored", alpha_W=0.1, **options)
W = model.fit_transform(X, weights=weights)
error = reconstruction_error(X, W, model.components_, where=where)
print(f"unrated films missing: RMSE {error:.2f} on the ratings held out")

rated = X.copy()
rated[where.nonzero()] = 0
wrong = NMF(10, **options)
W_wrong = wrong.fit_transform(rated)
mistake = reconstruction_error(X, W_wrong, wrong.components_, where=where)
print(f"unrated films as 0:    RMSE {mistake:.2f}")
assert error < mistake

user = 0
predicted = W[user] @ model.components_
predicted[X[[user]].indices] = 0  # has rated these
best = np.argsort(-predicted)[:5]
print(f"films for user {user}:", ", ".join(f"{j} ({predicted[j]:.1f})" for j in best))
