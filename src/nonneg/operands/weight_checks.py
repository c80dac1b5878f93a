"""Checks of the weights of entries, rows and columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from ..base.observed import Vector


def checked_weights(weights: Any, X: Any) -> Any:
    """Return entry weights as an array or CSR of the dtype of X."""
    if sp.issparse(weights):
        weights = sp.csr_array(weights).astype(X.dtype)
        weights.sum_duplicates()
        entries = weights.data
    else:
        weights = entries = np.asarray(weights)
        if weights.dtype.kind not in "fiub":
            msg = f"weights must be numbers; got an array of dtype {weights.dtype}."
            raise ValueError(msg)
        weights = entries = weights.astype(X.dtype, copy=False)
    if weights.shape != tuple(X.shape):
        msg = (
            f"weights has shape {weights.shape}, but X has shape {tuple(X.shape)}. Pass a "
            "weight for each entry of X; 0 leaves an entry out."
        )
        raise ValueError(msg)
    if entries.size and not (np.isfinite(entries.sum()) and entries.min() >= 0):
        msg = (
            "weights must be finite and at least 0; got "
            f"{entries[~(np.isfinite(entries) & (entries >= 0))][0]:g}. Pass 0 to leave an "
            "entry out."
        )
        raise ValueError(msg)
    return weights


def weight_vector(values: Any, name: str, size: int) -> Vector | None:
    """Return weights of rows or columns in float64, None where all are 1."""
    if values is None:
        return None
    array = np.asarray(values)
    length = "n_samples" if name == "sample_weight" else "n_features"
    if array.ndim == 0 or array.dtype.kind not in "fiub" or array.shape != (size,):
        msg = (
            f"{name} must be a vector of {size} numbers ({length}); got "
            f"{'a scalar' if array.ndim == 0 else f'shape {array.shape}'} of dtype "
            f"{array.dtype}. Pass a weight for each, or None."
        )
        raise ValueError(msg)
    vector = array.astype(np.float64)
    if not (np.isfinite(vector).all() and vector.min() >= 0 and vector.max() > 0):
        bad = vector[~(np.isfinite(vector) & (vector >= 0))]
        got = f"{bad[0]:g}" if bad.size else "zeros alone"
        msg = f"{name} must be finite and at least 0, and not all 0; got {got}."
        raise ValueError(msg)
    return None if np.all(vector == 1) else vector
