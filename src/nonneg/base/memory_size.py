"""Sizes of memory as users write them."""

from __future__ import annotations

import re
from typing import Any

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
SIZE = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([KMGT]?)(i?)B?\s*", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Return the bytes of a size such as "2GB", "1.5GiB" or "500M".

    Raises
    ------
    ValueError
        If `text` is no positive size.
    """
    match = SIZE.fullmatch(text)
    if match is None or float(match[1]) == 0:
        msg = f"{text!r} is no size; write one such as 2GB, 500MB or 1.5GiB."
        raise ValueError(msg)
    unit = UNITS[match[2].upper()]
    if match[3]:
        unit = 1024 ** (len(str(unit)) // 3)
    return int(float(match[1]) * unit)


def bytes_of(limit: int | str) -> int:
    """Return the bytes of a limit, an int or a text for `parse_size`."""
    return parse_size(limit) if isinstance(limit, str) else int(limit)


def is_limit(value: Any) -> bool:
    """Whether a value may be a memory limit."""
    if isinstance(value, str):
        match = SIZE.fullmatch(value)
        return match is not None and float(match[1]) > 0
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return is_number and value > 0
