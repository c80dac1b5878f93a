"""Gate: is the second of two commits slower than the first, on this machine?

    python benchmarks/regression.py BASE [HEAD] [--rounds 7] [--threads 2]

Both are built with this interpreter into build/gate/ and run side by side, A B A B …, on
a small fixed set of timings. The exit status is 1 only where the second's median is more
than 15 % and more than 50 ms above the first's.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
BUILDS = HERE.parent / "build" / "gate"
RELATIVE, ABSOLUTE = 0.15, 0.05
"""A case fails when it is slower by more than this part, and by more than these seconds."""
CONFIRM = 2
"""How often a failure is measured again before it counts."""
LEAST = 0.4
"""Seconds that one timing should take about, so that 15 % of it is above 50 ms."""
UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "NONNEG_SIMD", "PYTHONPATH")


def fails(base: float, head: float) -> bool:
    """Whether a median of `head` seconds is a regression from one of `base`."""
    return head > base * (1 + RELATIVE) and head > base + ABSOLUTE


# --- what is timed, in a process that imports one of the two -------------------------


def _fit(X: Any, k: int, solver: str, sweeps: int, threads: int) -> Callable[[], Any]:
    from harness.inputs import start

    import nonneg

    W, H = start(X, k)
    options = {"init": "custom", "solver": solver, "tol": 0, "n_threads": threads}

    def work() -> None:
        nonneg.non_negative_factorization(X, W, H, k, max_iter=sweeps, **options)

    return work


def _transform(X: Any, k: int, threads: int) -> Callable[[], Any]:
    import nonneg

    model = nonneg.NMF(k, init="random", random_state=0, max_iter=5, n_threads=threads)
    model.fit(X)
    model.set_params(max_iter=200)
    return lambda: model.transform(X)


def _start(X: Any, k: int) -> Callable[[], Any]:
    import nonneg

    return lambda: nonneg.initialize(X, k, "nndsvd", random_state=0)


def cases(threads: int) -> dict[str, Callable[[], Callable[[], Any]]]:
    """The fixed set: each makes its data and returns what is timed."""
    import numpy as np
    from harness.inputs import pbmc3k
    from harness.matrices import low_rank, uniform_csr

    def dense(dtype: Any, k: int) -> Any:
        return low_rank(6000, 784, k, dtype)

    def sparse() -> Any:
        return uniform_csr(20_000, 8000, 30)

    def counts() -> Any:
        return pbmc3k(quick=True).X

    small = low_rank(300, 200, 6, np.float64)
    n = threads
    return {
        "dense f32 k=32, cd": lambda: _fit(dense("f4", 32), 32, "cd", 20, n),
        "dense f32 k=10, cd": lambda: _fit(dense("f4", 10), 10, "cd", 20, n),
        "dense f64 k=20, cd": lambda: _fit(dense("f8", 20), 20, "cd", 20, n),
        "CSR k=30, cd": lambda: _fit(sparse(), 30, "cd", 20, n),
        "CSC k=30, cd": lambda: _fit(sparse().tocsc(), 30, "cd", 20, n),
        "counts k=20, cd": lambda: _fit(counts(), 20, "cd", 20, n),
        "dense f32 k=32, hals": lambda: _fit(dense("f4", 32), 32, "hals", 10, n),
        "CSR k=30, hals": lambda: _fit(sparse(), 30, "hals", 10, n),
        "dense f64 k=10, bpp": lambda: _fit(dense("f8", 10), 10, "bpp", 3, n),
        "dense f64 k=10, pg": lambda: _fit(dense("f8", 10), 10, "pg", 3, n),
        "small, cd": lambda: _fit(small, 6, "cd", 50, n),
        "transform k=32": lambda: _transform(dense("f4", 32), 32, n),
        "nndsvd k=20": lambda: _start(sparse(), 20),
    }


def serve(threads: int) -> None:
    """Answer each line "case repeats" by the seconds of that many runs, or "none"."""
    warnings.simplefilter("ignore")
    known = cases(threads)
    ready: dict[str, Callable[[], Any] | None] = {}
    for line in sys.stdin:
        name, _, repeats = line.rstrip("\n").rpartition("\t")
        if name not in ready:
            try:
                ready[name] = known[name]()
                ready[name]()  # warm-up
            except (ValueError, AttributeError, TypeError):
                ready[name] = None  # this version does not have it
        work = ready[name]
        if work is None:
            print("none", flush=True)
            continue
        began = time.perf_counter()
        for _ in range(int(repeats)):
            work()
        print(time.perf_counter() - began, flush=True)


# --- building and comparing -----------------------------------------------------------


def commit_id(name: str) -> str:
    """Full name of a commit."""
    command = [
        "git",
        "-C",
        str(HERE.parent),
        "rev-parse",
        "--verify",
        f"{name}^{{commit}}",
    ]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise SystemExit(f"{name!r} names no commit of this repository.")
    return found.stdout.strip()


def build(commit: str) -> Path:
    """Install a commit into build/gate/<commit>, unless that was done before."""
    target = BUILDS / f"{commit[:12]}-py{sys.version_info[0]}{sys.version_info[1]}"
    if (target / "nonneg").is_dir():
        return target
    print(f"building {commit[:12]}", flush=True)
    source, partial = target.with_suffix(".src"), target.with_suffix(".part")
    for folder in (source, partial):
        shutil.rmtree(folder, ignore_errors=True)
    source.mkdir(parents=True)
    archive = subprocess.run(
        [
            "git",
            "-C",
            str(HERE.parent),
            "archive",
            commit,
            "--",
            ".",
            ":!tests",
            ":!docs",
        ],
        stdout=subprocess.PIPE,
        check=True,
    )
    subprocess.run(["tar", "-x", "-C", str(source)], input=archive.stdout, check=True)
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install"]
    command += ["--quiet", "--no-deps", "--target", str(partial), str(source)]
    tools = ("scikit_build_core", "nanobind", "cmake", "ninja")
    if all(importlib.util.find_spec(name) for name in tools):
        command.append("--no-build-isolation")  # nothing has to be fetched
    subprocess.run(command, check=True)
    shutil.rmtree(source)
    partial.rename(target)
    return target


@dataclass
class Server:
    """A process that measures one of the two versions."""

    process: subprocess.Popen[str]

    @classmethod
    def begin(cls, library: Path, threads: int) -> Server:
        """Start one that imports nonneg from this folder."""
        environment = {k: v for k, v in os.environ.items() if k not in UNSET}
        environment["PYTHONPATH"] = str(library)
        command = [sys.executable, __file__, "--serve", "--threads", str(threads)]
        pipe = subprocess.PIPE
        server = cls(
            subprocess.Popen(
                command, env=environment, stdin=pipe, stdout=pipe, text=True
            )
        )
        assert server.process.stdout is not None
        found = Path(server.process.stdout.readline().strip())
        if library not in found.parents:
            raise SystemExit(f"{found} was imported in place of {library}.")
        return server

    def seconds(self, case: str, repeats: int = 1) -> float | None:
        """Time of `repeats` runs, None if the version can't run the case."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{case}\t{repeats}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer:
            raise SystemExit(f"the process that measures ended at {case!r}.")
        return None if answer == "none" else float(answer)

    def end(self) -> None:
        """Close its input and wait."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def compare(
    servers: list[Server], case: str, rounds: int
) -> tuple[float, float] | None:
    """Medians of both, taken in turns; None where one of them can't run the case.

    What looks slower is measured again, with twice the rounds, up to `CONFIRM` times:
    something else that the machine did for some seconds is no regression.
    """
    once = [server.seconds(case) for server in servers]
    if None in once:
        return None
    slower = max(seconds for seconds in once if seconds is not None)
    repeats = max(1, round(LEAST / slower))
    medians = (0.0, 0.0)
    for attempt in range(1 + CONFIRM):
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds if attempt == 0 else 2 * rounds):
            for taken, server in zip(times, servers, strict=True):
                taken.append(server.seconds(case, repeats) or 0.0)
        medians = median(times[0]), median(times[1])
        if not fails(*medians):
            break
    return medians


def main() -> None:
    """Build both, compare, and exit 1 where the second is slower."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", nargs="?", help="commit to compare with")
    parser.add_argument("head", nargs="?", default="HEAD")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        import nonneg

        print(nonneg.__file__, flush=True)
        serve(args.threads)
        return
    if args.base is None:
        parser.error("which commit to compare with? (make bench-gate BASE=<commit>)")
    commits = [commit_id(args.base), commit_id(args.head)]
    servers = [Server.begin(build(commit), args.threads) for commit in commits]
    print(f"{'case':24s} {commits[0][:9]:>12s} {commits[1][:9]:>12s} {'change':>8s}")
    slower = []
    for case in cases(args.threads):
        medians = compare(servers, case, args.rounds)
        if medians is None:
            print(f"{case:24s} {'not in both versions':>25s}", flush=True)
            continue
        base, head = medians
        mark = ""
        if fails(base, head):
            slower.append(case)
            mark = "  SLOWER"
        print(
            f"{case:24s} {1e3 * base:9.1f} ms {1e3 * head:9.1f} ms "
            f"{head / base - 1:+8.1%}{mark}",
            flush=True,
        )
    for server in servers:
        server.end()
    if slower:
        print(f"slower than {args.base}: {', '.join(slower)}")
        sys.exit(1)
    print("no regression")


if __name__ == "__main__":
    main()
