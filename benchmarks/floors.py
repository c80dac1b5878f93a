"""One pass over X against the machine's floors, measured in the same run.

    python benchmarks/floors.py [--quick] [--inputs fashion,debian] [--json FILE]

Floors: multiply-adds by BLAS (square products), reading X from where it fits, and the
gathering and scattering of rows of k numbers in X's order. How they are combined:
benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from harness import machine
from harness.inputs import described, select, start
from harness.rows import row_work
from threadpoolctl import threadpool_limits

from nonneg.base.threads import single_threaded_blas
from nonneg.kernels import Adaptive, gram
from nonneg.kernels.quadratic_steps import (
    ModelInputs,
    RowSolve,
    RowSolveInputs,
    RowSolveRows,
)
from nonneg.kernels.row_methods import RowArrays
from nonneg.operands.registration import as_operand

CASES = [
    ("fashion", 32),
    ("fashion", 16),
    ("fashion", 8),
    ("low-rank", 50),
    ("debian", 30),
    ("pbmc", 20),
    ("topics", 50),
]
"""Input and number of components."""
WANTED = {"GEMM peak": 0.7, "slower floor": 0.5, "gathers": 0.5}
"""Share of each floor that a pass should reach."""


def best_of(work: Callable[[], Any], least: float = 0.4, rounds: int = 3) -> float:
    """Shortest time of `work` over at least `rounds` runs and `least` seconds."""
    work()
    times: list[float] = []
    while len(times) < rounds or sum(times) < least:
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def in_threads(work: Callable[[int], Any], threads: int) -> Callable[[], None]:
    """Call work(0), … work(threads − 1) at the same time, each in its thread."""
    pool = ThreadPoolExecutor(threads)

    def together() -> None:
        list(pool.map(work, range(threads)))

    return together


def gemm_peak(dtype: Any, threads: int, size: int = 2048) -> float:
    """Flops per second of a square product by BLAS."""
    rng = np.random.default_rng(0)
    A, B = (rng.random((size, size)).astype(dtype) for _ in range(2))
    out = np.empty_like(A)
    with threadpool_limits(threads):
        seconds = best_of(lambda: np.matmul(A, B, out=out))
    return 2.0 * size**3 / seconds


def copy_bandwidth(threads: int, quick: bool) -> float:
    """Bytes read and written per second by copies too large for any cache."""
    size = (1 << 24 if quick else 1 << 26) // threads  # 512 MiB an array
    arrays = [(np.ones(size), np.zeros(size)) for _ in range(threads)]
    seconds = best_of(in_threads(lambda i: np.copyto(*arrays[i][::-1]), threads))
    return 2.0 * 8 * size * threads / seconds


def read_bandwidth(n_bytes: int, threads: int) -> float:
    """Bytes per second of reading an array of this size over and over."""
    size = max(1, n_bytes // 4 // threads)
    parts = [np.ones(size, dtype=np.float32) for _ in range(threads)]
    with single_threaded_blas():
        seconds = best_of(in_threads(lambda i: np.dot(parts[i], parts[i]), threads))
    return 4.0 * size * threads / seconds


def pass_seconds(X: Any, k: int, threads: int) -> float:
    """Time of one fused pass: product, one sweep over W, both sums."""
    operand = as_operand(X, threads)
    W, H = start(X, k)
    Ht = np.ascontiguousarray(H.T)
    shared = RowSolveInputs((ModelInputs(Ht, gram(Ht, threads), np.zeros(k)),))
    rows = RowSolveRows((RowArrays(W, W),))
    step = RowSolve((Adaptive(sweeps=1),))
    with single_threaded_blas():
        return best_of(lambda: operand.run_pass(step, rows, shared))


@dataclass
class Floor:
    """What bounds a pass, and the least time that it allows."""

    name: str
    seconds: float


def dense_floor(X: Any, k: int, peak: float, threads: int) -> Floor:
    """4·k flops an entry at the GEMM peak; for few components, or reading X if slower."""
    compute = 4.0 * X.size * k / peak
    if k >= 32:
        return Floor("GEMM peak", compute)
    read = X.nbytes / read_bandwidth(X.nbytes, threads)
    return Floor("slower floor", max(compute, read))


def sparse_floor(X: Any, k: int, threads: int) -> Floor:
    """Reading X, and for each entry a row of Ht gathered and a row of the sums added to."""
    stored = X.data.nbytes + X.indices.nbytes
    n, gather, scatter = row_work(X, k, threads)
    rows = best_of(in_threads(gather, threads)) + best_of(in_threads(scatter, threads))
    read = stored / read_bandwidth(stored, threads)
    return Floor("gathers", read + rows * X.nnz / (n * threads))


def measure(name: str, k: int, args: argparse.Namespace) -> dict[str, Any]:
    """One line of the table."""
    loaded = select(name)[0].load(args.quick)
    X = loaded.X
    if sp.issparse(X):
        floor = sparse_floor(X, k, args.threads)
    else:
        floor = dense_floor(X, k, gemm_peak(X.dtype, args.threads), args.threads)
    seconds = pass_seconds(X, k, args.threads)
    entries = X.nnz if sp.issparse(X) else X.size
    return {
        "input": name + ("*" if loaded.stand_in else ""),
        "matrix": described(X),
        "k": k,
        "seconds": seconds,
        "Gflop/s": 4e-9 * entries * k / seconds,
        "floor": floor.name,
        "floor seconds": floor.seconds,
        "share": floor.seconds / seconds,
        "wanted": WANTED[floor.name],
    }


def machine_floors(args: argparse.Namespace) -> dict[str, float]:
    """The floors that do not depend on the input, printed."""
    found: dict[str, float] = {}
    for kind in ("float32", "float64"):
        for threads in sorted({1, args.threads}):
            label = f"GEMM {kind}, {threads} thread(s), Gflop/s"
            found[label] = gemm_peak(kind, threads) / 1e9
    label = f"copy, {args.threads} thread(s), GB/s read and written"
    found[label] = copy_bandwidth(args.threads, args.quick) / 1e9
    for label, value in found.items():
        print(f"{label:50s} {value:8.1f}", flush=True)
    return found


def main() -> None:
    """Print the floors and the table, and keep them as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", help="comma-separated; default all")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="small matrices")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if any(name in os.environ for name in machine.UNSET):  # read when BLAS was loaded
        command = [sys.executable, *sys.argv]
        sys.exit(subprocess.call(command, env=machine.clean_environment()))
    floors = machine_floors(args)
    header = (
        f"{'input':10s} {'k':>3s} {'pass':>11s} {'Gflop/s':>8s} "
        f"{'floor':>14s} {'at best':>11s} {'share':>6s} {'wanted':>7s}"
    )
    print("\n" + header + "\n" + "-" * len(header))
    wanted = None if args.inputs is None else {one.name for one in select(args.inputs)}
    rows = []
    for name, k in CASES:
        if wanted is not None and name not in wanted:
            continue
        row = measure(name, k, args)
        rows.append(row)
        print(
            f"{row['input']:10s} {k:3d} {1e3 * row['seconds']:8.2f} ms "
            f"{row['Gflop/s']:8.1f} {row['floor']:>14s} "
            f"{1e3 * row['floor seconds']:8.2f} ms {row['share']:6.0%} "
            f"{row['wanted']:7.0%}",
            flush=True,
        )
    if args.json:
        result = {"machine": machine.facts(), "floors": floors, "passes": rows}
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
