"""Matrices for the benchmarks, each with its rank: real where one travels along, else synthetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Input:
    """A named matrix and the number of components to fit."""

    name: str
    n_components: int
    load: Callable[[], Any]


def uniform_csr(n_rows: int, n_columns: int, per_row: int, seed: int = 0) -> Any:
    """About `per_row` entries in each row, at random places, uniform in [0, 1)."""
    rng = np.random.default_rng(seed)
    places = np.sort(rng.integers(0, n_columns, size=(n_rows, per_row)), axis=1)
    indptr = np.arange(0, n_rows * per_row + 1, per_row)
    values = rng.random(n_rows * per_row)
    X = sp.csr_matrix((values, places.ravel(), indptr), shape=(n_rows, n_columns))
    X.sum_duplicates()
    return X


def low_rank(n_rows: int, n_columns: int, rank: int, dtype: Any, seed: int = 0) -> Any:
    """A product of random non-negative factors, half of them zero, plus 10 % noise."""
    rng = np.random.default_rng(seed)
    W = rng.random((n_rows, rank)) * (rng.random((n_rows, rank)) < 0.5)
    H = rng.random((rank, n_columns)) * (rng.random((rank, n_columns)) < 0.5)
    X = W @ H
    X += 0.1 * X.mean() * np.abs(rng.standard_normal(X.shape))
    return X.astype(dtype)


def pbmc3k() -> Any:
    """Real single-cell counts: 2,638 cells × 13,713 genes (see data/README.md)."""
    return sp.load_npz(DATA / "pbmc3k_counts.npz").astype(np.float64).tocsr()


def _f32(load: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: load().astype(np.float32)


INPUTS = [
    Input(
        "CSR 60,000 × 20,000, 30 a row, float64",
        30,
        lambda: uniform_csr(60_000, 20_000, 30),
    ),
    Input("the same as CSC", 30, lambda: uniform_csr(60_000, 20_000, 30).tocsc()),
    Input(
        "the same as CSR, float32", 30, _f32(lambda: uniform_csr(60_000, 20_000, 30))
    ),
    Input("PBMC 3k counts, CSR 2,638 × 13,713, float64", 20, pbmc3k),
    Input("the same as CSC", 20, lambda: pbmc3k().tocsc()),
    Input(
        "dense 20,000 × 784, float64", 32, lambda: low_rank(20_000, 784, 32, np.float64)
    ),
    Input("the same, float32", 32, lambda: low_rank(20_000, 784, 32, np.float32)),
    Input("the same, float32", 10, lambda: low_rank(20_000, 784, 10, np.float32)),
    Input(
        "the same, float32, Fortran order",
        10,
        lambda: np.asfortranarray(low_rank(20_000, 784, 10, np.float32)),
    ),
    Input(
        "dense 2,000 × 5,000, float32", 50, lambda: low_rank(2000, 5000, 50, np.float32)
    ),
    Input(
        "dense 1,000 × 1,000, float64", 20, lambda: low_rank(1000, 1000, 20, np.float64)
    ),
]
"""Inputs with at least a million stored entries each."""
