"""The command `info`: what a model file holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..analysis import joint_report, report
from ..estimators.joint_nmf import JointNMF
from ..io.model_files import load, read_contents
from .commands import app
from .errors import PlainCommand
from .options import Json, Model, Top
from .results import format_report, to_json
from .terminal import echo, measure_width


@app.command(cls=PlainCommand)
def info(
    model_file: Model,
    top: Top = 8,
    as_json: Json = False,
) -> None:
    """Show what a model file holds."""
    header = read_contents(model_file).header
    model = load(model_file)
    notes, params = header["notes"], header["params"]
    if isinstance(model, JointNMF):
        summary: Any = joint_report.summarize_joint(model)
        tables = joint_report.list_joint_components(model, top)
        # components of all data sets are one list, those of views one for each
        components: Any = tables[0] if model.shared == "H" else tables
        text = joint_report.format_joint(summary, tables, measure_width())
    else:
        shares = notes.get("shares")
        if shares is not None and len(shares) != model.n_components_:
            shares = None
        summary = _read_summary(notes) or report.summarize(model)
        components = report.list_components(model, shares=shares, n_top=top)
        text = format_report(summary, components)
    if as_json:
        keys = ("format_version", "nonneg_version", "class", "left_out")
        facts = {"model": str(model_file), **{key: header[key] for key in keys}}
        facts["data"] = notes.get("data")
        facts["params"] = {name: _as_strict(value) for name, value in params.items()}
        echo(to_json("info", facts, summary, components))
        return
    origin = f", fitted to {notes['data']}" if "data" in notes else ""
    echo(f"{header['class']} of nonneg {header['nonneg_version']}{origin}")
    defaults = type(model)().get_params()
    changed = [f"{k}={v!r}" for k, v in params.items() if v != defaults[k]]
    echo(f"Parameters: {', '.join(changed) or 'all default'}\n")
    echo(text)


def _as_strict(value: Any) -> Any:
    """Return NaN and infinity as texts, which strict JSON lacks; null stands for None."""
    is_odd = isinstance(value, float) and not math.isfinite(value)
    return str(value) if is_odd else value


def _read_summary(notes: Mapping[str, Any]) -> report.FitSummary | None:
    """Return the summary that `fit` left in the file, if it did."""
    try:
        return report.FitSummary(**notes["summary"])
    except (KeyError, TypeError):
        return None
