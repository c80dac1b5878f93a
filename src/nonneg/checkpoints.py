"""Checkpoints of a fit: written whole or not at all, the last two kept, read with care."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import time
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .protocols import Operand
from .result import History
from .snapshots import from_table, to_table
from .validation import warn

FORMAT = 1
"""Number of the form of the file; another one is refused."""
PREVIOUS, PARTIAL = ".previous", ".partial"
"""What is added to the name for the checkpoint before, and for one being written."""
FREE = frozenset(
    ("max_iter", "max_time", "tol", "callback", "verbose", "n_threads", "memory_limit",
     "checkpoint", "checkpoint_every", "resume")
)  # fmt: skip
"""Parameters that may change between the run that wrote a checkpoint and the one that
resumes it: they don't change what an iteration does."""
DAMAGE = (
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    OSError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a damaged file may end in."""


@dataclass(eq=False)
class Past:
    """Where a fit stands: its state, and the record of the way there."""

    state: Any
    history: History = field(default_factory=History)
    seconds: float = 0.0
    converged_at: float | None = None
    """`tol` of a fit that had converged."""


@dataclass(eq=False)
class Checkpoints:
    """Writes and reads the checkpoints of one fit.

    Parameters
    ----------
    path : str or path-like
    every : float or int
        Seconds from one to the next; an int counts iterations.
    fingerprint : dict
        What X and the parameters are known by, see `fingerprint`.
    """

    path: Path
    every: float
    fingerprint: dict[str, Any]
    _written: float = field(default_factory=time.monotonic)
    _last_iter: int = 0
    _failed: bool = False

    def look(self, past: Past) -> None:
        """Write a checkpoint if it is time for one."""
        if isinstance(self.every, int):
            due = past.state.n_iter - self._last_iter >= self.every
        else:
            due = time.monotonic() - self._written >= self.every
        if due:
            self.write(past)

    def conclude(self, past: Past) -> None:
        """Write the last one, unless nothing has changed since the last look."""
        if self._last_iter != past.state.n_iter or past.converged_at is not None:
            self.write(past)

    def write(self, past: Past) -> None:
        """Write a checkpoint; where that fails, warn once and leave the fit alone."""
        self._last_iter = past.state.n_iter
        partial = self.path.with_name(self.path.name + PARTIAL)
        try:
            with partial.open("wb") as file:
                np.savez(file, **self._contents(past))
                file.flush()
                os.fsync(file.fileno())
            self._put_in_place(partial)
        except (OSError, MemoryError) as error:
            with contextlib.suppress(OSError):
                partial.unlink()
            if not self._failed:
                warn(
                    f"No checkpoint could be written to {str(self.path)!r}: {error}. The "
                    "fit goes on, and it will be tried again.",
                    RuntimeWarning,
                )
            self._failed = True
        # a write that takes long is not followed by another at once
        self._written = time.monotonic()

    def read(self) -> Past | None:
        """The newest checkpoint that is whole, or None where there is none.

        Raises
        ------
        ValueError
            If it is one of other data or parameters.
        """
        for path in (self.path, self.path.with_name(self.path.name + PREVIOUS)):
            if not path.exists():
                continue
            try:
                with (
                    path.open("rb") as file,
                    np.load(file, allow_pickle=False) as archive,
                ):
                    table = {name: archive[name] for name in archive.files}
                header = json.loads(str(table.pop("header")))
                _require_format(header)
            except DAMAGE as error:
                _tell_damage(path, error)
                continue
            self._require_same(path, header["fingerprint"])
            try:
                return _past(header, table)
            except DAMAGE as error:
                _tell_damage(path, error)
        return None

    def _contents(self, past: Past) -> dict[str, Any]:
        header = {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "seconds": past.seconds,
            "converged_at": past.converged_at,
        }
        columns = {name: np.array(c) for name, c in vars(past.history).items()}
        return {
            "header": np.array(json.dumps(header)),
            **{f"history/{name}": column for name, column in columns.items()},
            **{f"state{key}": array for key, array in to_table(past.state).items()},
        }

    def _put_in_place(self, partial: Path) -> None:
        """The one before stays under another name; at no moment is there none."""
        if self.path.exists():
            before = self.path.with_name(self.path.name + PREVIOUS)
            spare = self.path.with_name(self.path.name + PREVIOUS + PARTIAL)
            with contextlib.suppress(FileNotFoundError):
                spare.unlink()
            try:
                os.link(self.path, spare)
                os.replace(spare, before)
            except OSError:  # a file system without links
                os.replace(self.path, before)
        os.replace(partial, self.path)
        with contextlib.suppress(OSError):  # not every system syncs folders
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _require_same(self, path: Path, theirs: dict[str, Any]) -> None:
        own = json.loads(json.dumps(self.fingerprint))
        for name in {**own, **theirs}:
            if own.get(name) != theirs.get(name):
                msg = (
                    f"The checkpoint {str(path)!r} is of another fit: its {name} is "
                    f"{theirs.get(name)!r}, here it is {own.get(name)!r}. Pass the same "
                    "data and parameters, resume=False to start afresh, or another path."
                )
                raise ValueError(msg)


def fingerprint(
    X: Operand, parameters: Any, W: Any = None, H: Any = None
) -> dict[str, Any]:
    """What a fit is known by: X by its shape, dtype and sums, and the parameters."""
    stats = X.stats()
    found: dict[str, Any] = {
        "shape of X": list(X.shape),
        "dtype of X": str(X.dtype),
        "kind of X": "sparse" if X.sparse else "dense",
        "number of stored entries of X": _stored_entries(X),
        "sum of X": stats.sum,
        "sum of squares of X": stats.sum_sq,
    }
    for name, value in vars(parameters).items():
        if name not in FREE:
            found[f"parameter {name}"] = _described(value)
    for name, factor in (("W", W), ("H", H)):
        found[f"start {name}"] = None if factor is None else _digest(np.asarray(factor))
    return found


def _stored_entries(X: Operand) -> int:
    native = X.native()
    if native is not None:
        return int(native.nnz if X.sparse else native.size)
    return int(getattr(X, "entries", X.stats().n_entries))


def _described(value: Any) -> Any:
    if isinstance(value, np.random.RandomState):
        _, keys, *rest = value.get_state(legacy=True)
        return f"RandomState {_digest(np.asarray(keys))} {rest}"
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return repr(value)


def _digest(A: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(A).data).hexdigest()[:16]


def _require_format(header: dict[str, Any]) -> None:
    if header["format"] != FORMAT:
        msg = f"it is of format {header['format']}, and this version reads {FORMAT}"
        raise ValueError(msg)


def _past(header: dict[str, Any], table: dict[str, Any]) -> Past:
    history = History()
    for column in dataclasses.fields(History):
        stored = table[f"history/{column.name}"]
        values = list(stored) if stored.ndim > 1 else stored.tolist()
        getattr(history, column.name).extend(values)
    state = from_table(
        {
            key.removeprefix("state"): array
            for key, array in table.items()
            if key.startswith("state")
        }
    )
    return Past(state, history, header["seconds"], header["converged_at"])


def _tell_damage(path: Path, error: BaseException) -> None:
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    warn(
        f"The checkpoint {str(path)!r} is damaged and not used: {reason}.",
        RuntimeWarning,
    )
