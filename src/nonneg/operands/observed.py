"""The operand of an X of which entries are missing or weighted.

Solvers see scaled rows and columns: X·diag and factors whose rows are multiplied by powers of
the weights of rows and columns, so that these weights leave a problem without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from .. import kernels
from ..base.arrays import Array
from ..base.interfaces import Operand, Stats
from ..base.observed import Vector, Weights
from ..base.penalty import Penalty
from ..base.steps import RowsT, SharedT, Step, SumsT
from ..kernels.beta_steps import TermsUpdate
from ..kernels.newton_steps import NewtonSums, NewtonUpdate
from ..kernels.quadratic_steps import (
    MatMul,
    ProductSum,
    RMatMul,
    RowSolve,
    SquaredError,
)
from .base import Block, BlockedOperand, matmul
from .observed_divergence import (
    newton_pass,
    newton_sums_pass,
    scale_values,
    sum_of_logs,
    terms_pass,
)
from .observed_half_steps import joined, named_error, solve_for_rows, times_rows
from .observed_sums import ObservedSums, small_blocks, sum_up


class ObservedOperand(BlockedOperand):
    """X with the weights of its entries.

    Parameters
    ----------
    raw : Operand
        X, 0 where an entry is missing.
    values : Operand
        X times the weights of its entries, before those of rows and columns; `raw` itself
        where each is 0 or 1.
    weights : Weights
    sums : ObservedSums or None
        None: computed when it is needed.
    power : float
        Rows and columns are scaled by this power of their weights; 0 leaves them, and the
        weights of rows and columns are then part of those of entries.
    shared_gram : bool
        Whether half-steps impute what is missing, so that all rows share a Gram matrix.
    """

    kind: ClassVar[str] = "observed"
    is_weighted = True

    def __init__(
        self,
        raw: Operand,
        values: Operand,
        weights: Weights,
        sums: ObservedSums | None = None,
        power: float = 0.0,
        shared_gram: bool = False,
    ) -> None:
        self.raw, self.values, self.weights = raw, values, weights
        self.power, self.shared_gram = power, shared_gram
        self.shape, self.dtype = raw.shape, raw.dtype
        self.n_threads, self.in_parts = raw.n_threads, raw.in_parts
        self.column_access = raw.column_access
        self.window_bytes = raw.window_bytes
        self.most_window_bytes = raw.most_window_bytes
        self.weight_bytes = weights.n_bytes
        self._sums = sums

    @property
    def sparse(self) -> bool:
        """Whether only entries that are stored are looked at."""
        return self.raw.sparse

    @cached_property
    def T(self) -> ObservedOperand:
        """The transpose, without a copy of X."""
        raw = self.raw.T
        values = raw if self.values is self.raw else self.values.T
        turned = ObservedOperand(
            raw, values, self.weights.T, self._sums, self.power, self.shared_gram
        )
        vars(turned)["T"] = self
        if self.values is not self.raw and "log_weights" in vars(self):
            vars(turned)["log_weights"] = self.log_weights
        return turned

    def taken_by(self, power: float, shared_gram: bool) -> ObservedOperand:
        """Return X as a solver takes it, with this scale and kind of half-steps."""
        return ObservedOperand(
            self.raw, self.values, self.weights, self._sums, power, shared_gram
        )

    def held(self) -> AbstractContextManager[None]:
        """Keep what was checked of X as it is while the caller's code runs in the block."""
        return self.raw.held()

    def stored_by_rows(self) -> ObservedOperand:
        """Return X, or a copy where it is stored by columns."""
        if not self.raw.by_columns:
            return self
        raw = self.raw.stored_by_rows()
        values = raw if self.values is self.raw else self.values.stored_by_rows()
        return ObservedOperand(
            raw, values, self.weights, self._sums, self.power, self.shared_gram
        )

    def cut_rows(self, rows: slice) -> Operand | None:
        """Return rows of X, or None where it is stored by columns."""
        raw = None if self.raw.by_columns else self.raw.cut_rows(rows)
        if raw is None:
            return None
        values = raw if self.values is self.raw else self.values.cut_rows(rows)
        assert values is not None
        return ObservedOperand(
            raw, values, self.weights.cut_rows(rows), None, self.power, self.shared_gram
        )

    def for_divergence(
        self, beta: float, W: Array, Ht: Array
    ) -> tuple[ObservedOperand, Array, Array]:
        """Return X and factors, scaled for the Kullback-Leibler divergence."""
        if beta != 1 or self.power != 0:
            return self, W, Ht
        X = self.taken_by(1.0, False)
        return X, *X.scaled(W, Ht)

    # ---- scales

    @cached_property
    def row_scale(self) -> Vector | None:
        """Factors that the rows are multiplied by, (n_rows,), or None."""
        return _power(self.weights.rows, self.power)

    @cached_property
    def column_scale(self) -> Vector | None:
        """Factors that the columns are multiplied by, (n_columns,), or None."""
        return _power(self.weights.columns, self.power)

    def scaled(self, W: Array, Ht: Array) -> tuple[Array, Array]:
        """Return factors of X as factors of the scaled X."""
        return times_rows(W, self.row_scale), times_rows(Ht, self.column_scale)

    def unscaled(self, W: Array, Ht: Array) -> tuple[Array, Array]:
        """Return factors of the scaled X as factors of X; rows of weight 0 stay as they are."""
        return _over(W, self.row_scale), _over(Ht, self.column_scale)

    def penalty_shares(self, counted: bool) -> tuple[Vector | None, Vector | None]:
        """Return the shares of the linear and of the quadratic penalty of each row.

        Parameters
        ----------
        counted : bool
            Whether a row is penalised by the share of the columns that it shows.
        """
        r = self.weights.rows
        linear = quadratic = np.ones(self.shape[0])
        if counted:
            linear = quadratic = self.weights.row_counts() / self.shape[1]
        if r is not None:
            counts = r > 0
            safe = np.where(counts, r, 1.0)
            linear = linear * safe ** (1 - self.power) * counts
            quadratic = quadratic * safe ** (1 - 2 * self.power) * counts
        return (
            None if np.all(linear == 1) else linear,
            None if np.all(quadratic == 1) else quadratic,
        )

    # ---- sums

    @cached_property
    def sums(self) -> ObservedSums:
        """Sums over the weighted entries, from one pass."""
        if self._sums is None:
            self._sums = sum_up(self.raw, self.weights, self.values is self.raw)
        return self._sums

    def stats(self) -> Stats:
        """Weighted sums over the observed entries; their number is that of their weights."""
        sums = self.sums
        total = self.weights.total
        return Stats(sums.sum, sums.sum_sq, max(total, 1e-300), sums.smallest)

    def has_zeros(self) -> bool:
        """Whether an observed entry is 0; the hidden ones are 0 in `raw`."""
        if not super().has_zeros():
            return False
        if self.raw.sparse and self.weights.rest == 0:
            shown = self.raw.stored_by_rows().native()  # stores what is observed, alone
            return not shown.data.min(initial=np.inf) > 0
        for start, stop, X in small_blocks(self.raw.stored_by_rows()):
            part = X.toarray() if sp.issparse(X) else X
            if np.any((part <= 0) & (self.weights.tile(start, stop) > 0)):
                return True
        return False

    def weights_text(self) -> str:
        """Missing and weighted entries in words."""
        return self.weights.text

    def windows(self, unit: int) -> Iterator[Operand]:
        """Yield all rows in order, of an X in parts some at a time."""
        if not self.in_parts:
            yield self
            return
        row_bytes = max(1, self.shape[1] * self.dtype.itemsize)
        size = max(unit, self.window_bytes // row_bytes // unit * unit)
        for start in range(0, self.shape[0], size):
            part = self.cut_rows(slice(start, min(start + size, self.shape[0])))
            assert part is not None
            yield part

    def configured(
        self,
        *,
        window_bytes: int | None = None,
        factor_folder: Any = None,  # noqa: ARG002
    ) -> ObservedOperand:
        """Return X to be read in such windows; W stays in memory."""
        raw = self.raw.configured(window_bytes=window_bytes)
        values = raw if self.values is self.raw else self.values
        return ObservedOperand(
            raw, values, self.weights, self._sums, self.power, self.shared_gram
        )

    @property
    def n_observed(self) -> int:
        """Number of entries that weigh something."""
        return self.weights.n_observed

    @property
    def entries(self) -> float:
        """Number of stored entries."""
        return self.raw.entries

    @property
    def stored_bytes(self) -> int:
        """Bytes of X as a pass reads it."""
        return self.raw.stored_bytes

    @property
    def density(self) -> float:
        """Share of the entries that are not 0."""
        return self.raw.density

    # ---- passes

    def blocks(self) -> Iterator[Block]:
        """Cut X into blocks of rows, scaled, with the weights of their entries."""
        for start, stop, X in small_blocks(self.raw):
            M = self.weights.tile(start, stop, rows=self.power == 0)
            if self.power != 0:
                X = np.asarray(X.toarray() if sp.issparse(X) else X)
                scale = self.row_scale
                rows = None if scale is None else scale[start:stop]
                X = times_rows(times_rows(X, rows).T, self.column_scale).T
            yield Block(start, stop, X, M.astype(self.dtype))

    def run_pass(
        self, step: Step[RowsT, SharedT, SumsT], rows: RowsT, shared: SharedT
    ) -> SumsT:
        """Run `step`; but for sums over entries, no weights of all entries are made."""
        run = self._run_of(step)
        if run is None:
            return super().run_pass(step, rows, shared)
        sums: SumsT = run(step, rows, shared)
        return sums

    def _run_of(self, step: Any) -> Callable[..., Any] | None:
        """Return what runs a step, or None where it needs the weights of all entries."""
        run: Any = None
        if isinstance(step, MatMul | RMatMul):
            return self._matmul if isinstance(step, MatMul) else self._rmatmul
        if isinstance(step, RowSolve):
            run = solve_for_rows
        elif isinstance(step, SquaredError):
            return named_error(self, self.raw, self.power)
        elif self.power == 1 and isinstance(step, NewtonUpdate):
            run = newton_pass
        elif self.power == 1 and isinstance(step, NewtonSums):
            run = newton_sums_pass
        elif self.power == 1 and isinstance(step, TermsUpdate) and step.terms.is_flat:
            run = terms_pass
        return None if run is None else partial(run, self)

    @cached_property
    def scaled_values(self) -> Operand:
        """X times all weights, by rows."""
        return scale_values(self.values, self.row_scale, self.column_scale)

    @cached_property
    def log_weights(self) -> float:
        """Σ weight·x·log(entry weight)."""
        return sum_of_logs(self.values, self.raw, self.weights)

    def _matmul(self, _: MatMul, rows: Any, shared: Any) -> None:
        rows.out[...] = self.product(shared.Ht)

    def _rmatmul(self, step: RMatMul, rows: Any, shared: None) -> ProductSum:  # noqa: ARG002
        return ProductSum(self.T.product(rows.W))

    def product(self, B: Array) -> Array:
        """Return the scaled and weighted X times B (n_columns, k)."""
        columns, rows = self.column_scale, self.row_scale
        if self.power == 0:
            columns, rows = self.weights.columns, self.weights.rows
        return times_rows(matmul(self.values, times_rows(B, columns)), rows, copy=False)

    def square(self, W: Any, Ht: Any, gram_W: Any, gram_H: Any) -> float:
        """Return ‖WH‖² over the weighted entries."""
        weights = self.weights
        if self.power == 0 and (
            weights.rows is not None or weights.columns is not None
        ):
            W, Ht = (
                times_rows(A, None if scale is None else np.sqrt(scale))
                for A, scale in ((W, weights.rows), (Ht, weights.columns))
            )
            gram_W, gram_H = (kernels.gram(A, self.n_threads) for A in (W, Ht))
        square = weights.rest * float(np.sum(gram_W * gram_H))
        if weights.named is not None:
            square += kernels.named_square(weights.named, W, Ht, self.n_threads)
        return max(0.0, square)

    def imputed_square(
        self, W: Any, Ht: Any, start: Any, gram_W: Any, gram_H: Any, imputed: float
    ) -> float:
        """Return the square that completes the objective beside an imputed product."""
        # ½‖Z − W·H‖² with the imputed Z is too large by ½Σ (w·(h − start))²
        named, n = self.weights.named, self.n_threads
        excess: float = kernels.named_square(named, W, Ht - start, n)
        return float(np.sum(gram_W * gram_H)) + imputed + excess

    def majorised(
        self,
        start: Any,
        other: Any,
        rhs: Any,
        gram: Any,
        penalty: Penalty,
        imputed: bool = False,
    ) -> tuple[Any, Any, Any]:
        """Impute what is missing by start·otherᵀ, and the penalties of missing entries.

        Without a right-hand side, return what is to be added to it.
        """
        weights, most, extra = self.weights, self.weights.most, None
        if weights.named is not None and not imputed:
            n = self.n_threads
            extra = -kernels.named_product(weights.named, start, other, other, n)
            if most != weights.rest:
                extra += start @ ((most - weights.rest) * gram).astype(start.dtype)
        l1, Q = penalty.l1, penalty.Q
        if penalty.linear is not None:
            linear = (penalty.linear[:, None] * -l1).astype(start.dtype)
            extra, l1 = joined(extra, linear), np.zeros_like(l1)
        if penalty.quadratic is not None:
            largest = float(penalty.quadratic.max(initial=0))
            rest = (largest - penalty.quadratic)[:, None].astype(start.dtype)
            extra = joined(extra, rest * (start @ Q.astype(start.dtype)))
            Q = largest * Q
        return joined(rhs, extra), most * gram + Q, l1


def _power(weights: Vector | None, power: float) -> Vector | None:
    if weights is None or power == 0:
        return None
    scale: Vector = np.where(weights > 0, weights, 0.0) ** power
    return scale


def _over(A: Array, scale: Vector | None) -> Array:
    if scale is None:
        return A
    return times_rows(A, 1 / np.where(scale > 0, scale, 1.0))
