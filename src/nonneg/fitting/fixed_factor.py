"""The memory of an estimator for its next transform: the fixed H with its Gram matrix, and a plan."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.interfaces import Operand
from ..base.parameters import Parameters
from ..base.validation import check_matrix, check_non_negative
from ..kernels import gram

QUADRATIC = ("frobenius", 2)
"""Values of `beta_loss` for which a plan does not look at the entries of X."""


class FixedFactor(NamedTuple):
    """Hᵀ (n_features, k), C-contiguous, and HHᵀ (k, k) in float64."""

    Ht: Array
    gram: NDArray[np.float64]


class TransformMemory:
    """Results of planning the last transform, which takes longer than to solve for a row or two.

    Other threads may replace each entry, so it is read once, and written as a whole.
    """

    def __init__(self) -> None:
        self._parameters: tuple[Any, Parameters] | None = None
        self._fixed: tuple[Array, FixedFactor] | None = None
        self._plan: tuple[tuple[Any, ...], FixedFactor, Any] | None = None

    def parameters(self, of_fit: Parameters, k: int, solver: Any) -> Parameters:
        """Return the parameters of a transform by the solver of a fit."""
        known, circumstances = self._parameters, (k, solver)
        if known is not None:
            (earlier, *rest), of_transform = known
            if earlier is of_fit and tuple(rest) == circumstances:
                return of_transform
        of_transform = dataclasses.replace(
            of_fit, n_components=k, solver=solver, callback=None, checkpoint=None,
            resume=False,
        )  # fmt: skip
        self._parameters = (of_fit, *circumstances), of_transform
        return of_transform

    def fixed_factor(
        self, H: Array, dtype: Any, n_threads: int, any_sign: bool = False
    ) -> FixedFactor:
        """Return the `FixedFactor` of H (k, n_features) in a dtype.

        It is made anew only if H has changed: H is compared with a copy, entry by entry, which
        costs less than the transpose and the Gram matrix, and notices every change in place.
        H may be negative only with `any_sign`.
        """
        H = H.astype(dtype, copy=False)
        known = self._fixed
        if known is not None:
            earlier, fixed = known
            if earlier.dtype == H.dtype and np.array_equal(earlier, H):
                return fixed
        check_matrix(H, "H", "NMF (components_)")
        if not any_sign:
            check_non_negative(H, "NMF (components_)")
        Ht = np.array(H.T, order="C", copy=True)
        fixed = FixedFactor(Ht, gram(Ht, n_threads))
        self._fixed = (H.copy(), fixed)
        return fixed

    def plan(
        self,
        X: Operand,
        parameters: Parameters,
        fixed: FixedFactor,
        make: Callable[[], Any],
    ) -> Any:
        """Return a plan for another X of the same kind and shape, or `make` one.

        Plans are kept, without their X, for a dense X and a quadratic loss, of which nothing
        but kind and shape matters.
        """
        if X.kind != "dense" or parameters.beta_loss not in QUADRATIC:
            return make()
        circumstances = (
            parameters, type(X), X.shape, X.dtype, X.by_columns, X.n_threads,
            X.is_weighted,
        )  # fmt: skip
        known = self._plan
        if known is not None and known[1] is fixed and known[0] == circumstances:
            return dataclasses.replace(known[2], X=X)
        plan = make()
        if plan.X is X and plan.constraints is None:
            self._plan = circumstances, fixed, dataclasses.replace(plan, X=None)
        return plan


_memories: WeakKeyDictionary[Any, TransformMemory] = WeakKeyDictionary()


def transform_memory(estimator: Any) -> TransformMemory:
    """Return what an estimator keeps for its transforms, beside its parameters and results."""
    return _memories.setdefault(estimator, TransformMemory())
