"""Time of one coordinate-descent sweep beside scikit-learn's, same start, in one run.

    python benchmarks/cd_sweeps.py [--sweeps 10] [--repeats 5] [--threads 2] [--json FILE]

Both libraries make the same iterates (checked here too), so that time per sweep is all
there is to compare. The two take turns; the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
from harness import machine
from harness.inputs import pbmc3k, start
from harness.matrices import low_rank, uniform_csr
from sklearn.decomposition import non_negative_factorization as peer
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import nonneg


@dataclass(frozen=True)
class Case:
    """A named matrix and the number of components to fit."""

    name: str
    n_components: int
    load: Callable[[], Any]


def uniform() -> Any:
    return uniform_csr(60_000, 20_000, 30)


def counts() -> Any:
    return pbmc3k(quick=False).X


CASES = [
    Case("CSR 60,000 × 20,000, 30 a row, float64", 30, uniform),
    Case("the same as CSC", 30, lambda: uniform().tocsc()),
    Case("the same as CSR, float32", 30, lambda: uniform().astype(np.float32)),
    Case("PBMC 3k counts, CSR 2,638 × 13,713, float64", 20, counts),
    Case("the same as CSC", 20, lambda: counts().tocsc()),
    Case(
        "dense 20,000 × 784, float64", 32, lambda: low_rank(20_000, 784, 32, np.float64)
    ),
    Case("the same, float32", 32, lambda: low_rank(20_000, 784, 32, np.float32)),
    Case("the same, float32", 10, lambda: low_rank(20_000, 784, 10, np.float32)),
    Case(
        "the same, float32, Fortran order",
        10,
        lambda: np.asfortranarray(low_rank(20_000, 784, 10, np.float32)),
    ),
    Case(
        "dense 2,000 × 5,000, float32", 50, lambda: low_rank(2000, 5000, 50, np.float32)
    ),
    Case(
        "dense 1,000 × 1,000, float64", 20, lambda: low_rank(1000, 1000, 20, np.float64)
    ),
]
"""Inputs with at least a million stored entries each."""


def seconds_per_sweep(fit: Any, sweeps: int) -> tuple[float, Any]:
    """Difference of a long and a one-sweep run: what is done once drops out."""
    marks = [time.perf_counter()]
    for count in (1, 1 + sweeps):
        factors = fit(count)
        marks.append(time.perf_counter())
    return (marks[2] - marks[1] - (marks[1] - marks[0])) / sweeps, factors


def compare(
    X: Any, k: int, sweeps: int, repeats: int, threads: int
) -> dict[str, float]:
    """Medians for both, and the largest difference of the factors."""
    W, H = start(X, k)
    options = {"init": "custom", "n_components": k, "tol": 0.0}

    def ours(count: int) -> Any:
        return nonneg.non_negative_factorization(
            X, W, H, max_iter=count, n_threads=threads, **options
        )[:2]

    def theirs(count: int) -> Any:
        return peer(X, W=W.copy(), H=H.copy(), max_iter=count, **options)[:2]

    times: dict[str, list[float]] = {"nonneg": [], "scikit-learn": []}
    for repeat in range(repeats + 1):
        for name, fit in (("nonneg", ours), ("scikit-learn", theirs)):
            seconds, factors = seconds_per_sweep(fit, sweeps)
            if repeat > 0:  # the first round only warms up
                times[name].append(seconds)
            elif name == "nonneg":
                mine = factors
            else:
                differences = [
                    float(np.abs(a - b).max() / np.abs(b).max())
                    for a, b in zip(mine, factors, strict=True)
                ]
    bound = 1e-10 if X.dtype == np.float64 else 1e-2
    assert max(differences) < bound, f"the factors differ by {max(differences):g}"
    result = {name: float(np.median(values)) for name, values in times.items()}
    return {**result, "difference": max(differences)}


def main() -> None:
    """Print the table, and keep it as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweeps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json")
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    config = nonneg.show_config(mode="dicts")
    print(
        f"nonneg {nonneg.__version__} ({config['SIMD']['in use']}), scikit-learn "
        f"{sklearn.__version__}, {args.threads} threads, {machine.processor()}"
    )
    header = (
        f"{'input':46s} {'k':>3s} {'nonneg':>10s} {'scikit-learn':>13s} {'ratio':>6s}"
    )
    print(header + "\n" + "-" * len(header))
    rows = []
    for item in CASES:
        X = item.load()
        with threadpool_limits(args.threads):
            row = compare(X, item.n_components, args.sweeps, args.repeats, args.threads)
        rows.append({"input": item.name, "k": item.n_components, **row})
        print(
            f"{item.name:46s} {item.n_components:3d} {1e3 * row['nonneg']:7.2f} ms "
            f"{1e3 * row['scikit-learn']:10.2f} ms {row['scikit-learn'] / row['nonneg']:5.1f}x",
            flush=True,
        )
    if args.json:
        with open(args.json, "w") as file:
            json.dump(
                {"config": config, "threads": args.threads, "rows": rows},
                file,
                indent=1,
            )


if __name__ == "__main__":
    main()
