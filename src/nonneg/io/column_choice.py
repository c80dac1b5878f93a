"""The choice of columns by name or number, and the options that name them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .text_forms import RefusedFile

SHOWN = 8
"""Most columns that a message lists."""
NAME_OF_IDS = re.compile(
    r"(?i:(.*[ _.-])?(id|ids|index|idx|row|rownames|rownum|nr|no\.?|number|unnamed: ?0))"
    r"|[A-Za-z]*(Id|ID)"
)
"""Headings of columns that number the rows."""


def choose_columns(
    names: Sequence[str] | None,
    n_columns: int,
    columns: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> list[int] | None:
    """Return the places of the chosen columns, or None for all of them.

    Parameters
    ----------
    names : sequence of str, or None
        Names of the columns; without them columns are called by their numbers, from 1.
    n_columns : int
    columns : sequence of str
        Columns to keep, in this order; an entry that is no name is cut at its commas.
    drop : sequence of str
        Columns to leave out.

    Raises
    ------
    RefusedFile
        If there is no such column, or none is left.
    """
    if not columns and not drop:
        return None
    called = [str(j + 1) for j in range(n_columns)] if names is None else list(names)
    kept = list(range(n_columns))
    if columns:
        kept = [j for name in _split(columns, called) for j in _find(name, called)]
    left_out = {j for name in _split(drop, called) for j in _find(name, called)}
    kept = [j for j in kept if j not in left_out]
    if not kept:
        msg = "has no column left; keep one of numbers (--columns, --drop)"
        raise RefusedFile(msg)
    return kept


def _split(entries: Sequence[str], called: list[str]) -> list[str]:
    names: list[str] = []
    for entry in entries:
        whole = entry.strip()
        parts = [whole] if whole in called else whole.split(",")
        names += [part.strip() for part in parts if part.strip()]
    return names


def _find(name: str, called: list[str]) -> list[int]:
    places = [j for j, other in enumerate(called) if other == name]
    if places:
        return places
    span = re.fullmatch(r"(\d+)-(\d+)", name)
    if span is not None and span[1] in called and span[2] in called:
        return list(range(called.index(span[1]), called.index(span[2]) + 1))
    msg = f"has no column {name!r}; its columns are {list_names(called)}"
    raise RefusedFile(msg)


def list_names(names: Sequence[str]) -> str:
    """Return the names in a sentence, at most `SHOWN` of them."""
    text = ", ".join(map(repr, names[:SHOWN]))
    return text + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def name_options(bad: Sequence[str], good: Sequence[str]) -> str:
    """Return what leaves out the bad columns: the shorter of --drop and --columns."""
    if not good:
        return (
            "no column holds numbers alone. If the table begins further down, leave out the "
            "lines above it by `skip` (--skip N)"
        )
    drop = len(bad) <= len(good)
    option, names = ("--drop", bad) if drop else ("--columns", good)
    word = "drop" if drop else "columns"
    plain = [name for name in dict.fromkeys(names) if "," not in name]
    flags = [f"{option} {shlex.quote(','.join(plain))}"] if plain else []
    flags += [f"{option} {shlex.quote(name)}" for name in names if "," in name]
    return f"leave out what is not numbers by `{word}` ({' '.join(flags)})"


def find_ids(names: Sequence[str] | None, X: NDArray[np.float64]) -> str | None:
    """Return the name of a column that seems to number the rows, or None.

    It has such a name, and a whole number of its own in each row.
    """
    if names is None or len(X) < 3:
        return None
    for j, name in enumerate(names):
        if NAME_OF_IDS.fullmatch(name.strip()):
            column = X[:, j]
            if (column == np.floor(column)).all() and len(np.unique(column)) == len(X):
                return name
    return None
