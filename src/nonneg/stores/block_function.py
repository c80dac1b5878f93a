"""Rows from a function that yields blocks anew at each call: read in order, never kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..base.arrays import Array
from ..base.gate import admit_sparse
from ..base.validation import as_numbers
from .base import StoreBase, register_store, to_factor_dtype
from .compressed_rows import build_canonical_csr
from .read_errors import (
    StoreError,
    describe_rows,
    naming_rows,
    require_matrix,
    require_rows,
)

CHANGED = "The function must yield the same rows each time that it is called."


@register_store(lambda X: callable(X) and not hasattr(X, "shape"))
class BlockFunctionStore(StoreBase):
    """Rows from a function without arguments that returns an iterable of blocks.

    Parameters
    ----------
    function : callable
        A function that is called at the beginning of each pass. Its blocks, arrays or
        SciPy sparse matrices, may have any number of rows.

    Raises
    ------
    ValueError
        If the function yields no block, or blocks that don't go together.

    Notes
    -----
    A first run through all blocks finds the shape. A request for rows before those read
    last starts the iterator again. One block is in memory and, where blocks are sparse,
    the number of entries of each row.
    """

    sequential = True

    def __init__(self, function: Callable[[], Iterable[Any]]) -> None:
        self.where = f"the blocks of {getattr(function, '__name__', 'the function')}()"
        self._function = function
        counts: list[Any] = []
        widths, dtypes, n_rows = set(), set(), 0
        for block in self._blocks():
            checked = self._to_matrix(block, n_rows)
            if counts and sp.issparse(checked) != self.sparse:
                msg = (
                    f"{describe_rows(n_rows, n_rows + checked.shape[0])} of {self.where} are "
                    "dense and others sparse. Yield blocks of one kind."
                )
                raise ValueError(msg)
            self.sparse = sp.issparse(checked)
            counts.append(np.diff(checked.indptr) if self.sparse else checked.shape[0])
            widths.add(checked.shape[1])
            dtypes.add(to_factor_dtype(checked.dtype, self.where))
            if len(widths) > 1:
                self._refuse_width(n_rows, checked)
            self._n_features = checked.shape[1]
            n_rows += checked.shape[0]
        if not counts:
            msg = f"{self.where} are none: the first run yielded nothing."
            raise ValueError(msg.replace("the blocks", "The blocks", 1))
        self.shape = require_matrix((n_rows, widths.pop()), self.where)
        self.dtype = np.result_type(*dtypes)
        self._indptr = (
            np.concatenate([[0], np.cumsum(np.concatenate(counts), dtype=np.int64)])
            if self.sparse
            else None
        )
        self._begin()

    def entries(self, start: int, stop: int) -> int:
        """Return the number of stored entries of rows start:stop."""
        if self._indptr is None:
            return (stop - start) * self.shape[1]
        return int(self._indptr[stop] - self._indptr[start])

    def read(self, start: int, stop: int, out: Array | None = None) -> Any:
        """Return rows start:stop, after running through the rows before them.

        Raises
        ------
        StoreError
            If the iterator fails, or doesn't yield the rows of the first run.
        """
        if start < self._start:
            self._begin()
        parts = []
        row = start
        while row < stop:
            while row >= self._start + self._block.shape[0]:
                self._advance(stop)
            last = min(stop, self._start + self._block.shape[0])
            parts.append(self._block[row - self._start : last - self._start])
            row = last
        if stop == self.shape[0]:
            self._require_end()
        return self._join(parts, start, stop, out)

    def _begin(self) -> None:
        self._iterator = self._blocks()
        self._start, self._block = 0, np.empty((0, self.shape[1]))

    def _blocks(self) -> Iterator[Any]:
        try:
            return iter(self._function())
        except TypeError as error:
            msg = (
                "X is a function that can't be called for blocks of rows: it must take no "
                f"arguments and return an iterable of matrices ({error})."
            )
            raise StoreError(msg) from error

    def _advance(self, stop: int) -> None:
        """Go on to the next block."""
        begin = self._start + self._block.shape[0]
        with naming_rows(self.where, begin, max(stop, begin + 1)):
            block = next(self._iterator, None)
        if block is None:
            msg = (
                f"{describe_rows(begin, self.shape[0])} of {self.where} are missing: the "
                f"iterator ended after {begin} rows, and after {self.shape[0]} the "
                f"first time. {CHANGED}"
            )
            raise StoreError(msg)
        block = self._to_matrix(block, begin)
        if block.shape[1] != self.shape[1]:
            self._refuse_width(begin, block)
        if sp.issparse(block) != self.sparse:
            msg = (
                f"{describe_rows(begin, begin + block.shape[0])} of {self.where} are not of "
                f"the kind that they were. {CHANGED}"
            )
            raise StoreError(msg)
        self._start, self._block = begin, block

    def _require_end(self) -> None:
        end = self._start + self._block.shape[0]
        with naming_rows(self.where, end, end + 1):
            more = next((n for n in map(_n_rows, self._iterator) if n), 0)
        n_more = end - self.shape[0] + more
        if n_more:
            msg = (
                f"{describe_rows(self.shape[0], self.shape[0] + n_more)} of {self.where} "
                f"are new: there were {self.shape[0]} rows the first time. {CHANGED}"
            )
            raise StoreError(msg)

    def _to_matrix(self, block: Any, start: int) -> Any:
        """Return a block as an array or CSR; refuse anything but a matrix of numbers."""
        try:
            block = as_numbers(block, "the block")
            block = admit_sparse(block, "it") if sp.issparse(block) else block
        except ValueError as error:
            msg = f"The block at row {start} of {self.where}: {error}"
            raise StoreError(msg) from error
        if sp.issparse(block):
            return block if block.format == "csr" else block.tocsr()
        return np.asarray(block)

    def _refuse_width(self, start: int, block: Any) -> None:
        msg = (
            f"{describe_rows(start, start + block.shape[0])} of {self.where} have "
            f"{block.shape[1]} columns, but those before them {self._n_features}."
        )
        raise StoreError(msg)

    def _join(self, parts: list[Any], start: int, stop: int, out: Array | None) -> Any:
        require_rows(self.where, start, stop, sum(part.shape[0] for part in parts))
        if self.sparse:
            whole = parts[0] if len(parts) == 1 else sp.vstack(parts, format="csr")
            return build_canonical_csr(
                whole.data.astype(self.dtype, copy=False),
                whole.indices,
                whole.indptr,
                self.shape[1],
            )
        if out is None:
            out = np.empty((stop - start, self.shape[1]), dtype=self.dtype)
        return np.concatenate(parts, out=out, casting="unsafe")


def _n_rows(block: Any) -> int:
    return int(block.shape[0]) if hasattr(block, "shape") else len(block)
