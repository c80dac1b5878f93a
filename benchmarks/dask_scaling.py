"""Fits of a Dask array on one machine: one worker, two, and the same data in memory.

    python benchmarks/dask_scaling.py [--rows 400000] [--columns 1000] [-k 64]
        [--workers 1,2] [--repeats 3] [--quick]

Seconds of an iteration of "hals", medians, each worker a process with one thread, which makes
its blocks itself. Strong scaling: the same rows on more workers. Weak: as many rows for each.
Then the parts of a model of one iteration, fitted to what was measured,

    t = start + compute · rows / workers + task · 2 · blocks + byte · columns · k · (1 + depth),

and what it says of 100 workers and 10^9 rows.
"""

from __future__ import annotations

import argparse
import math
import time
from typing import Any

import numpy as np
from harness import machine

import nonneg
from nonneg.operands.dask.row_blocks import SPLIT_EVERY

WANTED = {"speed-up": 1.6, "overhead": 1.25}


def block(seed: int, n_rows: int, n_columns: int, k: int) -> np.ndarray:
    """Rows of low rank and noise, the same H for all."""
    H = np.random.default_rng(0).random((k, n_columns), dtype=np.float32)
    rng = np.random.default_rng(seed + 1)
    X: np.ndarray = rng.random((n_rows, k), dtype=np.float32) @ H
    X += rng.random((n_rows, n_columns), dtype=np.float32)
    return X


def dask_array(n_rows: int, n_columns: int, k: int, n_blocks: int) -> Any:
    """The matrix as tasks that make its blocks."""
    import dask
    import dask.array as da

    size = n_rows // n_blocks
    make = dask.delayed(block, pure=True)
    parts = [
        da.from_delayed(make(b, size, n_columns, k), (size, n_columns), np.float32)
        for b in range(n_blocks)
    ]
    return da.concatenate(parts)


def iteration(X: Any, k: int, n: int, threads: int | None = None) -> float:
    """Median seconds of an iteration after the first two."""
    stamps: list[float] = []
    nonneg.NMF(
        k, "random", "hals", tol=0, max_iter=n + 2, random_state=0, n_threads=threads,
        callback=lambda _: stamps.append(time.perf_counter()),
    ).fit(X)  # fmt: skip
    return float(np.median(np.diff(stamps)[1:]))


def on_workers(
    n_workers: int, shape: tuple[int, int], k: int, n_blocks: int, n: int
) -> float:
    """Seconds of an iteration on so many processes of one thread."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=n_workers, threads_per_worker=1, processes=True,
            dashboard_address=":0", silence_logs=50,
        ) as cluster,
        Client(cluster),
    ):  # fmt: skip
        return iteration(dask_array(*shape, k, n_blocks), k, n)


def latency(n_blocks: int, k: int, n: int) -> float:
    """Seconds of an iteration with next to nothing to compute, on one worker."""
    return on_workers(1, (8 * n_blocks, 8), min(k, 8), n_blocks, n)


def traffic(shape: tuple[int, int], k: int, n_blocks: int, n: int, wide: int) -> float:
    """Seconds that each byte of H costs in an iteration, from rows that are few and wide."""
    rows = 8 * n_blocks
    narrow = on_workers(2, (rows, shape[1]), k, n_blocks, n)
    broad = on_workers(2, (rows, shape[1] * wide), k, n_blocks, n)
    return max(0.0, broad - narrow) / (shape[1] * (wide - 1) * k * 4)


def measured(args: argparse.Namespace) -> dict[str, float]:
    """Strong and weak scaling, by turns with the fit in memory."""
    shape, k, n, blocks = (
        (args.rows, args.columns),
        args.k,
        args.iterations,
        args.blocks,
    )
    X = np.concatenate(
        [block(b, args.rows // blocks, args.columns, k) for b in range(blocks)]
    )
    times: dict[str, list[float]] = {}
    for _ in range(args.repeats):
        for threads in (1, 2):
            times.setdefault(f"in memory, {threads} threads", []).append(
                iteration(X, k, n, threads)
            )
        for workers in args.workers:
            times.setdefault(f"strong, {workers} workers", []).append(
                on_workers(workers, shape, k, blocks, n)
            )
            part = workers / max(args.workers)
            rows = (int(shape[0] * part) // blocks * blocks, shape[1])
            times.setdefault(f"weak, {workers} workers", []).append(
                on_workers(workers, rows, k, max(1, int(blocks * part)), n)
            )
    return {name: float(np.median(values)) for name, values in times.items()}


def model(args: argparse.Namespace, found: dict[str, float]) -> dict[str, float]:
    """The parts of an iteration, and what they add up to on a large cluster."""
    k, n = args.k, args.iterations
    few, many = 8, 64
    brief, long = latency(few, k, n), latency(many, k, n)
    a_task = (long - brief) / (2 * (many - few))
    a_byte = traffic((0, args.columns), k, args.blocks, n, 32)
    a_row = found["in memory, 1 threads"] / args.rows
    rows, workers = 10**9, 100
    blocks = 4 * workers
    depth = math.ceil(math.log(blocks, SPLIT_EVERY))
    parts = {
        "start": brief - 2 * few * a_task,
        "compute": a_row * rows / workers,
        "tasks": 2 * blocks * a_task,
        "traffic": a_byte * args.columns * k * 4 * (1 + depth),
    }
    units = {
        "milliseconds to start and end": 1e3 * parts["start"],
        "microseconds a row": 1e6 * a_row,
        "milliseconds a task": 1e3 * a_task,
        "nanoseconds a byte of H": 1e9 * a_byte,
    }
    large = {f"1e9 rows, 100 workers: {name}": t for name, t in parts.items()}
    return units | large | {"1e9 rows, 100 workers: in all": sum(parts.values())}


def verdict(found: dict[str, float]) -> list[str]:
    """What was wanted, and whether it was reached."""
    if "strong, 1 workers" not in found or "strong, 2 workers" not in found:
        return []
    speed_up = found["strong, 1 workers"] / found["strong, 2 workers"]
    overhead = found["strong, 2 workers"] / found["in memory, 2 threads"]
    weak = found["weak, 1 workers"] / found["weak, 2 workers"]
    told = ["no", "yes"]
    reached = told[speed_up >= WANTED["speed-up"]], told[overhead <= WANTED["overhead"]]
    return [
        f"speed-up of two workers: {speed_up:.2f} (wanted {WANTED['speed-up']}: {reached[0]})",
        f"beside two threads: {overhead:.2f} times (wanted {WANTED['overhead']}: {reached[1]})",
        f"weak efficiency of two workers: {weak:.2f}",
    ]


def parsed(argv: list[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--columns", type=int, default=1000)
    parser.add_argument("-k", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--iterations", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--workers", type=lambda text: [int(w) for w in text.split(",")], default=[1, 2]
    )
    parser.add_argument("--quick", action="store_true", help="small, one repeat")
    args = parser.parse_args(argv)
    if args.quick:
        args.rows, args.columns, args.k = 2000, 50, 4
        args.blocks, args.repeats, args.iterations = 4, 1, 3
    return args


def main(argv: list[str] | None = None) -> None:
    """Print the figures and the model."""
    args = parsed(argv)
    print(f"nonneg {nonneg.__version__}, {machine.processor()}")
    found = measured(args)
    found |= model(args, found)
    for key, value in found.items():
        print(f"  {key:40s} {value:,.4f}")
    for line in verdict(found):
        print(line)


if __name__ == "__main__":
    main()
