"""The text of a plan: a line for each decision, with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .memory_plan import size_text

WIDTH = 12
"""Width of the names before the decisions."""
PASSES = {
    "look": "for a first look",
    "start": "for the start",
    "sketch": "for the sketch",
    "iteration": "an iteration",
    "end": "at the end",
}
COPIES_OF_X = {
    "memory_of_sketch": "the sketch of X",
    "memory_of_single": "X in float32",
    "memory_of_row_copy": "the copy of X",
}
"""Uses of memory that grow with X, by the names of their facts."""


def plan_text(facts: Mapping[str, Any]) -> str:
    """Return the facts of `Plan.as_dict` as lines: a name, the decision and its reason."""
    kind = "sparse" if facts["sparse"] else "dense"
    n_components = facts["n_components"]
    title = (
        f"Plan: {facts['task']}, X {facts['n_samples']:,} × {facts['n_features']:,} "
        f"({kind} {facts['dtype']}), {n_components} component"
        f"{'s' if n_components > 1 else ''}, {facts['loss']} loss"
    )
    lines = {
        "solver": _choice(facts, "solver"),
        "sweeps": _choice(facts, "sweeps"),
        "blocks": _choice(facts, "blocks"),
        "start": _choice(facts, "start") + _several(facts["n_init"]),
        "compression": _choice(facts, "compression"),
        "precision": _choice(facts, "precision"),
        "X": _choice(facts, "reading") + _windows(facts),
        "weights": _weights(facts),
        "passes": _passes(facts),
        "end": _end(facts),
        "memory": _memory(facts),
        "W": _choice(facts, "W"),
        "threads": _threads(facts),
        "checkpoint": facts["checkpoint"] or "",
    }
    told = [f"{name:<{WIDTH}}{text}" for name, text in lines.items() if text]
    return "\n".join([title, *told])


def _choice(facts: Mapping[str, Any], name: str) -> str:
    """Return a decision with its reason, or "" where nothing had to be decided."""
    choice = facts["choices"].get(name)
    if choice is None:
        return ""
    value, reason = choice["value"], choice["reason"]
    if value is None or isinstance(value, bool):
        value = "yes" if value else "no"
    return f"{value}: {reason}" if reason else str(value)


def _several(n_init: int) -> str:
    return f"; {n_init - 1} more at random" if n_init > 1 else ""


def _windows(facts: Mapping[str, Any]) -> str:
    window = facts["choices"].get("window")
    if window is None:
        return ""
    size = size_text(min(window["value"], facts["bytes_of_X"]))
    return f"; {size} at a time: {window['reason']}"


def _weights(facts: Mapping[str, Any]) -> str:
    """Return what is missing or weighted, how that is treated, and what it takes."""
    choice = facts["choices"].get("weights")
    if choice is None or not choice["value"]:
        return ""
    text = _choice(facts, "weights")
    if facts["bytes_of_weights"]:
        text += f"; {size_text(facts['bytes_of_weights'])} for which entries they are"
    return text


def _passes(facts: Mapping[str, Any]) -> str:
    passes, steps = facts["passes"], facts["steps_per_pass"]
    texts = dict(PASSES)
    if steps > 1:
        texts["iteration"] = f"in {steps:,} iterations (a batch each)"
    told = [f"{passes[name]} {text}" for name, text in texts.items() if passes[name]]
    return f"{', '.join(told)}; {size_text(facts['bytes_of_X'])} each"


def _end(facts: Mapping[str, Any]) -> str:
    text = f"after {facts['max_iter']:,} iterations at most"
    if facts["tol"] > 0:
        text += f", or by tol={facts['tol']:g}"
    if facts["max_time"] is not None:
        text += f", or after {facts['max_time']:g} s"
    return text


def _memory(facts: Mapping[str, Any]) -> str:
    text = f"{size_text(facts['memory'])} at most"
    if facts["memory_limit"] is not None:
        text += f" of the {size_text(facts['memory_limit'])} that it may take"
    if facts["n_threads"] is None:
        text += " in this process, without what the workers take"
    factors = size_text(facts["memory_of_factors"])
    text += f"; {factors} of it for arrays of the size of W and H"
    for name, use in COPIES_OF_X.items():
        if facts[name]:
            text += f", {size_text(facts[name])} for {use}"
    return text


def _threads(facts: Mapping[str, Any]) -> str:
    if facts["n_threads"] is None:
        return "those of the workers"
    return _choice(facts, "threads")
