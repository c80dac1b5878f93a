"""Many small fits beside scikit-learn's: what a call costs, and what an iteration does.

    python benchmarks/tables.py [--tables 1000] [--only TEXT] [--threads 2]

A thousand tables of 96 × 60 are cut from the magnitudes of spoken prompts (or made, see
`harness/inputs.py`). Both libraries fit each from the same W and H; they take turns, and the
ratio is that of the sums of seconds. For the same algorithm the factors must agree.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import sklearn.decomposition as peer
from harness import inputs, machine
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import nonneg

ROWS, COLUMNS, K = 96, 60, 4
SMALLER = (20, 10)
"""Rows and columns of still smaller tables."""
BATCHES = (1, 10, 100)
"""Rows of a call of `partial_fit`."""


class Case(NamedTuple):
    """Two calls to be compared, each for a table, and whether factors must agree."""

    name: str
    ours: Callable[[int], Any]
    theirs: Callable[[int], Any]
    same: bool = True


def tables(n: int) -> list[Any]:
    """So many tables of 96 frames × 60 frequencies, float64."""
    X = inputs.speech(False).X
    # the lowest frequencies hold the voice; every frame has sound
    X = X[X.sum(axis=1) > 0.1 * X.sum(axis=1).mean(), :COLUMNS].astype(np.float64)
    places = np.random.default_rng(0).integers(0, len(X) - ROWS, n)
    return [np.ascontiguousarray(X[i : i + ROWS]) for i in places]


def _fits(
    X: list[Any], k: int, ours: dict[str, Any], theirs: dict[str, Any]
) -> tuple[Callable[[int], Any], Callable[[int], Any]]:
    """Calls that fit table i from its random start by either library."""
    starts = [inputs.start(table, k, i) for i, table in enumerate(X)]

    def fit(kind: Any, options: dict[str, Any]) -> Callable[[int], Any]:
        def call(i: int) -> Any:
            W, H = starts[i]
            model = kind(k, init="custom", **options)
            W = model.fit_transform(X[i], W=W.copy(), H=H.copy())
            return W @ model.components_

        return call

    return fit(nonneg.NMF, ours), fit(peer.NMF, theirs)


def cases(n: int, threads: int) -> Iterator[Case]:
    """All comparisons of this benchmark."""
    X = tables(n)
    small = [np.ascontiguousarray(one[: SMALLER[0], : SMALLER[1]]) for one in X]
    mine = {"n_threads": threads}
    sweeps = {"tol": 0, "max_iter": 200}
    for beta_loss in ("frobenius", "kullback-leibler"):
        options = {**sweeps, "solver": "mu", "beta_loss": beta_loss}
        yield Case(f"mu, 200, {beta_loss}", *_fits(X, K, mine | options, options))
    options = {**sweeps, "solver": "cd"}
    yield Case("cd, 200 sweeps", *_fits(X, K, mine | options, options))
    pair = _fits(small, K, mine | options, options)
    yield Case("cd, 200 sweeps, 20 x 10", *pair)
    yield Case("cd, defaults", *_fits(X, K, mine, {}))
    yield Case("auto, cd, defaults", *_fits(X, K, mine | {"solver": "auto"}, {}), False)
    options = {"beta_loss": "kullback-leibler"}
    ours = mine | options | {"solver": "auto"}
    pair = _fits(X, K, ours, options | {"solver": "mu"})
    yield Case("auto, mu, defaults, KL", *pair, False)
    yield from _transforms(X, mine)
    yield from _partial_fits(X, mine)


def _transforms(X: list[Any], mine: dict[str, Any]) -> Iterator[Case]:
    rows = [one[:1].copy() for one in X]
    W, H = inputs.start(X[0], K)
    for solver in ("cd", "mu", "hals"):
        model = nonneg.NMF(K, init="custom", solver=solver, **mine)
        other = peer.NMF(K, init="custom", solver="cd" if solver == "hals" else solver)
        for one in (model, other):
            one.fit(X[0], W=W.copy(), H=H.copy())
        other.components_[:] = model.components_
        yield Case(
            f"transform of a row, {solver}",
            lambda i, model=model: model.transform(rows[i]),
            lambda i, other=other: other.transform(rows[i]),
            solver != "hals",
        )


def _partial_fits(X: list[Any], mine: dict[str, Any]) -> Iterator[Case]:
    together = np.concatenate(X[: max(2, len(X) // 10)])
    for size in BATCHES:
        model = nonneg.MiniBatchNMF(K, init="random", random_state=0, **mine)
        other = peer.MiniBatchNMF(K, init="random", random_state=0)
        for one in (model, other):
            one.partial_fit(X[0])

        def step(one: Any, i: int, size: int = size) -> Any:
            first = i * size % (len(together) - size)
            return one.partial_fit(together[first : first + size]).components_

        yield Case(
            f"partial_fit of {size} rows",
            lambda i, step=step, model=model: step(model, i),
            lambda i, step=step, other=other: step(other, i),
            False,
        )


def measure(case: Case, n: int) -> tuple[float, float]:
    """Seconds a call of either library; they take turns."""
    sums = np.zeros(2)
    for i in range(-3, n):
        results = []
        for place, call in enumerate((case.ours, case.theirs)):
            began = time.perf_counter()
            results.append(call(i % n))
            if i >= 0:  # the first ones load libraries and wake threads
                sums[place] += time.perf_counter() - began
        if case.same:
            np.testing.assert_allclose(
                *results, rtol=1e-5, atol=1e-5 * results[1].max()
            )
    return sums[0] / n, sums[1] / n


def parsed(argv: list[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--only", default="", help="cases with this in their names")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Print a line for each case."""
    args = parsed(argv)
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(f"nonneg {nonneg.__version__}, {args.threads} threads, {machine.processor()}")
    print(f"{'':28s} {'nonneg':>10s} {'scikit-learn':>13s} {'ratio':>7s}")
    with threadpool_limits(args.threads):
        for case in cases(args.tables, args.threads):
            if args.only not in case.name:
                continue
            ours, theirs = measure(case, args.tables)
            times = f"{1e3 * ours:7.3f} ms {1e3 * theirs:10.3f} ms"
            print(f"{case.name:28s} {times} {theirs / ours:6.2f}x", flush=True)


if __name__ == "__main__":
    main()
