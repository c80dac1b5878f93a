"""A factorization of counts as a topic model: distributions, likelihood and perplexity."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy
from sklearn.utils import check_random_state

from . import validation
from .protocols import Array
from .reconstruction import beta_divergence


class TopicDistributions(NamedTuple):
    """W·H as diag(sizes) · document_topics · topic_words."""

    document_topics: Array
    """Share of each topic in each document, (n_samples, k); its rows sum to one."""
    topic_words: Array
    """Probability of each word in each topic, (k, n_features); its rows sum to one."""
    sizes: Array
    """Sum of each row of W·H: the expected length of the document, (n_samples,)."""


def topic_distributions(W: Any, H: Any) -> TopicDistributions:
    """Distributions over topics and words that a factorization stands for [1]_.

    The scale of a row of H moves into the column of W beside it, and then out of the
    rows of W: W·H = diag(sizes)·document_topics·topic_words, exactly. After a fit by the
    Kullback-Leibler divergence without penalties they are the estimates of
    probabilistic latent semantic analysis [2]_, and `sizes` the sums of X's rows.

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
        If the shapes don't fit together or an entry is negative or not finite.

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
    W, H = _checked_factors(W, H, "topic_distributions")
    weights = H.sum(axis=1)
    words = _distributions(H, weights)
    shares = W * weights
    sizes = shares.sum(axis=1)
    return TopicDistributions(_distributions(shares, sizes), words, sizes)


def poisson_log_likelihood(X: Any, W: Any, H: Any) -> float:
    """Log-likelihood of counts X that are independent Poisson with means W·H.

    Σ x·log y − y − log x! over all entries x of X and y of W·H: the negative
    Kullback-Leibler divergence, but for what depends on X alone.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Counts; any non-negative numbers will do, with the gamma function for factorials.
    W : array-like of shape (n_samples, n_components)
    H : array-like of shape (n_components, n_features)

    Returns
    -------
    float
        Where W·H is 0 and X is not, W·H counts as in `beta_divergence`.

    Raises
    ------
    ValueError
        If the shapes don't fit together or an entry is negative or not finite.

    Notes
    -----
    The cost is that of `beta_divergence`: 2·k flops per stored entry of X.

    Examples
    --------
    >>> from nonneg import poisson_log_likelihood
    >>> round(poisson_log_likelihood([[1.0, 0.0]], [[1.0]], [[1.0, 0.5]]), 6)
    -1.5
    """
    divergence = beta_divergence(X, W, H, 1)
    counts = _entries(X)
    own = xlogy(counts, counts) - counts - gammaln(counts + 1)
    return float(own.sum()) - divergence


def perplexity(X: Any, W: Any, H: Any) -> float:
    """Perplexity of documents X under the topic model W·H.

    exp(−Σ x·log p / Σ x), with p the entries of W·H divided by the sums of their rows: the
    inverse geometric mean of the probability that a word has in its document. Smaller is
    better; a model that knows nothing has n_features.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Counts of words, at least one.
    W : array-like of shape (n_samples, n_components)
    H : array-like of shape (n_components, n_features)

    Returns
    -------
    float
        Infinite if a document with words has a row of zeros in W·H.

    Raises
    ------
    ValueError
        If X has no words, the shapes don't fit together, or an entry is negative or not
        finite.

    See Also
    --------
    held_out_perplexity : For documents that the model has not seen.

    Examples
    --------
    >>> from nonneg import perplexity
    >>> round(perplexity([[3.0, 1.0]], [[1.0]], [[0.5, 0.5]]), 6)
    2.0
    """
    divergence = beta_divergence(X, W, H, 1)
    counts = _entries(X)
    total = float(counts.sum())
    if total == 0:
        msg = "X has no words: every entry is 0. Pass documents with at least one."
        raise ValueError(msg)
    W, H = _checked_factors(np.atleast_2d(W), np.atleast_2d(H), "perplexity")
    sizes = W @ H.sum(axis=1)
    lengths = np.asarray(
        X.sum(axis=1) if sp.issparse(X) else np.sum(np.atleast_2d(X), 1)
    )
    lengths = lengths.ravel().astype(np.float64)
    if np.any((sizes <= 0) & (lengths > 0)):
        return math.inf
    # Σ x·log y from the divergence, then Σ x·log of the row's sum
    logs = float((xlogy(counts, counts) - counts).sum() + sizes.sum()) - divergence
    logs -= float(xlogy(lengths, np.where(sizes > 0, sizes, 1)).sum())
    return math.exp(-logs / total)


def held_out_perplexity(
    model: Any, X: Any, share: float = 0.5, random_state: Any = None
) -> float:
    """Perplexity of new documents, by document completion [1]_.

    Each count is split at random: a part of the words tells the topics of the document,
    by `model.transform`, and the perplexity is that of the other part. For choosing the
    number of components.

    Parameters
    ----------
    model : NMF or MiniBatchNMF
        Fitted to other documents, best with beta_loss="kullback-leibler".
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Whole counts.
    share : float, default=0.5
        Probability with which a word is shown to the model.
    random_state : int, RandomState instance or None, default=None
        For the split.

    Returns
    -------
    float
        Without the documents of which no word was shown, or none was held back.

    Raises
    ------
    ValueError
        If X has entries that are no whole counts, `share` is not between 0 and 1, or no
        document is left.

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
    >>> round(held_out_perplexity(model, X, random_state=0), 3)
    5.0
    """
    whom = "held_out_perplexity"
    if not (validation.is_real(share) and 0 < share < 1):
        msg = (
            f"The 'share' parameter of {whom} must be a float in the range (0.0, 1.0). "
            f"Got {validation.show(share)} instead. Pass 0.5 to show half of the words."
        )
        raise ValueError(msg)
    X = sp.csr_array(validation.check_X(X, whom))
    validation.check_non_negative(X, f"{whom} (input X)")
    if np.any(X.data != np.floor(X.data)):
        msg = (
            "X must hold whole counts of words, which can be split; got fractions. "
            "Pass counts, not weights such as tf-idf."
        )
        raise ValueError(msg)
    rng = check_random_state(random_state)
    shown = X.copy()
    shown.data = rng.binomial(X.data.astype(np.int64), share).astype(X.dtype)
    held = X - shown
    usable = (shown.sum(axis=1) > 0) & (held.sum(axis=1) > 0)
    if not usable.any():
        msg = "No document has words in both parts of the split. Pass longer documents."
        raise ValueError(msg)
    W = model.transform(shown[usable])
    return perplexity(held[usable], W, model.components_)


def _checked_factors(W: Any, H: Any, whom: str) -> tuple[Array, Array]:
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


def _distributions(A: Array, sums: Array) -> Array:
    """Rows of A over their sums; uniform where that is 0."""
    empty = sums[:, None] == 0
    even = np.full_like(A, 1.0 / A.shape[1])
    divided: Array = np.where(empty, even, A / np.where(empty, 1.0, sums[:, None]))
    return divided


def _entries(X: Any) -> NDArray[np.float64]:
    """Stored entries of a sparse X, or all of a dense one."""
    values = X.data if sp.issparse(X) else np.asarray(X)
    return values.astype(np.float64).ravel()
