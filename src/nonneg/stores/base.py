"""The interface of stores, its base classes, and the registry of what becomes a store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..base.arrays import Array
from .read_errors import require_unchanged

Accepts = Callable[[Any], bool]
_stores: list[tuple[Accepts, Callable[[Any], StoreBase]]] = []

NUMBERS = "biuf"
"""Kinds of dtype that X may have in a store; floats of other sizes become float64."""


@runtime_checkable
class RowStore(Protocol):
    """The members that a store of another package must have to be read as it is.

    The attributes `sequential` and `column_names` of `StoreBase` are read from it too, if
    it has them.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """(n_samples, n_features) as they are now."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64: what `read` returns."""

    @property
    def sparse(self) -> bool:
        """Whether `read` returns CSR matrices."""

    @property
    def chunk_rows(self) -> int | None:
        """Rows that are stored, and so read, together; None if any range will do."""

    def read(self, start: int, stop: int, out: Array | None = None) -> Any:
        """Return rows start:stop."""

    def entries(self, start: int, stop: int) -> int:
        """Return the number of stored entries of rows start:stop."""


class StoreBase:
    """Base of stores: where the rows of X are, and how they can be read.

    A subclass sets `shape` and `dtype` and defines `read` and `entries`; every other
    member has a default. Reading happens in a thread of its own, one call at a time.
    """

    shape: tuple[int, int]
    """(n_samples, n_features) when the store was opened."""
    dtype: np.dtype[Any]
    """float32 or float64: the dtype of the rows that `read` returns."""
    sparse: bool = False
    """Whether `read` returns CSR matrices."""
    chunk_rows: int | None = None
    """Rows that are stored, and so read, together; None if any range will do."""
    sequential: bool = False
    """Whether going back means to begin again at row 0: a pass then reads rows in order."""
    lends: bool = False
    """Whether `read` without `out` copies nothing."""
    mapped: Array | None = None
    """All of X as an array that is mapped from a file, where there is one."""
    column_names: list[str] | None = None
    """Names of the n_features columns, where they are known."""
    where: str = "X"
    """Name of the store in messages."""

    @property
    def source(self) -> Any:
        """The object that does the reading: two stores of one source are not read at once."""
        return self

    def read(self, start: int, stop: int, out: Array | None = None) -> Any:
        """Return rows start:stop, dense ones written to `out` (stop - start, n_features).

        An `out` that is None is to be made. Ranges may overlap those of earlier calls.
        """
        raise NotImplementedError

    def entries(self, start: int, stop: int) -> int:
        """Return the number of stored entries of rows start:stop; it may be an estimate."""
        raise NotImplementedError

    def with_gaps(self) -> StoreBase:
        """Return the store with NaN for what is missing in it, where it knows of that."""
        return self

    def read_shape(self) -> tuple[int, ...]:
        """Return the shape that X has now; it may have changed since the store was opened."""
        return self.shape

    def require_unchanged(self) -> None:
        """Raise StoreError if X is not what it was when the store was opened.

        Called once a pass, before row 0 is read.
        """
        require_unchanged(self.where, self.shape, self.read_shape())


class DenseStore(StoreBase):
    """Base of stores of dense rows."""

    def entries(self, start: int, stop: int) -> int:
        """Return the number of all entries of the rows."""
        return (stop - start) * self.shape[1]


def register_store(
    accepts: Accepts, *, after_others: bool = False
) -> Callable[[Any], Any]:
    """Return a decorator: inputs for which `accepts(X)` is true become `cls(X)`.

    Later entries are asked first; those that come `after_others` only about an X that no
    other entry takes.
    """

    def enter(make: Any) -> Any:
        _stores.insert(len(_stores) if after_others else 0, (accepts, make))
        return make

    return enter


def unregister_store(make: Any) -> None:
    """Take a store out again (a plug-in's tests clean up with it)."""
    _stores[:] = [entry for entry in _stores if entry[1] is not make]


def _is_row_store(X: Any) -> bool:
    """Whether X has the members of a `RowStore`, which takes a while to ask an array."""
    return not isinstance(X, np.ndarray) and isinstance(X, RowStore)


@register_store(_is_row_store, after_others=True)
class ForeignStore(StoreBase):
    """A store of another package, with defaults for what it does not declare."""

    def __init__(self, store: RowStore) -> None:
        self._store = store
        self.shape, self.dtype, self.sparse = store.shape, store.dtype, store.sparse
        self.chunk_rows = store.chunk_rows
        self.sequential = getattr(store, "sequential", False)
        self.column_names = getattr(store, "column_names", None)

    @property
    def source(self) -> Any:
        """The store of the other package."""
        return self._store

    def read(self, start: int, stop: int, out: Array | None = None) -> Any:
        """Return rows start:stop."""
        return self._store.read(start, stop, out)

    def entries(self, start: int, stop: int) -> int:
        """Return the number of stored entries of rows start:stop."""
        return self._store.entries(start, stop)

    def read_shape(self) -> tuple[int, ...]:
        """Return the shape that the store says now."""
        return self._store.shape


def find_store(X: Any) -> StoreBase | None:
    """Return the store that X is or becomes, or None."""
    if isinstance(X, StoreBase):
        return X
    for accepts, make in _stores:
        if accepts(X):
            return make(X)
    return None


def is_store(X: Any) -> bool:
    """Return whether X is or becomes a store; a plain array in memory never does."""
    if type(X) is np.ndarray:
        return False
    return isinstance(X, StoreBase) or any(accepts(X) for accepts, _ in _stores)


def as_store(X: Any) -> StoreBase:
    """Return the store that reads X; a store is returned as it is.

    Raises
    ------
    TypeError
        If there is none for it.
    ValueError
        If X has not the structure that such a store needs.
    """
    store = find_store(X)
    if store is None:
        msg = f"No store reads an X of type {type(X).__name__}."
        raise TypeError(msg)
    return store


def to_factor_dtype(dtype: Any, what: str = "X") -> np.dtype[Any]:
    """Return float32 for itself and float64 for every other number; refuse anything else."""
    dtype = np.dtype(dtype)
    if dtype.kind not in NUMBERS:
        msg = f"{what} has dtype {dtype}; it must hold real numbers."
        raise ValueError(msg)
    native = dtype.newbyteorder("=")
    return native if native == np.float32 else np.dtype(np.float64)
