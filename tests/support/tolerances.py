"""The one tolerance policy of the tests: a multiple of eps that grows with the sum's length.

A test names the dtype and the number of terms that a value was summed from; a
`factor` other than 1 needs a comment that says why.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def tol(dtype: Any, n_terms: int, factor: float = 1.0) -> float:
    """Relative tolerance for a value that is a sum of `n_terms` products."""
    eps = float(np.finfo(dtype).eps)
    return factor * 32.0 * eps * float(np.sqrt(max(1, n_terms)))


def scale(expected: Any) -> float:
    """Largest magnitude in `expected`: what an absolute tolerance is measured by."""
    values = np.asarray(expected)
    return float(np.max(np.abs(values), initial=0.0))


def assert_close(
    actual: Any,
    expected: Any,
    dtype: Any,
    n_terms: int,
    factor: float = 1.0,
    cancelled: Any = 0.0,
) -> None:
    """Compare with relative tolerance `tol`, and `tol` of the largest entry.

    `cancelled` holds values from whose difference the result came, if any: their
    rounding is the result's.
    """
    bound = tol(dtype, n_terms, factor)
    np.testing.assert_allclose(
        np.asarray(actual, dtype=np.float64),
        np.asarray(expected, dtype=np.float64),
        rtol=bound,
        atol=bound * max(scale(expected), scale(cancelled)),
    )
