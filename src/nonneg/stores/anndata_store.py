"""The X, dense or CSR, of an AnnData that is backed by a file."""

from __future__ import annotations

from typing import Any

from .base import StoreBase, as_store, register_store
from .read_errors import is_instance


def matrix_in_memory(X: Any) -> Any:
    """Return the matrix of an AnnData that is in memory; anything else is returned itself."""
    if is_instance(X, "anndata", "AnnData") and not X.isbacked:
        return X.X
    return X


def whole_matrix(X: Any, name: str, whom: str) -> Any:
    """Return the matrix of an AnnData for a function that needs it in memory.

    Anything else is returned itself.

    Raises
    ------
    ValueError
        If it is on disk.
    """
    if is_instance(X, "anndata", "AnnData") and X.isbacked:
        msg = (
            f"{whom} needs {name} in memory, and it is an AnnData that is backed by a file. "
            f"Pass {name}.to_memory().X."
        )
        raise ValueError(msg)
    return matrix_in_memory(X)


@register_store(lambda X: is_instance(X, "anndata", "AnnData"))
def open_annotated(adata: Any) -> StoreBase:
    """Return the store for the X of a backed AnnData, with the names of its variables.

    Raises
    ------
    ValueError
        If the AnnData is in memory, or a view of some rows or columns of one on disk.
    """
    if not adata.isbacked:
        msg = "This AnnData is in memory; pass its matrix, adata.X."
        raise ValueError(msg)
    if adata.is_view:
        msg = (
            "A view of a backed AnnData has no X of its own on disk. Write it first "
            "(view.copy('part.h5ad')) or load it (view.to_memory().X)."
        )
        raise ValueError(msg)
    store = as_store(adata.X)
    store.column_names = [str(name) for name in adata.var_names]
    return store


@register_store(lambda X: is_instance(X, "anndata.abc", "CSRDataset", "CSCDataset"))
def open_sparse_dataset(X: Any) -> StoreBase:
    """Return the store for a sparse matrix on disk, as anndata opens it."""
    return as_store(X.group)
