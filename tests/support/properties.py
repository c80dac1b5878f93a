"""What every solver must do on every kind of input, as functions that tests share."""

from __future__ import annotations

from typing import Any

import numpy as np

from nonneg.base.interfaces import Penalty, Problem
from nonneg.fitting.checkpoints.files import Past
from nonneg.fitting.loop import Limits, Outcome, run
from support import oracles
from support.tolerances import tol


def fit(
    solver: Any, problem: Problem, W: Any, Ht: Any, n_iter: int
) -> tuple[Any, Any, Outcome]:
    """Iterate on copies of the start: (W, Ht, outcome)."""
    state = solver.start(problem, W.copy(), Ht.copy())
    outcome = run(solver, problem, Past(state), Limits(max_iter=n_iter, tol=0.0))
    W, Ht = solver.finish(problem, outcome.state)
    return W, Ht, outcome


def all_penalties(solver: Any, problem: Problem, k: int) -> tuple[Penalty, Penalty]:
    """The problem's penalties, with those that "pg" adds for its `sparseness`.

    Sparse factor: ½·beta·(sum of a row's entries)²; the other: ½·eta·|row|².
    """
    penalty_W, penalty_H = problem.penalty_W, problem.penalty_H
    wanted = getattr(solver, "sparseness", None)
    if wanted is None:
        return penalty_W, penalty_H
    terms = [solver.beta * np.ones((k, k)), solver.eta * np.eye(k)]
    if wanted == "components":
        terms.reverse()
    return (
        Penalty(penalty_W.l1, penalty_W.Q + terms[0]),
        Penalty(penalty_H.l1, penalty_H.Q + terms[1]),
    )


def assert_valid(W: Any, Ht: Any, dtype: Any) -> None:
    """Factors are finite, not negative, of the dtype of X and stored row by row."""
    for factor in (W, Ht):
        assert factor.dtype == dtype
        assert factor.flags.c_contiguous
        assert np.isfinite(factor).all()
        assert (factor >= 0).all()


def assert_descends(
    solver: Any,
    problem: Problem,
    X: Any,
    W: Any,
    Ht: Any,
    n_iter: int = 12,
    mask: Any = None,
) -> list[float]:
    """The objective of what is returned never rises, and is the definition's.

    No reported objective is below it. Returns the objectives by the definition, the start's first.
    """
    dense = oracles.to_float64(X)
    penalties = all_penalties(solver, problem, W.shape[1])
    values = [oracles.objective(dense, W, Ht, *penalties, mask, problem.loss.name)]
    dtype = W.dtype
    # rounding of ½‖X‖² − ⟨X, WH⟩ + ½‖WH‖², of which the objective is the small rest
    size = float(np.sum(dense**2)) + values[0]
    noise = tol(dtype, dense.size) * size
    state = solver.start(problem, W.copy(), Ht.copy())
    for _ in range(n_iter):
        progress = solver.iterate(problem, state)
        state.n_iter += 1
        done = solver.finish(problem, state)
        assert_valid(*done, dtype)
        values.append(
            oracles.objective(dense, *done, *penalties, mask, problem.loss.name)
        )
        if progress.objective is not None:
            reported = progress.objective.min()
            assert values[-1] <= reported + noise
            if reported < values[-2] - noise:  # the best so far is what is returned
                assert abs(reported - values[-1]) <= noise
        assert np.isfinite(progress.residual).all()
    assert max(np.diff(values)) <= noise
    return values
