"""Stores: an X that is read rows by rows, from a file or any object with row slices."""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Callable
from functools import cached_property
from mmap import ALLOCATIONGRANULARITY
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp

from ..base.interfaces import Array
from ..kernels import touch
from ..kernels.csr_format import canonical

Accepts = Callable[[Any], bool]
_stores: list[tuple[Accepts, Callable[[Any], RowStore]]] = []

SAMPLE_ROWS = 1000
"""Rows by which the length of all of them is estimated."""
KEPT_CHUNKS = 16
"""Chunks that are kept because some of their rows are still to be asked for."""
FAULT_AROUND = 1 << 16
"""Bytes of a mapped file that Linux maps at a fault. A touch of each such stretch costs less
than MAP_POPULATE, which goes from page to page: 2 GB in the page cache of a virtual machine,
two threads of an AMD EPYC (Zen 4), k = 32, twelve turns: a pass of "hals" takes 1.19 and 1.26
times that of memory. A copy into 1 MB of the second-level cache by `pread`, in the threads that
compute, 1.25 and 1.31."""
ENDS = "the file ends before byte {:,}, where the rows do"
NUMBERS = "biuf"
"""Kinds of dtype that X may have in a store; floats of other sizes become float64."""


class StoreError(OSError, ValueError):
    """Rows of a store that can't be read, or are not what they have to be.

    The sentence names the rows, so that nothing needs to be added to it.
    """


class RowStore(Protocol):
    """Where the rows of X are. A new kind of store is one file that registers itself.

    Reading happens in a thread of its own, one call at a time. Two attributes are
    optional: `sequential`, true where going back means to begin again at row 0, so that
    a pass reads all rows in order; and `column_names`, a list of n_features str or None.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """(n_samples, n_features) as they are now; looked at before each pass."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64: what `read` returns."""

    @property
    def sparse(self) -> bool:
        """Whether `read` returns CSR matrices."""

    @property
    def chunk_rows(self) -> int | None:
        """Rows that are stored, and so read, together; None if any range will do."""

    def read(self, start: int, stop: int, out: Array | None = None) -> Any:
        """Rows start:stop, dense ones written to `out` (stop − start, n_features).

        An `out` that is None is to be made. It may be called for overlapping ranges.
        """

    def entries(self, start: int, stop: int) -> int:
        """Stored entries of these rows: those of a dense X are all of them."""


def register_store(accepts: Accepts) -> Callable[[Any], Any]:
    """Decorator: inputs for which `accepts(X)` is true become this store, `cls(X)`.

    Later entries are asked first.
    """

    def enter(make: Any) -> Any:
        _stores.insert(0, (accepts, make))
        return make

    return enter


def unregister_store(make: Any) -> None:
    """Take a store out again (a plug-in's tests clean up with it)."""
    _stores[:] = [entry for entry in _stores if entry[1] is not make]


def store_of(X: Any) -> RowStore | None:
    """The store that X is or becomes, or None."""
    for accepts, make in _stores:
        if accepts(X):
            return make(X)
    return None


def is_store(X: Any) -> bool:
    """Whether X becomes a store."""
    return any(accepts(X) for accepts, _ in _stores)


def factor_dtype(dtype: Any, what: str = "X") -> np.dtype[Any]:
    """float32 for itself, float64 for every other number; anything else is refused."""
    dtype = np.dtype(dtype)
    if dtype.kind not in NUMBERS:
        msg = f"{what} has dtype {dtype}; it must hold real numbers."
        raise ValueError(msg)
    native = dtype.newbyteorder("=")
    return native if native == np.float32 else np.dtype(np.float64)


class DenseStore:
    """Base of stores of dense rows."""

    sparse = False
    chunk_rows: int | None = None
    shape: tuple[int, int]

    def entries(self, start: int, stop: int) -> int:
        """All entries of the rows."""
        return (stop - start) * self.shape[1]


def _has_row_slices(X: Any) -> bool:
    """Whether X has what a store needs, and is none of what has a home elsewhere."""
    known = (np.ndarray, list, tuple, str, bytes, dict)
    if isinstance(X, known) or sp.issparse(X) or hasattr(X, "__dataframe__"):
        return False
    foreign = ("__array_namespace__", "__dask_graph__", "iloc", "todense")
    if any(hasattr(X, name) for name in foreign) or hasattr(type(X), "__array__"):
        return False
    shape = getattr(X, "shape", None)
    return (
        isinstance(shape, tuple)
        and len(shape) == 2
        and hasattr(X, "dtype")
        and hasattr(X, "__getitem__")
    )


@register_store(_has_row_slices)
class SlicedStore(DenseStore):
    """Any object with `shape`, `dtype` and row slices, which may be arrays or sparse."""

    def __init__(self, X: Any) -> None:
        self._X = X
        self.dtype = factor_dtype(X.dtype)
        self.sparse = sp.issparse(X[0:0])
        chunks = getattr(X, "chunks", None)
        rows = chunks[0] if isinstance(chunks, tuple) and chunks else None
        self.chunk_rows = int(rows) if isinstance(rows, int | np.integer) else None

    @property
    def shape(self) -> tuple[int, int]:  # type: ignore[override]
        """As the object says now."""
        n_rows, n_columns = self._X.shape
        return int(n_rows), int(n_columns)

    def entries(self, start: int, stop: int) -> int:
        """All entries of the rows; of sparse ones as many as the first rows let expect."""
        return math.ceil((stop - start) * self._a_row)

    @cached_property
    def _a_row(self) -> float:
        n_rows, n_columns = self.shape
        if not self.sparse:
            return n_columns
        some = min(n_rows, SAMPLE_ROWS)
        return float(self._X[:some].nnz) / max(1, some)

    def read(self, start: int, stop: int, out: Array | None = None) -> Any:
        """Rows start:stop."""
        rows = self._X[start:stop]
        if self.sparse:
            return csr_block(rows, self.dtype)
        if out is None:
            return np.ascontiguousarray(rows, dtype=self.dtype)
        out[...] = rows
        return out


def csr_block(rows: Any, dtype: Any) -> Any:
    """Rows of a sparse X as the kernels take them: CSR, sorted, each entry once."""
    block = sp.csr_array(rows)
    if block.dtype != dtype:
        block = block.astype(dtype)
    return canonical(block)


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
        self.dtype = factor_dtype(X.dtype)
        self._n_rows, self._n_columns = X.shape
        self._row_bytes = X.itemsize * X.shape[1]
        self._offset = _offset_in_file(X)
        self._file = open(X.filename, "rb")  # noqa: SIM115  (as long as the store)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    @property
    def shape(self) -> tuple[int, int]:  # type: ignore[override]
        """Fewer rows than the map has where the file has become shorter."""
        size = os.fstat(self._file.fileno()).st_size - self._offset
        return min(self._n_rows, max(0, size) // self._row_bytes), self._n_columns

    @property
    def lends(self) -> bool:
        """Whether `read` without `out` copies nothing."""
        return bool(self.mapped.dtype == self.dtype)

    def read(self, start: int, stop: int, out: Array | None = None) -> Array:
        """Rows start:stop."""
        shape, stored = (stop - start, self._n_columns), self.mapped.dtype
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


class ByChunks:
    """A store whose chunks are read whole, and each once in a pass.

    Parts of a pass end anywhere in a chunk; what is left of it is kept for the next part.
    """

    def __init__(self, store: RowStore) -> None:
        assert store.chunk_rows is not None
        self._store = store
        self.chunk_rows: int | None = store.chunk_rows
        self._rows = store.chunk_rows
        self.dtype, self.sparse = store.dtype, store.sparse
        self._kept: dict[int, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name == "_store":  # a copy that is not filled yet
            raise AttributeError(name)
        return getattr(self._store, name)

    @property
    def shape(self) -> tuple[int, int]:
        """As of the store."""
        return self._store.shape

    def entries(self, start: int, stop: int) -> int:
        """As of the store."""
        return self._store.entries(start, stop)

    def read(self, start: int, stop: int, out: Array | None = None) -> Any:
        """Rows start:stop; a chunk that the end cuts is read whole, and its rest kept."""
        size, n_rows = self._rows, self.shape[0]
        # the first whole chunk and the end of the last; there may be none between
        first = min(stop, -(-start // size) * size)
        last = max(first, n_rows if stop >= n_rows else stop // size * size)
        cuts = [(start, first), (first, last), (last, stop)]
        parts = [(a, b) for a, b in cuts if a < b]
        if self.sparse:
            found = [self._part(a, b, None) for a, b in parts]
            return found[0] if len(found) == 1 else sp.vstack(found, format="csr")
        if out is None:
            out = np.empty((stop - start, self.shape[1]), self.dtype)
        for a, b in parts:
            self._part(a, b, out[a - start : b - start])
        return out

    def _part(self, start: int, stop: int, out: Array | None) -> Any:
        """Whole chunks, or rows of one."""
        size, n_rows = self._rows, self.shape[0]
        if start % size == 0 and (stop % size == 0 or stop == n_rows):
            return self._store.read(start, stop, out)
        begin = start // size * size
        end = min(begin + size, n_rows)
        chunk = self._kept.pop(begin, None)
        if chunk is None:
            chunk = self._store.read(begin, end, None)
        if stop < end:
            self._kept[begin] = chunk
            while len(self._kept) > KEPT_CHUNKS:
                del self._kept[next(iter(self._kept))]
        rows = chunk[start - begin : stop - begin]
        if self.sparse:
            return rows
        assert out is not None
        out[...] = rows
        return out


PROTOCOL = ("shape", "dtype", "sparse", "chunk_rows", "read", "entries")


@register_store(lambda X: all(hasattr(X, name) for name in PROTOCOL))
def same(X: RowStore) -> RowStore:
    """Return a store as it is."""
    return X


def as_store(X: Any) -> RowStore:
    """Return the store that reads X; a store is returned as it is.

    Raises
    ------
    TypeError
        If there is none for it.
    ValueError
        If X has not the structure that such a store needs.
    """
    store = store_of(X)
    if store is None:
        msg = f"No store reads an X of type {type(X).__name__}."
        raise TypeError(msg)
    return store
