"""What starts from singular vectors need of rows on workers: bases, signs, columns, fills."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from ... import kernels
from ...base.interfaces import Array
from .row_steps import (
    Contraction,
    Counts,
    Cross,
    Fill,
    Largest,
    SetColumns,
    TakeColumns,
)

ROUNDS = 3
"""Most rounds of whitening; three are enough up to a condition number of 1 / eps."""
INDEPENDENT = 0.1
"""Squared norm below which a direction of a whitened array is none."""
SPREAD = 1e-8
"""Ratio of squared norms that a basis may have which is only there to be multiplied."""


def whitened(A: Any, spread: float) -> tuple[Any, NDArray[np.float64]]:
    """Q and R, A = Q·R, by the eigenvectors of the Gram matrix, repeated as needed [1]_.

    Directions that A lacks are columns of zeros in Q.

    Parameters
    ----------
    A : BlockRows of shape (n_samples, r)
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
        A = A @ inverse.astype(A.dtype)
        R = (root[:, None] * vectors.T) @ R
        if done:
            break
    return A, R


class Across:
    """The transpose of rows on workers, for products with others."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows

    def __matmul__(self, B: Any) -> Array:
        product: Array = self._rows.blocks.run(Cross(), {"A": self._rows, "B": B}, {})[
            "value"
        ]
        return product


class SvdRows:
    """Mix-in of `BlockRows`: its operations that starts from singular vectors use."""

    blocks: Any
    shape: tuple[int, int]
    dtype: np.dtype[Any]

    @property
    def T(self) -> Across:
        """The transpose, for products with rows of the same blocks."""
        return Across(self)

    def lower_factor(self) -> Any:
        """A basis of the columns, as well-conditioned as powers of X need it."""
        return whitened(self, SPREAD)[0]

    def orthonormal(self) -> tuple[Any, Array]:
        """Q and R of the rows, R being full."""
        Q, R = whitened(self, INDEPENDENT)
        return Q, R.astype(self.dtype)

    def sign_of_largest(self) -> Array:
        """Sign of the entry of each column that is largest in size; the first of several."""
        found = np.stack(self.blocks.run(Largest(), {"in": self}, {})["value"])
        block = np.abs(found).argmax(axis=0)
        signs: Array = np.sign(found[block, np.arange(found.shape[1])])
        return signs

    def columns(self, which: Any) -> Any:
        """Some of the columns, by a slice or their numbers."""
        numbers = np.arange(self.shape[1])[which]
        out = self.like(numbers.size)
        self.blocks.run(TakeColumns(), {"in": self, "out": out}, {"columns": numbers})
        return out

    def set_columns(self, which: slice, values: Any) -> None:
        """Replace some of the columns."""
        numbers = np.arange(self.shape[1])[which]
        rows = {"out": self, "before": self, "in": values}
        self.blocks.run(SetColumns(), rows, {"columns": numbers})

    def like(self, k: int, dtype: Any = None) -> Any:
        """An array of k columns on the same rows, to be written."""
        return type(self)(self.blocks, k, self.dtype if dtype is None else dtype)  # type: ignore[call-arg]


def _contraction(subscripts: str, *rows: Any, dtype: Any = None) -> Array:
    given = {f"in/{i}": A for i, A in enumerate(rows)}
    step = Contraction(subscripts, None if dtype is None else np.dtype(dtype).name)
    return np.asarray(rows[0].blocks.run(step, given, {})["value"])


def _take(A: Any, indices: Any, axis: int) -> Any:
    return A.columns(indices) if axis == 1 else NotImplemented


def _place(A: Any, mask: Any, values: Array) -> None:
    """Put values where the mask is, in the order of the rows: each block gets its share."""
    counts = A.blocks.run(Counts(), {"in": mask}, {})["value"]
    share = type(A)(
        A.blocks, 1, A.dtype, A.blocks.sent(np.split(values, np.cumsum(counts)[:-1]))
    )
    rows = {"out": A, "before": A, "mask": mask, "values": share}
    A.blocks.run(Fill(), rows, {})


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.einsum: _contraction,
    np.take: _take,
    np.place: _place,
}
"""NumPy's functions of rows on workers, besides those in `BlockRows` itself."""
