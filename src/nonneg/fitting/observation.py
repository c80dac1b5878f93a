"""The end of a fit of an X with missing or weighted entries, and its warnings."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from ..base.interfaces import Operand
from ..base.observed import Weights
from ..base.records import FactorizationResult
from ..base.validation import warn
from ..operands.observed import ObservedOperand
from ..solvers.steps.factor_constraints import FactorConstraints
from .fit_plan import plan as plan_fit
from .plan import Plan
from .run import run


def complete(
    X: Operand, result: FactorizationResult, plan: Plan
) -> FactorizationResult:
    """Return the result with the rows of W whose weight is 0 solved for beside the H.

    Parameters
    ----------
    X : Operand
        X as it was prepared.
    result : FactorizationResult
    plan : Plan
        The plan that was carried out.
    """
    if not isinstance(X, ObservedOperand) or X.weights.rows is None:
        return result
    left_out = X.weights.rows == 0
    if not left_out.any() or _ties_rows(plan):
        return result
    weights = dataclasses.replace(X.weights, rows=None)
    parameters = dataclasses.replace(
        plan.parameters, n_components=plan.k, callback=None, verbose=0, max_time=None,
        checkpoint=None, resume=False,
    )  # fmt: skip
    rows = ObservedOperand(X.raw, X.values, weights)
    solved = run(plan_fit(rows, parameters, H=result.H, update_H=False))
    W = np.where(left_out[:, None], solved.W, result.W)
    return dataclasses.replace(result, W=W)


def _ties_rows(plan: Plan) -> bool:
    """Whether rows of weight 0 are part of what is said of W as a whole."""
    if plan.constraints is None:
        return False
    parts = plan.constraints.W.parts
    return not all(part.row_wise or part.separable for part in parts)


def observed_in(X: Operand) -> tuple[int, NDArray[np.float64] | None]:
    """Return the number of observed entries, and the weights of the columns."""
    if isinstance(X, ObservedOperand):
        return X.n_observed, X.weights.columns
    return X.shape[0] * X.shape[1], None


def warn_of_gaps(X: Operand, plan: Plan) -> None:
    """Warn of rows and columns that show too little to be solved for, once for each kind."""
    if not isinstance(X, ObservedOperand):
        return
    seen, sides = X.weights.observed_in_rows, plan.constraints
    counted = X.weights.rows is None or X.weights.rows > 0
    empty = int(np.count_nonzero(np.logical_and(seen == 0, counted)))
    if empty:
        warn(
            f"{empty} of {X.shape[0]} rows of X have no observed entry; their rows of W "
            f"{_ends(sides and sides.W)}.",
            UserWarning,
        )
    if plan.update_H:
        _warn_of_columns(X.weights, sides and sides.H)
    parameters = plan.parameters
    free = parameters.alpha_W == 0 and (
        parameters.alpha == 0 or parameters.regularization in (None, "components")
    )
    free = free and not (sides is not None and sides.W.bounded)
    few = int(np.count_nonzero((seen > 0) & (seen < plan.k)))
    if few and free:
        warn(
            f"{few} of {X.shape[0]} rows of X have fewer observed entries than the "
            f"{plan.k} components, and W is not penalised: predictions of such rows can "
            "be arbitrarily large. Pass alpha_W > 0, or fewer components.",
            UserWarning,
        )


def _ends(side: FactorConstraints | None) -> str:
    """Return what becomes of rows that show nothing."""
    return "are 0" if side is None or side.is_trivial else "obey the constraints alone"


def _warn_of_columns(weights: Weights, side: FactorConstraints | None) -> None:
    seen = weights.T.observed_in_rows
    counted = weights.columns is None or weights.columns > 0
    empty = int(np.count_nonzero(np.logical_and(seen == 0, counted)))
    if empty:
        warn(
            f"{empty} of {weights.shape[1]} columns of X have no observed entry; their "
            f"columns of H {_ends(side)}.",
            UserWarning,
        )
