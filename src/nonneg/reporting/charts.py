"""Charts of a report: inline SVG and small PNG images, drawn by Matplotlib."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..analysis.figures import BLUE, COLOURS, GREEN, ORANGE

INK = "#010203"
"""Colour that stands for that of the text around a chart."""
IN_PAGE = {
    INK: "currentColor",
    BLUE.lower(): "var(--blue)",
    ORANGE.lower(): "var(--orange)",
    GREEN.lower(): "var(--green)",
}
"""Colours of the page, which follow its light or dark scheme, in the place of fixed ones."""
STYLE = {
    "svg.fonttype": "none", "font.size": 10, "text.color": INK, "axes.edgecolor": INK,
    "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "axes.grid": True, "grid.color": INK, "grid.alpha": 0.12,
}  # fmt: skip
MOST_MARKS = 60
"""Most points of a curve that show a name when the pointer is over them."""


def import_matplotlib() -> Any:
    """Import Matplotlib; an ImportError says what to install."""
    try:
        import matplotlib as mpl
    except ImportError:
        msg = "A report needs matplotlib and jinja2: pip install 'nonneg[report]'."
        raise ImportError(msg) from None
    return mpl


def draw_image(values: NDArray[Any]) -> str:
    """Return a PNG of a matrix, one pixel an entry, as a data URI."""
    import_matplotlib()
    from matplotlib.image import imsave

    largest = float(values.max(initial=0.0)) or 1.0
    file = io.BytesIO()
    imsave(file, values / largest, cmap=COLOURS, vmin=0.0, vmax=1.0, format="png")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def draw_spectrum(
    values: NDArray[Any], places: NDArray[Any], names: Sequence[str], name: str
) -> str:
    """Return a line over an ordered axis; its highest points show their names."""
    figure, ax = _new_chart(7.2, 1.9)
    ax.plot(places, values, color=BLUE, lw=1.2)
    ax.set_ylim(bottom=0)
    highest = np.sort(np.argsort(-values, kind="stable")[:MOST_MARKS])
    titles = [f"{names[j]}: {values[j]:.4g}" for j in highest]
    marks = _mark(ax, places[highest], values[highest], titles)
    return _to_svg(figure, f"Component {name} over the features", marks)


def draw_history(columns: dict[str, NDArray[Any]]) -> str:
    """Return curves of a history over the iterations, on logarithmic axes."""
    known = [(name, y) for name, y in columns.items() if np.any(y > 0)]
    figure, axes = _new_chart(7.2, 2.3 * max(1, len(known)), max(1, len(known)))
    marks: dict[str, str] = {}
    for number, (ax, (name, y)) in enumerate(zip(np.ravel(axes), known, strict=True)):
        where = np.flatnonzero(y > 0)
        x = where + 1
        ax.plot(x, y[where], color=(BLUE, ORANGE)[number % 2], lw=1.4)
        ax.set_yscale("log")
        ax.set_ylabel(name)
        ax.set_xlabel("iteration")
        chosen = np.unique(np.linspace(0, len(x) - 1, MOST_MARKS).astype(int))
        titles = [f"iteration {x[i]}, {name} {y[where[i]]:.6g}" for i in chosen]
        marks |= _mark(ax, x[chosen], y[where[chosen]], titles, f"h{number}")
    return _to_svg(figure, "Objective and residual over the iterations", marks)


def draw_ranks(table: dict[str, NDArray[Any]], pick: int) -> str:
    """Return the held-out errors over the ranks, with bars of a standard error."""
    figure, ax = _new_chart(7.2, 3.0)
    rank, error, se = (np.asarray(table[n], float) for n in ("rank", "error", "se"))
    ax.errorbar(rank, error, yerr=se, color=BLUE, lw=1.4, capsize=3, label="held out")
    if "train" in table:
        ax.plot(
            rank, np.asarray(table["train"], float), color=GREEN, lw=1.2, label="fitted"
        )
    ax.axvline(pick, color=ORANGE, ls="--", label=f"pick: {pick}")
    ax.set_xlabel("components")
    ax.set_ylabel("mean loss per entry")
    ax.legend(frameon=False)
    titles = [f"{int(k)} components: {e:.5g}" for k, e in zip(rank, error, strict=True)]
    marks = _mark(ax, rank, error, titles)
    return _to_svg(figure, "Held-out error over the number of components", marks)


def _new_chart(width: float, height: float, rows: int = 1) -> Any:
    mpl = import_matplotlib()
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows)


def _mark(
    ax: Any, x: Any, y: Any, titles: Sequence[str], start: str = "mark"
) -> dict[str, str]:
    """Put unseen points on a curve; return their ids with the titles that they show."""
    marks = {}
    for number, title in enumerate(titles):
        if np.isfinite(y[number]):
            name = f"{start}-{number}"
            ax.plot(x[number], y[number], "o", ms=9, alpha=0, color=BLUE, gid=name)
            marks[name] = title
    return marks


def _to_svg(figure: Any, label: str, marks: dict[str, str]) -> str:
    """Return the figure as an SVG element with a label, titles and colours of the page."""
    mpl = import_matplotlib()
    file = io.StringIO()
    # ids of clips and markers are hashed with the salt: unlike in all charts of a page
    salt = f"{label} {sorted(marks.values())[:3]}"
    with mpl.rc_context({**STYLE, "svg.hashsalt": salt}):
        figure.savefig(
            file,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None},
        )
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for name, title in marks.items():
        text = text.replace(
            f'<g id="{name}">', f'<g class="mark"><title>{html.escape(title)}</title>'
        )
    text = re.sub(r' id="[A-Za-z.]+(2d)?_[0-9]+"', "", text)
    for fixed, of_page in IN_PAGE.items():
        text = text.replace(fixed, of_page)
    text = re.sub(r"font: ([0-9.]+)px [^;\"]*", r"font-size: \1px", text)
    return text.replace(
        "<svg ", f'<svg role="img" aria-label="{html.escape(label)}" ', 1
    )
