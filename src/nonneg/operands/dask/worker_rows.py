"""Rows of a factor that stay where they are computed: blocks of a Dask graph."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from ... import kernels
from ...base.factor_rows import FactorRows
from ...base.interfaces import Array
from ...base.steps import UPDATED, WRITTEN, RowsOfW, Step, StepRows
from ...kernels import factor_rows
from ...kernels.row_methods import RowArrays, SolveReport
from . import row_steps
from .replication import (
    WorkerBlock,
    active_client,
    awaited,
    future_of,
    near,
    require_some,
    twinned,
)
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
from .tasks import (
    Common,
    add_sums,
    array_of,
    result_at,
    sources,
    work_on,
)
from .worker_files import write_rows

SPLIT_EVERY = 8
"""Number of partial sums that one task of the tree adds up."""
INLINE_BYTES = 4 << 20
"""The common inputs of tasks are sent with each task if that takes fewer bytes in all. Else
they are the result of a task of their own, which costs one more message, but no more traffic."""
LEAST_PASSES, MOST_PASSES, KEEP_SHARE = 5, 50, 0.03
"""Rows are replicated after LEAST_PASSES passes, as soon as that takes at most KEEP_SHARE of
the time since the last time, and after MOST_PASSES in any case."""


class Blocks:
    """The cut of X into blocks of rows, and the tasks on them; arrays of rows belong to it.

    Parameters
    ----------
    bounds : ndarray of int
        First row of each block, then the end of the last one.
    n_threads : int
        Threads of one task.
    """

    def __init__(self, bounds: Array, n_threads: int = 1) -> None:
        self.bounds, self.n_threads = bounds, n_threads
        self._arrays: weakref.WeakSet[WorkerRows] = weakref.WeakSet()
        self._passes = 0
        self._since, self._cost = time.monotonic(), 0.0
        self._kept: Any = None
        """The last replicas, from which the present rows come; held until the next ones."""
        self._workers: set[str] = set()
        self._before: list[Any] = []
        """Results of the last pass that are no longer needed."""

    @property
    def sizes(self) -> list[int]:
        """Rows of each block."""
        return [int(n) for n in np.diff(self.bounds)]

    def sent(self, arrays: Sequence[Array]) -> list[Any]:
        """Send an array for each block to the workers, which hold them."""
        import dask

        name = f"nonneg_start-{uuid4().hex}"
        parts = [
            dask.delayed(A, name=f"{name}-{b}", traverse=False)
            for b, A in enumerate(arrays)
        ]
        return list(persisted(parts))

    def enter(self, rows: WorkerRows) -> None:
        """Note an array of rows, to be replicated with the others."""
        self._arrays.add(rows)

    def run(
        self,
        step: Step[Any, Any, Any],
        rows: StepRows,
        shared: Any,
        X: Sequence[Any] | None = None,
        n_columns: int = 0,
    ) -> Any:
        """Run a step as one task for each block, and add up the results in a tree of tasks.

        `X` has the blocks of X, of `n_columns` columns; None is for steps on rows alone.
        """
        import dask

        self._keep_if_lost()
        arrays: list[WorkerRows] = []

        def number_of(A: WorkerRows, _: str) -> int:
            at = next((i for i, B in enumerate(arrays) if B is A), len(arrays))
            arrays[at:] = arrays[at:] or [A]
            return at

        places = rows.changed(number_of)
        written = sorted({at for at, use in places.uses() if use in (WRITTEN, UPDATED)})
        forms = [(A.shape[1], A.dtype) for A in arrays]
        label, token = step.name, uuid4().hex
        common: Any = Common(step, places, written, forms, shared, self.n_threads)
        sums_bytes = n_columns * max(k * dtype.itemsize for k, dtype in forms)
        # small sums of the last level are added up here, which saves a message
        few = max(common.n_bytes, sums_bytes) * SPLIT_EVERY <= INLINE_BYTES
        if common.n_bytes * len(self.sizes) > INLINE_BYTES:
            common = dask.delayed(common, traverse=False, name=f"nonneg_H-{token}")
        work = dask.delayed(work_on, pure=False, traverse=False)
        get = dask.delayed(result_at, pure=False)
        outs, sums = [], []
        for b, n_rows in enumerate(self.sizes):
            tasks, sources_of = sources([A.parts[b] for A in arrays])
            out = work(
                common, n_rows, sources_of, None if X is None else X[b], *tasks,
                dask_key_name=f"nonneg_{label}-{token}-{b}",
            )  # fmt: skip
            outs.append(out)
            sums.append(get(out, 0, dask_key_name=f"nonneg_sums-{token}-{b}"))
        ends = tree(sums, add_sums, SPLIT_EVERY if few else 1)
        started = persisted([*outs, *ends])
        kept, ends = started[: len(outs)], list(started[len(outs) :])
        self._before = []
        found = add_sums(self.awaited(ends))
        # results before these are released when the next tasks have been sent: messages of a
        # client are 10 ms apart
        self._before = [ends, *(arrays[at].parts for at in written)]
        for i, at in enumerate(written):
            arrays[at].parts = [WorkerBlock(out, 1 + i) for out in kept]
        if written:
            self._passes += 1
            self._keep_if_due()
        return found

    def _keep_if_due(self) -> None:
        """Replicate all rows if that takes a small share of the time, or is overdue."""
        since = time.monotonic() - self._since
        late = self._passes >= MOST_PASSES
        if late or (self._passes >= LEAST_PASSES and KEEP_SHARE * since >= self._cost):
            self.keep()

    def _keep_if_lost(self) -> None:
        """Replicate all rows anew if some of them may be on one worker alone."""
        client = active_client()
        if client is None:
            return
        before, self._workers = self._workers, require_some(client, self._workers)
        lost = bool(before - self._workers)
        if lost or (self._kept and len(self._workers) > 1 and near(client, self._kept)):
            self.keep()

    def awaited(self, tasks: Sequence[Any]) -> list[Any]:
        """Wait for tasks and return their results."""
        client = active_client()
        if client is None:
            return [computed(task) for task in tasks]
        futures = [future_of(task) for task in tasks]
        found: list[Any] = client.gather(awaited(client, futures, self._workers))
        return found

    def keep(self) -> None:
        """Replicate all rows on two workers, and detach them from the tasks that made them.

        Otherwise a scheduler would remember every task of the fit, and run all of them again
        when a worker is lost.
        """
        client = active_client()
        begun = time.monotonic()
        arrays = [A for A in self._arrays if A.parts[0] is not None]
        if client is not None and arrays:
            blocks = [
                [cast(WorkerBlock, A.parts[b]) for A in arrays]
                for b in range(len(self.sizes))
            ]
            kept = twinned(client, blocks)
            for i, A in enumerate(arrays):
                A.parts = [WorkerBlock(block, i) for block in kept]
            self._kept = kept
        self._passes, self._since = 0, time.monotonic()
        self._cost = self._since - begun


def tree(parts: list[Any], add: Callable[[list[Any]], Any], most: int = 1) -> list[Any]:
    """Join tasks by levels of `SPLIT_EVERY` until there are at most `most`; return these."""
    import dask

    join = dask.delayed(add, pure=False)
    while len(parts) > most:
        parts = [
            join(
                parts[i : i + SPLIT_EVERY],
                dask_key_name=f"nonneg_add-{uuid4().hex}",
            )
            for i in range(0, len(parts), SPLIT_EVERY)
        ]
    return parts


def persisted(graph: list[Any]) -> tuple[Any, ...]:
    """Start tasks whose results stay on the workers."""
    import dask

    # H is sent in the graph, so that it can be sent again after the loss of a worker
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}):
        results: tuple[Any, ...] = dask.persist(*graph)
    return results


def computed(task: Any) -> Any:
    """Compute a task and return its result in this process."""
    import dask

    return dask.compute(task)[0]


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
        rhs, gram, l1, how, grams, _ = args
        step = SolveStep(how, grams)
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
