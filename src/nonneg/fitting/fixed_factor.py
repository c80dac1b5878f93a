"""A fixed H, whose transpose and Gram matrix are computed once for many transforms."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.interfaces import Operand
from ..base.validation import check_matrix, check_non_negative
from ..kernels import gram

QUADRATIC = ("frobenius", 2)
"""Values of `beta_loss` for which a plan does not look at the entries of X."""


class FixedFactor(NamedTuple):
    """Hᵀ (n_features, k), C-contiguous, and HHᵀ (k, k) in float64."""

    Ht: Array
    gram: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class KnownPlan:
    """The last plan of transforms by a fixed H, without its X, and its circumstances."""

    circumstances: tuple[Any, ...]
    fixed: FixedFactor
    plan: Any


_plans: WeakKeyDictionary[Any, KnownPlan] = WeakKeyDictionary()


def planned(
    owner: Any, X: Operand, parameters: Any, fixed: FixedFactor, make: Callable[[], Any]
) -> Any:
    """Return a plan for another X of the same kind and shape, or `make` one.

    Plans of an estimator are kept for a dense X and a quadratic loss, of which nothing but
    kind and shape matters: for a row or two, planning takes longer than the solve.
    """
    if X.kind != "dense" or parameters.beta_loss not in QUADRATIC:
        return make()
    circumstances = (
        parameters, type(X), X.shape, X.dtype, X.by_columns, X.n_threads, X.is_weighted
    )  # fmt: skip
    known = _plans.get(owner)
    if (
        known is not None
        and known.fixed is fixed
        and known.circumstances == circumstances
    ):
        return dataclasses.replace(known.plan, X=X)
    plan = make()
    if plan.X is X and plan.constraints is None:
        kept = dataclasses.replace(plan, X=None)
        _plans[owner] = KnownPlan(circumstances, fixed, kept)
    return plan


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
