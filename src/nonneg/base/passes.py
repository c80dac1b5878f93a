"""The passes over X that a solver makes, as it tells a plan."""

from __future__ import annotations

from typing import NamedTuple


class Passes(NamedTuple):
    """Numbers of passes over X that a solver makes."""

    start: int = 0
    iteration: int = 2
    end: int = 0
    """Passes after the last iteration; of several models the best one alone makes them."""
    once: int = 0
    """Passes before the first iteration that several models make once for all."""
    apart: int = 0
    """Passes that each further model adds, where models share those of the iterations."""
