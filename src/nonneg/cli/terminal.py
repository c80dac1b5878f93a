"""Text for the terminal, without characters that it would obey."""

from __future__ import annotations

import shutil
import sys

import typer


def printable(text: str) -> str:
    """Return a text with a blank for each character that is not shown, but for line ends."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def echo(text: str) -> None:
    """Write a text to standard output."""
    typer.echo(printable(text))


def say(text: str) -> None:
    """Write a text to standard error, on one line."""
    typer.echo(printable(" ".join(str(text).split())), err=True)


def measure_width() -> int:
    """Columns of the terminal; 80 where the output is not one."""
    if not sys.stdout.isatty():
        return 80
    return max(40, shutil.get_terminal_size().columns)
