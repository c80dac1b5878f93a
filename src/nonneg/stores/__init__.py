"""Readers of stores that X may be in: HDF5, zarr, AnnData, Parquet, and others.

A new kind of store is one file here with a class that enters itself by `register_store`.
It reads rows and looks after their structure; the operand looks after their values.
"""

from __future__ import annotations

from typing import Any

from ..operands.stores import RowStore, is_store, register_store, store_of

PROTOCOL = ("shape", "dtype", "sparse", "chunk_rows", "read", "entries")


@register_store(lambda X: all(hasattr(X, name) for name in PROTOCOL))
def same(X: RowStore) -> RowStore:
    """Return a store as it is."""
    return X


def as_store(X: Any) -> RowStore:
    """Return the store that reads X; a store is returned as it is.

    Raises
    ------
    TypeError
        If there is none for it.
    ValueError
        If X has not the structure that such a store needs.
    """
    store = store_of(X)
    if store is None:
        msg = f"No store reads an X of type {type(X).__name__}."
        raise TypeError(msg)
    return store


from . import annotated, factory, hdf5, locations, npyfolder, parquet, zarrays
from .conversion import by_rows
from .daskrows import as_dask
from .locations import open_store

__all__ = [
    "RowStore",
    "annotated",
    "as_dask",
    "as_store",
    "by_rows",
    "factory",
    "hdf5",
    "is_store",
    "locations",
    "npyfolder",
    "open_store",
    "parquet",
    "register_store",
    "zarrays",
]
