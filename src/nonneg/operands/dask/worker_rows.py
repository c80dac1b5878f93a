"""Rows of a factor that stay where they are computed: blocks of a Dask graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from ... import kernels
from ...base.arrays import Array
from ...base.factor_rows import FactorRows
from ...base.steps import RowsOfW
from ...kernels import factor_rows
from ...kernels.row_methods import RowArrays, SolveReport
from . import row_steps
from .replication import WorkerBlock
from .row_blocks import Blocks, persisted, tree
from .row_steps import (
    FunctionRows,
    FunctionStep,
    SmallInput,
    SmallInputs,
    SolvedRows,
    SolveInputs,
    SolveStep,
)
from .row_svd import INDEPENDENT, SPREAD, whitened
from .tasks import array_of
from .worker_files import write_rows


class WorkerRows(FactorRows):
    """Rows of a factor in blocks, each held by the workers of a cluster.

    Parameters
    ----------
    blocks : Blocks
    k : int
    dtype : dtype
    tasks : list of Delayed, default=None
        The rows of each block, held by a scheduler; None if there are none yet.

    Notes
    -----
    Each operation is a pass over the blocks. The result of a task is never written to: an
    operation in place replaces the old blocks by new ones.
    """

    in_this_memory: ClassVar[bool] = False

    def __init__(
        self, blocks: Blocks, k: int, dtype: Any, tasks: list[Any] | None = None
    ) -> None:
        self.blocks = blocks
        self.shape = (int(blocks.bounds[-1]), k)
        self.dtype = np.dtype(dtype)
        self.parts: list[WorkerBlock | None] = [
            None if task is None else WorkerBlock(task, None)
            for task in tasks or [None] * len(blocks.sizes)
        ]
        blocks.enter(self)

    def empty(self, k: int, dtype: Any) -> WorkerRows:
        """Return rows that are to be written, in the same blocks."""
        return WorkerRows(self.blocks, k, dtype)

    def map(self, function: Callable[..., Array], *inputs: Any) -> WorkerRows:
        """Return function(*inputs), a task for each block."""
        tiny = [
            np.ones((1, A.shape[1]), A.dtype) if isinstance(A, WorkerRows) else A
            for A in inputs
        ]
        form = function(*tiny)
        out = self.empty(form.shape[1], form.dtype)
        self._run(function, inputs, out)
        return out

    def copy_from(self, rows: Any) -> None:
        """Take the blocks of other rows, which are never written to."""
        if not isinstance(rows, WorkerRows):
            msg = "Rows on workers can only take over other rows on workers."
            raise TypeError(msg)
        if rows.dtype != self.dtype:
            rows = rows.astype(self.dtype)
        self.parts = list(rows.parts)

    def astype(self, dtype: Any) -> WorkerRows:
        """Return the rows in another dtype; themselves, if it is theirs."""
        if np.dtype(dtype) == self.dtype:
            return self
        return self.map(row_steps.as_type, self, np.dtype(dtype).name)

    def times(self, G: Array) -> WorkerRows:
        """Return the product with a small matrix."""
        return self.map(row_steps.product, self, G)

    def cross(self, rows: Any) -> Array:
        """Return AᵀB."""
        return np.asarray(self._run(row_steps.cross, (self, rows)))

    def gram(self, n_threads: int) -> NDArray[np.float64]:  # noqa: ARG002
        """Return AᵀA in float64; each task uses one thread."""
        return np.asarray(self._run(kernels.gram, (self,)))

    def inner(self, rows: Any) -> float:
        """Return ⟨A, B⟩ in float64."""
        return float(self._run(kernels.inner, (self, rows)))

    def column_sums(self, n_threads: int) -> NDArray[np.float64]:  # noqa: ARG002
        """Return the sums of the columns in float64; each task uses one thread."""
        return np.asarray(self._run(kernels.column_sums, (self,)))

    def column_totals(self) -> NDArray[np.float64]:
        """Return the sums of the columns as NumPy adds them up, block by block."""
        return np.asarray(self._run(factor_rows.column_totals, (self,)))

    def column_squares(self) -> NDArray[np.float64]:
        """Return the sums of squares of the columns in float64."""
        return np.asarray(self._run(factor_rows.column_squares, (self,)))

    def column_counts(self) -> NDArray[np.intp]:
        """Return the number of entries of each column that are not 0."""
        return np.asarray(self._run(factor_rows.column_counts, (self,)))

    def solve_rows(self, rows: RowArrays, *args: Any) -> SolveReport:
        """Solve for the rows of each block in a task, which uses one thread."""
        rhs, gram, l1, method, grams, _ = args
        step = SolveStep(method, grams)
        arrays, inputs = SolvedRows(rows, rhs), SolveInputs(gram, l1)
        report: SolveReport = self.blocks.run(step, arrays, inputs)
        return report

    def fill_zeros(self, draw: Callable[[int], Array]) -> None:
        """Draw numbers here, and send each block its share of them."""
        counts = self._run(row_steps.zeros, (self,))
        values = draw(sum(counts))
        shares = self.blocks.sent(np.split(values, np.cumsum(counts)[:-1]))
        values_of = WorkerRows(self.blocks, 1, self.dtype, shares)
        out = self.empty(self.shape[1], self.dtype)
        self._run(row_steps.filled, (self, values_of), out)
        self.copy_from(out)

    def lower_factor(self) -> FactorRows:
        """Return a basis of the columns, well-conditioned enough for powers of X."""
        return whitened(self, SPREAD)[0]

    def orthonormal(self) -> tuple[FactorRows, Array]:
        """Return Q and R of the rows, R being full."""
        Q, R = whitened(self, INDEPENDENT)
        return Q, R.astype(self.dtype)

    def sign_of_largest(self) -> Array:
        """Return the sign of the entry of each column that is largest in size."""
        entries = np.stack(self._run(row_steps.largest, (self,)))
        block = np.abs(entries).argmax(axis=0)
        signs: Array = np.sign(entries[block, np.arange(entries.shape[1])])
        return signs

    def longest_row(self) -> tuple[int, Array]:
        """Return the number of the row with the largest norm, and the row."""
        best = self._run(row_steps.longest, (self,))
        rows = np.stack([row for _, row in best])
        block, row = factor_rows.longest_row(rows)
        return int(self.blocks.bounds[block]) + best[block][0], row

    def save(self, folder: str, names: Sequence[str]) -> None:
        """Let the workers write each block into a file of its name."""
        import dask

        write = dask.delayed(write_rows, pure=False)
        k, blocks = self.shape[1], self.blocks
        done = [
            write(*(part or (None, None)), folder, name, (n_rows, k), self.dtype)
            for part, name, n_rows in zip(self.parts, names, blocks.sizes, strict=True)
        ]
        blocks.awaited(persisted(tree(done, sum)))

    def to_caller(self) -> Any:
        """Return the rows as a Dask array, in the blocks that X came in."""
        import dask
        import dask.array as da

        self.blocks.keep()
        k, get = self.shape[1], dask.delayed(array_of, pure=True)
        parts = [
            da.from_delayed(
                get(*cast(WorkerBlock, part)), (n_rows, k), dtype=self.dtype
            )
            for part, n_rows in zip(self.parts, self.blocks.sizes, strict=True)
        ]
        return da.concatenate(parts, axis=0)

    def _run(
        self,
        function: Callable[..., Any],
        inputs: Sequence[Any],
        out: WorkerRows | None = None,
    ) -> Any:
        """Run a function on each block; write the results to `out`, or return their sum."""
        are_rows = tuple(isinstance(A, WorkerRows) for A in inputs)
        rows = tuple(RowsOfW(cast(Any, A)) for A in inputs if isinstance(A, WorkerRows))
        small = tuple(SmallInput(A) for A in inputs if not isinstance(A, WorkerRows))
        step = FunctionStep(function, are_rows)
        return self.blocks.run(step, FunctionRows(rows, out), SmallInputs(small))
