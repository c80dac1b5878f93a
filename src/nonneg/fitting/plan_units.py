"""Plans of fits in other units: of an X whose squares are beyond its dtype."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..base.interfaces import LossBase, Operand
from ..base.records import Iteration
from ..kernels import gram
from ..operands.units import (
    in_unit,
    is_ordinary,
    refuse_size,
    times_power,
    unit_of,
    unit_of_factor,
)
from .fixed_factor import FixedFactor
from .plan import Plan
from .units import Units


def units_of(plan: Plan) -> Units:
    """Return the units of a fit; (0, 0), so none, for data of ordinary size.

    Raises
    ------
    ValueError
        If X is of another size, and not in memory or fitted by batches.
    """
    X = plan.X
    if not has_units(plan.loss) or X.checks_as_read:
        return Units()
    # an X that is not in memory has not been read yet; see `require_ordinary`
    x = unit_of(X, plan.solver.ordinary_norms) if X.native() is not None else 0
    if x and plan.task.keeps_state:
        refuse_size(X)
    if plan.update_H:
        return Units(x, x // 2)
    fixed, H = plan.start.fixed, plan.start.H
    if fixed is not None:
        # its squared norms are known; they may have become 0 or infinite
        square = float(fixed.gram.diagonal().max())
        is_ordinary_H = x == 0 and is_ordinary(square, fixed.Ht.dtype)
        return Units(x, 0 if is_ordinary_H else unit_of_factor(fixed.Ht))
    is_array = x and isinstance(H, np.ndarray) and H.dtype == X.dtype
    return Units(x, unit_of_factor(H) if is_array else 0)


def require_ordinary(plan: Plan) -> None:
    """Refuse an X that would need another unit, but can't be copied into memory.

    Constraints are in the unit of X, so they refuse it, too.
    """
    X = plan.X
    if plan.constraints is not None and has_units(plan.loss):
        if unit_of(X, plan.solver.ordinary_norms):
            refuse_size(X)
        return
    if has_units(plan.loss) and X.native() is None and not X.checks_as_read:
        unit_of(X, plan.solver.ordinary_norms)


def has_units(loss: LossBase) -> bool:
    """Whether the loss is quadratic; others refuse what their powers are too large for."""
    return "quadratic" in loss.provides


def in_units(plan: Plan) -> Plan:
    """Return the plan for X in its unit: itself, or one with a copy of X.

    Raises
    ------
    ValueError
        If X is not of ordinary size, and not in memory or fitted by batches.
    """
    units = units_of(plan) if plan.constraints is None else Units()
    if not units:
        return plan
    start, limits = plan.start, plan.limits
    if start.fixed is not None:
        Ht = times_power(start.fixed.Ht, -units.h)
        fixed = FixedFactor(Ht, gram(Ht, plan.X.n_threads))
        start = dataclasses.replace(start, fixed=fixed)
    callback = limits.callback
    if callback is not None:

        def called(step: Iteration) -> bool | None:
            objective = float(units.objective(step.objective))
            return callback(dataclasses.replace(step, objective=objective))

        limits = dataclasses.replace(limits, callback=called)
    X: Operand = in_unit(plan.X, units.x)
    return dataclasses.replace(plan, X=X, start=start, limits=limits, units=units)
