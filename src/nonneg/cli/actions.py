"""Actions of the commands: fits, transforms and checks, without options and printing."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from ..analysis import report
from ..base.missing import UNSTORED
from ..estimators.nmf import NMF
from ..fitting.plan_checks import require_pair
from ..io.readers import Table
from ..kernels.factor_rows import to_caller
from ..losses.beta import make_loss
from ..operands.registration import is_operand

AT_ONCE = 1 << 20
"""Entries of W·H that `impute` makes at a time."""

Say = Callable[[str], None]
"""A function that writes a line to standard error."""


@dataclass(frozen=True)
class CompletedFit:
    """A fitted model with the results that a command reports."""

    model: NMF
    W: NDArray[Any]
    summary: report.FitSummary
    shares: NDArray[np.float64]
    interrupted: bool


def check_parameters(model: NMF) -> None:
    """Refuse wrong parameters before a long file is read for nothing.

    Raises
    ------
    ValueError
        If the fit would refuse the parameters.
    """
    parameters = model._parameters()
    require_pair(parameters, make_loss(parameters.beta_loss))


def name_features(table: Table, path: Path) -> Table:
    """Return the table with the lines of a text file as names of its columns.

    Raises
    ------
    ValueError
        If there is not one line for each column.
    """
    names = path.read_text(encoding="utf-8-sig").splitlines()
    if len(names) != table.X.shape[1]:
        msg = (
            f"{str(path)!r} has {len(names)} lines, but the matrix has "
            f"{table.X.shape[1]} columns; it needs one name a line."
        )
        raise ValueError(msg)
    return replace(table, column_names=names)


def fit(
    model: NMF,
    table: Table,
    say: Say,
    sample_weight: NDArray[np.float64] | None = None,
) -> CompletedFit:
    """Fit a model to a table; Ctrl-C ends the fit, and keeps the best factors so far.

    Parameters
    ----------
    model : NMF
        The model, which is fitted in place. Its callback is removed afterwards.
    table : Table
    say : callable
        Called with a line for each warning.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows.

    Raises
    ------
    KeyboardInterrupt
        If interrupted before the end of the first iteration.
    """
    start = time.perf_counter()
    interrupted = False
    with report_warnings(say):
        try:
            W = model.fit_transform(table.X, sample_weight=sample_weight)
        except KeyboardInterrupt as interrupt:
            result = vars(interrupt).get("result")
            if result is None or result.n_iter == 0:
                raise
            W, interrupted = to_caller(result.W), True
    seconds = time.perf_counter() - start
    model.callback = None
    if table.column_names is not None:
        model.feature_names_in_ = np.array(table.column_names, dtype=object)
    summary = report.summarize(
        model,
        n_samples=table.X.shape[0],
        norm=_norm_beside(model, table, sample_weight),
        seconds=seconds,
    )
    shares = report.component_shares(W, model.components_)
    return CompletedFit(model, W, summary, shares, interrupted)


def _norm_beside(model: NMF, table: Table, sample_weight: Any) -> float | None:
    """Return the norm that the error of a fit is a share of, if it is known."""
    in_parts = is_operand(table.X) and model.missing_values is not None
    if sample_weight is not None or in_parts:
        return None
    return report.frobenius_norm(table.X)


def impute(model: NMF, table: Table, say: Say) -> tuple[Any, int]:
    """Return the matrix with its missing entries filled, and their number.

    The columns are put into the order of the features of the model, whose `missing_values`
    say what is missing; where it has none, NaN is.
    """
    X = align_columns(model, table)
    if is_operand(X):
        msg = (
            "impute needs the matrix in memory, and this one is read in parts. Raise "
            "--memory-limit to read it whole."
        )
        raise ValueError(msg)
    if model.missing_values is None:
        model.set_params(missing_values=np.nan)
    W = transform(model, replace(table, X=X), say)
    if sp.issparse(X) and model.missing_values == UNSTORED:
        stored = X.tocoo()
        filled = W @ model.components_
        filled[stored.coords] = stored.data
        return filled, filled.size - X.nnz
    filled = np.array(X.toarray() if sp.issparse(X) else X, dtype=W.dtype)
    missing = filled == 0 if model.missing_values == 0 else np.isnan(filled)
    rows = max(1, AT_ONCE // max(1, filled.shape[1]))
    for start in range(0, len(filled), rows):
        part = slice(start, start + rows)
        product = W[part] @ model.components_
        filled[part][missing[part]] = product[missing[part]]
    return filled, int(np.count_nonzero(missing))


def transform(model: NMF, table: Table, say: Say) -> NDArray[Any]:
    """Transform a table, its columns put into the order of the features of the model."""
    X = align_columns(model, table)
    with report_warnings(say):
        # the names were compared above, also where X is an array without names
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        W: NDArray[Any] = model.transform(X)
    model.callback = None
    return W


def align_columns(model: NMF, table: Table) -> Any:
    """Return X with its columns in the order of the features of the model."""
    n_features = model.n_features_in_
    if table.X.shape[1] != n_features:
        msg = (
            f"The matrix has {table.X.shape[1]} columns, but the model was fitted with "
            f"{n_features} features. Pass a matrix with the columns of the fit."
        )
        raise ValueError(msg)
    expected = report.fitted_names(model)
    names = table.column_names
    if expected is None or names is None or expected == names:
        return table.X
    place = {name: j for j, name in enumerate(names)}
    missing = [name for name in expected if name not in place]
    if missing:
        msg = (
            f"The model was fitted with other features: {len(missing)} of its "
            f"{n_features} are no column of the matrix, such as {missing[0]!r}."
        )
        raise ValueError(msg)
    if len(place) < n_features:
        twice = next(name for j, name in enumerate(names) if place[name] != j)
        msg = (
            f"Two columns of the matrix are named {twice!r}; their order is not known. "
            "Name them apart."
        )
        raise ValueError(msg)
    if is_operand(table.X) and table.X.in_parts:
        msg = (
            "The columns of the matrix are in another order than those of the model, and "
            "a matrix that is read in parts stays as it is. Raise --memory-limit to read "
            "it whole."
        )
        raise ValueError(msg)
    return table.X[:, [place[name] for name in expected]]


@contextmanager
def report_warnings(say: Say) -> Iterator[None]:
    """Say each warning of the block in one line when the block ends."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            lines = dict.fromkeys(_format_warning(warning) for warning in caught)
    for line in lines:
        say(f"Warning: {line}")


def _format_warning(warning: Any) -> str:
    if issubclass(warning.category, ConvergenceWarning):
        return (
            "not converged when --max-iter was reached; allow more iterations by "
            "--max-iter or less accuracy by --tol."
        )
    return str(warning.message)


def to_plain(value: Any) -> Any:
    """Return a value of strict JSON: NaN and infinity as None, NumPy numbers as Python's."""
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [to_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
