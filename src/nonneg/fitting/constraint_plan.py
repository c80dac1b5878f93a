"""Constraints of a fit: prepared for both factors, and refused where they don't go."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..base.constraint import ConstraintBase, Factor, as_constraints
from ..base.interfaces import LossBase, Operand, SolverBase
from ..base.parameters import Parameters
from ..base.validation import warn
from ..losses.beta import make_loss
from ..operands.observed import ObservedOperand
from ..solvers.constrained import ConstrainedLeastSquares
from ..solvers.constrained_divergence import ConstrainedDivergence
from ..solvers.hals import Hals
from ..solvers.mu import MultiplicativeUpdates
from ..solvers.registry import solver_name
from ..solvers.sn import ScalarNewton
from ..solvers.steps.factor_constraints import FactorConstraints

GROWS = (
    "{name} on {factor} has no minimum: the penalty falls as {factor} shrinks, and nothing "
    "keeps {other} from growing instead. Pass constraints_{other}=Simplex() or "
    "Bounds(upper=...), or alpha_{other} > 0."
)
ONE_SIDED = (
    "alpha_W={alpha_W:g} with alpha_H=0 penalises W alone: the penalty falls as W shrinks and "
    "H grows, and the fit has no minimum to reach. Pass alpha_H='same', or constrain the "
    "scale of H."
)


class Constraints(NamedTuple):
    """The constraints of both factors."""

    W: FactorConstraints
    H: FactorConstraints


def given_constraints(
    parameters: Parameters, factor: str, update_H: bool = True
) -> tuple[ConstraintBase, ...]:
    """Return the constraints on "W" or "H" that say something."""
    if factor == "H" and not update_H:
        return ()
    stated = vars(parameters).get(f"constraints_{factor}")
    return tuple(c for c in as_constraints(stated) if not c.is_void)


def components_of_fixed(parameters: Parameters) -> int | None:
    """Return the number of components that known entries tell, or None."""
    for factor in ("W", "H"):
        for constraint in given_constraints(parameters, factor):
            k = constraint.n_components(factor)
            if k is not None:
                return k
    return None


def plan_constraints(
    X: Operand, parameters: Parameters, k: int, update_H: bool
) -> Constraints | None:
    """Return the constraints of a fit, or None where there are none.

    Raises
    ------
    ValueError
        If one does not fit its factor, two exclude each other, or a penalty has no minimum.
    """
    stated = {f: given_constraints(parameters, f, update_H) for f in ("W", "H")}
    if not any(stated.values()):
        if update_H:
            warn_of_one_side(parameters)
        return None
    sides = _prepared(X, stated, k)
    if update_H:
        _require_scale(sides, stated, parameters)
        warn_of_one_side(parameters, sides)
    return sides


def batch_constraints(X: Operand, parameters: Any, k: int) -> Constraints | None:
    """Return the constraints of a fit by mini-batches, or None where there are none.

    Raises
    ------
    ValueError
        For those that tie rows of several batches, or columns of H, together, for free signs,
        and for sums that are kept exact.
    """
    stated = {f: given_constraints(parameters, f) for f in ("W", "H")}
    if not any(stated.values()):
        return None
    sides = _prepared(X, stated, k)
    _require_scale(sides, stated, parameters)
    if parameters.exact_statistics:
        msg = (
            "MiniBatchNMF does not take exact_statistics=True with constraints: its sums "
            "are those of plain least squares. Pass exact_statistics=False, or fit NMF."
        )
        raise ValueError(msg)
    beta = beta_of(make_loss(parameters.beta_loss))
    for side, constraints in zip(sides, stated.values(), strict=True):
        for part, constraint in zip(side.parts, constraints, strict=True):
            why = _not_by_batches(part, side.factor, beta)
            if why:
                msg = (
                    f"MiniBatchNMF can't obey {type(constraint).__name__} on "
                    f"{side.factor.name}: {why}. Fit NMF."
                )
                raise ValueError(msg)
    return sides


def beta_of(loss: LossBase) -> float:
    """Return the β of a loss, 2 for those that have none."""
    return float(vars(loss).get("beta", 2.0))


def _not_by_batches(part: ConstraintBase, factor: Factor, beta: float) -> str:
    """Return why mini-batches can't obey a constraint; "" if they can."""
    if part.constrained_columns(factor.k) is not None:
        return "a column as a whole can't be moved entry by entry"
    if part.any_sign:
        return "multiplicative updates keep signs"
    if factor.name == "W" and not (part.separable or part.row_wise):
        return "it ties rows of several batches together"
    if beta not in (1, 2) and not FactorConstraints.says_bounds_alone(part):
        return f"with beta_loss={beta:g} there are bounds and known entries alone"
    return ""


def _prepared(X: Operand, stated: dict[str, Any], k: int) -> Constraints:
    return Constraints(
        *(
            FactorConstraints.of(stated[name], Factor(name, n_rows, k, X.dtype))
            for name, n_rows in zip(("W", "H"), X.shape, strict=True)
        )
    )


def _require_scale(
    sides: Constraints, stated: dict[str, Any], parameters: Parameters
) -> None:
    """Refuse a penalty that shrinks with its factor while the other one is free to grow."""
    weights = {
        "W": parameters.alpha_W or parameters.alpha,
        "H": parameters.alpha
        or (parameters.alpha_W if parameters.alpha_H == "same" else parameters.alpha_H),
    }
    for factor, other in (("W", "H"), ("H", "W")):
        this, beside = (sides._asdict()[name] for name in (factor, other))
        tied = (
            this.keeps_from_shrinking()
            or beside.keeps_from_growing()
            or weights[other] != 0
        )
        shrinking = [c for c in stated[factor] if c.shrinks]
        if shrinking and not tied:
            name = type(shrinking[0]).__name__
            raise ValueError(GROWS.format(name=name, factor=factor, other=other))


def warn_of_one_side(parameters: Any, sides: Constraints | None = None) -> None:
    """Warn of a penalty on W alone, which the scale of H escapes."""
    if not (parameters.alpha_W and parameters.alpha_H == 0):
        return
    if sides is not None and (
        sides.W.keeps_from_shrinking() or sides.H.keeps_from_growing()
    ):
        return
    warn(ONE_SIDED.format(alpha_W=parameters.alpha_W), UserWarning)


def _has_weights(X: Operand) -> bool:
    """Whether rows or columns of X have weights."""
    if not isinstance(X, ObservedOperand):
        return False
    return X.weights.rows is not None or X.weights.columns is not None


def _is_divergence(solver: str | SolverBase) -> bool:
    """Whether constrained half-steps go by the terms of a loss, entry by entry."""
    kinds = MultiplicativeUpdates | ScalarNewton
    return isinstance(solver, kinds) or solver in ("mu", "sn")


def require_constrainable(
    parameters: Parameters, loss: LossBase, X: Operand, sides: Constraints
) -> None:
    """Refuse what constraints don't go with."""
    solver = parameters.solver
    name = solver_name(solver)
    able = "'hals' or 'bpp'" if "quadratic" in loss.provides else "'mu' or 'sn'"
    possible = isinstance(solver, Hals) or name in ("hals", "bpp")
    whole_columns = X.on_workers and not sides.W.by_blocks
    for refused, what, instead in (
        (not (possible or _is_divergence(solver)), f"solver={name!r}",
         f"solver={able}, or 'auto'"),
        (parameters.compress is True, "compress=True", "compress=False"),
        (parameters.blocks is not None, f"blocks={parameters.blocks}", "blocks=None"),
        (parameters.accelerate, "accelerate=True", "accelerate=False"),
        (whole_columns, "a Dask array where they tie rows of W together",
         "constraints of single rows, or X in memory or in a store"),
    ):  # fmt: skip
        if refused:
            msg = f"Constraints on W or H don't go with {what}; pass {instead}."
            raise ValueError(msg)
    _require_parts(name, loss, sides)


def _require_parts(name: str, loss: LossBase, sides: Constraints) -> None:
    """Refuse constraints that the solver has no half-step for."""
    beta = beta_of(loss)
    by_terms = _is_divergence(name)
    of_terms = "a column as a whole can't be moved entry by entry"
    for side in sides:
        other_beta = by_terms and beta not in (1, 2)
        for part in side.parts:
            bound = FactorConstraints.says_bounds_alone(part)
            for refused, why, instead in (
                (not part.definite and name == "bpp",
                 "it makes the Gram matrix indefinite, which can't be solved with",
                 "solver='hals'"),
                (by_terms and part.constrained_columns(side.factor.k) is not None,
                 of_terms, "beta_loss='frobenius' with solver='hals'"),
                (by_terms and part.any_sign, "its updates keep signs",
                 "beta_loss='frobenius' with solver='hals'"),
                (other_beta and not bound,
                 f"with beta_loss={beta:g} there are bounds and known entries alone",
                 "beta_loss=1 or 2"),
            ):  # fmt: skip
                if refused:
                    kind = type(part).__name__.lstrip("_")
                    msg = f"Solver {name!r} can't obey {kind}: {why}. Pass {instead}."
                    raise ValueError(msg)


def constrained(
    X: Operand, parameters: Parameters, loss: LossBase, k: int, update_H: bool
) -> tuple[Operand, Constraints | None]:
    """Return X as it is taken, and the constraints of a fit, if there are any.

    Raises
    ------
    ValueError
        If constraints don't go with each other, with X, or with the solver.
    """
    sides = plan_constraints(X, parameters, k, update_H)
    if sides is None:
        return X, None
    require_constrainable(parameters, loss, X, sides)
    if isinstance(X, ObservedOperand):
        # rows are not scaled: constraints are those of the rows as they are
        power = 0.0 if _has_weights(X) else X.power
        # with least squares, missing entries are imputed in each half-step
        X = X.taken_by(power, not _is_divergence(parameters.solver) or X.shared_gram)
    return X, sides


def constrained_kind(solver: str | SolverBase) -> type[SolverBase]:
    """Return the class of the solver that obeys constraints in the place of this one."""
    return ConstrainedDivergence if _is_divergence(solver) else ConstrainedLeastSquares


def constrained_solver(
    solver: SolverBase, sides: Constraints | None, loss: LossBase
) -> SolverBase:
    """Return the solver that obeys the constraints: itself, where there are none."""
    if sides is None:
        return solver
    if isinstance(solver, Hals):
        return ConstrainedLeastSquares(solver, sides.W, sides.H)
    exact = bool(loss.provides & {"poisson", "quadratic"})
    return ConstrainedDivergence(solver, sides.W, sides.H, exact)
