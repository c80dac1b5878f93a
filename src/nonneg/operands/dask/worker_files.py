"""Rows on workers in files of a folder that all of them see, for checkpoints."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from ...base.arrays import Array
from .replication import picked

SUFFIX = ".npy"
PARTIAL = ".partial"


class RowFiles:
    """Files of rows for the last two checkpoints.

    Parameters
    ----------
    folder : Path
        Folder that workers write to and read from; it is made with the first file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._new: set[str] = set()
        self._kept: list[set[str]] = []

    def save(self, rows: Any) -> list[str]:
        """Let each worker write its blocks; return the files' names, block by block.

        Parameters
        ----------
        rows : WorkerRows

        Raises
        ------
        OSError
            If a worker can't write there, or what it writes isn't seen from here.
        """
        self.folder.mkdir(exist_ok=True)
        token = uuid4().hex
        names = [f"{token}-{b}{SUFFIX}" for b in range(len(rows.parts))]
        self._new.update(names)
        rows.save(str(self.folder), names)
        missing = [name for name in names if not (self.folder / name).is_file()]
        if missing:
            msg = (
                f"the workers write into {str(self.folder)!r} of their own; it must be a "
                "folder that they share with this process"
            )
            raise OSError(msg)
        return names

    def load(self, X: Any, names: Collection[str], k: int, dtype: Any) -> Any:
        """Let the workers that have the blocks of X read the rows of files.

        Raises
        ------
        FileNotFoundError
            If one of the files is not there.
        """
        paths = [self.folder / str(name) for name in names]
        for path in paths:
            path.stat()
        return X.rows_from([str(path) for path in paths], k, dtype)

    def begin(self, *kept: Collection[str]) -> None:
        """Remove all files but those named in `kept`, by checkpoint, the newest last."""
        self._kept = [{str(name) for name in names} for names in kept]
        known: set[str] = set().union(*self._kept)
        if self.folder.is_dir():
            self._remove(
                {path.name for path in self.folder.glob(f"*{SUFFIX}*")} - known
            )

    def done(self) -> None:
        """Assign the new files to a checkpoint; remove those of the third-last one."""
        self._kept.append(self._new)
        self._new = set()
        while len(self._kept) > 2:
            self._remove(self._kept.pop(0))

    def failed(self) -> None:
        """Remove the new files, which belong to no checkpoint."""
        self._remove(self._new | {name + PARTIAL for name in self._new})
        self._new = set()

    def _remove(self, names: Collection[str]) -> None:
        for name in names:
            with contextlib.suppress(OSError):
                (self.folder / name).unlink()


def write_rows(
    result: Any, item: int | None, folder: str, name: str, shape: Any, dtype: Any
) -> int:
    """Write a block, which another task returned, whole or not at all; run as a task."""
    rows = np.zeros(shape, dtype) if result is None else picked([result], 0, item)
    path = Path(folder) / name
    partial = path.with_name(name + PARTIAL)
    try:
        with partial.open("wb") as file:
            np.save(file, rows, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    return rows.nbytes


def read_rows(path: str) -> Array:
    """Read a block; run as a task."""
    rows: Array = np.load(path, allow_pickle=False)
    return rows
