"""Factorizations of counts as topic models: distributions, likelihood and perplexity."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ..base import validation
from ..base.arrays import Array
from ..base.rules import Rule, is_real, require
from ..kernels.csr_format import canonical
from ..losses.metrics import as_rows, require_shapes

BLOCK_ENTRIES = 1 << 17
"""Numbers of a factor that are gathered at once, 1 MB (D-TOPICS-BLOCK)."""
LARGEST_COUNT = 2**53
"""Largest count: above it a float64 can't count single words."""


class TopicDistributions(NamedTuple):
    """W·H as diag(sizes) · document_topics · topic_words."""

    document_topics: Array
    """Share of each topic in each document, (n_samples, k); its rows sum to one."""
    topic_words: Array
    """Probability of each word in each topic, (k, n_features); its rows sum to one."""
    sizes: Array
    """Sum of each row of W·H: the expected length of the document, (n_samples,)."""


def topic_distributions(W: Any, H: Any) -> TopicDistributions:
    """Return the distributions over topics and words that a factorization implies [1]_.

    The scale of each row of H moves into the column of W beside it, and then out of the
    rows of W: W·H = diag(sizes)·document_topics·topic_words, exactly. After a fit by the
    Kullback-Leibler divergence without penalties, the distributions are the estimates of
    probabilistic latent semantic analysis [2]_, and `sizes` are the sums of the rows of X.

    Parameters
    ----------
    W : array-like of shape (n_samples, n_components)
        Non-negative.
    H : array-like of shape (n_components, n_features)
        Non-negative.

    Returns
    -------
    TopicDistributions
        A topic without words and a document without topics have a uniform distribution.

    Raises
    ------
    ValueError
        If the shapes don't fit together, an entry is negative or not finite, or W·H
        overflows.

    References
    ----------
    .. [1] Ding, Li & Peng, "On the equivalence between non-negative matrix factorization
       and probabilistic latent semantic indexing", Computational Statistics & Data
       Analysis 52 (2008) 3913-3927, https://doi.org/10.1016/j.csda.2008.01.011
    .. [2] Hofmann, "Probabilistic latent semantic indexing", SIGIR (1999) 50-57,
       https://doi.org/10.1145/312624.312649

    Examples
    --------
    >>> from nonneg import topic_distributions
    >>> model = topic_distributions([[1.0, 0.0], [1.0, 3.0]], [[1.0, 3.0], [2.0, 2.0]])
    >>> model.topic_words.tolist()
    [[0.25, 0.75], [0.5, 0.5]]
    >>> model.document_topics.tolist()
    [[1.0, 0.0], [0.25, 0.75]]
    >>> model.sizes.tolist()
    [4.0, 16.0]
    """
    W, H = _check_factors(W, H, "topic_distributions")
    with np.errstate(over="ignore", invalid="ignore"):
        weights = H.sum(axis=1)
        shares = W * weights
        sizes = shares.sum(axis=1)
    if not np.isfinite(sizes).all():
        msg = "W·H overflows: its rows have no finite sums. Divide W or H by a number."
        raise ValueError(msg)
    words = _normalize_rows(H, weights)
    return TopicDistributions(_normalize_rows(shares, sizes), words, sizes)


def poisson_log_likelihood(X: Any, W: Any, H: Any) -> float:
    """Return the log-likelihood of counts X that are independent Poisson with means W·H.

    It is Σ x·log y − y − log x! over all entries x of X and y of W·H. It equals the
    negative Kullback-Leibler divergence [1]_ plus a term of X alone:
    −beta_divergence(X, W, H, 1) + Σ x·log x − x − log x!.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Counts. Other non-negative numbers are allowed: factorials are those of the gamma
        function. A single row, or a number, may lack its other axes.
    W : array-like of shape (n_samples, n_components)
    H : array-like of shape (n_components, n_features)

    Returns
    -------
    float
        The log-likelihood, computed in float64; −inf if a count has the mean 0.

    Raises
    ------
    ValueError
        If the shapes don't fit together or an entry is negative or not finite.

    Notes
    -----
    The cost is 2·k flops and two logarithms per stored entry of X. No array of the size of
    X, or of entries × components, is made.

    References
    ----------
    .. [1] Lee & Seung, "Algorithms for non-negative matrix factorization", Advances in
       Neural Information Processing Systems 13 (2001) 556-562

    Examples
    --------
    >>> from nonneg import poisson_log_likelihood
    >>> round(poisson_log_likelihood([[1.0, 0.0]], [[1.0]], [[1.0, 0.5]]), 6)
    -1.5
    """
    X, W, H = _check_inputs(X, W, H, "poisson_log_likelihood")
    total = -float(W.sum(axis=0) @ H.sum(axis=1))
    for x, y in _iterate_entries(X, W, H):
        total += float(np.sum(xlogy(x, y) - gammaln(x + 1)))
    return total


def perplexity(X: Any, W: Any, H: Any, smoothing: float = 0.0) -> float:
    """Return the perplexity of documents X under the topic model W·H.

    It is exp(−Σ x·log p / Σ x), where p are the entries of W·H divided by the sums of their
    rows [1]_: the inverse geometric mean of the probability of a word in its document.
    Smaller is better; the uniform model has n_features. The scales of W and H have no
    influence.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Counts of words, with at least one word.
    W : array-like of shape (n_samples, n_components)
    H : array-like of shape (n_components, n_features)
    smoothing : float, default=0.0
        The share s of a uniform distribution, from 0 to 1: the probabilities become
        (1 − s)·p + s / n_features; in a document without topics, 1 / n_features.

    Returns
    -------
    float
        The perplexity; infinite if a word of X has the probability 0, which no word has
        with `smoothing`.

    Raises
    ------
    ValueError
        If X has no words, the shapes don't fit together, an entry is negative or not
        finite, or `smoothing` is not between 0 and 1.

    See Also
    --------
    held_out_perplexity : Perplexity of documents that the model has not seen.

    Notes
    -----
    The cost is 2·k flops and a logarithm per stored entry of X, in float64.

    References
    ----------
    .. [1] Hofmann, "Probabilistic latent semantic indexing", SIGIR (1999) 50-57,
       https://doi.org/10.1145/312624.312649

    Examples
    --------
    >>> from nonneg import perplexity
    >>> round(perplexity([[3.0, 1.0]], [[1.0]], [[0.5, 0.5]]), 6)
    2.0
    """
    whom = "perplexity"
    _require_share("smoothing", smoothing, whom)
    X, W, H = _check_inputs(X, W, H, whom)
    n_words = float(X.sum())
    if n_words == 0:
        msg = "X has no words: every entry is 0. Pass documents with at least one."
        raise ValueError(msg)
    shares, words, sizes = topic_distributions(W, H)
    # the uniform distribution is one more topic, and the only one of an empty document
    n_features = words.shape[1]
    known = sizes > 0
    even = np.where(known, smoothing, float(smoothing > 0))
    shares = np.column_stack([shares * ((1 - smoothing) * known)[:, None], even])
    words = np.vstack([words, np.full(n_features, 1 / n_features)])
    logs = sum(float(xlogy(x, p).sum()) for x, p in _iterate_entries(X, shares, words))
    try:
        return math.exp(-logs / n_words)
    except OverflowError:  # of words as improbable as float64 allows
        return math.inf


def held_out_perplexity(
    model: Any,
    X: Any,
    share: float = 0.5,
    random_state: Any = None,
    smoothing: float = 0.01,
) -> float:
    """Return the perplexity of new documents, by document completion [1]_.

    Each count is split at random. The words of one part give the topics of the document,
    by `model.transform`; the perplexity is that of the other part. It helps to choose the
    number of components.

    Parameters
    ----------
    model : NMF or MiniBatchNMF
        A model fitted to other documents, best with beta_loss="kullback-leibler".
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Whole counts.
    share : float, default=0.5
        Probability with which a word is shown to the model.
    random_state : int, RandomState instance or None, default=None
        Random state of the split.
    smoothing : float, default=0.01
        The share of a uniform distribution, see `perplexity`. A maximum likelihood fit
        gives many words the probability 0; without smoothing, a document with one of them
        makes the perplexity infinite.

    Returns
    -------
    float
        The perplexity of all documents with words in both parts.

    Raises
    ------
    ValueError
        If an entry of X is no whole count, or above 2^53, if `share` or `smoothing` is
        not between 0 and 1, or if no document has words in both parts.
    NotFittedError
        If the model is not fitted.

    Notes
    -----
    A binomial split of Poisson counts gives two independent Poisson counts: only the
    model connects the two parts.

    References
    ----------
    .. [1] Wallach, Murray, Salakhutdinov & Mimno, "Evaluation methods for topic models",
       ICML (2009) 1105-1112, https://doi.org/10.1145/1553374.1553515

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import NMF, held_out_perplexity
    >>> X = np.kron(np.eye(2), np.full((30, 5), 4))  # two topics of five words
    >>> model = NMF(2, solver="auto", beta_loss="kullback-leibler", random_state=0).fit(X)
    >>> round(held_out_perplexity(model, X, random_state=0, smoothing=0), 3)
    5.0
    """
    whom = "held_out_perplexity"
    _require_share("share", share, whom, ends=False)
    _require_share("smoothing", smoothing, whom)
    counts = sp.csr_array(_check_counts(X, whom))
    whole = counts.data == np.floor(counts.data)
    if not whole.all() or counts.data.max(initial=0) > LARGEST_COUNT:
        msg = (
            "X must hold whole counts of words, which can be split, up to 2^53; the entry "
            f"{counts.data[~whole | (counts.data > LARGEST_COUNT)][0]:g} is none. Pass "
            "counts, not weights such as tf-idf."
        )
        raise ValueError(msg)
    rng = check_random_state(random_state)
    shown = counts.copy()
    shown.data = rng.binomial(counts.data.astype(np.int64), share).astype(np.float64)
    held = counts - shown
    usable = (shown.sum(axis=1) > 0) & (held.sum(axis=1) > 0)
    if not usable.any():
        msg = "No document has words in both parts of the split. Pass longer documents."
        raise ValueError(msg)
    check_is_fitted(model)
    validate_data(model, X, reset=False, skip_check_array=True)
    with warnings.catch_warnings():
        # the names were compared above; the parts of X have none
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        W = model.transform(shown[usable])
    return perplexity(held[usable], W, model.components_, smoothing)


def _require_share(name: str, value: Any, whom: str, ends: bool = True) -> None:
    """Raise InvalidParameterError unless `value` is a number from 0 to 1, or between."""
    rule = Rule(
        lambda v: is_real(v, 0.0, 1.0) and (ends or v not in (0, 1)),
        f"a float in the range {'[0.0, 1.0]' if ends else '(0.0, 1.0)'}",
        "It is a part of a whole, such as 0.5.",
    )
    require(name, value, rule, whom)


def _check_counts(X: Any, whom: str) -> Any:
    """Return X in float64, as an array or a CSR or CSC with each entry stored once."""
    X = validation.check_X(as_rows(X), whom)
    validation.check_non_negative(X, f"{whom} (input X)")
    if sp.issparse(X):
        X = canonical(X)
    return X.astype(np.float64, copy=False)


def _check_inputs(X: Any, W: Any, H: Any, whom: str) -> tuple[Any, Array, Array]:
    """Return X as `_check_counts` does, and float64 factors whose shapes fit X."""
    X = _check_counts(X, whom)
    W, H = _check_factors(as_rows(W), as_rows(H), whom)
    require_shapes(X, W, H)
    return X, W, H


def _check_factors(W: Any, H: Any, whom: str) -> tuple[Array, Array]:
    W, H = (
        validation.check_matrix(A, name, whom).astype(np.float64, copy=False)
        for name, A in (("W", W), ("H", H))
    )
    if W.shape[1] != H.shape[0]:
        msg = (
            f"W and H have shapes {W.shape} and {H.shape}; they must be (n_samples, "
            "n_components) and (n_components, n_features)."
        )
        raise ValueError(msg)
    for name, A in (("W", W), ("H", H)):
        validation.check_non_negative(A, f"{whom} (input {name})")
    return W, H


def _normalize_rows(A: Array, sums: Array) -> Array:
    """Return the rows of A divided by their sums; uniform rows where the sum is 0."""
    empty = sums[:, None] == 0
    even = np.full_like(A, 1.0 / A.shape[1])
    divided: Array = np.where(empty, even, A / np.where(empty, 1.0, sums[:, None]))
    return divided


def _iterate_entries(
    X: Any, W: Array, H: Array
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield entries of X and W·H in blocks; of a sparse X, the stored entries alone."""
    A, B = np.ascontiguousarray(W), np.ascontiguousarray(H.T)
    if not sp.issparse(X):
        n_rows = max(1, BLOCK_ENTRIES // max(X.shape[1], A.shape[1]))
        for start in range(0, X.shape[0], n_rows):
            rows = slice(start, start + n_rows)
            yield X[rows], A[rows] @ B.T
        return
    if X.format == "csc":
        X, A, B = X.T, B, A
    n_entries = max(1, BLOCK_ENTRIES // A.shape[1])
    for start in range(0, X.nnz, n_entries):
        part = slice(start, min(start + n_entries, X.nnz))
        place = np.arange(part.start, part.stop)
        i = np.searchsorted(X.indptr, place, side="right") - 1
        yield X.data[part], np.einsum("et,et->e", A[i], B[X.indices[part]])
