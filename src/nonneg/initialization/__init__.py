"""Starts: the factors that a fit begins with, and `initialize`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.parameters import Parameters
from ..base.rules import Rule, is_real, require
from ..base.threads import resolve_n_threads, single_threaded_blas
from ..base.validation import check_non_negative, check_X
from ..operands.registration import as_operand
from ..stores.anndata_store import whole_matrix
from .svd_start import INITS, initial_factors

__all__ = ["initialize"]


def initialize(
    X: Any,
    n_components: int | None,
    init: str | None = None,
    eps: float = 1e-6,
    random_state: Any = None,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Compute starting factors for a non-negative matrix factorization.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Non-negative data.
    n_components : int or None
        Number of components k; None takes n_features.
    init : str or None, default=None
        - "random": absolute values of normal numbers times sqrt(mean(X) / k).
        - "nndsvd": non-negative double SVD [1]_; has exact zeros.
        - "nndsvda": "nndsvd" with its zeros filled with the mean of X; where that is
          above 1e3 or below 1e-6 with its square root, or a thousandth of it.
        - "nndsvdar": "nndsvd" with its zeros filled with random values of about a
          hundredth of the mean of X.
        - "nnsvd-lrc": non-negative SVD with low-rank correction [2]_. It needs an SVD
          of half the rank and mostly starts closer to X than the others do.
        - "spa": the k rows of X beside which the others are mixtures, as successive
          projections of the rows, each divided by its sum, find them [3]_, as H, and the
          W that is best beside them; a component has equal norms in both. On separable data, where each component has a
          row of its own, that is the factorization; noise is kept out as far as the k
          leading singular vectors do. Components beyond the rank of X are random.
        - None: "nndsvd" if k < n_features and k <= n_samples, else "random".
    eps : float, default=1e-6
        Entries below `eps` become zero in the starts that come from an SVD.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    W : ndarray of shape (n_samples, k)
    H : ndarray of shape (k, n_features)
        Both float32 if X is, else float64.

    Raises
    ------
    ValueError
        If X is no finite, non-negative matrix, a parameter is out of its range, or
        the start needs more singular vectors than X has.

    Notes
    -----
    The SVD is randomized and takes 2·(power iterations) + 2 products of X with k + 10
    vectors: 7 power iterations if k < min(n_samples, n_features) / 10, else 4.
    "spa" takes two products more.

    References
    ----------
    .. [1] Boutsidis & Gallopoulos, "SVD based initialization: a head start for
       nonnegative matrix factorization", Pattern Recognition 41 (2008) 1350-1362,
       https://doi.org/10.1016/j.patcog.2007.09.010
    .. [2] Atif, Qazi & Gillis, "Improved SVD-based initialization for nonnegative
       matrix factorization using low-rank correction", Pattern Recognition Letters
       122 (2019) 53-59, https://doi.org/10.1016/j.patrec.2019.02.018
    .. [3] Gillis & Vavasis, "Fast and robust recursive algorithms for separable
       nonnegative matrix factorization", IEEE Transactions on Pattern Analysis and
       Machine Intelligence 36 (2014) 698-714, https://doi.org/10.1109/TPAMI.2013.226

    Examples
    --------
    >>> import numpy as np
    >>> from nonneg import initialize
    >>> W, H = initialize(np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 0.0]]), 2, "nndsvd")
    >>> W.shape, H.shape
    ((3, 2), (2, 2))
    """
    parameters = Parameters(
        n_components=n_components, init=init, random_state=random_state
    )
    parameters = parameters.validated(("cd",), INITS, ("frobenius",))
    positive = "a float in the range [0.0, inf)"
    require("eps", eps, Rule(is_real, positive, "Pass 0 to keep every entry."))
    X = check_X(whole_matrix(X, "X", "initialize"))
    check_non_negative(X, "NMF initialization")
    k = parameters.n_components
    operand = as_operand(X, n_threads=resolve_n_threads(None))
    with single_threaded_blas():
        W, Ht = initial_factors(
            operand,
            k if isinstance(k, int) else operand.shape[1],
            init,
            float(eps),
            random_state,
        )
    return W, np.ascontiguousarray(Ht.T)
