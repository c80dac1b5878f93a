"""Multiplicative updates one after the other, with the arguments of the core made once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import _core
from ..base.arrays import Array
from ..base.interfaces import Operand, Penalty
from .beta_terms import BetaTerms
from .native import binding, source_of
from .native_beta import beta_options
from .native_options import as_contiguous
from .row_methods import RowArrays


class Moving(NamedTuple):
    """A factor, its penalty, and the bound below which its entries become 0."""

    rows: Array
    penalty: Penalty
    least: float


class RowUpdates:
    """Updates of a factor beside a fixed one, by X·Ht and HHᵀ that are known.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, k), C-contiguous
        The factor, for its shape and dtype.
    product : ndarray of shape (n_rows, k)
    gram : ndarray of shape (k, k)
    penalty : Penalty
    n_threads : int
    """

    def __init__(
        self, rows: Array, product: Array, gram: Array, penalty: Penalty, n_threads: int
    ) -> None:
        dtype = rows.dtype
        self._rows, self._sums = rows, (product, gram)
        self._product = as_contiguous(product, dtype)
        self._n_threads = n_threads
        self._repeat = _core.repeat32 if dtype == np.float32 else _core.repeat64
        self._options = multiplicative_options(
            as_contiguous(gram + penalty.Q, dtype), penalty, dtype
        )

    def move(self, times: int) -> None:
        """Update the factor in place, so many times."""
        self._move(RowArrays(self._rows, self._rows), times)

    def carry(self, numerator: Array, denominator: Array) -> None:
        """Do nothing: these are the product and the Gram matrix, which stay."""

    def carried(self) -> tuple[Array, Array]:
        """Return the product and the Gram matrix."""
        return self._sums

    def move_to(self, start: Array, solved: Array) -> None:
        """Write the update of `start` into `solved`, which may be the same array."""
        self._move(RowArrays(start, solved), 1)

    def _move(self, rows: RowArrays, times: int) -> None:
        rule = 0.0, -1.0, -1.0  # which ends nothing
        self._repeat(
            rows, self._product, self._options, *rule, np.empty(times), self._n_threads
        )


def multiplicative_options(gram: Array, penalty: Penalty, dtype: Any) -> Any:
    """Return an update beside a Gram matrix, with its penalty, as the bindings take it."""
    k = len(gram)
    return _core.SolveOptions(
        gram=gram,
        inverse_diagonal=np.ones(k, dtype),  # unused
        l1=as_contiguous(penalty.l1, dtype),
        order=np.arange(k),
        method=_core.RowMethod.MULTIPLICATIVE,
    )


class _Updates:
    """Updates of a factor in passes over X, and of the other one by the sums of the pass.

    Parameters
    ----------
    X : Operand of shape (n_rows, n_columns)
        Dense or sparse, in memory, read by rows.
    inner, outer : Moving
        A factor with n_rows rows, and one with n_columns; both move in place.
    terms : BetaTerms
    outer_first : bool
        Whether the outer factor is W, which always moves first, by sums that an iteration
        hands to the next one.
    """

    def __init__(
        self,
        X: Operand,
        inner: Moving,
        outer: Moving,
        terms: BetaTerms,
        outer_first: bool,
    ) -> None:
        self._outer_first = outer_first
        self.dtype, self.n_threads, self.k = X.dtype, X.n_threads, inner.rows.shape[1]
        self.suffix, self.source = source_of(X)
        self.inner, self.outer, self.terms = inner, outer, terms
        self.numerator = np.empty((X.shape[1], self.k), X.dtype)
        self.denominator: Array | None = None
        self._options: Any = None
        self._out = np.empty_like(outer.rows)
        self._bits = 8 * X.dtype.itemsize
        self._multiply_rows = _core.multiply32 if self._bits == 32 else _core.multiply64
        self._allocate()

    def _allocate(self) -> None:
        """Make what an iteration writes into, and the arguments of the core.

        `_options`, the update of the outer factor, is one of them.
        """
        raise NotImplementedError

    def binding(self, name: str) -> Any:
        """Return the function of the core for this dtype and this kind of X."""
        return binding(f"{name}{self._bits}_{self.suffix}")

    def options(self, factor: Moving, column_sums: Array) -> Any:
        """Return an update of a factor as the bindings take it."""
        vectors = column_sums, factor.penalty.l1, factor.penalty.Q.diagonal()
        return beta_options(self.terms, factor.least, True, self.dtype, *vectors)

    def move(self, times: int) -> None:
        """Update W, then H, so many times."""
        for _ in range(times):
            if self._outer_first:
                self.move_outer()
                self.move_inner()
            else:
                self.move_inner()
                self.move_outer()

    def move_inner(self) -> None:
        """Update the inner factor, and sum up for the outer one."""
        raise NotImplementedError

    def move_outer(self) -> None:
        """Update the outer factor by the sums."""
        rows = self.outer.rows
        self._multiply_rows(
            rows, self.numerator, self.denominator, self._out, self._options,
            self.n_threads,
        )  # fmt: skip
        rows[...] = self._out

    def below(self) -> Array:
        """Return the denominators for the outer factor, or their common row."""
        raise NotImplementedError

    def carry(self, numerator: Array | None, denominator: Array | None) -> None:
        """Take the sums for the outer factor, where it moves first."""
        if self._outer_first:
            assert numerator is not None
            assert denominator is not None
            self.numerator[...] = numerator
            self._take_below(denominator)

    def carried(self) -> tuple[Array | None, Array | None]:
        """Return the sums for the outer factor, where the next iteration needs them."""
        return (self.numerator, self.below()) if self._outer_first else (None, None)

    def _take_below(self, denominator: Array) -> None:
        raise NotImplementedError


class TermUpdates(_Updates):
    """Updates for a loss whose terms need W·H, entry by entry."""

    def _allocate(self) -> None:
        inner, outer = self.inner, self.outer
        self._sums = np.empty(self.k)
        self._beside_outer = np.empty(self.k, self.dtype)
        self._beside_inner = np.zeros(self.k, self.dtype)
        self._half_step = self.binding("beta")
        self._pass_options = self.options(inner, self._beside_outer)
        self._options = self.options(outer, self._beside_inner)
        if not self.terms.is_flat:
            self.denominator = np.empty_like(self.numerator)

    def move_inner(self) -> None:
        """Update the inner factor, and sum up for the outer one."""
        A, B = self.inner.rows, self.outer.rows
        _core.column_sums(B, self._sums, self.n_threads)
        self._beside_outer[...] = self._sums
        self._half_step(
            X=self.source, start=A, Ht=B, after=None, solved=A, below=None,
            numerator=self.numerator, denominator=self.denominator,
            options=self._pass_options, wants_value=False, n_threads=self.n_threads,
        )  # fmt: skip
        if self.denominator is None:
            _core.column_sums(A, self._sums, self.n_threads)
            self._beside_inner[...] = self._sums

    def below(self) -> Array:
        """Return the denominators for the outer factor, or their common row."""
        return self._sums.copy() if self.denominator is None else self.denominator

    def _take_below(self, denominator: Array) -> None:
        if self.denominator is None:
            self._sums[...] = denominator
            self._beside_inner[...] = denominator
        else:
            self.denominator[...] = denominator


class ProductUpdates(_Updates):
    """Updates for the quadratic loss, by products with X and Gram matrices."""

    def _allocate(self) -> None:
        inner, dtype = self.inner, self.dtype
        self.denominator = np.empty_like(self.outer.rows)
        self._both = self.binding("multiply_both")
        self._options = self.options(self.outer, np.zeros(self.k))
        self._swept = _core.SweptArrays(
            rows=inner.rows,
            Q=as_contiguous(inner.penalty.Q, np.float64),
            l1=as_contiguous(inner.penalty.l1, dtype),
        )

    def move(self, times: int) -> None:
        """Update W, then H, so many times, in one call of the core."""
        self._both(
            self.source, self._swept, self.outer.rows, self._options, self.numerator,
            self.denominator, self._outer_first, times, self.n_threads,
        )  # fmt: skip

    def below(self) -> Array:
        """Return the denominators for the outer factor."""
        assert self.denominator is not None
        return self.denominator

    def _take_below(self, denominator: Array) -> None:
        assert self.denominator is not None
        self.denominator[...] = denominator
