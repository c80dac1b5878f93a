"""Time to come within 0.1 % of the best objective that any library finds, side by side.

    python benchmarks/time_to_target.py [--inputs fashion,small] [--seeds 5] [--quick]

The rule and how to read the results: benchmarks/README.md. Each input runs in a process
of its own; results go to benchmarks/results/ (quick ones to build/bench-results/).
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import gc
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from harness import curves, machine
from harness.contestants import FIELDS, LOSS_NAMES, Contestant, ours, plain_sklearn
from harness.inputs import HERE, INPUTS, Input, described, select, start
from harness.objectives import Objective, objective_of
from harness.peers import FITS, PACKAGES, installed
from harness.problems import Limits, Problem
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import nonneg

RESULTS = HERE / "results"
QUICK_RESULTS = HERE.parent / "build" / "bench-results"
AGREEMENT = {"float64": 1e-6, "float32": 1e-4}
"""How far a reported objective may be from the one computed from the factors."""


def problem_of(item: Input, X: Any, seed: int, objective: Objective) -> Problem:
    """The start that every contestant of this seed gets."""
    W, H = start(X, item.n_components, seed)
    if item.task == "transform":
        # components of a short fit; what they are matters little, all get the same
        _, H, _ = nonneg.non_negative_factorization(
            X, W, H, n_components=item.n_components, init="custom", tol=0, max_iter=30
        )
        W = np.zeros_like(W)
    return Problem(X, W, H, item.task, seed, objective.threads, objective)


def run(contestant: Contestant, problem: Problem, limits: Limits) -> dict[str, Any]:
    """One run, checked: its curve and how its last objective compares."""
    gc.collect()
    before = problem.W[:1].copy(), problem.H[:1].copy()
    curve, W, H, reported = contestant.run(problem, limits)
    for given, kept in zip((problem.W, problem.H), before, strict=True):
        assert np.array_equal(given[:1], kept), f"{contestant.name} wrote to its start"
    final = problem.objective(W, H)
    if reported is not None:
        bound = AGREEMENT[problem.X.dtype.name] * abs(final)
        # a solver may finish better than what it reported, never worse
        assert final <= reported + bound, (
            f"{contestant.name} reported {reported:.9g}, its factors give {final:.9g}"
        )
    return {"curve": curve, "objective": final, "reported": reported}


def warmed_up(contestant: Contestant, problem: Problem) -> bool:
    """Run two iterations; False for another library that can't do even that here."""
    try:
        run(contestant, problem, Limits(seconds=30, max_iter=2))
    except Exception as reason:
        if contestant.name not in FITS:
            raise
        print(f"  {contestant.name} is left out: {reason}")
        return False
    return True


def competitors(
    item: Input, args: argparse.Namespace
) -> tuple[Contestant, list[Contestant]]:
    """The baseline, and everyone else who can do what is to be done."""
    known = FIELDS[item.beta]
    solvers = None if args.solvers is None else tuple(args.solvers.split(","))
    field = ours(item.beta, solvers)
    if args.all_peers:
        # the other libraries minimise the squared error, or are run so
        field += [*known.slow, *(installed() if item.beta == 2 else [])]
    return known.baseline, [one for one in field if item.task in one.tasks]


def measure(item: Input, args: argparse.Namespace) -> dict[str, Any]:
    """All runs of one input."""
    loaded = item.load(args.quick)
    X = loaded.X
    objective = objective_of(X, item.beta, args.threads)
    base, field = competitors(item, args)
    print(f"\n{item.name}: {described(X)}, k={item.n_components}; {loaded.source}")
    seconds = item.cap(args.quick)
    gain = curves.FLAT_GAIN * (2 if args.quick else 1)
    repeats = 1 if args.quick else item.repeats
    runs: list[curves.Run] = []
    records = []

    def record(one: Contestant, problem: Problem, limits: Limits, repeat: int) -> None:
        outcome = run(one, problem, limits)
        curve = outcome.pop("curve")
        runs.append(curves.Run(one.name, problem.seed, curve, repeat))
        facts = {"contestant": one.name, "seed": problem.seed, "repeat": repeat}
        points = dataclasses.asdict(curve.thinned(60 if item.task == "fit" else 30))
        records.append({**facts, **outcome, "curve": points})
        print(
            f"  seed {problem.seed}  {one.name:28s} {curve.n_iter[-1]:6d} iterations "
            f"{curve.end:9.3f} s  objective {outcome['objective']:.8g}",
            flush=True,
        )

    for seed in range(args.seeds):
        problem = problem_of(item, X, seed, objective)
        if seed == 0:
            run(base, problem, Limits(seconds=30, max_iter=2))
            field = [one for one in field if warmed_up(one, problem)]
        for repeat in range(repeats):
            record(base, problem, Limits(seconds, gain=gain), repeat)
            # more than ten times the baseline's time to the target, whatever that is
            cap = curves.CAP * runs[-1].curve.end
            for one in field:
                record(one, problem, Limits(cap, gain=gain), repeat)
    rows = curves.table(runs, base.name)
    return {
        "input": item.name,
        "matrix": described(X),
        "k": item.n_components,
        "source": loaded.source,
        "stand-in": loaded.stand_in,
        "task": item.task,
        "loss": LOSS_NAMES[item.beta],
        "baseline": base.name,
        "wanted": item.wanted,
        "quick": args.quick,
        "seeds": args.seeds,
        "threads": args.threads,
        "flat": gain,
        "own start": [one.name for one in field if not one.same_start],
        "machine": machine.facts(PACKAGES),
        "date": dt.date.today().isoformat(),
        "rows": [dataclasses.asdict(row) for row in rows],
        "runs": records,
    }


def check_watch(item: Input, quick: bool, threads: int) -> None:
    """Print how long the baseline takes by our watch and in a plain call."""
    X = item.load(quick).X
    known = FIELDS[item.beta]
    problem = problem_of(item, X, 0, objective_of(X, item.beta, threads))
    for _ in range(3):
        curve, *_ = known.baseline.run(problem, Limits(item.cap(quick) / 5))
        began = time.perf_counter()
        plain_sklearn(problem, known.solver, curve.n_iter[-1])
        plain = time.perf_counter() - began
        print(
            f"{item.name}: {curve.n_iter[-1]} iterations, {curve.end:.4f} s by the "
            f"watch, {plain:.4f} s plain, {curve.end / plain - 1:+.1%}",
            flush=True,
        )


HEADER = (
    f"{'input':15s} {'contestant':28s} {'to target':>11s} {'ratio':>8s} "
    f"{'own limit':>10s} {'arrived':>7s} {'excess':>9s}"
)


def table_lines(result: dict[str, Any]) -> list[str]:
    """The rows of one input as text."""
    lines = []
    label = result["input"] + ("*" if result["stand-in"] else "")
    for row in result["rows"]:
        capped = row["arrived"] < row["seeds"]
        sign = ">" if capped and row["contestant"] == result["baseline"] else ""
        seconds = f"{sign}{1e3 * row['seconds']:.1f} ms"
        mark = "!" if capped else " "
        wanted = ""
        if row["contestant"].startswith("nonneg"):
            reached = row["ratio"] >= result["wanted"]
            wanted = f"  wanted {result['wanted']:g}x: {'yes' if reached else 'no'}"
        lines.append(
            f"{label:15s} {row['contestant']:28s} {seconds:>11s}{mark}"
            f"{row['ratio']:6.1f}x {1e3 * row['own_limit']:7.1f} ms "
            f"{row['arrived']:3d}/{row['seeds']:<3d} {row['excess']:9.1e}{wanted}"
        )
        label = ""
    return lines


def merge(path: Path, results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put the results into the file; those of other inputs that it has are kept."""
    old = json.loads(path.read_text())["inputs"] if path.exists() else []
    new = {result["input"]: result for result in [*old, *results]}
    order = [item.name for item in INPUTS if item.name in new]
    rule = {"target": curves.TARGET, "cap": curves.CAP}
    merged = [new[name] for name in order]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"rule": rule, "inputs": merged}) + "\n")
    return merged


def parsed(argv: list[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ", ".join(item.name for item in INPUTS)
    parser.add_argument("--inputs", help=f"comma-separated, of: {names}")
    parser.add_argument("--seeds", type=int, help="default 5, with --quick 2")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--solvers", help="nonneg's, in place of the usual ones")
    parser.add_argument("--quick", action="store_true", help="small matrices")
    parser.add_argument("--all-peers", action="store_true", help="slow ones too")
    parser.add_argument("--output", type=Path, help="folder for JSON and plots")
    parser.add_argument("--check-watch", action="store_true")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    args.seeds = args.seeds or (2 if args.quick else 5)
    args.output = args.output or (QUICK_RESULTS if args.quick else RESULTS)
    return args


def work(args: argparse.Namespace) -> None:
    """What a child process does: one input."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    (item,) = select(args.inputs)
    with threadpool_limits(args.threads):
        if args.check_watch:
            check_watch(item, args.quick, args.threads)
        else:
            args.worker.write_text(json.dumps(measure(item, args)))


def main() -> None:
    """Measure each input in a child, print the table, write JSON and plots."""
    args = parsed()
    if args.worker:
        work(args)
        return
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for item in select(args.inputs, args.quick):
            path = Path(folder) / f"{item.name}.json"
            command = [sys.executable, __file__, *sys.argv[1:]]
            command += ["--inputs", item.name, "--worker", str(path)]
            subprocess.run(command, env=machine.clean_environment(), check=True)
            if not args.check_watch:
                results.append(json.loads(path.read_text()))
    if not results:
        return
    print(f"\n{HEADER}\n{'-' * len(HEADER)}")
    for result in results:
        print("\n".join(table_lines(result)))
    print("\n! not every run arrived; * stand-in for a real matrix; > at least")
    found = results[0]["machine"]
    path = args.output / f"{results[0]['date']}-{machine.slug(found)}.json"
    merge(path, results)
    print(f"results: {path}")
    try:
        from harness import plots
    except ImportError:
        print("no plots: matplotlib is not installed")
        return
    for result in results:
        print(f"plot: {plots.draw(result, path.with_suffix(''))}")


if __name__ == "__main__":
    main()
