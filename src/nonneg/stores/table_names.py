"""Names of the rows and columns of a matrix in a file of anndata, MuData or 10x."""

from __future__ import annotations

from typing import Any

from .hdf5 import is_group

LAYERS, RAW = "layers", "raw.X"
"""The group of further matrices of an AnnData, and the name of its raw matrix before 0.7."""


def place_of(matrix: Any) -> list[str]:
    """Return the names that lead from the root of a file to an object in it."""
    return [part for part in str(matrix.name or "").split("/") if part]


def read_column_names(root: Any, matrix: Any) -> list[str] | None:
    """Return the names of the columns of a matrix in a file, or None."""
    return _read_names(
        root, matrix, "var", ("features/name", "features/id", "gene_names")
    )


def read_names_of_rows(root: Any, matrix: Any) -> list[str] | None:
    """Return the names of the rows of a matrix in a file, or None."""
    return _read_names(root, matrix, "obs", ("barcodes",))


def _read_names(
    root: Any, matrix: Any, table: str, vectors: tuple[str, ...]
) -> list[str] | None:
    if is_group(matrix):  # of 10x
        for name in vectors:
            if name in matrix and not is_group(matrix[name]):
                return _decode(matrix[name][:])
    for path in _tables(place_of(matrix), table):
        if path in root:
            return _read_index(root[path])
    return None


def _tables(place: list[str], table: str) -> list[str]:
    """Return the paths at which the table of a matrix may be, the nearest first."""
    if not place:
        return []
    *folders, name = place
    paths = []
    if folders and folders[-1] == LAYERS:
        folders = folders[:-1]
    elif name == RAW and table == "var":
        paths.append("/".join([*folders, "raw.var"]))
    paths.append("/".join([*folders, table]))
    if folders and folders[-1] == "raw" and table == "obs":  # raw has the rows of X
        paths.append("/".join([*folders[:-1], table]))
    return paths


def _read_index(table: Any) -> list[str] | None:
    """Return the index of a table: a group, or before anndata 0.7 a compound data set."""
    if not is_group(table):
        fields = table.dtype.names
        if fields is None:
            return None
        key = "index" if "index" in fields else fields[0]
        return _decode(table[:][key])
    key = table.attrs.get("_index", "_index")
    if isinstance(key, bytes):
        key = key.decode()
    if key not in table:
        key = next((name for name in ("index", "_index") if name in table), None)
    return None if key is None else _read_vector(table[key])


def _read_vector(vector: Any) -> list[str] | None:
    """Return a vector of texts, also a nullable or a categorical one."""
    if not is_group(vector):
        return _decode(vector[:])
    if "values" in vector:
        return _decode(vector["values"][:])
    if "categories" in vector and "codes" in vector:
        names = _decode(vector["categories"][:])
        return [names[code] for code in vector["codes"][:]]
    return None


def _decode(values: Any) -> list[str]:
    return [
        v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values
    ]
