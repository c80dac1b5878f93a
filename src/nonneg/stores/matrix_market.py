"""Reading of the entries of a Matrix Market file, some lines at a time."""

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
"""Kinds of values, each with the dtype that SciPy reads it as."""


class Entries(NamedTuple):
    """Some entries of a matrix: their rows, columns and values."""

    rows: Array
    columns: Array
    values: Array


class MatrixMarket:
    """A coordinate file, whose lines SciPy's reader parses in pieces.

    Parameters
    ----------
    path : Path
        A file .mtx or .mtx.gz.
    n_bytes : int
        Bytes of text that are parsed at a time.

    Raises
    ------
    ValueError
        If it is no Matrix Market file, or its matrix is dense ("array") or complex.
    """

    def __init__(self, path: Path, n_bytes: int) -> None:
        import scipy.io

        self.path, self._n_bytes = path, n_bytes
        try:
            header = scipy.io.mminfo(path)
        except (ValueError, EOFError, gzip.BadGzipFile) as error:
            msg = f"{str(path)!r} is no Matrix Market file: {error}"
            raise ValueError(msg) from error
        n_rows, n_columns, self._n_lines, layout, self._field, self._symmetry = header
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
        """Yield entries, counted from 0; a symmetric matrix is yielded in full."""
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
        """Read up to and including the line of sizes; return the number of lines."""
        n_lines = 0
        for line in file:
            n_lines += 1
            if line.strip() and not line.startswith(b"%"):
                break
        return n_lines

    def _parse(self, lines: bytes, before: int) -> tuple[Entries, int]:
        """Return the entries of some lines, and the number of lines that hold one."""
        n_lines = lines.count(b"\n") + (not lines.endswith(b"\n"))
        try:
            return self._read(lines, n_lines), n_lines
        except (ValueError, OverflowError):  # some lines may be empty
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
        X = scipy.io.mmread(io.BytesIO(header.encode() + lines))
        return Entries(X.row, X.col, X.data)
