"""Step of a pass that moves rows on workers within constraints, for losses by entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...base.arrays import Array
from ...base.penalty import Penalty
from ...base.steps import Step, StepShared, StepSums
from ...kernels import RowArrays, gram
from ...kernels.beta_steps import TermsUpdate, beside
from ...kernels.factor_rows import empty_like
from ...kernels.term_records import TermRows, TermSums
from ...operands.registration import as_operand
from .scattered_constraints import RowsWithin, ScatteredConstraints, Stencil
from .separable_step import moved_within, violation_of


@dataclass(slots=True, eq=False)
class InputsBeside(StepShared):
    """The other factor, the penalty of `alpha_W`, and the Gram matrix of the rows."""

    Ht: Array
    l1: Array
    l2: Array
    own_gram: Any = None


@dataclass(slots=True, eq=False)
class MovedSums(StepSums):
    """The sums for the other factor, and Σ |projected gradient|·entry before."""

    terms: TermSums
    violation: float


@dataclass(frozen=True)
class MoveWithin(Step[RowsWithin, InputsBeside, MovedSums]):
    """A step of the block's rows within constraints, and the sums for the other factor."""

    name = "move_within"
    stencil: Stencil
    terms: Any

    def __call__(
        self,
        X_b: Any,
        mask_b: Any | None,  # noqa: ARG002
        rows_b: RowsWithin,
        shared: InputsBeside,
    ) -> MovedSums:
        """Move the block's rows and return its sums."""
        X, A, terms = as_operand(X_b, 1), rows_b.rows.start, self.terms
        side = self.stencil.filled([one.W for one in rows_b.arrays])
        other = beside(shared.Ht)
        places = TermRows(A, empty_like(A), empty_like(A))
        X.run_pass(TermsUpdate(terms, move=False, accumulate=False), places, other)
        sums = TermSums(places.solved, places.below)
        penalty = Penalty(shared.l1, np.diag(shared.l2))
        violation = violation_of(side, A, sums, penalty, shared.own_gram)
        moved = moved_within(terms, side, A, sums, penalty, shared.own_gram)
        rows_b.rows.solved[...] = moved
        after = X.run_pass(TermsUpdate(terms, move=False), TermRows(moved), other)
        return MovedSums(after, violation)


def move_there(
    there: ScatteredConstraints, terms: Any, A: Any, Ht: Array, penalty: Penalty
) -> tuple[Any, MovedSums]:
    """Return rows on workers after a step beside Ht, and the sums for Ht, by one pass."""
    own_gram = gram(A) if there.has_penalty else None
    shared = InputsBeside(Ht, penalty.l1, penalty.Q.diagonal().copy(), own_gram)
    rows = RowArrays(A, empty_like(A))
    step = MoveWithin(there.stencil, terms)
    sums: MovedSums = there.X.run_pass(step, RowsWithin(rows, there.arrays), shared)
    return rows.solved, sums
