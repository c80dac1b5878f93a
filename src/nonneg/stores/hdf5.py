"""Stores of HDF5: dense data sets, and sparse groups of anndata, h5sparse and 10x."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from ..base.arrays import Array
from .base import DenseStore, StoreBase, register_store, to_factor_dtype
from .compressed_rows import BY_COLUMNS, CompressedRows, read_shape_vector
from .interrupts import keeping_interrupts
from .read_errors import is_instance, naming_rows, require_matrix

PARTS = ("data", "indices", "indptr")
FORMATS = {"encoding-type": "_matrix", "h5sparse_format": ""}
"""Attributes that name the format of a group, each with what it adds to csr or csc."""
MOST_LEVELS = 8
"""Most groups inside each other that are searched for a matrix: links can form a loop."""
SHOWN = 6
"""Most matrices that a message lists."""
AT_ONCE = 32 << 20
"""Bytes that are read by one call of HDF5, which can't be interrupted."""
SIDE_TABLES = ("obsm", "obsp", "varm", "varp", "uns")
"""Members of an AnnData that describe its rows and columns."""
SHAPES = ("shape", "h5sparse_shape")


def cut(
    start: int, stop: int, most: int, chunk: int | None
) -> Iterator[tuple[int, int]]:
    """Yield ranges from start to stop that end with a chunk, about `most` long.

    Ctrl-C is heard between two reads, and HDF5 unzips whole chunks.
    """
    chunk = chunk or 1
    size = max(1, most // chunk) * chunk
    while start < stop:
        end = min(stop, (start // size + 1) * size)
        yield start, end
        start = end


def _read_entries(vector: Any, first: int, last: int) -> Any:
    with keeping_interrupts():
        return vector[first:last]


def describe(X: Any) -> str:
    """Return what messages call an object in an HDF5 file."""
    return f"{X.name!r} in {X.file.filename!r}"


class FileSize:
    """The size of an HDF5 file when it was opened.

    HDF5 itself reads zeros beyond the end of a file that was cut off meanwhile.
    """

    def __init__(self, X: Any) -> None:
        self._name, self._where = X.file.filename, describe(X)
        self._size = self._measure()

    def _measure(self) -> int:
        try:
            return os.stat(self._name).st_size
        except (OSError, TypeError, ValueError):  # a file in memory
            return 0

    def require_whole(self) -> None:
        """Raise EOFError if the file has become shorter."""
        size = self._measure()
        if size < self._size:
            msg = f"its file had {self._size} bytes and has {size} now"
            raise EOFError(msg)


@register_store(lambda X: is_instance(X, "h5py", "Dataset"))
class Hdf5Store(DenseStore):
    """A 2-d data set of numbers, chunked or contiguous.

    The rows of one chunk should be read together: HDF5 decompresses the whole chunk for
    any of its rows.
    """

    def __init__(self, X: Any) -> None:
        self.where = describe(X)
        self.shape = require_matrix(X.shape, self.where)
        self.dtype = to_factor_dtype(X.dtype, self.where)
        self.chunk_rows = int(X.chunks[0]) if X.chunks else None
        self._X = X
        self._at_once = AT_ONCE // max(1, self.shape[1] * self.dtype.itemsize)
        self._size = FileSize(X)

    def read(self, start: int, stop: int, out: Array | None = None) -> Array:
        """Return rows start:stop, which HDF5 reads into `out` and converts."""
        if out is None:
            out = np.empty((stop - start, self.shape[1]), dtype=self.dtype)
        with naming_rows(self.where, start, stop, self._rows, self.chunk_rows):
            for first, last in cut(start, stop, self._at_once, self.chunk_rows):
                self._read_some(first, last, out[first - start : last - start])
            self._size.require_whole()
        return out

    def _read_some(self, start: int, stop: int, out: Array) -> None:
        with keeping_interrupts():
            # HDF5 has bools as an enumeration, which it does not convert to numbers
            if self._X.dtype.kind != "b" and out.flags.c_contiguous:
                self._X.read_direct(out, np.s_[start:stop])
            else:
                out[...] = self._rows(start, stop)

    def read_shape(self) -> tuple[int, ...]:
        """Return the shape that the data set has now."""
        return tuple(self._X.shape)

    def _rows(self, start: int, stop: int) -> Any:
        return self._X[start:stop]


def is_group(X: Any) -> bool:
    """Return whether an object of HDF5 or zarr has members: a group or file."""
    return hasattr(X, "keys")


def read_format(group: Any) -> str | None:
    """Return "csr", "csc" or "10x" for a group that holds a sparse matrix, else None."""
    if not all(part in group for part in PARTS):
        return None
    for attribute, suffix in FORMATS.items():
        value = group.attrs.get(attribute)
        if value in ("csr" + suffix, "csc" + suffix):
            return str(value)[:3]
    return "10x" if "barcodes" in group and "shape" in group else None


def require_vectors(group: Any, where: str) -> list[Any]:
    """Return the data sets of values, indices and row pointers of a sparse group.

    Raises
    ------
    ValueError
        If one of them is no vector.
    """
    vectors = [group[name] for name in PARTS]
    for name, vector in zip(PARTS, vectors, strict=True):
        if is_group(vector) or len(getattr(vector, "shape", None) or ()) != 1:
            msg = f"{where} is damaged: its {name!r} is no vector. Write it anew."
            raise ValueError(msg)
    return vectors


def read_stored_shape(group: Any, where: str) -> tuple[int, ...]:
    """Return the shape that a sparse group has as an attribute or, of 10x, as a member.

    Raises
    ------
    ValueError
        If it has none, or one that is no vector of lengths.
    """
    name = next((name for name in SHAPES if name in group.attrs), None)
    if name is not None:
        return read_shape_vector(group.attrs[name], where)
    if "shape" in group and not is_group(group["shape"]):
        return read_shape_vector(group["shape"][()], where)
    msg = f"{where} does not say its shape; it needs the attribute {SHAPES[0]!r}."
    raise ValueError(msg)


def find_matrix(X: Any) -> Any:
    """Return the matrix in a file or group: the group, or its member `X` or `matrix`.

    Raises
    ------
    ValueError
        If there is no matrix; the message lists the members.
    """
    root = X
    for _ in range(MOST_LEVELS):
        if not is_group(X) or read_format(X) is not None:
            return X
        inside = [name for name in ("X", "matrix") if name in X]
        if (
            not inside and len(X) == 1
        ):  # old files of 10x: one group, named as the genome
            inside = list(X)
        if not inside:
            break
        X = X[inside[0]]
    else:
        X = root
    raise ValueError(describe_members(X, describe(X)))


def describe_members(X: Any, where: str) -> str:
    """Return the sentence about a group that is no matrix, with the matrices in it."""
    members = ", ".join(sorted(map(repr, X))) or "none"
    inside = list_matrices(X)
    if inside:
        path = inside[0]
        advice = (
            f"Matrices in it: {', '.join(inside[:SHOWN])}. Pass one of them, as "
            f"file[{path!r}] or by its name, such as 'NAME::/{path}'."
        )
    else:
        advice = "Pass a 2-d data set, or a group of a sparse matrix."
    return f"{where} is no matrix; it has the members {members}. {advice}"


def list_matrices(group: Any, levels: int = 3) -> list[str]:
    """Return the paths of matrices in a group, those for a fit before tables of theirs."""
    paths: list[str] = []
    for name in sorted(group.keys(), key=lambda name: (name in SIDE_TABLES, name)):
        try:
            member = group[name]
            shape = () if is_group(member) else member.shape or ()
        except (KeyError, OSError, RuntimeError, AttributeError):
            continue  # a link that leads nowhere, or no data set
        if not is_group(member):
            paths += [name] if len(shape) == 2 else []
        elif read_format(member) is not None:
            paths.append(name)
        elif levels:
            paths += [f"{name}/{path}" for path in list_matrices(member, levels - 1)]
    return paths


def is_hdf5_group(X: Any) -> bool:
    """Return whether X is a group or file of HDF5."""
    return is_instance(X, "h5py", "Group")


@register_store(is_hdf5_group)
def open_group(X: Any) -> StoreBase:
    """Return the store for the sparse matrix or the data set in a group or file."""
    matrix = find_matrix(X)
    return Hdf5CsrStore(matrix) if is_group(matrix) else Hdf5Store(matrix)


class Hdf5CsrStore(CompressedRows):
    """A sparse group: CSR, or a 10x matrix of features × cells, read as cells × features.

    Parameters
    ----------
    group : h5py.Group
        A group with `data`, `indices` and `indptr`, and either an attribute
        `encoding-type` (anndata) or `h5sparse_format`, or the members `shape` and
        `barcodes` (10x).

    Raises
    ------
    ValueError
        If the group holds a CSC matrix, or does not name its format.
    """

    def __init__(self, group: Any) -> None:
        where = describe(group)
        kind = read_format(group)
        if kind is None:
            msg = (
                f"{where} does not say in which format it is: it needs the attribute "
                "'encoding-type' ('csr_matrix'), as anndata writes it."
            )
            raise ValueError(msg)
        if kind == "csc":
            raise ValueError(BY_COLUMNS.format(where=where))
        data, indices, indptr = require_vectors(group, where)
        shape = read_stored_shape(group, where)
        if kind == "10x":  # columns are cells: the transpose is CSR of cells × features
            shape = shape[::-1]
        size = FileSize(group)

        def read(vector: Any, first: int, last: int) -> Any:
            chunk = vector.chunks[0] if vector.chunks else None
            at_once = AT_ONCE // vector.dtype.itemsize
            ranges = list(cut(first, last, at_once, chunk)) or [(first, first)]
            parts = [_read_entries(vector, begin, end) for begin, end in ranges]
            size.require_whole()
            return parts[0] if len(parts) == 1 else np.concatenate(parts)

        super().__init__(
            shape,
            indptr[:],
            partial(read, indices),
            partial(read, data),
            lambda: (data.shape[0], indices.shape[0]),
            data.dtype,
            where,
        )
