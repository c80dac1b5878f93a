"""Everything that a report says of a model, as plain values for its template."""

from __future__ import annotations

import inspect
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
import sklearn
from numpy.typing import NDArray

from ..analysis import report as tables
from ..solvers.registry import solvers
from .charts import draw_history, draw_image, draw_ranks, draw_spectrum
from .residuals import Residuals

MOST_ROWS = 50
"""Longest list of worst rows or features."""
SAMPLE = 240
"""Most rows of the picture of W."""
MOST_SPECTRA = 4000
"""Most features that a line of a component has a point for."""


@dataclass(frozen=True)
class View:
    """Names of features and rows, the shape of features, and how much is to be shown."""

    features: list[str]
    rows: list[str]
    n_top: int
    image_shape: tuple[int, int] | None = None
    axis: NDArray[np.float64] | None = None


def list_components(
    model: Any, W: NDArray[Any] | None, view: View, consensus: Any = None
) -> list[dict[str, Any]]:
    """Return the components, by their shares where W is known."""
    H = np.asarray(model.components_)
    shares = None if W is None else tables.component_shares(W, H)
    ranked = tables.list_components(
        model, shares=shares, feature_names=view.features, n_top=view.n_top
    )
    listed = []
    for one in ranked:
        t = one.component
        largest = one.top[0][1] if one.top else 1.0
        listed.append(
            {
                "number": t,
                "share": one.share,
                "total": one.total,
                "top": [
                    {
                        "name": name,
                        "weight": weight,
                        "part": weight / one.total,
                        "width": 100 * weight / largest,
                    }
                    for name, weight in one.top
                ],
                "words": " ".join(name for name, _ in one.top).lower(),
                "picture": _picture(H[t], view),
                "curve": _curve(H[t], view, str(t)),
                "rows": [] if W is None else _top_rows(W[:, t], view),
                "silhouette": None if consensus is None else consensus["silhouette"][t],
                "share_of_runs": None
                if consensus is None
                else consensus["share_of_runs"][t],
            }
        )
    return listed


def _picture(weights: NDArray[Any], view: View) -> str | None:
    if view.image_shape is None:
        return None
    return draw_image(weights.reshape(view.image_shape))


def _curve(weights: NDArray[Any], view: View, name: str) -> str | None:
    if view.axis is None:
        return None
    order = np.argsort(view.axis, kind="stable")
    if len(order) > MOST_SPECTRA:
        order = order[:: -(-len(order) // MOST_SPECTRA)]
    names = [view.features[j] for j in order]
    return draw_spectrum(weights[order], view.axis[order], names, name)


def _top_rows(column: NDArray[Any], view: View) -> list[dict[str, Any]]:
    order = np.argsort(-column, kind="stable")[: view.n_top]
    largest = float(column[order[0]]) if len(order) else 1.0
    return [
        {
            "name": view.rows[i],
            "weight": float(column[i]),
            "width": 100 * float(column[i]) / (largest or 1.0),
        }
        for i in order
        if column[i] > 0
    ]


def describe_rows(
    W: NDArray[Any], H: NDArray[Any], view: View, listed: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return how the rows use the components, with a picture of a sample of W."""
    # a component's part of a row of W·H, whatever the scales of W and H are
    parts = np.asarray(W, np.float64) * H.sum(axis=1, dtype=np.float64)
    sums = parts.sum(axis=1, keepdims=True)
    parts = np.divide(parts, sums, out=np.zeros_like(parts), where=sums > 0)
    strongest = parts.argmax(axis=1)
    order = [one["number"] for one in listed]
    uses = [
        {
            "number": t,
            "share": listed[place]["share"],
            "leads": int(((strongest == t) & (sums[:, 0] > 0)).sum()),
            "used": float((W[:, t] > 0).mean()),
            "mean": float(parts[:, t].mean()),
            "largest": float(parts[:, t].max()),
        }
        for place, t in enumerate(order)
    ]
    chosen = np.unique(np.linspace(0, len(W) - 1, min(SAMPLE, len(W))).astype(int))
    place_of = np.argsort(order)
    keys = (-parts[chosen, strongest[chosen]], place_of[strongest[chosen]])
    chosen = chosen[np.lexsort(keys)]
    sample = parts[chosen][:, order]
    return {
        "uses": uses,
        "picture": draw_image(sample.T),
        "shown": len(chosen),
        "n_rows": len(W),
        "map": {
            "rows": [view.rows[i] for i in chosen],
            "components": order,
            "percent": np.rint(100 * sample.T).astype(int).tolist(),
        },
    }


def describe_residuals(residuals: Residuals, view: View) -> dict[str, Any]:
    """Return the relative error, and the rows and features that are fitted worst."""
    return {
        "relative": residuals.relative,
        "rows": _worst(residuals.row_error, residuals.row_norm, view.rows),
        "features": _worst(
            residuals.column_error, residuals.column_norm, view.features
        ),
    }


def _worst(
    error: NDArray[np.float64], norm: NDArray[np.float64], names: Sequence[str]
) -> list[dict[str, Any]]:
    order = np.argsort(-error, kind="stable")[:MOST_ROWS]
    total = float(error @ error) or 1.0
    return [
        {
            "name": names[i],
            "error": float(error[i]),
            "part": float(error[i] ** 2) / total,
            "relative": float(error[i] / norm[i]) if norm[i] else None,
        }
        for i in order
        if error[i] > 0
    ]


def describe_history(model: Any) -> dict[str, Any] | None:
    """Return the course of the fit, or None where the model has none."""
    history = vars(model).get("history_")
    if not history or not len(history["objective"]):
        return None
    columns = {
        name: np.asarray(history[name], np.float64)
        for name in ("objective", "residual", "seconds")
        if name in history
    }
    n = len(columns["objective"])
    chosen = np.unique(np.linspace(0, n - 1, min(n, MOST_ROWS)).astype(int))
    curves = {
        name: y
        for name, y in columns.items()
        if name != "seconds" and np.any(np.isfinite(y) & (y > 0))
    }
    return {
        "chart": draw_history(curves) if curves else None,
        "names": list(columns),
        "rows": [
            [int(i) + 1, *(_known(column[i]) for column in columns.values())]
            for i in chosen
        ],
    }


def _known(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def describe_ranks(selection: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a rank selection, as `RankSelection.as_dict` gives it, with its chart."""
    if selection is None:
        return None
    table = {
        name: np.array([np.nan if v is None else v for v in column], np.float64)
        for name, column in selection["table"].items()
    }
    pick = int(selection["n_components"])
    return {
        "pick": pick,
        "reason": selection["reason"],
        "status": selection["status"],
        "chart": draw_ranks(table, pick),
        "names": list(table),
        "rows": [
            [_known(column[i]) for column in table.values()]
            for i in range(len(table["rank"]))
        ],
    }


def describe_model(model: Any) -> dict[str, Any]:
    """Return class, parameters, versions and the papers of a model."""
    from .. import __version__

    parameters = model.get_params(deep=False)
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(type(model)).parameters.items()
    }
    return {
        "class": type(model).__name__,
        "parameters": [
            {
                "name": name,
                "value": _short(value),
                "changed": repr(value) != repr(defaults.get(name)),
            }
            for name, value in parameters.items()
        ],
        "versions": {
            "nonneg": __version__,
            "NumPy": np.__version__,
            "SciPy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
            "Python": platform.python_version(),
        },
        "papers": cite_solver(str(vars(model).get("solver_", ""))),
    }


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def cite_solver(name: str) -> list[str]:
    """Return the references in the docstring of a solver."""
    if name not in solvers:
        return []
    text = inspect.getdoc(solvers[name]) or ""
    _, _, references = text.partition("References\n----------\n")
    entries = re.split(r"^\.\. \[\d+\] ", references, flags=re.MULTILINE)[1:]
    return [" ".join(entry.split()) for entry in entries]


def name_loss(model: Any) -> str:
    """Return the name of the loss of a model."""
    loss = model.get_params(deep=False).get("beta_loss", tables.FROBENIUS)
    return tables.name_loss(loss) if isinstance(loss, str | int | float) else str(loss)
