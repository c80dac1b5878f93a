"""Errors of reading that name the rows, and the checks of shapes that raise them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class StoreError(OSError, ValueError):
    """Raised for rows of a store that can't be read or are not as they should be.

    Its message names the rows and is complete: callers pass it on unchanged.
    """


def describe_reason(error: BaseException) -> str:
    """Return the text of another library's error in a line, without its full stop.

    It may quote the file, which must not control a terminal.
    """
    line = " ".join(str(error).split()).rstrip(".")
    return "".join(c if c.isprintable() else "?" for c in line)


def describe_lack(where: object, error: MemoryError) -> str:
    """Return the sentence about a file whose matrix needs more memory than there is."""
    reason = describe_reason(error) or "there is no memory left"
    return (
        f"{str(where)!r} can't be read: {reason}. Its shape needs more memory than there "
        "is, unless it is damaged."
    )


def describe_rows(start: int, stop: int) -> str:
    """Return rows start:stop in words."""
    return f"Row {start}" if stop == start + 1 else f"Rows {start} to {stop - 1}"


@contextmanager
def naming_rows(
    where: str,
    start: int,
    stop: int,
    again: Callable[[int, int], Any] | None = None,
    size: int | None = 1,
) -> Iterator[None]:
    """Turn an error of the library that reads into a StoreError that names the rows.

    Parameters
    ----------
    where : str
        What messages call the store.
    start, stop : int
        Rows that are being read.
    again : callable, default=None
        Reads a range of them; used to find the first row that can't be read.
    size : int or None, default=1
        Rows of a chunk, which is damaged as a whole; None means 1.
    """
    try:
        yield
    except (StoreError, MemoryError):
        raise
    except Exception as error:
        if again is not None:
            start, stop = _find_unreadable(again, start, stop, size or 1)
        reason = describe_reason(error) or type(error).__name__
        msg = (
            f"{describe_rows(start, stop)} of {where} can't be read: {reason}. "
            "The file may be damaged or cut off, or was changed."
        )
        raise StoreError(msg) from error


def _find_unreadable(
    again: Callable[[int, int], Any], start: int, stop: int, size: int
) -> tuple[int, int]:
    """Return the rows of the first unreadable chunk; start, stop if none fails now."""

    def fails(first: int, last: int) -> bool:
        try:
            again(first, last)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001  (whatever its library raises)
            return True
        return False

    low, high = start, stop
    while high - low > 1:
        middle = (low + high) // 2
        if fails(low, middle):
            high = middle
        else:
            low = middle
    if not fails(low, low + 1):
        return start, stop
    return low, min(low - low % size + size, stop)


def require_rows(where: str, start: int, stop: int, n_rows: int) -> None:
    """Raise StoreError unless the rows start:stop that were asked for all came."""
    if n_rows != stop - start:
        msg = (
            f"{describe_rows(start, stop)} of {where} are not there: {n_rows} rows came "
            f"in place of {stop - start}. X may not change during a fit."
        )
        raise StoreError(msg)


def require_unchanged(
    where: str, expected: tuple[int, ...], present: tuple[int, ...]
) -> None:
    """Raise StoreError if the shape of a store is not what it was at opening."""
    if tuple(present) == tuple(expected):
        return
    same_width = tuple(present)[1:] == tuple(expected)[1:]
    if same_width and present[0] < expected[0]:
        what = f"{describe_rows(present[0], expected[0])} of {where} are gone"
    elif same_width:
        what = f"{describe_rows(expected[0], present[0])} of {where} are new"
    else:
        what = f"{where} has another width in rows 0 to {expected[0] - 1}"
    msg = (
        f"{what}: its shape was {tuple(expected)} and is now {tuple(present)}. X may not "
        "change during a fit."
    )
    raise StoreError(msg)


def require_matrix(shape: tuple[int, ...], where: str) -> tuple[int, int]:
    """Return the shape of a matrix with rows and columns.

    Raises
    ------
    ValueError
        If it has not two dimensions, or is empty.
    """
    if len(shape) != 2:
        msg = f"{where} has {len(shape)} dimensions; a matrix has 2."
        raise ValueError(msg)
    if 0 in shape:
        msg = f"{where} is empty: it has shape {tuple(shape)}."
        raise ValueError(msg)
    return int(shape[0]), int(shape[1])


def is_instance(X: Any, package: str, *names: str) -> bool:
    """Return whether X is of a class of an optional package, without importing it."""
    module = sys.modules.get(package)
    classes = (getattr(module, name, None) for name in names)
    return module is not None and any(
        isinstance(X, cls) for cls in classes if cls is not None
    )
