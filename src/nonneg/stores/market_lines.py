"""Checks of the data lines of a Matrix Market file, which SciPy's reader does not check."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
from numpy.typing import NDArray

DIGITS = b"0123456789"
SKELETON = bytes.maketrans(b"E\1", b"e?")
"""Translation of a line without its digits to the form that `_is_ordinary` compares."""
CLASSES = bytes(
    # 0 digit, 1 blank, 2 line end, 3 point, 4 e, 5 minus, 6 plus, 7 anything else
    {**dict.fromkeys(DIGITS, 0), 32: 1, 10: 2, 46: 3, 101: 4, 69: 4, 45: 5, 43: 6}.get(
        c, 7
    )
    for c in range(256)
)
"""Translation of characters to their classes."""
ALLOWED_PAIRS = bytes(
    8 * first + second
    for first, seconds in enumerate(
        ((0, 1, 2, 3, 4), (0, 5), (0, 2, 5), (0, 1, 2, 4), (0, 5, 6), (0,), (0,), ())
    )
    for second in seconds
)
"""Pairs of classes that may follow each other, each as 8·first + second."""
SIGNS = (b"", b"-")
POINTS = (b"", b".")
EXPONENTS = (b"", b"e", b"e-", b"e+")

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
    n_values = n_indices + {"pattern": 0, "complex": 2}.get(field, 1)
    integers = "integer" in field
    plain = lines.replace(b"\r\n", b"\n") if b"\r" in lines else lines
    if _has_plain_pairs(plain):
        if _has_plain_forms(plain, n_values, integers):
            return lines
    elif _is_ordinary(plain, n_values, integers):
        return lines
    value = INTEGER if "integer" in field else REAL
    numbers = [rb"\d+"] * n_indices + [rb"(?:" + value + rb")"] * (n_values - n_indices)
    pattern = re.compile(rb"\s*" + rb"\s+".join(numbers) + rb"\s*", re.IGNORECASE)
    for number, line in enumerate(lines.split(b"\n")):
        if line.strip() and not pattern.fullmatch(line):
            text = line.strip()[:60].decode("ascii", "backslashreplace")
            msg = f"{text!r} is not {n_values} numbers"
            raise ValueError(msg, number)
    changed = re.sub(rb"[dD](?=[+-]?\d)", b"e", lines)
    return lines if changed == lines else changed


def _has_plain_pairs(lines: bytes) -> bool:
    """Return whether each two neighbouring characters can be so in numbers.

    Numbers that begin with a point are left to `_is_ordinary`, since only a third character
    tells them from a point alone.
    """
    classes = (
        np.frombuffer(b"\n" + lines.translate(CLASSES) + b"\n", dtype=np.uint8) & 7
    )
    pairs = (classes[:-1] << 3) | classes[1:]
    return not pairs.tobytes().translate(None, ALLOWED_PAIRS)


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


def _is_ordinary(plain: bytes, n_values: int, integers: bool) -> bool:
    """Return whether all lines hold n_values numbers, one blank apart.

    It may say no of a correct line, which `check_lines` then matches by itself.
    """
    if not _has_plain_forms(plain, n_values, integers):
        return False
    plain = plain.removesuffix(b"\n")
    padded = np.frombuffer(b"\n" + plain + b"\n", dtype=np.uint8)
    is_blank = padded <= ord(" ")
    # n_values - 1 single blanks inside each line, each before a number
    if (is_blank[1:] & is_blank[:-1]).any():
        return False
    for sign, before in (("-", b" \neE"), ("+", b"eE")):
        places = np.flatnonzero(padded == ord(sign))
        if not _are_in(padded[places - 1], before):
            return False
        if not _are_in(padded[places + 1], DIGITS + b"."):
            return False
    places = np.flatnonzero(padded == ord("."))
    alone = ~_is_digit(padded[places - 1]) & ~_is_digit(padded[places + 1])
    places = np.flatnonzero((padded | 32) == ord("e"))
    if not _are_in(padded[places - 1], DIGITS + b"."):
        return False
    return not alone.any() and _are_in(padded[places + 1], DIGITS + b"-+")


def _are_in(characters: NDArray[np.uint8], allowed: bytes) -> bool:
    """Return whether all characters are allowed."""
    return bool(np.isin(characters, list(allowed)).all())


def _is_digit(characters: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which characters are digits."""
    return (characters >= ord("0")) & (characters <= ord("9"))
