"""Passes over X, and seconds, to 1 % and 0.1 % above the best objective: exact batches.

    python benchmarks/passes.py [--inputs fashion,debian] [--passes 100] [--threads 2]
        [--batch-sizes 1024,4096,16384] [--quick]

Everyone starts from the same random W and H and makes `--passes` passes over X; what
counts is the objective that the fits themselves report, the best of all being the target's.
The turns over the first of 16 blocks, ten at most before the first pass, are not counted as
passes.
"""

from __future__ import annotations

import argparse
import math
from typing import Any, NamedTuple

import numpy as np
from harness import machine
from harness.inputs import described, select, start
from threadpoolctl import threadpool_limits

import nonneg

ABOVE = (0.01, 0.001)
BLOCKS = 16


class Course(NamedTuple):
    """Objectives of one fit, with passes over X and seconds up to each."""

    name: str
    objective: Any
    passes: Any
    seconds: Any

    def arrival(self, target: float) -> tuple[float, float]:
        """Passes and seconds until an objective was at most this; infinite if none was."""
        reached = np.flatnonzero(self.objective <= target)
        if reached.size == 0:
            return math.inf, math.inf
        return float(self.passes[reached[0]]), float(self.seconds[reached[0]])


def course(name: str, model: Any, X: Any, k: int, steps: int) -> Course:
    """Fit the model, of which so many steps are a pass."""
    W, H = start(X, k)
    history = model.fit(X, W=W, H=H).history_
    objective = history["objective"]
    passes = (1 + np.arange(objective.size)) / steps
    return Course(name, objective, passes, history["seconds"])


def courses(
    X: Any, k: int, passes: int, batch_sizes: list[int], threads: int
) -> list[Course]:
    """One fit each."""
    common = {"init": "custom", "tol": 0, "max_iter": passes, "n_threads": threads}
    found = [
        course(solver, nonneg.NMF(k, solver=solver, **common), X, k, 1)
        for solver in ("cd", "hals")
    ]
    model = nonneg.NMF(k, solver="hals", blocks=BLOCKS, **common)
    found.append(course(f"hals, {BLOCKS} blocks", model, X, k, 1))
    for size in batch_sizes:
        model = nonneg.MiniBatchNMF(k, batch_size=size, exact_statistics=True, **common)
        steps = math.ceil(X.shape[0] / size)
        found.append(course(f"batches of {size:,}", model, X, k, steps))
    return found


def shown(course: Course, best: float) -> str:
    """One line of the table."""
    parts = []
    for share in ABOVE:
        passes, seconds = course.arrival((1 + share) * best)
        parts.append(
            f"{passes:7.1f} passes {seconds:7.2f} s"
            if math.isfinite(passes)
            else f"{'never':>24s}"
        )
    lowest = np.nanmin(course.objective) / best - 1
    return f"  {course.name:18s} {'  '.join(parts)}   ends {100 * lowest:.2f} % above"


def parsed(argv: list[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", default="fashion,debian")
    parser.add_argument("--passes", type=int, default=100)
    parser.add_argument("--batch-sizes", default="1024,4096,16384")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="small matrices")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Print a line for each kind of fit of each input."""
    args = parsed(argv)
    sizes = [int(size) for size in args.batch_sizes.split(",")]
    print(f"nonneg {nonneg.__version__}, {args.threads} threads, {machine.processor()}")
    for item in select(args.inputs):
        loaded = item.load(args.quick)
        X, k = loaded.X, item.n_components
        print(f"{item.name}: {described(X)}, k={k}; {loaded.source}", flush=True)
        with threadpool_limits(args.threads):
            found = courses(X, k, args.passes, sizes, args.threads)
        best = min(float(np.nanmin(course.objective)) for course in found)
        heads = "  ".join(f"{f'to {100 * share:g} %':>24s}" for share in ABOVE)
        print(f"  {'':18s} {heads}")
        for found_course in found:
            print(shown(found_course, best), flush=True)


if __name__ == "__main__":
    main()
