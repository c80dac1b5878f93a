"""Constraints to test with, each with a test of the factors that obey it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nonneg.constraints import (
    Bounds,
    Fixed,
    Graph,
    Group,
    MinVolume,
    Monotone,
    Orthogonal,
    Simplex,
    Smooth,
    Target,
    Unimodal,
)

N_SAMPLES, N_FEATURES, K = 18, 13, 3


class Planted(NamedTuple):
    """Factors, and the data that they make with some noise."""

    W: np.ndarray
    H: np.ndarray
    X: np.ndarray


def planted(seed: int = 0, shape: tuple[int, int] = (N_SAMPLES, N_FEATURES)) -> Planted:
    """Return positive factors whose rows of W sum up to 1, and noisy data."""
    rng = np.random.default_rng(seed)
    W = rng.gamma(1.0, size=(shape[0], K)) + 0.05
    W /= W.sum(axis=1, keepdims=True)
    H = rng.gamma(1.0, size=(K, shape[1])) + 0.05
    noise = rng.normal(0, 0.02, shape)
    return Planted(W, H, np.maximum(W @ H + noise, 0))


TRUE = planted()
KNOWN = np.where(np.arange(K)[:, None] < 1, TRUE.H, np.nan)
SOME = np.where(np.random.default_rng(1).random(TRUE.H.shape) < 0.3, TRUE.H, np.nan)


def sums_to(total: float, at_most: bool = False) -> Callable[[Any], bool]:
    def holds(A):
        sums = A.sum(axis=1, dtype=np.float64)
        slack = 4 * A.shape[1] * np.finfo(A.dtype).eps * total
        beyond = sums - total if at_most else np.abs(sums - total)
        return bool((beyond <= slack).all() and (A >= 0).all())

    return holds


def is_fixed_to(values: Any) -> Callable[[Any], bool]:
    def holds(A):
        known = ~np.isnan(values)
        return bool((A[known] == values.astype(A.dtype)[known]).all())

    return holds


def is_within(lower: Any, upper: Any) -> Callable[[Any], bool]:
    def holds(A):
        low, high = (np.asarray(b, A.dtype) for b in (lower, upper))
        return bool((low <= A).all() and (high >= A).all())

    return holds


def has_one_peak(column: Any) -> bool:
    """Whether differences are first at least 0, then at most 0."""
    signs = np.sign(np.diff(column))
    return bool((np.diff(signs[signs != 0]) <= 0).all() and (column >= 0).all())


def is_at_least_0(A: Any) -> bool:
    return bool((A >= 0).all())


@dataclass(frozen=True)
class Case:
    """Constraints of a fit, with what they promise of W and of H."""

    W: Any = None
    H: Any = None
    holds_W: Callable[[Any], bool] = is_at_least_0
    holds_H: Callable[[Any], bool] = is_at_least_0
    by_single_rows: bool | None = True
    """Whether `transform` takes any number of rows, and solves for each by itself; None: it
    takes any number, and ties them together."""
    by_sweeps_alone: bool = False
    """Whether "bpp" refuses it."""


SIMPLEX = sums_to(1.0)
CASES = {
    "fixed-component": Case(H=Fixed(KNOWN), holds_H=is_fixed_to(KNOWN)),
    "fixed-entries": Case(H=Fixed(SOME), holds_H=is_fixed_to(SOME)),
    "fixed-W": Case(
        W=Fixed(np.where(np.arange(K) < 1, TRUE.W, np.nan)),
        holds_W=is_fixed_to(np.where(np.arange(K) < 1, TRUE.W, np.nan)),
        by_single_rows=False,
    ),
    "bounds": Case(
        W=Bounds(upper=0.8), H=[Bounds(lower=0.05), Bounds(upper=[1.0, 2.0, 1.5])],
        holds_W=is_within(0, 0.8),
        holds_H=is_within(0.05, np.array([1.0, 2.0, 1.5])[:, None]),
    ),
    "free-sign": Case(
        H=Bounds(lower=-np.inf), holds_H=lambda A: bool(np.isfinite(A).all())
    ),
    "simplex": Case(W=Simplex(), holds_W=SIMPLEX),
    "simplex-at-most": Case(
        W=Simplex(0.9, at_most=True), holds_W=sums_to(0.9, at_most=True)
    ),
    "simplex-H": Case(H=Simplex(), holds_H=lambda H: SIMPLEX(H.T)),
    "simplex-bounds": Case(
        W=[Simplex(), Bounds(upper=0.7)],
        holds_W=lambda W: SIMPLEX(W) and is_within(0, 0.7)(W),
    ),
    "simplex-fixed": Case(
        W=Simplex(), H=[Fixed(KNOWN), Bounds(upper=5)],
        holds_W=SIMPLEX, holds_H=is_fixed_to(KNOWN),
    ),
    "smooth": Case(W=Simplex(), H=Smooth(0.5), holds_W=SIMPLEX),
    "cyclic": Case(W=Bounds(upper=1), H=Smooth(0.5, cyclic=True)),
    "graph": Case(
        W=Graph(np.arange(N_SAMPLES)[:, None] % 7, 0.3, n_neighbors=2),
        H=Bounds(upper=4), by_single_rows=False,
    ),
    "target": Case(H=Target(KNOWN, 2.0), W=Target(TRUE.W, 0.5), by_single_rows=False),
    "min-volume": Case(W=Simplex(), H=MinVolume(0.01, 0.5), holds_W=SIMPLEX),
    "several-penalties": Case(
        W=[Simplex(), Target(TRUE.W, 0.1)], holds_W=SIMPLEX,
        H=[Smooth(0.3), MinVolume(0.01, 0.5), Target(KNOWN, 1.0)], by_single_rows=False,
    ),
    "group": Case(W=[Group(0.05), Bounds(upper=3)], H=Bounds(upper=4),
                  by_single_rows=None),
    "orthogonal": Case(W=Bounds(upper=1), H=Orthogonal(0.02), by_sweeps_alone=True),
    "unimodal": Case(
        W=Unimodal(components=[0, 2]), H=Bounds(upper=4),
        holds_W=lambda W: has_one_peak(W[:, 0]) and has_one_peak(W[:, 2]),
        by_single_rows=None,
    ),
    "unimodal-H": Case(
        H=[Unimodal(), Bounds(upper=2.5)],
        holds_H=lambda H: all(map(has_one_peak, H)) and H.max() <= 2.5,
    ),
    "monotone": Case(
        W=Bounds(upper=1), H=[Monotone(False, [1]), Smooth(0.05)],
        holds_H=lambda H: bool((np.diff(H[1]) <= 0).all()),
    ),
    "unimodal-fixed": Case(
        H=[Unimodal(components=[1]), Fixed(KNOWN)],
        holds_H=lambda H: is_fixed_to(KNOWN)(H) and has_one_peak(H[1]),
    ),
}  # fmt: skip
"""Cases for least squares by name."""
