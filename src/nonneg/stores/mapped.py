"""X in a file that is mapped into memory, a window of rows at a time."""

from __future__ import annotations

import mmap
import os
import weakref
from mmap import ALLOCATIONGRANULARITY
from typing import Any

import numpy as np

from ..base.interfaces import Array
from ..kernels import touch
from .base import NUMBERS, DenseStore, factor_dtype, register_store

FAULT_AROUND = 1 << 16
"""Bytes of a mapped file that Linux maps at a fault. A touch of each such stretch costs less
than MAP_POPULATE, which goes from page to page: 2 GB in the page cache of a virtual machine,
two threads of an AMD EPYC (Zen 4), k = 32, twelve turns: a pass of "hals" takes 1.19 and 1.26
times that of memory. A copy into 1 MB of the second-level cache by `pread`, in the threads that
compute, 1.25 and 1.31."""
ENDS = "the file ends before byte {:,}, where the rows do"


def _is_mapped_file(X: Any) -> bool:
    return (
        isinstance(X, np.memmap)
        and X.ndim == 2
        and X.size > 0
        and X.flags.c_contiguous
        and X.dtype.kind in NUMBERS
        and _is_still_there(X)
    )


def _is_still_there(X: Any) -> bool:
    """Whether the file of a map has a name that leads to it and holds all of the map."""
    try:
        size = os.stat(X.filename).st_size
    except (TypeError, OSError):  # no name, or one that was removed
        return False
    return bool(size >= _offset_in_file(X) + X.nbytes)


@register_store(_is_mapped_file)
class MappedStore(DenseStore):
    """A `numpy.memmap` of a file, whose rows are mapped a window at a time.

    A map of its own for each range is gone with it, so that no more of the file counts as
    memory than is in use; a copy by `pread` would cost as much as a third of a pass.
    Numbers of another type than the factors' are read and converted.
    """

    def __init__(self, X: Any) -> None:
        self.mapped = X
        self._stored_dtype = X.dtype
        self.dtype = factor_dtype(X.dtype)
        self.lends = bool(X.dtype == self.dtype)
        self.shape = X.shape
        self._row_bytes = X.itemsize * X.shape[1]
        self._offset = _offset_in_file(X)
        self._file = open(X.filename, "rb")  # noqa: SIM115  (as long as the store)
        weakref.finalize(self, self._file.close)

    def read_shape(self) -> tuple[int, int]:
        """Return the shape; a file that has become shorter holds fewer rows of the map."""
        size = os.fstat(self._file.fileno()).st_size - self._offset
        n_rows, n_columns = self.shape
        return min(n_rows, max(0, size) // self._row_bytes), n_columns

    def read(self, start: int, stop: int, out: Array | None = None) -> Array:
        """Rows start:stop."""
        shape, stored = (stop - start, self.shape[1]), self._stored_dtype
        if out is None and self.lends:
            return self._map(start, shape)
        direct = out is not None and out.dtype == stored and out.flags.c_contiguous
        raw = out if direct else np.empty(shape, dtype=stored)
        assert raw is not None
        at = self._offset + start * self._row_bytes
        if read_fully(self._file.fileno(), raw.reshape(-1), at) < raw.nbytes:
            raise EOFError(ENDS.format(at + raw.nbytes))
        if direct:
            return raw
        if out is None:
            return raw.astype(self.dtype, copy=False)
        out[...] = raw
        return out

    def _map(self, start: int, shape: tuple[int, int]) -> Array:
        """The rows in a map of their own; what the system reads around a touch is there by now."""
        at, size = self._offset + start * self._row_bytes, shape[0] * self._row_bytes
        # what lies behind the end of a file can't be told from memory until it is touched
        if os.fstat(self._file.fileno()).st_size < at + size:
            raise EOFError(ENDS.format(at + size))
        begin = at - at % ALLOCATIONGRANULARITY
        pages = mmap.mmap(
            self._file.fileno(), at - begin + size, offset=begin,
            flags=mmap.MAP_SHARED, prot=mmap.PROT_READ,
        )  # fmt: skip
        touch(np.frombuffer(pages, np.uint8), FAULT_AROUND)
        count = shape[0] * shape[1]
        rows = np.frombuffer(pages, self.dtype, count, offset=at - begin)
        return rows.reshape(shape)


def read_fully(descriptor: int, out: Array, offset: int) -> int:
    """Fill a contiguous array from a place in a file; return the bytes that were there."""
    view = out.view(np.uint8).data if out.size else memoryview(b"")
    done = 0
    while done < len(view):
        n_bytes = os.preadv(descriptor, [view[done:]], offset + done)
        if n_bytes == 0:
            break
        done += n_bytes
    return done


def _offset_in_file(X: Any) -> int:
    """Where the data of a memmap, or of a slice of one, begins in its file."""
    begin = X.offset - X.offset % ALLOCATIONGRANULARITY
    base = np.frombuffer(X._mmap, dtype=np.uint8)
    return int(begin + X.ctypes.data - base.ctypes.data)
