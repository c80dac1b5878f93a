"""The operand of an X that is read in parts, of which entries are missing or weighted."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from ..base.interfaces import Operand
from ..base.memory_size import bytes_of
from ..base.observed import Observation, Weights
from ..stores.base import find_store
from ..stores.sliced import SlicedStore
from .dask.operand import is_dask
from .observe import hidden_entries, observe, require_observed
from .observed import ObservedOperand
from .streamed.clean_rows import CleanStream, hidden_where
from .streamed.operand import StreamedOperand, streamed_operand
from .weight_checks import checked_weights, weight_vector


class ComputedRows:
    """Row slices of a Dask array, computed when they are asked for."""

    def __init__(self, X: Any) -> None:
        self._X = X
        self.shape = (int(X.shape[0]), int(X.shape[1]))
        self.dtype = X.dtype

    def __getitem__(self, rows: slice) -> Any:
        return self._X[rows].compute()


def observe_parts(
    X: Any,
    observation: Observation,
    n_threads: int,
    memory_limit: int | str | None,
    whom: str,
) -> Operand:
    """Return the operand of a store or Dask array with the weights of its entries.

    Which entries of dense rows are missing is kept in memory, and found by one reading. The
    blocks of a Dask array are computed in turn, and W is in this process. Sparse rows are
    taken into memory, as their weights are as large.

    Parameters
    ----------
    X : object
        As the caller passed it.
    observation : Observation
    n_threads : int
    memory_limit : int, str or None
    whom : str
        Name of the caller for messages.

    Raises
    ------
    ValueError
        If X is of another kind, weights don't fit it, or it does not fit into
        `memory_limit`.
    """
    store = SlicedStore(ComputedRows(X)) if is_dask(X) else find_store(X)
    if store is None:
        msg = (
            "Missing values and weights need X as an array, a sparse matrix, a store or a "
            f"Dask array; this X is a {type(X).__name__}. Pass one of these, or leave out "
            "missing_values and weights."
        )
        raise ValueError(msg)
    operand: StreamedOperand = streamed_operand(store.with_gaps(), n_threads)
    if operand.sparse:
        return observe(
            _taken(operand, memory_limit), observation, operand.n_threads, whom
        )
    named = _hidden(operand, observation)
    rows = weight_vector(observation.sample_weight, "sample_weight", operand.shape[0])
    columns = weight_vector(
        observation.feature_weight, "feature_weight", operand.shape[1]
    )
    if rows is None and columns is None and named is None:
        return operand
    weights = Weights(operand.shape, rows, columns, 1, named)
    require_observed(weights)
    raw = operand if named is None else CleanStream.of(operand, named)
    return ObservedOperand(raw, raw, weights)


def _taken(operand: StreamedOperand, memory_limit: int | str | None) -> Any:
    """Return all sparse rows in memory."""
    need = 3 * operand.stored_bytes
    if memory_limit is not None and need > bytes_of(memory_limit):
        msg = (
            f"memory_limit={memory_limit!r} is too small: sparse rows of a store with missing "
            f"or weighted entries are taken into memory, which is {need / 1e6:.0f} MB with "
            "their weights and transpose. Raise it."
        )
        raise ValueError(msg)
    X: Any = operand.cut_rows(slice(0, operand.shape[0])).native()
    values = X.data
    if values.size and (values.min() < 0 or np.isinf(values).any()):
        operand.stats()  # which names the row
    return X


def _hidden(operand: StreamedOperand, observation: Observation) -> Any:
    """Return a CSR with -1 at the missing entries of dense rows, or None."""
    missing_values, weights = observation.missing_values, observation.weights
    if isinstance(missing_values, str):
        msg = (
            "missing_values='unstored' is for sparse rows; the rows of this X are dense. "
            "Pass missing_values=0 for zeros that are missing, or numpy.nan."
        )
        raise ValueError(msg)
    named = None
    if missing_values is not None:
        test = np.isnan if np.isnan(missing_values) else np.logical_not
        named = hidden_where(operand, test)
    if weights is None:
        return named
    weights = checked_weights(weights, operand)
    entries = weights.data if sp.issparse(weights) else weights
    if not np.all((entries == 0) | (entries == 1)):
        msg = (
            "weights of an X that is read in parts must be 0 or 1 each. Pass X as an array "
            "for other weights, or weights of rows and columns as sample_weight and "
            "feature_weight."
        )
        raise ValueError(msg)
    shown = weights.toarray() if sp.issparse(weights) else weights
    if named is not None:
        shown = np.array(shown, dtype=bool)
        rows = np.repeat(np.arange(named.shape[0]), np.diff(named.indptr))
        shown[rows, named.indices] = False
    return hidden_entries(shown == 0, operand.dtype)
