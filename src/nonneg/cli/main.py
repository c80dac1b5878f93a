"""The entry point `nonneg`: runs a command, or says which packages are missing."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

NEEDED = ("typer", "rich", "click")
"""Packages that the command line needs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, default=None
        The arguments; None takes those of the process.

    Returns
    -------
    code : int
        0 on success, 2 after an error (one line on standard error), 130 after Ctrl-C, 1
        if the reader of standard output has gone.
    """
    try:
        from . import info_command, report_command, selection_commands  # noqa: F401  (they add commands)
        from .commands import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in NEEDED:
            raise
        message = "Error: the command line needs typer and rich: "
        print(f"{message}pip install 'nonneg[cli]'.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    for stream in (sys.stdout, sys.stderr):
        _replace_unprintable(stream)
    try:
        app(None if arguments is None else list(arguments), prog_name="nonneg")
        sys.stdout.flush()
    except SystemExit as end:
        return _to_exit_code(end)
    except BrokenPipeError:
        # `| head` has ended: the flush at the end of the process must not fail either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _to_exit_code(end: SystemExit) -> int:
    if end.code is None:
        return 0
    return end.code if isinstance(end.code, int) else 1


def _replace_unprintable(stream: Any) -> None:
    """Show a question mark for a character that the terminal lacks, instead of failing."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")
