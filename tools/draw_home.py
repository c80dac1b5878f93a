"""Draw the picture of the home page: images as sums of parts, and the time that a fit takes."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from nonneg import NMF

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "home.png"
PARTS = 4
"""Parts of each image that are drawn."""


def draw_sums(figure: Any) -> None:
    """Draw three digits, each beside its largest parts and their sum."""
    X, _ = load_digits(return_X_y=True)
    model = NMF(16, solver="auto", random_state=0, max_iter=1000)
    W, H = model.fit_transform(X), model.components_
    axes = figure.subplots(3, PARTS + 2)
    signs = ["≈", *"+" * (PARTS - 1), "…"]
    for row, i in zip(axes, (3, 4, 8), strict=True):
        largest = np.argsort(-W[i] * H.sum(axis=1))[:PARTS]
        images = [X[i], *(W[i, t] * H[t] for t in largest), W[i] @ H]
        for ax, image in zip(row, images, strict=True):
            ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
            ax.set(xticks=[], yticks=[])
        for ax, sign in zip(row[:-1], signs, strict=True):
            ax.annotate(
                sign, (1.2, 0.5), xycoords="axes fraction", ha="center", va="center"
            )
    titles = ["image", *[f"part {n}" for n in range(1, PARTS + 1)], "all 16"]
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title, fontsize="small")


def draw_times(figure: Any) -> None:
    """Draw how far both libraries are above the best objective, over time, as measured."""
    results = max((ROOT / "benchmarks" / "results").glob("*.json"))
    inputs = json.loads(results.read_text(encoding="utf-8"))["inputs"]
    (pbmc,) = [one for one in inputs if one["input"] == "pbmc"]
    theirs = next(r for r in pbmc["rows"] if r["contestant"] == "scikit-learn cd")
    seed = theirs["by_seed"].index(median(theirs["by_seed"]))
    runs = [run for run in pbmc["runs"] if run["seed"] == seed and not run["repeat"]]
    best = min(min(run["curve"]["objective"]) for run in runs)
    ax = figure.subplots()
    names = {"scikit-learn cd": "scikit-learn", "nonneg auto": "nonneg"}
    for run in runs:
        if run["contestant"] not in names:
            continue
        name = names[run["contestant"]]
        above = np.array(run["curve"]["objective"]) / best - 1
        colour = "#0072B2" if name == "nonneg" else "#D55E00"
        seen = above > 1e-5
        ax.loglog(np.array(run["curve"]["seconds"])[seen], above[seen], color=colour)
        place = -0.06 if name == "nonneg" else 0.06
        at = int(np.argmin(np.abs(np.log(above + 1e-9) - np.log(0.01))))
        ax.annotate(
            name, (run["curve"]["seconds"][at], above[at]), xytext=(140 * place, 4),
            textcoords="offset points", color=colour,
            ha="right" if place < 0 else "left",
        )  # fmt: skip
    ax.axhline(1e-3, color="0.4", linestyle="--", linewidth=0.9)
    ax.text(
        1.0,
        1.15e-3,
        "0.1 %",
        color="0.3",
        ha="right",
        transform=ax.get_yaxis_transform(),
    )
    ax.set(xlabel="time (s)", ylabel="objective above the best")
    ax.set_title("2,638 single cells × 13,713 genes, 20 components", fontsize="small")
    ax.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """Write the picture."""
    mpl.rcParams.update({"font.size": 9.5, "savefig.dpi": 160})
    figure = plt.figure(figsize=(9.6, 3.2), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.35, 1), wspace=0.04)
    draw_sums(left)
    draw_times(right)
    figure.savefig(TARGET)


if __name__ == "__main__":
    main()
