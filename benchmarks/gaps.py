"""Fits of incomplete and weighted matrices: beside the same fits without gaps, and peers.

    python benchmarks/gaps.py [--rows fashion,movielens] [--threads 2] [--quick]
        [--peers PYTHON] [--json FILE]

`--peers` names an interpreter that has scikit-surprise, cmfrec or wNMF: they need not be
in the environment of nonneg. What it lacks is left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import scipy.sparse as sp
from harness import inputs, machine, matrices, ratings

import nonneg

HERE = Path(__file__).resolve().parent
NEAR = 1.001
"""Objectives over the least one of the same run, at which it counts as done."""
Row = dict[str, Any]


def hidden(shape: tuple[int, int], share: float, seed: int = 0) -> Any:
    """A choice of entries, made in float32 and by blocks of rows."""
    rng = np.random.default_rng(seed)
    chosen = np.empty(shape, bool)
    for i in range(0, shape[0], 4096):
        part = chosen[i : i + 4096]
        part[...] = rng.random(part.shape, dtype=np.float32) < share
    return chosen


def to_near(model: Any) -> float:
    """Seconds until a fit was within `NEAR` of its own last objective."""
    objective, seconds = (model.history_[name] for name in ("objective", "seconds"))
    return float(seconds[np.argmax(objective <= NEAR * np.nanmin(objective))])


def turns(runs: list[Callable[[], float]], repeats: int) -> list[float]:
    """Medians of what the runs return, which take turns."""
    times = [[run() for run in runs] for _ in range(repeats)]
    return [median(column) for column in zip(*times, strict=True)]


def timed(run: Callable[[], Any]) -> float:
    """Seconds of a call."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def peer(args: argparse.Namespace, name: str, **arrays: Any) -> Row | None:
    """What a peer reports, or None where it is not installed or fails."""
    if args.peers is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npz"
        np.savez(path, **arrays)
        script = str(HERE / "harness" / "gap_peers.py")
        done = subprocess.run(
            [args.peers, "-W", "ignore", script, name, str(path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        print(f"  {name}: left out ({done.stderr.strip().splitlines()[-1:]})")
        return None
    result: Row = json.loads(done.stdout.splitlines()[-1])
    return result


def fashion(args: argparse.Namespace) -> Row:
    """Dense, a tenth missing at random, k = 32: time to within 0.1 % of its own end."""
    loaded = inputs.fashion_mnist(args.quick)
    X, k = loaded.X, 32
    gappy = np.where(hidden(X.shape, 0.1), np.float32(np.nan), X)
    options = {
        "solver": "hals", "init": "random", "tol": 0,
        "max_iter": 40 if args.quick else 150, "n_threads": args.threads,
    }  # fmt: skip
    ends, seconds, each = [], ([], []), ([], [])
    for seed in range(args.repeats):  # fits of other starts end in other minima
        for i, (values, missing) in enumerate(((X, None), (gappy, np.nan))):
            model = nonneg.NMF(k, missing_values=missing, random_state=seed, **options)
            history = model.fit(values).history_
            ends.append(float(np.nanmin(history["objective"])))
            seconds[i].append(to_near(model))
            each[i].append(float(np.median(np.diff(history["seconds"]))))
    plain, masked = (float(np.mean(times)) for times in seconds)
    each_plain, each_masked = (median(times) for times in each)
    row: Row = {
        "source": loaded.source, "plain": plain, "masked": masked, "seeds": seconds,
        "iteration": [each_plain, each_masked],
    }  # fmt: skip
    iterations = 5 if args.quick else 10
    theirs = peer(args, "wnmf", X=gappy, k=k, iterations=iterations)
    text = (
        f"10 % NaN {masked:.2f} s, without {plain:.2f} s, means of {args.repeats} starts: "
        f"{masked / plain:.2f} x (≤ 1.3); an iteration {each_masked / each_plain:.2f} x"
    )
    if theirs is not None:
        least, rate = ends[-1], theirs["seconds"] / iterations
        row["wNMF"] = {**theirs, "above": theirs["objective"] / least - 1}
        text += (
            f"; wNMF after {iterations} iterations, {theirs['seconds']:.1f} s, "
            f"{100 * row['wNMF']['above']:.1f} % above our end; "
            f"{theirs['seconds'] / masked:.0f} x our time already, {rate:.2f} s each"
        )
    row["text"] = text
    return row


def fold(X: Any, share: float, seed: int = 0) -> tuple[Any, Any, dict[str, Any]]:
    """X without some ratings, which ones, and both as triples for peers."""
    _, where = nonneg.holdout(X, share, seed, missing_values="unstored")
    train, test = X.tocoo(), where.tocoo()
    kept = ~np.asarray(sp.csr_matrix(where)[train.row, train.col]).ravel()
    chosen = np.asarray(sp.csr_matrix(X)[test.row, test.col]).ravel()
    triples = {
        "rows": train.row[kept], "columns": train.col[kept], "values": train.data[kept],
        "test_rows": test.row, "test_columns": test.col, "test_values": chosen,
    }  # fmt: skip
    places = train.row[kept], train.col[kept]
    return sp.csr_array((train.data[kept], places), shape=X.shape), where, triples


def _recommend(
    args: argparse.Namespace, X: Any, k: int, iterations: int, tol: float, repeats: int
) -> tuple[Row, str]:
    train, where, triples = fold(X, 0.2)
    alpha = 0.1
    model = nonneg.NMF(
        k, solver="hals", missing_values="unstored", alpha_W=alpha, init="random",
        random_state=0, max_iter=iterations, tol=tol, n_threads=args.threads,
    )  # fmt: skip
    warnings.simplefilter("ignore")
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        W = model.fit_transform(train)
        times.append(time.perf_counter() - began)
    seconds = median(times)
    rmse = nonneg.reconstruction_error(X, W, model.components_, where=where)
    row: Row = {"seconds": seconds, "rmse": rmse, "iterations": model.n_iter_}
    text = f"{seconds:.3f} s, RMSE {rmse:.3f} ({model.n_iter_} iterations)"
    common = {
        "k": k,
        "alpha": alpha,
        "iterations": model.n_iter_,
        "threads": args.threads,
    }
    for name in ("surprise", "cmfrec"):
        if name == "surprise" and X.nnz > 1_000_000:
            continue  # minutes
        theirs = peer(args, name, **triples, **common)
        if theirs is not None:
            row[name] = theirs
            text += f"; {name} {theirs['seconds']:.2f} s, {theirs['rmse']:.3f}"
    return row, text


def movielens(args: argparse.Namespace) -> Row:
    """A fold of MovieLens-100k, k = 10, and the mistake of taking the rest for zeros."""
    loaded = ratings.movielens()
    row, text = _recommend(args, loaded.X, 10, 100, 1e-3, 5)
    train, where, _ = fold(loaded.X, 0.2)
    model = nonneg.NMF(10, solver="hals", init="random", random_state=0)
    W = model.fit_transform(train)
    zeros = nonneg.reconstruction_error(loaded.X, W, model.components_, where=where)
    mean = train.data.mean()
    held = np.asarray(sp.csr_matrix(loaded.X)[where.tocoo().coords]).ravel()
    constant = float(np.sqrt(np.mean((held - mean) ** 2)))
    row |= {"source": loaded.source, "as_zeros": zeros, "mean": constant}
    row["text"] = (
        f"{text} (≤ 0.1 s, ≤ 0.93); zeros for what is missing: {zeros:.3f}, the mean of the "
        f"ratings: {constant:.3f}"
    )
    return row


def ten_million(args: argparse.Namespace) -> Row:
    """Ten million made ratings of MovieLens-10M's shape, k = 50, 15 iterations, float32.

    A quarter as many more are held out, to be predicted.
    """
    n, m, count = (3000, 2000, 200_000) if args.quick else (71_567, 10_681, 12_500_000)
    X = ratings.made(n, m, count, dtype=np.float32)
    row, text = _recommend(args, X, 50, 15, 0, 1)
    row |= {
        "source": "made ratings",
        "text": f"{X.nnz:,} ratings, a fifth to predict, {text} (≤ 15 s)",
    }
    return row


def divergence(args: argparse.Namespace) -> Row:
    """Kullback-Leibler, single-cell counts with a tenth of all entries hidden, k = 20."""
    loaded = next(i for i in inputs.select("pbmc")).load(args.quick)
    X = loaded.X.tocsr()
    chosen = sp.csr_array(hidden(X.shape, 0.1))
    weights = hidden(X.shape, 0.1)
    np.logical_not(weights, out=weights)
    options = {
        "solver": "sn", "beta_loss": 1, "init": "random", "random_state": 0, "tol": 0,
        "max_iter": 40, "n_threads": args.threads,
    }  # fmt: skip

    def fit(**more: Any) -> Callable[[], float]:
        return lambda: to_near(nonneg.NMF(20, **options).fit(X, **more))

    plain, masked = turns([fit(), fit(weights=weights)], args.repeats)
    return {
        "source": loaded.source, "plain": plain, "masked": masked, "hidden": chosen.nnz,
        "text": f"10 % hidden {masked:.2f} s, without {plain:.2f} s: {masked / plain:.2f} x (≤ 1.2)",
    }  # fmt: skip


def weighted(args: argparse.Namespace) -> Row:
    """Weights of rows and columns, Fashion-MNIST, k = 32: seconds of 15 iterations."""
    loaded = inputs.fashion_mnist(args.quick)
    X = loaded.X
    rng = np.random.default_rng(0)
    r, c = (rng.uniform(0.5, 2, size) for size in X.shape)
    options = {
        "solver": "hals", "init": "random", "random_state": 0, "tol": 0, "max_iter": 15,
        "n_threads": args.threads,
    }  # fmt: skip

    def fit(**more: Any) -> Callable[[], float]:
        def run() -> float:
            seconds = nonneg.NMF(32, **options).fit(X, **more).history_["seconds"]
            return float(np.median(np.diff(seconds)))

        return run

    runs = [fit(), fit(sample_weight=r), fit(feature_weight=c)]
    plain, rows, columns = turns(runs, args.repeats)
    return {
        "source": loaded.source, "plain": plain, "rows": rows, "columns": columns,
        "text": f"an iteration {plain:.3f} s; sample_weight {rows / plain:.2f} x, "
                f"feature_weight {columns / plain:.2f} x (≤ 1.05)",
    }  # fmt: skip


def transform(args: argparse.Namespace) -> Row:
    """W of 100,000 rows with a fifth missing, k = 20, exact."""
    n = 3000 if args.quick else 100_000
    X = matrices.low_rank(n, 500, 20, np.float32)
    gappy = np.where(hidden(X.shape, 0.2), np.float32(np.nan), X)
    options = {"solver": "hals", "init": "random", "random_state": 0, "max_iter": 20,
               "tol": 0, "n_threads": args.threads}  # fmt: skip
    model = nonneg.NMF(20, **options).fit(X[:2000])
    masked = nonneg.NMF(20, missing_values=np.nan, **options).fit(gappy[:2000])
    runs = [lambda: timed(lambda: model.transform(X)),
            lambda: timed(lambda: masked.transform(gappy))]  # fmt: skip
    plain, with_gaps = turns(runs, args.repeats)
    return {
        "source": "made: rank 20 and noise", "plain": plain, "masked": with_gaps,
        "text": f"20 % NaN {with_gaps:.2f} s, without {plain:.2f} s: "
                f"{with_gaps / plain:.1f} x (≤ 4)",
    }  # fmt: skip


ROWS = {
    "fashion": fashion,
    "movielens": movielens,
    "ten-million": ten_million,
    "divergence": divergence,
    "weights": weighted,
    "transform": transform,
}


def main(argv: list[str] | None = None) -> None:
    """Print a line for each row, and keep them as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small matrices")
    parser.add_argument(
        "--peers", metavar="PYTHON", help="an interpreter that has peers"
    )
    parser.add_argument("--json")
    args = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    print(f"nonneg {nonneg.__version__}, {args.threads} threads, {machine.processor()}")
    results = {}
    for name in args.rows.split(","):
        results[name] = row = ROWS[name](args)
        print(f"{name} ({row['source']}): {row['text']}", flush=True)
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"machine": machine.facts(), "rows": results}, file, indent=1)


if __name__ == "__main__":
    main()
