"""The gate for output files: written beside their places, and put there all together."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self


@dataclass
class _Written:
    """A file that is complete and waits for its place."""

    target: Path
    temporary: Path | None
    """The file beside the target; None where the target is a pipe or device."""
    content: IO[bytes] | None = None
    """The bytes for a pipe or device."""
    before: Path | None = None
    """A second name of the file that was at the target."""
    is_placed: bool = False


class OutputFiles:
    """The output files of one command, of which all take their places or none.

    The bytes of each file go to a temporary file in its folder. `publish` puts all of them
    in place at the end. Leaving the block before that, by an error or an interrupt, removes
    the temporary files, and every file is what it was.
    """

    def __init__(self) -> None:
        self._files: list[_Written] = []
        self.is_published = False
        """Whether all files are in place."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for file in self._files:
            _discard(file)
        self._files = []

    @contextmanager
    def open(self, path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
        """Open a file that `publish` puts in place.

        Parameters
        ----------
        path : str or path-like
            The file to write. A link is followed; an existing file keeps its mode. Where it
            is no regular file (a pipe, /dev/null), `publish` writes to it.

        Yields
        ------
        file : binary file, writable and seekable

        Raises
        ------
        OSError
            If the folder does not exist or can't be written to, or the disk is full.
        """
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            written = _Written(target, None, tempfile.TemporaryFile())  # noqa: SIM115
            self._files.append(written)
            assert written.content is not None
            yield written.content
            return
        if not target.parent.is_dir():
            msg = f"No such folder: {str(target.parent)!r}; create it first."
            raise FileNotFoundError(msg)
        temporary = _new_name(target)
        written = _Written(target, temporary)
        self._files.append(written)
        with temporary.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)

    def publish(self) -> None:
        """Put all files in place; if that fails for one of them, take the others back.

        Raises
        ------
        OSError
            If a file can't take its place. Every file is then what it was before.
        """
        try:
            for file in self._files:
                _keep_before(file)
            for file in self._files:
                _place(file)
        except BaseException:
            for file in self._files:
                _take_back(file)
            raise
        self.is_published = True
        for file in self._files:
            _forget_before(file)
        self._files = []


def _new_name(target: Path) -> Path:
    return target.parent / f".nonneg-{secrets.token_hex(8)}.part"


def _keep_before(file: _Written) -> None:
    """Give the file at the target a second name, from which it can be put back."""
    if file.temporary is None or not file.target.exists():
        return
    # named first: an interrupt must find the second name
    file.before = _new_name(file.target)
    try:
        os.link(file.target, file.before)
    except OSError:  # a file system without links
        shutil.copy2(file.target, file.before)


def _place(file: _Written) -> None:
    if file.temporary is not None:
        # said first: an interrupt between the two must find it said
        file.is_placed = True
        file.temporary.replace(file.target)
    elif file.content is not None:
        file.content.seek(0)
        with file.target.open("wb") as device:
            shutil.copyfileobj(file.content, device)


def _take_back(file: _Written) -> None:
    if file.temporary is None or not file.is_placed or file.temporary.exists():
        return  # the target is what it was
    if file.before is None:
        file.target.unlink(missing_ok=True)
    else:
        file.before.replace(file.target)


def _forget_before(file: _Written) -> None:
    if file.before is not None:
        file.before.unlink(missing_ok=True)
        file.before = None
    if file.content is not None:
        file.content.close()


def _discard(file: _Written) -> None:
    with contextlib.suppress(OSError):
        if file.temporary is not None:
            file.temporary.unlink(missing_ok=True)
    _forget_before(file)


@contextmanager
def replace_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Write one file in one step, so that no other program sees it half written.

    Parameters
    ----------
    path : str or path-like
        The file to write, as `OutputFiles.open` takes it. After an error or an interrupt in
        the block the file is what it was.

    Yields
    ------
    file : binary file, writable and seekable

    Raises
    ------
    OSError
        If the folder does not exist or can't be written to.
    """
    with OutputFiles() as outputs:
        with outputs.open(path) as file:
            yield file
        outputs.publish()
