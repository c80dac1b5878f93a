"""Checkpoints of a fit: written whole or not at all, the last two kept, read with care."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...base.interfaces import Operand
from ...base.plain_archives import require_plain
from ...base.records import History
from ...base.validation import warn
from ...operands.dask.worker_files import RowFiles
from ...operands.streamed.disk_rows import DiskRows, giving_back
from ...stores.read_errors import describe_reason
from .state_checks import find_fault
from .state_tree import Load, from_table, names_elsewhere, to_table

FORMAT = 2
"""Number of the format of the file; files of another format are refused."""
PREVIOUS, PARTIAL, ROWS = ".previous", ".partial", ".rows"
"""Suffixes of the file's name: of the previous checkpoint, of a file that is being written, and
of the folder of rows that workers write."""
HEADER = "nonneg-checkpoint"
"""Name of the first member of the file, by which a checkpoint is recognised."""
READ_BYTES = 4 << 20
"""Bytes that are read at a time, of an array that the fit keeps on disk."""
ENDS = 128, 1 << 16
"""Bytes at the front and at the back of a file in which HEADER is looked for."""


class DamagedError(Exception):
    """Raised for a file that can't be read, or not to its end."""


@dataclass(eq=False)
class Past:
    """The state of a fit, with its history and its seconds so far."""

    state: Any
    history: History = field(default_factory=History)
    seconds: float = 0.0
    converged_at: float | None = None
    """`tol` with which the fit had converged; None if it had not."""


@dataclass(eq=False)
class Checkpoints:
    """Writes and reads the checkpoints of one fit.

    Parameters
    ----------
    path : str or path-like
    every : float or int
        Seconds from one checkpoint to the next; an int counts iterations.
    fingerprint : dict
        Fingerprint of X and the parameters, see `fingerprint`.
    """

    path: Path
    every: float
    fingerprint: dict[str, Any]
    _written: float = field(default_factory=time.monotonic)
    _last_iter: int = 0
    _failed: bool = False
    _missing: bool = False
    """Whether the last checkpoint could not be written."""
    _keeps: bool = True
    """Whether the file at `path` is worth keeping as the previous checkpoint."""
    _seen: float = field(default_factory=time.monotonic)
    files: RowFiles = field(init=False)
    """Files for rows that are not in this memory."""

    def __post_init__(self) -> None:
        # a link stays one: what it leads to is written, with its neighbours there
        self.path = Path(os.path.realpath(self.path))
        self.files = RowFiles(self.path.with_name(self.path.name + ROWS))

    def write_if_due(self, past: Past) -> None:
        """Write a checkpoint if it is time for one."""
        now = time.monotonic()
        iteration, self._seen = now - self._seen, now
        if isinstance(self.every, int):
            due = past.state.n_iter - self._last_iter >= self.every
        else:
            # after the next iteration, a checkpoint would come too late
            due = now - self._written + iteration >= self.every
        if due:
            self.write(past)

    def write_final(self, past: Past) -> None:
        """Write the last checkpoint, unless this iteration has one already."""
        if self._last_iter != past.state.n_iter or self._missing:
            self.write(past)

    def write(self, past: Past) -> None:
        """Write a checkpoint; if that fails, warn once and let the fit go on."""
        self._last_iter = past.state.n_iter
        partial = self.path.with_name(self.path.name + PARTIAL)
        try:
            contents = self._contents(past)
            plain: dict[str, Any] = {
                key: A.plain if isinstance(A, DiskRows) else A
                for key, A in contents.items()
            }
            with partial.open("wb") as file, giving_back(contents.values()):
                np.savez(file, **plain)
                file.flush()
                os.fsync(file.fileno())
            self._put_in_place(partial)
        except (OSError, MemoryError, TypeError) as error:
            self._missing = True
            _remove(partial)
            self.files.failed()
            if not self._failed:
                warn(
                    f"No checkpoint could be written to {str(self.path)!r}: {error}. The "
                    "fit goes on, and it will be tried again.",
                    RuntimeWarning,
                )
            self._failed = True
        except BaseException:
            _remove(partial)
            _remove(self._spare)
            raise
        else:
            self._missing, self._keeps = False, True
            self.files.done()
        # the interval begins after the write: a slow write does not bring the next at once
        self._written = self._seen = time.monotonic()

    def read(self, X: Operand | None = None) -> Past | None:
        """Return the newest checkpoint that is whole, or None if there is none.

        If the fit keeps arrays of the size of W on disk, the checkpoint's arrays go there.

        Raises
        ------
        ValueError
            If the checkpoint is of other data or parameters, or of another format.
        OSError
            If a checkpoint exists, but may not be opened.
        """
        for path in (self.path, self.path.with_name(self.path.name + PREVIOUS)):
            try:
                header, table = _read(path, X)
                _require_sound_header(header)
                self._require_same(path, header)
                past = _past(header, table, self._loader(X))
                _require_sound(past, X)
            except FileNotFoundError:
                continue
            except DamagedError as error:
                self._keeps = False
                _tell_damage(path, error)
                continue
            self._last_iter = past.state.n_iter
            return past
        return None

    def require_replaceable(self) -> None:
        """Refuse to write over a file that is no checkpoint.

        Raises
        ------
        ValueError
        """
        for path in (self.path, self.path.with_name(self.path.name + PREVIOUS)):
            if path.exists() and not _is_ours(path):
                msg = (
                    f"checkpoint={str(self.path)!r}: {str(path)!r} is there and is no "
                    "checkpoint; it would be overwritten. Pass another path."
                )
                raise ValueError(msg)

    def adopt_existing_files(self) -> None:
        """Find the files of rows that belong to the existing checkpoints."""
        if not self.files.folder.is_dir():
            return
        kept = []
        for path in (self.path.with_name(self.path.name + PREVIOUS), self.path):
            table: dict[str, Any] = {}
            with contextlib.suppress(DamagedError, OSError):
                _, table = _read(path)
            kept.append(names_elsewhere(table))
        self.files.begin(*kept)

    def _loader(self, X: Operand | None) -> Load:
        def load(names: Sequence[str], k: int, dtype: Any) -> Any:
            try:
                return self.files.load(X, names, k, dtype)
            except OSError as error:
                raise DamagedError(str(error)) from error

        return load

    def _contents(self, past: Past) -> dict[str, Any]:
        header = {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "seconds": past.seconds,
            "converged_at": past.converged_at,
        }
        columns = {name: np.array(c) for name, c in vars(past.history).items()}
        state = to_table(past.state, self.files.save)
        return {
            HEADER: np.array(json.dumps(header)),
            **{f"history/{name}": column for name, column in columns.items()},
            **{f"state{key}": array for key, array in state.items()},
        }

    @property
    def _spare(self) -> Path:
        """A second name of the checkpoint, until it is that of the previous one."""
        return self.path.with_name(self.path.name + PREVIOUS + PARTIAL)

    def _put_in_place(self, partial: Path) -> None:
        """Put the new file in place and keep the one before; at any moment a file is there."""
        if self.path.exists() and self._keeps:
            before = self.path.with_name(self.path.name + PREVIOUS)
            spare = self._spare
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

    def _require_same(self, path: Path, header: dict[str, Any]) -> None:
        if header.get("format") != FORMAT:
            msg = (
                f"The checkpoint {str(path)!r} is of format {header.get('format')!r}, and "
                f"this version of nonneg reads {FORMAT}. Go on with the version that "
                "wrote it, pass resume=False to start afresh, or another path."
            )
            raise ValueError(msg)
        theirs = header["fingerprint"]
        ours = json.loads(json.dumps(self.fingerprint))
        for name in {**ours, **theirs}:
            if ours.get(name) != theirs.get(name):
                msg = (
                    f"The checkpoint {str(path)!r} is of another fit: its {name} is "
                    f"{theirs.get(name)!r}, here it is {ours.get(name)!r}. Pass the same "
                    "data and parameters, resume=False to start afresh, or another path."
                )
                raise ValueError(msg)


def _remove(partial: Path) -> None:
    with contextlib.suppress(OSError):
        partial.unlink()


def _is_ours(path: Path) -> bool:
    """Whether a file is a checkpoint, maybe a damaged one, or has no content."""
    if not path.is_file():
        return False
    front, back = ENDS
    with path.open("rb") as file:
        first = file.read(front)
        file.seek(max(0, path.stat().st_size - back))
        last = file.read()
    name = HEADER.encode()
    # a file that is cut off may end before the name
    cut_off = len(first) < front and first.startswith(b"PK")
    return not first.strip(b"\0") or name in first or name in last or cut_off


def _read(
    path: Path, X: Operand | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the header and the arrays of a file, and check its checksums."""
    with path.open("rb") as file:
        try:
            with np.load(file, allow_pickle=False) as archive:
                require_plain(archive.zip, os.fstat(file.fileno()).st_size)
                # NumPy does not read an array with too small a shape as far as its checksum
                wrong = archive.zip.testzip()
                if wrong is not None:
                    msg = f"the checksum of {wrong} is wrong"
                    raise DamagedError(msg)
                table = {name: _member(archive, name, X) for name in archive.files}
            return json.loads(str(table.pop(HEADER))), table
        except (DamagedError, MemoryError):
            raise
        except Exception as error:
            # zipfile, zlib, json and NumPy raise a dozen classes of errors for damage
            raise DamagedError(str(error)) from error


def _member(archive: Any, name: str, X: Operand | None) -> Any:
    """Read an array of the file; rows that the fit keeps on disk are read in parts."""
    folder = None if X is None else X.factor_folder
    if X is None or folder is None or name.endswith(("H", "Ht")):
        return archive[name]
    with archive.zip.open(f"{name}.npy") as file:
        if np.lib.format.read_magic(file) != (1, 0):
            return archive[name]
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
        if len(shape) != 2 or shape[0] != X.shape[0] or by_columns:
            return archive[name]
        rows: DiskRows = folder.rows(shape, dtype)
        size = max(1, READ_BYTES // max(1, rows.plain.strides[0]))
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            view = part.reshape(-1).view(np.uint8)
            if file.readinto(view) != view.size:
                msg = f"{name} ends too early"
                raise DamagedError(msg)
            rows.release(start, start + len(part))
        return rows


def _past(header: dict[str, Any], table: dict[str, Any], load: Load) -> Past:
    try:
        return _built(header, table, load)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise DamagedError(str(error)) from error


def _built(header: dict[str, Any], table: dict[str, Any], load: Load) -> Past:
    history = History()
    for column in dataclasses.fields(History):
        stored = table[f"history/{column.name}"]
        values = list(stored) if stored.ndim > 1 else stored.tolist()
        if not isinstance(values, list):
            msg = f"its history has a single {column.name!r}"
            raise ValueError(msg)
        vars(history)[column.name].extend(values)
    state = from_table(
        {
            key.removeprefix("state"): array
            for key, array in table.items()
            if key.startswith("state")
        },
        load,
    )
    return Past(state, history, header["seconds"], header["converged_at"])


def _require_sound_header(header: Any) -> None:
    """Raise DamagedError unless the header has its entries, each of its kind."""
    kinds: dict[str, Any] = {
        "fingerprint": dict, "seconds": int | float, "converged_at": int | float | None
    }  # fmt: skip
    if not isinstance(header, dict):
        msg = "its header is no record"
        raise DamagedError(msg)
    for name, kind in kinds.items():
        # files of another format are refused by their number
        if header.get("format") == FORMAT and not isinstance(
            header.get(name, ""), kind
        ):
            msg = f"its header has {header.get(name)!r} as {name!r}"
            raise DamagedError(msg)


def _require_sound(past: Past, X: Operand | None) -> None:
    """Raise DamagedError unless the parts of a past fit each other, and X."""
    for name, column in vars(past.history).items():
        if not all(isinstance(v, float | np.floating | np.ndarray) for v in column):
            msg = f"its history has {name!r} that are no numbers"
            raise DamagedError(msg)
    fault = None if X is None else find_fault(past.state, X.shape, X.dtype)
    if fault is not None:
        raise DamagedError(fault)


def _tell_damage(path: Path, error: BaseException) -> None:
    reason = describe_reason(error) or type(error).__name__
    warn(
        f"The checkpoint {str(path)!r} is damaged and not used: {reason}.",
        RuntimeWarning,
    )
