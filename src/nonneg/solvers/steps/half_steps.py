"""Half-steps as requests, so that several models can share one pass over X.

A solver whose models can share passes writes its iteration as a generator: it yields the
half-step that it needs, and receives the sums over X. `run_half_steps` serves one such
generator. `run_together` serves several: one pass over X for all whose next half-step is
of the same kind.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Sequence
from typing import NamedTuple, TypeAlias

from ...base.arrays import Array
from ...base.interfaces import Operand, Progress
from ...base.penalty import Penalty
from ...kernels import Method, RowArrays, SolveReport, inner, solve_rows
from ...kernels.factor_rows import as_dtype
from ...kernels.quadratic_steps import (
    ModelInputs,
    ModelSums,
    RowSolve,
    RowSolveInputs,
    RowSolveRows,
)


class HalfStep(NamedTuple):
    """A request to solve for the rows of one factor by one pass over X.

    `by_columns` asks for a pass over Xᵀ: the rows are then rows of Ht.
    """

    by_columns: bool
    rows: RowArrays
    inputs: ModelInputs
    """The other factor is (n_features, k) or, by columns, (n_samples, k)."""
    method: Method
    accumulate: bool
    imputes: bool = False
    """Whether the sums may have missing entries imputed, see `ModelSums.imputed`."""


HalfStepProgram: TypeAlias = Generator[HalfStep, ModelSums, Progress]


def half_step(
    rows: RowArrays,
    other: Array,
    gram_other: Array,
    penalty: Penalty,
    method: Method,
    *,
    by_columns: bool = False,
    accumulate: bool = True,
    imputes: bool = False,
    moving: Array | None = None,
) -> HalfStep:
    """Build the request for a factor with the given rows and penalty."""
    inputs = ModelInputs(other, gram_other + penalty.Q, penalty.l1, penalty.Q, moving)
    rows = with_shares(rows, penalty)
    return HalfStep(by_columns, rows, inputs, method, accumulate, imputes)


def with_shares(rows: RowArrays, penalty: Penalty) -> RowArrays:
    """Return the rows with the shares by which a penalty counts for each of them."""
    if penalty.linear is None and penalty.quadratic is None:
        return rows
    return dataclasses.replace(rows, linear=penalty.linear, quadratic=penalty.quadratic)


def solve_half(
    rows: RowArrays,
    rhs: Array,
    gram_other: Array,
    penalty: Penalty,
    method: Method,
    n_threads: int,
    grams: bool = False,
) -> SolveReport:
    """Do a half-step whose right-hand side is known already, without X."""
    rhs = as_dtype(rhs, rows.solved.dtype)
    report: SolveReport = solve_rows(
        rows, rhs, gram_other + penalty.Q, penalty.l1, method, grams, n_threads
    )
    return report


def solve_half_of(
    X: Operand,
    rows: RowArrays,
    other: Array,
    rhs: Array,
    gram_other: Array,
    penalty: Penalty,
    method: Method,
    grams: bool = False,
    by_columns: bool = False,
    imputed: bool = False,
) -> SolveReport:
    """Do a half-step whose product of X and `other` is known already, without X.

    It is for the rows of W or, by columns, for those of Ht. The product may have missing
    entries imputed by the start of the rows.
    """
    if by_columns and X.is_weighted:
        X = X.T
    problem = X.majorised(rows.start, other, rhs, gram_other, penalty, imputed)
    rhs_of_rows = as_dtype(problem[0], rows.solved.dtype)
    report: SolveReport = solve_rows(
        rows, rhs_of_rows, problem[1], problem[2], method, grams, X.n_threads
    )
    if X.is_weighted:
        report.cross = inner(rhs, rows.solved)
    return report


def solve_in_a_pass(
    X: Operand,
    rows: RowArrays,
    other: Array,
    gram_other: Array,
    penalty: Penalty,
    method: Method,
    moving: Array | None = None,
) -> ModelSums:
    """Do a half-step by a pass over X that makes the sums for the other one as well."""
    request = half_step(rows, other, gram_other, penalty, method, moving=moving)
    return _serve(X, [request])[0]


def run_half_steps(X: Operand, iteration: HalfStepProgram) -> Progress:
    """Run one iteration, serving its half-steps one by one; return its progress."""
    try:
        request = next(iteration)
        while True:
            request = iteration.send(_serve(X, [request])[0])
    except StopIteration as done:
        progress: Progress = done.value
        return progress


def run_together(X: Operand, iterations: Sequence[HalfStepProgram]) -> list[Progress]:
    """Run one iteration of several models side by side; return their progress."""
    progress: dict[int, Progress] = {}
    answers: dict[int, ModelSums | None] = dict.fromkeys(range(len(iterations)))
    while answers:
        requests: dict[int, HalfStep] = {}
        for r, answer in answers.items():
            try:
                requests[r] = (
                    next(iterations[r])
                    if answer is None
                    else iterations[r].send(answer)
                )
            except StopIteration as done:
                progress[r] = done.value
        answers = {}
        for kind in sorted({(q.by_columns, q.accumulate) for q in requests.values()}):
            group = {
                r: q
                for r, q in requests.items()
                if (q.by_columns, q.accumulate) == kind
            }
            answers.update(zip(group, _serve(X, list(group.values())), strict=True))
    return [progress[r] for r in range(len(iterations))]


def _serve(X: Operand, requests: Sequence[HalfStep]) -> tuple[ModelSums, ...]:
    """Serve half-steps of one kind by one pass over X."""
    imputes = all(q.imputes for q in requests)
    step = RowSolve(tuple(q.method for q in requests), requests[0].accumulate, imputes)
    rows = RowSolveRows(tuple(q.rows for q in requests))
    inputs = RowSolveInputs(tuple(q.inputs for q in requests))
    X = X.T if requests[0].by_columns else X
    return X.run_pass(step, rows, inputs).models
