"""The form of a text file: its encoding and separator, as the caller or its first lines say."""

from __future__ import annotations

import codecs
import csv
import gzip
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

BLANK = " "
"""The separator of cells that are any number of blanks and tabs apart."""
SEPARATORS = (",", "\t", ";", "|", BLANK)
"""Separators that are recognised, in the order in which they are tried."""
WORDS = {
    "comma": ",", "tab": "\t", "\\t": "\t", "semicolon": ";", "blank": BLANK,
    "blanks": BLANK, "space": BLANK, "pipe": "|",
}  # fmt: skip
"""Words for separators that a shell makes hard to type."""
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Bytes at the front of a file that say its encoding; the longer ones come first."""


class RefusedFile(Exception):
    """Raised for a file that is refused; its text ends a sentence about the file."""


@dataclass(frozen=True)
class TextForm:
    """Answers of the caller about a text file; None leaves a question to its cells.

    Attributes
    ----------
    header, row_names : bool or None
        Whether the first row and the first column are names.
    separator : str or None
        One character, or a word of `WORDS`.
    encoding : str or None
        None reads UTF-8, and what begins with the mark of UTF-16 or UTF-32.
    columns, drop : sequence of str
        Columns to read alone, and columns to leave out, see `column_choice`.
    empty : float or None
        The number for an empty cell; None refuses the file.
    skip : int
        Lines before the first row, such as a title.
    """

    header: bool | None = None
    row_names: bool | None = None
    separator: str | None = None
    encoding: str | None = None
    columns: Sequence[str] = ()
    drop: Sequence[str] = ()
    empty: float | None = None
    skip: int = 0


@contextmanager
def open_text(path: Path, encoding: str | None) -> Iterator[TextIO]:
    """Open a text file, zipped or not, behind its byte order mark if it has one.

    Raises
    ------
    RefusedFile
        If it is not of its encoding, or there is no such encoding.
    """
    name = encoding or _read_mark(path) or "utf-8-sig"
    try:
        codecs.lookup(name)
    except LookupError:
        msg = (
            f"can't be read with encoding={encoding!r}, which is not known; it may be "
            "'utf-8', 'utf-16', 'latin-1' or another name that Python knows (--encoding)"
        )
        raise RefusedFile(msg) from None
    try:
        with _opener(path)(path, "rt", encoding=name, newline="") as file:
            yield file
    except UnicodeError as error:
        raise RefusedFile(_describe_encoding(path, name)) from error


def _opener(path: Path) -> Callable[..., Any]:
    return gzip.open if path.name.lower().endswith(".gz") else open


def _read_mark(path: Path) -> str | None:
    with _opener(path)(path, "rb") as file:
        front = file.read(4)
    return next((name for mark, name in MARKS if front.startswith(mark)), None)


def _describe_encoding(path: Path, name: str) -> str:
    """Return the end of the sentence about a file that is not of an encoding."""
    where = ""
    with _opener(path)(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode(name)
            except UnicodeDecodeError as error:
                byte = error.object[error.start]
                where = f" (byte 0x{byte:02x} in line {number})"
                break
            except UnicodeError:  # no mark of UTF-16 at the front
                break
    what = "UTF-8" if name == "utf-8-sig" else name
    return (
        f"is not {what} text{where}; say its encoding, such as encoding='latin-1' "
        "(--encoding latin-1)"
    )


def parse_separator(text: str | None) -> str | None:
    """Return the character that a separator or a word for it stands for.

    Raises
    ------
    RefusedFile
        If it is neither.
    """
    if text is None:
        return None
    separator = WORDS.get(text.lower(), text)
    if len(separator) == 1 and separator not in '"\r\n':
        return separator
    msg = (
        f"can't be read with separator={text!r}; pass one character or a word of "
        f"{', '.join(word for word in WORDS if word.isalpha())} (--separator)"
    )
    raise RefusedFile(msg)


def split_rows(lines: Iterable[str], separator: str) -> Iterator[list[str]]:
    """Yield the cells of each row, which may be in quotes; empty lines are left out."""
    if separator == BLANK:
        lines = (line.replace("\t", BLANK).strip() for line in lines)
    rows = csv.reader(lines, delimiter=separator, skipinitialspace=separator == BLANK)
    return (row for row in rows if row)


def is_number(cell: str) -> bool:
    """Return whether `numpy.loadtxt` reads a cell as a number."""
    if "_" in cell:
        return False
    try:
        math.isnan(float(cell))
    except ValueError:
        return False
    return True


_GROUPED = re.compile(r"[+-]?(\d{1,3}([,' .]\d{3})+([.,]\d+)?|\d+,\d+)")


def looks_like_number(cell: str) -> bool:
    """Return whether a cell is a number, or one with marks between its digits: 1,234."""
    return is_number(cell) or _GROUPED.fullmatch(cell.strip()) is not None


def find_separator(lines: list[str], usual: str) -> str:
    """Return the separator by which the first lines of a file become rows of numbers.

    Parameters
    ----------
    lines : list of str
    usual : str
        The separator that the suffix of the file names; it is taken where it does.
    """
    others = [separator for separator in SEPARATORS if separator != usual]
    shares = {separator: _measure(lines, separator) for separator in (usual, *others)}
    if shares[usual] > 0:
        return usual
    best = max(others, key=lambda separator: shares[separator])
    return best if shares[best] > 0 else usual


def _measure(lines: list[str], separator: str) -> float:
    """Return the share of numbers in the rows, 0 unless they have one width above 1."""
    try:
        rows = list(split_rows(lines, separator))
    except csv.Error:
        return 0.0
    below = rows[1:] or rows
    width = len(below[0]) if below else 0
    if width < 2 or any(len(row) != width for row in below):
        return 0.0
    if len(rows[0]) not in (width, width - 1):
        return 0.0
    cells = [cell for row in below for cell in row[1:]]
    return sum(map(is_number, cells)) / len(cells)
