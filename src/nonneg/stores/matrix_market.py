"""The entries of a Matrix Market file, some lines at a time."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ..base.interfaces import Array
from .read_errors import StoreError

FIELDS = {
    "real": np.float64,
    "double": np.float64,
    "integer": np.int64,
    "unsigned-integer": np.uint64,
    "pattern": np.float64,
}
"""Kinds of values with what SciPy reads them as."""


class Entries(NamedTuple):
    """Some entries of a matrix: their places and values."""

    rows: Array
    columns: Array
    values: Array


class MatrixMarket:
    """A coordinate file; SciPy's reader parses its lines in pieces.

    Parameters
    ----------
    path : Path
        .mtx or .mtx.gz.
    n_bytes : int
        Text that is parsed at a time.

    Raises
    ------
    ValueError
        If it is no such file, dense ("array"), or complex.
    """

    def __init__(self, path: Path, n_bytes: int) -> None:
        import scipy.io

        self.path, self._n_bytes = path, n_bytes
        try:
            found = scipy.io.mminfo(path)
        except (ValueError, EOFError, gzip.BadGzipFile) as error:
            msg = f"{str(path)!r} is no Matrix Market file: {error}"
            raise ValueError(msg) from error
        n_rows, n_columns, self._n_lines, layout, self._field, self._symmetry = found
        if layout != "coordinate":
            msg = (
                f"{str(path)!r} is dense, by columns. Read it whole (scipy.io.mmread) "
                "and save it as .npy."
            )
            raise ValueError(msg)
        if self._field not in FIELDS:
            msg = f"{str(path)!r} holds {self._field} values; real numbers are needed."
            raise ValueError(msg)
        self.shape = (int(n_rows), int(n_columns))
        self.dtype = np.dtype(FIELDS[self._field])

    def __iter__(self) -> Iterator[Entries]:
        """Yield (rows, columns, values), counted from 0, mirrored where symmetric."""
        opener: Callable[..., Any] = gzip.open if self.path.suffix == ".gz" else open
        with opener(self.path, "rb") as file:
            n_header = self._skip_header(file)
            done, rest = 0, b""
            while True:
                try:
                    text = file.read(self._n_bytes)
                except (EOFError, gzip.BadGzipFile) as error:
                    msg = f"{str(self.path)!r} is cut off after {done} entries: {error}"
                    raise StoreError(msg) from error
                lines, newline, rest = (rest + text).rpartition(b"\n")
                if not text:  # the last line may have no end
                    lines, newline, rest = rest, b"", b""
                if lines.strip():
                    entries, n_lines = self._parse(lines + newline, n_header + done)
                    yield entries
                    done += n_lines
                if not text:
                    break
        if done != self._n_lines:
            msg = (
                f"{str(self.path)!r} has {done} entries, but its header says "
                f"{self._n_lines}. It may be cut off."
            )
            raise StoreError(msg)

    @staticmethod
    def _skip_header(file: IO[bytes]) -> int:
        """Read to behind the line of sizes; return the number of lines."""
        n_lines = 0
        for line in file:
            n_lines += 1
            if line.strip() and not line.startswith(b"%"):
                break
        return n_lines

    def _parse(self, lines: bytes, before: int) -> tuple[Entries, int]:
        """Return the entries of some lines, and how many lines have one."""
        n_lines = lines.count(b"\n") + (not lines.endswith(b"\n"))
        try:
            return self._read(lines, n_lines), n_lines
        except (ValueError, OverflowError):  # perhaps since some lines are empty
            n_lines = sum(1 for line in lines.split(b"\n") if line.strip())
        try:
            return self._read(lines, n_lines), n_lines
        except (ValueError, OverflowError) as error:
            text = " ".join(str(error).split())
            first, last = before + 1, before + n_lines
            msg = (
                f"Lines {first} to {last} of {str(self.path)!r} can't be read "
                f"({text}; counted from {first - 2})."
            )
            raise StoreError(msg) from error

    def _read(self, lines: bytes, n_lines: int) -> Entries:
        import scipy.io

        header = (
            f"%%MatrixMarket matrix coordinate {self._field} {self._symmetry}\n"
            f"{self.shape[0]} {self.shape[1]} {n_lines}\n"
        )
        found = scipy.io.mmread(io.BytesIO(header.encode() + lines))
        return Entries(found.row, found.col, found.data)
