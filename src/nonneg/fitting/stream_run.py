"""Fits to streams: blocks of rows that come once and are not kept."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..base.arrays import Array
from ..base.live_bar import PROGRESS, LiveBar
from ..base.observed import Observation
from ..base.records import Iteration, StopReason
from ..base.validation import as_numbers

ARRAY_LIKE = ("shape", "dtype", "__array__", "__getitem__", "__len__")
"""Attributes of data that can be read more than once; a stream has none of them."""
NOT_KNOWN = ("history_", "reconstruction_err_")
"""Fitted attributes that a stream can't give: they need all rows, or memory that grows."""


def is_stream(X: Any) -> bool:
    """Whether X is an iterator, or an iterable that is no array, frame or sequence."""
    if hasattr(X, "__next__"):
        return True
    return hasattr(X, "__iter__") and not any(hasattr(X, name) for name in ARRAY_LIKE)


def refuse_W(owner: str) -> None:
    """Raise ValueError, since a fit to a stream neither takes W nor keeps it."""
    msg = (
        f"{owner} keeps no W of a stream, whose rows come once. Use `fit`, then "
        "`transform` on each block when it comes again; or pass a function that "
        "returns the iterator anew each time."
    )
    raise ValueError(msg)


def refuse_weights(observation: Observation, owner: str) -> None:
    """Raise ValueError for weights of an iterator's rows, which belong to no batch yet."""
    if observation.sample_weight is None and observation.weights is None:
        return
    msg = (
        f"{owner} takes no sample_weight and no weights for an iterator. Pass its blocks to "
        "`partial_fit`, or X as a whole."
    )
    raise ValueError(msg)


def fit_stream(model: Any, blocks: Iterable[Any], H: Any = None) -> None:
    """Fit a mini-batch estimator to blocks of rows by `partial_fit`, in one run.

    Parameters
    ----------
    model : MiniBatchNMF
        Estimator that is fitted anew. It gets the fitted attributes also when the stream
        fails or is interrupted after its first batch. Its `max_time` and `callback` can end
        the fit.
    blocks : iterable of {array-like, sparse matrix} of shape (n_rows, n_features)
        Blocks of any numbers of rows, which are cut and joined to batches of `batch_size`.
    H : array-like of shape (n_components, n_features), default=None
        Start for init="custom".

    Raises
    ------
    ValueError
        If the stream has no rows, or has invalid rows; the message names them.
    """
    worker = type(model)(**model.get_params(deep=False))
    start, wants_stop = time.perf_counter(), False

    def called_back(step: Iteration) -> bool:
        nonlocal wants_stop
        seconds = time.perf_counter() - start
        wants_stop = bool(model.callback(dataclasses.replace(step, seconds=seconds)))
        return wants_stop

    worker.callback = called_back if model.callback is not None else None
    worker._parameters()  # refuses invalid parameters before the first block is taken
    bar = LiveBar() if model.verbose == PROGRESS else None
    reason, n_rows = StopReason.MAX_ITER, 0
    try:
        with bar or nullcontext():
            for batch in batches_of(blocks, model.batch_size):
                _learn(worker, batch, n_rows, H)
                n_rows += batch.shape[0]
                seconds = time.perf_counter() - start
                if bar is not None:
                    part = min(1.0, seconds / model.max_time) if model.max_time else 0.0
                    bar.show(part, f"step {worker.n_steps_}, {n_rows:,} rows")
                if wants_stop:
                    reason = StopReason.CALLBACK
                    break
                if model.max_time and seconds >= model.max_time:
                    reason = StopReason.MAX_TIME
                    break
    except KeyboardInterrupt:
        reason = StopReason.INTERRUPTED
        raise
    finally:
        if n_rows:
            _adopt(model, worker, reason)
    if not n_rows:
        msg = (
            "The stream has no rows: it yielded no block. Pass it anew if it was read."
        )
        raise ValueError(msg)


def _learn(worker: Any, batch: Any, n_before: int, H: Any) -> None:
    """Take one step; an error about the rows names their numbers."""
    n_rows, start = batch.shape[0], {}
    if n_before == 0 and H is not None:
        # the step solves for its rows anew, so that any W will do
        is_single = batch.dtype == np.float32
        W = np.ones((n_rows, np.shape(H)[0]), dtype=np.float32 if is_single else None)
        start = {"W": W, "H": H}
    try:
        worker.partial_fit(batch, **start)
    except (ValueError, TypeError) as error:
        msg = f"Rows {n_before} to {n_before + n_rows - 1} of the stream: {error}"
        raise type(error)(msg) from error


def _adopt(model: Any, worker: Any, reason: StopReason) -> None:
    for name in NOT_KNOWN:
        vars(model).pop(name, None)
    parameters = model.get_params(deep=False)
    fitted = {
        name: value for name, value in vars(worker).items() if name not in parameters
    }
    vars(model).update(fitted, n_iter_=1, stop_reason_=str(reason))


def batches_of(blocks: Iterable[Any], size: int) -> Iterator[Array]:
    """Cut and join blocks of rows to batches of `size` rows; the last has fewer.

    Parameters
    ----------
    blocks : iterable of {array-like, sparse matrix} of shape (n_rows, n_features)
        All dense or all sparse.
    size : int

    Yields
    ------
    batch : ndarray or CSR

    Notes
    -----
    The iterator holds one block and less than one batch. A batch within one block is a view
    of the block.
    """
    parts: list[Any] = []
    waiting, n_before = 0, 0
    for unchecked in blocks:
        block = _checked(unchecked, n_before)
        if parts and (
            sp.issparse(block) != sp.issparse(parts[0])
            or block.shape[1] != parts[0].shape[1]
        ):
            _refuse(block, parts[0], n_before)
        n_before += block.shape[0]
        start = 0
        while waiting + block.shape[0] - start >= size:
            stop = start + size - waiting
            yield _joined([*parts, block[start:stop]])
            parts, waiting, start = [], 0, stop
        if start < block.shape[0]:
            parts.append(block[start:])
            waiting += block.shape[0] - start
    if parts:
        yield _joined(parts)


def _checked(block: Any, start: int) -> Any:
    try:
        block = as_numbers(block, "the block", "MiniBatchNMF")
    except ValueError as error:
        msg = f"The block at row {start} of the stream: {error}"
        raise ValueError(msg) from error
    return block.tocsr() if sp.issparse(block) else np.asarray(block)


def _refuse(block: Any, before: Any, start: int) -> None:
    kinds = ["sparse" if sp.issparse(A) else "dense" for A in (block, before)]
    msg = (
        f"Rows {start} to {start + block.shape[0] - 1} of the stream are {kinds[0]} with "
        f"{block.shape[1]} columns, those before them {kinds[1]} with "
        f"{before.shape[1]}. Yield blocks of one kind and width."
    )
    raise ValueError(msg)


def _joined(parts: list[Any]) -> Any:
    if len(parts) == 1:
        return parts[0]
    if sp.issparse(parts[0]):
        return sp.vstack(parts, format="csr")
    return np.concatenate(parts)
