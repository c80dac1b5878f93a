"""A kind of input: NumPy masked arrays, whose masked entries are not fitted."""

from __future__ import annotations

import numpy as np

from nonneg.plugins import Block, BlockedOperand, Stats, register_operand


@register_operand(lambda X: isinstance(X, np.ma.MaskedArray))
class MaskedOperand(BlockedOperand):
    """A dense X of which only the entries outside the mask are observed."""

    kind = "masked"
    shared_gram = False  # each row has a Gram matrix over its observed columns

    def __init__(self, X, n_threads=1):
        self.X, self.n_threads, self.shape = X, n_threads, X.shape
        self.dtype = np.result_type(X.dtype, np.float32)  # float32 stays, int: float64
        self.values = X.filled(0).astype(self.dtype)
        self.observed = (~np.ma.getmaskarray(X)).astype(self.dtype)
        if not (np.isfinite(self.values).all() and (self.values >= 0).all()):
            raise ValueError("Observed entries of X must be finite and not negative.")

    @property
    def T(self):
        return MaskedOperand(self.X.T, self.n_threads)

    def stats(self):
        values = self.values.astype(np.float64)
        return Stats(values.sum(), (values**2).sum(), int(self.observed.sum()))

    def blocks(self):
        for start in range(0, self.shape[0], 100):
            rows = slice(start, min(start + 100, self.shape[0]))
            yield Block(start, rows.stop, self.values[rows], self.observed[rows])
