"""Several models of one X, of any ranks and random starts, fitted side by side, all kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..base.arrays import Array
from ..base.deadline import OutOfTime
from ..base.interfaces import Operand, Problem, SolverBase
from ..base.parameters import Parameters
from ..base.penalties import scaled_penalties
from ..base.records import StopReason
from ..base.threads import single_threaded_blas
from ..initialization.given_start import starting_factors
from ..losses.beta import make_loss
from ..operands.low_rank import OVERSAMPLES, compressed
from ..solvers.composed.many_starts import ManyStarts, ManyStartsState
from ..solvers.registry import solvers
from ..solvers.steps.quadratic_iteration import factor_penalties
from . import loop
from .checkpoints.files import Past
from .fit_plan import plan
from .plan import Plan
from .plan_checks import AUTO
from .plan_choices import choose_solver
from .run import WEIGHTS

LEAST_SHARE = 3
"""Least number of stored entries of X for each number of its sketch (D-GROUP-SKETCH)."""


class ModelStart(NamedTuple):
    """The number of components of a model, and the seed of its random start."""

    k: int
    seed: int
    init: str = "random"


@dataclass(frozen=True, eq=False)
class FittedModel:
    """The factors of one of several models.

    Attributes
    ----------
    W : ndarray of shape (n_samples, k)
    Ht : ndarray of shape (n_features, k)
    objective : float
        Penalised objective at the factors.
    loss : float
        The objective without its penalties.
    n_iter : int
    converged : bool
    """

    W: Array
    Ht: Array
    objective: float
    loss: float
    n_iter: int
    converged: bool


def fit_models(
    X: Operand,
    parameters: Parameters,
    models: Sequence[ModelStart],
    sketch: Operand | None = None,
) -> list[FittedModel]:
    """Fit all models side by side, sharing passes over X where the solver can.

    A model ends as a fit of its own would, without the improvement after the last
    iteration. It does not depend on the other models, up to rounding.

    Parameters
    ----------
    X : Operand of shape (n_samples, n_features)
    parameters : Parameters
        Checked parameters; `n_components`, `init`, `random_state` and `n_init` are those of
        each model.
    models : sequence of ModelStart
    sketch : Operand or None
        X compressed, see `sketch_for`: the models converge on it first, then on X.

    Raises
    ------
    KeyboardInterrupt, OutOfTime
        If the fits are interrupted, or the time of the call is over; their factors are lost.
    """
    fit = _plan_of(X, parameters, models).stored_by_rows()
    with single_threaded_blas():
        problems = [_problem(fit, parameters, model) for model in models]
        starts = [_start(fit, parameters, model) for model in models]
        if sketch is not None:
            on_sketch = [dataclasses.replace(p, X=sketch) for p in problems]
            solver, state = _iterated(fit, on_sketch, starts)
            each = zip(on_sketch, state.models, strict=True)
            starts = [solver.base.finish(*model) for model in each]
        return _finished(problems[0], *_iterated(fit, problems, starts))


def _iterated(
    fit: Plan, problems: list[Problem], starts: list[tuple[Array, Array]]
) -> tuple[ManyStarts, ManyStartsState]:
    """Iterate until all models have ended; return their solver and state."""
    solver = ManyStarts(fit.solver, problems, starts)
    past = Past(solver.start(problems[0], *starts[0]))
    outcome = loop.run(solver, problems[0], past, fit.limits)
    if outcome.interrupt is not None:
        raise outcome.interrupt
    if outcome.stop_reason is StopReason.MAX_TIME:
        raise OutOfTime
    return solver, outcome.state


def sketch_for(
    X: Operand, parameters: Parameters, largest: int, seed: int
) -> Operand | None:
    """Return X compressed for models of up to `largest` components, or None.

    There is one where iterations on it cost little beside those on X, for solvers that can
    begin on it, where `memory_limit` is not set and the models are to converge.
    """
    numbers = (largest + OVERSAMPLES) * sum(X.shape)
    limited = X.in_parts or parameters.memory_limit is not None or parameters.tol == 0
    if limited or X.is_weighted or X.entries < LEAST_SHARE * numbers:
        return None
    if not solver_class(X, parameters).compressible:
        return None
    with single_threaded_blas():
        return compressed(X, largest, np.random.RandomState(seed))


def solver_class(X: Operand, parameters: Parameters) -> type[SolverBase]:
    """Return the class of the solver, where it is "auto" that of the one it stands for."""
    solver = parameters.solver
    if solver == AUTO:
        solver = choose_solver(make_loss(parameters.beta_loss), X).value
    return solvers.class_of(solver)


def _plan_of(X: Operand, parameters: Parameters, models: Sequence[ModelStart]) -> Plan:
    """Return the plan of all models: one for as many starts of the largest."""
    largest = max(models)
    together = dataclasses.replace(
        parameters, n_components=largest.k, init=largest.init, n_init=len(models)
    )
    return plan(X, together)


def _of_model(parameters: Parameters, model: ModelStart, fit: Plan) -> Parameters:
    return dataclasses.replace(
        parameters, n_components=model.k, init=model.init, random_state=model.seed,
        solver=fit.parameters.solver, n_init=1,
    )  # fmt: skip


def _problem(fit: Plan, parameters: Parameters, model: ModelStart) -> Problem:
    weights = {name: vars(parameters)[name] for name in WEIGHTS}
    penalty_W, penalty_H = scaled_penalties(model.k, fit.X.shape, **weights)
    return Problem(fit.X, fit.loss, penalty_W, penalty_H, random_state=model.seed)


def _start(fit: Plan, parameters: Parameters, model: ModelStart) -> tuple[Array, Array]:
    W, Ht = starting_factors(
        fit.X, _of_model(parameters, model, fit), None, None, True, fit.start.positive
    )
    return fit.X.to_rows_of_X(W), Ht


def _finished(
    first: Problem, solver: ManyStarts, state: ManyStartsState
) -> list[FittedModel]:
    solver.evaluate(first, state)
    base: SolverBase = solver.base
    models = []
    for r, model in enumerate(state.models):
        problem = solver.problems[r]
        W, Ht = base.finish(problem, model)
        last = state.last[r]
        converged = last is not None and bool(np.all(last.converged))
        objective = float(state.best[r])
        loss = objective - factor_penalties(problem, W, Ht)
        models.append(FittedModel(W, Ht, objective, loss, model.n_iter, converged))
    return models
