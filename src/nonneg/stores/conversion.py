"""Conversion of Matrix Market files and CSC matrices to a CSR on disk, out of core."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from .csr_folder import CsrFolder
from .hdf5 import (
    find_matrix,
    is_group,
    read_format,
    read_stored_shape,
    require_vectors,
)
from .mapped import read_fully
from .matrix_market import Entries, MatrixMarket
from .read_errors import StoreError, is_instance, require_matrix

MEMORY = 256 << 20
"""Default for the bytes of memory that a conversion may take for entries."""
SHARE = 6
"""Copies of a bucket of entries that fit into the memory: sorting needs one less."""


def by_rows(
    source: Any, folder: str | os.PathLike[str] | None = None, *, memory: int = MEMORY
) -> CsrFolder:
    """Write a matrix that is not stored by rows as a CSR on disk, and return its store.

    Parameters
    ----------
    source : path-like or object
        The name of a Matrix Market file (.mtx, .mtx.gz), or a CSC matrix on disk: a
        group of h5py or zarr, the X of a backed AnnData, or that AnnData itself.
    folder : path-like, default=None
        Folder to write, which must not exist: `data.npy`, `indices.npy`, `indptr.npy`
        and `shape.npy`, opened again by `nonneg.stores.open_store(folder)`. None takes a
        temporary folder, which is removed with the store.
    memory : int, default=268435456
        Bytes of memory for entries. Eight bytes a row come on top of them.

    Returns
    -------
    store : CsrFolder

    Raises
    ------
    ValueError
        If the source is damaged, or no matrix that can be converted.
    FileExistsError
        If the folder exists.

    Notes
    -----
    Entries are written to disk in the order of the source, then again in groups of rows,
    then sorted group by group: each of the three is read and written in order once. The
    conversion takes the disk space of three copies of the result while it runs. The
    folder appears when it is complete.
    """
    if folder is None:
        target = Path(tempfile.mkdtemp(prefix="nonneg-")) / "csr"
    else:
        target = Path(folder)
    if target.exists():
        msg = (
            f"{str(target)!r} exists already. If it holds the converted matrix, open "
            "it by nonneg.stores.open_store(folder); else give another name."
        )
        raise FileExistsError(msg)
    part = target.parent / f".nonneg-{secrets.token_hex(8)}.part"
    part.mkdir()
    try:
        _write(_open_source(source, memory), part, memory)
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        if folder is None:
            target.parent.rmdir()
        raise
    store = CsrFolder(target)
    if folder is None:
        weakref.finalize(store, shutil.rmtree, target.parent, ignore_errors=True)
    return store


def _open_source(source: Any, memory: int) -> Any:
    """Return the object that yields the entries of the source."""
    n_entries = max(1, memory // (SHARE * 24))
    if isinstance(source, str | os.PathLike):
        return MatrixMarket(Path(source), n_bytes=max(64, memory // SHARE))
    if is_instance(source, "anndata", "AnnData"):
        source = source.X
    if is_instance(source, "anndata.abc", "CSRDataset", "CSCDataset"):
        source = source.group
    if is_group(source):
        group = find_matrix(source)
        if is_group(group) and read_format(group) == "csc":
            return CscEntries(group, n_entries)
    msg = (
        f"A {type(source).__name__} can't be converted to rows: pass the name "
        "of a Matrix Market file, or a CSC group of h5py or zarr."
    )
    raise ValueError(msg)


class CscEntries:
    """The entries of a CSC group, one range of columns after the other."""

    def __init__(self, group: Any, n_entries: int) -> None:
        self.where = f"{group.name!r}"
        self.shape = require_matrix(read_stored_shape(group, self.where), self.where)
        self._data, self._indices, indptr = require_vectors(group, self.where)
        self.dtype = np.dtype(self._data.dtype)
        self._indptr = self._checked(indptr[:])
        self._n_entries = n_entries

    def _checked(self, indptr: NDArray[Any]) -> NDArray[np.int64]:
        """Return the column pointers, which lead through all entries from the first on."""
        n_stored = min(self._data.shape[0], self._indices.shape[0])
        kinds = self._indices.dtype.kind + indptr.dtype.kind
        is_sound = indptr.size == self.shape[1] + 1 and not kinds.strip("iu")
        is_sound = is_sound and indptr[0] == 0 and indptr[-1] <= n_stored
        if not is_sound or (indptr[1:] < indptr[:-1]).any():
            msg = (
                f"The column pointers of {self.where} do not rise from 0 to its {n_stored} "
                f"entries, one for each of {self.shape[1]} columns. The file is damaged."
            )
            raise StoreError(msg)
        return indptr.astype(np.int64)

    def __iter__(self) -> Iterator[Entries]:
        data, indices, indptr = self._data, self._indices, self._indptr
        for first in range(0, int(indptr[-1]), self._n_entries):
            last = min(first + self._n_entries, int(indptr[-1]))
            # the columns of these entries; an empty column has the pointer of the next
            columns = np.searchsorted(indptr, np.arange(first, last), side="right") - 1
            rows = indices[first:last]
            if rows.size and not 0 <= rows.min() <= rows.max() < self.shape[0]:
                bad = int(np.flatnonzero((rows < 0) | (rows >= self.shape[0]))[0])
                msg = (
                    f"Column {columns[bad]} of {self.where} has an entry in row "
                    f"{rows[bad]}, but there are {self.shape[0]} rows."
                )
                raise StoreError(msg)
            yield Entries(rows, columns, data[first:last])


def _write(source: Any, folder: Path, memory: int) -> None:
    """Write the four files, and remove the temporary ones beside them."""
    n_rows, n_columns = source.shape
    small = max(n_rows, n_columns) < np.iinfo(np.int32).max
    index = np.dtype(np.int32 if small else np.int64)
    record = np.dtype([("row", index), ("column", index), ("value", source.dtype)])
    counts = np.zeros(n_rows + 1, dtype=np.int64)
    with _open_scratch(folder / "entries") as file:
        for entries in source:
            np.add.at(counts, np.asarray(entries.rows, dtype=np.int64) + 1, 1)
            _pack(entries, record).tofile(file)
        indptr = np.cumsum(counts)
        bounds = _cut_buckets(indptr, max(1, memory // (SHARE * record.itemsize)))
        with _open_scratch(folder / "buckets") as grouped:
            file.flush()
            _group(file, grouped, indptr, bounds, record, memory)
            file.truncate(0)
            _sort(grouped, folder, indptr, bounds, record)
    np.save(folder / "indptr.npy", indptr)
    np.save(folder / "shape.npy", np.array([n_rows, n_columns], dtype=np.int64))


@contextlib.contextmanager
def _open_scratch(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file that is removed at the end."""
    with path.open("w+b") as file:
        yield file
    path.unlink()


def _pack(entries: Entries, record: np.dtype[Any]) -> NDArray[Any]:
    """Return the entries as an array of records."""
    packed = np.empty(entries.rows.size, dtype=record)
    packed["row"], packed["column"], packed["value"] = entries
    return packed


def _cut_buckets(indptr: NDArray[np.int64], n_entries: int) -> NDArray[np.int64]:
    """Return the first rows of groups of rows with about `n_entries` entries at most."""
    bounds = [0]
    while bounds[-1] < indptr.size - 1:
        most = indptr[bounds[-1]] + n_entries
        last = int(np.searchsorted(indptr, most, side="right")) - 1
        bounds.append(max(last, bounds[-1] + 1))
    return np.array(bounds)


def _group(
    file: IO[bytes],
    grouped: IO[bytes],
    indptr: NDArray[np.int64],
    bounds: NDArray[np.int64],
    record: np.dtype[Any],
    memory: int,
) -> None:
    """Copy the entries so that each bucket is contiguous and keeps the order of the file."""
    ends_of_copied = indptr[bounds].copy()
    n_records = max(1, memory // (SHARE * record.itemsize))
    for first in range(0, int(indptr[-1]), n_records):
        last = min(first + n_records, int(indptr[-1]))
        entries = np.empty(last - first, dtype=record)
        read_fully(file.fileno(), entries, first * record.itemsize)
        bucket = np.searchsorted(bounds, entries["row"], side="right") - 1
        entries = entries[np.argsort(bucket, kind="stable")]
        sizes = np.bincount(bucket, minlength=bounds.size)
        ends = np.cumsum(sizes)
        for i in np.flatnonzero(sizes):
            grouped.seek(int(ends_of_copied[i]) * record.itemsize)
            entries[ends[i] - sizes[i] : ends[i]].tofile(grouped)
            ends_of_copied[i] += sizes[i]
    grouped.flush()


def _sort(
    grouped: IO[bytes],
    folder: Path,
    indptr: NDArray[np.int64],
    bounds: NDArray[np.int64],
    record: np.dtype[Any],
) -> None:
    """Write the entries of each bucket by rows and columns."""
    with (
        _open_vector(folder / "data.npy", indptr[-1], record["value"]) as data,
        _open_vector(folder / "indices.npy", indptr[-1], record["column"]) as indices,
    ):
        for first, last in zip(indptr[bounds[:-1]], indptr[bounds[1:]], strict=True):
            entries = np.empty(last - first, dtype=record)
            read_fully(grouped.fileno(), entries, int(first) * record.itemsize)
            entries = entries[_order(entries["row"], entries["column"])]
            entries["value"].tofile(data)
            entries["column"].tofile(indices)


def _order(rows: Array, columns: Array) -> Array:
    """Return the order by rows, then by columns: one key sorts twice as fast as two."""
    if not rows.size:
        return np.arange(0)
    rows, width = rows.astype(np.int64) - rows.min(), int(columns.max()) + 1
    if int(rows.max()) + 1 >= np.iinfo(np.int64).max // width:
        return np.lexsort((columns, rows))
    return np.argsort(rows * width + columns)


@contextlib.contextmanager
def _open_vector(path: Path, size: Any, dtype: np.dtype[Any]) -> Iterator[IO[bytes]]:
    """Write the header of an .npy file of a vector, and open the file for its entries."""
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": (int(size),),
    }
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        yield file
        file.flush()
        os.fsync(file.fileno())
