"""Matrices of the command line: read whole where they fit into memory, else in parts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.memory_size import parse_size
from ..base.plain_archives import require_whole_array
from ..base.threads import resolve_n_threads
from ..io.readers import Table, read_matrix, select_columns
from ..operands.registration import as_operand, is_operand
from ..stores.locations import (
    detect_kind,
    estimate_market_bytes,
    estimate_memory,
    open_store,
    parse_location,
    read_columns,
    read_row_names,
)

SHARE = 0.5
"""Share of the memory of a fit that X may take."""


def measure_free_memory() -> int:
    """Return the bytes that this process may still take, by machine and container."""
    free = []
    for path, scale in (("/proc/meminfo", 1024), ("/sys/fs/cgroup/memory.max", 1)):
        try:
            text = Path(path).read_text(encoding="ascii")
        except OSError:
            continue
        if scale == 1024:
            line = re.search(r"^MemAvailable:\s+(\d+)", text, re.MULTILINE)
            free += [int(line[1]) * scale] if line else []
        elif text.strip().isdigit():
            used = Path(path).with_name("memory.current").read_text(encoding="ascii")
            free.append(max(0, int(text) - int(used)))
    return min(free, default=1 << 30)


def open_matrix(
    name: Path,
    *,
    memory_limit: str | None = None,
    n_threads: int | None = None,
    names_of_rows: bool = False,
    missing_values: Any = None,
    **reading: Any,
) -> Table:
    """Read a matrix; one that does not fit into memory is opened for reading in parts.

    Parameters
    ----------
    name : Path
        A file that `read_matrix` reads, or a name that `stores.open_store` opens.
    memory_limit : str, default=None
        Memory that the fit may take, such as "2GB"; None is the free memory. X is read
        whole if it takes at most half of it.
    n_threads : int, default=None
        Threads of the passes over an X that is read in parts.
    names_of_rows : bool, default=False
        Whether to read the names of the rows that HDF5 and zarr may hold.
    missing_values : object, default=None
        The parameter of the fit; with NaN empty cells and nulls are missing values.
    **reading
        How to read a text file, and which columns: arguments of `read_matrix`.

    Returns
    -------
    table : Table
        Its X is an array or sparse matrix, or an operand that is read in parts.

    Raises
    ------
    ValueError, FileNotFoundError, ImportError
        If `read_matrix` or `stores.open_store` raises it.

    Notes
    -----
    A .npy file is mapped and read in parts whatever its size. Other files that no store
    reads (.npz, .csv, .tsv) are read whole.
    """
    limit = SHARE * (
        measure_free_memory() if memory_limit is None else parse_size(memory_limit)
    )
    with_gaps = isinstance(missing_values, float) and np.isnan(missing_values)
    if with_gaps and reading.get("empty") is None:
        reading = reading | {"empty": np.nan}
    location = parse_location(name)
    kind = detect_kind(location)
    is_file = location.inside is None and location.path.is_file()
    if kind is None and location.inside is None:
        return read_matrix(name, **reading)
    if kind == "mtx" and is_file and estimate_market_bytes(location.path) <= limit:
        return read_matrix(name, **reading)
    if kind == "parquet" and is_file:
        return _read_table(name, limit, n_threads, reading)
    by_columns = read_columns(location, limit)
    if by_columns is not None:
        X, names = by_columns
        rows = read_row_names(location, X.shape[0]) if names_of_rows else None
        return _choose(Table(X, rows, names), name, reading)
    store = open_store(name).with_gaps() if with_gaps else open_store(name)
    rows = read_row_names(location, store.shape[0]) if names_of_rows else None
    is_large = estimate_memory(store) > limit
    X = (
        as_operand(store, resolve_n_threads(n_threads))
        if is_large
        else store.read(0, store.shape[0])
    )
    return _choose(Table(X, rows, store.column_names), name, reading)


def _read_table(
    name: Path, limit: float, n_threads: int | None, reading: dict[str, Any]
) -> Table:
    """Read a Parquet file, whose columns may have to be chosen before a store opens it."""
    if reading.get("columns") or reading.get("drop"):
        return read_matrix(name, **reading)
    store = open_store(name)
    if estimate_memory(store) <= limit:
        return read_matrix(name, **reading)
    if reading.get("empty") is not None:
        store = store.with_gaps()
    X = as_operand(store, resolve_n_threads(n_threads))
    return Table(X, None, store.column_names)


def _choose(table: Table, name: Path, reading: dict[str, Any]) -> Table:
    """Return a table of a store with the chosen columns."""
    if reading.get("separator") or reading.get("encoding"):
        msg = (
            f"{str(name)!r} is no text file; --separator and --encoding are for these."
        )
        raise ValueError(msg)
    columns, drop = reading.get("columns", ()), reading.get("drop", ())
    if not columns and not drop:
        return table
    if is_operand(table.X):
        msg = (
            f"{str(name)!r} is read in parts, which keep all columns; --columns and "
            "--drop need all of it in memory: raise --memory-limit."
        )
        raise ValueError(msg)
    return select_columns(table, name, columns, drop)


def read_weights(path: Path, n_samples: int) -> NDArray[np.float64]:
    """Read one weight for each row of X: a .npy file, or a text file with one a line.

    Raises
    ------
    ValueError
        If the file does not hold so many numbers.
    """
    try:
        if path.suffix == ".npy":
            with path.open("rb") as file:
                require_whole_array(file, path.stat().st_size)
            stored: Any = np.load(path, allow_pickle=False)
        else:
            stored = [float(t) for t in path.read_text(encoding="utf-8-sig").split()]
        weights = np.asarray(stored, dtype=np.float64)
    except (ValueError, TypeError, EOFError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        msg = f"{str(path)!r} is no list of weights: {reason}. Give one number a line."
        raise ValueError(msg) from error
    if weights.size != n_samples or weights.size != max(weights.shape):
        msg = (
            f"{str(path)!r} holds {weights.size} numbers, but the matrix has {n_samples} "
            "rows; it needs one weight for each."
        )
        raise ValueError(msg)
    return weights.ravel()
