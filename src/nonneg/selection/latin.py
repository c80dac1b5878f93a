"""Latin folds: of each row and each column the same share is held out, in F × F classes.

Row i has a class a_i and column j a class b_j, at random; fold f holds out the entries with
(a_i + b_j) mod F = f. Rows of one class have the same columns held out, so that they share
a Gram matrix, and a half-step on a class is an ordinary one. X is permuted once, so that the
classes are ranges of rows and of columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.interfaces import Operand, Stats
from ..kernels import gram
from ..kernels.quadratic_steps import (
    ModelInputs,
    ModelSums,
    RowSolve,
    RowSolveInputs,
    RowSolveSums,
)
from ..operands.base import matmul
from ..operands.registration import as_operand

Ranges = list[slice]


class Classes(NamedTuple):
    """An order of rows or columns in which those of one class are neighbours."""

    order: NDArray[np.intp]
    ranges: Ranges


def random_classes(n: int, n_classes: int, rng: np.random.RandomState) -> Classes:
    """Put n things into classes of equal size, up to one, at random.

    Within a class they keep their order, so that caches see little of the permutation.
    """
    sizes = np.full(n_classes, n // n_classes)
    # the larger classes are drawn as well, or the first class would always be large
    sizes[rng.permutation(n_classes)[: n % n_classes]] += 1
    shuffled = rng.permutation(n)
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    ranges = [slice(int(a), int(b)) for a, b in pairwise(bounds)]
    order = np.concatenate([np.sort(shuffled[part]) for part in ranges])
    return Classes(order, ranges)


class Part(NamedTuple):
    """Rows of one class, in memory, with the columns in the order of their classes."""

    number: int
    """The class."""
    rows: slice
    """Place of the rows in the order of the partition."""
    X: Operand


class LatinPartition:
    """X in classes of rows and columns, with the sums over each pair of classes.

    Parameters
    ----------
    X : Operand in memory
    n_folds : int
    rng : RandomState
    """

    def __init__(self, X: Operand, n_folds: int, rng: np.random.RandomState) -> None:
        self.n_folds = n_folds
        self.rows = random_classes(X.shape[0], n_folds, rng)
        self.columns = random_classes(X.shape[1], n_folds, rng)
        permuted = permuted_copy(X, self.rows.order, self.columns.order)
        self.X = as_operand(permuted, X.n_threads)
        cut = [self.X.cut_rows(rows) for rows in self.rows.ranges]
        self._parts = [
            Part(a, rows, part)
            for a, (rows, part) in enumerate(zip(self.rows.ranges, cut, strict=True))
            if part is not None
        ]
        sums = [class_sums(permuted[rows], self.columns) for rows in self.rows.ranges]
        self.sums, self.squares = (np.stack(table) for table in zip(*sums, strict=True))

    def parts(self) -> Iterator[Part]:
        """Yield all rows in the order of the partition, class by class."""
        yield from self._parts

    def in_order(self, W: Array) -> Array:
        """Return rows, which are ordered by their classes, in the order of the partition."""
        return W

    @property
    def sizes(self) -> NDArray[np.float64]:
        """Number of entries of each pair of classes, (F, F)."""
        rows, columns = (
            np.array([part.stop - part.start for part in classes.ranges], dtype=float)
            for classes in (self.rows, self.columns)
        )
        return np.outer(rows, columns)

    def held(self, fold: int) -> list[int]:
        """Return, for each class of rows, the class of columns that a fold holds out."""
        return [(fold - a) % self.n_folds for a in range(self.n_folds)]

    def held_sum(self, table: NDArray[np.float64], fold: int) -> float:
        """Return the sum of a table of pairs of classes over what a fold holds out."""
        return float(sum(table[a, b] for a, b in enumerate(self.held(fold))))


class FoldedOperand(Operand):
    """The entries of X that a fold leaves to be fitted, class by class of rows.

    `gram` in the sums of a half-step has a matrix for each class of rows, (F, k, k).
    """

    kind = "folded"
    shared_gram = False
    is_sketch = True  # it has products, no pass over single entries

    def __init__(self, partition: LatinPartition, fold: int) -> None:
        self.partition, self.fold = partition, fold
        X = partition.X
        self.shape, self.dtype, self.n_threads = X.shape, X.dtype, X.n_threads
        self.held_blocks = partition.held(fold)
        self.held_columns = [partition.columns.ranges[b] for b in self.held_blocks]

    @property
    def sparse(self) -> bool:
        """Whether only entries that are stored are looked at."""
        return self.partition.X.sparse

    @property
    def entries(self) -> float:
        """Number of stored entries of X."""
        return self.partition.X.entries

    def stats(self) -> Stats:
        """Sums over the entries that are not held out."""
        p = self.partition
        # without what is held out: a difference of sums would let its rounding in
        seen = np.ones_like(p.sums, dtype=bool)
        seen[np.arange(p.n_folds), self.held_blocks] = False
        total, squares, entries = (
            float(table[seen].sum()) for table in (p.sums, p.squares, p.sizes)
        )
        return Stats(total, squares, round(entries))

    def to_rows_of_X(self, W: Array) -> Array:
        """Return a start, whose rows are ordered by their classes, in the order of passes."""
        return self.partition.in_order(W)

    def run_pass(self, step: Any, rows: Any, shared: Any) -> Any:
        """Run a half-step on each class of rows beside what it sees of the other factor."""
        assert isinstance(step, RowSolve)
        total: RowSolveSums | None = None
        grams: list[dict[int, Array]] = [{} for _ in step.methods]
        for a, part, X in self.partition.parts():
            rows_a = rows.block(part.start, part.stop)
            sums = X.run_pass(step, rows_a, self._inputs(shared, a))
            for number, model in enumerate(sums.models):
                if model.gram is not None:
                    before = grams[number].get(a)
                    grams[number][a] = (
                        model.gram if before is None else before + model.gram
                    )
                    model.rhs[self.held_columns[a]] = 0
                    model.gram = None
            total = sums if total is None else total + sums
        assert total is not None
        return RowSolveSums(tuple(
            ModelSums(
                model.report, model.rhs, np.stack([of[a] for a in sorted(of)]) if of else None
            )
            for model, of in zip(total.models, grams, strict=True)
        ))  # fmt: skip

    def row_gram(self, Ht: Array, gram_H: Array, a: int) -> Array:
        """Return HHᵀ over the columns that rows of class a are fitted to."""
        hidden = np.ascontiguousarray(Ht[self.held_columns[a]])
        rest: Array = gram_H - gram(hidden, self.n_threads)
        return rest

    def column_grams(self, grams: Array) -> list[Array]:
        """Return WᵀW for each class of columns, by those of each class of rows."""
        total = grams.sum(axis=0)
        by_column = [total] * len(grams)
        for a, b in enumerate(self.held_blocks):
            by_column[b] = total - grams[a]
        return by_column

    def _inputs(self, shared: RowSolveInputs, a: int) -> RowSolveInputs:
        models = []
        for model in shared.models:
            Ht = model.Ht.copy()
            Ht[self.held_columns[a]] = 0
            models.append(
                ModelInputs(Ht, self.row_gram(model.Ht, model.gram, a), model.l1)
            )
        return RowSolveInputs(tuple(models))

    def held_out_square(self, W: Array, Ht: Array) -> float:
        """Return Σ(x − y)² over what is held out, by one product with X."""
        value = self.partition.held_sum(self.partition.squares, self.fold)
        for a, rows, part in self.partition.parts():
            columns = self.held_columns[a]
            hidden = np.zeros_like(Ht)
            hidden[columns] = Ht[columns]
            W_a = np.ascontiguousarray(W[rows])
            cross = np.sum(matmul(part, hidden) * W_a, dtype=np.float64)
            H_a = np.ascontiguousarray(Ht[columns])
            n = self.n_threads
            value += float(np.sum(gram(W_a, n) * gram(H_a, n)) - 2 * cross)
        return max(0.0, value)


def permuted_copy(X: Operand, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Any:
    """Return a copy of X, by rows, in the order of its classes."""
    native = X.native()
    if not X.sparse:
        return np.ascontiguousarray(native[rows][:, columns])
    # two transpositions leave the entries of a row in order, and take less than sorting them
    return sp.csr_array(native.tocsc()[:, columns].tocsr()[rows])


def class_sums(
    block: Any, columns: Classes
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sums and the sums of squares of a block over each class of columns."""
    if sp.issparse(block):
        n = block.shape[1]
        by_column = np.bincount(block.indices, block.data, minlength=n)
        squared = np.bincount(
            block.indices, block.data.astype(np.float64) ** 2, minlength=n
        )
    else:
        by_column = block.sum(axis=0, dtype=np.float64)
        squared = np.einsum("ij,ij->j", block, block, dtype=np.float64)
    starts = [part.start for part in columns.ranges]
    return np.add.reduceat(by_column, starts), np.add.reduceat(squared, starts)
