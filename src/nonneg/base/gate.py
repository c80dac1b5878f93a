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


def aligned(X: Any) -> Any:
    """Return an array or a checked CSR that is aligned to its numbers: itself, or a copy.

    Of what was sent between workers, an array begins at any byte of the message.
    """
    if not sp.issparse(X):
        return admit_dense(X)
    vectors = (X.data, X.indices, X.indptr)
    if all(vector.flags.aligned for vector in vectors):
        return X
    X = copy.copy(X)
    X.data, X.indices, X.indptr = map(admit_dense, vectors)
    return X


def admit_sparse(X: Any, name: str) -> Any:
    """Return a sparse matrix whose structure is sound and has types that kernels take.

    Parameters
    ----------
    X : sparse matrix of any format
        It is not written to. A CSR or CSC is returned itself, or as one that shares the
        arrays which need no other type; other formats are returned as CSR.
    name : str
        Name of X for the messages.

    Raises
    ------
    ValueError
        If an index lies outside the matrix, lengths don't fit together, or the numbers of
        entries before each row fall.
    """
    if X.format not in ("csr", "csc"):
        X = _to_csr(X, name)
    return _admit_compressed(X, name)


def lockable(array: Array) -> Array:
    """Return an array, or a copy where NumPy would not make it writable again.

    An unpickled array is such a one: its memory is that of a `bytes`.
    """
    if not array.flags.writeable:
        return array
    try:
        array.flags.writeable = True
    except ValueError:
        return array.copy()
    return array


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


def _to_csr(X: Any, name: str) -> Any:
    """Return a matrix of another format as CSR, once its parts are known to fit together.

    SciPy's conversions rely on that, and read or write beyond the arrays where they don't.
    """
    if X.format == "bsr":
        _require_sound_blocks(X, name)
    try:
        if X.format == "dia":
            if X.offsets.dtype.kind not in "iu":
                msg = f"its offsets are {X.offsets.dtype}"
                raise ValueError(msg)
            X = sp.dia_array((X.data, X.offsets), shape=X.shape)
        elif X.format == "coo":
            if any(index.dtype.kind not in "iu" for index in X.coords):
                msg = f"its indices are {X.row.dtype} and {X.col.dtype}"
                raise ValueError(msg)
            X = sp.coo_array((X.data, (X.row, X.col)), shape=X.shape)
        elif X.format == "lil":
            _require_sound_lists(X)
        return X.tocsr()
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        msg = f"{name} is no valid sparse matrix: {reason}. Pass its right shape."
        raise ValueError(msg) from error


def _require_sound_blocks(X: Any, name: str) -> None:
    """Refuse a BSR whose indices don't lead to blocks, of which each is one entry here."""
    name = f"{name} in blocks"
    shape = X.data.shape[1:]
    if X.data.ndim != 3 or 0 in shape or X.shape[0] % shape[0] or X.shape[1] % shape[1]:
        msg = (
            f"{name} is no valid BSR matrix: its data have shape {X.data.shape}, and its "
            f"own is {X.shape}. Build it anew, e.g. by scipy.sparse.bsr_array."
        )
        raise ValueError(msg)
    blocks = sp.csr_array((X.shape[0] // shape[0], X.shape[1] // shape[1]))
    blocks.data, blocks.indices, blocks.indptr = X.data[:, 0, 0], X.indices, X.indptr
    _require_lengths(blocks, name)
    _require_inside(blocks, X.indices[: X.indptr[-1]], name)


def _require_sound_lists(X: Any) -> None:
    """Refuse a matrix of lists of which one belongs to no row, or to a longer or shorter one."""
    if len(X.rows) != X.shape[0] or len(X.data) != X.shape[0]:
        msg = f"it has {len(X.rows)} lists of columns for {X.shape[0]} rows"
        raise ValueError(msg)
    for row, (columns, values) in enumerate(zip(X.rows, X.data, strict=True)):
        if len(columns) != len(values):
            msg = f"its row {row} has {len(columns)} columns for {len(values)} values"
            raise ValueError(msg)


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
    elif X.data.ndim != 1 or indices.ndim != 1 or indptr.ndim != 1:
        ndims = X.data.ndim, indices.ndim, indptr.ndim
        problem = f"its data, indices and indptr have {ndims} dimensions, not 1 each"
    elif len(indptr) != n_lines + 1:
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
