"""Checks of the data lines of a Matrix Market file, which SciPy's reader does not check."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
from numpy.typing import NDArray

DIGITS = b"0123456789"
SKELETON = bytes.maketrans(b"E\1", b"e?")
"""Translation of a line without its digits to the form that `_has_plain_forms` compares."""
SIGNS = (b"", b"-")
POINTS = (b"", b".")
EXPONENTS = (b"", b"e", b"e-", b"e+")


def _table(characters: bytes) -> NDArray[np.bool_]:
    """Return for each character whether it is one of these."""
    table = np.zeros(256, dtype=bool)
    table[list(characters)] = True
    return table


NEIGHBOURS = (
    (b"-", _table(b" \neE"), _table(DIGITS + b".")),
    (b"+", _table(b"eE"), _table(DIGITS)),
    (b"e", _table(DIGITS + b"."), _table(DIGITS + b"+-")),
    (b"E", _table(DIGITS + b"."), _table(DIGITS + b"+-")),
)
"""Characters inside a number, each with those that may be before and behind it."""

REAL = rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?|[+-]?(?:nan|inf|infinity)"
INTEGER = rb"[+-]?\d+"


def check_lines(lines: bytes, *, n_indices: int, field: str) -> bytes:
    """Return lines of data whose numbers SciPy reads in full.

    SciPy's reader stops inside a number at the first character that it does not expect:
    it would read 1.D+01 as 1.0 and 1,5 as 1.0.

    Parameters
    ----------
    lines : bytes
        Whole lines.
    n_indices : int
        Number of indices before the value: 2, or 0 in a dense file.
    field : str
        Kind of the values, as the header names it.

    Returns
    -------
    lines : bytes
        The lines, with exponents by D of Fortran as exponents by E.

    Raises
    ------
    ValueError
        If a line does not hold such numbers. `args[1]` is its number, from 0.
    """
    n_values = _count_values(n_indices, field)
    plain = lines.replace(b"\r\n", b"\n") if b"\r" in lines else lines
    if _is_plain(plain, n_values, "integer" in field):
        return lines
    match_lines(lines, n_indices=n_indices, field=field)
    changed = re.sub(rb"[dD](?=[+-]?\d)", b"e", lines)
    return lines if changed == lines else changed


def match_lines(lines: bytes, *, n_indices: int, field: str) -> None:
    """Refuse the first line that does not hold its numbers, as `check_lines` does.

    It reads each line by itself, which takes some times as long as SciPy's reader.
    """
    n_values = _count_values(n_indices, field)
    value = INTEGER if "integer" in field else REAL
    numbers = [rb"\d+"] * n_indices + [rb"(?:" + value + rb")"] * (n_values - n_indices)
    pattern = re.compile(rb"\s*" + rb"\s+".join(numbers) + rb"\s*", re.IGNORECASE)
    for number, line in enumerate(lines.split(b"\n")):
        if line.strip() and not pattern.fullmatch(line):
            text = line.strip()[:60].decode("ascii", "backslashreplace")
            msg = f"{text!r} is not {n_values} numbers"
            raise ValueError(msg, number)


def _count_values(n_indices: int, field: str) -> int:
    return n_indices + {"pattern": 0, "complex": 2}.get(field, 1)


def _has_plain_forms(lines: bytes, n_values: int, integers: bool) -> bool:
    """Return whether each line, without its digits, is one of the forms of its numbers."""
    skeleton = b"\n" + lines.removesuffix(b"\n").translate(SKELETON, DIGITS)
    last = product(
        SIGNS, (b"",) if integers else POINTS, (b"",) if integers else EXPONENTS
    )
    forms = [b"\n" + b" " * (n_values - 1) + b"".join(parts) for parts in last]
    # a form that was seen leaves a mark, so that the rest of a wrong line stands alone
    absent = [mark for mark in b".e-+" if mark not in skeleton]
    for form in sorted(forms, key=len, reverse=True):
        if any(mark in form for mark in absent):
            continue
        skeleton = skeleton.replace(form, b"\1")
    return not skeleton.strip(b"\1")


def _is_plain(lines: bytes, n_values: int, integers: bool) -> bool:
    """Return whether SciPy reads all of each line, or none of one of its numbers.

    Where it reads none, it raises an error itself. It may say no of a correct line, which
    `match_lines` then looks at. Only a sign or an exponent can end a number too early once
    the characters that are no digits come in the right order, so that they alone are looked
    up beside their neighbours.
    """
    lines = b"\n" + lines.removesuffix(b"\n") + b"\n"
    if any(pair in lines for pair in (b"  ", b"\n ", b" \n")):
        return False
    if not _has_plain_forms(lines[1:], n_values, integers):
        return False
    characters = np.frombuffer(lines, dtype=np.uint8)
    for mark, before, after in NEIGHBOURS:
        if mark in lines:
            places = np.flatnonzero(characters == mark[0])
            if not before[characters[places - 1]].all():
                return False
            if not after[characters[places + 1]].all():
                return False
    return True
