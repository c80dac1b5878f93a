"""Latin folds: of each row and each column the same share is held out, in F × F classes.

Row i has a class a_i and column j a class b_j, at random; fold f holds out the entries with
(a_i + b_j) mod F = f. Rows of one class have the same columns held out, so that they share
a Gram matrix. X is permuted once, so that the classes are ranges of rows and of columns.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.interfaces import Operand
from ..operands.registration import as_operand
from .class_blocks import ClassBlock, Classes, bounds_of, class_block


class Part(NamedTuple):
    """Rows in the order of their classes, without what a fold holds out."""

    start: int
    """Place of the first row in the order of the partition."""
    bounds: NDArray[np.int64]
    """The rows of class a are bounds[a]:bounds[a + 1], counted from there."""
    X: Operand


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
        self._block = class_block(X, self.rows, self.columns)
        self.X = as_operand(self._block.X, X.n_threads)
        self.dtype = X.dtype
        self.sums, self.squares = self._block.sums()
        self._fitted: tuple[int, Part] | None = None

    def in_single(self) -> LatinPartition:
        """Return the same classes, with what is fitted in float32."""
        single = copy.copy(self)
        single.dtype, single._fitted = np.dtype(np.float32), None
        return single

    def release(self) -> None:
        """Let go of the copy of the last fold."""
        self._fitted = None

    def blocks(self) -> Iterator[tuple[int, ClassBlock]]:
        """Yield all rows in the order of the partition, each block with its first row."""
        yield 0, self._block

    def fitted(self, fold: int) -> Iterator[Part]:
        """Yield all rows without what a fold holds out; a copy is kept for the last fold."""
        if self._fitted is None or self._fitted[0] != fold:
            self._fitted = None  # gives its memory free for the next one
            self._fitted = fold, self._part(0, self._block, fold)
        yield self._fitted[1]

    def in_order(self, W: Array) -> Array:
        """Return rows, which are ordered by their classes, in the order of the partition."""
        return W

    def by_class(self, W: Array) -> Iterator[Array]:
        """Yield the rows of each class; W has the rows in the order of the partition."""
        for rows in self.rows.ranges:
            yield W[rows]

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

    def _part(self, start: int, block: ClassBlock, fold: int) -> Part:
        left = block.without(self.held(fold), self.dtype)
        X = as_operand(left, self.X.n_threads)
        return Part(start, bounds_of(block.ranges), X)
