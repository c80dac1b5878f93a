"""Stores, from which X is read row by row; each kind is a file that registers itself.

A store reads rows and checks their structure; the operand checks their values. Public
names: `open_store`, `by_rows` and `as_dask`.
"""

from __future__ import annotations

from . import (  # noqa: F401  (each of these modules registers its stores)
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
from .conversion import by_rows
from .dask_array import as_dask
from .locations import open_store

__all__ = ["as_dask", "by_rows", "open_store"]
