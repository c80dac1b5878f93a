"""The gate before the core: what the kernels rely on in an array is checked once, here."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp

from .arrays import Array

INDEX_TYPES = (np.dtype(np.int32), np.dtype(np.int64))
"""Types of column numbers and row pointers for which there are kernels."""
LARGEST_INT32 = np.iinfo(np.int32).max


def admit_dense(A: Array) -> Array:
    """Return an array, or a copy where its memory is not aligned to its numbers."""
    return A if A.flags.aligned else np.array(A, order="K")


def admit_sparse(X: Any, name: str) -> Any:
    """Return a sparse matrix whose structure is sound and has types that kernels take.

    Parameters
    ----------
    X : sparse matrix of any format
        It is not written to. A CSR or CSC is returned itself, or as one that shares the
        arrays which need no other type.
    name : str
        Name of X for the messages.

    Raises
    ------
    ValueError
        If an index lies outside the matrix, lengths don't fit together, or the numbers of
        entries before each row fall.
    """
    if X.format in ("csr", "csc"):
        return _admit_compressed(X, name)
    if X.format in ("bsr", "coo"):  # SciPy converts the others from their own checks
        _require_sound(X, name)
    return X


@contextmanager
def unwritable(arrays: tuple[Array, ...]) -> Iterator[None]:
    """Refuse writes to arrays inside the block, as NumPy does for read-only ones.

    For the structure of a matrix that was checked, while code of others runs. The arrays
    that they are views of are read-only for as long as well.
    """
    chain: list[Array] = []
    for array in arrays:
        link: Any = array
        while isinstance(link, np.ndarray):
            if link.flags.writeable and not any(link is other for other in chain):
                chain.append(link)
            link = link.base
    for link in chain:
        link.flags.writeable = False
    try:
        yield
    finally:
        for link in reversed(chain):  # a view can't be writable before its base
            link.flags.writeable = True


def _require_sound(X: Any, name: str) -> None:
    try:
        if X.format == "bsr":
            X.check_format(full_check=True)
        else:
            sp.coo_array((X.data, (X.row, X.col)), shape=X.shape)
    except ValueError as error:
        msg = f"{name} is no valid sparse matrix: {error}. Pass its right shape."
        raise ValueError(msg) from error


def _admit_compressed(X: Any, name: str) -> Any:
    data, indices, indptr = X.data, X.indices, X.indptr
    _require_lengths(X, name)
    n_entries = int(indptr[-1])
    if len(indices) != n_entries or len(data) != n_entries:
        data, indices = data[:n_entries], indices[:n_entries]
    _require_inside(X, indices, name)
    vectors = _as_kernel_vectors(data, indices, indptr, max(X.shape))
    if all(
        new is old
        for new, old in zip(vectors, (X.data, X.indices, X.indptr), strict=True)
    ):
        return X
    X = copy.copy(X)
    X.data, X.indices, X.indptr = vectors
    return X


def _as_kernel_vectors(
    data: Array, indices: Array, indptr: Array, longest: int
) -> tuple[Array, Array, Array]:
    """Return contiguous, aligned vectors, with an index type that the kernels take."""
    index_type = indices.dtype
    if index_type not in INDEX_TYPES or indptr.dtype != index_type:
        small = max(longest, len(indices)) <= LARGEST_INT32
        index_type = INDEX_TYPES[0 if small else 1]
    return (
        np.require(data, data.dtype, ["C", "A"]),
        np.require(indices, index_type, ["C", "A"]),
        np.require(indptr, index_type, ["C", "A"]),
    )


def _require_lengths(X: Any, name: str) -> None:
    """Refuse row pointers that don't lead through the entries from the first to the last."""
    n_lines = X.shape[0 if X.format == "csr" else 1]
    indices, indptr = X.indices, X.indptr
    kinds = {X.indices.dtype.kind, X.indptr.dtype.kind}
    problem = None
    if not kinds <= {"i", "u"}:
        problem = f"its indices are {indices.dtype} and its indptr {indptr.dtype}"
    elif indices.ndim != 1 or indptr.ndim != 1 or len(indptr) != n_lines + 1:
        problem = f"its indptr has {indptr.size} numbers for {n_lines} lines"
    elif indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any():
        problem = "its indptr must rise from 0"
    elif indptr[-1] > min(len(indices), len(X.data)):
        problem = (
            f"its indptr ends at {indptr[-1]}, but it has {len(indices)} indices and "
            f"{len(X.data)} values"
        )
    if problem is not None:
        msg = (
            f"{name} is no valid {X.format.upper()} matrix: {problem}. Build it anew, "
            f"e.g. by scipy.sparse.{X.format}_array, from its rows, columns and values."
        )
        raise ValueError(msg)


def _require_inside(X: Any, indices: Array, name: str) -> None:
    """Refuse an index outside the matrix, by one pass over them."""
    length = X.shape[1 if X.format == "csr" else 0]
    if not len(indices):
        return
    # as unsigned numbers negative ones are the largest: one comparison finds both
    unsigned = indices.view(indices.dtype.str.replace("i", "u"))
    if unsigned.max() < length:
        return
    entry = int(np.argmax(unsigned >= length))
    line = int(np.searchsorted(X.indptr, entry, side="right")) - 1
    row, column = (
        (line, indices[entry]) if X.format == "csr" else (indices[entry], line)
    )
    msg = (
        f"{name} has an entry in row {row} and column {column}, which is outside its "
        f"shape {tuple(X.shape)}. Pass its right shape."
    )
    raise ValueError(msg)
