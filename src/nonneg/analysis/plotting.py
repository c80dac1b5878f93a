"""Pictures of a fit: its history, its components as bars or images, and its W.

Matplotlib is imported inside the functions. Each function draws into the axes of the
caller or into a new figure, and returns them. Showing, style and backend are left to the
caller.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .figures import BLUE, COLOURS, ORANGE, get_axes, make_figure
from .report import FROBENIUS, label_features, list_components, name_loss

LONGEST_LABEL = 22
"""Most characters of the name of a feature in a picture."""


def plot_history(
    model: Any, ax: Any = None, *, by: str = "sweeps", residual: bool = True
) -> Any:
    """Draw the objective and the residual of a fit over its sweeps or seconds.

    After several starts (`n_init`), a faint line shows the objective of each, and a full
    line the best objective.

    Parameters
    ----------
    model : NMF or mapping
        A fitted model, or its `history_`.
    ax : matplotlib Axes, default=None
        Axes to draw into; None makes a figure by `matplotlib.pyplot`.
    by : {"sweeps", "seconds"}, default="sweeps"
        The quantity of the horizontal axis.
    residual : bool, default=True
        Whether to draw the residual too, which the solver compares with `tol`; its axis
        is at the right.

    Returns
    -------
    ax : matplotlib Axes
        The axes of the objective; those of the residual are `ax.figure.axes[-1]`.

    Raises
    ------
    ValueError
        If the history is empty or `by` is neither name.
    ImportError
        If matplotlib is not installed.
    """
    is_history = isinstance(model, Mapping)
    history = model if is_history else model.history_
    if by not in ("sweeps", "seconds"):
        msg = f"`by` must be 'sweeps' or 'seconds'; got {by!r}."
        raise ValueError(msg)
    n_iter = len(history["objective"])
    if not n_iter:
        msg = (
            "The history is empty: the fit ended before its first sweep. Pass a model that "
            "was fitted with more time (`max_time`)."
        )
        raise ValueError(msg)
    ax = get_axes(ax)
    x = np.arange(1, n_iter + 1)
    if by == "seconds":
        x = np.asarray(history["seconds"])
    objective = np.asarray(history["objective"])
    known = np.isfinite(objective)  # `mu` computes it every tenth sweep
    # a line of one point would be invisible
    marker = "o" if known.sum() == 1 else None
    if "objectives" in history:  # after several starts
        ax.plot(x, history["objectives"], color=BLUE, alpha=0.3, linewidth=0.8)
    ax.plot(x[known], objective[known], color=BLUE, marker=marker)
    ax.set_xlabel("sweep" if by == "sweeps" else "time (s)")
    ax.ticklabel_format(axis="y", useOffset=False)
    loss = FROBENIUS if is_history else name_loss(model.beta_loss)
    what = "objective" if loss == FROBENIUS else f"objective ({loss})"
    ax.set_ylabel(what, color=BLUE)
    ax.tick_params(axis="y", labelcolor=BLUE)
    ax.set_title("Progress of the fit")
    if by == "sweeps":
        ax.xaxis.get_major_locator().set_params(integer=True)
    if residual:
        _draw_residual(ax.twinx(), x, np.asarray(history["residual"]), marker)
    return ax


def _draw_residual(ax: Any, x: Any, residual: NDArray[Any], marker: Any) -> None:
    ax.plot(x, residual, color=ORANGE, linestyle="--", marker=marker)
    if (residual > 0).any():
        ax.set_yscale("log")
    ax.set_ylabel("residual (dashed)", color=ORANGE)
    ax.tick_params(axis="y", labelcolor=ORANGE)


def plot_components(
    model: Any,
    *,
    image_shape: tuple[int, int] | None = None,
    feature_names: Sequence[str] | None = None,
    n_top: int = 10,
    components: Sequence[int] | None = None,
    shares: Sequence[float] | NDArray[Any] | None = None,
    n_columns: int | None = None,
    figure: Any = None,
) -> Any:
    """Draw each component: as bars of its top features, or as an image.

    Parameters
    ----------
    model : NMF
        A fitted model.
    image_shape : (int, int), default=None
        Height and width of the images whose pixels are the features; None draws bars.
    feature_names : sequence of n_features str, default=None
        Labels of the bars. None takes the names that the model was fitted with, or the
        numbers of the columns.
    n_top : int, default=10
        Number of bars of each component.
    components : sequence of int, default=None
        Components to draw, in this order; None draws all.
    shares : sequence of k float, default=None
        The share of each component, for the titles.
    n_columns : int, default=None
        Number of panels side by side; None chooses.
    figure : matplotlib Figure or SubFigure, default=None
        Figure to draw into; None makes one of fitting size by `matplotlib.pyplot`.

    Returns
    -------
    figure : matplotlib Figure or SubFigure
        The figure, with one panel for each component.

    Raises
    ------
    ValueError
        If the number of pixels is not that of the features, there is not one name for
        each feature, or a component does not exist.
    ImportError
        If matplotlib is not installed.
    """
    H = model.components_
    drawn = _select_components(components, H.shape[0])
    if image_shape is not None and math.prod(image_shape) != H.shape[1]:
        msg = (
            f"image_shape={image_shape} has {math.prod(image_shape)} pixels, but the "
            f"model has {H.shape[1]} features."
        )
        raise ValueError(msg)
    labels = label_features(model, feature_names)
    if n_columns is None:
        n_columns = _choose_columns(len(drawn), images=image_shape is not None)
    n_rows = math.ceil(len(drawn) / n_columns)
    if figure is None:
        panel = (1.3, 1.45) if image_shape else (2.7, 0.5 + 0.2 * n_top)
        size = (panel[0] * n_columns, panel[1] * n_rows + 0.4)
        figure = make_figure(figsize=size, layout="constrained")
    panels = np.atleast_1d(figure.subplots(n_rows, n_columns, squeeze=False)).ravel()
    listed = {
        c.component: c
        for c in list_components(model, feature_names=labels, n_top=n_top)
    }
    for ax, t in zip(panels, drawn, strict=False):
        share = None if shares is None else float(shares[t])
        if image_shape is not None:
            _draw_image(ax, H[t].reshape(image_shape))
        else:
            _draw_bars(ax, listed[t].top, n_top)
        title = f"{t}" if share is None else f"{t}  ({100 * share:.1f} %)"
        if image_shape is None:
            title = f"component {title}"
        ax.set_title(title, fontsize="medium" if image_shape is None else "small")
    for ax in panels[len(drawn) :]:
        ax.remove()
    if image_shape is None:
        figure.supxlabel("weight in H, each panel on its own scale", fontsize="small")
    return figure


def _select_components(components: Sequence[int] | None, k: int) -> list[int]:
    if components is None:
        return list(range(k))
    wrong = [t for t in components if not 0 <= t < k]
    if wrong or not len(components):
        msg = f"`components` must be numbers from 0 to {k - 1}; got {list(components)}."
        raise ValueError(msg)
    return [int(t) for t in components]


def _choose_columns(n_panels: int, *, images: bool) -> int:
    if not images:
        return min(n_panels, 4)
    narrow, wide = math.ceil(math.sqrt(n_panels)), math.ceil(math.sqrt(2 * n_panels))
    # about square, with as few empty places as possible
    return min(range(narrow, wide + 1), key=lambda columns: -n_panels % columns)


def _draw_bars(ax: Any, top: list[tuple[str, float]], n_top: int) -> None:
    """Draw horizontal bars, the largest on top; fewer bars leave room at the bottom."""
    weights = [weight for _, weight in top]
    ax.barh(range(len(top)), weights, color=BLUE, height=0.7)
    ax.set_yticks(range(len(top)), [_shorten(name) for name, _ in top])
    ax.set_ylim(n_top - 0.4, -0.6)
    ax.tick_params(labelsize="small", length=0)
    ax.set_xticks([])
    ax.margins(x=0.02)
    for side in ("top", "right", "bottom"):
        ax.spines[side].set_visible(False)


def _shorten(name: str) -> str:
    """Return a name as a label: cut if it is long, each $ escaped against formulas."""
    text = "".join(c if c.isprintable() else " " for c in name)
    if len(text) > LONGEST_LABEL:
        text = text[: LONGEST_LABEL - 1] + "…"
    return text.replace("$", r"\$")


def _draw_image(ax: Any, image: NDArray[Any]) -> None:
    ax.imshow(image, cmap=COLOURS, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])


def plot_factors(
    W: Any,
    ax: Any = None,
    *,
    row_names: Sequence[str] | None = None,
    component_names: Sequence[str] | None = None,
    order: bool = True,
    max_rows: int = 1000,
) -> Any:
    """Draw W as a map of colours: the share of each component in each sample.

    Parameters
    ----------
    W : array-like of shape (n_samples, k)
        Transformed data. Each row is divided by its sum.
    ax : matplotlib Axes, default=None
        Axes to draw into; None makes a figure by `matplotlib.pyplot`.
    row_names : sequence of n_samples str, default=None
        Names of the rows, shown where there are at most 40 rows.
    component_names : sequence of k str, default=None
        Names of the components; None numbers them.
    order : bool, default=True
        Whether to sort the rows by their largest component, then by its share.
    max_rows : int, default=1000
        Most rows that are drawn; of more rows, these are evenly spaced in the order.

    Returns
    -------
    ax : matplotlib Axes

    Raises
    ------
    ValueError
        If W is not a matrix with at least one row.
    ImportError
        If matplotlib is not installed.
    """
    W = np.asarray(W, dtype=np.float64)
    if W.ndim != 2 or not W.size:
        msg = f"W must be a matrix with at least one row; got shape {W.shape}."
        raise ValueError(msg)
    sums = W.sum(axis=1, keepdims=True)
    parts = np.divide(W, sums, out=np.zeros_like(W), where=sums > 0)
    rows = np.arange(len(W))
    if order:
        rows = np.lexsort((-parts.max(axis=1), parts.argmax(axis=1)))
    what = f"{len(W):,} samples"
    if len(rows) > max_rows:
        what = f"{max_rows:,} of {what}"
        rows = rows[np.linspace(0, len(rows) - 1, max_rows).round().astype(int)]
    ax = get_axes(ax)
    image = ax.imshow(
        parts[rows],
        cmap=COLOURS,
        aspect="auto",
        interpolation="nearest",
        vmin=0,
        vmax=parts.max() or 1,
    )
    ax.figure.colorbar(image, ax=ax, label="part of the sample")
    ax.set_xlabel("component")
    k = W.shape[1]
    if component_names is not None:
        rotation = 90 if k > 8 else 45
        names = [_shorten(str(name)) for name in component_names]
        ax.set_xticks(
            range(k), names, rotation=rotation, ha="right" if k <= 8 else "center"
        )
    else:
        ax.xaxis.get_major_locator().set_params(integer=True)
    if row_names is not None and len(rows) <= 40:
        ax.set_yticks(
            range(len(rows)), [_shorten(str(row_names[int(i)])) for i in rows]
        )
    else:
        ax.set_yticks([])
        ax.set_ylabel(f"{what}, sorted" if order else what)
    return ax
