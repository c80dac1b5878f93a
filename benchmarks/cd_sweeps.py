"""Time of one coordinate-descent sweep beside scikit-learn's, same start, in one run.

    python benchmarks/cd_sweeps.py [--sweeps 10] [--repeats 5] [--threads 2] [--json FILE]

Both libraries make the same iterates (checked here too), so that time per sweep is all
there is to compare. The two take turns; the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
import warnings
from typing import Any

import numpy as np
import sklearn
from inputs import INPUTS
from sklearn.decomposition import non_negative_factorization as peer
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import nonneg


def start(X: Any, k: int) -> tuple[Any, Any]:
    """Scaled random factors, as init="random" makes them."""
    rng = np.random.RandomState(0)
    scale = np.sqrt(X.mean() / k)
    H = np.abs(scale * rng.standard_normal((k, X.shape[1])))
    W = np.abs(scale * rng.standard_normal((X.shape[0], k)))
    return W.astype(X.dtype), H.astype(X.dtype)


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
        f"{sklearn.__version__}, {args.threads} threads, {platform.processor() or platform.machine()}"
    )
    header = (
        f"{'input':46s} {'k':>3s} {'nonneg':>10s} {'scikit-learn':>13s} {'ratio':>6s}"
    )
    print(header + "\n" + "-" * len(header))
    rows = []
    for item in INPUTS:
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
