"""Rows of a factor that stay where they are computed: blocks of a Dask graph."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast
from uuid import uuid4

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ...base.interfaces import Array, Rows, Shared, Step, Sums
from ...kernels.quadratic_steps import ROW_ARRAYS, WRITTEN
from ...kernels.row_methods import SolveReport
from .replication import (
    WorkerBlock,
    active_client,
    awaited,
    future_of,
    near,
    require_some,
    twinned,
)
from .row_steps import Elementwise, Kernel, Total
from .row_svd import FUNCTIONS, SvdRows
from .tasks import (
    Common,
    Names,
    add_sums,
    array_of,
    base_of,
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
        self._arrays: weakref.WeakSet[BlockRows] = weakref.WeakSet()
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

    def enter(self, rows: BlockRows) -> None:
        """Note an array of rows, to be kept with the others."""
        self._arrays.add(rows)

    def run(
        self,
        step: Step,
        rows: Rows,
        shared: Shared,
        X: Sequence[Any] | None = None,
        n_columns: int = 0,
    ) -> Sums:
        """One task for each block of X, of so many columns, and a tree that adds up what they
        return.
        """
        import dask

        self._keep_if_lost()
        arrays: list[BlockRows] = []
        names: Names = {}
        for name, given in rows.items():
            A = cast(BlockRows, given)
            at = next((i for i, B in enumerate(arrays) if B is A), len(arrays))
            arrays[at:] = arrays[at:] or [A]
            names[name] = at
        written = sorted({at for name, at in names.items() if base_of(name) in WRITTEN})
        forms = [(A.shape[1], A.dtype) for A in arrays]
        label, token = step.name, uuid4().hex
        common: Any = Common(step, names, written, forms, shared, self.n_threads)
        sums_bytes = n_columns * max(k * dtype.itemsize for k, dtype in forms)
        # the last sums, if they are small, come here side by side, which is a message less
        few = max(common.n_bytes, sums_bytes) * SPLIT_EVERY <= INLINE_BYTES
        if common.n_bytes * len(self.sizes) > INLINE_BYTES:
            common = dask.delayed(common, traverse=False, name=f"nonneg_H-{token}")
        work = dask.delayed(work_on, pure=False, traverse=False)
        get = dask.delayed(result_at, pure=False)
        outs, sums = [], []
        for b, n_rows in enumerate(self.sizes):
            tasks, places = sources([A.parts[b] for A in arrays])
            out = work(
                common, n_rows, places, None if X is None else X[b], *tasks,
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


class BlockRows(SvdRows, NDArrayOperatorsMixin):
    """An array of rows in blocks, with the operations that the solvers use.

    Parameters
    ----------
    blocks : Blocks
    k : int
    dtype : dtype
    tasks : list of Delayed, default=None
        For each block its rows, held by a scheduler; None: nothing yet.

    Notes
    -----
    Operations are those row by row: with another such array, a number or a vector (k,), or
    the product with a (k, k) matrix. Each is a pass over the blocks.
    """

    ndim: ClassVar[int] = 2

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

    __hash__ = object.__hash__

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, tuple) and rows[0] == slice(None):
            return self.columns(rows[1])
        if rows == slice(0) or rows == slice(0, 0):
            return np.empty((0, self.shape[1]), self.dtype)
        msg = (
            "Rows that are on workers can't be taken out; use the array of all of them."
        )
        raise TypeError(msg)

    def __setitem__(self, rows: Any, values: BlockRows) -> None:
        if isinstance(rows, tuple) and rows[0] == slice(None):
            self.set_columns(rows[1], values)
            return
        if rows is not Ellipsis or not isinstance(values, BlockRows):
            msg = "Rows that are on workers can only be set all at once."
            raise TypeError(msg)
        self.parts = list(values.parts)  # which are never written to

    def astype(self, dtype: Any, copy: bool = True) -> BlockRows:
        """The same rows of another dtype."""
        if np.dtype(dtype) == self.dtype and not copy:
            return self
        out = BlockRows(self.blocks, self.shape[1], dtype)
        self.blocks.run(Elementwise("positive"), {"in/0": self, "out": out}, {})
        return out

    def any(self) -> bool:
        """Whether any entry is not 0."""
        return bool(self._total(counts=True).any())

    def sum(self, axis: int, dtype: Any = np.float64) -> Array:
        """Sums of the columns, axis being 0."""
        assert axis == 0
        return self._total().astype(dtype)

    def by_blocks(self, kernel: str, *args: Any) -> Any:
        """Result of a kernel whose first argument this array, or a part of it, is."""
        run = self.blocks.run
        if kernel != "solve_rows":
            given = {f"{i}": A for i, A in enumerate(args) if isinstance(A, BlockRows)}
            return run(Kernel(kernel), given, {})["value"]
        rows, rhs, gram, l1, how, grams = args[:6]
        arrays = {
            name: A for name, A in zip(ROW_ARRAYS, rows, strict=True) if A is not None
        } | {"rhs": rhs}
        shared = {"gram": gram, "l1": l1, "how": how, "grams": grams}
        return SolveReport(**run(Kernel(kernel), arrays, shared))

    def written(self, folder: str, names: Sequence[str]) -> None:
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
        """The rows as a Dask array, in the blocks that X came in."""
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

    def _total(self, counts: bool = False) -> Array:
        found = self.blocks.run(Total(counts=counts), {"in": self}, {})
        return np.asarray(found["value"])

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any
    ) -> Any:
        if method != "__call__" or kwargs:
            return NotImplemented
        target = None if out is None else out[0]
        return self._apply(ufunc.__name__, inputs, target)

    def __array_function__(
        self,
        func: Any,
        types: Any,
        args: Any,
        kwargs: Any,
    ) -> Any:
        if func is np.empty_like:
            return BlockRows(self.blocks, self.shape[1], self.dtype)
        if func is np.where and len(args) == 3:
            return self._apply("where", args, None)
        if func is np.copyto and set(kwargs) == {"where"}:
            return self._apply("where", (kwargs["where"], args[1], args[0]), args[0])
        if func is np.count_nonzero:
            counts = args[0]._total(counts=True)
            return counts if kwargs.get("axis") == 0 else int(counts.sum())
        own = FUNCTIONS.get(func)
        return NotImplemented if own is None else own(*args, **kwargs)

    def _apply(self, name: str, inputs: Any, out: BlockRows | None) -> BlockRows:
        if out is None:
            tiny = [
                np.ones((1, A.shape[1]), A.dtype) if isinstance(A, BlockRows) else A
                for A in inputs
            ]
            form = getattr(np, name)(*tiny)
            out = BlockRows(self.blocks, form.shape[1], form.dtype)
        rows: dict[str, Any] = {"out": out}
        shared: dict[str, Any] = {}
        for i, A in enumerate(inputs):
            (rows if isinstance(A, BlockRows) else shared)[f"in/{i}"] = A
        self.blocks.run(Elementwise(name), rows, shared)
        return out
