"""HDF5: dense data sets, and sparse groups as anndata, h5sparse and 10x write them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base.interfaces import Array
from .base import DenseStore, StoreBase, factor_dtype, register_store
from .compressed_rows import BY_COLUMNS, CompressedRows
from .read_errors import is_instance, reading, require_matrix

PARTS = ("data", "indices", "indptr")
FORMATS = {"encoding-type": "_matrix", "h5sparse_format": ""}
"""Attributes that name the format of a group, and what follows csr or csc there."""
SHAPES = ("shape", "h5sparse_shape")


def where_of(X: Any) -> str:
    """What messages call an object in an HDF5 file."""
    return f"{X.name!r} in {X.file.filename!r}"


@register_store(lambda X: is_instance(X, "h5py", "Dataset"))
class Hdf5Rows(DenseStore):
    """A 2-d data set of numbers, chunked or contiguous.

    `X.chunks[0]` rows are read together best: a chunk is decompressed whole, also for one
    of its rows.
    """

    def __init__(self, X: Any) -> None:
        self.where = where_of(X)
        self.shape = require_matrix(X.shape, self.where)
        self.dtype = factor_dtype(X.dtype, self.where)
        self.chunk_rows = int(X.chunks[0]) if X.chunks else None
        self._X = X

    def read(self, start: int, stop: int, out: Array | None = None) -> Array:
        """Return rows start:stop, read directly into `out`; HDF5 converts the numbers."""
        if out is None:
            out = np.empty((stop - start, self.shape[1]), dtype=self.dtype)
        with reading(self.where, start, stop, self._rows, self.chunk_rows):
            # HDF5 converts the numbers, but for bools, which are an enumeration to it
            if self._X.dtype.kind != "b" and out.flags.c_contiguous:
                self._X.read_direct(out, np.s_[start:stop])
            else:
                out[...] = self._rows(start, stop)
        return out

    def read_shape(self) -> tuple[int, ...]:
        """Return the shape that the data set has now."""
        return tuple(self._X.shape)

    def _rows(self, start: int, stop: int) -> Any:
        return self._X[start:stop]


def group_format(group: Any) -> str | None:
    """Return "csr", "csc" or "10x" for a group that holds a sparse matrix, else None."""
    if not all(part in group for part in PARTS):
        return None
    for attribute, suffix in FORMATS.items():
        value = group.attrs.get(attribute)
        if value in ("csr" + suffix, "csc" + suffix):
            return str(value)[:3]
    return "10x" if "barcodes" in group and "shape" in group else None


def matrix_in(X: Any) -> Any:
    """Return the matrix of a file or group: itself, or its member `X` or `matrix`.

    Raises
    ------
    ValueError
        If there is none; it lists the members.
    """
    if not hasattr(X, "keys") or group_format(X) is not None:
        return X
    for name in ("X", "matrix"):
        if name in X:
            return matrix_in(X[name])
    if len(X) == 1:  # an older file of 10x has one group, named as the genome
        return matrix_in(X[next(iter(X))])
    names = ", ".join(sorted(map(repr, X)))
    msg = (
        f"{where_of(X)} is no matrix; it has the members {names or 'none'}. Pass the "
        "data set or group of the matrix, e.g. file['X']."
    )
    raise ValueError(msg)


def has_matrix(X: Any) -> bool:
    """Whether X is a group or file of HDF5."""
    return is_instance(X, "h5py", "Group")


@register_store(has_matrix)
def stored_group(X: Any) -> StoreBase:
    """Return the store for a group or file: its sparse matrix, or a data set in it."""
    found = matrix_in(X)
    return Hdf5Csr(found) if hasattr(found, "keys") else Hdf5Rows(found)


class Hdf5Csr(CompressedRows):
    """A sparse group: CSR, or a 10x matrix of features × cells, read as cells × features.

    Parameters
    ----------
    group : h5py.Group
        With `data`, `indices` and `indptr`, and an attribute `encoding-type` (anndata) or
        `h5sparse_format`; or with the members `shape` and `barcodes` too (10x).

    Raises
    ------
    ValueError
        If it is CSC, or no such group.
    """

    def __init__(self, group: Any) -> None:
        where = where_of(group)
        kind = group_format(group)
        if kind is None:
            msg = (
                f"{where} does not say in which format it is: it needs the attribute "
                "'encoding-type' ('csr_matrix'), as anndata writes it."
            )
            raise ValueError(msg)
        if kind == "csc":
            raise ValueError(BY_COLUMNS.format(where=where))
        if kind == "10x":  # columns are cells: the transpose is CSR of cells × features
            shape = tuple(group["shape"][:][::-1])
        else:
            shape = next(
                tuple(group.attrs[name]) for name in SHAPES if name in group.attrs
            )
        data, indices = group["data"], group["indices"]
        super().__init__(
            shape,
            group["indptr"][:],
            lambda first, last: indices[first:last],
            lambda first, last: data[first:last],
            lambda: (data.shape[0], indices.shape[0]),
            data.dtype,
            where,
        )
