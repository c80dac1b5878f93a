"""Resident memory while a file larger than the limit is fitted, as a picture.

    python benchmarks/memory.py [--gigabytes 4] [--limit 1GB] [--folder DIR] [--output PNG]

The fit runs in a process of its own; its resident memory, above what it had after imports, is
looked at every 20 ms.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib as mpl
from harness import machine
from out_of_core import COLUMNS, dense_file

mpl.use("Agg")
import matplotlib.pyplot as plt

CHILD = """
import sys, numpy as np
from nonneg import NMF
NMF(2, solver="hals", max_iter=2).fit([[1.0, 2, 3], [2, 1, 0], [1, 1, 1]])
print("ready", flush=True)
sys.stdin.readline()
X = np.load(sys.argv[1], mmap_mode="r")
NMF(16, "random", "hals", random_state=0, tol=0, max_iter=4, memory_limit=sys.argv[2]).fit(X)
"""


def resident(pid: int) -> float:
    """Resident bytes of a process."""
    with Path(f"/proc/{pid}/statm").open() as file:
        return int(file.read().split()[1]) * 4096


def watched(path: Path, limit: str) -> tuple[list[float], list[float]]:
    """Seconds, and gigabytes above those after imports."""
    command = [sys.executable, "-W", "ignore", "-c", CHILD, str(path), limit]
    seconds, memory = [], []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=machine.clean_environment(),
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        before, begun = resident(process.pid), time.perf_counter()
        process.stdin.write("go\n")
        process.stdin.flush()
        while process.poll() is None:
            seconds.append(time.perf_counter() - begun)
            memory.append(max(0.0, resident(process.pid) - before) / 1e9)
            time.sleep(0.02)
    return seconds[:-1], memory[:-1]


def main(argv: list[str] | None = None) -> None:
    """Make the file, watch the fit, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--limit", default="1GB")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--output", type=Path, default=Path("memory.png"))
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = dense_file(Path(folder), int(args.gigabytes * 1e9 / (4 * COLUMNS)))
        seconds, memory = watched(path, args.limit)
    figure, axes = plt.subplots(figsize=(7, 2.8), layout="constrained")
    axes.plot(seconds, memory, color="tab:blue")
    axes.axhline(args.gigabytes, color="tab:grey", linestyle="--")
    axes.text(seconds[-1], args.gigabytes, "the file", ha="right", va="bottom")
    axes.set(xlabel="seconds", ylabel="GB above imports", ylim=(0, 1.15 * args.gigabytes),
             xlim=(0, seconds[-1]))  # fmt: skip
    axes.set_title(f'memory_limit="{args.limit}"', loc="left", fontsize="medium")
    figure.savefig(args.output, dpi=120)
    print(f"peak {max(memory):.2f} GB of {args.gigabytes:g} GB in {seconds[-1]:.1f} s")


if __name__ == "__main__":
    main()
