"""The operand of a Dask array: passes run where the blocks of X are, and W stays there."""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar
from uuid import uuid4

import numpy as np
import scipy.sparse as sp

from ... import kernels
from ...base.arrays import Array
from ...base.gate import aligned
from ...base.interfaces import Operand, Stats
from ...base.steps import RowsT, SharedT, Step, SumsT
from ...kernels.row_methods import Summary
from ...stores.base import to_factor_dtype
from ...stores.sliced import to_csr_block
from ..base import BlockedOperand, TransposedOperand
from ..registration import register_operand
from ..streamed.first_pass import require_numbers
from .row_blocks import Blocks, computed, persisted, tree
from .worker_files import read_rows
from .worker_rows import WorkerRows


def is_dask(X: Any) -> bool:
    """Whether X is a Dask array; Dask is not imported for the question."""
    module = sys.modules.get("dask.array")
    return module is not None and isinstance(X, module.Array)


class DaskOperand(BlockedOperand):
    """A Dask array of NumPy or SciPy sparse blocks; a pass has a task for each block.

    Parameters
    ----------
    X : dask.array.Array of shape (n_samples, n_features)
        Chunks of columns are put together first, which moves data between workers.
    n_threads : int
        Ignored: a task uses one thread, and the scheduler runs several tasks.

    Raises
    ------
    ValueError
        If the sizes of the chunks are not known.
    """

    kind: ClassVar[str] = "dask"
    in_parts = True
    on_workers = True
    column_access = False

    def __init__(self, X: Any, n_threads: int = 1) -> None:  # noqa: ARG002
        if X.ndim != 2:
            msg = (
                f"Expected 2D array, got a Dask array of {X.ndim} dimensions; pass a "
                "matrix."
            )
            raise ValueError(msg)
        if any(np.isnan(size) for sizes in X.chunks for size in sizes):
            msg = (
                "X is a Dask array whose chunk sizes are not known. Call "
                "X.compute_chunk_sizes() first."
            )
            raise ValueError(msg)
        if 0 in X.shape:
            msg = f"X has shape {X.shape}; a minimum of 1 row and 1 column is required."
            raise ValueError(msg)
        if X.dtype.kind not in "fiub":
            msg = f"X must be numeric; got a Dask array of dtype {X.dtype}."
            raise ValueError(msg)
        if X.numblocks[1] > 1:
            X = X.rechunk({1: -1})
        self.shape = (int(X.shape[0]), int(X.shape[1]))
        self.dtype = to_factor_dtype(X.dtype)
        sizes = np.array(X.chunks[0], dtype=np.int64)
        whole = np.concatenate([[0], np.cumsum(sizes)])
        self._blocks = Blocks(np.concatenate([[0], np.cumsum(sizes[sizes > 0])]))
        parts = X.to_delayed().ravel()
        self._parts = self._prepared(
            [(part, int(whole[b])) for b, part in enumerate(parts) if sizes[b] > 0]
        )

    @property
    def T(self) -> Operand:
        """The transpose, for products alone."""
        return TransposedOperand(self)

    @property
    def sparse(self) -> bool:
        """Whether the blocks are sparse."""
        return bool(self._first_pass["sparse"])

    def run_pass(
        self, step: Step[RowsT, SharedT, SumsT], rows: RowsT, shared: SharedT
    ) -> SumsT:
        """Run `step` on each block, on the worker that has it."""
        sums: SumsT = self._blocks.run(step, rows, shared, self._parts, self.shape[1])
        return sums

    def new_rows(self, k: int) -> WorkerRows:
        """Return n_samples rows to be written."""
        return WorkerRows(self._blocks, k, self.dtype)

    def to_rows_of_X(self, W: Any) -> WorkerRows:
        """Send rows from here to where the blocks of X are, unless they are there."""
        if isinstance(W, WorkerRows):
            return W
        parts = self._blocks.sent(np.split(W, self._blocks.bounds[1:-1]))
        return WorkerRows(self._blocks, W.shape[1], W.dtype, parts)

    @property
    def layout(self) -> str:
        """Cut of the rows, which the last digits of results depend on."""
        sizes = self._blocks.sizes
        return f"{len(sizes)} Dask blocks of {min(sizes)} to {max(sizes)} rows"

    def rows_from(self, paths: Sequence[str], k: int, dtype: Any) -> WorkerRows:
        """Let workers read rows that workers have written."""
        import dask

        read = dask.delayed(read_rows, pure=False)
        parts = list(persisted([read(path) for path in paths]))
        rows = WorkerRows(self._blocks, k, dtype, parts)
        self._blocks.keep()  # the files will be replaced
        return rows

    def stats(self) -> Stats:
        """Sum, sum of squares and number of entries, from the first pass.

        Raises
        ------
        ValueError
            If an entry is negative or not finite; its row is named.
        """
        summary: Summary = self._first_pass["summary"]
        n_entries = self.shape[0] * self.shape[1]
        smallest = summary.smallest
        if self._first_pass["entries"] < n_entries:
            smallest = min(0.0, smallest)
        return Stats(summary.sum, summary.sum_sq, n_entries, smallest)

    @property
    def density(self) -> float:
        """Share of the entries that are stored."""
        return float(self._first_pass["entries"]) / (self.shape[0] * self.shape[1])

    @cached_property
    def _first_pass(self) -> dict[str, Any]:
        """Summary, number of stored entries and sparsity of all blocks, from one pass."""
        import dask

        summarize = dask.delayed(_summarized, pure=False)
        summaries = [summarize(part) for part in self._parts]
        result: dict[str, Any] = computed(tree(summaries, _join)[0])
        return result

    def _prepared(self, parts: list[tuple[Any, int]]) -> list[Any]:
        """Return the blocks as the kernels take them, held by the workers."""
        import dask
        import dask.base

        token = uuid4().hex
        prepare = dask.delayed(prepared, pure=False)
        tasks = [
            prepare(part, self.dtype, first, dask_key_name=f"nonneg_X-{token}-{first}")
            for part, first in parts
        ]
        get = dask.base.get_scheduler()
        if getattr(get, "__module__", "") == "dask.multiprocessing":
            return tasks  # results would come here; the graph is run again in each pass
        return list(persisted(tasks))


def transform_blocks(model: Any, X: Any, H: Array) -> Any:
    """Return W of all rows; `model.transform` computes each block of it on demand.

    Parameters
    ----------
    model : NMF
        A fitted model, which is copied.
    X : dask.array.Array of shape (n_samples, n_features)
    H : ndarray of shape (k, n_features)

    Returns
    -------
    dask.array.Array of shape (n_samples, k)
    """
    if X.ndim != 2 or X.shape[1] != H.shape[1]:
        msg = f"X has shape {X.shape}, but NMF is expecting {H.shape[1]} features as input."
        raise ValueError(msg)
    if X.numblocks[1] > 1:
        X = X.rechunk({1: -1})
    block_model = copy.copy(model)
    block_model.callback = block_model.checkpoint = None
    block_model.resume, block_model.n_threads = False, 1
    dtype = to_factor_dtype(X.dtype)
    return X.map_blocks(
        transformed, block_model, H.shape[0], dtype=dtype,
        chunks=(X.chunks[0], (H.shape[0],)), meta=np.empty((0, 0), dtype),
        name=f"nonneg_transform-{uuid4().hex}",
    )  # fmt: skip


def transformed(X_b: Any, model: Any, k: int) -> Array:
    """Return W for a block of X."""
    if X_b.shape[0] == 0:
        return np.empty((0, k), X_b.dtype)
    W: Array = model.transform(X_b)
    return W


def prepared(X_b: Any, dtype: Any, first: int) -> Any:
    """Return a block as a C-contiguous array or canonical CSR, its entries checked.

    Raises
    ------
    ValueError
        If an entry is negative or not finite; its row in X is named.
    """
    if sp.issparse(X_b):
        rows = to_csr_block(X_b, dtype)
        require_numbers(rows.data, first, rows.indptr)
        return rows
    if not isinstance(X_b, np.ndarray):
        msg = (
            f"X has blocks of type {type(X_b).__name__}; they must be NumPy arrays or "
            "SciPy sparse matrices."
        )
        raise TypeError(msg)
    block: Array = aligned(np.ascontiguousarray(X_b, dtype=dtype))
    require_numbers(block, first, None)
    return block


def _summarized(X_b: Any) -> dict[str, Any]:
    sparse, X_b = sp.issparse(X_b), aligned(X_b)
    entries = X_b.data if sparse else X_b
    return {
        "summary": kernels.summary(entries, 1),
        "entries": int(entries.size),
        "sparse": sparse,
    }


def _join(parts: list[dict[str, Any]]) -> dict[str, Any]:
    total: Summary = parts[0]["summary"]
    for part in parts[1:]:
        total = total.joined(part["summary"])
    return {
        "summary": total,
        "entries": sum(part["entries"] for part in parts),
        "sparse": any(part["sparse"] for part in parts),
    }


register_operand(is_dask, transform=transform_blocks)(DaskOperand)
