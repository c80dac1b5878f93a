"""Constrained fits: what constraints cost beside fits without them, and peers.

    python benchmarks/constraints.py [--threads 2] [--quick] [--peers PYTHON] [--json FILE]

`--peers` names an interpreter that has pymcr, mcrnmf and pysptools: they need not be in the environment
of nonneg. What it lacks is left out.
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
from harness import machine

from nonneg import NMF, non_negative_factorization
from nonneg.constraints import Fixed, MinVolume, Simplex, Smooth

HERE = Path(__file__).resolve().parent
ITERATIONS, REPEATS = 30, 3
EQUAL = 1 + 1e-6
"""Loss over a peer's at which it counts as equal."""
Row = dict[str, Any]


def mixtures(n: int, m: int, k: int, seed: int = 0) -> tuple[Any, Any]:
    """Mixtures of smooth spectra with shares that sum up to 1, noisy; and the spectra."""
    rng = np.random.default_rng(seed)
    axis = np.linspace(0, 1, m)
    centres, widths = rng.random((k, 3, 1)), rng.uniform(0.02, 0.1, (k, 3, 1))
    peaks = np.exp(-(((axis - centres) / widths) ** 2) / 2)
    H = (rng.random((k, 3, 1)) * peaks).sum(axis=1)
    W = rng.dirichlet(np.full(k, 0.3), n)
    return np.maximum(W @ H + rng.normal(0, 0.01, (n, m)), 0), H


def per_iteration(models: list[NMF], X: Any) -> list[float]:
    """Seconds an iteration of fits that take turns, the first ones left out."""
    times: list[list[float]] = [[] for _ in models]
    for _ in range(REPEATS):
        for model, seconds in zip(models, times, strict=True):
            model.fit(X)
            passed = model.history_["seconds"][:ITERATIONS]
            seconds.append((passed[-1] - passed[4]) / (len(passed) - 5))
    return [median(column) for column in times]


def row(name: str, ours: float, beside: float, most: float) -> Row:
    """A row of the report: a ratio of seconds and what it may be."""
    return {
        "row": name, "seconds": ours, "beside": beside,
        "ratio": ours / beside, "most": most,
    }  # fmt: skip


def fixed_costs(n: int, m: int, options: dict[str, Any]) -> list[Row]:
    """Iterations with 20 of 40 components of H fixed beside those with all of them free."""
    k = 40
    first, scattered = np.arange(k) < k // 2, np.arange(k) % 2 == 0
    X, H = mixtures(n, m, k)
    rng = np.random.default_rng(0)
    stored = sp.random(3 * n, 4 * m, 0.02, "csr", random_state=0)
    cases = [
        ("the first", (X, H), first, 0.8),
        ("every second", (X, H), scattered, 0.8),
        ("float32", (X.astype(np.float32), H), first, 0.8),
        (f"{4 * m} features", mixtures(n, 4 * m, k), first, 0.8),
        (f"{3 * n} x {4 * m}, 2 % stored", (stored, rng.random((k, 4 * m))), first, 1),
    ]
    rows = []
    for name, (data, parts), which, most in cases:
        known = np.where(which[:, None], parts, np.nan)
        plain, fixed = per_iteration(
            [NMF(k, **options), NMF(k, constraints_H=Fixed(known), **options)], data
        )
        rows.append(row(f"20 of 40 fixed, {name}", fixed, plain, most))
    return rows


def costs(quick: bool, n_threads: int) -> list[Row]:
    """Iterations with constraints beside those without, and solves for W."""
    n, m, k = (1000, 200, 40) if quick else (6000, 500, 40)
    X, _ = mixtures(n, m, k)
    options: dict[str, Any] = {
        "solver": "hals", "init": "random", "random_state": 0, "tol": 0,
        "max_iter": ITERATIONS, "n_threads": n_threads,
    }  # fmt: skip
    rows = fixed_costs(n, m, options)
    tied = {"alpha_W": 1e-4, "alpha_H": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        plain, smooth = per_iteration(
            [
                NMF(k, **tied, **options),
                NMF(k, constraints_H=Smooth(0.1), **tied, **options),
            ],
            X,
        )
    rows.append(row("Smooth on H, an iteration", smooth, plain, 1.3))
    models = [
        NMF(k, **options).fit(X),
        NMF(k, constraints_W=Simplex(), **options).fit(X),
    ]
    models[0].components_ = models[1].components_
    seconds: list[list[float]] = [[], []]
    for _ in range(REPEATS):
        for model, taken in zip(models, seconds, strict=True):
            began = time.perf_counter()
            model.transform(X)
            taken.append(time.perf_counter() - began)
    exact, simplex = (median(taken) for taken in seconds)
    rows.append(row("Simplex on W, an exact solve", simplex, exact, 4.0))
    return rows


def peer(python: str, name: str, folder: Path, **arrays: Any) -> tuple[Row, Any] | None:
    """What a peer reports with the arrays that it leaves, or None where it fails."""
    path = folder / f"{name}.npz"
    np.savez(path, **arrays)
    script = str(HERE / "harness" / "constraint_peers.py")
    done = subprocess.run(
        [python, "-W", "ignore", script, name, str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        print(f"  {name}: left out ({done.stderr.strip().splitlines()[-1:]})")
        return None
    result: Row = json.loads(done.stdout.splitlines()[-1])
    return result, dict(np.load(path))


def to_loss(fit: Callable[..., NMF], loss: float) -> tuple[float, float]:
    """Seconds until a fit has this loss, in a run that ends there, and that of a whole fit.

    Losses have their penalties.
    """
    full = fit()
    objective = full.history_["objective"]
    reached = np.flatnonzero(objective <= loss * EQUAL)
    if not reached.size:
        return float("inf"), float(objective[-1])
    n_iter = int(reached[0]) + 1
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        fit(max_iter=min(n_iter, full.n_iter_), tol=0)
        seconds.append(time.perf_counter() - began)
    return median(seconds), float(objective[-1])


def beside(name: str, result: Row, fit: Callable[..., NMF], least: float) -> Row:
    """A row of the report: seconds to a peer's loss, and both losses."""
    seconds, loss = to_loss(fit, result["loss"])
    report = row(name, seconds, result["seconds"], 1 / least)
    return report | {"loss": loss, "loss beside": result["loss"]}


def demo_of_pymcr() -> tuple[Any, Any]:
    """The two spectra of pymcr's demo, an image of their mixtures, and the start."""
    share = np.tile(np.linspace(0, 1, 21), 21)
    C = np.column_stack([share, 1 - share])
    wave = np.linspace(400, 2800, 200)
    S = np.array(
        [
            40 * np.exp(-((wave - 1000) ** 2) / (2 * 150**2)),
            60 * np.exp(-((wave - 2000) ** 2) / (2 * 150**2)),
        ]
    )
    rng = np.random.default_rng(0)
    X = np.maximum(C @ S + rng.normal(0, 0.5, (len(C), wave.size)), 0)
    return X, 0.75 * S + 0.25 * S[:, ::-1]


def unmixing(python: str, folder: Path, n_threads: int) -> list[Row]:
    """Seconds for the shares of known materials in mixtures, beside those of pysptools."""
    X, H = mixtures(1000, 200, 10)
    found = peer(python, "pysptools", folder, X=X, H=H)
    if found is None:
        return []
    seconds = []
    for _ in range(2 * REPEATS):
        began = time.perf_counter()
        W, _, _ = non_negative_factorization(
            X, H=H, n_components=10, update_H=False, solver="hals",
            constraints_W=Simplex(), n_threads=n_threads,
        )  # fmt: skip
        seconds.append(time.perf_counter() - began)
    report = row("pysptools, FCLS", median(seconds), found[0]["seconds"], 1.0)
    loss = float(0.5 * np.sum((X - W @ H) ** 2))
    return [report | {"loss": loss, "loss beside": found[0]["loss"]}]


def peers(python: str, n_threads: int) -> list[Row]:
    """Seconds to the loss of others on their own examples, from their starts."""
    rows: list[Row] = []
    options: dict[str, Any] = {
        "init": "custom", "solver": "hals", "n_threads": n_threads,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        X, H = demo_of_pymcr()
        found = peer(python, "pymcr", folder, X=X, H=H)
        if found is not None:
            W = np.full((len(X), 2), 0.5)

            def fit(max_iter: int = 100, tol: float = 1e-6) -> NMF:
                model = NMF(
                    2, max_iter=max_iter, tol=tol, constraints_W=Simplex(), **options
                )
                return model.fit(X, W=W, H=H)

            rows.append(beside("pymcr's demo", found[0], fit, 20))
        rows += unmixing(python, folder, n_threads)
        for name, method in (("mcrnmf", "FroALS"), ("mcrnmf_volume", "MinVol")):
            found = peer(python, name, folder)
            if found is None:
                continue
            fit_raman = raman_fit(*found, options)
            rows.append(beside(f"mcrnmf's example, {method}", found[0], fit_raman, 10))
    return rows


def raman_fit(result: Row, data: Any, options: dict[str, Any]) -> Callable[..., NMF]:
    """Return the fit of mcrnmf's example with the constraints that its fit had."""
    volume = None
    if "weight" in result:
        volume = MinVolume(result["weight"], delta=result["delta"])

    def fit(max_iter: int = 2000, tol: float = 1e-5) -> NMF:
        model = NMF(
            4, max_iter=max_iter, tol=tol, constraints_W=volume,
            constraints_H=Simplex(at_most=True), **options,
        )  # fmt: skip
        return model.fit(data["X"], W=data["W"], H=data["H"])

    return fit


def main() -> None:
    """Run the rows and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--peers", metavar="PYTHON")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    warnings.filterwarnings("ignore", message="Maximum number of iterations")
    rows = costs(args.quick, args.threads)
    if args.peers:
        rows += peers(args.peers, args.threads)
    for entry in rows:
        losses = ""
        if "loss" in entry:
            losses = f"  loss {entry['loss']:.6g} beside {entry['loss beside']:.6g}"
        print(
            f"{entry['row']:42s} {1e3 * entry['seconds']:9.2f} ms beside "
            f"{1e3 * entry['beside']:9.2f} ms: {entry['ratio']:6.3f} "
            f"(at most {entry['most']:.3g}){losses}"
        )
    if args.json:
        report = {"machine": machine.facts(), "rows": rows}
        args.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
