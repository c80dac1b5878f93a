"""Arrays on workers without a history, each on two of them: a lost one comes from its twin."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import uuid4

from ...base.interfaces import Array

WATCH = 5.0
"""Seconds after which a task that is waited for may have lost all its workers."""
PAUSE = 0.05
"""Seconds from one question after results that are made again to the next."""
TRIALS, ROUNDS = 3, 10
"""Times that copies are made anew when workers are lost meanwhile, and those where an idle
worker has taken a task to the place of its twin."""

UNKNOWN = (
    "Blocks that were on a lost worker can't be made again. Make X from files or a function, "
    "not by sending it to the workers, or go on from a checkpoint (resume=True)."
)
LOST = (
    "Rows of the fit are lost, with all workers that held them. Begin again, or go on from "
    "a checkpoint (resume=True)."
)


class WorkerBlock(NamedTuple):
    """Rows of one block: the result of a task, or one of its results."""

    task: Any
    at: int | None


def picked(found: Sequence[Any], number: int, at: int | None) -> Array:
    """The array that the result of this number is, or has at this place."""
    array: Array = found[number] if at is None else found[number][at]
    return array


def future_of(task: Any) -> Any:
    """The future that a persisted task is."""
    from distributed import futures_of

    return next(future for future in futures_of(task) if future.key == task.key)


def active_client() -> Any:
    """The client of a `distributed` cluster that tasks go to now, or None."""
    import dask.base

    get = dask.base.get_scheduler()
    owner = getattr(get, "__self__", None)
    return owner if hasattr(owner, "scheduler_info") else None


def require_some(client: Any, before: set[str]) -> set[str]:
    """The workers that there are, if one of those before is left or there were none.

    Raises
    ------
    RuntimeError
        If all are gone: what they held is, and a task that prefers one waits for ever.
    """
    workers = set(client.ncores())
    if before and not before & workers:
        raise RuntimeError(LOST)
    return workers


def awaited(
    client: Any, futures: list[Any], workers: set[str], every: bool = False
) -> list[Any]:
    """The futures when they have ended, while one of these workers, or every one, is left.

    Raises
    ------
    RuntimeError
        If not, or if what a future needs is lost and nobody knows how to make it again.
    """
    from distributed import CancelledError, wait

    while True:
        try:
            wait(futures, timeout=WATCH)
        except TimeoutError:
            left = require_some(client, workers)
            if every and workers - left:
                raise RuntimeError(LOST) from None
        except CancelledError as error:
            raise RuntimeError(UNKNOWN) from error
        else:
            return futures


def twinned(client: Any, blocks: Sequence[Sequence[WorkerBlock]]) -> list[Any]:
    """The arrays of each block as one result that stands for itself, where the block is.

    Parameters
    ----------
    client : distributed.Client
    blocks : sequence of sequences of WorkerBlock
        Held by the workers.

    Returns
    -------
    list of Delayed
        For each block a tuple of its arrays. It is there twice, on two workers if there are
        two. A twin is made by asking for the other one by its name, so that the scheduler
        brings back what a lost worker held, and forgets how all of it came about.

    Raises
    ------
    RuntimeError
        If workers were lost again and again meanwhile.
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
                pairs[i] = _pair(client, [(p.task.key, p.at) for p in parts], places)
        made = [future for pair in pairs for future in pair]
        for future in awaited(client, made, set(workers), every=True):
            if future.status != "finished":
                future.result()  # which raises
        # the place of the first one is a wish: an idle worker may have taken its task
        where = client.who_has(made)
        apart = [are_apart(pair, where) for pair in pairs]
        if all(apart) or len(workers) == 1:
            break
    # the second one is no part of the work; the graph keeps hold of it
    return [
        Delayed(pair[0].key, {future.key: future for future in pair}) for pair in pairs
    ]


def are_apart(pair: Sequence[Any], where: Any) -> bool:
    """Whether no worker has both futures; one that had would have both when others go."""
    first, *twin = [set(where.get(future.key, ())) for future in pair]
    return bool(twin) and not first & twin[0]


def near(client: Any, kept: Sequence[Any]) -> bool:
    """Whether twins have come to one worker, as when a task and its data are moved."""
    from distributed import futures_of

    pairs = [futures_of(task) for task in kept]
    where = client.who_has([future for pair in pairs for future in pair])
    return not all(are_apart(pair, where) for pair in pairs)


def _places(client: Any, futures: list[Any], workers: set[str]) -> Any:
    """Where the results of these tasks are, when all of them are somewhere.

    A client may take one for finished that the scheduler makes again after a loss.
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
    """Tasks of these places that make copies of the sources, then each of the other's.

    The first one, which the fit goes on with, may be done elsewhere when its worker is lost;
    the second one would wait for its worker, and is made anew with all others.
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
    """Arrays of one block from the results that they are in, or else from their twin.

    Raises
    ------
    RuntimeError
        If there is neither any more.
    """
    from distributed import Future, get_client

    client = get_client()

    def found(keys: list[str]) -> Any:
        # by name: a future among the arguments would be a dependency, and a history
        futures = [Future(key, client, state="memory") for key in keys]
        places = client.who_has(futures)
        there = all(places.get(key) for key in keys)
        return client.gather(futures) if there else None

    keys = list(dict.fromkeys(key for key, _ in sources))
    results = found(keys)
    if results is not None:
        return tuple(picked(results, keys.index(key), at) for key, at in sources)
    results = None if twin is None else found([twin])
    if results is None:
        raise RuntimeError(LOST)
    copies: tuple[Array, ...] = results[0]
    return copies
