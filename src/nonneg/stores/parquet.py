"""Stores of Parquet files and other data sets of pyarrow, read by row groups."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from .base import DenseStore, StoreBase, register_store, to_factor_dtype
from .read_errors import (
    StoreError,
    is_instance,
    naming_rows,
    require_matrix,
    require_rows,
)

TILE_ROWS = 2048
"""Rows that are assembled from the columns at a time (D-STORES-TILE-ROWS)."""


class RowGroup(NamedTuple):
    """Rows that are read together."""

    start: int
    stop: int
    load: Callable[[], Any]
    """A function that returns the rows as a pyarrow table."""


class _Columns(NamedTuple):
    names: list[str]
    dtype: np.dtype[Any]


def _select_columns(schema: Any, where: str) -> _Columns:
    """Return the columns of numbers, without row names: a first column of texts or an index."""
    from pyarrow import types

    names = list(schema.names)
    text = (schema.metadata or {}).get(b"pandas")
    try:
        index = list(json.loads(text)["index_columns"]) if text else []
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{where} has metadata of pandas that can't be read: {error}."
        raise ValueError(msg) from error
    names = [name for name in names if name not in index]

    def kind_of(name: str) -> Any:
        kind = schema.field(name).type
        return kind.value_type if types.is_dictionary(kind) else kind

    if names and len(names) == len(schema.names):
        first = kind_of(names[0])
        if types.is_string(first) or types.is_large_string(first):
            del names[0]
    dtypes = []
    for name in names:
        kind = kind_of(name)
        if types.is_decimal(kind):
            dtypes.append(np.dtype(np.float64))
        elif types.is_integer(kind) or types.is_floating(kind) or kind == "bool":
            dtypes.append(np.dtype(kind.to_pandas_dtype()))
        else:
            msg = (
                f"{where} has values of type {kind} in column {name!r}; numbers are "
                "needed. Choose the columns first, e.g. by writing them alone."
            )
            raise ValueError(msg)
    if not names:
        msg = f"{where} holds no column of numbers."
        raise ValueError(msg)
    # small integers beside float32 stay float32, as in a table that is read whole
    return _Columns(names, to_factor_dtype(np.result_type(*dtypes, np.float32), where))


class _TableStore(DenseStore):
    """Base of stores of tables, which take rows from the row groups that hold them.

    The last row group is kept as a pyarrow table, so that it is read once where its rows
    are asked for in order. Its memory comes on top of that of a block.
    """

    _has_gaps = False

    def __init__(self, parts: list[RowGroup], schema: Any, where: str) -> None:
        self.where = where
        columns = _select_columns(schema, where)
        self.column_names, self.dtype = columns.names, columns.dtype
        self._columns = columns.names
        n_rows = parts[-1].stop if parts else 0
        self.shape = require_matrix((n_rows, len(columns.names)), where)
        self._parts = [part for part in parts if part.stop > part.start]
        self._starts = np.array([part.start for part in self._parts])
        sizes = {part.stop - part.start for part in self._parts[:-1]}
        largest = max(part.stop - part.start for part in self._parts)
        self.chunk_rows = largest if len(sizes) <= 1 else None
        # groups of unequal sizes: in order, the group that is kept is enough
        self.sequential = self.chunk_rows is None
        self._kept: tuple[RowGroup, Any] | None = None

    def read(self, start: int, stop: int, out: Array | None = None) -> Array:
        """Return rows start:stop; each of their row groups is read whole.

        Raises
        ------
        StoreError
            If the rows can't be read, their number has changed since the data set was
            opened, or a cell is empty.
        """
        if out is None:
            out = np.empty((stop - start, self.shape[1]), dtype=self.dtype)
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        for part in self._parts[first:]:
            if part.start >= stop:
                break
            low, high = max(part.start, start), min(part.stop, stop)
            table = self._table(part)
            self._fill(table, part, low, high, out[low - start : high - start])
        return out

    def with_gaps(self) -> StoreBase:
        """Return the store with NaN for empty cells."""
        other = copy.copy(self)
        other._has_gaps = True
        return other

    def _table(self, part: RowGroup) -> Any:
        kept = self._kept
        if kept is not None and kept[0] is part:
            return kept[1]
        self._kept = None
        with naming_rows(self.where, part.start, part.stop):
            table = part.load()
        require_rows(self.where, part.start, part.stop, table.num_rows)
        self._kept = (part, table)
        return table

    def _fill(
        self, table: Any, part: RowGroup, low: int, high: int, out: Array
    ) -> None:
        rows = table.slice(low - part.start, high - low)
        columns = [self._read_column(rows, name, low) for name in self._columns]
        for start in range(0, high - low, TILE_ROWS):
            tile = out[start : start + TILE_ROWS]
            pieces = [column[start : start + len(tile)] for column in columns]
            np.stack(pieces, axis=1, out=tile, casting="unsafe")

    def _read_column(self, rows: Any, name: str, low: int) -> Array:
        """Return a column of a table as an array; the first row of the table is `low`."""
        column = rows.column(name)
        if column.null_count and self._has_gaps:
            missing: Array = column.cast("float64").to_numpy()
            return missing  # with NaN
        if column.null_count:
            row = low + column.is_null().to_pylist().index(True)
            msg = (
                f"Row {row} of {self.where} has no value in column {name!r}. Fill it, or pass "
                "missing_values=numpy.nan to leave the missing ones out of a fit."
            )
            raise StoreError(msg)
        kind = str(column.type)
        if kind.startswith("decimal") or "dictionary" in kind:
            column = column.cast("float64")
        numbers: Array = column.to_numpy()
        return numbers


def _number_rows(parts: list[tuple[int, Callable[[], Any]]]) -> list[RowGroup]:
    """Return row groups with consecutive rows, from their numbers of rows and loaders."""
    groups, start = [], 0
    for n_rows, load in parts:
        groups.append(RowGroup(start, start + n_rows, load))
        start += n_rows
    return groups


@register_store(lambda X: is_instance(X, "pyarrow.dataset", "Dataset"))
class DatasetStore(_TableStore):
    """A data set of pyarrow. Opening one of Parquet files reads their footers alone.

    A file of another format is one row group, whose rows are counted once.
    """

    def __init__(self, dataset: Any) -> None:
        files = list(getattr(dataset, "files", []))
        where = f"the data set {files[0]!r}" if files else "the data set"
        if len(files) > 1:
            where += f" and {len(files) - 1} more files"
        names = _select_columns(dataset.schema, where).names
        parts: list[tuple[int, Callable[[], Any]]] = []
        for fragment in dataset.get_fragments():
            groups = [fragment]
            if hasattr(fragment, "split_by_row_group"):
                with naming_rows(f"{fragment.path!r}", 0, 1):
                    groups = fragment.split_by_row_group(schema=dataset.schema)
            for group in groups:
                known = getattr(group, "row_groups", None)
                n_rows = known[0].num_rows if known else group.count_rows()
                parts.append((n_rows, _make_loader(group, dataset.schema, names)))
        super().__init__(_number_rows(parts), dataset.schema, where)


def _make_loader(fragment: Any, schema: Any, names: list[str]) -> Callable[[], Any]:
    return lambda: fragment.to_table(schema=schema, columns=names)


@register_store(lambda X: is_instance(X, "pyarrow.parquet", "ParquetFile"))
class ParquetFileStore(_TableStore):
    """An open Parquet file."""

    def __init__(self, file: Any) -> None:
        where = f"the Parquet file of {file.metadata.num_rows} rows"
        names = _select_columns(file.schema_arrow, where).names
        groups = range(file.metadata.num_row_groups)
        parts = [
            (file.metadata.row_group(i).num_rows, _make_group_loader(file, i, names))
            for i in groups
        ]
        super().__init__(_number_rows(parts), file.schema_arrow, where)


def _make_group_loader(file: Any, i: int, names: list[str]) -> Callable[[], Any]:
    return lambda: file.read_row_group(i, columns=names)
