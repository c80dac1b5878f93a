"""Fits of files with W on disk beside W in memory: seconds of an iteration, peak memory.

    python benchmarks/disk_rows.py [--folder DIR] [--threads 2] [--repeats 3] [--quick]

Each fit runs in a process of its own, whose peak is above what it had after its imports and a
small fit. The seconds are medians over its iterations, those printed medians over the repeats,
by turns. The files are in the page cache.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from harness import machine
from out_of_core import dense_file

import nonneg

LIMIT = "170MB"
CASES = (
    (200_000, 784, 32, "out"), (4_000_000, 8, 8, "out"), (2_000_000, 8, 8, LIMIT),
    (8_000_000, 8, 8, LIMIT), (24_000_000, 8, 8, LIMIT),
)  # fmt: skip
"""Rows, columns, components, and how W comes on disk: by `out` or by a memory limit."""
SOLVERS = "hals", "cd"

CHILD = """
import sys, time
import numpy as np
import nonneg
path, k, solver, how, threads, out = sys.argv[1:]
def peak():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(lines["VmHWM"].split()[0]) * 1024
X, stamps = np.load(path, mmap_mode="r"), []
nonneg.NMF(int(k), "random", solver, max_iter=2, tol=0).fit(np.array(X[:2000]))
before = peak()
model = nonneg.NMF(int(k), "random", solver, max_iter=6, tol=0, random_state=0,
                   n_threads=int(threads), callback=lambda _: stamps.append(time.perf_counter()))
if how not in ("memory", "out"):
    model.set_params(memory_limit=how)
if how == "out":
    W = np.lib.format.open_memmap(out, "w+", np.float32, (X.shape[0], int(k)))
    model.fit_transform(X, out=W)
else:
    model.fit(X)
print(np.median(np.diff(stamps)), (peak() - before) / 1e6)
"""


def fitted(path: Path, k: int, solver: str, how: str, threads: int) -> list[float]:
    """Seconds of an iteration and megabytes of a fit."""
    arguments = [path, k, solver, how, threads, path.with_name("W.npy")]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD, *map(str, arguments)],
        capture_output=True, text=True, check=True, env=machine.clean_environment(),
    )  # fmt: skip
    return [float(word) for word in done.stdout.split()]


def parsed(argv: list[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where the files are made")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--quick", action="store_true", help="small files, one solver, one repeat"
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Print a line for each case and solver."""
    args = parsed(argv)
    print(f"nonneg {nonneg.__version__}, {args.threads} threads, {machine.processor()}")
    cases, solvers, repeats = CASES, SOLVERS, args.repeats
    if args.quick:
        cases, solvers = ((4000, 20, 4, "out"), (4000, 20, 4, LIMIT)), SOLVERS[:1]
        repeats = 1
    for n_rows, n_columns, k, disk in cases:
        with tempfile.TemporaryDirectory(dir=args.folder) as name:
            path = dense_file(Path(name), n_rows, n_columns)
            for solver in solvers:
                turns = [
                    [
                        fitted(path, k, solver, how, args.threads)
                        for how in ("memory", disk)
                    ]
                    for _ in range(repeats)
                ]
                (here, all_of_it), (there, little) = np.median(turns, axis=0)
                print(
                    f"{n_rows:,} x {n_columns}, k = {k}, {solver}: in memory {here:.3f} s, "
                    f"{all_of_it:,.0f} MB; on disk ({disk}) {there:.3f} s, {little:,.0f} MB"
                )


if __name__ == "__main__":
    main()
