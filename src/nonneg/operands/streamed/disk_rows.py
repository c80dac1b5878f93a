"""Rows of a factor in a temporary file, whose pages are given back after their use."""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import kernels
from ...base.arrays import Array
from ...base.factor_rows import FactorRows
from ...kernels import factor_rows, orthogonal
from ...kernels.row_methods import RowArrays, SolveReport

PART_BYTES = 4 << 20
"""Bytes of an array that are processed at a time."""
MADVISE = getattr(mmap, "MADV_DONTNEED", None)
"""Advice that gives pages back; a shared map of a file loses nothing by it."""
AROUND = 1 << 21
"""Bytes on both sides of rows that the system may have mapped with them: Linux maps a whole
folio of up to 2 MB with a page, and with it rows whose pages were given back before."""
INTERVAL = 0.002
"""Seconds from one time that pages are given back to the next, while a kernel runs."""


class FactorFolder:
    """A folder for arrays of rows, whose files have no names and go with the arrays.

    Parameters
    ----------
    folder : str
        A folder on a disk; one in memory would save none.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def require(self, n_bytes: int) -> None:
        """Raise OSError unless the disk has room for `n_bytes`, which are freed again."""
        with self._file(n_bytes):
            pass

    def rows(self, shape: tuple[int, ...], dtype: Any) -> DiskRows:
        """Return new rows of zeros."""
        n_bytes = max(1, int(np.prod(shape)) * np.dtype(dtype).itemsize)
        with self._file(n_bytes) as file:
            pages = mmap.mmap(file.fileno(), n_bytes)  # the map keeps the file
        plain: Array = np.ndarray(shape, dtype, pages)
        return DiskRows(plain, pages, self)

    def keep(self, A: Array | DiskRows) -> DiskRows:
        """Return rows on disk: A itself if it is there, else a copy."""
        if isinstance(A, DiskRows):
            return A
        rows = self.rows(A.shape, A.dtype)
        rows.copy_from(A)
        return rows

    @contextmanager
    def _file(self, n_bytes: int) -> Iterator[Any]:
        """Make a file of this size without a name."""
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
    """Give a file its size and its place on the disk, so that writing can't fail later."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, n_bytes)
        return
    if shutil.disk_usage(folder).free < n_bytes:
        msg = "No space left on device"
        raise OSError(msg)
    os.ftruncate(descriptor, n_bytes)


def folder_for(out: Any) -> str:
    """Return the folder of the file that `out` maps, else that for temporary files."""
    name = out.filename if isinstance(out, np.memmap) else None
    if name is None:
        return tempfile.gettempdir()
    return str(Path(name).resolve().parent)


def release_map(out: Any) -> None:
    """Give the pages of a `numpy.memmap` that is written to its file back."""
    pages = vars(out).get("_mmap") if isinstance(out, np.memmap) else None
    if pages is not None and out.mode in ("r+", "w+") and MADVISE is not None:
        pages.madvise(MADVISE)


class DiskRows(FactorRows):
    """Rows in a file: operations on all rows go slice by slice, slices are plain arrays.

    The results are those of rows in memory, to the last bit. Passes give back the pages of
    rows that they have used, see `release`.
    """

    def __init__(self, plain: Array, pages: mmap.mmap, home: FactorFolder) -> None:
        self.plain = plain
        """The rows as an ordinary array in the memory of the file."""
        self.pages, self.home = pages, home
        self.shape, self.dtype = (plain.shape[0], plain.shape[1]), plain.dtype
        self.nbytes = plain.nbytes

    def __getitem__(self, rows: Any) -> Array:
        if not isinstance(rows, slice):
            msg = "Rows on disk can be had by slices alone."
            raise TypeError(msg)
        return self.plain[rows]

    def __setitem__(self, rows: Any, values: Any) -> None:
        if not isinstance(rows, slice):
            msg = "Rows on disk can be set by slices alone."
            raise TypeError(msg)
        self.plain[rows] = values

    def release(self, start: int = 0, stop: int | None = None) -> None:
        """Give the pages of these rows back; their content stays in the file."""
        if MADVISE is None:
            return
        total, width = len(self.pages), self.plain.strides[0]
        end = total if stop is None else min(total, stop * width + AROUND)
        begin = max(0, start * width // mmap.PAGESIZE * mmap.PAGESIZE - AROUND)
        if begin < end:
            self.pages.madvise(MADVISE, begin, end - begin)

    def to_caller(self) -> Array:
        """Return the rows in an array; the file lives as long as it does."""
        self.release()
        return self.plain

    def empty(self, k: int, dtype: Any) -> DiskRows:
        """Return new rows in the same folder."""
        return self.home.rows((len(self), k), dtype)

    def map(self, function: Callable[..., Array], *inputs: Any) -> DiskRows:
        """Return function(*inputs), computed slice by slice."""
        out: DiskRows | None = None
        for rows in self._parts():
            part = function(*_cut(inputs, rows))
            if out is None:
                out = self.empty(part.shape[1], part.dtype)
            out.plain[rows] = part
            _release((*inputs, out), rows)
        assert out is not None
        return out

    def copy_from(self, rows: Any) -> None:
        """Copy other rows, slice by slice."""
        for part in self._parts():
            self.plain[part] = rows[part]
            _release((self, rows), part)

    def astype(self, dtype: Any) -> DiskRows:
        """Return the rows in another dtype; themselves, if it is theirs."""
        if np.dtype(dtype) == self.dtype:
            return self
        out = self.empty(self.shape[1], dtype)
        out.copy_from(self)
        return out

    def times(self, G: Array) -> DiskRows:
        """Return the product with a small matrix, uncut: its bits may depend on a cut."""
        out = self.empty(G.shape[1], np.result_type(self.dtype, G.dtype))
        self._whole(np.matmul, self, G, out=out.plain, keeps=[out])
        return out

    def cross(self, rows: Any) -> Array:
        """Return AᵀB."""
        product: Array = self._whole(_cross, self, rows)
        return product

    def gram(self, n_threads: int) -> NDArray[np.float64]:
        """Return AᵀA in float64."""
        product: NDArray[np.float64] = self._whole(kernels.gram, self, n_threads)
        return product

    def inner(self, rows: Any) -> float:
        """Return ⟨A, B⟩ in float64."""
        return float(self._whole(kernels.inner, self, rows))

    def column_sums(self, n_threads: int) -> NDArray[np.float64]:
        """Return the sums of the columns in float64."""
        sums: NDArray[np.float64] = self._whole(kernels.column_sums, self, n_threads)
        return sums

    def column_totals(self) -> NDArray[np.float64]:
        """Return the sums of the columns as NumPy adds them up."""
        return np.asarray(self._whole(factor_rows.column_totals, self))

    def column_squares(self) -> NDArray[np.float64]:
        """Return the sums of squares of the columns in float64."""
        return np.asarray(self._whole(factor_rows.column_squares, self))

    def column_counts(self) -> NDArray[np.intp]:
        """Return the number of entries of each column that are not 0."""
        return np.asarray(self._whole(factor_rows.column_counts, self))

    def solve_rows(self, rows: RowArrays, *args: Any) -> SolveReport:
        """Solve for all rows at once; pages are given back meanwhile."""
        rhs, *options = args
        ours = [A for A, _ in rows.uses()]
        plain = rows.changed(lambda A, _: _plain(A))
        with giving_back([*ours, rhs]):
            return kernels.solve_rows(plain, _plain(rhs), *options)

    def fill_zeros(self, draw: Callable[[int], Array]) -> None:
        """Replace the zeros by as many numbers of `draw`, all drawn at once."""
        self._whole(factor_rows.fill_zeros, self, draw)

    def lower_factor(self) -> DiskRows:
        """Return a basis of the columns, in these rows where it has as many."""
        return self._kept(self._whole(orthogonal.lower_factor, self))

    def orthonormal(self) -> tuple[DiskRows, Array]:
        """Return Q, in these rows where it has as many columns, and R."""
        Q, R = self._whole(orthogonal.orthonormal, self)
        return self._kept(Q), R

    def sign_of_largest(self) -> Array:
        """Return the sign of the entry of each column that is largest in size."""
        signs: Array = self._whole(orthogonal.sign_of_largest, self)
        return signs

    def longest_row(self) -> tuple[int, Array]:
        """Return the number of the row with the largest norm, and the row."""
        best: tuple[int, Array] = self._whole(factor_rows.longest_row, self)
        return best

    def _kept(self, A: Array) -> DiskRows:
        return self if A is self.plain else self.home.keep(A)

    def _whole(
        self,
        function: Callable[..., Any],
        *inputs: Any,
        keeps: Sequence[DiskRows] = (),
        **options: Any,
    ) -> Any:
        """Call a function with all rows at once; pages are given back meanwhile."""
        with giving_back([*inputs, *keeps]):
            return function(*(_plain(A) for A in inputs), **options)

    def _parts(self) -> Iterator[slice]:
        """Consecutive slices of rows of about PART_BYTES."""
        size = max(1, PART_BYTES // max(1, self.plain.strides[0]))
        for start in range(0, len(self), size):
            yield slice(start, min(start + size, len(self)))


def _cross(A: Array, B: Array) -> Array:
    product: Array = A.T @ B
    return product


def _cut(inputs: Sequence[Any], rows: slice) -> list[Any]:
    return [A.plain[rows] if isinstance(A, DiskRows) else A for A in inputs]


def _release(arrays: Iterable[Any], rows: slice) -> None:
    for A in arrays:
        if isinstance(A, DiskRows):
            A.release(rows.start, rows.stop)


def _plain(A: Any) -> Any:
    return A.plain if isinstance(A, DiskRows) else A


@contextmanager
def giving_back(arrays: Iterable[Any]) -> Iterator[None]:
    """Give pages back every few milliseconds while the block works on all rows."""
    ours = [A for A in arrays if isinstance(A, DiskRows)]
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
