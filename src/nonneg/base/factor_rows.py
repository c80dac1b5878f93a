"""Rows of a factor that are no array in this memory: on disk, or on workers of a cluster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from .arrays import Array


class FactorRows(ABC):
    """Base of rows of a factor, with the operations that fits do on all rows at once.

    The functions of `kernels` and of `kernels.factor_rows` take them, and arrays in memory
    likewise. They are no arrays: any other operation is a TypeError.
    """

    ndim: ClassVar[int] = 2
    in_this_memory: ClassVar[bool] = True
    """Whether the rows can be had by slices; those on workers can't."""
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    __array_ufunc__ = None

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        msg = f"{type(self).__name__} is no array: {self.shape[0]} rows of it are elsewhere."
        raise TypeError(msg)

    @abstractmethod
    def empty(self, k: int, dtype: Any) -> Self:
        """Return rows of k columns, with anything in them, in the place of these."""

    @abstractmethod
    def map(self, function: Callable[..., Array], *inputs: Any) -> Self:
        """Return `function(*inputs)`, computed block of rows by block.

        Parameters
        ----------
        function : callable
            Of a module, so that it can be sent to a worker by its name. It takes a block of
            rows where `inputs` has rows, and what it returns must not depend on the cut.
        inputs : FactorRows, ndarray or float
            Rows, these among them, small arrays and numbers.
        """

    @abstractmethod
    def copy_from(self, rows: Any) -> None:
        """Take over what is in other rows."""

    @abstractmethod
    def astype(self, dtype: Any) -> Self:
        """Return the rows in another dtype; themselves, if it is theirs."""

    @abstractmethod
    def times(self, G: Array) -> Self:
        """Return the product of the rows and a small matrix (k, l)."""

    @abstractmethod
    def cross(self, rows: Any) -> Array:
        """Return AᵀB, B being the other rows."""

    @abstractmethod
    def gram(self, n_threads: int) -> NDArray[np.float64]:
        """Return AᵀA in float64, see `kernels.gram`."""

    @abstractmethod
    def inner(self, rows: Any) -> float:
        """Return ⟨A, B⟩ in float64, B being the other rows."""

    @abstractmethod
    def column_sums(self, n_threads: int) -> NDArray[np.float64]:
        """Return the sums of the columns in float64, see `kernels.column_sums`."""

    @abstractmethod
    def column_totals(self) -> NDArray[np.float64]:
        """Return the sums of the columns as NumPy adds them up."""

    @abstractmethod
    def column_squares(self) -> NDArray[np.float64]:
        """Return the sums of squares of the columns in float64."""

    @abstractmethod
    def column_counts(self) -> NDArray[np.intp]:
        """Return how many entries of each column are not 0."""

    @abstractmethod
    def longest_row(self) -> tuple[int, Array]:
        """Return the number of the row with the largest norm, and the row."""

    @abstractmethod
    def solve_rows(self, rows: Any, *args: Any) -> Any:
        """Return what `kernels.solve_rows` does for `rows`, these being the solved ones."""

    @abstractmethod
    def fill_zeros(self, draw: Callable[[int], Array]) -> None:
        """Replace the zeros, in the order of the rows, by as many numbers of `draw`."""

    @abstractmethod
    def lower_factor(self) -> Any:
        """Return a basis of the columns, see `kernels.orthogonal`; the rows are spent."""

    @abstractmethod
    def orthonormal(self) -> tuple[Any, Array]:
        """Return the factors Q and R of the rows, which are spent."""

    @abstractmethod
    def sign_of_largest(self) -> Array:
        """Return the sign of the entry of each column that is largest in size."""

    @abstractmethod
    def to_caller(self) -> Any:
        """Return the rows as the array that the caller of a fit gets."""

    def release(self, start: int = 0, stop: int | None = None) -> None:  # noqa: B027
        """Say that the rows start:stop are not needed in memory for now."""
