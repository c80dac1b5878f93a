"""A CSR matrix in a folder of .npy files, read by `pread`: nothing is mapped into memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.plain_archives import read_array_header, require_whole_array
from .base import register_store
from .compressed_rows import CompressedRows
from .mapped import read_fully
from .read_errors import StoreError

NAMES = ("data", "indices", "indptr", "shape")


class NpyVector:
    """A vector in an .npy file, read range by range.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ValueError
        If the file is no .npy file of a vector, or holds Python objects.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            try:
                n_bytes = os.fstat(file.fileno()).st_size
                shape, self.dtype = read_array_header(file, n_bytes)
            except ValueError as error:
                msg = f"{str(path)!r} is no .npy file: {error}"
                raise ValueError(msg) from error
            self._offset = file.tell()
        if len(shape) != 1 or self.dtype.hasobject:
            msg = f"{str(path)!r} holds no vector of numbers, but {shape} {self.dtype}."
            raise ValueError(msg)
        self._path = path

    @property
    def size(self) -> int:
        """Number of whole elements in the file now, whatever its header says."""
        return (self._path.stat().st_size - self._offset) // self.dtype.itemsize

    def read(self, first: int, last: int) -> Array:
        """Return elements first:last; fewer where the file ends before."""
        out = np.empty(last - first, dtype=self.dtype)
        offset = self._offset + first * self.dtype.itemsize
        with self._path.open("rb", buffering=0) as file:
            n_bytes = read_fully(file.fileno(), out, offset)
        return out[: n_bytes // self.dtype.itemsize]


def is_csr_folder(path: Any) -> bool:
    """Return whether `path` is a Path to a folder with the four files of a CSR matrix."""
    return isinstance(path, Path) and all(
        (path / f"{name}.npy").is_file() for name in NAMES
    )


@register_store(is_csr_folder)
class CsrFolder(CompressedRows):
    """A folder with `data.npy`, `indices.npy`, `indptr.npy` and `shape.npy`.

    Parameters
    ----------
    folder : Path
        A folder that `by_rows` wrote, or `numpy.save` from the attributes of a SciPy CSR
        matrix. Several processes may read it at the same time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        data, indices = (NpyVector(folder / f"{name}.npy") for name in NAMES[:2])
        indptr, shape = (_load(folder / f"{name}.npy") for name in NAMES[2:])
        super().__init__(
            shape,
            indptr,
            indices.read,
            data.read,
            lambda: (data.size, indices.size),
            data.dtype,
            f"the CSR in {str(folder)!r}",
        )


def _load(path: Path) -> NDArray[Any]:
    try:
        with path.open("rb") as file:
            require_whole_array(file, os.fstat(file.fileno()).st_size)
        vector: NDArray[Any] = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        msg = f"{str(path)!r} can't be read: {error}. The file may be cut off."
        raise StoreError(msg) from error
    return vector
