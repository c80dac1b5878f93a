"""The progress bar of the command line: stages of work, and a fit's bar on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..base.progress import FitProgress
from .terminal import echo, printable, say


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
