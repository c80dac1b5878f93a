"""The progress bar of long work in a terminal, and its estimate of the time left."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..base.records import Iteration
from .terminal import echo, printable, say

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
    """

    def __init__(self, show: Any, max_time: float | None = None) -> None:
        self.show = show
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
        self.show(self.part, f"{text}  {format_clock(seconds_left)} left")

    def _seconds_per_iteration(self) -> float:
        recent = self.seconds[-RECENT:]
        if len(recent) < 2:
            return recent[0]
        return (recent[-1] - recent[0]) / (len(recent) - 1)


class Display:
    """A display of progress that shows nothing; subclasses show it."""

    def stage(self, text: str) -> None:
        """Show a text for work of unknown length."""

    def callback(self, max_time: float | None = None) -> Any:  # noqa: ARG002
        """Return a callback for a fit, or None where no progress is shown."""
        return None

    def show(self, part: float, text: str) -> None:
        """Show the part done, from 0 to 1, of work of known length, and a text."""

    def say(self, text: str) -> None:
        """Write one line to standard error, above the bar."""
        say(text)

    def echo(self, text: str) -> None:
        """Write text to standard output, above the bar."""
        echo(text)


class _Bar(Display):
    """A progress bar of rich on standard error."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar
        self.task = bar.add_task("", total=None, text="")

    def stage(self, text: str) -> None:
        self.bar.reset(self.task, total=None, description=printable(text), text="")

    def callback(self, max_time: float | None = None) -> Any:
        return FitProgress(self.show, max_time)

    def say(self, text: str) -> None:
        with self._paused():
            super().say(text)

    def echo(self, text: str) -> None:
        with self._paused():
            super().echo(text)

    @contextmanager
    def _paused(self) -> Iterator[None]:
        """Remove the bar while other text is written."""
        self.bar.stop()
        try:
            yield
        finally:
            self.bar.start()

    def show(self, part: float, text: str) -> None:
        self.bar.update(
            self.task, total=1.0, completed=part, description="Fitting", text=text
        )


@contextmanager
def show_progress(wanted: bool = True) -> Iterator[Display]:
    """Show progress inside the block, if standard error is a terminal.

    Parameters
    ----------
    wanted : bool, default=True
        Whether to show progress.
    """
    if not (wanted and sys.stderr.isatty()):
        yield Display()
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
    except ImportError:
        yield Display()
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[text]}", markup=False),
    )
    bar = Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        expand=True,
        redirect_stdout=False,  # otherwise printed text would go to standard error
        redirect_stderr=False,
    )
    with bar:
        yield _Bar(bar)
