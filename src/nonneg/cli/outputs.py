"""The output files of a command: all of them are written, or each stays what it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..io.output_files import OutputFiles
from ..io.writers import split_suffix
from ..stores.locations import parse_location
from .errors import REFUSALS

INTERRUPTED = ".interrupted"
"""Put into the name of a file that an interrupted command writes beside an existing one."""


@contextmanager
def open_outputs(
    inputs: Sequence[Path | None],
    outputs: Sequence[Path | None],
    checkpoint: Path | str | None = None,
) -> Iterator[OutputFiles]:
    """Check the names of outputs, and open the gate that they go through.

    Parameters
    ----------
    inputs, outputs : sequence of Path or None
        Files that the command reads and writes.
    checkpoint : path-like, default=None
        File of checkpoints, which a fit replaces as it goes on: an interrupt must find it.

    Yields
    ------
    files : OutputFiles
        What is opened in it appears when `files.publish()` is called. An error in the block
        says that the files are what they were.

    Raises
    ------
    ValueError
        If an output is an input, another output, or a folder.
    FileNotFoundError
        If the folder of an output does not exist.
    """
    others = None if checkpoint is None else Path(checkpoint)
    check_outputs(inputs, (*outputs, others))
    names = [path for path in outputs if path is not None]
    with OutputFiles() as files:
        try:
            yield files
        except (KeyboardInterrupt, *REFUSALS) as error:
            if names and not files.is_published:
                error.add_note(describe_unwritten(names))
            if isinstance(error, KeyboardInterrupt) and others and others.exists():
                error.add_note(f"{others} has what had ended, for --resume.")
            raise


def describe_unwritten(names: Sequence[Path]) -> str:
    """Return the sentence about files of which none was written."""
    kept = [str(name) for name in names if name.is_file()]
    if not kept:
        return "Nothing was written."
    return f"{' and '.join(kept)} {'is' if len(kept) == 1 else 'are'} as before."


def check_outputs(
    inputs: Sequence[Path | None], outputs: Sequence[Path | None]
) -> None:
    """Refuse outputs that are an input, another output, a folder, or in no folder.

    Raises
    ------
    ValueError
        If two of the files are the same, or an output is a folder.
    FileNotFoundError
        If the folder of an output does not exist.
    """
    seen = {}
    for path in inputs:
        if path is not None:
            seen[parse_location(path).path.resolve()] = "the input"
    for path in outputs:
        if path is None:
            continue
        resolved = path.resolve()
        if resolved in seen:
            msg = f"{str(path)!r} is {seen[resolved]}; write to another file."
            raise ValueError(msg)
        seen[resolved] = "written already"
        if path.is_dir():
            msg = f"{str(path)!r} is a folder; give the name of a file."
            raise ValueError(msg)
        if not resolved.parent.is_dir():
            msg = f"No such folder: {str(path.parent)!r}; create it first."
            raise FileNotFoundError(msg)


def name_beside(path: Path) -> Path:
    """Return the path if it is free, else the name of a new file beside it.

    An interrupted fit is kept there: neither the file at the path nor the fit is lost.
    """
    if not path.is_file():
        return path
    stem, suffix = split_suffix(path.name)
    for number in range(1, 1000):
        count = "" if number == 1 else f"-{number}"
        beside = path.with_name(f"{stem}{INTERRUPTED}{count}{suffix}")
        if not beside.exists():
            return beside
    msg = f"{str(path.parent)!r} has too many files {stem}{INTERRUPTED}-N{suffix}."
    raise FileExistsError(msg)
