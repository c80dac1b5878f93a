"""Random problems: does `solver="auto"` choose well, and is it ahead of scikit-learn?

    python benchmarks/map.py [--seed 0] [--problems 0:40] [--threads 2] [--clock wall]
        [--resume] [--file build/bench-results/map.jsonl] [--summary]
        [--record tests/data/map.json]

Each problem follows from the seed and its number. Every solver of nonneg and scikit-learn's
best start from one W and H. A line tells the time of `auto` over that of our fastest solver,
and of scikit-learn over `auto`, both to 1 % and to 0.1 % above the lowest objective of all,
and the share of a fit with defaults that comes after its last iteration. Results are kept in
a file, a line a problem, so that the problems can be run in parts; `--record` writes the times
of all seeds in it, for the test of what `auto` chooses. With `--clock cpu`
seconds are those of the processor, all threads together: with one thread the ratios of a
machine that does other work, too.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from harness import random_problems
from harness.contestants import (
    ACCELERATED,
    available,
    options_of,
    run_nonneg,
    run_sklearn_cd,
    run_sklearn_mu,
)
from harness.curves import Curve
from harness.inputs import start
from harness.objectives import objective_of
from harness.problems import Limits, Problem
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import nonneg
from nonneg.fitting.plan_choices import small_share
from nonneg.operands.registration import as_operand

FILE = Path(__file__).resolve().parents[1] / "build" / "bench-results" / "map.jsonl"
SOLVERS = ("auto", "hals", "cd", "bpp", "sn", "irls", "mu", "mu" + ACCELERATED)
"""Solvers of nonneg that are run where they minimise the loss."""
SKLEARN = "scikit-learn"
SHARES = (0.01, 0.001)
"""How far above the lowest objective times are taken."""
OURS, THEIRS, DEFAULT = 1.5, 18.0, 2.0
"""Most seconds of a run of `auto`, of scikit-learn's, and of the fit with defaults."""
THEIR_SHARE = 12
"""Most seconds of scikit-learn's run, as a multiple of those of `auto`."""
SHORT = 0.15
"""Runs of fewer seconds are repeated in turn, without a callback, as users run them."""
TURNS, SPENT = (3, 40), 0.6
"""Least and most turns, and the seconds that they may take together between these."""
REPEATS = 5
"""Fits with defaults of which the median share after the last iteration is taken."""
WORST = 10


def problem_of(drawn: random_problems.Drawn, threads: int) -> Problem:
    """The start that everyone gets."""
    X = random_problems.matrix(drawn)
    W, H = start(X, drawn.k, drawn.number)
    objective = objective_of(X, drawn.beta, threads)
    return Problem(X, W, H, "fit", drawn.number, threads, objective)


def _model(solver: str, problem: Problem, **options: Any) -> Any:
    return nonneg.NMF(
        problem.k,
        init="custom",
        n_threads=problem.threads,
        compress="auto" if solver == "auto" else False,
        **options_of(solver, problem.beta),
        **options,
    )


def _plain(solver: str, problem: Problem, n_iter: int) -> Curve:
    """Curve of a fit without a callback; all that it does besides iterating comes first."""
    model = _model(solver, problem, tol=0, max_iter=n_iter)
    began = time.perf_counter()
    model.fit_transform(problem.X, W=problem.W, H=problem.H)
    whole = time.perf_counter() - began
    seconds, objective = (model.history_[key] for key in ("seconds", "objective"))
    known = np.isfinite(objective)
    seconds = seconds + (whole - seconds[-1])
    n_iter = 1 + np.flatnonzero(known)
    return Curve(seconds[known].tolist(), objective[known].tolist(), n_iter.tolist())


def theirs(problem: Problem, limits: Limits, whole: bool = False) -> Curve:
    """Curve of the best that scikit-learn has."""
    run = run_sklearn_cd if problem.beta == 2 else run_sklearn_mu
    return run(problem, limits, whole)[0]


def repeated(curves: dict[str, Curve], problem: Problem) -> dict[str, Curve]:
    """The curves with the least seconds of several turns, where a run is short.

    A fit is the same to the bit each time. What differs is what else the machine does, which
    only adds to the seconds; in turns it adds to everyone's.
    """
    short = {name for name, curve in curves.items() if curve.end <= SHORT}
    spent = sum(curves[name].end for name in short)
    turns = int(min(max(SPENT / max(spent, 1e-9), TURNS[0]), TURNS[1]))
    known: dict[str, Curve] = {}
    for _ in range(turns):
        for name in sorted(short):
            n_iter = curves[name].n_iter[-1]
            if name == SKLEARN:
                again = Limits(math.inf, max_iter=n_iter, gain=-math.inf)
                one = theirs(problem, again, whole=True)
            else:
                one = _plain(name, problem, n_iter)
            if not one.objective:  # too few iterations to hear of an objective
                continue
            before = known.get(name, one)
            seconds = np.minimum(one.seconds, before.seconds)
            known[name] = dataclasses.replace(one, seconds=seconds.tolist())
    return curves | known


def solvers_for(drawn: random_problems.Drawn) -> list[str]:
    """Solvers that minimise the loss of this X; `irls` is not for the squared error."""
    is_for_irls = drawn.storage == "dense" and drawn.beta != 2
    return [
        one
        for one in SOLVERS
        if available(one, drawn.beta) and (one != "irls" or is_for_irls)
    ]


def twin_of_auto(problem: Problem) -> str | None:
    """Name of the solver that does what `auto` does, to the bit, or None."""
    plan = _model("auto", problem).plan(problem.X, W=problem.W, H=problem.H)
    if plan.compress:
        return None
    name: str = plan.solver_name
    return name + ACCELERATED if plan.parameters.accelerate else name


def after_last_iteration(problem: Problem) -> tuple[float, str]:
    """Share of a fit with defaults after its last iteration, and the solver that ran."""
    shares = []
    while True:
        last = 0.0

        def heard(_: Any) -> None:
            nonlocal last
            last = time.perf_counter()

        model = _model("auto", problem, max_time=DEFAULT, callback=heard)
        began = time.perf_counter()
        model.fit_transform(problem.X, W=problem.W, H=problem.H)
        end = time.perf_counter()
        shares.append((end - last) / (end - began))
        if end - began > SHORT or len(shares) == REPEATS:
            return median(shares), model.solver_


def measure(drawn: random_problems.Drawn, threads: int) -> dict[str, Any]:
    """All runs of one problem, and what follows from them."""
    problem = problem_of(drawn, threads)
    solvers = solvers_for(drawn)
    twin = twin_of_auto(problem)
    others = [one for one in solvers if one not in ("auto", twin)]
    for solver in ("auto", *others):  # first calls load libraries and wake threads
        run_nonneg(solver, problem, Limits(OURS, max_iter=2))
    curves = {"auto": run_nonneg("auto", problem, Limits(OURS))[0]}
    # whoever is slower than this is not the fastest
    seconds = 0.02 + curves["auto"].end
    cap = Limits(seconds)
    curves |= {one: run_nonneg(one, problem, cap)[0] for one in others}
    curves[SKLEARN] = theirs(problem, Limits(min(THEIRS, THEIR_SHARE * seconds)))
    curves = repeated(curves, problem)
    if twin:
        curves[twin] = curves["auto"]
    share, name = after_last_iteration(problem)
    best = min(curve.best for curve in curves.values())
    X = as_operand(problem.X)
    stats = X.stats()
    return {
        **dataclasses.asdict(drawn),
        "text": drawn.text,
        "peak": stats.sum_sq / stats.n_entries / stats.mean**2,
        "small": small_share(X) if drawn.storage == "dense" else 0,
        "auto": name if twin is None else twin,
        "after": share,
        "excess": curves["auto"].best / best - 1,
        "levels": [compared(curves, best, above) for above in SHARES],
    }


def compared(curves: dict[str, Curve], best: float, above: float) -> dict[str, Any]:
    """Times to `above` the lowest objective, and their ratios.

    A run of `auto` that has come to rest higher is in another local optimum: all times are
    then those to `above` its own lowest objective, and `excess` tells how high that is.
    """
    auto = curves["auto"]
    if auto.time_to((1 + above) * best) is None:
        best = auto.best
    times = {name: one.time_to((1 + above) * best) for name, one in curves.items()}
    reference = times.pop(SKLEARN)
    mine = times.pop("auto")
    assert mine is not None
    arrived = {name: seconds for name, seconds in times.items() if seconds is not None}
    fastest = min(arrived, key=lambda name: arrived[name], default="auto")
    their_end = curves[SKLEARN].end
    return {
        "above": above,
        "seconds": mine,
        "times": times,
        "fastest": fastest,
        "own": mine / min(arrived.get(fastest, mine), mine),
        "peer": (their_end if reference is None else reference) / mine,
        "peer arrived": reference is not None,
    }


def line(result: dict[str, Any]) -> str:
    """A problem's figures in a line."""
    parts = [f"{result['number']:3d}"]
    for level in result["levels"]:
        sign = " " if level["peer arrived"] else ">"
        parts.append(
            f"{1e3 * level['seconds']:8.2f} ms {level['own']:5.2f} "
            f"{level['fastest'][:6]:6s} {sign}{level['peer']:6.1f}x"
        )
    parts.append(f"{result['after']:5.2f} {result['excess']:8.1e} {result['auto']:4s}")
    return "  ".join([*parts, result["text"]])


def recorded(result: dict[str, Any]) -> dict[str, Any]:
    """What decides a choice of `auto`, and the milliseconds of each solver to each level."""
    kept = (
        "seed",
        "number",
        "beta",
        "storage",
        "rows",
        "columns",
        "per_row",
        "k",
        "dtype",
        "small",
        "peak",
    )
    kinds = {name: result[name] for name in kept}
    kinds["peak"] = float(f"{result['peak']:.4g}")
    milliseconds = {}
    for level in result["levels"]:
        times = {**level["times"], result["auto"]: level["seconds"]}
        known = {name: time for name, time in times.items() if time is not None}
        milliseconds[f"{level['above']:g}"] = {
            name: float(f"{1e3 * time:.3g}") for name, time in sorted(known.items())
        }
    return {**kinds, "milliseconds": milliseconds}


HEADER = (
    "                 1 %: auto, over our fastest, "
    "scikit-learn's        0.1 %                    after  excess"
)


def summary(results: list[dict[str, Any]]) -> str:
    """Medians, and the worst problems by each figure."""
    levels = [level for result in results for level in result["levels"]]
    own, peer = [one["own"] for one in levels], [one["peer"] for one in levels]
    after = [result["after"] for result in results]
    elsewhere = sum(result["excess"] > SHARES[0] for result in results)
    first = (
        f"{len(results)} problems; auto over our fastest: median {median(own):.2f}, worst "
        f"{max(own):.2f}; scikit-learn over auto: median {median(peer):.1f}, least "
        f"{min(peer):.2f}; after the last iteration: median {median(after):.2f}, most "
        f"{max(after):.2f}; auto rests above 1 %: {elsewhere}"
    )
    lines = [first]
    for title, key in (
        ("auto over our fastest", lambda one: -max(v["own"] for v in one["levels"])),
        ("scikit-learn over auto", lambda one: min(v["peer"] for v in one["levels"])),
        ("after the last iteration", lambda one: -one["after"]),
    ):
        worst = sorted(results, key=key)[:WORST]
        lines += ["", f"the worst by: {title}", HEADER, *map(line, worst)]
    return "\n".join(lines)


def parsed(argv: list[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--problems", default="0:40", help="first:last+1, or numbers")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--file", type=Path, default=FILE)
    parser.add_argument("--resume", action="store_true", help="skip what the file has")
    parser.add_argument("--record", type=Path, help="write the times there")
    parser.add_argument("--summary", action="store_true", help="measure nothing")
    return parser.parse_args(argv)


def numbers(text: str) -> list[int]:
    """Numbers of problems: "3:7" or "1,5,9"."""
    if ":" in text:
        first, last = text.split(":")
        return list(range(int(first), int(last)))
    return [int(part) for part in text.split(",")]


def read(path: Path) -> dict[tuple[int, int], dict[str, Any]]:
    """Results in a file by seed and number; of several for one problem the last."""
    if not path.exists():
        return {}
    results = map(json.loads, path.read_text().splitlines())
    return {(one["seed"], one["number"]): one for one in results}


def main(argv: list[str] | None = None) -> None:
    """Measure the problems, print a line each and a summary of all in the file."""
    args = parsed(argv)
    if args.clock == "cpu":
        time.perf_counter = time.monotonic = time.process_time
    warnings.simplefilter("ignore", ConvergenceWarning)
    wanted = [] if args.summary else numbers(args.problems)
    known = read(args.file)
    args.file.parent.mkdir(parents=True, exist_ok=True)
    if wanted:
        print(HEADER)
    for number in wanted:
        if args.resume and (args.seed, number) in known:
            continue
        with threadpool_limits(args.threads):
            result = measure(random_problems.draw(args.seed, number), args.threads)
        known[args.seed, number] = result
        with args.file.open("a") as file:
            file.write(json.dumps(result) + "\n")
        print(line(result), flush=True)
    chosen = [one for key, one in sorted(known.items()) if key[0] == args.seed]
    if chosen:
        print("\n" + summary(chosen))
    if args.record:
        rows = [json.dumps(recorded(one)) for _, one in sorted(known.items())]
        args.record.write_text("[\n" + ",\n".join(rows) + "\n]\n")


if __name__ == "__main__":
    main()
