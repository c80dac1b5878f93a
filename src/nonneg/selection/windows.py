"""Latin folds of an X in a store, which is read window by window in every pass."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.interfaces import Operand
from ..operands.registration import as_operand
from .latin import LatinPartition, Part, class_sums, permuted_copy, random_classes


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
        self.n_folds, self.X = n_folds, X
        self.rows = random_classes(X.shape[0], n_folds, rng)
        self.columns = random_classes(X.shape[1], n_folds, rng)
        self._class_of_row = np.empty(X.shape[0], dtype=np.intp)
        for number, rows in enumerate(self.rows.ranges):
            self._class_of_row[self.rows.order[rows]] = number
        self.sums, self.squares = np.zeros((2, n_folds, n_folds))
        self._order: NDArray[np.intp] = np.empty(X.shape[0], dtype=np.intp)
        for a, _, part in self.parts():
            sums, squares = class_sums(part.native(), self.columns)
            self.sums[a] += sums
            self.squares[a] += squares

    def parts(self) -> Iterator[Part]:
        """Yield all rows, window by window, and in each class by class."""
        start = 0
        for window in self.X.windows(1):
            stop = start + window.shape[0]
            classes = self._class_of_row[start:stop]
            order = np.argsort(classes, kind="stable")
            permuted = permuted_copy(window, order, self.columns.order)
            X = as_operand(permuted, self.X.n_threads)
            self._order[start:stop] = start + order
            bounds = np.searchsorted(classes[order], np.arange(self.n_folds + 1))
            for a in range(self.n_folds):
                rows = slice(int(bounds[a]), int(bounds[a + 1]))
                part = X.cut_rows(rows) if rows.start < rows.stop else None
                if part is not None:
                    yield Part(a, slice(start + rows.start, start + rows.stop), part)
            start = stop

    def in_order(self, W: Array) -> Array:
        """Return rows, which are ordered by their classes, in the order of the partition."""
        place = np.empty_like(self.rows.order)
        place[self.rows.order] = np.arange(len(place))
        ordered: Array = np.ascontiguousarray(W[place[self._order]])
        return ordered
