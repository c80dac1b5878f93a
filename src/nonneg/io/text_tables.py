"""Reading of text files of numbers: their names, and the cell that is not a number."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .column_choice import choose_columns, find_ids, name_options
from .text_forms import (
    BLANK,
    RefusedFile,
    TextForm,
    find_separator,
    is_number,
    looks_like_number,
    open_text,
    parse_separator,
    split_rows,
)

Names = list[str] | None

LOOK_AHEAD = 100
"""Rows of a text file that decide whether its first column holds names."""
MISSING = ("", "na", "n/a", "nan", "null", "none")
"""Cells that count as empty where the caller has a number for these, in small letters."""
TRUTH = {"true": "1", "false": "0"}
"""Numbers for truth values, which are read where all other cells are numbers."""


class _BadCell(Exception):
    """Raised for a cell that holds more than a number."""


class _Layout:
    """The places of the names in a text file, and the columns that are read."""

    def __init__(
        self,
        head: list[list[str]],
        form: TextForm,
        separator: str,
        reads_truth: bool = False,
    ) -> None:
        first, below = head[0], head[1:]
        self.words = dict(TRUTH) if reads_truth else {}
        if form.empty is not None:
            self.words |= dict.fromkeys(MISSING, repr(float(form.empty)))
        header, row_names = form.header, form.row_names
        if header is None:
            header = self._looks_like_header(first, below)
        rows = below if header else head
        if not rows:
            msg = "has a header, but no rows"
            raise RefusedFile(msg)
        width = len(rows[0])
        if header and len(first) == width + 1 and not first[-1].strip():
            first = first[:-1]  # it ends with a separator, and the rows don't
        if row_names is None:
            row_names = width > 1 and self._has_row_names(first, rows, header)
        self.separator = separator
        self.header, self.row_names, self.width = header, row_names, width
        self.columns: list[str] | None = None
        if header:
            names = first[1:] if row_names and len(first) == width else first
            self.columns = [name.strip() for name in names]
            if len(self.columns) != width - row_names:
                msg = (
                    f"has {len(first)} cells in its header, but {width} in the next row"
                )
                raise RefusedFile(msg)
        n_columns = width - row_names
        if n_columns < 1:
            msg = "holds one column, and it is for names (--row-names)"
            raise RefusedFile(msg)
        drop = form.drop
        heading = first[0].strip() if header and row_names else None
        self.keeps_row_names = row_names and (heading is None or heading not in drop)
        if not self.keeps_row_names:
            drop = [name for name in drop if name != heading]
        self.kept = choose_columns(self.columns, n_columns, form.columns, drop)
        self.ignored = (
            [] if self.kept is None else sorted({*range(n_columns)} - {*self.kept})
        )

    def _looks_like_header(self, first: list[str], below: list[list[str]]) -> bool:
        values = [cell for cell in first[1:] if cell.strip().lower() not in self.words]
        if not all(is_number(cell) for cell in values):
            # a row of 1,234 and numbers is refused as data, not left out as names
            return not all(looks_like_number(cell) for cell in values)
        if looks_like_number(first[0]):
            return False
        only_names = not any(is_number(row[0]) for row in below)
        if first[0].strip() and only_names and len(first) > 1:
            msg = (
                f"begins with a row of the text {first[0]!r} and numbers, which may be "
                "a header or data; say which with header=True or False (--header or "
                "--no-header)"
            )
            raise RefusedFile(msg)
        return True

    @staticmethod
    def _has_row_names(first: list[str], rows: list[list[str]], header: bool) -> bool:
        if header and (len(first) == len(rows[0]) - 1 or not first[0].strip()):
            return True
        return not any(is_number(row[0]) for row in rows)

    def named(self) -> list[str]:
        """Return what messages call the columns: names, or numbers from 1."""
        n_columns = self.width - self.row_names
        return self.columns or [str(j + 1) for j in range(n_columns)]

    def names_of_kept(self) -> Names:
        """Return the names of the columns that are read."""
        if self.columns is None or self.kept is None:
            return self.columns
        return [self.columns[j] for j in self.kept]


def read_text(
    path: Path, usual: str, form: TextForm
) -> tuple[NDArray[np.float64], Names, Names]:
    """Read the numbers of a text file, in one pass over it.

    Parameters
    ----------
    path : Path
        The file; one whose name ends in .gz is unzipped.
    usual : str
        The separator that the suffix of the file names. Another one is taken where that
        gives no rows of numbers.
    form : TextForm
        What the caller says about the file.

    Returns
    -------
    X : ndarray of shape (n_rows, n_columns), float64
    row_names, column_names : list of str, or None

    Raises
    ------
    RefusedFile
        If the file holds no matrix of numbers; the text names the first wrong cell.
    """
    X, names, layout = _read(path, usual, form)
    columns = layout.names_of_kept()
    ids = find_ids(columns, X)
    if ids is not None and form.row_names is None and ids not in form.columns:
        warnings.warn(
            f"The column {ids!r} of {str(path)!r} seems to number the rows, and counts as a "
            f"feature. Leave it out by `drop` (--drop), or name it in `columns`.",
            UserWarning,
            stacklevel=4,
        )
    return X, names if layout.keeps_row_names else None, columns


def _read(
    path: Path, usual: str, form: TextForm, reads_truth: bool = False
) -> tuple[NDArray[np.float64], list[str], _Layout]:
    with open_text(path, form.encoding) as file:
        for _ in itertools.islice(file, form.skip):
            pass
        lines = list(itertools.islice(file, LOOK_AHEAD + 1))
        layout = _find_layout(lines, usual, form, reads_truth)
        names: list[str] = []
        rows = _yield_numbers(itertools.chain(lines, file), layout, names, form.skip)
        delimiter = None if layout.separator == BLANK else layout.separator
        try:
            X = np.loadtxt(
                rows, delimiter=delimiter, comments=None, ndmin=2, usecols=layout.kept
            )
        except UnicodeError:
            raise
        except (ValueError, _BadCell):
            with open_text(path, form.encoding) as again:
                has_truth = _refuse_bad_cell(again, layout, form.skip)
            if has_truth and not reads_truth:
                return _read(path, usual, form, True)
            raise
    return X, names, layout


def _find_layout(
    lines: list[str], usual: str, form: TextForm, reads_truth: bool
) -> _Layout:
    separator = parse_separator(form.separator)
    whole = lines[:-1] if len(lines) > LOOK_AHEAD else lines
    if any("\0" in line for line in whole):
        msg = (
            "holds NUL bytes; say its encoding, such as encoding='utf-16-le' "
            "(--encoding utf-16-le)"
        )
        raise RefusedFile(msg)
    if separator is None:
        separator = find_separator(whole, usual)
    head = list(split_rows(whole, separator))
    if not head:
        msg = "is empty; it must hold rows of numbers"
        raise RefusedFile(msg)
    if all(len(row) == 1 and not is_number(row[0]) for row in head[1:]) and head[1:]:
        msg = (
            "holds one column, and it is not of numbers; say what separates its columns "
            "by `separator` (--separator), such as ';', 'tab' or 'blank'"
        )
        raise RefusedFile(msg)
    return _Layout(head, form, separator, reads_truth)


def _yield_numbers(
    lines: Iterator[str], layout: _Layout, names: list[str], number: int
) -> Iterator[str]:
    """Yield the rows of numbers as text, and collect the names of the rows.

    Rows without quotes are not taken apart. `number` is that of the line before the first.
    """
    separator, width = layout.separator, layout.width
    skip = layout.header
    empty = " \r\n" if separator == "\t" else None
    for line in lines:
        number += 1
        if skip and '"' in line and line.count('"') % 2 == 0:
            skip = False
            continue
        if '"' in line or layout.words:
            rest = itertools.chain([line], lines)
            yield from _yield_quoted(rest, layout, names, skip, number)
            return
        text = line.strip(empty)
        if not text:
            continue
        if skip:
            skip = False
            continue
        blank = separator == BLANK
        n_cells = len(text.split()) if blank else text.count(separator) + 1
        if n_cells != width:
            raise RefusedFile(_describe_width(n_cells, number, width))
        if layout.row_names:
            name, text = text.split(None if blank else separator, 1)
            names.append(name.strip())
        yield text


def _describe_width(n_cells: int, line: int, width: int) -> str:
    return (
        f"has {n_cells} cells in line {line}, but {width} in the rows before it; say "
        "what separates cells by `separator` (--separator), or pass a number for missing "
        "ones by `empty` (--empty 0)"
    )


def _yield_quoted(
    lines: Iterator[str], layout: _Layout, names: list[str], skip: bool, number: int
) -> Iterator[str]:
    """Yield the rows of numbers as text, each taken apart by its quotes."""
    separator = layout.separator
    for row, line_number in _number_rows(lines, separator, number):
        if skip:
            skip = False
            continue
        if "" in layout.words:
            row += [""] * (layout.width - len(row))
        if len(row) != layout.width:
            raise RefusedFile(_describe_width(len(row), line_number, layout.width))
        if layout.row_names:
            names.append(row.pop(0).strip())
        for j in layout.ignored:
            row[j] = "0"
        if layout.words:
            row = [layout.words.get(cell.strip().lower(), cell) for cell in row]
        text = separator.join(row)
        # NumPy would split a quoted cell such as "1,234" at its comma
        n_cells = len(text.split()) if separator == BLANK else text.count(separator) + 1
        if n_cells != len(row):
            raise _BadCell
        yield " ".join(text.splitlines()) if "\n" in text or "\r" in text else text


def _number_rows(
    lines: Iterator[str], separator: str, start: int = 1
) -> Iterator[tuple[list[str], int]]:
    """Yield rows with the numbers of their last lines."""
    count = start - 1

    def counted() -> Iterator[str]:
        nonlocal count
        for line in lines:
            count += 1
            yield line

    for row in split_rows(counted(), separator):
        yield row, count


def _refuse_bad_cell(lines: Any, layout: _Layout, skip: int) -> bool:
    """Refuse the file for its first cell that is not a number; name all such columns.

    Returns whether truth values are all that is not a number.
    """
    named = layout.named()
    kept = layout.kept or list(range(len(named)))
    first: tuple[str, int, int] | None = None
    bad: dict[int, bool] = {}  # whether all such cells of a column are empty
    has_truth = False
    for _ in itertools.islice(lines, skip):
        pass
    rows = _number_rows(lines, layout.separator, skip + 1)
    if layout.header:
        next(rows)
    for row, line in rows:
        if "" in layout.words:
            row += [""] * (layout.width - len(row))
        if len(row) != layout.width:
            if first is None:
                raise RefusedFile(_describe_width(len(row), line, layout.width))
            break
        cells = row[layout.row_names :]
        for j in kept:
            cell = cells[j].strip().lower()
            if is_number(cells[j]) or cell in layout.words:
                continue
            if cell in TRUTH:
                has_truth = True
                continue
            first = first or (cells[j], line, j)
            bad[j] = bad.get(j, True) and cell in MISSING
    if first is None:
        return has_truth
    cell, line, j = first
    column = repr(named[j]) if layout.columns else str(j + 1)
    what = f"the text {cell!r}" if cell.strip() else "an empty cell"
    good = [named[j] for j in kept if j not in bad]
    advice = name_options([named[j] for j in sorted(bad)], good)
    if not good and any(bad.values()):
        texts = [named[j] for j in sorted(bad) if not bad[j]]
        filled = [named[j] for j in kept if bad[j]]
        advice = (
            "pass a number for empty cells by `empty` (--empty 0), or leave them out of the "
            "fit by --missing nan"
        )
        if texts:
            advice += f", and {name_options(texts, filled)}"
    msg = (
        f"has {what} in line {line}, column {column}; only numbers can be factorized: "
        f"{advice}"
    )
    raise RefusedFile(msg)
