"""Pictures of a rank selection and of a consensus.

Matplotlib is imported inside the functions. Each function draws into what the caller gives or
into a new figure, and returns it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from ..analysis.figures import BLUE, COLOURS, GREEN, ORANGE, get_axes, make_figure
from .matching import unit_rows
from .stability import Vector, cosine_distances

MOST_SPECTRA = 1000
"""Most spectra that a picture of distances shows."""
BARS = 20
"""Bars of the histogram of densities."""


def plot_rank_selection(selection: Any, ax: Any = None) -> Any:
    """Draw held-out and training errors over the ranks, with the pick.

    The bars are paired standard errors of the differences from the best rank. Where the
    selection has measures of stability, the smallest silhouette is drawn on a second axis.

    Parameters
    ----------
    selection : RankSelection
    ax : matplotlib Axes, default=None

    Returns
    -------
    ax : matplotlib Axes
    """
    ax = get_axes(ax)
    table = selection.table
    ranks = table["rank"]
    for errors in selection.errors:
        ax.plot(ranks, errors, color=BLUE, alpha=0.25, linewidth=0.8)
    ax.errorbar(
        ranks, table["error"], yerr=np.nan_to_num(table["paired_se"]), color=BLUE,
        marker="o", markersize=4, capsize=3, label="held out, ± paired standard error",
    )  # fmt: skip
    ax.plot(ranks, table["train"], color=ORANGE, linestyle="--", label="fitted to")
    ax.axvline(
        selection.n_components, color="0.4", linestyle=":",
        label=f"pick: {selection.n_components} ({selection.status})",
    )  # fmt: skip
    _limit_errors(ax, table)
    ax.set_xlabel("components")
    ax.set_ylabel(f"mean loss per entry ({selection.loss})")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_title(f"Rank selection ({selection.method})")
    handles, labels = ax.get_legend_handles_labels()
    if "silhouette_min" in table:
        other = ax.twinx()
        other.plot(
            ranks, table["silhouette_min"], color=GREEN, marker="s", markersize=3,
            linestyle="-.", label="least silhouette",
        )  # fmt: skip
        least = np.nanmin(table["silhouette_min"])
        other.set_ylim(min(0.0, least) - 0.05, 1.05)
        other.set_ylabel("least silhouette", color=GREEN)
        other.tick_params(axis="y", labelcolor=GREEN)
        more, texts = other.get_legend_handles_labels()
        handles, labels = handles + more, labels + texts
    ax.legend(
        handles, labels, fontsize="small", ncol=2, loc="upper center",
        bbox_to_anchor=(0.5, -0.13),
    )  # fmt: skip
    return ax


def _limit_errors(ax: Any, table: dict[str, Any]) -> None:
    """Leave out of sight what a rank with an exploded error would compress to a line."""
    values = np.concatenate([table["error"], table["train"]])
    values = values[np.isfinite(values)]
    low = values.min()
    best, first = np.nanmin(table["error"]), table["error"][0]
    high = max(2 * best - low, first) if np.isfinite(first) else 2 * best - low
    if values.max() > low + 3 * (high - low):
        ax.set_ylim(low - 0.1 * (high - low), low + 1.5 * (high - low))


def plot_consensus(consensus: Any, figure: Any = None) -> Any:
    """Draw the distances between the runs' spectra, their densities, and the silhouettes.

    Parameters
    ----------
    consensus : Consensus
    figure : matplotlib Figure, default=None

    Returns
    -------
    figure : matplotlib Figure
    """
    if figure is None:
        figure = make_figure(layout="constrained", figsize=(10, 4))
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.3, 1, 1))
    _draw_distances(left, consensus)
    _draw_densities(middle, consensus)
    _draw_silhouettes(right, consensus)
    return figure


def _draw_distances(ax: Any, consensus: Any) -> None:
    spectra = consensus.spectra.reshape(-1, consensus.spectra.shape[2])
    cluster = consensus.cluster.ravel()
    chosen = np.flatnonzero(cluster >= 0)
    if len(chosen) > MOST_SPECTRA:
        chosen = chosen[np.linspace(0, len(chosen) - 1, MOST_SPECTRA).astype(int)]
    distances = cosine_distances(unit_rows(spectra[chosen]))
    order = _order(distances, cluster[chosen])
    image = ax.imshow(
        distances[np.ix_(order, order)], cmap=COLOURS, vmin=0, vmax=1,
        interpolation="nearest",
    )  # fmt: skip
    ax.figure.colorbar(image, ax=ax, label="cosine distance", shrink=0.8)
    bounds = np.flatnonzero(np.diff(cluster[chosen][order])) + 0.5
    for bound in bounds:
        ax.axhline(bound, color="white", linewidth=0.6)
        ax.axvline(bound, color="white", linewidth=0.6)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(f"{len(chosen)} spectra, by component")


def _order(distances: Vector, cluster: Any) -> Any:
    """Return the spectra cluster by cluster, in each of them like beside like."""
    order: list[int] = []
    for t in np.unique(cluster):
        members = np.flatnonzero(cluster == t)
        if len(members) > 2:
            inner = squareform(distances[np.ix_(members, members)], checks=False)
            members = members[leaves_list(linkage(inner, "average"))]
        order += members.tolist()
    return np.array(order)


def _draw_densities(ax: Any, consensus: Any) -> None:
    density, kept = consensus.density.ravel(), consensus.kept.ravel()
    edges = np.linspace(0, max(1e-3, density.max()) * 1.01, BARS + 1)
    ax.hist(density[kept], edges, color=BLUE, label="kept")
    if not kept.all():
        ax.hist(density[~kept], edges, color=ORANGE, hatch="//", label="dropped")
    ax.set_xlabel("mean distance to nearest")
    ax.set_ylabel("spectra")
    ax.set_title(f"{100 * (1 - kept.mean()):.1f} % dropped")
    ax.legend(fontsize="small")


def _draw_silhouettes(ax: Any, consensus: Any) -> None:
    k = len(consensus.silhouette)
    places = np.arange(k)
    ax.barh(places, consensus.silhouette, color=BLUE, label="silhouette")
    ax.plot(
        consensus.share_of_runs, places, "D", color=ORANGE, markersize=5,
        label="share of runs",
    )  # fmt: skip
    ax.set_xlim(min(0.0, consensus.silhouette.min()), 1.05)
    ax.set_yticks(places if k <= 30 else places[:: k // 15])
    ax.invert_yaxis()
    ax.set_ylabel("component")
    ax.set_title("Stability")
    ax.legend(fontsize="small", ncol=2, loc="upper center", bbox_to_anchor=(0.5, -0.06))


def plot_uncertainty(
    uncertainty: Any, feature_names: Any = None, n_top: int = 10, figure: Any = None
) -> Any:
    """Draw the largest entries of each component as bars, with their intervals.

    Parameters
    ----------
    uncertainty : Uncertainty
    feature_names : sequence of str, default=None
    n_top : int, default=10
    figure : matplotlib Figure, default=None

    Returns
    -------
    figure : matplotlib Figure
    """
    sure = uncertainty.components
    k, n_features = sure.mean.shape
    n_columns = min(k, 4)
    n_rows = -(-k // n_columns)
    if figure is None:
        size = (3 * n_columns, (0.22 * n_top + 0.9) * n_rows)
        figure = make_figure(layout="constrained", figsize=size)
    grid = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for t, ax in enumerate(grid):
        if t >= k:
            ax.set_axis_off()
            continue
        top = np.argsort(-sure.mean[t])[: min(n_top, n_features)]
        places = np.arange(len(top))
        ax.barh(places, sure.mean[t, top], color=BLUE, alpha=0.6)
        if np.isfinite(sure.low[t]).all():
            ax.hlines(places, sure.low[t, top], sure.high[t, top], color="black")
        names = [
            str(j) if feature_names is None else str(feature_names[j]) for j in top
        ]
        ax.set_yticks(places, names, fontsize="small")
        ax.invert_yaxis()
        ax.set_xlim(left=0)
        text = f"component {t}, matched {sure.matched[t]:.2f}"
        lost = "" if np.isfinite(sure.low[t]).all() else "\nnot found again"
        ax.set_title(text + lost, fontsize="small")
    return figure
