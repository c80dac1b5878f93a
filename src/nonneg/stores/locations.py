"""Names of data on disk, such as `cells.h5::/layers/counts`, and the stores they open."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .base import StoreBase, as_store, register_store
from .conversion import by_rows
from .csr_folder import NpyCsr, is_csr_folder

INSIDE = "::"
"""Between the name of a file or folder and the path inside it."""
HDF5 = (".h5", ".hdf5", ".h5ad", ".hdf")
ZARR = ("zarr.json", ".zgroup", ".zarray")
"""Files by which a folder of zarr is known."""
MATRIX_MARKET = (".mtx", ".mtx.gz")


class Location(NamedTuple):
    """Where a matrix lies: a file or folder, and perhaps a path inside it."""

    path: Path
    inside: str | None


def parse_location(name: str | os.PathLike[str]) -> Location:
    """Split `file::/path` at the last "::"; a name that exists as a whole stays whole."""
    text = os.fspath(name)
    if INSIDE not in text or Path(text).exists():
        return Location(Path(text), None)
    path, _, inside = text.rpartition(INSIDE)
    return Location(Path(path), "/" + inside.strip("/"))


def kind_of(location: Location) -> str | None:
    """Return "hdf5", "zarr", "csr", "parquet" or "mtx"; None for what no store reads."""
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
          .h5ad); without a path the member `X` or `matrix`, or the only one;
        - `folder.zarr`, `folder.zarr::/path`: the same of zarr;
        - a Parquet file, or a folder of them;
        - a folder with the .npy files of a CSR (see `npyfolder`);
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
    kind = kind_of(location)
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
    return _OPEN[kind](location)


def _open_hdf5(location: Location) -> StoreBase:
    h5py = import_for(location.path, "h5py")
    try:
        file = h5py.File(location.path, "r")
    except OSError as error:
        msg = f"{str(location.path)!r} can't be opened: {error}"
        raise ValueError(msg) from error
    if location.inside is None or location.inside.rstrip("/") in ("", "/X", "/matrix"):
        found = _member(file, location)
        names = _names_of_features(file)
    else:
        found, names = _member(file, location), None
        if location.inside.startswith("/layers/"):
            names = _names_of_features(file)
    return _named(as_store(found), names)


def _member(root: Any, location: Location) -> Any:
    """Return what lies at the path inside a file or group."""
    inside = (location.inside or "/").strip("/")
    if not inside:
        return root
    if inside in root:
        return root[inside]
    names = ", ".join(sorted(map(repr, root.keys())))
    msg = (
        f"{str(location.path)!r} has nothing at {location.inside!r}; its members are "
        f"{names or 'none'}."
    )
    raise ValueError(msg)


def _open_zarr(location: Location) -> StoreBase:
    zarr = import_for(location.path, "zarr")
    try:
        root = zarr.open(store=str(location.path), mode="r")
    except Exception as error:
        msg = f"{str(location.path)!r} can't be opened: {error}"
        raise ValueError(msg) from error
    found = _member(root, location) if location.inside is not None else root
    is_X = location.inside is None or location.inside.startswith(("/X", "/layers/"))
    names = _names_of_features(root) if is_X and hasattr(root, "keys") else None
    return _named(as_store(found), names)


def _names_of_features(root: Any) -> list[str] | None:
    """Names of the columns, as anndata or 10x keep them; None where there are none."""
    return _names(root, "var", ["matrix/features/name", "matrix/features/id"])


def _names(root: Any, table: str, vectors: list[str]) -> list[str] | None:
    """Texts of the first of these vectors that there is, or the index of a table."""
    for path in vectors:
        if path in root:
            return _texts(root[path][:])
    if table not in root or not hasattr(root[table], "attrs"):
        return None
    key = root[table].attrs.get("_index", "_index")
    if key not in root[table] or hasattr(root[table][key], "keys"):
        return None
    return _texts(root[table][key][:])


def row_names_of(location: Location, n_rows: int) -> list[str] | None:
    """Names of the rows in an HDF5 file or zarr folder of anndata or 10x, if it has so many."""
    names = _row_names(location)
    return None if names is None or len(names) != n_rows else names


def _row_names(location: Location) -> list[str] | None:
    kind = kind_of(location)
    if kind not in ("hdf5", "zarr"):
        return None
    package = import_for(location.path, "h5py" if kind == "hdf5" else "zarr")
    if kind == "zarr":
        root = package.open(store=str(location.path), mode="r")
        return _names(root, "obs", []) if hasattr(root, "keys") else None
    with package.File(location.path, "r") as root:
        return _names(root, "obs", ["matrix/barcodes"])


def market_bytes(path: Path) -> int:
    """Bytes that a Matrix Market file takes in memory, by its header."""
    import scipy.io

    try:
        n_rows, n_columns, n_entries, layout, *_ = scipy.io.mminfo(path)
    except (ValueError, EOFError, OSError):
        return 0  # its reader says what is wrong
    if layout == "array":
        return int(n_rows) * int(n_columns) * 8
    # as triples, and as the CSR that is made from them
    return int(n_entries) * (16 + 12)


def _texts(values: Any) -> list[str]:
    return [
        v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values
    ]


def _named(store: StoreBase, names: list[str] | None) -> StoreBase:
    if names is not None and len(names) == store.shape[1]:
        store.column_names = names
    return store


def _open_parquet(location: Location) -> StoreBase:
    import_for(location.path, "pyarrow")
    import pyarrow.dataset

    try:
        found = pyarrow.dataset.dataset(location.path, format="parquet")
    except (OSError, ValueError) as error:
        msg = f"{str(location.path)!r} can't be read: {error}"
        raise ValueError(msg) from error
    return as_store(found)


def import_for(path: Path, package: str) -> Any:
    """Import a package that a file needs, or say what to install."""
    try:
        return __import__(package)
    except ImportError:
        msg = f"{str(path)!r} needs {package}: pip install 'nonneg[io]'."
        raise ImportError(msg) from None


def in_memory_bytes(store: StoreBase) -> int:
    """Bytes that X takes when it is read whole."""
    n_entries = store.entries(0, store.shape[0])
    if not store.sparse:
        return n_entries * store.dtype.itemsize
    index = 4 if max(n_entries, store.shape[1]) < np.iinfo(np.int32).max else 8
    return n_entries * (store.dtype.itemsize + index) + index * (store.shape[0] + 1)


_OPEN: dict[str, Callable[[Location], StoreBase]] = {
    "hdf5": _open_hdf5,
    "zarr": _open_zarr,
    "parquet": _open_parquet,
    "csr": lambda location: NpyCsr(location.path),
    "mtx": lambda location: by_rows(location.path),
}
"""Kinds with what opens them."""


@register_store(
    lambda X: isinstance(X, Path) and kind_of(parse_location(X)) is not None
)
def stored_path(path: Path) -> StoreBase:
    """Return the store for a path, as `open_store` does for its name."""
    return open_store(path)
