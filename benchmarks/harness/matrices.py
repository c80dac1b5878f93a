"""Matrices that the benchmarks make themselves, in blocks so that memory stays small."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

BLOCK_ROWS = 2000
"""Rows made at a time."""


def uniform_csr(n_rows: int, n_columns: int, per_row: int, seed: int = 0) -> Any:
    """About `per_row` entries in each row, at random places, uniform in [0, 1)."""
    rng = np.random.default_rng(seed)
    places = np.sort(rng.integers(0, n_columns, size=(n_rows, per_row)), axis=1)
    indptr = np.arange(0, n_rows * per_row + 1, per_row)
    values = rng.random(n_rows * per_row)
    X = sp.csr_matrix((values, places.ravel(), indptr), shape=(n_rows, n_columns))
    X.sum_duplicates()
    return X


def low_rank(
    n_rows: int,
    n_columns: int,
    rank: int,
    dtype: Any,
    seed: int = 0,
    zeros: float = 0.5,
) -> Any:
    """A product of uniform factors, half of them zero, plus 10 % noise."""
    rng = np.random.default_rng(seed)
    W = rng.random((n_rows, rank)) * (rng.random((n_rows, rank)) >= zeros)
    H = rng.random((rank, n_columns)) * (rng.random((rank, n_columns)) >= zeros)
    noise = 0.1 * float(W.mean(axis=0) @ H.mean(axis=1))  # 10 % of the product's mean
    X = np.empty((n_rows, n_columns), dtype=dtype)
    for start in range(0, n_rows, BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        block = W[rows] @ H
        block += noise * np.abs(rng.standard_normal(block.shape))
        X[rows] = block
    return X


def sparse_images(n_rows: int, n_columns: int, seed: int = 0) -> Any:
    """Pixels in 0…1, half of them dark: a mixture of 40 smooth parts, clipped."""
    rng = np.random.default_rng(seed)
    steps = np.linspace(0, 1, n_columns)
    centres, widths = rng.random((40, 1)), 0.02 + 0.1 * rng.random((40, 1))
    parts = np.exp(-0.5 * ((steps - centres) / widths) ** 2)
    X = np.empty((n_rows, n_columns), dtype=np.float32)
    for start in range(0, n_rows, BLOCK_ROWS):
        n = min(BLOCK_ROWS, n_rows - start)
        weights = rng.gamma(0.06, 1.0, size=(n, 40))
        block = weights @ parts + 0.05 * rng.standard_normal((n, n_columns)) - 0.1
        X[start : start + n] = np.clip(block, 0, 1)
    return X


def _word_frequencies(
    rng: np.random.Generator, n_topics: int, n_words: int
) -> tuple[Any, Any]:
    """Cumulated word frequencies of each topic (Zipf's law, reweighted), and weights."""
    zipf = 1.0 / np.arange(10, n_words + 10) ** 1.1
    topics = zipf * rng.gamma(0.15, 1.0, size=(n_topics, n_words))
    topics += 0.05 * zipf  # words that all topics use
    cumulated = np.cumsum(topics, axis=1)
    cumulated /= cumulated[:, -1:]
    return cumulated, rng.gamma(2.0, 1.0, size=n_topics)


def topic_counts(
    n_documents: int,
    n_words: int,
    tokens: float,
    n_topics: int = 80,
    dtype: Any = np.float64,
    seed: int = 0,
) -> Any:
    """log(1 + word counts) of documents from a latent Dirichlet model.

    Each has about `tokens` words (negative binomial) from a few of `n_topics` topics,
    whose words follow Zipf's law. CSR with sorted int32 indices.
    """
    rng = np.random.default_rng(seed)
    cumulated, popularity = _word_frequencies(rng, n_topics, n_words)
    data, indices, lengths = [], [], []
    for start in range(0, n_documents, BLOCK_ROWS):
        n = min(BLOCK_ROWS, n_documents - start)
        shares = rng.gamma(0.1 * popularity, 1.0, size=(n, n_topics)) + 1e-300
        shares /= shares.sum(axis=1, keepdims=True)
        sizes = rng.negative_binomial(4, 4 / (4 + tokens), size=n)
        counts = rng.multinomial(sizes, shares)
        keys = []
        for topic in range(n_topics):
            documents = np.repeat(np.arange(n, dtype=np.int64), counts[:, topic])
            words = np.searchsorted(cumulated[topic], rng.random(documents.size))
            keys.append(documents * n_words + np.minimum(words, n_words - 1))
        found, repeats = np.unique(np.concatenate(keys), return_counts=True)
        data.append(np.log1p(repeats).astype(dtype))
        indices.append((found % n_words).astype(np.int32))
        lengths.append(np.bincount(found // n_words, minlength=n))
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int32)
    values, columns = np.concatenate(data), np.concatenate(indices)
    return sp.csr_matrix((values, columns, indptr), shape=(n_documents, n_words))


def random_counts(n_documents: int, n_words: int, per_document: float) -> Any:
    """Word counts of documents from `topic_counts`, float64."""
    X = topic_counts(n_documents, n_words, per_document, n_topics=60)
    X.data = np.rint(np.expm1(X.data))
    return X


def random_documents(n_documents: int, n_words: int, per_document: float) -> Any:
    """tf-idf of documents from `topic_counts`: rows of unit length, float64."""
    X = random_counts(n_documents, n_words, per_document)
    X.data = 1 + np.log(X.data)  # sublinear term frequency
    frequency = np.bincount(X.indices, minlength=n_words)
    X.data *= (np.log((1 + n_documents) / (1 + frequency)) + 1)[X.indices]
    norms = np.sqrt(np.asarray(X.multiply(X).sum(axis=1)).ravel())
    norms[norms == 0] = 1
    X.data /= np.repeat(norms, np.diff(X.indptr))
    return X
