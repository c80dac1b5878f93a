"""A constraint: components that look the same from both ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nonneg.constraints import ConstraintBase, Majoriser, register_constraint


@register_constraint("mirror")
@dataclass(frozen=True, eq=False)
class Mirror(ConstraintBase):
    """The penalty ½·weight·‖A − reversed A‖², where A has a row for each feature."""

    shrinks = True  # a smaller factor costs less, so the other one needs a scale
    exact = False  # the majoriser touches the penalty at one factor alone
    weight: float = 1.0

    def value(self, A, gram):
        return 0.5 * self.weight * float(np.sum((A - A[::-1]) ** 2, dtype=np.float64))

    def majoriser(self, A, gram):
        # the penalty is ½·a·M·a with M = 2·weight·(I − R), which is below 4·weight·I
        steepest = 4 * self.weight
        gradient = 2 * self.weight * (A - A[::-1])
        return Majoriser(Q=steepest * np.eye(len(gram)), rhs=steepest * A - gradient)
