"""The part of a fit that is done, and the time that is left, by its iterations so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .records import Iteration

RECENT = 50
"""Most of the last iterations from which speed and rate of convergence are estimated."""


def estimate_iterations_left(
    residuals: Sequence[float], tol: float, max_iter: int
) -> float:
    """Estimate how many more iterations a fit does.

    The estimate assumes that the residual goes on falling by its mean factor per iteration
    over the last half of the iterations. `max_iter` bounds it.

    Parameters
    ----------
    residuals : sequence of float
        The residual after each iteration so far.
    tol : float
        The residual at which the fit ends.
    max_iter : int

    Returns
    -------
    left : float
        A number between 0 and max_iter − len(residuals).
    """
    done = len(residuals)
    most = float(max_iter - done)
    recent = min(RECENT, done // 2)
    if recent < 2 or tol <= 0:
        return most
    before, now = residuals[-1 - recent], residuals[-1]
    if not (math.isfinite(before) and 0 < now < before):
        return most
    rate = math.log(before / now) / recent
    return min(most, max(0.0, math.log(now / tol) / rate))


def format_clock(seconds: float) -> str:
    """Return a duration as minutes:seconds or hours:minutes:seconds, rounded up."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{rest:02d}"
    return f"{minutes}:{rest:02d}"


class FitProgress:
    """Callback of a fit that computes what a progress bar shows.

    Parameters
    ----------
    show : callable
        Called as `show(part, text)` with the part done, from 0 to 1, and the text beside
        the bar.
    max_time : float or None, default=None
        Time limit of the fit in seconds.
    shows_residual : bool, default=False
        Whether the text has the residual beside the objective.
    """

    def __init__(
        self, show: Any, max_time: float | None = None, shows_residual: bool = False
    ) -> None:
        self.show, self.shows_residual = show, shows_residual
        self.max_time = max_time
        self.residuals: list[float] = []
        self.seconds: list[float] = []
        self.part = 0.0

    def __call__(self, iteration: Iteration) -> None:
        """Show the progress after one more iteration."""
        if iteration.n_iter == 1:  # a new fit
            self.residuals, self.seconds, self.part = [], [], 0.0
        self.residuals.append(iteration.residual)
        self.seconds.append(iteration.seconds)
        left = estimate_iterations_left(
            self.residuals, iteration.tol, iteration.max_iter
        )
        seconds_left = left * self._seconds_per_iteration()
        part = iteration.n_iter / (iteration.n_iter + left)
        if self.max_time:
            seconds_left = min(
                seconds_left, max(0.0, self.max_time - iteration.seconds)
            )
            part = max(part, min(1.0, iteration.seconds / self.max_time))
        self.part = max(self.part, part)  # the bar never moves back
        width = len(str(iteration.max_iter))  # a constant width
        text = f"iteration {iteration.n_iter:>{width}}/{iteration.max_iter}"
        if math.isfinite(iteration.objective):
            text += f"  objective {iteration.objective:.4e}"
        if self.shows_residual:
            text += f"  residual {iteration.residual:.1e}"
        self.show(self.part, f"{text}  {format_clock(seconds_left)} left")

    def _seconds_per_iteration(self) -> float:
        recent = self.seconds[-RECENT:]
        if len(recent) < 2:
            return recent[0]
        return (recent[-1] - recent[0]) / (len(recent) - 1)
