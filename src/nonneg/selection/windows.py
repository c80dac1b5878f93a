"""Latin folds of an X in a store, which is read window by window in every pass."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.interfaces import Operand
from .class_blocks import ClassBlock, Classes, class_block
from .latin import LatinPartition, Part, random_classes


class WindowedPartition(LatinPartition):
    """The classes of `LatinPartition`, for an X that is read in parts.

    Each window is brought into the order of its classes when it is read. The rows of the
    partition are in the order of the windows, and within each in that of the classes.

    Parameters
    ----------
    X : Operand, read in parts
    n_folds : int
    rng : RandomState
    """

    def __init__(self, X: Operand, n_folds: int, rng: np.random.RandomState) -> None:
        self.n_folds, self.X, self.dtype = n_folds, X, X.dtype
        self.rows = random_classes(X.shape[0], n_folds, rng)
        self.columns = random_classes(X.shape[1], n_folds, rng)
        self._class_of_row = np.empty(X.shape[0], dtype=np.intp)
        for number, rows in enumerate(self.rows.ranges):
            self._class_of_row[self.rows.order[rows]] = number
        self.sums, self.squares = np.zeros((2, n_folds, n_folds))
        self._order: NDArray[np.intp] = np.empty(X.shape[0], dtype=np.intp)
        for _, block in self.blocks():
            sums, squares = block.sums()
            self.sums += sums
            self.squares += squares

    def blocks(self) -> Iterator[tuple[int, ClassBlock]]:
        """Yield all rows, window by window, each with its first row."""
        start = 0
        for window in self.X.windows(1):
            classes = self._class_of_row[start : start + window.shape[0]]
            order = np.argsort(classes, kind="stable")
            self._order[start : start + window.shape[0]] = start + order
            bounds = np.searchsorted(classes[order], np.arange(self.n_folds + 1))
            ranges = [slice(int(a), int(b)) for a, b in pairwise(bounds)]
            yield start, class_block(window, Classes(order, ranges), self.columns)
            start += window.shape[0]

    def fitted(self, fold: int) -> Iterator[Part]:
        """Yield all rows without what a fold holds out, window by window."""
        for start, block in self.blocks():
            yield self._part(start, block, fold)

    def in_order(self, W: Array) -> Array:
        """Return rows, which are ordered by their classes, in the order of the partition."""
        place = np.empty_like(self.rows.order)
        place[self.rows.order] = np.arange(len(place))
        ordered: Array = np.ascontiguousarray(W[place[self._order]])
        return ordered

    def by_class(self, W: Array) -> Iterator[Array]:
        """Yield the rows of each class; W has the rows in the order of the partition."""
        classes = self._class_of_row[self._order]
        for a in range(self.n_folds):
            yield W[classes == a]
