"""Replicas of arrays on workers: each on two workers, detached from its task graph.

A lost array then comes from its replica, and nothing is computed again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import uuid4

from ...base import deadline
from ...base.arrays import Array

WATCH = 5.0
"""Seconds of waiting for a task after which its workers are checked."""
PAUSE = 0.05
"""Seconds between two questions where results are that are made again."""
TRIALS, ROUNDS = 3, 10
"""TRIALS: most attempts to make replicas when workers are lost meanwhile. ROUNDS: most
attempts when an idle worker has taken a task, so that both replicas are on one worker."""

UNKNOWN = (
    "Blocks that were on a lost worker can't be made again. Make X from files or a function, "
    "not by sending it to the workers, or go on from a checkpoint (resume=True)."
)
LOST = (
    "Rows of the fit are lost, with all workers that held them. Begin again, or go on from "
    "a checkpoint (resume=True)."
)


class WorkerBlock(NamedTuple):
    """Rows of a block on a worker: the whole result of a task, or an item of it."""

    task: Any
    item: int | None
    """Number of the item; None where the rows are the whole result."""


def picked(results: Sequence[Any], number: int, item: int | None) -> Array:
    """Return item `item` of result `number`; None stands for the whole result."""
    array: Array = results[number] if item is None else results[number][item]
    return array


def future_of(task: Any) -> Any:
    """Return the future of a persisted task."""
    from distributed import futures_of

    return next(future for future in futures_of(task) if future.key == task.key)


def active_client() -> Any:
    """Return the client of the `distributed` cluster that tasks go to now, or None."""
    import dask.base

    get = dask.base.get_scheduler()
    owner = getattr(get, "__self__", None)
    return owner if hasattr(owner, "scheduler_info") else None


def require_some(client: Any, before: set[str]) -> set[str]:
    """Return the present workers, if one of those in `before` is among them.

    Any workers will do where `before` is empty.

    Raises
    ------
    RuntimeError
        If all workers in `before` are gone: so are the arrays that they held, and a task
        that must run on one of them would wait for ever.
    """
    workers = set(client.ncores())
    if before and not before & workers:
        raise RuntimeError(LOST)
    return workers


def awaited(
    client: Any, futures: list[Any], workers: set[str], every: bool = False
) -> list[Any]:
    """Wait until futures have ended, and return them.

    Raises
    ------
    OutOfTime
        If the time limit of the call passes meanwhile; the futures are then cancelled.
    RuntimeError
        If none of `workers` is left meanwhile (with `every`, if one is gone), or if an input
        of a future is lost and can't be made again.
    """
    from distributed import CancelledError, wait

    while True:
        seconds = deadline.seconds_left()
        try:
            wait(futures, timeout=WATCH if seconds is None else min(WATCH, seconds))
        except TimeoutError:
            if seconds is not None and seconds <= WATCH:
                client.cancel(futures)
                raise deadline.OutOfTime from None
            left = require_some(client, workers)
            if every and workers - left:
                raise RuntimeError(LOST) from None
        except CancelledError as error:
            raise RuntimeError(UNKNOWN) from error
        else:
            return futures


def twinned(client: Any, blocks: Sequence[Sequence[WorkerBlock]]) -> list[Any]:
    """Replicate the arrays of each block on two workers, detached from their task graph.

    Parameters
    ----------
    client : distributed.Client
    blocks : sequence of sequences of WorkerBlock
        Arrays of each block, held by the workers.

    Returns
    -------
    list of Delayed
        For each block a tuple of its arrays, on the worker of the block and on another one,
        if there is one. Each replica names the other one as its source, so that the scheduler
        restores a lost one from the other, and forgets the tasks that made the arrays.

    Raises
    ------
    RuntimeError
        If workers were lost in each of several attempts.
    """
    for _ in range(TRIALS - 1):
        with suppress(Exception):
            return _twinned(client, blocks)
    return _twinned(client, blocks)


def _twinned(client: Any, blocks: Sequence[Sequence[WorkerBlock]]) -> list[Any]:
    from dask.delayed import Delayed

    workers = sorted(client.ncores())
    tasks = {part.task.key: part.task for parts in blocks for part in parts}
    sources = [future_of(task) for task in tasks.values()]
    homes = _places(client, sources, set(workers))
    pairs: list[list[Any]] = [[] for _ in blocks]
    apart = [False] * len(blocks)
    for _ in range(ROUNDS):
        for i, parts in enumerate(blocks):
            if not apart[i]:
                home = next(iter(homes.get(parts[0].task.key, ())), workers[0])
                others = [worker for worker in workers if worker != home]
                places = [home, *others[i % max(1, len(others)) :][:1]]
                pairs[i] = _pair(client, [(p.task.key, p.item) for p in parts], places)
        made = [future for pair in pairs for future in pair]
        for future in awaited(client, made, set(workers), every=True):
            if future.status != "finished":
                future.result()  # which raises
        # the worker of the first replica is only preferred: an idle one may take its task
        where = client.who_has(made)
        apart = [are_apart(pair, where) for pair in pairs]
        if all(apart) or len(workers) == 1:
            break
    # no task depends on the second replica; the scheduler keeps it while the graph refers to it
    return [
        Delayed(pair[0].key, {future.key: future for future in pair}) for pair in pairs
    ]


def are_apart(pair: Sequence[Any], where: Any) -> bool:
    """Whether no worker has both replicas, which would be lost together with it."""
    first, *twin = [set(where.get(future.key, ())) for future in pair]
    return bool(twin) and not first & twin[0]


def near(client: Any, kept: Sequence[Any]) -> bool:
    """Whether both replicas of a block are on one worker, as when a task was moved."""
    from distributed import futures_of

    pairs = [futures_of(task) for task in kept]
    where = client.who_has([future for pair in pairs for future in pair])
    return not all(are_apart(pair, where) for pair in pairs)


def _places(client: Any, futures: list[Any], workers: set[str]) -> Any:
    """Wait until all results are on workers; return on which ones each is.

    A client may count a result as finished that the scheduler makes again after a loss.
    """
    while True:
        for future in awaited(client, futures, workers):
            if future.status == "error":
                future.result()  # which raises
        places = client.who_has(futures)
        if all(places.get(future.key) for future in futures):
            return places
        require_some(client, workers)
        time.sleep(PAUSE)


def _pair(client: Any, sources: list[Any], places: list[str]) -> list[Any]:
    """Submit a task to each place: it copies the sources, or later the other task's result.

    The fit goes on with the result of the first task, which may run elsewhere when its worker
    is lost. The second task would wait for its worker; its result is made anew together with
    all other replicas.
    """
    token = uuid4().hex
    names = [f"nonneg_kept-{token}", f"nonneg_twin-{token}"]
    return [
        client.submit(
            held, sources, names[1 - i] if len(places) > 1 else None,
            key=names[i], workers=[place], allow_other_workers=i == 0, pure=False,
        )
        for i, place in enumerate(places)
    ]  # fmt: skip


def held(sources: list[tuple[str, int | None]], twin: str | None) -> tuple[Array, ...]:
    """Return the arrays of a block from the results that hold them, or from the replica.

    Raises
    ------
    RuntimeError
        If both are gone.
    """
    from distributed import Future, get_client

    client = get_client()

    def gathered(keys: list[str]) -> Any:
        # from keys, since a future among the arguments would be a dependency in the graph
        futures = [Future(key, client, state="memory") for key in keys]
        places = client.who_has(futures)
        there = all(places.get(key) for key in keys)
        return client.gather(futures) if there else None

    keys = list(dict.fromkeys(key for key, _ in sources))
    results = gathered(keys)
    if results is not None:
        return tuple(picked(results, keys.index(key), item) for key, item in sources)
    results = None if twin is None else gathered([twin])
    if results is None:
        raise RuntimeError(LOST)
    copies: tuple[Array, ...] = results[0]
    return copies
