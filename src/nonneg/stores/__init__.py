"""Stores: where the rows of an X lie that is not in memory, and how to read them.

A new kind of store is one file with a class that enters itself by `register_store`. It
reads rows and looks after their structure; values are checked by who asks for rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from ..protocols import Array

C = TypeVar("C", bound=Callable[..., Any])
Accepts = Callable[[Any], bool]
_kinds: list[tuple[Accepts, Callable[[Any], RowStore]]] = []


@runtime_checkable
class RowStore(Protocol):
    """Rows of a matrix that is not in memory.

    Two attributes are optional: `sequential`, true where rows can only be read in
    order, so that going back begins again at row 0; and `column_names`, a list of
    n_features str or None.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """(n_samples, n_features)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64, of what `read` returns; other numbers are converted."""

    @property
    def sparse(self) -> bool:
        """Whether `read` returns CSR."""

    @property
    def chunk_rows(self) -> int | None:
        """Rows of a chunk of the store, where reads should begin and end."""

    def read(self, start: int, stop: int, out: Array | None = None) -> Any:
        """Return rows start:stop.

        Dense rows are C-contiguous, of shape (stop − start, n_features), written to
        `out` if it is given. Sparse ones are CSR with sorted indices and no entry twice.

        Raises
        ------
        ValueError
            If they can't be read, or are not what they were before; it names them.
        """

    def entries(self, start: int, stop: int) -> int:
        """Stored entries of rows start:stop, known without reading them."""


def register_store(accepts: Accepts) -> Callable[[C], C]:
    """Decorator of a class or function: X with a true `accepts(X)` is read by `cls(X)`.

    Later entries are asked first.
    """

    def enter(cls: C) -> C:
        _kinds.insert(0, (accepts, cls))
        return cls

    return enter


def is_stored(X: Any) -> bool:
    """Whether X is a store, or something that a store reads."""
    return isinstance(X, RowStore) or any(accepts(X) for accepts, _ in _kinds)


def as_store(X: Any) -> RowStore:
    """Return the store that reads X; a store is returned as it is.

    Raises
    ------
    TypeError
        If there is none for it.
    ValueError
        If X has not the structure that such a store needs.
    """
    if isinstance(X, RowStore):
        return X
    for accepts, cls in _kinds:
        if accepts(X):
            return cls(X)
    msg = f"No store reads an X of type {type(X).__name__}."
    raise TypeError(msg)


from . import annotated, factory, hdf5, locations, npyfolder, parquet, zarrays
from .conversion import by_rows
from .locations import open_store

__all__ = [
    "RowStore",
    "annotated",
    "as_store",
    "by_rows",
    "factory",
    "hdf5",
    "is_stored",
    "locations",
    "npyfolder",
    "open_store",
    "parquet",
    "register_store",
    "zarrays",
]
