"""The form of a model file: a header of JSON beside named arrays, read without pickle.

The file is an .npz archive. Its first member, `header`, is JSON as bytes: the name and
version of the format, the version of nonneg, the class, the parameters, and every
fitted attribute that is a number or a text. Each attribute that is an array is a further
member; a list of arrays has a member `NAME.0`, `NAME.1`, … for each, `history_` a member
`history_.NAME` for each column, the state of an online model a member `state/...` for each
of its fields, and the names of the features are JSON.
Nothing in a file is ever executed. Each member carries a checksum.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..base.plain_archives import read_member, require_plain

FORMAT = "nonneg-model"
FORMAT_VERSION = 1
"""To be raised when older versions of nonneg would misread the file."""
CLASSES = ("NMF", "MiniBatchNMF", "SymmetricNMF", "JointNMF")
"""Names of the classes that a file may hold."""
NAMES = "feature_names_in_"
HISTORY = "history_"
CONSTRAINTS = "constraints/"
"""The front of the names of members that hold arrays of constraints."""
STATE = "state"
"""The front of the names of members that hold the state of an online model."""

_HEADER = "header"


class UnusableFile(Exception):
    """Raised for a file that can't be used; its text ends a sentence about the file."""


class Contents(NamedTuple):
    """The contents of a model file."""

    header: dict[str, Any]
    arrays: dict[str, Any]
    """Fitted attributes that are arrays, lists of arrays, or the history, by name."""
    state: dict[str, NDArray[Any]] = {}  # noqa: RUF012  (an entry of a tuple, never written to)
    """The table of the state of an online model, as checkpoints have it."""
    constraints: dict[str, NDArray[Any]] = {}  # noqa: RUF012  (likewise)
    """Arrays of constraints by member."""


def write_contents(
    file: IO[bytes], header: dict[str, Any], arrays: dict[str, Any]
) -> None:
    """Write header and arrays to an open file."""
    # numbers only; `allow_pickle` would be one more array before NumPy 2.1
    members: Any = {_HEADER: to_json("a note", header), **arrays}
    np.savez(file, **members)


def read_contents(path: str | os.PathLike[str]) -> Contents:
    """Read the header and the arrays of a model file, without building the model.

    Returns
    -------
    contents : Contents
        The `header`, with the keys format, format_version, nonneg_version, class, params,
        left_out, attributes, notes and members, the `arrays` by attribute, and the table of
        the `state`.

    Raises
    ------
    ValueError
        If the file is damaged, of a newer format or no model file at all.
    OSError
        If the file can't be opened.
    """
    with Path(path).open("rb") as file:
        try:
            return _read_archive(file, os.fstat(file.fileno()).st_size)
        except UnusableFile as error:
            raise ValueError(describe(path, str(error))) from None
        except Exception as error:
            # zipfile, zlib and NumPy raise a dozen classes of exceptions for damage
            reason = "is damaged or incomplete; it can't be read"
            raise ValueError(describe(path, reason)) from error


def describe(path: str | os.PathLike[str], reason: str) -> str:
    """Return the sentence about a file that can't be used."""
    return f"The file {str(path)!r} {reason}."


def to_json(what: str, value: Any) -> NDArray[np.uint8]:
    """Return the bytes of the JSON text of a value, as an array."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError) as error:
        msg = f"Can't store {what} in a model file: {error}."
        raise ValueError(msg) from None
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _from_json(array: NDArray[Any]) -> Any:
    return json.loads(array.astype(np.uint8, casting="no").tobytes())


def _read_archive(file: IO[bytes], n_bytes: int) -> Contents:
    """Read the header and the arrays of an open file, and check that they are complete."""
    if not zipfile.is_zipfile(file):
        # an archive that is cut off still has its beginning
        file.seek(0)
        if file.read(4) == b"PK\x03\x04":
            msg = "is damaged or incomplete; it can't be read"
            raise UnusableFile(msg)
        msg = "is not a model of nonneg"
        raise UnusableFile(msg)
    with zipfile.ZipFile(file) as archive:
        members = {name.removesuffix(".npy"): name for name in archive.namelist()}
        if _HEADER not in members:
            msg = "is not a model of nonneg"
            raise UnusableFile(msg)
        _require_whole(archive, n_bytes, len(members))
        header = _parse_header(read_member(archive, members.pop(_HEADER)))
        if sorted(members) != header["members"]:
            msg = "is damaged; members are missing"
            raise UnusableFile(msg)
        arrays = {key: read_member(archive, name) for key, name in members.items()}
    state = {
        key.removeprefix(STATE): arrays.pop(key)
        for key in list(arrays)
        if key.startswith(f"{STATE}/")
    }
    constraints = {
        key: arrays.pop(key) for key in list(arrays) if key.startswith(CONSTRAINTS)
    }
    return Contents(header, _assemble(arrays), state, constraints)


def _require_whole(archive: zipfile.ZipFile, n_bytes: int, n_members: int) -> None:
    try:
        require_plain(archive, n_bytes)
    except ValueError as error:
        text = str(error)
        if text.startswith("is damaged"):
            raise UnusableFile(text) from error
        raise
    if archive.testzip() is not None or n_members < len(archive.namelist()):
        msg = "is damaged; its checksums don't match"
        raise UnusableFile(msg)


def _parse_header(array: NDArray[Any]) -> dict[str, Any]:
    """Return the header; refuse a format that this version can't read."""
    header = _from_json(array)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        msg = "is not a model of nonneg"
        raise UnusableFile(msg)
    number = header["format_version"]
    if type(number) is not int or number < 1:
        msg = f"is damaged: its format version is {number!r}"
        raise UnusableFile(msg)
    if number > FORMAT_VERSION:
        msg = (
            f"has format version {number}, written by nonneg "
            f"{header.get('nonneg_version')}; this one reads up to {FORMAT_VERSION}, "
            "so install a newer nonneg"
        )
        raise UnusableFile(msg)
    if header["class"] not in CLASSES:
        msg = f"holds a {header['class']!r}; known are {', '.join(CLASSES)}"
        raise UnusableFile(msg)
    for key in ("params", "attributes", "notes"):
        if not isinstance(header[key], dict):
            raise TypeError(key)
    for name, value in header["params"].items():
        if not is_plain(value) and not is_numbers(value):
            msg = f"is damaged: its parameter {name!r} is {value!r}"
            raise UnusableFile(msg)
    for name, value in header["attributes"].items():
        if not is_plain(value):
            msg = f"is damaged: its attribute {name!r} is {value!r}"
            raise UnusableFile(msg)
    return header


def is_plain(value: Any) -> bool:
    """Return whether a value is a number, a text, True, False or None."""
    return value is None or isinstance(value, bool | int | float | str)


def is_numbers(value: Any) -> bool:
    """Return whether a value is a list of numbers."""
    return isinstance(value, list) and all(
        isinstance(number, int | float) and not isinstance(number, bool)
        for number in value
    )


def _assemble(arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the attributes: names, history and lists from their members, others as read."""
    whole: dict[str, Any] = {}
    parts: dict[str, dict[str, NDArray[Any]]] = {}
    for name, array in arrays.items():
        attribute, dot, part = name.partition(".")
        if dot:
            parts.setdefault(attribute, {})[part] = array
        elif name == NAMES:
            whole[name] = _read_names(array)
        else:
            whole[name] = array
    for attribute, members in parts.items():
        whole[attribute] = (
            members if attribute == HISTORY else _in_order(attribute, members)
        )
    return whole


def _in_order(attribute: str, members: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """Return the arrays of a list by their numbers."""
    try:
        return [members[str(i)] for i in range(len(members))]
    except KeyError:
        msg = f"is damaged: of the list {attribute!r} it has the parts {list(members)}"
        raise UnusableFile(msg) from None


def _read_names(array: NDArray[Any]) -> NDArray[np.object_]:
    names = _from_json(array)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        msg = "is damaged: the names of its features are no list of texts"
        raise UnusableFile(msg)
    texts = np.empty(len(names), dtype=object)
    texts[:] = names
    return texts


def split_history(history: dict[str, Sequence[Any]]) -> dict[str, NDArray[Any]]:
    """Return the columns of a history as members of the archive."""
    return {f"{HISTORY}.{key}": np.asarray(column) for key, column in history.items()}


def split_list(name: str, arrays: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the arrays of a list as members of the archive."""
    return {f"{name}.{i}": array for i, array in enumerate(arrays)}
