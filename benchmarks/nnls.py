"""Time of exact non-negative least squares: the kernel by row, and beside SciPy's.

    python benchmarks/nnls.py [--threads 2] [--repeats 5] [--kernel]

With --kernel: nanoseconds a row on one thread, for rows that start from nothing, from the
solution of a problem 2 % away, and from their own solution. Without: `nonneg.nnls` beside
`scipy.optimize.nnls` in a loop, in turns; medians, and the largest difference.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import nnls as peer

import nonneg
from nonneg import kernels


def problem(m: int, n: int, r: int, seed: int = 0) -> tuple[Any, Any]:
    """A ≥ 0 and B = A·X + noise, 40 % of X positive."""
    rng = np.random.default_rng(seed)
    A = rng.random((m, n))
    X = rng.random((n, r)) * (rng.random((n, r)) < 0.4)
    return A, A @ X + 0.05 * rng.standard_normal((m, r))


def seconds(run: Callable[[], Any], repeats: int) -> float:
    """Median time of a run."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return median(times)


def kernel_table(repeats: int) -> None:
    """Print nanoseconds a row by k, dtype and start."""
    print("dtype    k    cold  2 % off   solved  one row (ns; factorizations a row)")
    for dtype in (np.float64, np.float32):
        for k in (10, 20, 32, 50, 100):
            r = 8192 if k <= 32 else 2048
            A, B = problem(5 * k, k, r)
            rng = np.random.default_rng(1)
            near = A * (1 + 0.02 * rng.standard_normal(A.shape))
            grams = A.T @ A, near.T @ near
            sides = [(B.T @ M).astype(dtype) for M in (A, near)]
            solved = np.zeros((r, k), dtype=dtype)
            kernels.exact_solve(solved, sides[0], grams[0], np.zeros(k))
            cells = []
            for start, case in ((0 * solved, 0), (solved, 1), (solved, 0)):
                work, counts = np.empty_like(solved), []

                def run(start: Any = start, case: int = case, work: Any = work) -> None:
                    work[...] = start
                    report = kernels.exact_solve(
                        work, sides[case], grams[case], np.zeros(k)
                    )
                    counts.append(report.n_factorizations)

                cells.append((seconds(run, repeats) / r * 1e9, counts[0] / r))
            row, side = np.zeros((1, k), dtype=dtype), sides[0][:1]

            def single() -> None:
                row[...] = 0
                kernels.exact_solve(row, side, grams[0], np.zeros(k))

            text = "  ".join(f"{t:6.0f} ({c:.2f})" for t, c in cells)
            print(
                f"{np.dtype(dtype).name} {k:4d}  {text}  {seconds(single, 50) * 1e9:.0f}"
            )


def compare(name: str, A: Any, B: Any, repeats: int, threads: int) -> None:
    """Print times for both and the largest difference."""
    dense = A.toarray() if sp.issparse(A) else A
    columns = B.toarray() if sp.issparse(B) else B
    some = min(columns.shape[1], 1000)  # SciPy's time is proportional to their number
    X = nonneg.nnls(A, B, n_threads=threads)
    ours = seconds(lambda: nonneg.nnls(A, B, n_threads=threads), repeats)
    one = seconds(lambda: nonneg.nnls(A, B, n_threads=1), repeats)

    def loop() -> Any:
        return np.array([peer(dense, b)[0] for b in columns.T[:some]]).T

    theirs = seconds(loop, repeats) * columns.shape[1] / some
    difference = np.abs(X[:, :some] - loop()).max()
    print(
        f"{name:34s} {theirs:8.3f} s {one:8.4f} s {ours:8.4f} s "
        f"{theirs / ours:6.0f} x   {difference:.0e}"
    )


def main() -> None:
    """Parse the options and print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--kernel", action="store_true")
    options = parser.parse_args()
    if options.kernel:
        kernel_table(options.repeats)
        return
    print(f"A, B{'':30s} {'SciPy':>10s} {'1 thread':>10s} {'threads':>10s}")
    for m, n, r in ((500, 20, 10_000), (200, 50, 5000), (1000, 100, 1000)):
        A, B = problem(m, n, r)
        compare(f"{m} x {n}, {r}", A, B, options.repeats, options.threads)
    A, B = problem(500, 20, 10_000)
    name = "500 x 20, 10000 (2 % stored)"
    rng = np.random.default_rng(2)
    S = sp.csc_array(B * (rng.random(B.shape) < 0.02))
    compare(name, A, S, options.repeats, options.threads)
    A, B = problem(500, 20, 1)
    compare("500 x 20, 1", A, B, 20 * options.repeats, options.threads)


if __name__ == "__main__":
    main()
