"""The check of .npz files of ours before their arrays are read: nothing unpacks to more."""

from __future__ import annotations

import math
import zipfile
from typing import IO, Any

import numpy as np

from .arrays import Array


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
            shape, dtype = read_array_header(file)
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


def read_array_header(file: IO[bytes] | Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the header of an .npy file; return shape and dtype."""
    version = np.lib.format.read_magic(file)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read(file)
    return shape, dtype


def read_member(archive: zipfile.ZipFile, name: str) -> Array:
    """Return the array of a member; Python objects are refused."""
    with archive.open(name) as member:
        array: Array = np.lib.format.read_array(member, allow_pickle=False)
    return array
