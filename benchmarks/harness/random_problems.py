"""Random problems for `map.py`: each follows from a seed and its number alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

MOST_ENTRIES = 3_000_000
"""Stored entries of X at most."""
MOST_WORK = 120_000_000
"""Stored entries times components at most, so that an iteration takes milliseconds."""
MOST_NUMBERS = 6_000_000
"""Numbers of W and H at most."""
LOSSES = (2, 2, 2, 2, 1, 1, 1, 0, 0.5, 1.5)
"""Losses by their beta, as often as they are drawn."""


@dataclass(frozen=True)
class Drawn:
    """What a random problem looks like; `matrix` makes X."""

    seed: int
    number: int
    beta: float
    storage: str
    """"dense", "csr" or "csc"."""
    rows: int
    columns: int
    per_row: int
    """Stored entries a row, about."""
    k: int
    rank: int
    """Components of the product that X is made from."""
    dtype: str
    noise: float
    zeros: float
    """Share of zeros in the factors that X is made from."""

    @property
    def text(self) -> str:
        """The problem in a few words."""
        size = f"{self.rows} x {self.columns}"
        kind = self.storage
        if kind != "dense":
            kind += f" {self.per_row} a row"
        return (
            f"beta {self.beta:g}, {kind}, {size}, {self.dtype}, k={self.k}, "
            f"rank {self.rank}, noise {self.noise:g}, zeros {self.zeros:g}"
        )


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> int:
    return int(np.exp(rng.uniform(np.log(low), np.log(high))).round())


def draw(seed: int, number: int) -> Drawn:
    """Problem of this number; sizes are drawn again until all bounds hold."""
    rng = np.random.default_rng([seed, number])
    beta = LOSSES[rng.integers(len(LOSSES))]
    is_sparse = beta in (1, 2) and rng.random() < 0.55
    storage = "dense"
    if is_sparse:
        storage = "csc" if rng.random() < 0.2 else "csr"
    while True:
        rows, columns = _log_uniform(rng, 20, 100_000), _log_uniform(rng, 15, 20_000)
        per_row = columns
        if is_sparse:
            per_row = _log_uniform(rng, 3, max(4, 0.3 * columns))
        k = _log_uniform(rng, 2, 100)
        entries = rows * per_row
        if (
            k <= 0.5 * min(rows, columns)
            and (not is_sparse or (rows >= 100 and columns >= 4 * per_row))
            and entries <= MOST_ENTRIES
            and entries * k <= MOST_WORK
            and (rows + columns) * k <= MOST_NUMBERS
        ):
            break
    rank = max(1, round(k * rng.choice([0.5, 1.0, 2.0, 4.0])))
    return Drawn(
        seed=seed,
        number=number,
        beta=beta,
        storage=storage,
        rows=rows,
        columns=columns,
        per_row=per_row,
        k=k,
        rank=min(rank, rows, columns),
        dtype=str(rng.choice(["float32", "float64"])),
        noise=float(rng.choice([0.01, 0.1, 0.5])),
        zeros=float(rng.choice([0.0, 0.5, 0.9])),
    )


def matrix(problem: Drawn) -> Any:
    """X of a problem: dense or sparse, without empty rows and columns being excluded."""
    rng = np.random.default_rng([problem.seed, problem.number, 1])
    made = _dense(problem, rng) if problem.storage == "dense" else _sparse(problem, rng)
    return made.astype(problem.dtype)


def _factor(rng: np.random.Generator, rows: int, problem: Drawn) -> Any:
    """Gamma-distributed entries, a share of them zero."""
    factor = rng.gamma(0.7, 1.0, size=(rows, problem.rank))
    return factor * (rng.random(factor.shape) >= problem.zeros)


def _dense(problem: Drawn, rng: np.random.Generator) -> Any:
    """A product of random factors; noise is added, or multiplies, or is Poisson's."""
    W = _factor(rng, problem.rows, problem)
    H = _factor(rng, problem.columns, problem)
    X = W @ H.T
    X += 1e-3 * X.mean()
    if problem.beta == 2:
        return X + problem.noise * X.mean() * np.abs(rng.standard_normal(X.shape))
    if problem.beta == 1 and rng.random() < 0.5:
        # counts: the fewer, the noisier
        return rng.poisson(X / (X.mean() * problem.noise)).astype(np.float64)
    shape = 1 / problem.noise
    return X * rng.gamma(shape, 1 / shape, size=X.shape)


def _sparse(problem: Drawn, rng: np.random.Generator) -> Any:
    """Counts of words that documents draw from their topics, and some from all words.

    Words follow Zipf's law. For the squared error they are weighted: the logarithm of the
    counts, rows of unit length.
    """
    n, m = problem.rows, problem.columns
    zipf = 1.0 / np.arange(5, m + 5)
    topics = rng.permuted(np.tile(zipf, (problem.rank, 1)), axis=1)
    topics = topics * rng.gamma(0.3, 1.0, size=topics.shape) + 1e-4 * zipf
    edges = np.cumsum(topics, axis=1)
    edges /= edges[:, -1:]
    # words are met more than once, so that more are drawn than entries are wanted
    lengths = rng.poisson(1.3 * problem.per_row, size=n) + 1
    documents = np.repeat(np.arange(n), lengths)
    mine = rng.integers(problem.rank, size=(n, 3))  # three topics a document
    topic = mine[documents, rng.choice(3, p=[0.6, 0.3, 0.1], size=documents.size)]
    order = np.argsort(topic, kind="stable")
    starts = np.searchsorted(topic[order], np.arange(problem.rank + 1))
    words = np.empty(documents.size, dtype=np.int64)
    for t in range(problem.rank):
        places = order[starts[t] : starts[t + 1]]
        words[places] = np.searchsorted(edges[t], rng.random(places.size))
    noisy = rng.random(documents.size) < problem.noise
    words[noisy] = rng.integers(m, size=int(noisy.sum()))
    words = np.minimum(words, m - 1)
    X = sp.coo_matrix((np.ones(words.size), (documents, words)), shape=(n, m)).tocsr()
    X.sum_duplicates()
    if problem.beta == 2:
        X.data = 1 + np.log(X.data)
        norms = np.sqrt(np.asarray(X.multiply(X).sum(axis=1)).ravel())
        X.data /= np.repeat(norms, np.diff(X.indptr))
    return X.tocsc() if problem.storage == "csc" else X
