"""The result of a factorization and the reasons for which a fit ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class StopReason(StrEnum):
    """Reason for which a fit ended."""

    CONVERGED = "converged"
    MAX_ITER = "max_iter"
    MAX_TIME = "max_time"
    CALLBACK = "callback"
    INTERRUPTED = "interrupted"


ADVICE = {
    StopReason.MAX_ITER: (
        "Maximum number of iterations {max_iter} reached. Increase it to improve "
        "convergence, or raise `tol`={tol:g} to stop earlier."
    ),
    StopReason.MAX_TIME: (
        "max_time={max_time:g} s passed before the first iteration was complete: W and H "
        "are about as they started. Pass more seconds."
    ),
}
"""Sentence shown to the user for each reason that deserves one."""

ROWS_LEFT = (
    "max_time={max_time:g} s passed before all rows of W were solved for. Those that were not "
    "reached are as they started. Pass more seconds."
)
"""Sentence for a solve for W alone that was cut short."""


@dataclass
class History:
    """Reports of the outer iterations: a list per quantity, oldest first.

    With several models `objective` is the objective of the best model, and `objectives`
    has a row with the smallest objective so far of each model.
    """

    objective: list[float] = field(default_factory=list)
    residual: list[float] = field(default_factory=list)
    sweeps: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    objectives: list[NDArray[np.float64]] = field(default_factory=list)

    def as_dict(self) -> dict[str, NDArray[np.float64]]:
        """Return the columns as arrays of one length: the form of the attribute `history_`."""
        columns = {name: np.array(column) for name, column in vars(self).items()}
        if not self.objectives:
            del columns["objectives"]
        return columns


@dataclass(frozen=True, eq=False)
class Stretch:
    """Report of consecutive iterations; the lists have an entry for each."""

    objective: list[float]
    """Penalised objectives, NaN where an iteration does not tell it."""
    residual: list[float]
    has_converged: bool
    """Whether the fit has converged in the last of them."""
    sweeps: list[float] | None = None
    """Inner sweeps per half-step, on average; None for one each."""
    objectives: list[NDArray[np.float64]] | None = None
    """Smallest objective so far of each model, if there are several, as in `History`."""


@dataclass(frozen=True, eq=False)
class FactorizationResult:
    """The factors, and the record of the fit that found them.

    Attributes
    ----------
    W : ndarray of shape (n_samples, k)
    H : ndarray of shape (k, n_features)
    n_iter : int
        Outer iterations done, from one.
    stop_reason : StopReason
    history : History
    objective : float or None
        Penalised objective at (W, H), as last reported by the solver.
    solver : str
    loss : float or None
        Loss at (W, H), without penalties, where the last objective tells it.
    state : State or None
        After mini-batches: what later steps go on from, without W.
    """

    W: NDArray[Any]
    H: NDArray[Any]
    n_iter: int
    stop_reason: StopReason
    history: History
    objective: float | None
    solver: str
    loss: float | None = None
    state: Any = None


def with_result(
    interrupt: KeyboardInterrupt, result: FactorizationResult
) -> KeyboardInterrupt:
    """Return the interrupt of a fit with the factors so far as its attribute `result`."""
    vars(interrupt)["result"] = result
    return interrupt


def result_of(interrupt: KeyboardInterrupt) -> FactorizationResult | None:
    """Return the factors that an interrupt carries; None if it came before any."""
    result: FactorizationResult | None = vars(interrupt).get("result")
    return result


@dataclass(frozen=True)
class Iteration:
    """The argument of a `callback` after each outer iteration.

    Attributes
    ----------
    n_iter : int
        Iterations done so far, from one.
    objective : float
        Penalised objective; NaN where the solver does not know it.
    residual : float
        The solver's optimality measure, compared with `tol`.
    seconds : float
        Time since the start of the fit.
    max_iter : int
    tol : float
    """

    n_iter: int
    objective: float
    residual: float
    seconds: float
    max_iter: int
    tol: float
