"""The check of .npz files of ours before their arrays are read: nothing unpacks to more."""

from __future__ import annotations

import io
import math
import zipfile
from typing import IO, Any

import numpy as np

from .arrays import Array

_MAGIC_BYTES = 8
"""Bytes at the front of an .npy file, before the length of its header."""


def require_plain(archive: zipfile.ZipFile, n_bytes: int) -> None:
    """Refuse an archive whose arrays would take more memory than the file has bytes.

    Only the headers of the members are read.

    Parameters
    ----------
    archive : ZipFile
        An open .npz file that `numpy.savez` wrote, whose members are not compressed.
    n_bytes : int
        Length of the file.

    Raises
    ------
    ValueError
        If a member is compressed, is no array of plain values, or is longer or shorter than
        its shape and dtype say. The text ends a sentence about the file.
    """
    total = 0
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if member.compress_type != zipfile.ZIP_STORED:
            msg = (
                f"is damaged: {name!r} is compressed, from {member.file_size} bytes to "
                f"{member.compress_size}, which files of nonneg never are"
            )
            raise ValueError(msg)
        total += member.file_size
        with archive.open(member) as file:
            shape, dtype = read_array_header(file, member.file_size)
            expected = file.tell() + math.prod(shape) * dtype.itemsize
        if dtype.hasobject or expected != member.file_size:
            msg = (
                f"is damaged: {name!r} has {member.file_size} bytes, but an array of "
                f"shape {shape} and dtype {dtype} has {expected}"
            )
            raise ValueError(msg)
    if total > n_bytes:
        msg = f"is damaged: its members have {total} bytes, and the file {n_bytes}"
        raise ValueError(msg)


def read_array_header(
    file: IO[bytes] | Any, n_bytes: int
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the header of an .npy file; return shape and dtype.

    NumPy's readers rely on what a header says, and take memory for it.

    Parameters
    ----------
    file : binary file
        It is read from its beginning to the end of the header.
    n_bytes : int
        Length of the file.

    Raises
    ------
    ValueError
        If it is no such header. The text ends a sentence about the file.
    """
    front = file.read(_MAGIC_BYTES)
    try:
        version = np.lib.format.read_magic(io.BytesIO(front))
        front += file.read(2 if version == (1, 0) else 4)
        length = int.from_bytes(front[_MAGIC_BYTES:], "little")
        if length > n_bytes - len(front):
            msg = (
                f"its header is said to have {length} bytes, and the file has {n_bytes}"
            )
            raise ValueError(msg)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(io.BytesIO(front[_MAGIC_BYTES:] + file.read(length)))
    except Exception as error:
        # NumPy evaluates the text of the header, which raises errors of any class
        reason = " ".join(str(error).split()).rstrip(".")
        msg = f"is damaged: {reason or 'its header can not be read'}"
        raise ValueError(msg) from error
    if not all(type(n) is int and n >= 0 for n in shape):
        msg = f"is damaged: its header says that the array has shape {shape}"
        raise ValueError(msg)
    return shape, dtype


def require_whole_array(file: IO[bytes] | Any, n_bytes: int) -> None:
    """Refuse an .npy file that has fewer bytes than its shape and dtype say.

    The header is read, and the file is left behind it.

    Raises
    ------
    ValueError
        Its text ends a sentence about the file.
    """
    shape, dtype = read_array_header(file, n_bytes)
    expected = file.tell() + math.prod(shape) * dtype.itemsize
    if not dtype.hasobject and expected > n_bytes:
        msg = (
            f"is damaged or incomplete: it has {n_bytes} bytes, but an array of shape "
            f"{shape} and dtype {dtype} has {expected}"
        )
        raise ValueError(msg)


def read_member(archive: zipfile.ZipFile, name: str) -> Array:
    """Return the array of a member; Python objects are refused."""
    with archive.open(name) as member:
        array: Array = np.lib.format.read_array(member, allow_pickle=False)
    return array
