"""Fits of files: beside the same X in memory, read cold, and larger than anyone would load.

    python benchmarks/out_of_core.py [--folder DIR] [--gigabytes 2] [--threads 2]
        [--entries 100e6] [--parts cached,cold,sparse] [--quick]

`cached`: seconds of an iteration of "hals" on a mapped float32 file in the page cache over
that in memory. `cold`: the same with the file dropped from the page cache before each
iteration, over the slower of reading it alone and computing alone. `sparse`: a CSR on disk,
fitted by "hals" in 40 blocks in a process of its own: its peak memory, the time of a pass
beside one of scikit-learn's MiniBatchNMF.partial_fit over the same rows, and the time to the
objective that this one ends at (ours with the first look at X and the start, its without
reading).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from harness import machine
from threadpoolctl import threadpool_limits

import nonneg

COLUMNS = 784
BLOCK = 20_000
K_DENSE, K_SPARSE = 32, 20
SPARSE_SHAPE = 2_000_000, 30_000
WANTED = {"cached": 1.15, "cold": 1.15, "speed": 8.0, "memory": 1.5e9}


# --- dense --------------------------------------------------------------------------------


def dense_file(folder: Path, n_rows: int, n_columns: int = COLUMNS) -> Path:
    """A float32 matrix of low rank and noise, written part by part."""
    rng = np.random.default_rng(0)
    path, H = folder / "dense.npy", rng.random((K_DENSE, n_columns), dtype=np.float32)
    X = np.lib.format.open_memmap(path, "w+", np.float32, (n_rows, n_columns))
    for first in range(0, n_rows, BLOCK):
        n = min(BLOCK, n_rows - first)
        X[first : first + n] = rng.random((n, K_DENSE), dtype=np.float32) @ H
        X[first : first + n] += rng.random((n, n_columns), dtype=np.float32)
    X.flush()
    return path


def iterations(X: Any, threads: int, n: int, before: Any = None) -> np.ndarray:
    """Seconds of each iteration but the first."""
    stamps: list[float] = []

    def told(_: Any) -> None:
        stamps.append(time.perf_counter())
        if before is not None:
            before()
            stamps.append(time.perf_counter())

    nonneg.NMF(
        K_DENSE, "random", "hals", tol=0, max_iter=n + 1, random_state=0,
        n_threads=threads, callback=told,
    ).fit(X)  # fmt: skip
    marks = np.array(stamps)
    if before is None:
        return np.diff(marks)
    return marks[2::2] - marks[1:-1:2]


def drop(path: Path) -> None:
    """Take a file out of the page cache."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_alone(path: Path) -> float:
    """Seconds to read a file that is not in the page cache."""
    drop(path)
    buffer = bytearray(16 << 20)
    begun = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return time.perf_counter() - begun


def dense(path: Path, parts: list[str], threads: int, n: int) -> dict[str, float]:
    """Ratios of a mapped file to an array, by turns."""
    mapped = np.load(path, mmap_mode="r")
    X = np.array(mapped)
    here, there = [], []
    for _ in range(3):
        here.append(np.median(iterations(X, threads, n)))
        there.append(np.median(iterations(mapped, threads, n)))
    found = {"memory": float(np.median(here)), "file": float(np.median(there))}
    found["cached"] = found["file"] / found["memory"]
    if "cold" in parts:
        del X
        reading = [read_alone(path) for _ in range(3)]
        drop(path)
        cold = iterations(mapped, threads, n, before=lambda: drop(path))
        found["read"] = float(np.median(reading))
        found["cold file"] = float(np.median(cold))
        found["cold"] = found["cold file"] / max(found["read"], found["memory"])
    return found


# --- sparse -------------------------------------------------------------------------------


def csr_folder(folder: Path, shape: tuple[int, int], entries: int) -> Path:
    """A CSR of counts of a topic model, in .npy files, written part by part."""
    path, (n_rows, n_columns) = folder / "csr", shape
    path.mkdir()
    rng, a_row = np.random.default_rng(0), max(1, entries // shape[0])
    total = n_rows * a_row
    data = np.lib.format.open_memmap(path / "data.npy", "w+", np.float32, (total,))
    indices = np.lib.format.open_memmap(path / "indices.npy", "w+", np.int32, (total,))
    np.save(path / "indptr.npy", np.arange(n_rows + 1, dtype=np.int64) * a_row)
    np.save(path / "shape.npy", np.array(shape))
    width = n_columns // K_SPARSE
    for first in range(0, n_rows, BLOCK):
        n = min(BLOCK, n_rows - first)
        topics = rng.integers(0, K_SPARSE, (n, 2))
        which = np.where(rng.random((n, a_row)) < 0.6, topics[:, :1], topics[:, 1:])
        # words of a topic are used as often as a power law says
        word = (width * rng.random((n, a_row), dtype=np.float32) ** 3).astype(np.int32)
        columns = distinct(which.astype(np.int32) * width + word, n_columns)
        part = slice(first * a_row, (first + n) * a_row)
        indices[part] = columns.ravel()
        data[part] = np.log1p(rng.geometric(0.5, n * a_row)).astype(np.float32)
    data.flush()
    indices.flush()
    return path


def distinct(columns: np.ndarray, n_columns: int) -> np.ndarray:
    """Numbers of columns in rising order, those of a row moved up where one is there twice."""
    columns, n = np.sort(columns, axis=1), columns.shape[1]
    for j in range(1, n):
        np.maximum(columns[:, j], columns[:, j - 1] + 1, out=columns[:, j])
    return np.minimum(columns, n_columns - np.arange(n, 0, -1), dtype=np.int32)


OURS = """
import sys, time
from pathlib import Path
import nonneg
path, k, threads, n, target = Path(sys.argv[1]), *map(float, sys.argv[2:])
def peak():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(lines["VmHWM"].split()[0]) * 1024
nonneg.NMF(2, solver="hals", max_iter=2).fit([[1.0, 2, 3], [2, 1, 0], [1, 1, 1]])
before = peak()
marks = []
def told(iteration):
    marks.append((iteration.objective, time.perf_counter() - begun))
    return iteration.objective <= target
begun = time.perf_counter()
model = nonneg.NMF(int(k), "random", "hals", tol=0, max_iter=int(n), random_state=0,
                   blocks=40, n_threads=int(threads), callback=told).fit(path)
n = len(marks)
one = model.history_["seconds"][n - 1] / n
print(peak() - before, marks[-1][1], marks[-1][0], n, one)
"""


def theirs(path: Path, threads: int) -> tuple[float, float]:
    """Seconds of one pass of partial_fit, and the objective of all rows at its end."""
    from sklearn.decomposition import MiniBatchNMF

    from nonneg.stores.base import find_store

    store = find_store(path)
    assert store is not None
    model = MiniBatchNMF(K_SPARSE, init="random", random_state=0)
    seconds = 0.0
    with threadpool_limits(threads):
        for first in range(0, store.shape[0], BLOCK):
            rows = store.read(first, min(first + BLOCK, store.shape[0]))
            begun = time.perf_counter()
            model.partial_fit(rows)
            seconds += time.perf_counter() - begun
    H = model.components_.astype(np.float32)
    ours = nonneg.NMF(K_SPARSE, "custom", "hals", tol=0, max_iter=1)
    ours.components_, ours.n_features_in_, ours.solver_ = H, H.shape[1], "hals"
    W = ours.transform(path)  # the best rows for their components
    return seconds, 0.5 * nonneg.reconstruction_error(path, W, H) ** 2


def sparse(path: Path, threads: int) -> dict[str, float]:
    """Ours in a process of its own beside scikit-learn's stream, to its objective."""
    seconds, objective = theirs(path, threads)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OURS, str(path), str(K_SPARSE), str(threads),
         "60", repr(objective)],
        capture_output=True, text=True, check=True, env=machine.clean_environment(),
    )  # fmt: skip
    peak, own, reached, passes, one = map(float, done.stdout.split())
    return {
        "scikit-learn, one pass": seconds, "its objective": objective,
        "nonneg": own, "nonneg's objective": reached, "passes": passes,
        "a pass": one, "peak memory": peak, "speed": seconds / one,
        "to its objective": seconds / own,
    }  # fmt: skip


def verdict(found: dict[str, float]) -> list[str]:
    """What was wanted, and whether it was reached."""
    lines = []
    for name, wanted in (("cached", WANTED["cached"]), ("cold", WANTED["cold"])):
        if name in found:
            reached = "yes" if found[name] <= wanted else "no"
            lines.append(
                f"{name}: {found[name]:.2f} times (wanted {wanted}: {reached})"
            )
    if "speed" in found:
        fast = found["speed"] >= WANTED["speed"]
        small = found["peak memory"] <= WANTED["memory"]
        lines.append(
            f"speed: a pass {found['speed']:.1f} times (wanted 8: "
            f"{'yes' if fast else 'no'}), to scikit-learn's objective "
            f"{found['to its objective']:.1f} times"
        )
        lines.append(
            f"memory: {found['peak memory'] / 1e9:.2f} GB (wanted 1.5: "
            f"{'yes' if small else 'no'})"
        )
    return lines


def parsed(argv: list[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where the files are made")
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--entries", type=float, default=100e6)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--parts", default="cached,cold,sparse")
    parser.add_argument("--quick", action="store_true", help="small files")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Print the figures of each part."""
    args = parsed(argv)
    parts = args.parts.split(",")
    size = 0.02 if args.quick else args.gigabytes
    shape, entries = SPARSE_SHAPE, args.entries
    if args.quick:
        shape, entries = (4000, 600), 200_000
    print(f"nonneg {nonneg.__version__}, {args.threads} threads, {machine.processor()}")
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder, found = Path(name), {}
        if {"cached", "cold"} & set(parts):
            path = dense_file(folder, int(size * 1e9 / (4 * COLUMNS)))
            found |= dense(path, parts, args.threads, 3 if args.quick else 5)
            path.unlink()
        if "sparse" in parts:
            path = csr_folder(folder, shape, int(entries))
            found |= sparse(path, args.threads)
    for key, value in found.items():
        print(f"  {key:24s} {value:,.3f}")
    for line in verdict(found):
        print(line)


if __name__ == "__main__":
    main()
