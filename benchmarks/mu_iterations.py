"""Time of a multiplicative Kullback-Leibler iteration beside scikit-learn's, same start.

    python benchmarks/mu_iterations.py [--inputs kl-debian] [--iterations 10]
        [--repeats 3] [--threads 2] [--quick] [--json FILE]

Both libraries make the same iterates (checked here too), so that time per iteration is
all there is to compare. The two take turns; the ratio is that of the medians. Ours has
in it the objective that it computes after every tenth iteration, scikit-learn's none.
"""

from __future__ import annotations

import argparse
import json
import warnings
from typing import Any

import numpy as np
import sklearn
from cd_sweeps import seconds_per_sweep
from harness import machine
from harness.contestants import LOSS_NAMES, available
from harness.inputs import described, select, start
from sklearn.decomposition import non_negative_factorization as peer
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import nonneg

WANTED = {"kl-debian": 20.0}
"""scikit-learn's time over nonneg's, at least, where that is said."""
BOUNDS = {"float64": 1e-8, "float32": 1e-2}
"""How far the factors may be apart, relative to the largest entry."""


def fits(X: Any, k: int, threads: int) -> dict[str, Any]:
    """For each library, what makes so many iterations and returns W and H."""
    W, H = start(X, k)
    options: dict[str, Any] = {"init": "custom", "solver": "mu", "tol": 0.0}
    options["beta_loss"] = LOSS_NAMES[1]

    def ours(count: int) -> Any:
        model = nonneg.NMF(k, max_iter=count, n_threads=threads, **options)
        return model.fit_transform(X, W=W, H=H), model.components_

    def theirs(count: int) -> Any:
        start = {"W": W.copy(), "H": H.copy(), "n_components": k}
        return peer(X, **start, max_iter=count, **options)[:2]

    return {"nonneg": ours, "scikit-learn": theirs}


def compare(
    X: Any, k: int, iterations: int, repeats: int, threads: int
) -> dict[str, float]:
    """Median seconds of an iteration for both, and how far their factors are apart."""
    times: dict[str, list[float]] = {"nonneg": [], "scikit-learn": []}
    factors: dict[str, Any] = {}
    for repeat in range(repeats + 1):
        for name, fit in fits(X, k, threads).items():
            # the first round only warms up; it needs no more than one iteration
            count = iterations if repeat else 1
            seconds, factors[name] = seconds_per_sweep(fit, count)
            if repeat:
                times[name].append(seconds)
    pairs = zip(factors["nonneg"], factors["scikit-learn"], strict=True)
    apart = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)
    assert apart < BOUNDS[X.dtype.name], f"the factors differ by {apart:g}"
    return {
        **{name: float(np.median(values)) for name, values in times.items()},
        "difference": apart,
    }


def main(argv: list[str] | None = None) -> None:
    """Print the table, and keep it as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", default="kl-debian")
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="small matrices")
    parser.add_argument("--json")
    args = parser.parse_args(argv)
    if not available("mu", 1):
        raise SystemExit(
            f"nonneg {nonneg.__version__} has no multiplicative updates for the "
            "Kullback-Leibler divergence: there is nothing to compare."
        )
    warnings.simplefilter("ignore", ConvergenceWarning)
    config = nonneg.show_config(mode="dicts")
    print(
        f"nonneg {nonneg.__version__} ({config['SIMD']['in use']}), scikit-learn "
        f"{sklearn.__version__}, {args.threads} threads, {machine.processor()}"
    )
    rows = []
    for item in select(args.inputs):
        loaded = item.load(args.quick)
        X, k = loaded.X, item.n_components
        print(f"{item.name}: {described(X)}, k={k}; {loaded.source}", flush=True)
        with threadpool_limits(args.threads):
            row = compare(X, k, args.iterations, args.repeats, args.threads)
        rows.append({"input": item.name, "k": k, **row})
        ratio, wanted = row["scikit-learn"] / row["nonneg"], WANTED.get(item.name)
        reached = "yes" if wanted and ratio >= wanted else "no"
        goal = f" (wanted {wanted:g}x: {reached})" if wanted else ""
        print(
            f"  an iteration: nonneg {1e3 * row['nonneg']:.2f} ms, scikit-learn "
            f"{1e3 * row['scikit-learn']:.1f} ms, {ratio:.1f}x{goal}; factors apart by at "
            f"most {row['difference']:.1e}",
            flush=True,
        )
    if args.json:
        with open(args.json, "w") as file:
            facts = {"config": config, "threads": args.threads, "rows": rows}
            json.dump(facts, file, indent=1)


if __name__ == "__main__":
    main()
