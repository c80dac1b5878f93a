"""Solvers: how the factors move. Importing this package registers those that users name."""

from __future__ import annotations

# in the order in which messages name them
from . import cd, hals, bpp, mu, pg, sn, irls  # isort: skip

__all__ = ["bpp", "cd", "hals", "irls", "mu", "pg", "sn"]
