"""Stores: what X is read from. A new kind of store is one file that registers itself.

It reads rows and looks after their structure; the operand looks after their values.
"""

from __future__ import annotations

from . import (
    anndata_store,
    block_function,
    csr_folder,
    hdf5,
    locations,
    mapped,
    parquet,
    sliced,
    zarr_store,
)
from .base import RowStore, StoreBase, as_store, is_store, register_store
from .conversion import by_rows
from .dask_array import as_dask
from .locations import open_store

__all__ = [
    "RowStore",
    "StoreBase",
    "anndata_store",
    "as_dask",
    "as_store",
    "block_function",
    "by_rows",
    "csr_folder",
    "hdf5",
    "is_store",
    "locations",
    "mapped",
    "open_store",
    "parquet",
    "register_store",
    "sliced",
    "zarr_store",
]
