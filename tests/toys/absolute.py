"""A loss: the sum of absolute differences over the observed entries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nonneg.plugins import LossBase, OtherFactor, RowsOfW, Step, losses


@dataclass(frozen=True)
class AbsoluteResidual(Step):
    """Σ |X_b − W·Htᵀ| over the block."""

    name = "absolute_residual"

    def __call__(self, X_b, mask_b, rows_b, shared):
        dense = X_b.toarray() if hasattr(X_b, "toarray") else X_b
        residual = np.abs(dense - rows_b.W @ shared.Ht.T)
        if mask_b is not None:
            residual *= mask_b
        return float(residual.sum(dtype=np.float64))


@losses.register("absolute")
class Absolute(LossBase):
    """Σ |x − (WH)|, which no quadratic solver can minimise."""

    name = "absolute"
    provides = frozenset({"subgradient"})

    def value(self, X, W, Ht):
        return X.run_pass(AbsoluteResidual(), RowsOfW(W), OtherFactor(Ht))

    def error(self, value):
        return value
