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
"""Partial sums that one task of the tree adds up."""
INLINE_BYTES = 4 << 20
"""What all tasks are told goes with each of them if it is less than that for all; else it is a
task of its own, which costs the time of one more message and no more traffic."""
LEAST_PASSES, MOST_PASSES, KEEP_SHARE = 5, 50, 0.03
"""Passes before the history of the rows may be let go of, and those after which it must be;
between them that may take KEEP_SHARE of the time."""


class Blocks:
    """The cut of the rows, and the tasks on it; every array of rows belongs to one.

    Parameters
    ----------
    bounds : ndarray of int
        Where the blocks begin, and the end of the last one.
    n_threads : int
        Threads of one task.
    """

    def __init__(self, bounds: Array, n_threads: int = 1) -> None:
        self.bounds, self.n_threads = bounds, n_threads
        self._arrays: weakref.WeakSet[WorkerRows] = weakref.WeakSet()
        self._passes = 0
        self._since, self._cost = time.monotonic(), 0.0
        self._kept: Any = None
        """What the rows of now came from, held until they are kept again."""
        self._workers: set[str] = set()
        self._before: list[Any] = []
        """Results that nothing needs any more."""

    @property
    def sizes(self) -> list[int]:
        """Rows of each block."""
        return [int(n) for n in np.diff(self.bounds)]

    def sent(self, arrays: Sequence[Array]) -> list[Any]:
        """Arrays from here, one for each block, held by the workers."""
        import dask

        name = f"nonneg_start-{uuid4().hex}"
        parts = [
            dask.delayed(A, name=f"{name}-{b}", traverse=False)
            for b, A in enumerate(arrays)
        ]
        return list(persisted(parts))

    def enter(self, rows: WorkerRows) -> None:
        """Note an array of rows, to be kept with the others."""
        self._arrays.add(rows)

    def run(
        self,
        step: Step[Any, Any, Any],
        rows: StepRows,
        shared: Any,
        X: Sequence[Any] | None = None,
        n_columns: int = 0,
    ) -> Any:
        """One task for each block of X, of so many columns, and a tree that adds up what they
        return.
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
        # the last sums, if they are small, come here side by side, which is a message less
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
        # what was there before is let go of after the next tasks are on their way: a client's
        # messages are 10 ms apart
        self._before = [ends, *(arrays[at].parts for at in written)]
        for i, at in enumerate(written):
            arrays[at].parts = [WorkerBlock(out, 1 + i) for out in kept]
        if written:
            self._passes += 1
            self._keep_if_due()
        return found

    def _keep_if_due(self) -> None:
        """Keep all rows if that is little beside the time since, or the history is long."""
        since = time.monotonic() - self._since
        late = self._passes >= MOST_PASSES
        if late or (self._passes >= LEAST_PASSES and KEEP_SHARE * since >= self._cost):
            self.keep()

    def _keep_if_lost(self) -> None:
        """Keep all rows anew where there may be one worker alone that has them."""
        client = active_client()
        if client is None:
            return
        before, self._workers = self._workers, require_some(client, self._workers)
        lost = bool(before - self._workers)
        if lost or (self._kept and len(self._workers) > 1 and near(client, self._kept)):
            self.keep()

    def awaited(self, tasks: Sequence[Any]) -> list[Any]:
        """The results of tasks, while there is one of the workers to wait for."""
        client = active_client()
        if client is None:
            return [computed(task) for task in tasks]
        futures = [future_of(task) for task in tasks]
        found: list[Any] = client.gather(awaited(client, futures, self._workers))
        return found

    def keep(self) -> None:
        """Keep all rows as data, on two workers each, and forget how they came about.

        Without it a scheduler would remember every task of the fit, and do all of them
        again for what a lost worker held.
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
    """At most so many tasks that depend on all parts, by levels of `SPLIT_EVERY`."""
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
    """Start these tasks, their results to stay where they are."""
    import dask

    # H travels in the graph, so that it is there again after the loss of a worker
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}):
        results: tuple[Any, ...] = dask.persist(*graph)
    return results


def computed(task: Any) -> Any:
    """The result of one task, here."""
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
        For each block its rows, held by a scheduler; None: nothing yet.

    Notes
    -----
    Each operation is a pass over the blocks. Of what a task has made nothing is written to:
    an operation in place puts new blocks in the place of the old ones.
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
        """Return how many entries of each column are not 0."""
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
        """Return a basis of the columns, as well-conditioned as powers of X need it."""
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
        """Write each block into a file of this name, from where it is."""
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
        """Run a function on each block: into `out`, or the sum of what it returns."""
        are_rows = tuple(isinstance(A, WorkerRows) for A in inputs)
        rows = tuple(RowsOfW(cast(Any, A)) for A in inputs if isinstance(A, WorkerRows))
        small = tuple(SmallInput(A) for A in inputs if not isinstance(A, WorkerRows))
        step = FunctionStep(function, are_rows)
        return self.blocks.run(step, FunctionRows(rows, out), SmallInputs(small))
