"""X in a file that is mapped into memory, a window of rows at a time."""

from __future__ import annotations

import mmap
import os
import sys
import threading
import weakref
from mmap import ALLOCATIONGRANULARITY
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..kernels import touch
from .base import NUMBERS, DenseStore, register_store, to_factor_dtype

FAULT_AROUND = 1 << 16
"""Bytes of a mapped file that Linux maps at one fault. One touch of each such stretch costs
less than MAP_POPULATE, which goes from page to page (D-STORES-FAULT-AROUND)."""
MOST_AT_ONCE = 1 << 24
"""Bytes of a read by seeking, which holds a copy of them."""
_POSITION = threading.Lock()
ENDS = "the file ends before byte {:,}, where the rows do"


def _is_mapped_file(X: Any) -> bool:
    """Return whether X is a C-contiguous memmap of numbers whose file is still there."""
    return (
        isinstance(X, np.memmap)
        and X.ndim == 2
        and X.size > 0
        and X.flags.c_contiguous
        and X.dtype.kind in NUMBERS
        and _has_whole_file(X)
    )


def _has_whole_file(X: Any) -> bool:
    """Return whether the file of a map still has its name, and holds all of the map."""
    try:
        size = os.stat(X.filename).st_size
    except (TypeError, OSError):  # no name, or one that was removed
        return False
    return bool(size >= _find_offset(X) + X.nbytes)


@register_store(_is_mapped_file)
class MappedStore(DenseStore):
    """A `numpy.memmap` of a file, whose rows are mapped a window at a time.

    Each range of rows gets its own map, which ends with the range, so that only the part
    of the file that is in use counts as memory. A copy by `pread` would cost up to a third
    of a pass. Numbers whose type is not that of the factors are read and converted.
    """

    def __init__(self, X: Any) -> None:
        self.mapped = X
        self._stored_dtype = X.dtype
        self.dtype = to_factor_dtype(X.dtype)
        self.lends = bool(X.dtype == self.dtype)
        self.shape = X.shape
        self._row_bytes = X.itemsize * X.shape[1]
        self._offset = _find_offset(X)
        self._file = open(X.filename, "rb")  # noqa: SIM115  (as long as the store)
        weakref.finalize(self, self._file.close)

    def read_shape(self) -> tuple[int, int]:
        """Return the shape; a file that has become shorter holds fewer rows of the map."""
        size = os.fstat(self._file.fileno()).st_size - self._offset
        n_rows, n_columns = self.shape
        return min(n_rows, max(0, size) // self._row_bytes), n_columns

    def read(self, start: int, stop: int, out: Array | None = None) -> Array:
        """Return rows start:stop."""
        shape, stored = (stop - start, self.shape[1]), self._stored_dtype
        if out is None and self.lends:
            return self._map(start, shape)
        direct = out is not None and out.dtype == stored and out.flags.c_contiguous
        raw = out if direct else np.empty(shape, dtype=stored)
        assert raw is not None
        offset = self._offset + start * self._row_bytes
        if read_fully(self._file.fileno(), raw.reshape(-1), offset) < raw.nbytes:
            raise EOFError(ENDS.format(offset + raw.nbytes))
        if direct:
            return raw
        if out is None:
            return raw.astype(self.dtype, copy=False)
        out[...] = raw
        return out

    def _map(self, start: int, shape: tuple[int, int]) -> Array:
        """Return the rows in their own map, each stretch of which has been touched."""
        offset, size = (
            self._offset + start * self._row_bytes,
            shape[0] * self._row_bytes,
        )
        # a map may reach beyond the end of its file: only a touch there would fail
        if os.fstat(self._file.fileno()).st_size < offset + size:
            raise EOFError(ENDS.format(offset + size))
        begin = offset - offset % ALLOCATIONGRANULARITY
        pages = mmap.mmap(
            self._file.fileno(), offset - begin + size,
            access=mmap.ACCESS_READ, offset=begin,
        )  # fmt: skip
        touch(np.frombuffer(pages, np.uint8), FAULT_AROUND)
        count = shape[0] * shape[1]
        rows = np.frombuffer(pages, self.dtype, count, offset=offset - begin)
        return rows.reshape(shape)


def read_fully(descriptor: int, out: Array, offset: int) -> int:
    """Fill a contiguous array from an offset in a file; return the number of bytes read."""
    view = out.view(np.uint8).data if out.size else memoryview(b"")
    done = 0
    while done < len(view):
        n_bytes = read_at(descriptor, view[done:], offset + done)
        if n_bytes == 0:
            break
        done += n_bytes
    return done


def read_at(descriptor: int, out: memoryview, offset: int) -> int:
    """Read up to as many bytes as `out` has, at an offset; return how many."""
    if sys.platform == "win32":
        return read_by_seeking(descriptor, out, offset)
    return os.preadv(descriptor, [out], offset)


def read_by_seeking(descriptor: int, out: memoryview, offset: int) -> int:
    """Read as `read_at` where a file has but one position, which threads share: on Windows."""
    with _POSITION:
        os.lseek(descriptor, offset, os.SEEK_SET)
        data = os.read(descriptor, min(len(out), MOST_AT_ONCE))
    out[: len(data)] = data
    return len(data)


def _find_offset(X: Any) -> int:
    """Return the byte of the file at which a memmap, or a slice of one, begins."""
    begin = X.offset - X.offset % ALLOCATIONGRANULARITY
    base = np.frombuffer(X._mmap, dtype=np.uint8)
    return int(begin + X.ctypes.data - base.ctypes.data)
