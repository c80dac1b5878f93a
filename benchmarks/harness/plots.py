"""The picture of a benchmark: distance from the best objective against time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

STYLES = {
    "nonneg hals": ("#0072B2", "o"),
    "nonneg cd": ("#56B4E9", "s"),
    "nonneg bpp": ("#004466", "D"),
    "nonneg auto": ("#6A5ACD", "P"),
    # of another loss, never in one picture with those above
    "nonneg sn": ("#0072B2", "o"),
    "nonneg mu": ("#56B4E9", "s"),
    "nonneg mu accelerated": ("#004466", "D"),
    "scikit-learn cd": ("#D55E00", "^"),
    "scikit-learn mu": ("#E69F00", "v"),
    "scikit-learn MiniBatchNMF": ("#CC79A7", "<"),
}
"""Colour and marker by contestant; they differ in lightness too."""
OTHERS = [("#009E73", "X"), ("#999933", ">"), ("#882255", "*"), ("#555555", "d")]
FLOOR = 1e-6
"""Distances below are drawn here: the best run ends at zero."""


def _points(curve: dict[str, list[float]], best: float) -> tuple[Any, Any]:
    """Seconds and distance of the best so far, cut where the distance reaches FLOOR."""
    t = np.asarray(curve["seconds"])
    gap = np.minimum.accumulate(np.asarray(curve["objective"])) / best - 1
    below = np.flatnonzero(gap <= FLOOR)
    end = below[0] + 1 if below.size else len(gap)
    return t[:end], np.maximum(gap[:end], FLOOR)


def draw(result: dict[str, Any], folder: Path) -> Path:
    """Draw one input's curves into `folder`; return the file's path."""
    runs = [run for run in result["runs"] if run["repeat"] == 0]
    best: dict[int, float] = {}
    for run in runs:
        lowest = min(run["curve"]["objective"])
        best[run["seed"]] = min(best.get(run["seed"], np.inf), lowest)
    figure, ax = plt.subplots(figsize=(7.2, 4.6), layout="constrained")
    others = iter(OTHERS * 3)
    styles: dict[str, tuple[str, str]] = {}
    for run in runs:
        name = run["contestant"]
        label = None if name in styles else name
        if name not in styles:
            styles[name] = STYLES.get(name) or next(others)
        colour, marker = styles[name]
        t, gap = _points(run["curve"], best[run["seed"]])
        first = run["seed"] == 0
        ax.plot(
            t,
            gap,
            color=colour,
            alpha=1.0 if first else 0.35,
            linewidth=2.0 if first else 1.0,
            marker=marker if first or len(t) == 1 else None,
            markersize=5.5,
            markevery=max(1, len(t) // 8),
            label=label,
            zorder=3 if first else 2,
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(bottom=0.6 * FLOOR)
    ax.axhline(1e-3, color="0.35", linewidth=1, linestyle="--", zorder=1)
    ax.annotate(
        "target: 0.1 % above the best",
        (0.01, 1e-3),
        xycoords=("axes fraction", "data"),
        xytext=(0, -4),
        textcoords="offset points",
        va="top",
        fontsize=8,
        color="0.35",
    )
    ax.grid(True, which="major", color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.set_xlabel("seconds")
    ax.set_ylabel("objective / best − 1")
    stand_in = " (stand-in)" if result["stand-in"] else ""
    ax.set_title(
        f"{result['input']}{stand_in}: {result['matrix']}, k = {result['k']}",
        fontsize=10,
        loc="left",
    )
    ax.legend(frameon=False, fontsize=9)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result['input']}.png"
    figure.savefig(path, dpi=100)
    plt.close(figure)
    return path
