"""A live bar of a fit in a terminal or a notebook, by tqdm."""

from __future__ import annotations

import importlib.util
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from .progress import FitProgress, format_clock

PROGRESS = "progress"
"""The value of `verbose` that shows a bar."""
DELAY = 0.5
"""Seconds of work before which nothing is shown."""
INTERVAL = 0.1
"""Seconds from one change of the bar to the next."""


class LiveBar:
    """A bar that appears once the work has taken a moment, and goes when it ends.

    It is on standard error, if that is a terminal, or in the cell of a notebook; elsewhere,
    as in a log file, nothing is shown.

    Raises
    ------
    ImportError
        If tqdm is not there.
    """

    def __init__(self) -> None:
        if importlib.util.find_spec("tqdm") is None:
            msg = (
                "verbose='progress' needs tqdm: pip install 'nonneg[progress]', or pass "
                "verbose=1 for plain lines."
            )
            raise ImportError(msg)
        self._bar: Any = None
        self._start = self._shown = time.perf_counter()

    def __enter__(self) -> Self:
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def show(self, part: float, text: str) -> None:
        """Show the part done, from 0 to 1, and a text beside it."""
        now = time.perf_counter()
        if now - self._start < DELAY or now - self._shown < INTERVAL:
            return
        self._shown = now
        if self._bar is None:
            if not is_interactive():
                return
            self._bar = make_bar()
        self._bar.n = part
        self._bar.set_description_str(text)


def is_interactive() -> bool:
    """Whether somebody looks: standard error is a terminal, or this is a notebook's kernel."""
    return "ipykernel" in sys.modules or bool(stream().isatty())


def stream() -> Any:
    """Return where the bar is written to."""
    return sys.stderr


def make_bar() -> Any:
    """Return a bar of tqdm from 0 to 1 that leaves nothing behind."""
    with warnings.catch_warnings():
        # in a notebook without widgets it falls back to text, which says enough
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

        return tqdm(
            total=1.0, leave=False, dynamic_ncols=True, file=stream(),
            bar_format="{percentage:3.0f}%|{bar}| {desc}",
        )  # fmt: skip


def fit_callback(
    bar: LiveBar, callback: Callable[[Any], Any] | None, max_time: float | None
) -> Callable[[Any], Any]:
    """Return a callback of iterations that moves the bar, then calls the given one."""
    progress = FitProgress(bar.show, max_time, shows_residual=True)

    def moved(iteration: Any) -> Any:
        progress(iteration)
        return None if callback is None else callback(iteration)

    return moved


@contextmanager
def parts_callback(
    verbose: object,
    callback: Callable[[Any], Any] | None,
    describe: Callable[[Any], tuple[int, int, float, str]],
) -> Iterator[Callable[[Any], Any] | None]:
    """Yield a callback of finished parts that moves a bar, if `verbose` asks for one.

    Parameters
    ----------
    verbose : object
        "progress" shows a bar inside the block.
    callback : callable or None
        Called after the bar has moved.
    describe : callable
        Returns the parts done, their number, the seconds taken and a text for what the
        callback is called with.
    """
    if verbose != PROGRESS:
        yield callback
        return
    with LiveBar() as bar:

        def moved(record: Any) -> Any:
            bar.show(*part_and_text(*describe(record)))
            return None if callback is None else callback(record)

        yield moved


def part_and_text(
    done: int, n_parts: int, seconds: float, text: str
) -> tuple[float, str]:
    """Return the share of the parts that are done, and the text with the time left."""
    left = seconds * (n_parts - done) / max(1, done)
    return done / n_parts, f"{text}  {format_clock(left)} left"
