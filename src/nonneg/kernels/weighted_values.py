"""The step that sums a loss over some entries of X, with weights, without all of W·H."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..base.arrays import Array
from ..base.steps import OtherFactor, Step, StepRows, StepSums
from .beta_terms import Terms

TILE = 1 << 18
"""Most entries of W·H, or of rows gathered for entries of it, that exist at a time."""
GATHERED = 1 / 64
"""Share of the entries of a block below which single entries of W·H are computed: a product of
matrices makes some fifty times as many in the same time (D-KERNELS-GATHERED)."""


@dataclass(slots=True, eq=False)
class WeightedRows(StepRows):
    """Rows of W, with those of the weights and of the choice of entries."""

    W: Array
    weights: Any = None
    """Weights, dense or CSR; None: 1 each."""
    where: Any = None
    """Chosen entries, a boolean array or a CSR of True; None: all that have a weight."""


@dataclass(slots=True, eq=False)
class ValueSums(StepSums):
    """Sums over the chosen entries with a weight above 0."""

    value: float = 0.0
    """Loss times weight."""
    weight: float = 0.0
    x: float = 0.0
    x_squared: float = 0.0
    n_entries: int = 0
    n_negative: int = 0
    n_missing: int = 0
    """Number of the entries whose x is NaN; they are in no other sum."""


@dataclass(frozen=True)
class WeightedValue(Step[WeightedRows, OtherFactor, ValueSums]):
    """The sum of weight·d(x, y) over the chosen entries, in float64.

    Parameters
    ----------
    terms : Terms or None
        Terms of the loss d; None: ½(x − y)².
    values : bool
        False leaves W·H out, and sums what does not depend on it.
    """

    name = "weighted_value"
    terms: Terms | None = None
    values: bool = True

    def __call__(
        self,
        X_b: Any,
        mask_b: Any | None,
        rows_b: WeightedRows,
        shared: OtherFactor,
    ) -> ValueSums:
        """Return the block's sums."""
        sums = ValueSums()
        n_rows = max(1, TILE // max(1, shared.Ht.shape[0]))
        for part in _parts(rows_b, n_rows):
            rows = rows_b.block(part.start, part.stop)
            i, j, v = _chosen(rows)
            if mask_b is not None:
                v = v * np.asarray(mask_b[part])[i, j]
            x = _entries(X_b[part], i, j).astype(np.float64)
            known = ~np.isnan(x)
            used = known & (v > 0)
            n_missing = int(np.count_nonzero(~known & (v > 0)))
            i, j, x, v = i[used], j[used], x[used], v[used]
            value = 0.0
            if self.values:
                y = product_entries(rows.W, shared.Ht, i, j)
                value = float(v @ self._loss(x, y))
            sums = sums + ValueSums(
                value=value,
                weight=float(v.sum()),
                x=float(x.sum()),
                x_squared=float(x @ x),
                n_entries=x.size,
                n_negative=int(np.count_nonzero(x < 0)),
                n_missing=n_missing,
            )
        return sums

    def _loss(self, x: Array, y: Array) -> Array:
        if self.terms is None:
            squared: Array = 0.5 * (x - y) ** 2
            return squared
        return self.terms.value(x, y)


def _parts(rows: WeightedRows, n_rows: int) -> Iterator[slice]:
    """Cut a block so that a part has about `TILE` entries to choose from, or chosen ones."""
    choice = rows.weights if rows.where is None else rows.where
    start, total = 0, rows.W.shape[0]
    while start < total:
        stop = start + n_rows
        if sp.issparse(choice):
            most = choice.indptr[start] + TILE
            stop = max(stop, int(np.searchsorted(choice.indptr, most, "right")) - 1)
        yield slice(start, min(stop, total))
        start = stop


def _chosen(rows: WeightedRows) -> tuple[Array, Array, Array]:
    """Return row, column and weight of each chosen entry; a weight may be 0."""
    choice = rows.weights if rows.where is None else rows.where
    if sp.issparse(choice):
        i = np.repeat(np.arange(choice.shape[0]), np.diff(choice.indptr))
        j = choice.indices.astype(np.intp)
    else:
        i, j = np.nonzero(choice)
    if rows.weights is None:
        v = np.ones(i.size)
    elif choice is rows.weights and sp.issparse(choice):
        v = choice.data
    else:
        v = _entries(rows.weights, i, j)
    return i, j, np.asarray(v, dtype=np.float64)


def _entries(A: Any, i: Array, j: Array) -> Array:
    """Return the entries of a dense or sparse matrix in these places."""
    picked: Array
    if not sp.issparse(A):
        picked = np.asarray(A)[i, j]
        return picked
    if i.size == 0:
        return np.zeros(0, A.dtype)
    if i.size > GATHERED * A.shape[0] * A.shape[1]:
        return _entries(A.toarray(), i, j)
    # a matrix gives the entries as they are, an array as a sparse vector
    picked = np.asarray(sp.csr_matrix(A)[i, j]).ravel()
    return picked


def product_entries(W: Array, Ht: Array, i: Array, j: Array) -> Array:
    """Return entries of W·Htᵀ, in float64."""
    if i.size > GATHERED * W.shape[0] * Ht.shape[0]:
        return np.asarray((W @ Ht.T)[i, j], dtype=np.float64)
    step = max(1, TILE // max(1, W.shape[1]))
    y = np.empty(i.size)
    for start in range(0, i.size, step):
        part = slice(start, start + step)
        y[part] = np.einsum("ik,ik->i", W[i[part]], Ht[j[part]])
    return y
