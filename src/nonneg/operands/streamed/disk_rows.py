"""Rows of a factor in a temporary file, whose pages are given back once they are used."""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ... import kernels
from ...base.interfaces import Array
from ...kernels.row_methods import RowArrays

PART_BYTES = 4 << 20
"""Bytes of an array that are gone through at a time."""
MADVISE = getattr(mmap, "MADV_DONTNEED", None)
"""What gives pages back; a shared map of a file loses nothing by it."""
AROUND = 1 << 21
"""Bytes on both sides of some rows that a system may have mapped with them: Linux maps a
whole folio of up to 2 MB with a page, rows that were given back already among them."""
INTERVAL = 0.002
"""Seconds between two times that pages are given back while a kernel is at all rows."""


class FactorFolder:
    """A folder for arrays of rows; their files have no names and are gone with them.

    Parameters
    ----------
    folder : str
        It should be on a disk: a folder in memory would save none.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def require(self, n_bytes: int) -> None:
        """Raise OSError unless the disk has room for so much; nothing stays taken."""
        with self._file(n_bytes):
            pass

    def rows(self, shape: tuple[int, ...], dtype: Any) -> DiskRows:
        """A new array of zeros."""
        n_bytes = max(1, int(np.prod(shape)) * np.dtype(dtype).itemsize)
        with self._file(n_bytes) as file:
            pages = mmap.mmap(file.fileno(), n_bytes)  # which keeps the file
        rows = np.ndarray.__new__(DiskRows, shape, dtype, pages)
        rows.pages, rows.home = pages, self
        return rows

    def keep(self, A: Array) -> DiskRows:
        """The same rows on disk; those that are there already are not copied."""
        if isinstance(A, DiskRows) and A.home is not None:
            return A
        rows = self.rows(A.shape, A.dtype)
        rows[...] = A
        return rows

    @contextmanager
    def _file(self, n_bytes: int) -> Iterator[Any]:
        """A file of this size without a name."""
        try:
            with tempfile.TemporaryFile(dir=self.folder) as file:
                allocate(file.fileno(), n_bytes, self.folder)
                yield file
        except OSError as error:
            msg = (
                f"The folder {self.folder!r} can't take {n_bytes / 1e6:,.0f} MB for "
                f"arrays of the size of W: {error.strerror or error}. Make room there, "
                "or set TMPDIR to a folder on another disk."
            )
            raise OSError(error.errno, msg) from error


def allocate(descriptor: int, n_bytes: int, folder: str) -> None:
    """Give a file its size and its place on the disk, which then can't run out."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, n_bytes)
        return
    if shutil.disk_usage(folder).free < n_bytes:
        msg = "No space left on device"
        raise OSError(msg)
    os.ftruncate(descriptor, n_bytes)


def folder_for(out: Any) -> str:
    """The folder of the file that `out` is a map of, else the one for temporary files."""
    name = getattr(out, "filename", None) if isinstance(out, np.memmap) else None
    if name is None:
        return tempfile.gettempdir()
    return str(Path(name).resolve().parent)


def release_map(out: Any) -> None:
    """Give the pages of a `numpy.memmap` that is written to its file back."""
    pages = getattr(out, "_mmap", None) if isinstance(out, np.memmap) else None
    if pages is not None and out.mode in ("r+", "w+") and MADVISE is not None:
        pages.madvise(MADVISE)


class DiskRows(np.ndarray):
    """An array in a file: operations on all of it go by parts, slices are plain arrays.

    What the compiled passes are at is given back by the operand, see `release`. The
    numbers are those of the same operations in memory, to the last bit.
    """

    pages: mmap.mmap | None
    home: FactorFolder | None

    def __array_finalize__(self, obj: Any) -> None:
        self.pages = self.home = None  # a view has none of its own

    @property
    def plain(self) -> Array:
        """The same memory as an ordinary array."""
        return self.view(np.ndarray)

    def to_caller(self) -> Array:
        """The rows as the caller of a fit gets them; the file lives as long as they do."""
        self.release()
        return self.plain

    def release(self, start: int = 0, stop: int | None = None) -> None:
        """Give the pages of these rows back; what is in them stays in the file."""
        if self.pages is None or MADVISE is None:
            return
        total, width = len(self.pages), self.strides[0]
        end = total if stop is None else min(total, stop * width + AROUND)
        begin = max(0, start * width // mmap.PAGESIZE * mmap.PAGESIZE - AROUND)
        if begin < end:
            self.pages.madvise(MADVISE, begin, end - begin)

    def astype(self, dtype: Any, *args: Any, copy: bool = True, **kwargs: Any) -> Any:  # type: ignore[override]
        """The same rows of another dtype, on disk too."""
        if self.home is None or args or kwargs:
            plain: Any = self.plain
            return plain.astype(dtype, *args, copy=copy, **kwargs)
        if not copy and np.dtype(dtype) == self.dtype:
            return self
        out = self.home.rows(self.shape, dtype)
        out[...] = self
        return out

    def by_blocks(self, kernel: str, *args: Any) -> Any:
        """Result of a kernel on all rows; it finds pages given back behind its back."""
        arrays = list(_disk_rows(args))
        with giving_back(arrays):
            return getattr(kernels, kernel)(*_plain(args))

    def __getitem__(self, key: Any) -> Any:
        return self.plain[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        plain = self.plain
        if key is not Ellipsis or np.shape(value) != self.shape:
            plain[key] = value
            return
        for rows in _parts(self):
            plain[rows] = value[rows]
            _release((self, value), rows)

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any
    ) -> Any:
        target = None if out is None else out[0]
        simple = method == "__call__" and ufunc.signature is None and not kwargs
        if simple and ufunc.nout == 1:
            done = _by_parts(ufunc, inputs, target)
            if done is not None:
                return done
        if out is not None:
            kwargs["out"] = _plain(out)
        elif ufunc is np.matmul and isinstance(inputs[0], DiskRows):
            # one product, since its bits may depend on the number of rows
            target = _like(inputs[0], np.asarray(inputs[1]).shape[-1])
            kwargs["out"] = None if target is None else target.plain
        with giving_back([*_disk_rows(inputs), *_disk_rows(out or ())]):
            result = getattr(ufunc, method)(*_plain(inputs), **kwargs)
        return result if target is None else target

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        first = args[0] if args else None
        alike = (
            func is np.empty_like and len(args) == 1 and not kwargs.keys() - {"order"}
        )
        if alike and isinstance(first, DiskRows) and first.home:
            return first.home.rows(first.shape, first.dtype)
        if func is np.where and len(args) == 3 and not kwargs:
            done = _by_parts(func, args, None)
            if done is not None:
                return done
        with giving_back([*_disk_rows(args), *_disk_rows(kwargs.values())]):
            named = zip(kwargs, _plain(kwargs.values()), strict=True)
            return func(*_plain(args), **dict(named))


def _by_parts(function: Callable[..., Any], inputs: Any, out: Any) -> Any:
    """An elementwise function by parts of rows; None where it is none of such rows."""
    whole = next(
        (A for A in (*inputs, out) if isinstance(A, DiskRows) and A.home), None
    )
    if (
        whole is None
        or whole.ndim != 2
        or (out is not None and out.shape != whole.shape)
    ):
        return None
    shapes = [np.shape(A) for A in inputs]
    if any(isinstance(A, DiskRows) and A.shape != whole.shape for A in inputs):
        return None
    if np.broadcast_shapes(*shapes, whole.shape) != whole.shape or not len(whole):
        return None

    def cut(rows: slice) -> list[Any]:
        return [
            A[rows] if shape[:1] == whole.shape[:1] and len(shape) == 2 else A
            for A, shape in zip(inputs, shapes, strict=True)
        ]

    if out is None:
        home = whole.home
        assert home is not None
        out = home.rows(whole.shape, function(*cut(slice(0, 1))).dtype)
    plain = _plain([out])[0]
    for rows in _parts(whole):
        if isinstance(function, np.ufunc):
            function(*cut(rows), out=plain[rows])
        else:
            plain[rows] = function(*cut(rows))
        _release((*inputs, out), rows)
    return out


def _like(A: DiskRows, k: int) -> DiskRows | None:
    return None if A.home is None else A.home.rows((len(A), k), A.dtype)


def _parts(A: Array) -> Iterator[slice]:
    """Consecutive slices of rows of about PART_BYTES."""
    size = max(1, PART_BYTES // max(1, A[:1].nbytes))
    for start in range(0, len(A), size):
        yield slice(start, min(start + size, len(A)))


def _release(arrays: Iterable[Any], rows: slice) -> None:
    for A in arrays:
        if isinstance(A, DiskRows):
            A.release(rows.start, rows.stop)


def _plain(values: Any) -> list[Any]:
    """Arguments with ordinary arrays in place of ours, records of arrays too."""
    return [
        A.plain
        if isinstance(A, DiskRows)
        else RowArrays(*_plain(A))
        if isinstance(A, RowArrays)
        else type(A)(_plain(A))
        if type(A) in (list, tuple)
        else A
        for A in values
    ]


def _disk_rows(values: Any) -> Iterator[DiskRows]:
    """Our arrays among arguments."""
    for A in values:
        if isinstance(A, DiskRows):
            yield A
        elif isinstance(A, tuple | list):
            yield from _disk_rows(A)


@contextmanager
def giving_back(arrays: Iterable[Any]) -> Iterator[None]:
    """Give pages back every few milliseconds while something goes through all rows."""
    ours = [A for A in arrays if isinstance(A, DiskRows) and A.pages is not None]
    thread, done = None, threading.Event()
    if sum(A.nbytes for A in ours) > PART_BYTES:
        thread = threading.Thread(target=_give_back, args=(ours, done), daemon=True)
        thread.start()
    try:
        yield
    finally:
        done.set()
        if thread is not None:
            thread.join()
        for A in ours:
            A.release()


def _give_back(arrays: list[DiskRows], done: threading.Event) -> None:
    while not done.wait(INTERVAL):
        for A in arrays:
            A.release()
