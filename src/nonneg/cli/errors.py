"""Errors of the command line: each is one line on standard error and an exit code."""

from __future__ import annotations

import sys
from typing import Any

import typer
import typer.core

from .terminal import say

REFUSALS = (OSError, ValueError, TypeError, ImportError, MemoryError, OverflowError)
"""Errors that bad input raises, told in one line. Any other error is a defect of ours."""

INTERRUPTED = 130


class OneLineErrors(typer.core.TyperGroup):
    """A group of commands that reports each error in one line and exits with code 2."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command and exit."""
        extra["standalone_mode"] = False  # errors of typer fill many lines
        try:
            code = super().main(*args, **extra)
        except typer.Abort:
            code = INTERRUPTED
        except BrokenPipeError:
            raise
        except REFUSALS as error:
            code = _fail(_describe(error))
        except Exception as error:
            if not hasattr(error, "format_message"):
                raise
            # typer's error for a wrong option, whose class has moved between versions
            code = _fail(error.format_message())
        sys.exit(code if isinstance(code, int) else 0)

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters of all commands, --help among them."""
        return _with_plain_flags(super().get_params(ctx))

    def invoke(self, ctx: Any) -> Any:
        """Run a command; Ctrl-C ends it without a traceback."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            say(" ".join(["Interrupted.", *vars(interrupt).get("__notes__", [])]))
            raise typer.Exit(INTERRUPTED) from None


class PlainCommand(typer.core.TyperCommand):
    """A command whose help shows no type behind a switch, which takes no value."""

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters, --help among them."""
        return _with_plain_flags(super().get_params(ctx))


def _with_plain_flags(parameters: Any) -> Any:
    for parameter in parameters:
        if vars(parameter).get("is_flag"):
            parameter.metavar = ""
    return parameters


def _fail(text: str) -> int:
    say(f"Error: {text}")
    return 2


def _describe(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename or 'Input or output'}: {error.strerror}."
    return " ".join([text, *vars(error).get("__notes__", [])])
