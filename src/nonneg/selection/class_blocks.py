"""Rows of X in the order of the classes of a Latin square: sums, what is fitted, what is held out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..base.arrays import Array
from ..base.interfaces import Operand
from ..kernels import order_runs
from ..kernels.csr_format import known_canonical
from ..kernels.ordering import Orders
from ..operands.base import matmul
from ..operands.registration import as_operand

Ranges = list[slice]
ROWS = 256
"""Rows of a dense X that are brought into order at a time."""


class Classes(NamedTuple):
    """An order of rows or columns in which those of one class are neighbours."""

    order: NDArray[np.intp]
    ranges: Ranges


def bounds_of(ranges: Ranges) -> NDArray[np.int64]:
    """Return the bounds of consecutive ranges, one more than there are ranges."""
    return np.array([0, *(part.stop for part in ranges)], dtype=np.int64)


class ClassBlock(ABC):
    """Rows in the order of their classes, with the columns in the order of theirs.

    Attributes
    ----------
    X : ndarray or CSR
        A copy of the rows.
    ranges : list of slice
        The rows of each class, empty ones among them.
    columns : Classes
    """

    X: Any
    ranges: Ranges
    columns: Classes

    @abstractmethod
    def sums(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the sums and the sums of squares over each pair of classes, (F, F)."""

    @abstractmethod
    def without(self, held: list[int], dtype: DTypeLike) -> Any:
        """Return a copy of this dtype, 0 where class a of the rows meets held[a] of the columns."""

    @abstractmethod
    def held_cross(self, held: list[int], W: Array, Ht: Array, n_threads: int) -> float:
        """Return ⟨X, W·H⟩ over what `without` leaves out; W has the rows of the block."""


def class_block(X: Operand, rows: Classes, columns: Classes) -> ClassBlock:
    """Return a copy of X, in memory, in the order of the classes."""
    if X.sparse:
        return SparseBlock(X.native(), rows, columns, X.n_threads)
    return DenseBlock(X.native(), rows, columns)


class DenseBlock(ClassBlock):
    """A block of a dense X."""

    def __init__(self, X: Array, rows: Classes, columns: Classes) -> None:
        self.X = np.empty(X.shape, dtype=X.dtype)
        # some rows at a time: of all at once each would come from memory twice
        for start in range(0, len(X), ROWS):
            some = slice(start, start + ROWS)
            np.take(
                X[rows.order[some]],
                columns.order,
                axis=1,
                out=self.X[some],
                mode="clip",
            )
        self.ranges, self.columns = rows.ranges, columns

    def sums(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the sums and the sums of squares over each pair of classes, (F, F)."""
        starts = [part.start for part in self.columns.ranges]
        by_column = [
            (part.sum(axis=0, dtype=np.float64),
             np.einsum("ij,ij->j", part, part, dtype=np.float64))
            for part in (self.X[rows] for rows in self.ranges)
        ]  # fmt: skip
        sums, squares = (np.stack(table) for table in zip(*by_column, strict=True))
        return (
            np.add.reduceat(sums, starts, axis=1),
            np.add.reduceat(squares, starts, axis=1),
        )

    def without(self, held: list[int], dtype: DTypeLike) -> Array:
        """Return a copy of this dtype, 0 where class a of the rows meets held[a] of the columns."""
        X: Array = self.X.astype(dtype)
        for rows, b in zip(self.ranges, held, strict=True):
            X[rows, self.columns.ranges[b]] = 0
        return X

    def held_cross(self, held: list[int], W: Array, Ht: Array, n_threads: int) -> float:
        """Return ⟨X, W·H⟩ over what `without` leaves out; W has the rows of the block."""
        cross = 0.0
        for rows, b in zip(self.ranges, held, strict=True):
            if rows.start < rows.stop:
                columns = self.columns.ranges[b]
                part = as_operand(self.X[rows, columns], n_threads)
                product = matmul(part, np.ascontiguousarray(Ht[columns]))
                cross += float(np.sum(product * W[rows], dtype=np.float64))
        return cross


class SparseBlock(ClassBlock):
    """A block of a sparse X: each row has a run of entries for each class of columns."""

    def __init__(self, X: Any, rows: Classes, columns: Classes, n_threads: int) -> None:
        X = X.tocsr()
        (n, m), F = X.shape, len(columns.ranges)
        index = X.indices.dtype
        class_of_column, place = np.empty((2, m), dtype=index)
        for b, part in enumerate(columns.ranges):
            class_of_column[columns.order[part]] = b
        place[columns.order] = np.arange(m)
        # entries of a class keep their order, and that is the order of its columns
        orders = Orders(rows.order, place, class_of_column, F)
        ordered = order_runs(X, orders, n_threads)
        self._runs = ordered.pointers
        # of all rows they would be as long as W for the rest of the fits
        self._sums, self._squares = (
            np.stack([table.reshape(n, F)[part].sum(axis=0) for part in rows.ranges])
            for table in (ordered.sums, ordered.squares)
        )
        self.X = known_canonical(
            ordered.values,
            ordered.indices,
            np.ascontiguousarray(ordered.pointers[::F]),
            (n, m),
        )
        self.ranges, self.columns = rows.ranges, columns

    def sums(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the sums and the sums of squares over each pair of classes, (F, F)."""
        return self._sums, self._squares

    def without(self, held: list[int], dtype: DTypeLike) -> Any:
        """Return a copy of this dtype, 0 where class a of the rows meets held[a] of the columns."""
        return self._chosen(held, False, dtype)

    def held_cross(self, held: list[int], W: Array, Ht: Array, n_threads: int) -> float:
        """Return ⟨X, W·H⟩ over what `without` leaves out; W has the rows of the block."""
        product = matmul(
            as_operand(self._chosen(held, True, self.X.dtype), n_threads), Ht
        )
        return float(np.sum(product * W, dtype=np.float64))

    def _chosen(self, held: list[int], is_held: bool, dtype: DTypeLike) -> Any:
        """Return the entries that are held out, or the others."""
        X, F = self.X, len(self.columns.ranges)
        chosen = np.full((X.shape[0], F), not is_held)
        for rows, b in zip(self.ranges, held, strict=True):
            chosen[rows, b] = is_held
        lengths = np.diff(self._runs)
        mask = np.repeat(chosen.ravel(), lengths)
        indptr = np.zeros_like(X.indptr)
        np.cumsum((lengths.reshape(-1, F) * chosen).sum(axis=1), out=indptr[1:])
        data = X.data[mask].astype(dtype, copy=False)
        return known_canonical(data, X.indices[mask], indptr, X.shape)
