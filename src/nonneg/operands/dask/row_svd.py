"""Bases of the columns of rows on workers, from Gram matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from ... import kernels
from ...base.factor_rows import FactorRows

ROUNDS = 3
"""Most rounds of whitening; three are enough up to a condition number of 1 / eps."""
INDEPENDENT = 0.1
"""Squared norm below which a direction of a whitened array counts as absent."""
SPREAD = 1e-8
"""Smallest ratio of squared norms in a basis that only serves to be multiplied."""


def whitened(A: FactorRows, spread: float) -> tuple[FactorRows, NDArray[np.float64]]:
    """Return Q and R with A = Q·R, by the eigenvectors of Gram matrices [1]_.

    This is repeated up to ROUNDS times. Directions that A lacks are columns of zeros in Q.

    Parameters
    ----------
    A : FactorRows of shape (n_samples, r)
    spread : float
        Least ratio of the eigenvalues of the last Gram matrix.

    References
    ----------
    .. [1] Fukaya, Kannan, Nakatsukasa, Yamamoto & Yanagisawa, "Shifted Cholesky QR for
       computing the QR factorization of ill-conditioned matrices", SIAM Journal on
       Scientific Computing 42 (2020) A477-A503, https://doi.org/10.1137/18M1218212
    """
    r = A.shape[1]
    R = np.eye(r)
    for number in range(ROUNDS):
        # eigenvalues in float64, whatever the rows are
        values, vectors = linalg.eigh(kernels.gram(A))
        top = max(float(values[-1]), np.finfo(np.float64).tiny)
        root = np.sqrt(np.maximum(values, r * np.finfo(np.float64).eps * top))
        done = values[0] >= spread * top
        inverse = vectors / root
        # X of zeros: an infinite scale would make them NaN
        inverse[:, root < 4 / np.finfo(A.dtype).max] = 0
        if not done and number == ROUNDS - 1:
            inverse[:, values < INDEPENDENT * top] = 0
        A = A.times(inverse.astype(A.dtype))
        R = (root[:, None] * vectors.T) @ R
        if done:
            break
    return A, R
