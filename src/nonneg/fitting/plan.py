"""The plan of a fit: everything that is decided before its first number."""

from __future__ import annotations

import dataclasses
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..base.interfaces import LossBase, Operand, SolverBase, State
from ..base.parameters import Parameters
from ..base.passes import Passes
from ..base.threads import (
    held_blas,
    reason_for_default,
    resolve_n_threads,
    single_threaded_blas,
)
from ..initialization.svd_start import count_products
from ..operands.low_rank import SKETCH_PASSES
from ..operands.streamed.row_batches import RowBatches
from ..solvers.block_least_squares import BlockLeastSquares
from ..solvers.composed.many_starts import go_alone
from ..solvers.minibatch import MiniBatch
from ..solvers.registry import solver_name
from .constraint_plan import Constraints
from .fixed_factor import FixedFactor
from .loop import Limits
from .memory_plan import MemoryPlan
from .plan_text import plan_text
from .units import ORDINARY, Units

FIXED = "fixed H"
"""Name of the start of W beside a fixed H."""
PLAIN_STARTS = ("custom", "random", FIXED)
"""Starts that take no decomposition."""


@dataclass(frozen=True)
class Task:
    """The kind of work that a plan is made for."""

    name: str
    polishes: bool = True
    """Whether the solver improves the result after the last iteration."""
    warns: bool = True
    """Whether an end without convergence brings a warning."""
    at_scale: bool = False
    """Whether the loss takes its terms at the scale of all of X."""
    keeps_state: bool = False
    """Whether the state is part of the result, so that later steps go on from it."""
    is_step: bool = False
    """Whether the task is a single step, on rows that are new each time."""


FIT = Task("fit")


@dataclass(frozen=True, eq=False)
class Start:
    """The start of the factors."""

    init: str
    """Name of the start, never None; also "custom" or "fixed H"."""
    positive: bool = False
    """Whether the start must have no zeros, as the solver could never leave them."""
    W: Any = None
    H: Any = None
    """W and H as the caller gave them."""
    fixed: FixedFactor | None = None
    """Fixed H that is checked already."""
    state: State | None = None
    """State of earlier steps, which the run does not write to."""

    @property
    def has_zero_H(self) -> bool:
        """Whether H is fixed and is 0."""
        if self.init != FIXED:
            return False
        if self.fixed is not None:
            return not self.fixed.Ht.any()
        return not np.any(self.H)


@dataclass(frozen=True)
class CheckpointPlan:
    """File of the checkpoints of a fit, their interval, and whether the fit resumes."""

    path: Path
    every: float
    resume: bool


@dataclass(frozen=True, eq=False, repr=False)
class Plan:
    """Everything that is decided about a fit, with the reason for each choice.

    The text `str(plan)` describes the plan in a few lines.

    Attributes
    ----------
    X : Operand
        X as it will be read.
    parameters : Parameters
        Parameters in which the chosen solver takes the place of solver="auto".
    loss : LossBase
    solver : SolverBase
    start : Start
    k : int
        Number of components.
    limits : Limits
        Limits at which the loop ends.
    memory : MemoryPlan
    update_H : bool
        False where W alone is solved for.
    compress : bool
        Whether the fit starts on a compressed X.
    single : bool
        Whether the fit of a float64 X starts in float32.
    checkpoint : CheckpointPlan or None
    copies_rows : bool
        Whether the run begins with a copy by rows of an X that is stored by columns.
    steps_per_pass : int
        Iterations that read X once, where these are mini-batches; else 1.
    rows_at_once : int or None
        Rows of W that a transform solves for at a time; None: all.
    task : Task
    units : Units
        Units of X and the factors inside the fit.
    constraints : Constraints or None
        Constraints on W and H, prepared for them.
    reasons : dict of str to str
        Reason of each choice by its name.
    """

    X: Operand
    parameters: Parameters
    loss: LossBase
    solver: SolverBase
    start: Start
    k: int
    limits: Limits
    memory: MemoryPlan
    update_H: bool = True
    compress: bool = False
    single: bool = False
    checkpoint: CheckpointPlan | None = None
    copies_rows: bool = False
    steps_per_pass: int = 1
    rows_at_once: int | None = None
    task: Task = FIT
    units: Units = ORDINARY
    constraints: Constraints | None = None
    reasons: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def solver_name(self) -> str:
        """Name of the solver in the result."""
        if self.task.at_scale:
            return self.solver.name
        return solver_name(self.parameters.solver)

    @property
    def tells_loss(self) -> bool:
        """Whether the loss comes from the last objective, without another pass over X.

        Both agree to rounding. A cluster makes the pass.
        """
        X = self.X
        return (
            not X.on_workers
            and (X.in_parts or not X.is_weighted)
            and self.update_H
            and self.task.polishes
            and self.solver.tells_objective
            and X.shared_gram
            and self.parameters.n_init == 1
        )

    def held_blas(self) -> AbstractContextManager[None]:
        """Hold BLAS to one thread inside the block, where it might take more."""
        made = self.start.init in PLAIN_STARTS or self.start.state is not None
        if made and self.parameters.n_init == 1:
            return held_blas(self.X.shape, self.k)
        return single_threaded_blas()

    def on_rows(self, X: Operand) -> Plan:
        """Return the plan for some rows of X, beside the same fixed H."""
        return dataclasses.replace(self, X=X)

    def stored_by_rows(self) -> Plan:
        """Return the plan for X as the run needs it, which may copy X."""
        if not self.copies_rows:
            return self
        X, solver = self.X.stored_by_rows(), self.solver
        if isinstance(solver, MiniBatch | BlockLeastSquares):
            batches = solver.batches
            assert isinstance(batches, RowBatches)
            solver = dataclasses.replace(solver, batches=batches.on(X))
        return dataclasses.replace(self, X=X, solver=solver, copies_rows=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as numbers and texts, ready for JSON."""
        X, parameters, memory = self.X, self.parameters, self.memory
        n_threads = None if X.on_workers else X.n_threads
        chosen = {
            "solver": self.solver_name,
            "start": self.start.init,
            "blocks": parameters.blocks,
            "compression": self.compress,
            "precision": "float32, then float64" if self.single else X.dtype.name,
            "reading": self._reading(),
            "W": self._place_of_W(),
            "weights": X.weights_text(),
            "window": memory.window_bytes,
            "threads": n_threads,
        }
        reasons = self.reasons | {"W": memory.reason, "threads": self._why_threads()}
        # a store's entries are not known before it is read
        sweeps = None if X.in_parts else self.solver.sweeps_for(X, self.k)
        if sweeps is not None and self.update_H:
            chosen["sweeps"], reasons["sweeps"] = sweeps
        if memory.window_bytes:
            reasons["window"] = memory.window_reason
        return {
            "task": self.task.name,
            "n_samples": X.shape[0],
            "n_features": X.shape[1],
            "dtype": X.dtype.name,
            "sparse": X.sparse,
            "n_components": self.k,
            "loss": self.loss.name,
            "choices": {
                name: {"value": value, "reason": reasons[name]}
                for name, value in chosen.items()
                if name in reasons
            },
            "n_init": parameters.n_init,
            "bytes_of_X": X.stored_bytes,
            "bytes_of_weights": X.weight_bytes,
            "window_bytes": memory.window_bytes,
            "passes": self.count_passes(),
            "steps_per_pass": self.steps_per_pass,
            "max_iter": self.limits.max_iter,
            "tol": self.limits.tol,
            "max_time": self.limits.max_time,
            "memory_limit": memory.limit,
            "memory": memory.expected,
            "memory_of_factors": memory.factors,
            "memory_of_sketch": memory.sketch,
            "memory_of_single": memory.single,
            "memory_of_row_copy": memory.row_copy,
            "n_threads": n_threads,
            "checkpoint": None
            if self.checkpoint is None
            else str(self.checkpoint.path),
        }

    def count_passes(self) -> dict[str, int]:
        """Return the passes over X for each stage of a fit: a first look up to the end."""
        X, start = self.X, self.start
        counted = self.solver.passes(X, self.update_H)
        products = 0
        if self.update_H and start.state is None:
            products = count_products(start.init, self.k, X.shape)
        counted = self._of_all_models(counted)
        # a pass for the error of the final W and H, which a single step does not compute
        has_error = self.task.polishes and self.update_H
        error = 1 if has_error and not self.tells_loss else 0
        return {
            "look": 1 if X.in_parts and not X.checks_as_read else 0,
            "start": products + counted.start + counted.once,
            "sketch": SKETCH_PASSES if self.compress else 0,
            "iteration": counted.iteration,
            "end": counted.end + error,
        }

    def _of_all_models(self, one: Passes) -> Passes:
        """Return the passes of all models of a fit, by those of one."""
        models = self.parameters.n_init if self.update_H else 1
        if models == 1:
            return one
        start, iteration, end = models * one.start, models * one.iteration, one.end
        p = self.parameters
        is_free = p.alpha == p.alpha_W == 0 and p.alpha_H in (0, "same")
        alone = go_alone(self.solver, self.X, self.k, is_free)
        if self.solver.shares_passes and not (self.compress or alone):
            start, iteration = start + (models - 1) * one.apart, one.iteration
        if not self.solver.reports_objective:
            end += models
        return Passes(start, iteration, end, one.once)

    def _reading(self) -> str:
        if self.X.on_workers:
            return "on the workers of a cluster"
        return "in parts" if self.X.in_parts else f"in memory, by {self.X.layout}"

    def _why_threads(self) -> str:
        wanted = self.parameters.n_threads
        if self.X.on_workers:
            return "Dask's scheduler runs the tasks"
        if self.X.n_threads != resolve_n_threads(wanted):
            return "as X is set up"
        return reason_for_default() if wanted is None else "as asked for"

    def _place_of_W(self) -> str:
        if self.X.on_workers:
            return "on the workers of a cluster"
        folder = self.memory.folder
        return "in memory" if folder is None else f"on disk in {folder.folder}"

    def __str__(self) -> str:
        return plan_text(self.as_dict())

    def __repr__(self) -> str:
        return str(self)
