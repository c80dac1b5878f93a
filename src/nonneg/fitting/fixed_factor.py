"""A fixed H, whose transpose and Gram matrix are computed once for many transforms."""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.validation import check_matrix, check_non_negative
from ..kernels import gram


class FixedFactor(NamedTuple):
    """Hᵀ (n_features, k), C-contiguous, and HHᵀ (k, k) in float64."""

    Ht: Array
    gram: NDArray[np.float64]


_caches: WeakKeyDictionary[Any, FixedFactorCache] = WeakKeyDictionary()


def fixed_factor(
    owner: Any, H: Array, dtype: Any, n_threads: int, any_sign: bool = False
) -> FixedFactor:
    """Return the `FixedFactor` of an estimator, computed anew only if H has changed.

    H may be negative only with `any_sign`.
    """
    cache = _caches.setdefault(owner, FixedFactorCache())
    return cache.get(H, dtype, n_threads, any_sign)


class FixedFactorCache:
    """The last `FixedFactor`, kept until the content of H or its dtype changes.

    The cache compares H with a copy, entry by entry. The comparison costs less than the
    transpose and the Gram matrix, and it notices every change in place.
    """

    def __init__(self) -> None:
        self._entry: tuple[Array, FixedFactor] | None = None

    def get(
        self, H: Array, dtype: Any, n_threads: int, any_sign: bool = False
    ) -> FixedFactor:
        """Return the `FixedFactor` of H (k, n_features) in a dtype."""
        H = H.astype(dtype, copy=False)
        # other threads may replace the entry, so it is read once and written as a whole
        entry = self._entry
        if entry is not None:
            known, fixed = entry
            if known.dtype == H.dtype and np.array_equal(known, H):
                return fixed
        check_matrix(H, "H", "NMF (components_)")
        if not any_sign:
            check_non_negative(H, "NMF (components_)")
        Ht = np.array(H.T, order="C", copy=True)
        fixed = FixedFactor(Ht, gram(Ht, n_threads))
        self._entry = (H.copy(), fixed)
        return fixed
