"""Matrices of the command line: read whole where they fit into memory, else in parts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..base.memory_size import parse_size
from ..base.threads import resolve_n_threads
from ..io.readers import Table, read_matrix
from ..operands.registration import as_operand
from ..stores.locations import (
    detect_kind,
    estimate_market_bytes,
    estimate_memory,
    open_store,
    parse_location,
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
    header: bool | None = None,
    row_names: bool | None = None,
    n_threads: int | None = None,
    names_of_rows: bool = False,
) -> Table:
    """Read a matrix; one that does not fit into memory is opened for reading in parts.

    Parameters
    ----------
    name : Path
        A file that `read_matrix` reads, or a name that `stores.open_store` opens.
    memory_limit : str, default=None
        Memory that the fit may take, such as "2GB"; None is the free memory. X is read
        whole if it takes at most half of it.
    header, row_names : bool, default=None
        Whether a text file has them, see `read_matrix`.
    n_threads : int, default=None
        Threads of the passes over an X that is read in parts.
    names_of_rows : bool, default=False
        Whether to read the names of the rows that HDF5 and zarr may hold.

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
    location = parse_location(name)
    kind = detect_kind(location)
    is_file = location.inside is None and location.path.is_file()
    if kind is None and location.inside is None:
        return read_matrix(name, header=header, row_names=row_names)
    if kind == "mtx" and is_file and estimate_market_bytes(location.path) <= limit:
        return read_matrix(name)
    store = open_store(name)
    if estimate_memory(store) > limit:
        X: Any = as_operand(store, resolve_n_threads(n_threads))
    elif kind == "parquet" and is_file:
        return read_matrix(name)
    else:
        X = store.read(0, store.shape[0])
    rows = read_row_names(location, store.shape[0]) if names_of_rows else None
    return Table(X, rows, store.column_names)
