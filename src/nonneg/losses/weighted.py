"""Losses over some entries of X, each with a weight: sums, and means over held-out entries."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from ..base.arrays import Array
from ..base.gate import admit_sparse
from ..base.interfaces import LossBase, Operand, Stats
from ..base.observed import EntryWeights
from ..base.steps import OtherFactor
from ..base.validation import check_array_like
from ..kernels.csr_format import canonical
from ..kernels.weighted_values import ValueSums, WeightedRows, WeightedValue


class Chosen(NamedTuple):
    """Weights of the entries, and those that a loss is taken over."""

    weights: Any = None
    """Array or CSR of the shape of X; None: 1 each."""
    where: Any = None
    """Boolean array, or CSR that stores True alone; None: all that have a weight."""

    @property
    def is_all(self) -> bool:
        """Whether each entry is taken once."""
        return self.weights is None and self.where is None


def check_chosen(weights: Any, where: Any, shape: tuple[int, ...], whom: str) -> Chosen:
    """Check weights and chosen entries for an X of this shape.

    Raises
    ------
    ValueError
        If a shape differs, a weight is negative or not finite, all weights are 0, or no
        entry is chosen.
    TypeError
        If `where` is not boolean.
    """
    if weights is not None:
        weights = check_weights(weights, shape, whom)
    if where is not None:
        where = _check_where(where, shape, whom)
    return Chosen(weights, where)


def check_weights(weights: Any, shape: tuple[int, ...], whom: str) -> Any:
    """Return weights as a boolean or float array, or as a CSR or CSC; none is written to.

    Raises
    ------
    ValueError
        If their shape is not that of X, one is negative or not finite, or all are 0.
    """
    if isinstance(weights, EntryWeights):
        msg = (
            f"{whom} takes weights as an array or a sparse matrix; got EntryWeights. Pass "
            "those of the entries that are to count."
        )
        raise ValueError(msg)
    checked: Any = check_array_like(
        weights, "weights", whom, accept_sparse=("csr", "csc"),
        dtype=[np.bool_, np.float64, np.float32],
    )  # fmt: skip
    _require_shape(checked, "weights", shape)
    if sp.issparse(checked):
        checked = canonical(checked)
    values = checked.data if sp.issparse(checked) else checked
    smallest = values.min() if values.size else 0
    if smallest < 0:
        msg = (
            f"Negative entries in weights passed to {whom}. The smallest is {smallest:g}; "
            "pass 0 for an entry that does not count."
        )
        raise ValueError(msg)
    if not values.any():
        msg = (
            f"All weights passed to {whom} are 0. Give the entries that count a weight "
            "above 0."
        )
        raise ValueError(msg)
    return checked


def _check_where(where: Any, shape: tuple[int, ...], whom: str) -> Any:
    where = where if sp.issparse(where) else np.asarray(where)
    if where.dtype != np.bool_:
        msg = (
            f"where must be boolean, True for the entries that count; got {where.dtype}. "
            "Pass where != 0, for example."
        )
        raise TypeError(msg)
    _require_shape(where, "where", shape)
    if sp.issparse(where):
        where = admit_sparse(where, "where").tocsr(copy=True)
        where.sum_duplicates()
        where.eliminate_zeros()
    if not (where.nnz if sp.issparse(where) else where.any()):
        msg = f"where, as passed to {whom}, has no True entry. Choose one at least."
        raise ValueError(msg)
    return where


def _require_shape(A: Any, name: str, shape: tuple[int, ...]) -> None:
    if tuple(A.shape) != tuple(shape):
        msg = f"{name} has shape {tuple(A.shape)}, but X has shape {tuple(shape)}."
        raise ValueError(msg)


def weighted_loss(
    loss: LossBase,
    X: Operand,
    W: Array,
    Ht: Array,
    chosen: Chosen,
    whom: str,
    signed: bool = False,
) -> float:
    """Return Σ weight·d(x, y) over the chosen entries; with `where` their weighted mean.

    Raises
    ------
    ValueError
        If the loss is no sum over entries, or X is NaN, or negative and not `signed`,
        where an entry counts.
    """
    if "terms" not in loss.provides:
        msg = (
            f"The loss {loss.name!r} is no sum over entries that could be weighted; leave "
            "weights and where out."
        )
        raise ValueError(msg)
    if X.by_columns:
        X, W, Ht = X.T, Ht, W
        chosen = Chosen(*(None if A is None else A.T for A in chosen))
    rows = WeightedRows(W, *(A.tocsr() if sp.issparse(A) else A for A in chosen))
    other = OtherFactor(Ht)
    terms = None
    if "quadratic" not in loss.provides:
        sums: ValueSums = X.run_pass(WeightedValue(values=False), rows, other)
        _refuse(sums, whom, signed)
        stats = Stats(sums.x, sums.x_squared, max(1, sums.n_entries))
        terms = loss.terms(_Scale(X, stats))
    sums = X.run_pass(WeightedValue(terms), rows, other)
    _refuse(sums, whom, signed)
    return sums.value if chosen.where is None else sums.value / sums.weight


def _refuse(sums: ValueSums, whom: str, signed: bool) -> None:
    """Refuse entries that count, but are NaN, negative, or weigh nothing together."""
    if sums.n_missing:
        msg = (
            f"X passed to {whom} is NaN in {sums.n_missing} of the entries that count. "
            "Give these the weight 0, e.g. by weights=~numpy.isnan(X), and leave them out "
            "of where."
        )
        raise ValueError(msg)
    if sums.n_negative and not signed:
        msg = (
            f"Negative values in data passed to {whom} (input X). Of the entries that "
            f"count, {sums.n_negative} are below 0; every one must be at least 0."
        )
        raise ValueError(msg)
    if not sums.weight > 0:
        msg = (
            f"The entries that are left for {whom} to count all have the weight 0. Choose "
            "one with a weight above 0 by `where`."
        )
        raise ValueError(msg)


class _Scale(Operand):
    """The dtype of X, and sums over some of its entries, for the floors of a loss."""

    def __init__(self, X: Operand, stats: Stats) -> None:
        self.dtype, self.shape, self._stats = X.dtype, X.shape, stats

    def stats(self) -> Stats:
        """Sums over the entries that count."""
        return self._stats
