"""The part of an operand's interface that is for missing and weighted entries."""

from __future__ import annotations

from typing import Any

import numpy as np

from .penalty import Penalty


class WeightedOperand:
    """Capabilities of operands for gaps and weights, with the defaults of an X without any."""

    shared_gram: bool = True
    """Whether half-steps have one Gram matrix for all rows, also by imputation of gaps."""
    is_weighted: bool = False
    """Whether entries are missing or weighted."""
    weight_bytes: int = 0  # of entries, with those of the transpose

    def weights_text(self) -> str:
        """Missing and weighted entries in words; "" where there are none."""
        return ""

    def majorised(
        self,
        start: Any,  # noqa: ARG002
        other: Any,  # noqa: ARG002
        rhs: Any,
        gram: Any,
        penalty: Penalty,
        imputed: bool = False,  # noqa: ARG002
    ) -> tuple[Any, Any, Any]:
        """Return right-hand side, Gram matrix and l1 of a half-step, where `rhs` is X·other.

        With weights they belong to a majoriser that touches the objective at `start`. `rhs`
        may have missing entries imputed by start·otherᵀ already.
        """
        return rhs, gram + penalty.Q, penalty.l1

    def square(self, W: Any, Ht: Any, gram_W: Any, gram_H: Any) -> float | None:  # noqa: ARG002
        """Return ‖WH‖² over the observed entries; None: by Gram matrices, or by a pass."""
        return None

    def imputed_square(
        self,
        W: Any,  # noqa: ARG002
        Ht: Any,  # noqa: ARG002
        start: Any,  # noqa: ARG002
        gram_W: Any,
        gram_H: Any,
        imputed: float,
    ) -> float:
        """Return the square that completes the objective beside ⟨XᵀW, Ht⟩ with imputation.

        Missing entries of X are those of W·startᵀ in that product; `imputed` is the sum of
        their squares.
        """
        return float(np.sum(gram_W * gram_H)) + imputed
