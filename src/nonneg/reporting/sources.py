"""The inputs of a report: the model with what belongs to it, names, shapes, W."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ..analysis import report as tables
from ..estimators.joint_nmf import JointNMF
from ..estimators.symmetric_nmf import SymmetricNMF
from ..fitting.preparation import prepare_X
from ..operands.registration import as_operand
from ..stores.anndata_store import matrix_in_memory
from ..stores.read_errors import is_instance
from .facts import View


@dataclass(frozen=True)
class Source:
    """A fitted model, with its W, rank selection and consensus where they are known."""

    model: Any
    W: Any
    ranks: dict[str, Any] | None
    consensus: dict[str, Any] | None


def read_model(model: Any, W: Any, rank: Any, notes: dict[str, Any]) -> Source:
    """Return the NMF in a model, with what an `NMFCV` or a `Consensus` brings along.

    Raises
    ------
    TypeError
        If the model has several data sets.
    ValueError
        If `rank` is no rank selection.
    """
    if isinstance(model, JointNMF):
        msg = (
            "A report is about one matrix, but a JointNMF is a model of several data sets. "
            "Pass an NMF of one of them, or see `nonneg info` of the saved model."
        )
        raise TypeError(msg)
    consensus = notes.get("consensus")
    values = vars(model)
    if isinstance(model, SymmetricNMF) and "embedding_" in values:
        W = values["embedding_"] if W is None else W
    if "share_of_runs" in values and "model" in values:
        W = values["W"] if W is None else W
        consensus = {
            "n_runs": len(model.spectra),
            "dropped": float(1 - model.kept.mean()),
            "silhouette": model.silhouette.tolist(),
            "share_of_runs": model.share_of_runs.tolist(),
            "dispersion": model.dispersion,
            "cophenetic": model.cophenetic,
        }
        model = values["model"]
    if "selection_" in values and "estimator_" in values:
        rank = values["selection_"] if rank is None else rank
        model = values["estimator_"]
    check_is_fitted(model, "components_")
    return Source(model, W, _read_rank(rank), consensus)


def _read_rank(rank: Any) -> dict[str, Any] | None:
    if isinstance(rank, str | os.PathLike):
        try:
            rank = json.loads(Path(rank).read_text(encoding="utf-8"))
        except ValueError:
            rank = {}
    elif rank is not None and not isinstance(rank, dict):
        rank = rank.as_dict()
    if rank is None:
        return None
    if not {"table", "n_components", "reason"} <= rank.keys():
        msg = (
            "This is no rank selection; pass one, or the JSON file that its `save` or "
            "`nonneg rank -o` writes."
        )
        raise ValueError(msg)
    selection: dict[str, Any] = rank
    return selection


def names_of(
    X: Any, columns: Iterable[str] | None, rows: Iterable[str] | None
) -> tuple[list[str] | None, list[str] | None]:
    """Return the caller's names of columns and rows, or else those of a DataFrame or AnnData."""
    if is_instance(X, "anndata", "AnnData"):
        columns = X.var_names if columns is None else columns
        rows = X.obs_names if rows is None else rows
    elif is_instance(X, "pandas", "DataFrame"):
        columns = X.columns if columns is None else columns
        rows = X.index if rows is None else rows
    return (
        None if columns is None else [str(name) for name in columns],
        None if rows is None else [str(name) for name in rows],
    )


def find_W(source: Source, X: Any) -> NDArray[Any] | None:
    """Return W: that of the caller, or what the model computes from X; None without both.

    Raises
    ------
    ValueError
        If W has another number of columns than the model has components.
    """
    k = source.model.components_.shape[0]
    W = source.W
    if W is None:
        if X is None:
            return None
        W = source.model.transform(X)
    W = np.asarray(W)
    if W.ndim != 2 or W.shape[1] != k:
        msg = f"W has shape {W.shape}; it must be (n_samples, {k})."
        raise ValueError(msg)
    return W


def make_view(
    model: Any,
    features: Sequence[str] | None,
    rows: Sequence[str] | None,
    W: NDArray[Any] | None,
    n_top: int,
    image_shape: tuple[int, int] | None,
    axis: Any,
) -> View:
    """Return names and shapes that fit the model.

    Raises
    ------
    ValueError
        If names, image or axis do not fit the model.
    """
    n_features = model.components_.shape[1]
    names = tables.label_features(model, features)
    n_rows = 0 if W is None else len(W)
    if rows is None:
        rows = [f"row {i}" for i in range(n_rows)]
    elif W is not None and len(rows) != n_rows:
        msg = f"There are {n_rows} rows, but {len(rows)} names of rows; pass one for each."
        raise ValueError(msg)
    if image_shape is not None and np.prod(image_shape) != n_features:
        msg = (
            f"image_shape={image_shape} has {np.prod(image_shape)} pixels, but the model "
            f"has {n_features} features; pass height and width of the images."
        )
        raise ValueError(msg)
    if axis is not None:
        axis = np.arange(n_features) if axis is True else np.asarray(axis)
        axis = axis.astype(np.float64)
        if axis.shape != (n_features,):
            msg = (
                f"axis has shape {axis.shape}; it must have a number for each of the "
                f"{n_features} features, or be True."
            )
            raise ValueError(msg)
    return View(names, [str(row) for row in rows], n_top, image_shape, axis)


def open_rows(X: Any, missing: Any) -> Any:
    """Return the operand of X, or a Dask array itself; entries that are missing may be NaN."""
    if is_instance(X, "dask.array", "Array"):
        return X
    if missing is None:
        return prepare_X(X, None, "report")
    X = matrix_in_memory(X)
    if is_instance(X, "pandas", "DataFrame"):
        X = X.to_numpy(np.float64, na_value=np.nan)
    return as_operand(X)
