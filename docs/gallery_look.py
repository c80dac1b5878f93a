"""The look of the gallery: the order of its examples and the style of their pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
from cycler import cycler

ORDER = re.findall(
    r"^   examples/(\w+\.py)$",
    (Path(__file__).parents[1] / "examples" / "index.rst").read_text(encoding="utf-8"),
    re.MULTILINE,
)
"""Examples in the order of the gallery's index."""


PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
"""Colours of Okabe and Ito, which colour-blind readers tell apart."""


def place(filename: str) -> tuple[int, str]:
    """Return what the examples of a mini-gallery are sorted by."""
    name = Path(filename).name
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def style_pictures(gallery_conf: dict[str, Any], fname: str) -> None:
    """Give the pictures of each example the same look."""
    mpl.rcParams.update(
        {
            "axes.prop_cycle": cycler(color=PALETTE),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": "medium",
            "figure.dpi": 110,
            "font.size": 9.5,
            "image.cmap": "viridis",
            "legend.frameon": False,
            "lines.linewidth": 1.6,
            "savefig.dpi": 110,
        }
    )
