"""The results of commands as text: a report, or one JSON object."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..analysis import report
from ..analysis.joint_report import JointSummary
from . import actions
from .terminal import measure_width


def format_report(
    summary: report.FitSummary, components: list[report.Component]
) -> str:
    """Return a summary and a table of components."""
    table = report.format_components(components, measure_width())
    return f"{report.format_summary(summary)}\n\n{table}"


def describe_fit(
    done: actions.CompletedFit,
    data: Path,
    places: Sequence[Path | None],
    top: int,
    as_json: bool,
) -> str:
    """Return what `fit` prints, after it has written model and W to `places`."""
    output, save_w = places
    components = report.list_components(done.model, shares=done.shares, n_top=top)
    if not as_json:
        text = format_report(done.summary, components)
        return f"{text}\n\nModel written to {output}"
    facts = {"data": str(data), "model": str(output)}
    if save_w is not None:
        facts["W"] = str(save_w)
    return to_json("fit", facts, done.summary, components)


def describe_interrupt(
    wanted: Sequence[Path | None], places: Sequence[Path | None]
) -> str:
    """Return the sentence about an interrupted fit, which was written to `places`."""
    kept = [str(a) for a, b in zip(wanted, places, strict=True) if a != b]
    text = f"Interrupted; {places[0]} holds the model found so far"
    if kept:
        text += (
            f", and {' and '.join(kept)} {'is' if len(kept) == 1 else 'are'} as before"
        )
    return f"{text}."


def to_json(
    command: str,
    facts: Mapping[str, Any],
    summary: report.FitSummary | JointSummary | None = None,
    components: Sequence[Any] | None = None,
) -> str:
    """Return the results of a command as one JSON object.

    `components` are `report.Component`, or a list of them for each view.
    """
    whole = {"command": command, **facts}
    if summary is not None:
        whole |= summary.as_dict()
    if components is not None:
        whole["components"] = [
            [dataclasses.asdict(each) for each in one]
            if isinstance(one, list)
            else dataclasses.asdict(one)
            for one in components
        ]
    return json.dumps(actions.to_plain(whole), allow_nan=False)
