"""A file of the finished parts of a long computation, so that it goes on after a kill."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..io.output_files import replace_file

FORMAT = "nonneg-cells-1"
HEADER = "header"


@dataclass(eq=False)
class Cells:
    """Finished parts by their names, each a few arrays; kept in a file if there is a path.

    Parameters
    ----------
    path : path-like or None
        The file; None keeps the parts in memory alone.
    facts : dict
        What the computation is of: data and parameters. A file of another one is refused.
    resume : bool
        Whether to take what the file has.

    Raises
    ------
    ValueError
        If `resume` is set without a path, or if the file is of another computation, or no
        such file.
    """

    path: str | os.PathLike[str] | None
    facts: dict[str, Any]
    resume: bool = False
    parts: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if self.path is None:
            if self.resume:
                msg = (
                    "resume=True needs `checkpoint`, the path to resume from; got None."
                )
                raise ValueError(msg)
            return
        path = Path(self.path)
        if not path.parent.is_dir() or path.is_dir():
            msg = (
                f"checkpoint={str(path)!r}: no file can be written there. Pass the name of "
                "a file in an existing folder."
            )
            raise ValueError(msg)
        if path.exists():
            stored = _read(path)
            if self.resume:
                self._require_same(stored[HEADER])
                self._take(stored)

    def __contains__(self, name: str) -> bool:
        return name in self.parts

    def __getitem__(self, name: str) -> dict[str, NDArray[Any]]:
        return self.parts[name]

    def add(self, name: str, **arrays: Any) -> None:
        """Add a finished part and write the file, in one step."""
        self.parts[name] = {key: np.asarray(A) for key, A in arrays.items()}
        if self.path is None:
            return
        header = {"format": FORMAT, "facts": self.facts, "parts": list(self.parts)}
        members: dict[str, Any] = {HEADER: np.array(json.dumps(header))}
        for number, part in enumerate(self.parts.values()):
            members |= {f"{number}/{key}": A for key, A in part.items()}
        with replace_file(self.path) as file:
            np.savez(file, **members)

    def _take(self, stored: dict[str, Any]) -> None:
        names = json.loads(str(stored.pop(HEADER)))["parts"]
        self.parts.update({name: {} for name in names})
        for member, A in stored.items():
            number, _, key = member.partition("/")
            self.parts[names[int(number)]][key] = A

    def _require_same(self, header: Any) -> None:
        theirs = json.loads(str(header))["facts"]
        ours = json.loads(json.dumps(self.facts))
        for name in {**ours, **theirs}:
            if ours.get(name) != theirs.get(name):
                msg = (
                    f"The checkpoint {str(self.path)!r} is of another computation: its "
                    f"{name} is {theirs.get(name)!r}, here it is {ours.get(name)!r}. Pass "
                    "the same data and parameters, resume=False to start afresh, or "
                    "another path."
                )
                raise ValueError(msg)


def require_one(parts: Collection[Any], max_time: float | None) -> None:
    """Raise TimeoutError if not a single part has ended in the time there was."""
    if not parts:
        msg = (
            f"max_time={max_time} was over before the first fits had ended, so there is no "
            "result. Raise it, or pass fewer or smaller ranks."
        )
        raise TimeoutError(msg)


def _read(path: Path) -> dict[str, Any]:
    """Return the members of a file, of which the header is known to be ours."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            stored = dict(archive)
        is_ours = json.loads(str(stored[HEADER]))["format"] == FORMAT
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(_foreign(path)) from error
    if not is_ours:
        raise ValueError(_foreign(path))
    return stored


def _foreign(path: Path) -> str:
    return (
        f"checkpoint={str(path)!r} is there and holds no finished parts of such a "
        "computation; it would be overwritten. Pass another path, or remove the file."
    )
