"""Figures and axes of Matplotlib, and the colours of all pictures."""

from __future__ import annotations

from typing import Any

BLUE = "#0072B2"
ORANGE = "#D55E00"
GREEN = "#009E73"
"""Colours of the Okabe-Ito palette, which colour-blind readers tell apart."""

COLOURS = "viridis"
"""Colour map whose lightness rises evenly, so that it can be read in grey too."""


def import_pyplot() -> Any:
    """Import matplotlib.pyplot; an ImportError says what to install."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        msg = "Pictures need matplotlib: pip install 'nonneg[plot]'."
        raise ImportError(msg) from None
    return plt


def make_figure(**options: Any) -> Any:
    """Return a new figure."""
    return import_pyplot().figure(**options)


def get_axes(ax: Any) -> Any:
    """Return the axes, or those of a new figure for None."""
    if ax is not None:
        return ax
    return make_figure(layout="constrained").subplots()
