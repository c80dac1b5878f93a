"""Pictures of a rank selection and of a consensus.

Matplotlib is imported inside the functions. Each function draws into what the caller gives or
into a new figure, and returns it.
"""

from __future__ import annotations

import textwrap
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
WIDTH = 90
"""Characters of a line of the reason of a pick."""


def plot_rank_selection(selection: Any, ax: Any = None) -> Any:
    """Draw held-out errors over the ranks, with the pick and its reason.

    The bars are paired standard errors of the differences from the best rank, the thin lines
    single folds. Below are the errors on what was fitted, which would press the others flat on
    one axis, and the smallest silhouette where the selection has measures of stability.

    Parameters
    ----------
    selection : RankSelection
    ax : matplotlib Axes, default=None
        Axes of a grid of subplots, of whose place the strips below take a part; axes that are
        in no grid show the held-out errors alone.

    Returns
    -------
    ax : matplotlib Axes
        Those of the held-out errors.
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
    _limit_errors(ax, table["error"], selection.errors)
    ax.set_ylabel(f"mean loss per entry\n({selection.loss})")
    reason = textwrap.fill(selection.reason, WIDTH)
    ax.set_title(f"Rank selection ({selection.method})\n{reason}", fontsize="small")
    least = table.get("silhouette_min")
    strips = [ax, *_strips_below(ax, 1 if least is None else 2)]
    if len(strips) > 1:
        strips[1].plot(ranks, table["train"], "o--", color=ORANGE, markersize=3)
        strips[1].set_ylabel("fitted to")
    if len(strips) > 2:
        strips[2].plot(ranks, least, "s-.", color=GREEN, markersize=3)
        strips[2].set_ylim(min(0.0, np.nanmin(least)) - 0.05, 1.05)
        strips[2].set_ylabel("least\nsilhouette")
    for strip in strips:
        strip.axvline(
            selection.n_components, color="0.4", linestyle=":",
            label=f"pick: {selection.n_components} ({selection.status})",
        )  # fmt: skip
        strip.tick_params(labelbottom=strip is strips[-1])
    strips[-1].set_xlabel("components")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(fontsize="small")
    return ax


def _strips_below(ax: Any, count: int) -> list[Any]:
    """Divide the place of axes in a grid, a third as high for each strip below."""
    place = ax.get_subplotspec()
    if place is None:
        return []
    grid = place.subgridspec(count + 1, 1, height_ratios=[3] + [1] * count, hspace=0.05)
    ax.set_subplotspec(grid[0])
    return [ax.figure.add_subplot(grid[1 + t], sharex=ax) for t in range(count)]


def _limit_errors(ax: Any, errors: Any, of_folds: Any) -> None:
    """Leave out of sight what a rank with an exploded error would compress to a line."""
    finite = errors[np.isfinite(errors)]
    low, first = finite.min(), errors[0]
    high = max(1.5 * low, first) if np.isfinite(first) else 1.5 * low
    if np.nanmax(of_folds) > low + 3 * (high - low):
        ax.set_ylim(low - 0.3 * (high - low), low + 1.5 * (high - low))


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
    ax.xaxis.get_major_locator().set_params(nbins=3)
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
