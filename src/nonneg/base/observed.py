"""The weights of the entries of X: of rows, of columns and of single entries.

The entry (i, j) weighs rows_i · columns_j · (rest + named_ij) in the loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .alike_rows import AlikeRows, alike_rows

Vector = NDArray[np.float64]
WITH_GAPS = (
    "weights=EntryWeights(...) weighs every entry of X, but X has missing ones. Give these a "
    "stored weight of 0, and pass missing_values=None."
)


@dataclass(frozen=True, eq=False)
class EntryWeights:
    """Weights of all entries of X: some by name, and one weight for all others.

    It is for implicit feedback, where the entries that a sparse X does not store are zeros
    of which one is less sure than of those that it stores [1]_: pass it as `weights` of a
    fit or a transform. Neither time nor memory grow with the number of other entries.

    Parameters
    ----------
    stored : sparse matrix of shape (n_samples, n_features)
        Weights of the entries that it stores, at least 0. A stored 0 leaves its entry out.
    elsewhere : float, default=1.0
        The weight of every entry that `stored` does not store, at least 0.

    References
    ----------
    .. [1] Hu, Koren & Volinsky, "Collaborative filtering for implicit feedback datasets",
       ICDM 2008, 263-272, https://doi.org/10.1109/ICDM.2008.22

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from nonneg import NMF, EntryWeights
    >>> clicks = sp.random_array((50, 30), density=0.1, format="csr", random_state=0)
    >>> confidence = clicks.copy()
    >>> confidence.data = 1 + 40 * confidence.data
    >>> model = NMF(3, solver="hals", alpha_W=0.1)
    >>> W = model.fit_transform(clicks.astype(bool), weights=EntryWeights(confidence))
    >>> model.n_observed_
    1500
    """

    stored: Any
    elsewhere: float = 1.0


class Observation(NamedTuple):
    """The weights of entries, and the sign of missing ones, as a caller says them."""

    missing_values: Any = None
    sample_weight: Any = None
    feature_weight: Any = None
    weights: Any = None

    @property
    def is_trivial(self) -> bool:
        """Whether every entry is observed and weighs 1."""
        return all(value is None for value in self)

    def with_observed(self, observed: Any) -> Observation:
        """Return what is said together with which entries of X are observed."""
        weights = self.weights
        if weights is None:
            return self._replace(weights=observed)
        if isinstance(weights, EntryWeights):
            raise ValueError(WITH_GAPS)
        if sp.issparse(weights):
            return self._replace(weights=weights.multiply(observed))
        if sp.issparse(observed):
            return self._replace(weights=observed.multiply(weights))
        return self._replace(weights=np.where(observed, weights, 0))


NOTHING = Observation()
"""All entries are observed and weigh 1."""


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of all entries of a matrix.

    Parameters
    ----------
    shape : tuple of int
        (n_rows, n_columns).
    rows, columns : ndarray of shape (n_rows,) and (n_columns,), float64, or None
        None stands for ones.
    rest : float
        What an entry weighs that `named` does not name, before rows and columns: 0 or 1, or
        another number where X is sparse.
    named : csr_array, ndarray or None
        What is added to `rest`, of this shape: a CSR, or an array with a `rest` of 0.
    """

    shape: tuple[int, int]
    rows: Vector | None = None
    columns: Vector | None = None
    rest: float = 1
    named: Any = None

    @property
    def T(self) -> Weights:
        """Weights of the transpose."""
        turned = Weights(self.shape[::-1], self.columns, self.rows, self.rest)
        named = self.named
        if named is not None and not sp.issparse(named):
            vars(turned)["named"] = named.T
        elif named is not None:
            vars(turned)["named"] = self._turned
            vars(turned)["_turned"] = named
        return turned

    @cached_property
    def _turned(self) -> Any:
        return None if self.named is None else self.named.T.tocsr()

    def cut_rows(self, rows: Any) -> Weights:
        """Weights of some rows, chosen by a slice or by their numbers."""
        named = None if self.named is None else self.named[rows]
        weights = None if self.rows is None else self.rows[rows]
        count = np.arange(self.shape[0])[rows].size
        return Weights((count, self.shape[1]), weights, self.columns, self.rest, named)

    def tile(self, start: int, stop: int, rows: bool = True) -> Vector:
        """Weights of the entries of rows start:stop; `rows` applies those of rows, too."""
        tile = np.full((stop - start, self.shape[1]), float(self.rest))
        if self.named is not None:
            part = self.named[start:stop]
            tile += part.toarray() if sp.issparse(part) else part
        if rows and self.rows is not None:
            tile *= self.rows[start:stop, None]
        if rows and self.columns is not None:
            tile *= self.columns
        return tile

    def of_stored(self, A: Any, rows: bool = True) -> Vector:
        """Weights of the entries that a CSR stores; `rows` applies those of lines, too."""
        i = np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))
        weights = np.full(A.nnz, float(self.rest))
        if self.named is not None:
            weights += np.asarray(self.named[i, A.indices]).ravel()
        if rows and self.rows is not None:
            weights *= self.rows[i]
        if rows and self.columns is not None:
            weights *= self.columns[A.indices]
        return weights

    @cached_property
    def most(self) -> float:
        """Largest weight of an entry before rows and columns."""
        if self.named is None:
            return float(self.rest)
        if not sp.issparse(self.named):
            return float(self.named.max(initial=0))
        most = self.rest + float(self.named.data.max(initial=-np.inf))
        whole = self.named.nnz == self.shape[0] * self.shape[1]
        return most if whole else max(most, float(self.rest))

    def row_counts(self, columns: bool = True) -> Vector:
        """Sums of the weights in each row, those of the row itself left out (n_rows,)."""
        c = self.columns if columns else None
        c = np.ones(self.shape[1]) if c is None else c
        counts = np.full(self.shape[0], self.rest * float(c.sum()))
        if self.named is not None:
            counts += np.asarray(self.named @ c).ravel()
        # sums of -1 and 1 are exact, those of other weights leave rounding
        positive: Vector = np.maximum(counts, 0.0)
        return positive

    @cached_property
    def alike(self) -> AlikeRows | None:
        """Groups of rows that name the same entries; None where there are few."""
        return alike_rows(self.named) if sp.issparse(self.named) else None

    @cached_property
    def total(self) -> float:
        """Sum of all weights."""
        counts = self.row_counts()
        return float(counts.sum() if self.rows is None else counts @ self.rows)

    @cached_property
    def observed_in_rows(self) -> NDArray[np.int64]:
        """Number of entries of each row that weigh something, (n_rows,)."""
        n_columns = self.shape[1]
        columns = None if self.columns is None else self.columns > 0
        n_rows = self.shape[0]
        kept = n_columns if columns is None else int(np.count_nonzero(columns))
        if self.named is None:
            counts = np.full(n_rows, kept if self.rest else 0)
        elif not sp.issparse(self.named):
            positive = self.named > 0
            counts = np.count_nonzero(
                positive if columns is None else positive & columns, axis=1
            )
        else:
            marks = self.named.data <= -self.rest if self.rest else self.named.data > 0
            if columns is not None:
                marks &= columns[self.named.indices]
            if marks.all():
                marked = np.diff(self.named.indptr).astype(np.int64)
            else:
                ends = np.concatenate([[0], np.cumsum(marks, dtype=np.int64)])
                marked = np.diff(ends[self.named.indptr])
            counts = kept - marked if self.rest else marked
        if self.rows is not None:
            counts = np.where(self.rows > 0, counts, 0)
        return np.asarray(counts, dtype=np.int64)

    @cached_property
    def n_observed(self) -> int:
        """Number of entries that weigh something."""
        return int(self.observed_in_rows.sum())

    @property
    def text(self) -> str:
        """Missing and weighted entries in words, as in "3 of 40 entries are missing"."""
        size = self.shape[0] * self.shape[1]
        missing = size - self.n_observed
        told = [f"{missing:,} of {size:,} entries are missing"] if missing else []
        for name, weights in (("rows", self.rows), ("columns", self.columns)):
            if weights is not None:
                told.append(f"{name} have weights")
        entries = self.named if not sp.issparse(self.named) else self.named.data
        plain = {-self.rest, 0} if self.rest else {0, 1}
        if entries is not None and not set(np.unique(entries).tolist()) <= plain:
            told.append("entries have weights")
        return "; ".join(told)

    @property
    def n_bytes(self) -> int:
        """Bytes of the weights of single entries, with those of the transpose."""
        if self.named is None or not sp.issparse(self.named):
            return 0
        M = self.named
        return 2 * int(M.data.nbytes + M.indices.nbytes + M.indptr.nbytes)
