"""Names of data on disk, such as `cells.h5::/layers/counts`, and how to open them."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from ..base.gate import admit_sparse
from .base import StoreBase, as_store, register_store
from .conversion import by_rows
from .csr_folder import CsrFolder, is_csr_folder
from .hdf5 import (
    PARTS,
    find_matrix,
    is_group,
    read_format,
    read_stored_shape,
    require_vectors,
)
from .read_errors import describe_lack, require_matrix
from .table_names import RAW, read_column_names, read_names_of_rows

INSIDE = "::"
"""The separator between the name of a file or folder and the path inside it."""
HDF5 = (".h5", ".hdf5", ".h5ad", ".h5mu", ".hdf")
ZARR = ("zarr.json", ".zgroup", ".zarray")
"""Files that mark a folder of zarr."""
MATRIX_MARKET = (".mtx", ".mtx.gz")


class Location(NamedTuple):
    """The place of a matrix: a file or folder, and perhaps a path inside it."""

    path: Path
    inside: str | None


def parse_location(name: str | os.PathLike[str]) -> Location:
    """Split `file::/path` at the last "::", unless a file has the whole name."""
    text = os.fspath(name)
    if INSIDE not in text or Path(text).exists():
        return Location(Path(text), None)
    path, _, inside = text.rpartition(INSIDE)
    return Location(Path(path), "/" + inside.strip("/"))


def detect_kind(location: Location) -> str | None:
    """Return "hdf5", "zarr", "csr", "parquet" or "mtx"; None where no store reads it."""
    path = location.path
    name = path.name.lower()
    if path.is_dir():
        if is_csr_folder(path):
            return "csr"
        if any((path / entry).is_file() for entry in ZARR):
            return "zarr"
        return "parquet" if next(path.glob("**/*.parquet"), None) else None
    if name.endswith(HDF5):
        return "hdf5"
    if name.endswith(MATRIX_MARKET):
        return "mtx"
    return "parquet" if name.endswith(".parquet") else None


def open_store(name: str | os.PathLike[str]) -> StoreBase:
    """Open the matrix of that name for reading rows.

    Parameters
    ----------
    name : str or path-like
        - `file.h5`, `file.h5::/path`: a data set or sparse group of HDF5 (.h5, .hdf5,
          .h5ad, .h5mu); without a path the member `X` or `matrix`, or the only member;
        - `folder.zarr`, `folder.zarr::/path`: an array or sparse group of zarr; without
          a path the array itself, or the member `X`;
        - a Parquet file, or a folder of Parquet files;
        - a folder with the .npy files of a CSR, as `by_rows` writes it;
        - `file.mtx`, `file.mtx.gz`: converted to a CSR in a temporary folder, which is
          removed with the store.

    Returns
    -------
    store : StoreBase

    Raises
    ------
    ValueError
        If it is no such matrix, or is stored by columns.
    FileNotFoundError
        If there is no such file.
    ImportError
        If its package is not installed.
    """
    location = parse_location(name)
    if not location.path.exists():
        msg = f"No such file: {str(location.path)!r}."
        raise FileNotFoundError(msg)
    kind = detect_kind(location)
    if location.inside is not None and kind not in ("hdf5", "zarr"):
        msg = (
            f"{str(location.path)!r} has no paths inside; only HDF5 files and zarr "
            f"folders are named with {INSIDE!r}."
        )
        raise ValueError(msg)
    if kind is None:
        msg = (
            f"No store reads {str(location.path)!r}: pass an HDF5, Parquet or .mtx file, "
            "a zarr folder, or a folder with the .npy files of a CSR."
        )
        raise ValueError(msg)
    with _explain_errors(name):
        return _OPEN[kind](location)


@contextmanager
def _explain_errors(name: str | os.PathLike[str]) -> Iterator[None]:
    """Turn errors about links that lead nowhere, or about memory, into a sentence."""
    try:
        yield
    except MemoryError as error:
        raise MemoryError(describe_lack(name, error)) from error
    except (KeyError, RuntimeError) as error:
        reason = " ".join(str(error.args[0] if error.args else error).split())
        msg = f"{os.fspath(name)!r} can't be read: {reason}."
        raise ValueError(msg) from error


def _open_hdf5(location: Location) -> StoreBase:
    file, matrix = _find_in_hdf5(location)
    return _with_names(as_store(matrix), read_column_names(file, matrix))


def _find_in_hdf5(location: Location) -> tuple[Any, Any]:
    """Open an HDF5 file; return it and the matrix at the location."""
    h5py = import_for(location.path, "h5py")
    try:
        file = h5py.File(location.path, "r")
    except OSError as error:
        msg = f"{str(location.path)!r} can't be opened: {error}"
        raise ValueError(msg) from error
    matrix = find_matrix(_find_member(file, location))
    _require_inside(matrix)
    return file, matrix


def _require_inside(matrix: Any) -> None:
    """Raise ValueError if the numbers of an HDF5 matrix are in a file of any other kind."""
    data_sets = [matrix]
    if is_group(matrix):
        names = [name for name in PARTS if name in matrix]
        data_sets = [matrix[name] for name in names]
    for data_set in data_sets:
        if not is_group(data_set) and getattr(data_set, "external", None):
            msg = (
                f"{data_set.name!r} in {data_set.file.filename!r} has its numbers in "
                f"another file, {data_set.external[0][0]!r}. Pass the data set itself, "
                "h5py.File(name)[path], if that is meant."
            )
            raise ValueError(msg)


def _find_member(root: Any, location: Location) -> Any:
    """Return the member at the path inside a file or group."""
    inside = (location.inside or "/").strip("/")
    if not inside:
        return root
    if inside in root:
        return root[inside]
    if inside == "raw/X" and RAW in root:
        return root[RAW]
    names = ", ".join(sorted(map(repr, root.keys())))
    msg = (
        f"{str(location.path)!r} has nothing at {location.inside!r}; its members are "
        f"{names or 'none'}."
    )
    raise ValueError(msg)


def _open_zarr(location: Location) -> StoreBase:
    root, matrix = _find_in_zarr(location)
    names = read_column_names(root, matrix) if is_group(root) else None
    return _with_names(as_store(matrix), names)


def _find_in_zarr(location: Location) -> tuple[Any, Any]:
    """Open a zarr folder; return its root and the matrix at the location."""
    zarr = import_for(location.path, "zarr")
    try:
        root = zarr.open(store=str(location.path), mode="r")
    except Exception as error:
        msg = f"{str(location.path)!r} can't be opened: {error}"
        raise ValueError(msg) from error
    if not is_group(root):
        return root, root
    return root, find_matrix(_find_member(root, location))


def read_columns(
    location: Location, limit: float
) -> tuple[Any, list[str] | None] | None:
    """Read a matrix that is stored by columns, with the names of its columns.

    Parameters
    ----------
    location : Location
    limit : float
        Bytes that it may take.

    Returns
    -------
    X : csc_array
    names : list of str, or None

    None is returned where it is stored otherwise, or is larger; `open_store` then opens it or
    says how to convert it.
    """
    kind = detect_kind(location)
    if kind not in ("hdf5", "zarr") or not location.path.exists():
        return None
    with _explain_errors(location.path):
        return _read_columns(kind, location, limit)


def _read_columns(
    kind: str, location: Location, limit: float
) -> tuple[Any, list[str] | None] | None:
    root, matrix = (_find_in_hdf5 if kind == "hdf5" else _find_in_zarr)(location)
    if not is_group(matrix) or read_format(matrix) != "csc":
        return None
    vectors = require_vectors(matrix, repr(str(location.path)))
    if sum(vector.shape[0] * vector.dtype.itemsize for vector in vectors) > limit:
        return None
    where = repr(str(location.path))
    shape = require_matrix(read_stored_shape(matrix, where), where)
    try:
        X = sp.csc_array(tuple(vector[:] for vector in vectors), shape=shape)
    except (OSError, ValueError) as error:
        msg = f"{str(location.path)!r} can't be read: {error}. The file may be damaged."
        raise ValueError(msg) from error
    names = read_column_names(root, matrix)
    return admit_sparse(X, repr(str(location.path))), names


def read_row_names(location: Location, n_rows: int) -> list[str] | None:
    """Return the names of the rows in a file of anndata or 10x, if there are n_rows of them."""
    with _explain_errors(location.path):
        names = _find_row_names(location)
    return None if names is None or len(names) != n_rows else names


def _find_row_names(location: Location) -> list[str] | None:
    kind = detect_kind(location)
    if kind not in ("hdf5", "zarr"):
        return None
    package = import_for(location.path, "h5py" if kind == "hdf5" else "zarr")
    if kind == "zarr":
        root = package.open(store=str(location.path), mode="r")
        return _rows_in(root, location) if is_group(root) else None
    with package.File(location.path, "r") as root:
        return _rows_in(root, location)


def _rows_in(root: Any, location: Location) -> list[str] | None:
    return read_names_of_rows(root, find_matrix(_find_member(root, location)))


def estimate_market_bytes(path: Path) -> int:
    """Return the bytes that a Matrix Market file takes in memory, by its header."""
    import scipy.io

    try:
        n_rows, n_columns, n_entries, layout, *_ = scipy.io.mminfo(path)
    except (ValueError, OverflowError, EOFError, OSError, zlib.error):
        return 0  # the reader of the file says what is wrong
    if layout == "array":
        return int(n_rows) * int(n_columns) * 8
    # first as triples, then as the CSR that is made from them
    return int(n_entries) * (16 + 12)


def _with_names(store: StoreBase, names: list[str] | None) -> StoreBase:
    """Return the store, with the names of its columns if there is one for each."""
    if names is not None and len(names) == store.shape[1]:
        store.column_names = names
    return store


def _open_parquet(location: Location) -> StoreBase:
    import_for(location.path, "pyarrow")
    import pyarrow.dataset

    try:
        dataset = pyarrow.dataset.dataset(location.path, format="parquet")
    except (OSError, ValueError) as error:
        msg = f"{str(location.path)!r} can't be read: {error}"
        raise ValueError(msg) from error
    return as_store(dataset)


def import_for(path: Path, package: str) -> Any:
    """Import a package that a file needs, or say what to install."""
    try:
        return __import__(package)
    except ImportError:
        msg = f"{str(path)!r} needs {package}: pip install 'nonneg[io]'."
        raise ImportError(msg) from None


def estimate_memory(store: StoreBase) -> int:
    """Return the bytes that X takes in memory when it is read whole."""
    n_entries = store.entries(0, store.shape[0])
    if not store.sparse:
        return n_entries * store.dtype.itemsize
    index = 4 if max(n_entries, store.shape[1]) < np.iinfo(np.int32).max else 8
    return n_entries * (store.dtype.itemsize + index) + index * (store.shape[0] + 1)


_OPEN: dict[str, Callable[[Location], StoreBase]] = {
    "hdf5": _open_hdf5,
    "zarr": _open_zarr,
    "parquet": _open_parquet,
    "csr": lambda location: CsrFolder(location.path),
    "mtx": lambda location: by_rows(location.path),
}
"""Each kind with the function that opens it."""


@register_store(
    lambda X: isinstance(X, Path) and detect_kind(parse_location(X)) is not None
)
def open_path(path: Path) -> StoreBase:
    """Return the store for a path, as `open_store` does for its name."""
    return open_store(path)
