"""Random problems: does `solver="auto"` choose well, and is it ahead of scikit-learn?

    python benchmarks/map.py [--seed 0] [--problems 0:40] [--threads 2] [--resume]
        [--file build/bench-results/map.jsonl] [--summary]

Each problem follows from the seed and its number. Every solver of nonneg and scikit-learn's
best start from one W and H. A line tells the time of `auto` over that of our fastest solver,
and of scikit-learn over `auto`, both to 1 % and to 0.1 % above the lowest objective of all,
and the share of a fit with defaults that comes after its last iteration. Results are kept in
a file, a line a problem, so that the problems can be run in parts.
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

FILE = Path(__file__).resolve().parents[1] / "build" / "bench-results" / "map.jsonl"
SOLVERS = ("auto", "hals", "cd", "bpp", "sn", "mu", "mu" + ACCELERATED)
"""Solvers of nonneg that are run where they minimise the loss."""
SHARES = (0.01, 0.001)
"""How far above the lowest objective times are taken."""
OURS, THEIRS, DEFAULT = 2.0, 6.0, 4.0
"""Most seconds of a run of `auto`, of scikit-learn's, and of the fit with defaults."""
SHORT, REPEATS = 0.25, 5
"""Runs of fewer seconds are repeated so often without a callback, as users run them."""
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


def ours(solver: str, problem: Problem, limits: Limits) -> Curve:
    """Curve of a solver of nonneg; the median of several, if the run is short."""
    curve, *_ = run_nonneg(solver, problem, limits)
    if curve.end > SHORT or len(curve.objective) < 3:
        return curve
    curves = [_plain(solver, problem, curve.n_iter[-1]) for _ in range(REPEATS)]
    if not curves[0].objective:
        return curve
    seconds = np.median([one.seconds for one in curves], axis=0)
    return dataclasses.replace(curves[0], seconds=seconds.tolist())


def theirs(problem: Problem) -> Curve:
    """Curve of the best that scikit-learn has; the median of several, if short."""
    run = run_sklearn_cd if problem.beta == 2 else run_sklearn_mu
    curve, *_ = run(problem, Limits(THEIRS))
    if curve.end > SHORT:
        return curve
    again = Limits(math.inf, max_iter=curve.n_iter[-1], gain=-math.inf)
    curves = [run(problem, again)[0] for _ in range(REPEATS)]
    seconds = np.median([one.seconds for one in curves], axis=0)
    return dataclasses.replace(curves[0], seconds=seconds.tolist())


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
    solvers = [one for one in SOLVERS if available(one, drawn.beta)]
    for solver in solvers:  # first calls load libraries and wake threads
        run_nonneg(solver, problem, Limits(OURS, max_iter=2))
    curves = {"auto": ours("auto", problem, Limits(OURS))}
    # whoever is slower than this is not the fastest
    cap = Limits(0.02 + 1.5 * curves["auto"].end)
    curves |= {one: ours(one, problem, cap) for one in solvers if one != "auto"}
    curves["scikit-learn"] = theirs(problem)
    share, name = after_last_iteration(problem)
    best = min(curve.best for curve in curves.values())
    return {
        **dataclasses.asdict(drawn),
        "text": drawn.text,
        "auto": name,
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
    reference = times.pop("scikit-learn")
    mine = times.pop("auto")
    assert mine is not None
    arrived = {name: seconds for name, seconds in times.items() if seconds is not None}
    fastest = min(arrived, key=lambda name: arrived[name], default="auto")
    their_end = curves["scikit-learn"].end
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
    parser.add_argument("--file", type=Path, default=FILE)
    parser.add_argument("--resume", action="store_true", help="skip what the file has")
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


if __name__ == "__main__":
    main()
