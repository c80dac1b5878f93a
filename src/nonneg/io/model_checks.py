"""The check that the parts of a fitted model agree, before it is saved and after loading."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..base.constraint import takes_any_sign
from ..base.interfaces import State
from ..estimators.joint_nmf import JointNMF
from ..estimators.symmetric_nmf import SymmetricNMF
from .model_archive import HISTORY, NAMES

COUNTS = ("n_components_", "n_features_in_", "n_iter_", "n_steps_")
"""Attributes that count something."""
NEEDED = {
    "NMF": ("n_components_", "n_features_in_", "n_iter_", "history_", "stop_reason_",
            "reconstruction_err_", "solver_"),
    "MiniBatchNMF": ("n_components_", "n_features_in_", "n_steps_"),
    "SymmetricNMF": ("n_components_", "n_features_in_", "n_iter_", "history_",
                     "stop_reason_", "reconstruction_err_", "embedding_", "labels_"),
    "JointNMF": ("n_components_", "n_iter_", "history_", "stop_reason_",
                 "reconstruction_err_", "reconstruction_errs_", "embeddings_",
                 "specific_", "dataset_weights_"),
}  # fmt: skip
"""Attributes that each model has after any fit, besides its components."""
MEASURES = "measures"
"""Field of a state whose shape is its own."""
TEXTS = ("stop_reason_", "solver_")


def find_fault(model: Any) -> str | None:
    """Return how the parts of a model contradict each other, or None."""
    attributes = vars(model)
    for name in NEEDED[type(model).__name__]:
        if name not in attributes:
            return f"it has no {name}; fit it first"
    fault = _find_odd_value(attributes)
    if fault is not None:
        return fault
    if isinstance(model, JointNMF):
        return _find_odd_data_set(model)
    H = model.components_
    shape = (model.n_components_, model.n_features_in_)
    fault = _find_odd_factor("components", H, shape, takes_any_sign(model))
    if fault is not None:
        return fault
    names = attributes.get(NAMES)
    if names is not None and np.shape(names) != (H.shape[1],):
        return f"it has {H.shape[1]} features, but {np.size(names)} names"
    if isinstance(model, SymmetricNMF):
        labels = np.asarray(model.labels_)
        if labels.shape != (H.shape[1],) or labels.dtype.kind != "i":
            return f"its labels have shape {labels.shape} and dtype {labels.dtype}"
        return _find_odd_factor("embeddings", model.embedding_, shape[::-1])
    return _find_odd_state(attributes.get("_state"), H)


def _find_odd_factor(
    what: str, A: Any, shape: tuple[int, int], any_sign: bool = False
) -> str | None:
    """Return how a factor differs from a finite one of this shape, or None."""
    if not isinstance(A, np.ndarray):
        return f"its {what} are a {type(A).__name__}, not an array"
    if A.dtype not in (np.float32, np.float64) or A.shape != shape:
        return (
            f"its {what} have shape {A.shape} and dtype {A.dtype}, not {shape} and "
            "float32 or float64"
        )
    ends = A.min(), A.max()
    if not all(map(math.isfinite, ends)) or (ends[0] < 0 and not any_sign):
        return f"its {what} are not all finite and non-negative"
    return None


def _find_odd_data_set(model: JointNMF) -> str | None:
    """Return how the factors of the data sets contradict each other, or None."""
    by_rows = model.shared == "H"
    if not by_rows and model.shared != "W":
        return f"its parameter 'shared' is {model.shared!r}"
    whole, parts = model.components_, model.embeddings_
    if not by_rows:
        whole, parts = parts, whole
    if not isinstance(whole, np.ndarray) or whole.ndim != 2:
        return f"its shared factor is no matrix but a {type(whole).__name__}"
    n, k = len(model.specific_), model.n_components_
    for name, values in (
        ("dataset_weights_", model.dataset_weights_),
        ("reconstruction_errs_", model.reconstruction_errs_),
    ):
        if np.shape(values) != (n,) or not np.isfinite(values).all():
            return f"its {name} are not {n} numbers, one for each data set"
    if not isinstance(parts, list) or len(parts) != n:
        return f"it has factors of {len(parts)} data sets and specific parts of {n}"
    width = whole.shape[1 if by_rows else 0]
    shape = (k, width) if by_rows else (width, k)
    for what, A in [
        ("shared factors", whole),
        *(("specific parts", V) for V in model.specific_),
    ]:
        fault = _find_odd_factor(what, A, shape)
        if fault is not None:
            return fault
    for A in parts:
        rows = np.shape(A)[0 if by_rows else -1] if np.ndim(A) == 2 else 0
        fault = _find_odd_factor("factors", A, (rows, k) if by_rows else (k, rows))
        if fault is not None:
            return fault
    return None


def _find_odd_value(attributes: dict[str, Any]) -> str | None:
    """Return which number, text or history is not of the kind that a fit sets."""
    for name in COUNTS:
        number = attributes.get(name, 1)
        is_integer = isinstance(number, int | np.integer)
        if isinstance(number, bool) or not is_integer or number < 0:
            return f"its {name} is {number!r}"
    for name in TEXTS:
        if not isinstance(attributes.get(name, ""), str):
            return f"its {name} is {attributes[name]!r}"
    error = attributes.get("reconstruction_err_", 0.0)
    if isinstance(error, bool) or not isinstance(error, float | int | np.floating):
        return f"its reconstruction_err_ is {error!r}"
    history = attributes.get(HISTORY, {})
    if not isinstance(history, dict):
        return f"its history is a {type(history).__name__}"
    columns = {name: np.asarray(column) for name, column in history.items()}
    for name, column in columns.items():
        if column.ndim != 1 + (name == "objectives") or column.dtype.kind not in "iuf":
            return (
                f"its history has {name!r} of shape {column.shape} and {column.dtype}"
            )
    if len({len(column) for column in columns.values()}) > 1:
        return "the columns of its history are not equally long"
    return None


def _find_odd_state(state: Any, H: Any) -> str | None:
    """Return how the state of an online model contradicts its components, or None."""
    if state is None:
        return None
    if not isinstance(state, State):
        return f"its state is a {type(state).__name__}"
    k, n_features = H.shape
    shapes = {(n_features, k), (k, k), (0, k)}
    if np.shape(state.Ht) != (n_features, k) or state.Ht.dtype != H.dtype:
        return f"its state belongs to components of shape {np.shape(state.Ht)[::-1]}"
    if isinstance(state.n_iter, bool) or not isinstance(state.n_iter, int):
        return f"its state counts {state.n_iter!r} steps"
    for name, value in vars(state).items():
        if isinstance(value, np.ndarray) and name != MEASURES:
            fits = value.shape in shapes if value.ndim == 2 else value.ndim == 1
            if not fits or value.dtype.kind not in "biuf":
                return (
                    f"its state has {name!r} of shape {value.shape} and {value.dtype}"
                )
    return None
