"""Time of exact non-negative least squares: the kernel by row, and beside SciPy's.

    python benchmarks/nnls.py [--threads 2] [--repeats 5] [--kernel]

With --kernel: nanoseconds a row on one thread (least of the repeats; in brackets the
factorizations), for rows that start from nothing, from the solution of a problem 2 % away,
and from their own solution. Without: `nonneg.nnls` beside
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


def seconds(run: Callable[[], Any], repeats: int) -> list[float]:
    """Times of the runs, sorted."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return sorted(times)


def nanoseconds(start: Any, rhs: Any, gram: Any, repeats: int) -> tuple[float, float]:
    """Least time a row, free of other processes' turns, and factorizations a row."""
    rows, k = start.shape
    work, found = start.copy(), []

    def run() -> None:
        found.append(kernels.exact_solve(work, rhs, gram, np.zeros(k)))

    times = []
    for _ in range(repeats):
        work[...] = start
        times += seconds(run, 1)
    return min(times) / rows * 1e9, found[0].n_factorizations / rows


def kernel_table(repeats: int) -> None:
    """Print nanoseconds a row by k, dtype and start."""
    print("dtype      k         cold       2 % off        solved  one row alone")
    for dtype in (np.float64, np.float32):
        for k in (10, 20, 32, 50, 100):
            rows = 2048 if k <= 32 else 512
            A, B = problem(5 * k, k, rows)
            rng = np.random.default_rng(1)
            near = A * (1 + 0.02 * rng.standard_normal(A.shape))
            rhs, rhs_near = ((B.T @ M).astype(dtype) for M in (A, near))
            gram, zeros = A.T @ A, np.zeros((rows, k), dtype=dtype)
            solved = zeros.copy()
            kernels.exact_solve(solved, rhs, gram, np.zeros(k))
            cells = [
                nanoseconds(zeros, rhs, gram, repeats),
                nanoseconds(solved, rhs_near, near.T @ near, repeats),
                nanoseconds(solved, rhs, gram, repeats),
            ]
            single, _ = nanoseconds(zeros[:1], rhs[:1], gram, 10 * repeats)
            text = "  ".join(f"{t:6.0f} ({count:.2f})" for t, count in cells)
            print(f"{np.dtype(dtype).name} {k:4d}  {text}  {single:8.0f}")


def compare(name: str, A: Any, B: Any, repeats: int, threads: int) -> None:
    """Print times for both and the largest difference."""
    dense = A.toarray() if sp.issparse(A) else A
    columns = B.toarray() if sp.issparse(B) else B
    some = min(columns.shape[1], 1000)  # SciPy's time is proportional to their number
    X = nonneg.nnls(A, B, n_threads=threads)
    ours = median(seconds(lambda: nonneg.nnls(A, B, n_threads=threads), repeats))
    one = median(seconds(lambda: nonneg.nnls(A, B, n_threads=1), repeats))

    def loop() -> Any:
        return np.array([peer(dense, b)[0] for b in columns.T[:some]]).T

    theirs = median(seconds(loop, repeats)) * columns.shape[1] / some
    difference = np.abs(X[:, :some] - loop()).max()
    print(
        f"{name:30s} {1e3 * theirs:8.2f} {1e3 * one:8.2f} {1e3 * ours:8.2f} "
        f"{theirs / ours:8.1f} x   {difference:.0e}"
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
    print(
        "milliseconds                      SciPy 1 thread  threads    ratio  difference"
    )
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
