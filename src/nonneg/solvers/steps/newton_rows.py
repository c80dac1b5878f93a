"""Half-steps of scalar Newton sweeps, and exact solves for rows, by Kullback-Leibler."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ...base.arrays import Array
from ...base.interfaces import Operand, Problem, Progress
from ...base.penalty import Penalty
from ...base.validation import warn
from ...kernels import RowArrays
from ...kernels.beta_steps import beside
from ...kernels.newton_steps import NewtonUpdate
from ...kernels.row_methods import NewtonReport
from .half_steps import with_shares
from .measured_pairs import told
from .mu_steps import terms_of
from .quadratic_iteration import factor_penalties

EXACT_SWEEPS = 2000
"""Most sweeps of an exact solve for a row."""
UNFINISHED = (
    "{n} of {n_rows} rows of W are not solved for to optimality after {sweeps} sweeps: "
    "components are nearly dependent. Fit fewer components, or penalise W."
)
EXACT = {np.dtype(np.float64): 1e-10, np.dtype(np.float32): 1e-5}
"""A row of W counts as solved exactly when its objective is above its minimum by at most
this share of the sum of its row of X."""


def half_step(
    problem: Problem,
    X: Operand,
    rows: RowArrays,
    Bt: Array,
    penalty: Penalty,
    **options: Any,
) -> NewtonReport:
    """Do one half-step for the rows of the factor that X's rows belong to."""
    step = NewtonUpdate(terms_of(problem).floor, **options)
    shared = beside(Bt, X.n_threads, penalty)
    return X.by_rows.run_pass(step, with_shares(rows, penalty), shared)


def solve_W(problem: Problem, W: Array, Ht: Array) -> Progress:
    """Solve for W exactly, in place, beside a fixed H; warn where that takes too long."""
    report = half_step(
        problem, problem.X, RowArrays(W, W), Ht, problem.penalty_W,
        sweeps=EXACT_SWEEPS, tolerance=EXACT[problem.X.dtype],
        rescale=not problem.update_H,
    )  # fmt: skip
    unfinished = int(report.unfinished)
    if unfinished > 0:
        text = UNFINISHED.format(n=unfinished, n_rows=len(W), sweeps=EXACT_SWEEPS)
        warn(text, ConvergenceWarning)
    objective = report.value + factor_penalties(problem, W, Ht)
    residual, sweeps = relative(problem, report.residual), report.sweeps
    return told(objective, residual, None, unfinished == 0, sweeps / W.shape[0])


def relative(problem: Problem, violation: float) -> float:
    """Return the violation as a share of the sum of X."""
    total = problem.X.stats().sum
    return violation / total if total > 0 else 0.0
