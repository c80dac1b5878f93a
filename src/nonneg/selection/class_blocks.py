"""Rows of X in the order of the classes of a Latin square: sums, what is fitted, what is held out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import DTypeLike, NDArray

from ..base.arrays import Array
from ..base.interfaces import Operand
from ..kernels.csr_format import assemble_csr, known_canonical
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
    return (SparseBlock if X.sparse else DenseBlock)(X.native(), rows, columns)


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

    def __init__(self, X: Any, rows: Classes, columns: Classes) -> None:
        X = X.tocsr()
        n, m, F = len(rows.order), X.shape[1], len(columns.ranges)
        class_of_column = np.empty(m, dtype=np.min_scalar_type(F))
        for b, part in enumerate(columns.ranges):
            class_of_column[columns.order[part]] = b
        # each entry goes to a run, in one stable count: entries of a class keep their order,
        # and that is the order of its columns
        index = np.promote_types(X.indices.dtype, np.min_scalar_type(-n * F))
        runs = np.repeat(_places(rows.order, index) * F, np.diff(X.indptr))
        runs += class_of_column[X.indices]
        ordered = sp.coo_array(
            (X.data, (runs, _places(columns.order, X.indices.dtype)[X.indices])),
            shape=(n * F, m),
        ).tocsr()
        del runs
        self._runs = ordered.indptr
        self.X = known_canonical(
            ordered.data,
            ordered.indices,
            np.ascontiguousarray(ordered.indptr[::F]),
            (n, m),
        )
        self.ranges, self.columns = rows.ranges, columns

    def sums(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the sums and the sums of squares over each pair of classes, (F, F)."""
        values = self.X.data.astype(np.float64, copy=False)
        return self._by_classes(values), self._by_classes(values * values)

    def without(self, held: list[int], dtype: DTypeLike) -> Any:
        """Return a copy of this dtype, 0 where class a of the rows meets held[a] of the columns."""
        return self._chosen(held, False, dtype)

    def held_cross(self, held: list[int], W: Array, Ht: Array, n_threads: int) -> float:
        """Return ⟨X, W·H⟩ over what `without` leaves out; W has the rows of the block."""
        product = matmul(
            as_operand(self._chosen(held, True, self.X.dtype), n_threads), Ht
        )
        return float(np.sum(product * W, dtype=np.float64))

    def _by_classes(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        n, F = self.X.shape[0], len(self.columns.ranges)
        runs = assemble_csr(
            values, self.X.indices, self._runs, (n * F, self.X.shape[1])
        )
        of_row = (runs @ np.ones(self.X.shape[1])).reshape(n, F)
        return np.stack([of_row[rows].sum(axis=0) for rows in self.ranges])

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


def _places(order: NDArray[np.intp], dtype: Any) -> NDArray[Any]:
    """Return the place of each thing in an order."""
    place = np.empty(len(order), dtype=dtype)
    place[order] = np.arange(len(order))
    return place
