"""The names from which a solver, loss, store or kind of input of one's own is made."""

from __future__ import annotations

from ..base.interfaces import LossBase, Progress, SolverBase, State, Stats
from ..base.penalty import Penalty
from ..base.steps import OtherFactor, RowsOfW, Step, StepRows, StepShared, StepSums
from ..kernels import Exact, RowArrays, gram
from ..losses.registry import losses
from ..operands.base import Block, BlockedOperand
from ..operands.registration import register_operand
from ..solvers.registry import solvers
from ..solvers.steps.half_steps import HalfStepProgram, half_step, run_half_steps
from ..stores.base import DenseStore, StoreBase, register_store

__all__ = [
    "Block",
    "BlockedOperand",
    "DenseStore",
    "Exact",
    "HalfStepProgram",
    "LossBase",
    "OtherFactor",
    "Penalty",
    "Progress",
    "RowArrays",
    "RowsOfW",
    "SolverBase",
    "State",
    "Stats",
    "Step",
    "StepRows",
    "StepShared",
    "StepSums",
    "StoreBase",
    "gram",
    "half_step",
    "losses",
    "register_operand",
    "register_store",
    "run_half_steps",
    "solvers",
]
