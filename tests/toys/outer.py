"""A kind of store: the matrix a·bᵀ, whose rows are made when they are asked for."""

from __future__ import annotations

import numpy as np

from nonneg.plugins import DenseStore, register_store


class OuterProduct:
    """The matrix a·bᵀ, given by its two vectors."""

    def __init__(self, a, b):
        self.a, self.b = a, b


@register_store(lambda X: isinstance(X, OuterProduct))
class OuterProductStore(DenseStore):
    """The rows of an outer product, which a fit reads in parts, as it reads a file."""

    dtype = np.dtype(np.float64)

    def __init__(self, X):
        self._X = X
        self.shape = X.a.size, X.b.size

    def read(self, start, stop, out=None):
        rows = np.multiply.outer(self._X.a[start:stop], self._X.b)
        if out is None:
            return rows
        out[...] = rows
        return out
