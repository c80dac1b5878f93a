"""Reading of text files of numbers: their names, and the cell that is not a number."""

from __future__ import annotations

import csv
import gzip
import io
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Names = list[str] | None

LOOK_AHEAD = 100
"""Rows of a text file that decide whether its first column holds names."""


class RefusedFile(Exception):
    """Raised for a file that is refused; its text ends a sentence about the file."""


class _BadCell(Exception):
    """Raised for a cell that holds more than a number."""


class _Layout:
    """The places of the names in a text file, and the number of its columns."""

    def __init__(
        self, head: list[list[str]], header: bool | None, row_names: bool | None
    ) -> None:
        first, below = head[0], head[1:]
        if header is None:
            header = self._looks_like_header(first, below)
        rows = below if header else head
        if not rows:
            msg = "has a header, but no rows"
            raise RefusedFile(msg)
        width = len(rows[0])
        if row_names is None:
            row_names = (
                header and (len(first) == width - 1 or not first[0].strip())
            ) or not any(_is_number(row[0]) for row in rows if row)
        self.header = header
        self.row_names = row_names
        self.width = width
        self.columns: list[str] | None = None
        if header:
            self.columns = first[1:] if row_names and len(first) == width else first
            if len(self.columns) != width - row_names:
                msg = (
                    f"has {len(first)} cells in its header, but {width} in the next row"
                )
                raise RefusedFile(msg)
        if width - row_names < 1:
            msg = (
                "holds one column, and it is not of numbers; .csv files are separated "
            )
            msg += "by commas, .tsv files by tabs"
            raise RefusedFile(msg)

    @staticmethod
    def _looks_like_header(first: list[str], below: list[list[str]]) -> bool:
        if not all(_is_number(cell) for cell in first[1:]):
            return True
        if _is_number(first[0]):
            return False
        only_names = not any(_is_number(row[0]) for row in below)
        if first[0].strip() and only_names and len(first) > 1:
            msg = (
                f"begins with a row of the text {first[0]!r} and numbers, which may be "
                "a header or data; say which with header=True or False (--header or "
                "--no-header)"
            )
            raise RefusedFile(msg)
        return True


def read_text(
    path: Path, delimiter: str, header: bool | None, row_names: bool | None
) -> tuple[NDArray[np.float64], Names, Names]:
    """Read numbers separated by commas or tabs.

    Parameters
    ----------
    path : Path
        The file; one whose name ends in .gz is unzipped.
    delimiter : str
    header, row_names : bool or None
        Whether the first row and the first column are names; None decides by the cells.

    Returns
    -------
    X : ndarray of shape (n_rows, n_columns), float64
    row_names, column_names : list of str, or None

    Raises
    ------
    RefusedFile
        If the file holds no matrix of numbers; the text names the first wrong cell.
    """
    with _open_text(path) as file:
        lines = csv.reader(file, delimiter=delimiter)
        head = [
            row
            for row, _ in zip(_skip_empty(lines), range(LOOK_AHEAD + 1), strict=False)
        ]
        if not head:
            msg = "is empty"
            raise RefusedFile(msg)
        layout = _Layout(head, header, row_names)
        names: list[str] = []
        file.seek(0)
        lines = csv.reader(file, delimiter=delimiter)
        rows = _yield_numbers(lines, layout, names)
        try:
            X = np.loadtxt(rows, delimiter=delimiter, comments=None, ndmin=2)
        except (ValueError, _BadCell):
            file.seek(0)
            _refuse_bad_cell(csv.reader(file, delimiter=delimiter), layout)
            raise
        return X, names if layout.row_names else None, layout.columns


@contextmanager
def _open_text(path: Path) -> Iterator[io.TextIOWrapper]:
    """Open a text file, zipped or not, behind its byte order mark if it has one."""
    opener: Callable[..., Any] = gzip.open if path.name.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        yield file


def _skip_empty(lines: Iterator[list[str]]) -> Iterator[list[str]]:
    """Return the rows without the empty lines between them."""
    return (row for row in lines if row)


def _yield_numbers(lines: Any, layout: _Layout, names: list[str]) -> Iterator[str]:
    """Yield the rows of numbers as text, and collect the names of the rows."""
    rows = _skip_empty(lines)
    if layout.header:
        next(rows)
    delimiter = lines.dialect.delimiter
    for row in rows:
        if len(row) != layout.width:
            msg = (
                f"has {len(row)} cells in line {lines.line_num}, but {layout.width} "
                "in the rows before it"
            )
            raise RefusedFile(msg)
        if layout.row_names:
            names.append(row.pop(0))
        text = delimiter.join(row)
        # NumPy would split a quoted cell such as "1,234" at its comma
        if text.count(delimiter) != len(row) - 1:
            raise _BadCell
        yield " ".join(text.splitlines())


def _refuse_bad_cell(lines: Any, layout: _Layout) -> None:
    """Refuse the file for its first cell that is not a number."""
    rows = _skip_empty(lines)
    if layout.header:
        next(rows)
    for row in rows:
        for j, cell in enumerate(row[layout.row_names :]):
            if not _is_number(cell):
                column = repr(layout.columns[j]) if layout.columns else str(j + 1)
                what = f"the text {cell!r}" if cell.strip() else "an empty cell"
                msg = f"has {what} in line {lines.line_num}, column {column}; "
                msg += "only numbers can be factorized"
                raise RefusedFile(msg)


def _is_number(cell: str) -> bool:
    """Return whether `np.loadtxt` reads a cell as a number."""
    if "_" in cell:
        return False
    try:
        math.isnan(float(cell))
    except ValueError:
        return False
    return True
