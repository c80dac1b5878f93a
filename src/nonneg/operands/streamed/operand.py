"""The operand of an X in a store, larger than memory perhaps: read window by window."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

import numpy as np

from ... import kernels
from ...base import deadline
from ...base.arrays import Array
from ...base.interfaces import Operand, Stats
from ...base.steps import RowsT, SharedT, Step, SumsT
from ...kernels.csr_format import known_canonical
from ...kernels.row_methods import Summary
from ...stores.base import StoreBase, find_store, is_store
from ...stores.chunk_cache import ChunkCache
from ..base import Block, BlockedOperand, TransposedOperand
from ..dense import BLOCK_BYTES, DenseOperand
from ..registration import register_operand
from ..sparse import BLOCK_ROWS, SparseOperand
from .disk_rows import DiskRows, FactorFolder, giving_back
from .first_pass import FirstPass, Lines, Survey, longest_row, require_finite
from .prefetch import Buffers, Reader, read_rows, schedule_reads

WINDOW_BYTES = 128 << 20
"""Bytes of a window of dense rows, of which two are in memory (D-WINDOW-DENSE)."""
SPARSE_WINDOW_BYTES = 64 << 20
"""Bytes of a window of sparse rows. They are read into new arrays, for which an allocator takes
new pages if they are above 32 MB each (D-WINDOW-SPARSE)."""
STREAMS = 16
"""Most tasks that are read side by side: as many as a pass has slots at most."""


class StreamedOperand(BlockedOperand):
    """An X in a store, with the results of the same X in memory, to the last bit.

    Parameters
    ----------
    store : StoreBase
    n_threads : int
    window_bytes : int, default=None
        Bytes of X that are read at a time. The next window is read while the kernels work
        on one.
    """

    kind: ClassVar[str] = "dense-parts"
    most_window_bytes = WINDOW_BYTES
    in_parts = True
    column_access = False

    def __init__(
        self, store: StoreBase, n_threads: int = 1, window_bytes: int | None = None
    ) -> None:
        self.store = store if store.chunk_rows is None else ChunkCache(store)
        self.n_threads = n_threads
        self.window_bytes = window_bytes or self.most_window_bytes
        self.shape = store.shape
        self.dtype = store.dtype
        self.n_rows = self.shape[0]
        self.factor_folder: FactorFolder | None = None
        self._buffers = Buffers(store)
        self._first_pass = FirstPass()
        self._begin()

    def _begin(self) -> None:
        """Set the attributes that belong to a single pass."""
        self._reader: Reader | None = None
        self._written: list[DiskRows] = []
        self._in_use: list[Any] = []
        self._behind = ExitStack()

    def configured(
        self,
        *,
        window_bytes: int | None = None,
        factor_folder: FactorFolder | None = None,
    ) -> StreamedOperand:
        """The operand of the same store with these settings.

        It shares the store, the buffers and what the first pass finds, so that nothing is
        read twice; passes over both must not run at the same time.
        """
        other = copy.copy(self)
        other.window_bytes = window_bytes or self.most_window_bytes
        other.factor_folder = factor_folder
        other._begin()
        return other

    @property
    def T(self) -> Operand:
        """The transpose, for products alone."""
        return TransposedOperand(self)

    def run_pass(
        self, step: Step[RowsT, SharedT, SumsT], rows: RowsT, shared: SharedT
    ) -> SumsT:
        """Run `step` on all rows; X is read once, or more often where its sums are large."""
        with self._open(), self._behind:
            self._written = [A for A, _ in rows.uses() if isinstance(A, DiskRows)]
            if self._written:
                rows = rows.changed(
                    lambda A, _: A.plain if isinstance(A, DiskRows) else A
                )
            try:
                return super().run_pass(step, rows, shared)
            finally:
                self._written, self._in_use = [], []

    def new_rows(self, k: int) -> Array | DiskRows:
        """Return rows of k columns, on disk if this fit keeps its rows there."""
        if self.factor_folder is None:
            return np.empty((self.shape[0], k), self.dtype)
        return self.factor_folder.rows((self.shape[0], k), self.dtype)

    def to_rows_of_X(self, W: Array | DiskRows) -> Array | DiskRows:
        """Return W, on disk if this fit keeps its rows there."""
        return W if self.factor_folder is None else self.factor_folder.keep(W)

    def in_memory(self) -> Operand | None:
        """Return a dense operand on the map of X's file, if its dtype is that of factors."""
        mapped = self.store.mapped
        if mapped is None or mapped.dtype != self.dtype:
            return None
        return DenseOperand(np.asarray(mapped), self.n_threads)

    def next(self, n_tasks: int, block: int) -> list[Any] | None:
        """Return the next window of a pass to the compiled core, or None after the last.

        The pass has n_tasks tasks over blocks of `block` rows. A window is a list of
        (task, first block, last block, row, rows).
        """
        if self._reader is None:
            self._behind.close()
            n_blocks = -(-self.n_rows // block)
            bounds = [n_blocks * i // n_tasks for i in range(n_tasks + 1)]

            def size(first: int, last: int) -> int:
                return self._bytes(first * block, min(last * block, self.n_rows))

            schedule = schedule_reads(
                bounds, self._n_streams(), size, self.window_bytes
            )
            self._reader = Reader(
                self.store, schedule, block, self.n_rows, self._buffers
            )
        self._give_back()
        deadline.check()
        window = self._reader.take()
        if window is None:
            self._close()
            # sums over all rows may follow
            self._behind.enter_context(giving_back(self._written))
            return None
        if self._written:
            self._in_use = window
        if self.checks_as_read:
            for *_, row, rows in window:
                entries, indptr = (rows[0], rows[2]) if self.sparse else (rows, None)
                summary = kernels.summary(entries, self.n_threads)
                require_finite(summary, entries, row, indptr)
        return window

    def windows(self, unit: int) -> Iterator[Operand]:
        """Yield all rows in order, in operands of a multiple of `unit` rows each.

        X is read once. An operand is overwritten when the next one is asked for.
        """
        with self._open():
            for rows in self._parts(unit):
                yield self._operand_of(rows)

    def checked_as_read(self) -> StreamedOperand:
        """Return X with passes that check entries as they are read, unless one has done so."""
        if self._first_pass.survey is not None:
            return self
        other = self.configured(
            window_bytes=self.window_bytes, factor_folder=self.factor_folder
        )
        other.checks_as_read = True
        return other

    @property
    def _is_unread(self) -> bool:
        """Whether no pass has been made yet, and the first one will check entries."""
        return self.checks_as_read and self._first_pass.survey is None

    def cut_rows(self, rows: slice) -> Operand:
        """Read these rows into an operand in memory."""
        return self._operand_of(read_rows(self.store, rows.start, rows.stop, None))

    def _operand_of(self, rows: Any) -> Operand:
        X = self.matrix(rows)
        if self.sparse:
            return SparseOperand(X, self.n_threads)
        return DenseOperand(X, self.n_threads)

    def blocks(self) -> Iterator[Block]:
        """Cut X into the blocks of a pass of the same X in memory."""
        if self._reader is None:
            with self._open():
                yield from self._blocks()
        else:
            yield from self._blocks()

    @property
    def entries(self) -> float:
        """Number of stored entries."""
        if not self.sparse:
            return float(self.shape[0]) * self.shape[1]
        if self._is_unread:
            return self.stored_entries
        return float(self._survey.entries)

    @property
    def stored_entries(self) -> float:
        """Number of stored entries without a pass; of sparse rows perhaps an estimate."""
        return self.store.entries(0, self.n_rows)

    @property
    def stored_bytes(self) -> int:
        """Bytes of all rows as they are read."""
        return self._bytes(0, self.n_rows)

    def block_bytes(self, blocks: int) -> int:
        """Return the bytes of the largest of so many batches of equally many rows."""
        size = -(-self.n_rows // blocks)
        starts = range(0, self.n_rows, size)
        return max(self._bytes(i, min(i + size, self.n_rows)) for i in starts)

    @property
    def longest(self) -> int:
        """Number of stored entries of the longest row; an upper bound before X is read."""
        return self.shape[1] if self._is_unread else self._survey.longest

    @property
    def density(self) -> float:
        """Share of the entries that are not 0, from a pass."""
        if self._first_pass.density is None:
            self._first_pass.density = self.measured_density()
        return self._first_pass.density

    def measured_density(self) -> float:
        """Read all rows once and return the share of the entries that are not 0."""
        count = 0
        with self._open():
            for rows in self._parts(BLOCK_ROWS):
                count += int(np.count_nonzero(rows[0] if self.sparse else rows))
        return count / max(1, self.shape[0] * self.shape[1])

    def stats(self) -> Stats:
        """Sum, sum of squares and number of entries, from the first pass.

        Raises
        ------
        ValueError
            If an entry is negative or not finite; its row is named.
        """
        summary, n_entries = self._survey.summary, self.shape[0] * self.shape[1]
        smallest = summary.smallest
        if self.entries < n_entries:
            smallest = min(0.0, smallest)
        return Stats(summary.sum, summary.sum_sq, n_entries, smallest)

    @property
    def _survey(self) -> Survey:
        """Results of the first pass, which is made when they are first asked for."""
        if self._first_pass.survey is None:
            self._first_pass.survey = self.look_through()
        return self._first_pass.survey

    def look_through(self) -> Survey:
        """Read all rows once, refuse entries that are not finite, and sum up the rest."""
        total, longest, row, count = Summary(0.0, 0.0, np.inf), 0, 0, 0
        lines = Lines(self.shape[1], self.sparse)
        with self._open():
            for part in self._parts(lines.rows):
                entries, indptr = (part[0], part[2]) if self.sparse else (part, None)
                summary = kernels.summary(entries, self.n_threads)
                require_finite(summary, entries, row, indptr)
                for line in lines.of(entries):
                    total = total.joined(kernels.summary(line))
                longest = max(longest, longest_row(entries, indptr))
                count += entries.size
                row += len(entries) if indptr is None else len(indptr) - 1
        for line in lines.rest():
            total = total.joined(kernels.summary(line))
        return Survey(total, longest, count)

    def _give_back(self) -> None:
        """Give back the pages of factor rows that the last window has used."""
        for *_, row, X in self._in_use:
            n_rows = len(X[2]) - 1 if self.sparse else len(X)
            for A in self._written:
                A.release(row, row + n_rows)
        self._in_use = []

    def _n_streams(self) -> int:
        """Return the number of tasks that are read side by side.

        It does not depend on the number of threads, so neither do sums over a window.
        """
        if self.store.sequential:
            return 1
        rows = self.store.chunk_rows
        if rows is None:
            return STREAMS
        # each task may keep a chunk of which it has not used all rows
        chunk = max(1, self._bytes(0, min(rows, self.n_rows)))
        return max(1, min(STREAMS, self.window_bytes // (2 * chunk)))

    def _bytes(self, start: int, stop: int) -> int:
        """Return the bytes of rows start:stop as they are read."""
        entries = self.store.entries(start, stop)
        if not self.sparse:
            return entries * self.dtype.itemsize
        return entries * (self.dtype.itemsize + 4) + 4 * (stop - start)

    def _blocks(self) -> Iterator[Block]:
        size = BLOCK_ROWS
        if not self.sparse:
            size = max(1, BLOCK_BYTES // max(1, self.shape[1] * self.dtype.itemsize))
        first = 0
        for part in self._parts(size):
            X = self.matrix(part)
            for start in range(0, X.shape[0], size):
                stop = min(start + size, X.shape[0])
                yield Block(first + start, first + stop, X[start:stop], None)
            first += X.shape[0]

    def matrix(self, rows: Any) -> Any:
        """Return rows, as they are read, as an array or CSR."""
        if not self.sparse:
            return rows
        data, indices, indptr, _ = rows
        return known_canonical(data, indices, indptr, (len(indptr) - 1, self.shape[1]))

    def _parts(self, block: int) -> Iterator[Any]:
        """Yield all rows in order, as they are read, in multiples of `block` rows."""
        while (window := self.next(1, block)) is not None:
            for *_, rows in window:
                yield rows

    @contextmanager
    def _open(self) -> Iterator[None]:
        """Run a pass inside the block, and end the reading thread with it."""
        try:
            yield
        finally:
            self._close()

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


class StreamedCsr(StreamedOperand):
    """An X in a store of sparse rows."""

    kind: ClassVar[str] = "csr-parts"
    most_window_bytes = SPARSE_WINDOW_BYTES
    sparse = True


@register_operand(is_store)
def streamed_operand(X: Any, n_threads: int = 1) -> StreamedOperand:
    """Return the operand of an input that is, or becomes, a store."""
    store = find_store(X)
    assert store is not None
    return (StreamedCsr if store.sparse else StreamedOperand)(store, n_threads)
