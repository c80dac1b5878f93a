"""A fixed H with what is computed from it once, for many transforms by the same H."""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ..base.interfaces import Array
from ..base.validation import check_matrix, check_non_negative
from ..kernels import gram


class FixedFactor(NamedTuple):
    """Hᵀ (n_features, k), C-contiguous, and HHᵀ (k, k) in float64."""

    Ht: Array
    gram: NDArray[np.float64]


_caches: WeakKeyDictionary[Any, FixedFactorCache] = WeakKeyDictionary()


def fixed_factor(owner: Any, H: Array, dtype: Any, n_threads: int) -> FixedFactor:
    """Return the `FixedFactor` of an estimator, that of the last call if H is unchanged."""
    return _caches.setdefault(owner, FixedFactorCache()).get(H, dtype, n_threads)


class FixedFactorCache:
    """The last `FixedFactor`, kept until the content of H or its dtype changes.

    H is compared entry by entry with a copy: that costs less than the transpose and
    the Gram matrix, and no change in place goes unseen.
    """

    def __init__(self) -> None:
        self._entry: tuple[Array, FixedFactor] | None = None

    def get(self, H: Array, dtype: Any, n_threads: int) -> FixedFactor:
        """Return the `FixedFactor` of H (k, n_features) in a dtype."""
        H = H.astype(dtype, copy=False)
        # read and written as one: other threads may be doing the same
        entry = self._entry
        if entry is not None:
            known, fixed = entry
            if known.dtype == H.dtype and np.array_equal(known, H):
                return fixed
        check_matrix(H, "H", "NMF (components_)")
        check_non_negative(H, "NMF (components_)")
        Ht = np.array(H.T, order="C", copy=True)
        fixed = FixedFactor(Ht, gram(Ht, n_threads))
        self._entry = (H.copy(), fixed)
        return fixed
