"""Connection of the command line to the scheduler of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..io.readers import Table
from ..operands.registration import as_operand
from ..stores.dask_array import as_dask, open_cached, read_mtime, resolve_name
from ..stores.locations import parse_location, read_row_names

PATIENCE = 10.0
"""Seconds in which a scheduler must answer."""
BLOCKS = 2
"""Blocks for each thread of the cluster, so that no thread waits long at the end."""


@contextmanager
def connect(address: str) -> Iterator[Any]:
    """Connect to a scheduler, to which all Dask work goes inside the block.

    Parameters
    ----------
    address : str
        Address of the scheduler, such as "tcp://10.0.0.1:8786".

    Yields
    ------
    client : distributed.Client

    Raises
    ------
    ImportError
        If Dask is not installed.
    ValueError
        If no scheduler answers, or it has no workers.
    """
    try:
        from distributed import Client
    except ImportError:
        msg = "--scheduler needs Dask: pip install 'nonneg[dask]'."
        raise ImportError(msg) from None
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        msg = (
            f"No Dask scheduler answers at {address!r}. Start one with `dask scheduler`, "
            "workers with `dask worker ADDRESS`, and pass its address."
        )
        raise ValueError(msg) from error
    with client:
        if not client.ncores():
            msg = (
                f"The scheduler at {address!r} has no workers; start some with "
                f"`dask worker {address}`."
            )
            raise ValueError(msg)
        yield client


def open_on_workers(name: Path, client: Any, names_of_rows: bool = False) -> Table:
    """Open the matrix of a name, to be read by the workers of a cluster.

    Parameters
    ----------
    name : Path
        Name of a file, or of a matrix inside one.
    client : distributed.Client
    names_of_rows : bool, default=False
        Whether to read the names of the rows that HDF5 and zarr may hold.

    Raises
    ------
    ValueError, FileNotFoundError, ImportError
        If `stores.as_dask` raises it.
    """
    threads = sum(client.ncores().values())
    X = as_dask(name, least_blocks=BLOCKS * threads)
    absolute = resolve_name(name)
    store = open_cached(absolute, read_mtime(absolute))
    location = parse_location(name)
    rows = read_row_names(location, X.shape[0]) if names_of_rows else None
    return Table(as_operand(X), rows, store.column_names)
