"""Writing of matrices in the formats of `readers`."""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from .output_files import replace_file

Names = Sequence[str] | None

ROW_NAMES = "row_names"
COLUMN_NAMES = "column_names"
"""Names of the arrays beside the matrix in an .npz file, and of a Parquet column of names."""


def write_matrix(
    path: str | os.PathLike[str],
    X: NDArray[Any],
    row_names: Names = None,
    column_names: Names = None,
) -> None:
    """Write a dense matrix in the format that the suffix of `path` names.

    Parameters
    ----------
    path : str or path-like
        .npy (the matrix alone), .npz (with the names as arrays beside it), .csv, .tsv,
        .csv.gz or .tsv.gz (numbers with all their digits), .parquet (needs pyarrow; the
        row names are its first column).
    X : ndarray of shape (n_rows, n_columns), float32 or float64
    row_names : sequence of n_rows str, default=None
    column_names : sequence of n_columns str, default=None

    Raises
    ------
    ValueError
        If the suffix is unknown.
    ImportError
        If the format needs a package that is not installed.
    """
    write = find_writer(path)
    with replace_file(path) as file:
        write(file, X, row_names, column_names)


def find_writer(
    path: str | os.PathLike[str],
) -> Callable[[IO[bytes], NDArray[Any], Names, Names], None]:
    """Return the writer for a file name; raise ValueError if its suffix is unknown.

    Long work calls it before it begins, so that it does not fail at its end.
    """
    name = Path(path).name.lower()
    for suffix, write in _WRITERS.items():
        if name.endswith(suffix):
            if write is _write_parquet:
                import_pyarrow(path)
            return write
    msg = (
        f"Can't tell from the name {str(path)!r} which format to write; "
        f"end it in one of {', '.join(_WRITERS)}."
    )
    raise ValueError(msg)


def split_suffix(name: str) -> tuple[str, str]:
    """Return the name of a file without its suffix, and the suffix, such as ".csv.gz"."""
    for suffix in _WRITERS:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)], name[-len(suffix) :]
    path = Path(name)
    return path.stem, path.suffix


def import_pyarrow(path: str | os.PathLike[str]) -> Any:
    """Import pyarrow with its Parquet module; an ImportError says what to install."""
    try:
        import pyarrow.parquet
    except ImportError:
        msg = f"{str(path)!r} needs pyarrow: pip install 'nonneg[io]'."
        raise ImportError(msg) from None
    return pyarrow


def _write_npy(
    file: IO[bytes],
    X: NDArray[Any],
    row_names: Names,  # noqa: ARG001
    column_names: Names,  # noqa: ARG001
) -> None:
    np.save(file, X, allow_pickle=False)


def _write_npz(
    file: IO[bytes], X: NDArray[Any], row_names: Names, column_names: Names
) -> None:
    arrays = {"X": X}
    if row_names is not None:
        arrays[ROW_NAMES] = np.array(list(row_names), dtype=np.str_)
    if column_names is not None:
        arrays[COLUMN_NAMES] = np.array(list(column_names), dtype=np.str_)
    # before NumPy 2.1 `allow_pickle` would be stored as one more array
    untyped: Any = arrays
    np.savez(file, **untyped)


def _make_text_writer(delimiter: str) -> Callable[[IO[bytes], Any, Names, Names], None]:
    def write(
        file: IO[bytes], X: NDArray[Any], row_names: Names, column_names: Names
    ) -> None:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        lines = csv.writer(text, delimiter=delimiter, lineterminator="\n")
        header = column_names
        if header is None and row_names is not None:
            # without a header, the first row could be taken for one
            header = [str(j) for j in range(X.shape[1])]
        if header is not None:
            lines.writerow(header if row_names is None else ["", *header])
        for i, row in enumerate(X):
            # a NumPy scalar prints the fewest digits that determine it
            cells = row.tolist() if X.dtype == np.float64 else map(str, row)
            lines.writerow(cells if row_names is None else [row_names[i], *cells])
        text.flush()
        text.detach()

    return write


def _make_gzip_writer(delimiter: str) -> Callable[[IO[bytes], Any, Names, Names], None]:
    write_text = _make_text_writer(delimiter)

    def write(
        file: IO[bytes], X: NDArray[Any], row_names: Names, column_names: Names
    ) -> None:
        # without a name and a time, equal matrices give equal files
        with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
            write_text(cast("IO[bytes]", packed), X, row_names, column_names)

    return write


def _write_parquet(
    file: IO[bytes], X: NDArray[Any], row_names: Names, column_names: Names
) -> None:
    pyarrow = import_pyarrow("parquet")
    columns: list[Any] = [np.ascontiguousarray(X[:, j]) for j in range(X.shape[1])]
    names = [str(j) for j in range(X.shape[1])]
    if column_names is not None:
        names = list(column_names)
    if row_names is not None:
        columns.insert(0, pyarrow.array(list(row_names), pyarrow.string()))
        names.insert(0, ROW_NAMES)
    pyarrow.parquet.write_table(pyarrow.table(columns, names=names), file)


_WRITERS = {
    ".npy": _write_npy,
    ".npz": _write_npz,
    ".csv.gz": _make_gzip_writer(","),
    ".tsv.gz": _make_gzip_writer("\t"),
    ".csv": _make_text_writer(","),
    ".tsv": _make_text_writer("\t"),
    ".parquet": _write_parquet,
}
"""Suffixes of files, each with its writer."""
