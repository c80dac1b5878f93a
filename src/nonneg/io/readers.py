"""Reading of a matrix and its names from a data file, with one reader for each format."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..base.gate import admit_sparse
from ..base.plain_archives import read_array_header, require_whole_array
from ..stores.matrix_market import read_market
from ..stores.read_errors import describe_lack, describe_reason
from .column_choice import choose_columns, name_options
from .text_forms import RefusedFile, TextForm
from .text_tables import read_text
from .writers import COLUMN_NAMES, ROW_NAMES, import_pyarrow


@dataclass(frozen=True)
class Table:
    """A matrix with the names of its rows and columns.

    Attributes
    ----------
    X : ndarray or sparse matrix of shape (n_rows, n_columns)
        The matrix. An .npy file is memory-mapped; a sparse matrix stays sparse, as CSR
        or, from a CSC file, as CSC.
    row_names : list of n_rows str, or None
    column_names : list of n_columns str, or None
    """

    X: Any
    row_names: list[str] | None = None
    column_names: list[str] | None = None


def read_matrix(
    path: str | os.PathLike[str],
    *,
    header: bool | None = None,
    row_names: bool | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    columns: Sequence[str] = (),
    drop: Sequence[str] = (),
    empty: float | None = None,
    skip: int = 0,
) -> Table:
    """Read a matrix and its names; the suffix of the file says which format it has.

    Parameters
    ----------
    path : str or path-like
        - .npy: a 2-d array, memory-mapped; an array of Python objects is refused.
        - .npz: one 2-d array, and optionally 1-d arrays of texts named `row_names` and
          `column_names`; or a matrix that `scipy.sparse.save_npz` wrote.
        - .mtx, .mtx.gz: Matrix Market, sparse or dense.
        - .csv, .tsv, .txt, also with .gz: numbers with a decimal point, see Notes.
        - .parquet: columns of numbers; the row names are a first column of texts, or the
          index that pandas stored. Needs pyarrow.
    header : bool, default=None
        Whether the first row of a text file holds column names. None decides by the
        cells, see Notes.
    row_names : bool, default=None
        Whether the first column of a text file holds row names. None decides by the
        cells, see Notes.
    separator : str, default=None
        What separates the cells of a text file: one character, "tab" or "blank" (any number
        of blanks and tabs). None takes what the suffix says, or what makes rows of numbers
        of the first lines.
    encoding : str, default=None
        Encoding of a text file, such as "latin-1". None reads UTF-8, and UTF-16 or UTF-32
        behind its mark.
    columns : sequence of str, default=()
        Columns to read alone, by their names or, without names, by their numbers from 1
        ("3", "5-8"). Every column by default.
    drop : sequence of str, default=()
        Columns to leave out.
    empty : float, default=None
        Number for empty cells of a text file, and such as hold NA, NaN or null, and for
        nulls of a Parquet file; numpy.nan for values that are missing. None refuses the
        file.
    skip : int, default=0
        Lines of a text file before its first row, such as a title.

    Returns
    -------
    table : Table

    Raises
    ------
    ValueError
        If the suffix is unknown, the file is damaged, a cell is not a number (the
        message names its row and column), or the file holds more than one matrix.
    FileNotFoundError
        If there is no such file.
    ImportError
        If the format needs a package that is not installed.

    Notes
    -----
    In a text file the first row is a header if any of its cells is not a number. The
    first column holds names if its heading is empty, if the header is one cell shorter
    than the rows, or if none of its first 100 cells below the header is a number. Where
    the first cell of the first row and of the rows below it is a text and all others are
    numbers, the first row may be a header or data: the file is refused until `header`
    says which. A column whose name and whole numbers say that it numbers the rows is read,
    with a warning.

    Numbers are read to float64 with all their digits.
    """
    path = Path(path)
    name = path.name.lower()
    suffix = next((end for end in (*_READERS, *_TEXT) if name.endswith(end)), None)
    if suffix is None:
        msg = (
            f"Can't tell from the name {str(path)!r} which format it has; known "
            f"suffixes are {', '.join((*_READERS, *_TEXT))}; nonneg.stores.open_store "
            "opens .h5, .hdf5, .h5ad, .h5mu and zarr or Parquet folders."
        )
        raise ValueError(msg)
    if not path.exists():
        msg = f"No such file: {str(path)!r}."
        raise FileNotFoundError(msg)
    if suffix in _TEXT:
        with _explain_damage(path):
            form = TextForm(
                header, row_names, separator, encoding, tuple(columns), tuple(drop),
                empty, skip,
            )  # fmt: skip
            return Table(*read_text(path, _TEXT[suffix], form))
    if separator is not None or encoding is not None:
        msg = (
            f"{str(path)!r} is no text file: `separator` and `encoding` (--separator, "
            "--encoding) are for .csv, .tsv and .txt."
        )
        raise ValueError(msg)
    if suffix == ".parquet":
        return _read_parquet(path, columns, drop, empty)
    return select_columns(_READERS[suffix](path), path, columns, drop)


def select_columns(
    table: Table, path: Path, columns: Sequence[str], drop: Sequence[str]
) -> Table:
    """Return a table with the chosen columns, see `read_matrix`."""
    with _explain_damage(path):
        kept = choose_columns(table.column_names, table.X.shape[1], columns, drop)
    if kept is None:
        return table
    names = table.column_names
    X = table.X.tocsc()[:, kept].tocsr() if sp.issparse(table.X) else table.X[:, kept]
    return Table(X, table.row_names, names and [names[j] for j in kept])


@contextmanager
def _explain_damage(path: Path) -> Iterator[None]:
    """Turn the error of a library about a damaged file into one sentence."""
    try:
        yield
    except RefusedFile as error:
        msg = f"{str(path)!r} {error}."
        raise ValueError(msg) from None
    except MemoryError as error:  # by its shape, which may be damaged
        raise MemoryError(describe_lack(path, error)) from error
    except Exception as error:
        is_damage = isinstance(error, gzip.BadGzipFile)
        if isinstance(error, OSError) and not is_damage:
            raise
        reason = describe_reason(error)
        msg = f"{str(path)!r} can't be read: {reason or type(error).__name__}."
        raise ValueError(msg) from error


def _require_numbers(X: Any) -> Any:
    """Return X; refuse it unless it is a matrix of real numbers."""
    if X.ndim != 2:
        msg = f"holds an array of {X.ndim} dimensions; a matrix has 2"
        raise RefusedFile(msg)
    if X.dtype.kind not in "biuf":
        msg = f"holds values of type {X.dtype}; real numbers are needed"
        raise RefusedFile(msg)
    return X


def _read_npy(path: Path) -> Table:
    with _explain_damage(path):
        with path.open("rb") as file:
            magic = np.lib.format.MAGIC_PREFIX
            if file.read(len(magic)) != magic:
                msg = "is not a .npy file"
                raise RefusedFile(msg)
            file.seek(0)
            n_bytes = os.fstat(file.fileno()).st_size
            if read_array_header(file, n_bytes)[1].hasobject:
                msg = (
                    "holds Python objects, which only pickle could read, and a pickle "
                    "can run any code; save an array of numbers instead"
                )
                raise RefusedFile(msg)
            file.seek(0)
            _require_whole(file, n_bytes)
        return Table(_require_numbers(np.load(path, mmap_mode="r", allow_pickle=False)))


def _require_whole(file: IO[bytes] | Any, n_bytes: int) -> None:
    """Refuse an array that is shorter than its header says, before memory is taken for it."""
    try:
        require_whole_array(file, n_bytes)
    except ValueError as error:
        raise RefusedFile(str(error)) from error


def _read_npz(path: Path) -> Table:
    with _explain_damage(path):
        if not zipfile.is_zipfile(path):
            msg = "is not a complete .npz file"
            raise RefusedFile(msg)
        with np.load(path, allow_pickle=False) as archive:
            names = set(archive.files)
            for member in archive.zip.infolist():
                with archive.zip.open(member) as file:
                    _require_whole(file, member.file_size)
            if {"format", "shape", "data"} <= names:
                # checked first: SciPy's conversions rely on the indices
                return Table(_require_numbers(admit_sparse(sp.load_npz(path), "it")))
            if {"header", "components_"} <= names:
                msg = "is a model, not data; `nonneg info` shows what it holds"
                raise RefusedFile(msg)
            rows, columns = (
                [str(text) for text in archive[key]] if key in names else None
                for key in (ROW_NAMES, COLUMN_NAMES)
            )
            matrices = sorted(names - {ROW_NAMES, COLUMN_NAMES})
            if len(matrices) != 1:
                msg = (
                    f"holds {len(matrices)} arrays ({', '.join(matrices[:5])}); "
                    "save the matrix alone"
                )
                raise RefusedFile(msg)
            X = _require_numbers(archive[matrices[0]])
        return _attach_names(X, rows, columns)


def _attach_names(X: Any, rows: list[str] | None, columns: list[str] | None) -> Table:
    for names, size, what in (
        (rows, X.shape[0], "row"),
        (columns, X.shape[1], "column"),
    ):
        if names is not None and len(names) != size:
            msg = f"has {size} {what}s, but {len(names)} {what} names"
            raise RefusedFile(msg)
    return Table(X, rows, columns)


def _read_mtx(path: Path) -> Table:
    with _explain_damage(path):
        X = read_market(path)
        return Table(_require_numbers(X.tocsr() if sp.issparse(X) else X))


def _read_parquet(
    path: Path, chosen: Sequence[str], drop: Sequence[str], empty: float | None
) -> Table:
    pyarrow = import_pyarrow(path)
    types = pyarrow.types
    with _explain_damage(path):
        table = pyarrow.parquet.read_table(path)
        index = _pandas_index(table.schema, table.column_names)
        names = [name for name in table.column_names if name != index]
        if index is None and names and _is_text(types, table.schema.field(0).type):
            index = names.pop(0)
        kept = choose_columns(names, len(names), chosen, drop)
        names = names if kept is None else [names[j] for j in kept]
        _require_number_columns(types, table.schema, names)
        columns = [
            _read_column(types, table.column(name), name, empty) for name in names
        ]
        if not columns:
            msg = "holds no column of numbers"
            raise RefusedFile(msg)
        dtype = np.result_type(*columns, np.float32)
        X = np.empty((table.num_rows, len(columns)), dtype=dtype)
        for j, column in enumerate(columns):
            X[:, j] = column
        rows = None
        if index is not None:
            rows = [str(name) for name in table.column(index).to_pylist()]
        return Table(X, rows, names)


def _require_number_columns(types: Any, schema: Any, names: list[str]) -> None:
    """Refuse columns that are not of numbers, all of them in one sentence."""
    kinds = {name: schema.field(name).type for name in names}
    bad = [name for name, kind in kinds.items() if not _is_number(types, kind)]
    if not bad:
        return
    good = [name for name in names if name not in bad]
    msg = (
        f"has values of type {kinds[bad[0]]} in column {bad[0]!r}; numbers are needed: "
        f"{name_options(bad, good)}"
    )
    raise RefusedFile(msg)


def _is_number(types: Any, kind: Any) -> bool:
    is_plain = types.is_integer(kind) or types.is_floating(kind) or kind == "bool"
    return bool(is_plain or types.is_decimal(kind))


def _pandas_index(schema: Any, names: list[str]) -> str | None:
    """Return the name of the column that pandas stored as its index, or None."""
    text = (schema.metadata or {}).get(b"pandas")
    if text is None:
        return None
    stored = [name for name in json.loads(text)["index_columns"] if name in names]
    if len(stored) > 1:
        msg = "has an index of several levels; flatten it before writing"
        raise RefusedFile(msg)
    return stored[0] if stored else None


def _is_text(types: Any, kind: Any) -> bool:
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _read_column(
    types: Any, column: Any, name: str, empty: float | None
) -> NDArray[Any]:
    """Return a column of a Parquet file as numbers, with `empty` for its nulls."""
    kind = column.type
    if types.is_decimal(kind):
        column = column.cast("float64")
    if column.null_count and empty is not None:
        column = column.cast("float64").fill_null(float(empty))
    if column.null_count:
        row = column.is_null().to_pylist().index(True)
        msg = f"has no value in row {row} (counted from 0), column {name!r}"
        raise RefusedFile(msg)
    array: NDArray[Any] = column.to_numpy()
    return array


_READERS: dict[str, Callable[[Path], Table]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".mtx": _read_mtx,
    ".mtx.gz": _read_mtx,
    ".parquet": lambda path: _read_parquet(path, (), (), None),
}
"""Suffixes of files, each with its reader."""

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
_TEXT = {
    suffix + end: separator
    for suffix, separator in _SEPARATORS.items()
    for end in ("", ".gz")
}
"""Suffixes of text files, each with the character that separates cells if it can."""
