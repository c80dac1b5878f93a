"""MiniBatchNMF beside scikit-learn's: Kullback-Leibler, same start, so many passes over X.

    python benchmarks/minibatch.py [--inputs kl-debian] [--passes 8] [--repeats 3]
        [--batch-size 1024] [--threads 2] [--quick] [--json FILE]

scikit-learn's makes `--passes` passes. nonneg's makes 1, 2, 4, … up to as many; the
ratio is that of scikit-learn's median time to that of the fewest of these passes that
end at no worse an objective than scikit-learn's. Nobody stops before.
"""

from __future__ import annotations

import argparse
import inspect
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import sklearn
from harness import machine
from harness.contestants import LOSS_NAMES
from harness.inputs import described, select, start
from harness.objectives import objective_of
from sklearn.decomposition import MiniBatchNMF as Peer
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import nonneg

WANTED = 10
"""scikit-learn's time over nonneg's, at least."""
ROUNDING = 1e-6
"""An objective is no worse if it is above by no more than this part: where both make the
same steps, sums in another order are all that differs."""
Fit = Callable[[int], tuple[Any, Any]]


@dataclass(frozen=True)
class Entry:
    """Median seconds of so many passes, and the objective of the factors."""

    library: str
    passes: int
    seconds: float
    objective: float


def has_mini_batch() -> bool:
    """Whether this version of nonneg has MiniBatchNMF, with a choice of the loss."""
    model = getattr(nonneg, "MiniBatchNMF", None)
    return model is not None and "beta_loss" in inspect.signature(model).parameters


def fitter(model: Any, X: Any, k: int, batch_size: int, **more: Any) -> Fit:
    """What makes so many passes with this class and returns W and H."""
    W, H = start(X, k)
    known = inspect.signature(model).parameters
    more = {name: value for name, value in more.items() if name in known}

    def fit(passes: int) -> tuple[Any, Any]:
        estimator = model(
            k,
            init="custom",
            batch_size=batch_size,
            beta_loss=LOSS_NAMES[1],
            tol=0,
            max_no_improvement=None,
            max_iter=passes,
            random_state=0,
            **more,
        )
        factor = estimator.fit_transform(X, W=W.copy(), H=H.copy())
        return factor, estimator.components_

    return fit


def doublings(most: int) -> list[int]:
    """1, 2, 4, … and `most`."""
    return [2**i for i in range(most.bit_length()) if 2**i < most] + [most]


def measure(
    runs: list[tuple[str, int, Fit]], objective: Any, repeats: int
) -> list[Entry]:
    """An entry for each of the runs; they take turns."""
    times: list[list[float]] = [[] for _ in runs]
    values = [0.0] * len(runs)
    for _ in range(repeats):
        for i, (_, passes, fit) in enumerate(runs):
            began = time.perf_counter()
            W, H = fit(passes)
            times[i].append(time.perf_counter() - began)
            values[i] = objective(W, H)
    return [
        Entry(library, passes, float(np.median(seconds)), value)
        for (library, passes, _), seconds, value in zip(
            runs, times, values, strict=True
        )
    ]


def soonest(theirs: Entry, ours: list[Entry]) -> Entry | None:
    """The fastest of ours that ended at no worse an objective, None if none did."""
    allowed = theirs.objective + ROUNDING * abs(theirs.objective)
    enough = [entry for entry in ours if entry.objective <= allowed]
    return min(enough, key=lambda entry: entry.seconds, default=None)


def verdict(theirs: Entry, ours: list[Entry]) -> str:
    """The ratio in one line."""
    found = soonest(theirs, ours)
    if found is None:
        return f"  no run of ours ends as low as scikit-learn's (wanted {WANTED}x: no)"
    ratio = theirs.seconds / found.seconds
    return (
        f"  at no worse an objective: {found.passes} passes of ours in "
        f"{found.seconds:.3f} s for {theirs.passes} of scikit-learn's in "
        f"{theirs.seconds:.3f} s, {ratio:.1f}x (wanted {WANTED}x: "
        f"{'yes' if ratio >= WANTED else 'no'})"
    )


def parsed(argv: list[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", default="kl-debian")
    parser.add_argument("--passes", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="small matrices")
    parser.add_argument("--json")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Print the times and the ratio, and keep them as JSON if asked."""
    args = parsed(argv)
    if not has_mini_batch():
        raise SystemExit(
            f"nonneg {nonneg.__version__} has no MiniBatchNMF for the Kullback-Leibler "
            "divergence: there is nothing to compare."
        )
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(
        f"nonneg {nonneg.__version__}, scikit-learn {sklearn.__version__}, "
        f"{args.threads} threads, {machine.processor()}"
    )
    results = []
    for item in select(args.inputs):
        loaded = item.load(args.quick)
        X, k = loaded.X, item.n_components
        print(f"{item.name}: {described(X)}, k={k}; {loaded.source}", flush=True)
        with threadpool_limits(args.threads):
            peer = fitter(Peer, X, k, args.batch_size)
            mine = fitter(
                nonneg.MiniBatchNMF, X, k, args.batch_size, n_threads=args.threads
            )
            for fit in (peer, mine):
                fit(1)  # warm-up
            runs = [("scikit-learn", args.passes, peer)]
            runs += [("nonneg", passes, mine) for passes in doublings(args.passes)]
            objective = objective_of(X, 1, args.threads)
            theirs, *ours = measure(runs, objective, args.repeats)
        for entry in (theirs, *ours):
            print(
                f"  {entry.library:13s} {entry.passes:4d} passes {entry.seconds:9.3f} s "
                f"objective {entry.objective:.8g} "
                f"({entry.objective / theirs.objective - 1:+.1e})"
            )
        print(verdict(theirs, ours), flush=True)
        entries = [asdict(entry) for entry in (theirs, *ours)]
        results.append({"input": item.name, "k": k, "runs": entries})
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"machine": machine.facts(), "inputs": results}, file, indent=1)


if __name__ == "__main__":
    main()
