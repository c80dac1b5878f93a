"""Reading of the entries of a Matrix Market file, some lines at a time."""

from __future__ import annotations

import gzip
import inspect
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from ..base.arrays import Array
from .market_lines import check_lines, match_lines
from .read_errors import StoreError

FIELDS = {
    "real": np.float64,
    "double": np.float64,
    "integer": np.int64,
    "unsigned-integer": np.uint64,
    "pattern": np.float64,
}
"""Kinds of values, each with the dtype that SciPy reads it as."""


PIECE_BYTES = 1 << 19
"""Bytes of text that are parsed at a time, so that they stay in a cache (D-MARKET-PIECES)."""


def parse_market(text: bytes) -> Any:
    """Return the matrix of a text in the Matrix Market format, as SciPy reads it."""
    import scipy.io

    # from the version on that has the parameter, its default is to change
    can_choose = "spmatrix" in inspect.signature(scipy.io.mmread).parameters
    options = {"spmatrix": False} if can_choose else {}
    return scipy.io.mmread(io.BytesIO(text), **options)


def open_market(path: Path) -> IO[bytes]:
    """Open a .mtx or .mtx.gz file for reading its bytes."""
    opener: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    file: IO[bytes] = opener(path, "rb")
    return file


def read_header(file: IO[bytes]) -> bytes:
    """Read the lines up to and including the line of sizes."""
    header = []
    for line in file:
        header.append(line)
        if line.strip() and not line.startswith(b"%"):
            break
    return b"".join(header)


def iterate_lines(file: IO[bytes], n_bytes: int) -> Iterator[bytes]:
    """Yield the rest of a file in pieces of whole lines, about n_bytes each."""
    rest = b""
    while text := file.read(n_bytes):
        lines, newline, rest = (rest + text).rpartition(b"\n")
        if lines.strip():
            yield lines + newline
    if rest.strip():  # the last line may have no end
        yield rest


def require_square(n_rows: int, n_columns: int, symmetry: str) -> None:
    """Refuse a matrix that is symmetric, but not square.

    SciPy's reader writes the other half of such a matrix beyond its memory.
    """
    if symmetry != "general" and n_rows != n_columns:
        msg = f"it is {symmetry} by its header, but has {n_rows} rows and {n_columns} columns"
        raise ValueError(msg)


def require_entries(n_rows: int, n_columns: int) -> None:
    """Refuse a dense matrix without rows or columns, by whose length SciPy divides."""
    if n_rows < 1 or n_columns < 1:
        msg = f"it has {n_rows} rows and {n_columns} columns by its header"
        raise ValueError(msg)


def read_market(path: Path) -> Any:
    """Read a Matrix Market file whole, as a sparse matrix or an array.

    Raises
    ------
    ValueError
        If it is no Matrix Market file, or a line does not hold its numbers.
    """
    import scipy.io

    n_rows, n_columns, _, layout, field, symmetry = scipy.io.mminfo(path)
    require_square(n_rows, n_columns, symmetry)
    if layout == "coordinate" and field in FIELDS:
        rows, columns, values = _join(list(MatrixMarket(path, PIECE_BYTES)), field)
        return sp.coo_matrix((values, (rows, columns)), shape=(n_rows, n_columns))
    require_entries(n_rows, n_columns)
    with open_market(path) as file:
        header = read_header(file)
        n_lines, pieces = header.count(b"\n"), []
        for lines in iterate_lines(file, PIECE_BYTES):
            try:
                pieces.append(check_lines(lines, n_indices=0, field=field))
            except ValueError as error:
                text, number = error.args
                msg = f"line {n_lines + 1 + number}: {text}"
                raise ValueError(msg) from error
            n_lines += lines.count(b"\n")
    return parse_market(header + b"".join(pieces))


class Entries(NamedTuple):
    """Some entries of a matrix: their rows, columns and values."""

    rows: Array
    columns: Array
    values: Array


def _join(parts: list[Entries], field: str) -> Entries:
    """Return the entries of all parts, and let go of each part."""
    vectors = []
    for place, dtype in enumerate((np.int32, np.int32, FIELDS[field])):
        pieces = [part[place] for part in parts]
        vectors.append(np.concatenate(pieces) if pieces else np.zeros(0, dtype))
    return Entries(*vectors)


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
            require_square(header[0], header[1], header[-1])
        except (
            ValueError, OverflowError, EOFError, gzip.BadGzipFile, zlib.error,
        ) as error:  # fmt: skip
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
        done = 0
        with open_market(self.path) as file:
            n_header = read_header(file).count(b"\n")
            try:
                for lines in iterate_lines(file, self._n_bytes):
                    entries, n_lines = self._parse(lines, n_header + done)
                    yield entries
                    done += n_lines
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                msg = f"{str(self.path)!r} is cut off after {done} entries: {error}"
                raise StoreError(msg) from error
        if done != self._n_lines:
            msg = (
                f"{str(self.path)!r} has {done} entries, but its header says "
                f"{self._n_lines}. It may be cut off."
            )
            raise StoreError(msg)

    def _parse(self, lines: bytes, before: int) -> tuple[Entries, int]:
        """Return the entries of some lines, and the number of lines that hold one."""
        lines = self._require_numbers(check_lines, lines, before)
        n_lines = lines.count(b"\n") + (not lines.endswith(b"\n"))
        try:
            return self._read(lines, n_lines), n_lines
        except (ValueError, OverflowError):  # some lines may be empty
            n_lines = sum(1 for line in lines.split(b"\n") if line.strip())
        try:
            return self._read(lines, n_lines), n_lines
        except (ValueError, OverflowError) as error:
            self._require_numbers(match_lines, lines, before)
            text = " ".join(str(error).split())
            first, last = before + 1, before + n_lines
            msg = (
                f"Lines {first} to {last} of {str(self.path)!r} can't be read "
                f"({text}; counted from {first - 2})."
            )
            raise StoreError(msg) from error

    def _require_numbers(
        self, check: Callable[..., Any], lines: bytes, before: int
    ) -> Any:
        """Return what a check of `market_lines` does, or name the line that it refuses."""
        try:
            return check(lines, n_indices=2, field=self._field)
        except ValueError as error:
            text, number = error.args
            msg = f"Line {before + 1 + number} of {str(self.path)!r} can't be read: {text}."
            raise StoreError(msg) from error

    def _read(self, lines: bytes, n_lines: int) -> Entries:
        header = (
            f"%%MatrixMarket matrix coordinate {self._field} {self._symmetry}\n"
            f"{self.shape[0]} {self.shape[1]} {n_lines}\n"
        )
        X = parse_market(header.encode() + lines)
        return Entries(X.row, X.col, X.data)
